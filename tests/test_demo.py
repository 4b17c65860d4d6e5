"""``make demo`` shows what it claims."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from run_example import EXAMPLES, load_example, run_python

demo = load_example("demo")

# The least that a first-time user shall see; the search tests hold the ranking itself to more.
FIRST_5, FIRST_10 = 12, 13


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    """What the demo prints where the console has a code page without Chinese."""
    return run_python([str(EXAMPLES / "demo.py"), "--path", str(folder / "demo.db")], folder, PYTHONIOENCODING="cp1252")


def test_it_shows_how_far_it_is(output: str) -> None:
    assert "\n  100 of 339 turns\n" in output
    assert "\n  339 of 339 turns\n  339 memories\n" in output


def test_questions_are_answered(output: str) -> None:
    for first, least in ((5, FIRST_5), (10, FIRST_10)):
        hits = re.search(rf"was among the first {first:>2} for (\d+) of 14 questions", output)
        assert hits, output
        assert int(hits[1]) >= least, f"only {hits[1]} of 14 among the first {first}"


def test_memories_are_shown_with_what_found_them(output: str) -> None:
    shown = re.findall(r"^ {4}([>* ]) +(\d+)  ([01]\.\d\d)  (.{10})  [ \d]\d [A-Z][a-z]{2}  \S", output, re.MULTILINE)
    assert len(shown) >= 14 * demo.SHOWN
    assert {leg.strip() for _, _, _, leg in shown} <= set(demo.LEGS.values())
    assert sum(mark == ">" for mark, *_ in shown) >= FIRST_10
    assert "Tiago: ok ok found it. the cat's called Bolota btw" in output
    assert "韭菜鸡蛋饺子" in output


def test_a_fact_is_changed_and_one_is_forgotten(output: str) -> None:
    _, changed = output.split("3  Change")
    assert re.search(r"before +Nora: Vegetarian since I was 19", changed)
    assert re.search(r"after +Nora: I eat fish and seafood now", changed)
    assert re.search(r"ADD +Nora: Vegetarian since I was 19.*\n(?: +\S.*\n)*? +UPDATE +Nora: I eat fish", changed)
    assert "get(id) returns None" in changed
    assert re.search(r"ADD +Nora: 2 bags of compost.*\n +DELETE +Nora: 2 bags of compost", changed)


def test_everything_outlives_the_process(output: str) -> None:
    assert re.findall(r"(\d+) (memories|rows of history|search results): the same as before", output) == [
        ("338", "memories"),
        ("341", "rows of history"),
        ("140", "search results"),
    ]


def test_it_says_what_it_cost(output: str) -> None:
    calls = dict(re.findall(r"^  (add|search|embedder|LLM) +(\d+) calls", output, re.MULTILINE))
    assert {**calls, "embedder": int(calls["embedder"])} == {
        "add": "339",
        "search": "44",
        # One for each; and the update's, and none for questions in a script the embedder does not know.
        "embedder": pytest.approx(339 + 44, abs=8),
        "LLM": "0",
    }


def test_it_fits_into_100_columns(output: str) -> None:
    wide = [line for line in output.splitlines() if demo.display_width(line) > 100 and "demo.db" not in line]
    assert wide == []


def test_a_second_run_on_the_same_file_starts_over(output: str, folder: Path) -> None:
    again = run_python([str(EXAMPLES / "demo.py"), "--path", str(folder / "demo.db")], folder)
    assert "\n  339 memories\n" in again
    assert "338 memories: the same as before" in again
    assert not (folder / "mem0").exists()
    assert list((folder / "home").iterdir()) == []


def test_without_a_path_it_names_a_folder_of_its_own(tmp_path: Path) -> None:
    output = run_python([str(EXAMPLES / "demo.py")], tmp_path, TMPDIR=str(tmp_path), TEMP=str(tmp_path), TMP="")
    (path,) = [line.strip() for line in output.splitlines() if line.endswith("demo.db")]
    assert Path(path).is_relative_to(tmp_path)
    assert Path(path).stat().st_size > 100_000


def test_a_loss_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    before: dict[str, list[Any]] = {"memories": [1, 2], "rows of history": [3]}
    assert demo.compare(before, before)
    assert not demo.compare(before, {**before, "memories": [1]})
    assert "1 memories: NOT THE SAME, there were 2" in capsys.readouterr().out


def test_text_is_wrapped_by_the_columns_it_takes() -> None:
    assert list(demo.wrapped("one two three", 7)) == ["one two", "three"]
    assert list(demo.wrapped("我的猫叫小雨", 5)) == ["我的", "猫叫", "小雨"]
    assert demo.cut("我的猫叫小雨", 9) == "我的猫..."
    assert demo.cut("a\nb", 9) == "a b"
