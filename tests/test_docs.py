"""The Python in README.md and docs/ runs, and prints what the page says it prints.

The blocks of a page run in order and in one namespace, as a reader would type them, in an empty folder with
an empty home.  What a page can say about a block:

    <!-- no-run: the reason -->     before it: compiled only
    <!-- output -->                 after it, before a ``text`` block: what it prints (``...`` is anything)
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = {"docs/providers/qdrant.md": "qdrant_client"}

FENCE = re.compile(
    r"""
    (?:^[ ]* <!-- [ ]* (?P<mark>no-run:[^\n]*?|output) [ ]* --> [ ]*\n (?:[ ]*\n)*)?
    ^(?P<indent>[ ]*) ``` (?P<language>\w+) [^\n`]* \n
    (?P<body>.*?)
    ^(?P=indent) ``` [ ]* $
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass
class Block:
    """One Python block of a page."""

    code: CodeType
    line: int
    runs: bool = True
    output: str | None = None


def blocks_of(page: Path, text: str) -> list[Block]:
    """Compile the Python blocks of a page, so that their errors name the page and its lines."""
    blocks: list[Block] = []
    for fence in FENCE.finditer(text):
        mark, body = fence["mark"] or "", textwrap.dedent(fence["body"])
        line = text.count("\n", 0, fence.start("body"))
        if fence["language"] == "python":
            code = compile("\n" * line + body, str(page), "exec", dont_inherit=True)
            blocks.append(Block(code, line, runs=not mark.startswith("no-run")))
        elif mark == "output":
            assert blocks, f"{page}:{line}: output of which block?"
            assert blocks[-1].runs, f"{page}:{line}: output of a block that does not run"
            assert blocks[-1].output is None, f"{page}:{line}: a second output of one block"
            blocks[-1].output = body
    return blocks


def run(page: Path, text: str) -> None:
    """Run the blocks of a page and compare what they print."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in blocks_of(page, text):
            if not block.runs:
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(block.code, namespace)
            if block.output is not None:
                check_output(block.output, printed.getvalue(), f"{page}:{block.line}")
    finally:
        for value in namespace.values():  # readers need not close what they try, tests must
            if type(value).__module__.startswith("mem0.") and hasattr(value, "__exit__"):
                value.close()


def check_output(expected: str, printed: str, where: str) -> None:
    """Compare as doctest does, blind to white space at the ends of lines."""
    expected, printed = without_trailing_space(expected), without_trailing_space(printed)
    same = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
    assert same, f"{where} says it prints\n{expected}but it printed\n{printed}"


def without_trailing_space(text: str) -> str:
    """Drop white space at the end of every line, and empty lines around the text."""
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())


@pytest.fixture(autouse=True)
def _newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, an empty home, and no variable that chooses anything."""
    for folder in ("home", "work"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "mem0"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(page: Path) -> None:
    module = NEEDS.get(page.relative_to(ROOT).as_posix())
    if module is not None and find_spec(module) is None:
        pytest.skip(f"its code needs {module}")
    run(page, page.read_text(encoding="utf-8"))


PAGE = Path("page.md")


def test_one_namespace_and_indented_blocks() -> None:
    run(PAGE, "```python\nx = 1\n```\n\n=== tab\n\n    ```python\n    assert x == 1\n    ```\n")


def test_a_failing_block_names_its_line_on_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(PAGE, "# Page\n\n```python\nx = 1\nx / 0\n```\n")
    last = caught.traceback[-1]
    assert (str(last.path).endswith("page.md"), last.lineno + 1) == (True, 5)


def test_marked_blocks_are_compiled_only() -> None:
    run(PAGE, "<!-- no-run: no such module -->\n```python\nimport nonesuch\n```\n")
    with pytest.raises(SyntaxError):
        run(PAGE, "<!-- no-run: still compiled -->\n```python\n1 +\n```\n")


def test_output_is_compared() -> None:
    run(PAGE, '```python\nprint("a 0.71")\n```\n\n<!-- output -->\n```text\na 0...\n```\n')
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        run(PAGE, '```python\nprint("a")\n```\n\n<!-- output -->\n```text\nb\n```\n')
