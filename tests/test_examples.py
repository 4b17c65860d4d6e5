"""The examples run as their first lines say, and print what they promise."""

from __future__ import annotations

import re
from pathlib import Path

from run_example import EXAMPLES, ROOT, load_example, run_python

from mem0.testing import EmbedderContract

custom_embedder = load_example("custom_embedder")


def test_every_example_is_tested() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == {"async_memory", "chat_loop", "custom_embedder", "demo", "demo_llm", "quickstart"}


def test_quickstart(tmp_path: Path) -> None:
    expected = [
        "what can't she eat?        I moved to Lisbon and I'm allergic to peanuts.",
        "when is the team meeting?  Our team meets on Thursdays at ten now.",
        "ADD                        I moved to Lisbon and I'm allergic to peanuts.",
        "UPDATE                     I moved to Porto and I'm allergic to peanuts.",
        "forgotten                  3 of alice's",
        "forgotten                  1 of bob's",
    ]
    for _ in range(2):  # it leaves nothing behind that would change a second run
        assert run_python([str(EXAMPLES / "quickstart.py")], tmp_path).splitlines() == expected
    assert b"peanuts" not in (tmp_path / "mem0" / "mem0.db").read_bytes()
    assert list((tmp_path / "home").iterdir()) == []


def test_chat_loop_remembers_within_a_chat_and_from_one_to_the_next(tmp_path: Path) -> None:
    script = str(EXAMPLES / "chat_loop.py")
    first = run_python([script], tmp_path)  # with nobody to talk to
    assert first.startswith("I remember 0 things you said.\n")
    assert "I stopped eating meat last summer." in told(first, "What could I cook tonight, without meat?")
    assert "My daughter Lena is starting school in September." in told(first, "When does Lena start school?")
    assert told(first, "Who won the world cup in 1998?") == ["- nothing about it"]
    second = run_python([script], tmp_path, stdin="Where does Mira work?\n\nAnd what does she teach?\n")
    assert second.startswith("I remember 6 things you said.\n")
    assert "Hi! I'm Mira, I teach chemistry in Graz." in told(second, "And what does she teach?")


def told(output: str, line: str) -> list[str]:
    """Return what the chat would hand to an LLM with this line: texts of memories, without their days."""
    turn = output[output.index(f"you: {line}") :].split("\n\n")[0]
    return [row.removeprefix("   | ").split(", user: ")[-1] for row in turn.splitlines() if row.startswith("   | - ")]


def test_async_memory(tmp_path: Path) -> None:
    lines = run_python([str(EXAMPLES / "async_memory.py")], tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == ["alice", "bob", "clara", "4"]
    assert lines[0].endswith("I'm allergic to peanuts.")
    assert not (tmp_path / "mem0").exists()


def test_custom_embedder(tmp_path: Path) -> None:
    lines = run_python([str(EXAMPLES / "custom_embedder.py")], tmp_path).splitlines()
    assert [line for line in lines if line.startswith("trigrams")] == [
        "trigrams, 512 numbers",
        "trigrams, 1024 numbers",
    ]
    assert sum(line.endswith("My dentist is Doctor Oyelaran, in Marienstrasse.") for line in lines) == 2
    assert sum(line.endswith("The spare key is with the neighbours.") for line in lines) == 2


class TestTrigramEmbedding(EmbedderContract):
    def embedder(self) -> custom_embedder.TrigramEmbedding:
        return custom_embedder.TrigramEmbedding()


def test_what_writing_a_provider_shows_keeps_the_contracts(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "writing-a-provider.md").read_text(encoding="utf-8")
    shown = re.findall(r"^(<!-- no-run[^\n]*\n)?```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    page = tmp_path / "test_page.py"
    page.write_text("\n".join(code for mark, code in shown if not mark), encoding="utf-8")
    output = run_python(["-m", "pytest", "-q", "-p", "no:cacheprovider", str(page)], tmp_path)
    assert re.search(r"^\d{2,} passed", output, re.MULTILINE), output


def test_unit_testing_an_agent(tmp_path: Path) -> None:
    tests = str(EXAMPLES / "unit_testing_an_agent")
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    assert "7 passed" in run_python(["-m", "pytest", *config, tests], tmp_path)
    assert not (tmp_path / "mem0").exists()
