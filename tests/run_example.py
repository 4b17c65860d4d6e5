"""Runs a script of ``examples/`` as a reader would, in a process of its own, with an empty home."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import mem0

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run_python(arguments: list[str], folder: Path, *, stdin: str = "", **environment: str) -> str:
    """Run Python and return what it printed; it must succeed and print no error or warning.

    Args:
        arguments: What follows ``python``.
        folder: Where it runs; its home and the library's own folder lie below it.
        stdin: What it reads.
        environment: Further variables.
    """
    for name in ("home", "work"):
        (folder / name).mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MEM0_", "OPENAI_", "PYTHON"))}
    env |= {
        "HOME": str(folder / "home"),
        "USERPROFILE": str(folder / "home"),
        "MEM0_DIR": str(folder / "mem0"),
        # The mem0 that is tested here, be it installed or the source tree.
        "PYTHONPATH": str(Path(mem0.__file__).parents[1]),
        "PYTHONWARNINGS": "error",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=folder / "work",
        env=env | environment,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), (
        f"{arguments} exited {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def load_example(name: str) -> ModuleType:
    """Return a script of ``examples/`` as a module, without running its main part."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
