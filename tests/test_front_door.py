"""What ``import mem0`` gives, and that it does nothing but import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import mem0
from mem0 import exceptions

# Run in a process of its own: what it sees must not depend on which tests ran before.
_WATCH_THE_IMPORT = """
import json, os, sys, sysconfig

events = []
sys.addaudithook(lambda event, arguments: events.append((event, arguments)))
from mem0 import Memory
seen, events = events, []

import threading
package = os.path.dirname(sys.modules["mem0"].__file__)
ours = {os.path.realpath(path) for path in (package, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())}
opened = [arguments for event, arguments in seen if event == "open" and isinstance(arguments[0], (str, bytes))]
foreign = [
    os.fsdecode(path) for path, *_ in opened
    if not any(os.path.realpath(os.fsdecode(path)).startswith(folder + os.sep) for folder in ours)
]
written = [
    os.fsdecode(path) for path, mode, flags in opened
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or (mode and set(mode) & set("wax+"))
]
print(json.dumps({
    "opened": len(opened),
    "foreign": foreign,
    "written": written,
    "other": sorted({event for event, _ in seen if event.startswith(("socket.", "subprocess.", "sqlite3."))}),
    "started": [event for event, _ in seen if event == "_thread.start_new_thread"],
    "threads": threading.active_count(),
    "modules": sorted(sys.modules),
    "environment": [event for event, _ in seen if event in ("os.putenv", "os.unsetenv")],
}))
"""

_ON_USE = ["AsyncMemoryClient", "MemoryClient"]
_FOR_TYPES = {"TYPE_CHECKING", "Any"}
_HEAVY = ["openai", "qdrant_client", "posthog", "numpy", "onnxruntime", "httpx", "tokenizers", "snowballstemmer"]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MEM0_", "PYTEST_"))},
        "HOME": str(home),
        "PYTHONPATH": str(Path(mem0.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENAI_API_KEY": "sk-of-somebody",
    }
    done = subprocess.run(
        [sys.executable, "-c", _WATCH_THE_IMPORT], env=environment, cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    found["home"] = [str(path.relative_to(home)) for path in home.rglob("*")]
    return found


def test_importing_opens_no_file_but_pythons(imported: dict[str, Any]) -> None:
    assert imported["opened"] > 0  # or the watch saw nothing
    assert imported["foreign"] == []
    assert imported["written"] == []


def test_importing_opens_no_socket_process_or_database(imported: dict[str, Any]) -> None:
    assert imported["other"] == []


def test_importing_starts_no_thread(imported: dict[str, Any]) -> None:
    assert imported["started"] == []
    assert imported["threads"] == 1


def test_importing_writes_nothing_at_home_and_changes_no_environment(imported: dict[str, Any]) -> None:
    assert imported["home"] == []
    assert imported["environment"] == []


@pytest.mark.parametrize("name", _HEAVY)
def test_importing_loads_no_heavy_package(imported: dict[str, Any], name: str) -> None:
    assert name not in imported["modules"]


def test_every_exported_name_is_listed_in_order() -> None:
    public = {name for name, value in vars(mem0).items() if not name.startswith("_") and not _is_module(value)}
    assert mem0.__all__ == sorted(set(mem0.__all__))
    assert {*public - _FOR_TYPES, *_ON_USE, "__version__"} == {*mem0.__all__}


@pytest.mark.parametrize("name", _ON_USE)
def test_what_is_loaded_on_use_is_there(name: str) -> None:
    assert getattr(mem0, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Memry'"):
        _ = mem0.Memry


def test_every_error_is_exported_and_documented() -> None:
    errors = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, exceptions.Mem0Error)
    }
    assert errors <= set(mem0.__all__)
    assert all(name in str(exceptions.__doc__) for name in errors)


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        ("ConfigError", (ValueError,)),
        ("EmbedderMismatchError", (mem0.ConfigError,)),
        ("MissingDependencyError", (mem0.ConfigError, ImportError)),
        ("ValidationError", (ValueError,)),
        ("FilterError", (mem0.ValidationError,)),
        ("DuplicateMemoryError", (mem0.ValidationError,)),
        ("MemoryNotFoundError", (mem0.ValidationError,)),
        ("StoragePermissionError", (mem0.StorageError, PermissionError)),
    ],
)
def test_errors_can_be_caught_as_what_callers_expect(error: str, parents: tuple[type[Exception], ...]) -> None:
    assert all(issubclass(getattr(mem0, error), parent) for parent in (*parents, mem0.Mem0Error))


@pytest.mark.parametrize(
    ("path", "name", "home"),
    [
        ("mem0.memory.main", "Memory", mem0),
        ("mem0.memory.main", "AsyncMemory", mem0),
        ("mem0.memory.base", "MemoryBase", mem0),
        ("mem0.client.main", "MemoryClient", mem0),
        ("mem0.client.main", "AsyncMemoryClient", mem0),
        ("mem0.client.main", "APIError", mem0),
        ("mem0.configs.base", "MemoryConfig", mem0),
        ("mem0.configs.base", "MemoryItem", mem0),
    ],
)
def test_published_paths_give_the_same_objects(path: str, name: str, home: types.ModuleType) -> None:
    module = __import__(path, fromlist=[name])
    assert getattr(module, name) is getattr(home, name)


def test_the_history_is_where_it_was_published() -> None:
    from mem0.memory.storage import SQLiteManager

    with closing(SQLiteManager()) as manager:
        manager.add_history("m1", None, "Likes tea", "ADD")
        assert manager.get_history("m1")[0]["new_value"] == "Likes tea"
        manager.reset()
        assert manager.get_history("m1") == []


def _is_module(value: object) -> bool:
    return isinstance(value, types.ModuleType)
