"""A process of its own, for the tests of crashes, of several processes and of purging.

    python storage_worker.py '{"folder": ..., "layout": ..., "work": ..., ...}'

It says what was acknowledged, one JSON object a line, each written in one go and only after the call has
returned.  Whoever reads the lines knows what must be there, even if the process is killed.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mem0 import Memory
from mem0.history.sqlite import SQLiteManager
from mem0.memory.commit import Committer
from mem0.testing import DeterministicEmbedding, memory

#: Everything in one file; the history in a file of its own; a store that is not SQLite.
LAYOUTS = ("one file", "two files", "foreign store")


def opened(folder: str | Path, layout: str, die_at: int | None = None) -> Memory:
    """Open a memory in a folder."""
    config = {"path": f"{folder}/m.db"}
    if layout != "one file":
        config["history_db_path"] = f"{folder}/h.db"
    store = None
    if layout == "foreign store":
        from plain_store import PlainStore

        Path(folder).mkdir(exist_ok=True)
        store = PlainStore(f"{folder}/store.db", die_at)
    return memory(
        config,
        vector_store=store,
        embedder=DeterministicEmbedding(16),
        clock=lambda: datetime.now(timezone.utc),
    )


def say(**facts: Any) -> None:
    os.write(1, (json.dumps(facts) + "\n").encode())


def write(m: Memory, thread: str, rounds: int, seed: int, shared: int = 0) -> None:
    """Add, change, delete and read one's own memories, and say what was acknowledged."""
    dice = random.Random(seed)
    mine: dict[str, str] = {}
    for number in range(rounds):
        what = dice.choice(["add", "add", "update", "delete", "read"]) if mine else "add"
        if what == "add":
            texts = [f"text {number}.{part} of {thread}" for part in range(dice.choice([1, 1, 3]))]
            changes = m.add(texts, user_id=thread)
            mine.update({change["id"]: change["memory"] for change in changes})
            say(did="add", rows={change["id"]: change["memory"] for change in changes})
        elif what == "update":
            id = dice.choice(list(mine))
            mine[id] = f"text {number} of {thread}, changed"
            m.update(id, mine[id])
            say(did="update", rows={id: mine[id]})
        elif what == "delete":
            id = dice.choice(list(mine))
            del mine[id]
            m.delete(id)
            say(did="delete", rows={id: None})
        else:
            found = m.search("text", user_id=thread, limit=1000)
            assert {row["id"]: row["memory"] for row in found} == mine, (found, mine)
            assert m.get_all(user_id=thread, limit=1000).total == len(mine)
        if number < shared:
            (change,) = m.add(f"Shared text {number}", user_id="everybody")
            say(did="shared", id=change["id"], event=change["event"], text=change["memory"].casefold())


def main(folder: str, layout: str, work: str, threads: int = 1, rounds: int = 10_000, **more: Any) -> None:
    if "start_at" in more:
        time.sleep(max(more["start_at"] - time.time(), 0))
    name = f"p{os.getpid()}"
    with opened(folder, layout, more.get("die_at")) as m:
        say(did="open")
        if work == "write":
            with ThreadPoolExecutor(threads) as pool:
                done = [
                    pool.submit(
                        write, m, f"{name} t{number}", rounds, more.get("seed", 0) + number, more.get("shared", 0)
                    )
                    for number in range(threads)
                ]
                for each in done:
                    each.result()
        elif work == "add":
            changes = m.add([f"{text} of {name}" for text in more["texts"]], user_id="u")
            say(did="add", rows={change["id"]: change["memory"] for change in changes})
        elif work == "delete_all":
            m.delete_all(user_id="u")
            say(did="delete_all")
        elif work == "die in the gap":
            # The store has everything, the history not yet.
            def die(self: Committer, *arguments: Any) -> Any:
                apply(self, *arguments)
                os._exit(9)

            apply = type(m.vector_store).apply
            type(m.vector_store).apply = die  # type: ignore[method-assign]
            m.add([f"{text} of {name}" for text in more["texts"]], user_id="u")
        elif work == "hold":
            # Write without a pause until somebody says stop.
            stop = threading.Event()

            def hold() -> None:
                assert isinstance(m.db, SQLiteManager)
                while not stop.is_set():
                    with m.db.database.transaction() as connection:
                        connection.execute("UPDATE history SET event = event")
                        time.sleep(0.02)

            with ThreadPoolExecutor(threads) as pool:
                for _ in range(threads):
                    pool.submit(hold)
                sys.stdin.read()
                stop.set()
        elif work == "read":
            assert isinstance(m.db, SQLiteManager)
            with m.db.database.read() as connection:
                say(did="read", count=connection.execute("SELECT count(*) FROM history").fetchone()[0])
                sys.stdin.read()
        else:
            raise ValueError(work)
    say(did="close")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
