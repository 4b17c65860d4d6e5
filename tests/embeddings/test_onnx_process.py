"""The bundled embedder as a guest in somebody's process: files, environment, threads, forks."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import mem0

# Importing onnxruntime only writes where no CI is seen; and nothing may be inherited that leads elsewhere.
KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
HOMES = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP")
HOMES += ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")


def run(code: str, home: Path, **environment: str) -> str:
    """Run code in a new process whose every folder is ``home``; its standard error must stay empty."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = dict.fromkeys(HOMES, str(home))
    source = {"PYTHONPATH": str(Path(mem0.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={**kept, **folders, **source, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


EMBED = "from mem0.embeddings.onnx import OnnxEmbedding; OnnxEmbedding().embed_batch(['a', 'b c'])\n"


def test_nothing_is_written(tmp_path: Path) -> None:
    run(EMBED, tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "needs"),
    [("mem0.embeddings.fastembed", ["fastembed"]), ("mem0.vector_stores.qdrant", ["qdrant_client", "fastembed"])],
)
def test_nothing_is_written_by_others_who_import_it(tmp_path: Path, module: str, needs: list[str]) -> None:
    if not all(find_spec(needed) for needed in needs):
        pytest.skip(f"{module} needs {needs}")
    run(f"import {module}", tmp_path)
    assert files(tmp_path) == []


def test_the_test_above_can_fail(tmp_path: Path) -> None:
    run("import onnxruntime", tmp_path)
    if not files(tmp_path):
        pytest.skip("this build of onnxruntime writes nothing by itself")
    off = tmp_path / "off"
    off.mkdir()
    run("import onnxruntime", off, ORT_DISABLE_TELEMETRY="1")
    assert files(off) == []


@pytest.mark.parametrize("given", [None, "0"])
def test_the_environment_is_left_as_it_was(tmp_path: Path, given: str | None) -> None:
    code = "import os; before = dict(os.environ)\n" + EMBED + "print(dict(os.environ) == before)"
    assert run(code, tmp_path, **({} if given is None else {"ORT_DISABLE_TELEMETRY": given})) == "True\n"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts native threads in /proc")
def test_embedding_starts_no_thread_unless_told(tmp_path: Path) -> None:
    code = """
import os
from mem0.embeddings.onnx import OnnxEmbedding
for threads in 1, 3:
    before = len(os.listdir("/proc/self/task"))
    embedder = OnnxEmbedding({"threads": threads})
    embedder.embed_batch(["a", "b c"])
    print(len(os.listdir("/proc/self/task")) - before)
"""
    assert run(code, tmp_path) == "0\n2\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_embeds_too(tmp_path: Path) -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # numpy has threads of its own when the process forks
from mem0.embeddings.onnx import OnnxEmbedding
embedder = OnnxEmbedding()
expected = embedder.embed("I moved to Lisbon.")
child = os.fork()
if child == 0:
    os._exit(0 if embedder.embed("I moved to Lisbon.") == expected else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code, tmp_path) == "0\n"
