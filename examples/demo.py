"""What the library does, on a real conversation: remember, ask, change, forget, reopen, and what it costs.

    make demo                                (or)   python examples/demo.py [--path FILE]

The conversation is made up and lies in ``examples/data``: 339 turns between two friends over ten months,
in English, Chinese and German, with facts that change.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mem0 import Mem0Error, Memory
from mem0.types import MemoryDict, MemoryList

DATA = Path(__file__).parent / "data"
COLUMNS = 100

# Whose memories these are: say, an assistant of Nora's, who let it read the chat.
USER = "nora"
SHOWN = 3

# Turns by their line in conversation.jsonl.
DIET, DIET_NOW = 41, "Nora: I eat fish and seafood now, but no meat. Before, I was a vegetarian for twelve years"
WRONG_CHAT = 165

# What found a memory, in words: its own words, its own meaning, or those of the turns around it.
LEGS = {
    "keyword": "words",
    "near_keyword": "words near",
    "dense": "meaning",
    "late": "each word",
    "late_window": "words near",
    "session_dense": "same talk",
    "near_dense": "said near",
    "speaker": "speaker",
    "time": "its time",
}


class Turn(NamedTuple):
    """One line of the conversation."""

    timestamp: str
    text: str


class Question(NamedTuple):
    """A question, its answer, and the lines that say so; where a fact changed, the last one holds."""

    question: str
    answer: str
    evidence: list[int]


@dataclass
class Costs:
    """What the calls took, in seconds, and how often the embedder was called."""

    adds: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)
    embed_calls: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Show what the library does on a conversation of 339 turns.")
    parser.add_argument("--path", help="the file to keep the memories in (default: a new one in a temporary folder)")
    path = parser.parse_args().path or str(Path(tempfile.mkdtemp(prefix="mem0-demo-")) / "demo.db")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a Windows code page does not know Chinese
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    turns, questions = read_turns(), read_questions()
    costs = Costs()
    started = time.perf_counter()

    print(f"A chat between Nora and Tiago, March to December 2025: {len(turns)} turns in three languages.")
    print("No key, no server, no download: all of it happens in this process, and in one file.")
    print(f"  {path}")

    with open_memory(path) as memory:
        memory.reset()  # the demo's own collection, should the file have one already
        heading("1  Remember", "every turn as it was said, with its date")
        ids = remember(memory, turns, costs)
        heading("2  Ask", f"{len(questions)} questions, the best {SHOWN} memories for each")
        ask(memory, questions, ids, costs)
        heading("3  Change", "a memory that is no longer true; its history is kept")
        change(memory, ids[DIET], costs)
        heading("4  Forget", "a message that went to the wrong chat")
        forget(memory, ids[WRONG_CHAT])
        before = snapshot(memory, questions, ids, costs)
    heading("5  Reopen", "close the file, open it again, compare")
    with open_memory(path) as memory:
        kept = compare(before, snapshot(memory, questions, ids, costs))
    heading("6  What it cost", "on this machine")
    report(costs, time.perf_counter() - started, Path(path))
    print("\nThe file stays where it is, for you to look at.")
    return 0 if kept else 1


def open_memory(path: str) -> Memory:
    # Named, so that a key in the environment changes nothing; demo_llm.py is the demo with an LLM.
    return Memory({"path": path, "collection_name": "demo", "embedder": {"provider": "onnx"}})


# -- the six parts ------------------------------------------------------------------------------------


def remember(memory: Memory, turns: list[Turn], costs: Costs) -> dict[int, str]:
    """Add every turn and return the memories' ids by line."""
    ids = {}
    for line, turn in enumerate(progress(turns), start=1):
        started = time.perf_counter()
        added = memory.add(turn.text, user_id=USER, timestamp=turn.timestamp, infer=False)
        costs.adds.append(time.perf_counter() - started)
        costs.embed_calls += added.usage.embed_calls
        ids[line] = added[0]["id"]
    print(f"  {memory.get_all(user_id=USER, limit=1).total} memories")
    return ids


def ask(memory: Memory, questions: list[Question], ids: dict[int, str], costs: Costs) -> None:
    """Ask every question and say how many found the turn that answers it."""
    print("  score     how well the memory fits by itself, 0 to 1; the order minds the turns around it too")
    print("  found by  its words, its meaning, or the words or the sense of the turns near it")
    print("  >         the turn that answers the question")
    print("  *         what was true before")
    ranks = []
    for number, question in enumerate(questions, start=1):
        found = search(memory, question.question, costs)
        lines = {ids[line]: line for line in question.evidence}
        latest = question.evidence[-1]
        rank = next((at for at, row in enumerate(found, start=1) if lines.get(row["id"]) == latest), None)
        ranks.append(rank)
        print()
        print_wrapped(f"{number:>4}  ", question.question)
        print_wrapped("      answer: ", question.answer)
        for at, row in enumerate(found, start=1):
            if at <= SHOWN or at == rank:
                line = lines.get(row["id"])
                print_memory(at, row, ">" if line == latest else "*" if line else " ")
    print()
    for first in (5, 10):
        hits = sum(rank is not None and rank <= first for rank in ranks)
        print(f"  The turn that answers was among the first {first:>2} for {hits} of {len(questions)} questions.")


def change(memory: Memory, memory_id: str, costs: Costs) -> None:
    """Update a memory, search for it, and show its history."""
    question = "Is Nora still a vegetarian?"
    print(f"  {question}")
    print_wrapped("    before   ", search(memory, question, costs)[0]["memory"])
    memory.update(memory_id, DIET_NOW)
    print_wrapped("    after    ", search(memory, question, costs)[0]["memory"])
    print_history(memory, memory_id)


def forget(memory: Memory, memory_id: str) -> None:
    """Delete a memory; what is left of it is its history."""
    memory.delete(memory_id)
    print(f"  get(id) returns {memory.get(memory_id)}")
    print_history(memory, memory_id)


def snapshot(memory: Memory, questions: list[Question], ids: dict[int, str], costs: Costs) -> dict[str, list[Any]]:
    """Return all that must outlive the process."""
    return {
        "memories": [*memory.get_all(user_id=USER, limit=1000)],
        "rows of history": [row for id in ids.values() for row in memory.history(id)],
        "search results": [found["id"] for each in questions for found in search(memory, each.question, costs)],
    }


def compare(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> bool:
    """Say what is still there, and return whether that is everything."""
    for what, expected in before.items():
        same = "the same as before" if after[what] == expected else f"NOT THE SAME, there were {len(expected)}"
        print(f"  {len(after[what]):>4} {what}: {same}")
    return before == after


def report(costs: Costs, seconds: float, path: Path) -> None:
    """Say what all this took."""
    for what, calls in (("add", costs.adds), ("search", costs.searches)):
        middle, slowest = 1000 * statistics.median(calls), 1000 * max(calls)
        print(f"  {what:<7} {len(calls):>4} calls   {middle:6.1f} ms each (median)   {slowest:6.1f} ms the slowest")
    print(f"  embedder {costs.embed_calls:>3} calls, on this processor; the first one loads the model")
    print("  LLM        0 calls")
    print(f"  file    {path.stat().st_size / 1e6:.1f} MB;  all in all {seconds:.1f} seconds")


# -- small things -------------------------------------------------------------------------------------


def search(memory: Memory, question: str, costs: Costs) -> MemoryList[MemoryDict]:
    started = time.perf_counter()
    found = memory.search(question, user_id=USER, limit=10, explain=True)
    costs.searches.append(time.perf_counter() - started)
    costs.embed_calls += found.usage.embed_calls
    return found


def read_turns() -> list[Turn]:
    rows = [json.loads(line) for line in (DATA / "conversation.jsonl").read_text(encoding="utf-8").splitlines()]
    # The speaker's name belongs to the text: "what is Tiago's cat called?" should find it.
    return [Turn(row["timestamp"], f"{row['speaker']}: {row['text']}") for row in rows]


def read_questions() -> list[Question]:
    rows = json.loads((DATA / "questions.json").read_text(encoding="utf-8"))
    return [Question(row["question"], row["answer"], row["evidence"]) for row in rows]


def progress(turns: list[Turn]) -> Iterator[Turn]:
    """Yield the turns; meanwhile show how far it is: as a moving bar, or as lines where nothing can move."""
    width = 40
    for count, turn in enumerate(turns):
        done = count / len(turns)
        if sys.stdout.isatty():
            print(f"\r  [{'#' * int(done * width):<{width}}] {count:>3} of {len(turns)} turns", end="", flush=True)
        elif count % 100 == 0:
            print(f"  {count:>3} of {len(turns)} turns", flush=True)
        yield turn
    print(("\r" if sys.stdout.isatty() else "") + f"  {len(turns)} of {len(turns)} turns{' ' * width}".rstrip())


def heading(title: str, text: str) -> None:
    print(f"\n{title}: {text}\n{'-' * COLUMNS}")


def print_memory(rank: int, row: MemoryDict, mark: str) -> None:
    """Print a memory on one line, or, where it is evidence, whole."""
    leg = LEGS.get(row["explain"]["found_by"], row["explain"]["found_by"] or "")
    day = datetime.fromisoformat(row["created_at"] or "")
    start = f"    {mark} {rank:>2}  {row['score']:.2f}  {leg:<10}  {day.day:>2} {day:%b}  "
    if mark == " ":
        print(start + cut(row["memory"], COLUMNS - len(start)))
    else:
        print_wrapped(start, row["memory"])


def print_history(memory: Memory, memory_id: str) -> None:
    print("  history")
    for row in memory.history(memory_id):
        print_wrapped(f"    {row['event']:<7}  ", row["new_value"] or row["prev_value"] or "")


def print_wrapped(start: str, text: str) -> None:
    """Print text behind a start, its further lines below its first one."""
    for at, line in enumerate(wrapped(text, COLUMNS - len(start))):
        print((start if at == 0 else " " * len(start)) + line)


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Yield lines of at most so many columns, broken at a space where there is one."""
    while text:
        line = fitting(text, columns)
        if len(line) < len(text) and " " in line and text[len(line)] != " ":
            line = line[: line.rindex(" ")]
        yield line
        text = text[len(line) :].lstrip()


def cut(text: str, columns: int) -> str:
    """Return the text on one line of at most so many columns."""
    text = " ".join(text.split())
    return text if display_width(text) <= columns else fitting(text, columns - 3) + "..."


def fitting(text: str, columns: int) -> str:
    """Return as much of a text as fits into so many columns."""
    used = 0
    for at, character in enumerate(text):
        used += display_width(character)
        if used > columns:
            return text[:at]
    return text


def display_width(text: Iterable[str]) -> int:
    """Return how many columns a terminal takes; Chinese characters take two each."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Mem0Error as error:
        sys.exit(f"{type(error).__name__}: {error}")
