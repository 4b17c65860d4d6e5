"""The arrows of the architecture point down, and heavy packages wait behind the factories.

values <- configs <- storage | wire <- llms | embeddings | vector_stores | history <- utils.factory <- rerankers
<- memory <- mem0
values <- client <- mem0
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mem0

PACKAGE = Path(mem0.__file__).parent

VALUES = {
    *("_version", "exceptions", "filters", "languages", "legs", "parts", "text", "times", "traits", "types"),
    *("when", "when_words"),
}
HEIGHT = {
    **dict.fromkeys(VALUES, 0),
    "client": 1,  # of the hosted service: knows nothing of the rest
    "configs": 1,
    "storage": 2,
    "wire": 2,  # what providers of one vendor share
    "embeddings": 3,
    "history": 3,
    "llms": 3,
    "vector_stores": 3,
    "utils": 4,
    "rerankers": 5,  # above the factory, because one of them has an LLM made
    "memory": 6,
    "mem0": 7,
    "testing": 8,  # doubles and contracts stand on everything; nothing stands on them
}

# Where an SDK may be imported at the top of a file: the providers and the client, each loaded only when it is named.
PROVIDER_ROOMS = {"client", "embeddings", "llms", "rerankers", "vector_stores", "wire"}
ALWAYS_THERE = {"pydantic", "mem0"}


def room(module: str) -> str:
    """Return the room of a module: its first name below ``mem0``, or ``mem0`` for the front door."""
    _, _, below = module.partition(".")
    return below.split(".")[0] or "mem0"


def imports(module: str, tree: ast.AST, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Yield every module of ours that is imported, wherever in the file, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name.split(".")[0] == "mem0")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            for alias in node.names if (node.module or "").split(".")[0] == "mem0" else ():
                below = f"{node.module}.{alias.name}"
                yield (below if below in modules else str(node.module)), node.lineno


def wrong_arrows(module: str, source: str, modules: set[str]) -> list[str]:
    """Return the imports of a module that point up or sideways."""
    here = room(module)
    wrong = []
    for imported, line in imports(module, ast.parse(source), modules):
        there = room(imported)
        if there not in HEIGHT:
            wrong.append(f"{module}:{line}: {imported} is in no room of the plan")
            continue
        # The values may know each other, and the doubles everything.
        if there == here or HEIGHT[there] == HEIGHT[here] == 0 or here == "testing":
            continue
        if HEIGHT[there] >= HEIGHT[here]:
            wrong.append(f"{module}:{line}: {here} imports {imported}")
    return wrong


def early_imports(module: str, source: str) -> list[str]:
    """Return packages of others that are imported with the module itself, not on use."""
    found = []
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        for name in names:
            package = name.split(".")[0]
            if package not in sys.stdlib_module_names and package not in ALWAYS_THERE:
                found.append(f"{module}:{node.lineno}: {package}")  # type: ignore[attr-defined]
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _sources() -> dict[str, str]:
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("mem0", *path.relative_to(PACKAGE).with_suffix("").parts)
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


SOURCES = _sources()


@pytest.mark.parametrize("module", SOURCES)
def test_arrows_point_down(module: str) -> None:
    assert room(module) in HEIGHT
    assert wrong_arrows(module, SOURCES[module], {*SOURCES}) == []


@pytest.mark.parametrize("module", [name for name in SOURCES if room(name) != "testing"])
def test_sdks_are_imported_by_providers_only(module: str) -> None:
    is_provider = room(module) in PROVIDER_ROOMS and not module.endswith(".base") and module.count(".") == 2
    assert is_provider or early_imports(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mem0.types", "from mem0.configs.base import MemoryConfig"),
        ("mem0.configs.base", "def f():\n    import mem0.memory.main"),
        ("mem0.llms.base", "from mem0.embeddings import base"),
        ("mem0.wire", "from mem0.llms.base import LLMBase"),
        ("mem0.storage.database", "from mem0.history import base"),
        ("mem0.history.sqlite", "from mem0.vector_stores.base import Query"),
        ("mem0.embeddings.onnx", "from mem0.utils.factory import EmbedderFactory"),
        ("mem0.utils.factory", "import mem0"),
        ("mem0.rerankers.llm", "from mem0.memory.operations import in_thread"),
        ("mem0.memory.core", "from mem0 import Memory"),
        ("mem0.memory.core", "from mem0.testing import memory"),
        ("mem0.memory.core", "from mem0.drawer import thing"),
    ],
)
def test_a_wrong_arrow_would_be_seen(module: str, source: str) -> None:
    assert len(wrong_arrows(module, source, {*SOURCES})) == 1


def test_an_early_import_would_be_seen() -> None:
    source = (
        "import os, numpy\nif TYPE_CHECKING:\n    import httpx\ntry:\n    from openai import OpenAI\nfinally:\n    pass"
    )
    assert sorted(early_imports("mem0.memory.core", source)) == [
        "mem0.memory.core:1: numpy",
        "mem0.memory.core:5: openai",
    ]
    assert early_imports("mem0.memory.core", "def f():\n    import numpy") == []
