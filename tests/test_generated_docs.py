"""The generated parts of docs/ are what the code gives, and the errors are all on their page."""

from __future__ import annotations

import builtins
import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import mem0.exceptions
from mem0 import Mem0Error

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ERRORS = {name: kind for name, kind in vars(mem0.exceptions).items() if inspect.isclass(kind)}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "generate_docs.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_is_up_to_date(tool: ModuleType, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == tool.generated(text), "run: python tools/generate_docs.py --write"


def test_every_part_is_on_a_page(tool: ModuleType) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    parts = [f"options {name}" for name in tool.MODELS] + [f"providers {name}" for name in tool.FACTORIES]
    parts += ["errors", "weights", *(f"example {name}" for name in tool.EXAMPLE)]
    missing = [part for part in parts if f"<!-- generated: {part} -->" not in text]
    assert missing == []
    assert text.count("<!-- generated: ") == text.count("<!-- end generated -->") == len(parts)


def test_each_provider_names_a_test_that_is_there(tool: ModuleType) -> None:
    for kind, factory in tool.FACTORIES.items():
        assert tool.PROVIDERS[kind].keys() == factory.providers.keys()
        for provider, (_, test) in tool.PROVIDERS[kind].items():
            # Its class or one of its names; vendors are tested by the rows of their table, all of them.
            said, path = (ROOT / test).read_text(encoding="utf-8"), factory.providers[provider]
            named = {path.rpartition(".")[2], *(name for name, other in factory.providers.items() if other == path)}
            assert "VENDORS" in said or any(re.search(rf"\b{name}\b", said) for name in named), (provider, test)


def test_each_extra_is_of_a_provider_and_is_installed_in_ci(tool: ModuleType) -> None:
    _, _, section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project.optional-dependencies]")
    extras = dict(re.findall(r"^(\w+) = \[(.*)\]$", section.partition("\n[")[0], re.MULTILINE))
    groups = {name: {*re.findall(r"\w+", extras.pop(name).partition("[")[2])} for name in ("all", "providers")}
    single = extras.keys() - {"dev", "test", "docs"}
    used = {extra for rows in tool.PROVIDERS.values() for extra, _ in rows.values() if extra}
    assert used | {"telemetry"} == single
    # `.ci/run` loads the providers of `all` in one environment, and LiteLLM's in another.
    assert groups["all"] == single - {"litellm"}
    assert groups["providers"] == groups["all"] - {"huggingface"}


def test_a_change_is_noticed(tool: ModuleType) -> None:
    page = "<!-- generated: options MemoryConfig -->\nout of date\n<!-- end generated -->\n"
    assert "`collection_name`" in tool.generated(page)
    assert "out of date" not in tool.generated(page)


def test_the_tree_of_errors_is_the_classes() -> None:
    """The one drawn in the docstring of ``mem0.exceptions``, which the page shows."""
    drawn: dict[str, set[str]] = {}
    above: list[str] = []
    for line in (inspect.getdoc(mem0.exceptions) or "").splitlines():
        found = re.match(r"    (?P<lines>[│├└─ ]*)(?P<name>\w+)(?: \((?P<more>[\w, ]+)\))?(?=  |$)", line)
        if found is None:
            continue
        del above[len(found["lines"]) // 4 :]
        more = set(found["more"].split(", ")) if found["more"] else set()
        drawn[found["name"]] = {above[-1], *more} if above else {"Exception"}
        above.append(found["name"])
    bases = {name: {base.__name__ for base in kind.__bases__} for name, kind in ERRORS.items()}
    assert drawn == bases


def test_every_error_is_explained() -> None:
    _, _, page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").partition("## What each means")
    explained = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(explained) == sorted(ERRORS)


def test_every_error_is_ours_and_exported() -> None:
    for name, kind in ERRORS.items():
        assert issubclass(kind, Mem0Error), name
        assert getattr(mem0, name) is kind
        assert not hasattr(builtins, name)
