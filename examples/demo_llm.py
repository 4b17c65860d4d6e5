"""The demo with an LLM: facts instead of messages, and a check that nothing is half done, whatever it answers.

    OPENAI_API_KEY=... python examples/demo_llm.py                        # OpenAI's
    python examples/demo_llm.py --base-url http://localhost:11434/v1 --model qwen3:8b
    make demo-llm                                                         # a very small one, on this machine

Takes the first pieces of the conversation in ``examples/data``, shows what the LLM makes of each, and holds the
memories against what ``add`` said it did.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mem0 import AsyncMemory, LLMError, LLMResponseError, Mem0Error, Memory
from mem0.types import ChangeDict, MemoryDict, MemoryList

DATA = Path(__file__).parent / "data"
USER = "nora"
KEY = "Nora: the spare key is under the third flowerpot"


def main() -> int:
    parser = argparse.ArgumentParser(description="Show what an LLM makes of a conversation, and check every change.")
    parser.add_argument("--base-url", help="a server that speaks OpenAI's protocol (default: OpenAI's)")
    parser.add_argument("--model", help="the model's name (default: the library's)")
    parser.add_argument("--max-tokens", type=int, default=1000, help="length of an answer (default: %(default)s)")
    parser.add_argument("--pieces", type=int, default=8, help="how many pieces of conversation (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=6, help="turns in a piece (default: %(default)s)")
    parser.add_argument("--path", help="the file to keep the memories in (default: a new one in a temporary folder)")
    arguments = parser.parse_args()
    if not arguments.base_url and not os.environ.get("OPENAI_API_KEY"):
        parser.error("no LLM: set OPENAI_API_KEY, or name a server with --base-url")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a Windows code page does not know Chinese
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    path = arguments.path or str(Path(tempfile.mkdtemp(prefix="mem0-demo-")) / "demo.db")
    config = configuration(path, arguments)
    pieces = read_pieces(arguments.pieces, arguments.turns)
    check = Check()

    with Memory(config) as memory:
        memory.reset()  # the demo's own collection, should the file have one already
        print(f"{memory.llm!r}\n{path}")
        for number, (said, messages) in enumerate(pieces, start=1):
            print(f"\n{number}  {said[:10]}")
            for message in messages:
                print(f"   {message['name']}: {message['content']}")
            remember(memory, messages, said, check)
        print("\nAs it is, with infer=False")
        kept = memory.add(KEY, user_id=USER, infer=False)
        check.changes(memory, kept)
        print("\nWhere is the spare key?")
        found = memory.search("Where is the spare key?", user_id=USER, limit=3)
        for row in found:
            print(f"   {row['score']:.2f}  {row['memory']}")
        check.that(KEY in [row["memory"] for row in found], "the search did not find what was just added")
        before = everything(memory)

    awaited, before = asyncio.run(remember_awaited(config, pieces[0], before, check))
    with Memory(config) as memory:
        check.that(everything(memory) == before, "the memories are not the same after reopening once more")
        check.changes(memory, awaited)
        check.total(memory)
    return check.report()


def configuration(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration: the LLM that was named, and the embedder that needs no server."""
    llm: dict[str, Any] = {"max_tokens": arguments.max_tokens, "timeout": 300}
    if arguments.base_url:
        # Servers of one's own ask for no key, and the SDK for any.
        llm |= {"base_url": arguments.base_url, "api_key": os.environ.get("OPENAI_API_KEY") or "none"}
    if arguments.model:
        llm["model"] = arguments.model
    return {
        "path": path,
        "collection_name": "demo-llm",
        "llm": {"provider": "openai", "config": llm},
        "embedder": {"provider": "onnx"},
    }


def read_pieces(count: int, turns: int) -> list[tuple[str, list[dict[str, str]]]]:
    """Return the beginnings of the conversation's sessions, each with its time."""
    sessions: dict[int, list[dict[str, Any]]] = {}
    for line in (DATA / "conversation.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sessions.setdefault(row["session"], []).append(row)
    return [
        (
            rows[0]["timestamp"],
            [{"role": "user", "name": row["speaker"], "content": row["text"]} for row in rows[:turns]],
        )
        for rows in list(sessions.values())[:count]
    ]


def remember(memory: Memory, messages: list[dict[str, str]], said: str, check: Check) -> None:
    """Add a piece of conversation, and say what became of it."""
    before = everything(memory)
    started = time.perf_counter()
    try:
        changes = memory.add(messages, user_id=USER, timestamp=said)
    except LLMError as error:
        check.failed(error)
        check.that(everything(memory) == before, "a failed add left something behind")
        return
    finally:
        check.seconds += time.perf_counter() - started
    check.usage(changes)
    check.changes(memory, changes)
    check.total(memory)
    show(changes)


async def remember_awaited(
    config: dict[str, Any], piece: tuple[str, list[dict[str, str]]], before: list[MemoryDict], check: Check
) -> tuple[MemoryList[ChangeDict], list[MemoryDict]]:
    """Open the file again, in an event loop; find everything there, and add a piece once more.

    Returns:
        What was changed, and all memories after it.
    """
    changes: MemoryList[ChangeDict] = MemoryList()
    async with AsyncMemory(config) as memory:
        there = [*await memory.get_all(user_id=USER, limit=10_000)]
        check.that(there == before, "the memories are not the same after reopening")
        print("\nOnce more, awaited")
        started = time.perf_counter()
        try:
            changes = await memory.add(piece[1], user_id=USER, timestamp=piece[0])
        except LLMError as error:
            check.failed(error)
            there = [*await memory.get_all(user_id=USER, limit=10_000)]
            check.that(there == before, "a failed add left something behind")
            return changes, there
        finally:
            check.seconds += time.perf_counter() - started
        check.usage(changes)
        show(changes)
        return changes, [*await memory.get_all(user_id=USER, limit=10_000)]


def everything(memory: Memory) -> list[MemoryDict]:
    return [*memory.get_all(user_id=USER, limit=10_000)]


def show(changes: MemoryList[ChangeDict]) -> None:
    """Print what became of a piece."""
    for change in changes:
        before = f"   (was: {change['previous_memory']})" if change["event"] == "UPDATE" else ""
        doubt = "   (its quote was not said)" if change.get("verified") is False else ""
        print(f"   -> {change['event']:<6} {change['memory']}{before}{doubt}")
    for rejected in changes.rejected:
        print(f"   -> rejected: {rejected['reason']}")
    if not changes:
        print("   -> nothing to remember")


class Check:
    """Holds what is stored against what was said to be done."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.expected = 0
        self.events: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.rejected = self.calls = self.prompt = self.completion = 0
        self.seconds = 0.0

    def that(self, holds: bool, otherwise: str) -> None:
        """Note a problem where something does not hold."""
        if not holds:
            self.problems.append(otherwise)

    def changes(self, memory: Memory, changes: MemoryList[ChangeDict]) -> None:
        """Count changes, and hold every one against store and history."""
        self.rejected += len(changes.rejected)
        for change in changes:
            self.events[change["event"]] = self.events.get(change["event"], 0) + 1
            self.expected += {"ADD": 1, "DELETE": -1}.get(change["event"], 0)
            stored, history = memory.get(change["id"]), memory.history(change["id"])
            if change["event"] == "DELETE":
                self.that(stored is None, f"{change['id']} was deleted and is there")
            else:
                self.that(stored is not None and stored["memory"] == change["memory"], f"{change['id']} is not there")
            self.that(bool(history), f"{change['id']} has no history")
            if change["event"] != "NONE":
                self.that(history[-1:] != [] and history[-1]["event"] == change["event"], f"{change['id']}: history")

    def usage(self, changes: MemoryList[ChangeDict]) -> None:
        """Add up what a call cost."""
        self.calls += changes.usage.llm_calls
        self.prompt += changes.usage.prompt_tokens
        self.completion += changes.usage.completion_tokens

    def failed(self, error: LLMError) -> None:
        """Count an add that failed; an answer that cannot be used is no problem of the library's."""
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1
        self.that(isinstance(error, LLMResponseError), f"{name}: {error}")
        print(f"   -> {name}: {error}")

    def total(self, memory: Memory) -> None:
        """Compare how many memories there are with how many there must be."""
        total = memory.get_all(user_id=USER, limit=1).total
        self.that(total == self.expected, f"{total} memories, and {self.expected} were added and not deleted")

    def report(self) -> int:
        """Say how it went; 0 if everything is as it was said to be."""
        print(f"\nchanges {self.events}, rejected {self.rejected}, unusable answers {self.errors or 'none'}")
        # What an add that failed had cost, its error does not say.
        besides = ", besides those of the unusable answers" if self.errors else ""
        print(f"{self.calls} calls of the LLM, {self.prompt} tokens to it and {self.completion} from it{besides}")
        print(f"{self.seconds:.1f} seconds in all adds")
        for problem in self.problems:
            print(f"NOT AS IT SHOULD BE: {problem}")
        print("Not everything is as it was said to be." if self.problems else "Everything is as it was said to be.")
        return 1 if self.problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Mem0Error as error:
        sys.exit(f"{type(error).__name__}: {error}")
