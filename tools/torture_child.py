"""What ``torture.py`` runs in processes of their own: one that works until it is killed, one that looks what is there.

Every call is written to a log before it starts and after it has returned, so whoever reads the log of a process that
was killed knows what had been acknowledged, and which calls were cut off.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from plain_store import PlainStore

from mem0 import Memory
from mem0.exceptions import MemoryNotFoundError, StorageError
from mem0.history.sqlite import SQLiteManager
from mem0.memory.payloads import text_hash
from mem0.testing import DeterministicEmbedding, FailingVectorStore, ScriptedLLM, StoreCall, memory
from mem0.vector_stores.base import VectorStoreBase

#: Everything in one SQLite file; the history in a file of its own; Qdrant's engine in a folder; somebody else's store,
#: without transactions, which also fails now and then.
STORES = ("sqlite", "separate", "qdrant", "plain")

#: What an error of the plain store looks like to whoever called the memory.
REFUSALS = ("on purpose", "the vector store refused")

# Memories of a user: fewer than an LLM is offered, so that it can change any of them.
_MOST = 12

# How often what is done.
_OFTEN = {"add": 30, "told": 25, "update": 25, "delete": 14, "delete_all": 3, "purge": 3}

# How likely a call of the plain store fails, and which of its verbs do.
_FAILS = 0.03
_FAILING = ("insert", "update", "delete", "get", "with_fingerprint")

# Seconds after which a process ends that nobody kills, because the torture itself was killed.
_LONGEST_LIFE = 60.0

# How many memories of a collection are searched for by each look.
_SEARCHED = 6


@dataclass(frozen=True)
class Call:
    """One call of a memory, as it is logged before it starts.

    Attributes:
        user: Whose memories; each thread has a user of its own.
        verb: ``add`` (verbatim), ``told`` (through the LLM), ``update``, ``delete``, ``delete_all`` or ``purge``.
        added: The texts that are new.
        changed: By id, the new text.
        removed: The ids that go.
    """

    user: str
    verb: str
    added: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


# -- a memory, and what is done with it -------------------------------------------------------------

_asked = threading.local()  # by which call, and what the memories that it names say now


def _reply(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer as an LLM that wants what this thread's call says."""
    shown = [json.loads(line) for line in messages[-1]["content"].splitlines() if line.startswith('{"id": ')]
    numbers = {row["text"]: row["id"] for row in shown}
    call: Call = _asked.call
    items: list[dict[str, Any]] = [{"event": "ADD", "text": text} for text in call.added]
    for id, text in _asked.texts.items():
        if text == call.changed.get(id) or text not in numbers:
            continue  # has been done, where a call is repeated
        new = {"event": "UPDATE", "text": call.changed[id]} if id in call.changed else {"event": "DELETE"}
        items.append({"id": numbers[text], **new})
    return {"memory": items}


@contextmanager
def opened(store: str, folder: Path, refuses: Callable[[StoreCall], bool] | None = None) -> Iterator[Memory]:
    """Open a memory of one of the kinds; ``refuses`` is asked which calls of a plain store fail."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {} if store == "qdrant" else {"path": str(folder / "memories.db")}
    if store != "sqlite":
        config["history_db_path"] = str(folder / "history.db")
    if store == "qdrant":
        config["vector_store"] = {"provider": "qdrant", "config": {"path": str(folder / "qdrant")}}
    plain: VectorStoreBase | None = PlainStore(folder / "plain.db") if store == "plain" else None
    if plain is not None and refuses is not None:
        plain = FailingVectorStore(plain, fail_on=refuses, after=os.getpid() % 2 == 0)
    with memory(config, vector_store=plain, embedder=DeterministicEmbedding(), llm=ScriptedLLM(_reply)) as m:
        yield m


def perform(m: Memory, call: Call) -> dict[str, Any]:
    """Make a call; return ``ids``, of the new texts, and ``kept``, the ids that could not be deleted."""
    changes, kept = [], []
    if call.verb == "add":
        changes = m.add(call.added, user_id=call.user, infer=False)
    elif call.verb == "told":
        rows = {id: m.get(id) for id in (*call.changed, *call.removed)}
        _asked.call, _asked.texts = call, {id: row["memory"] for id, row in rows.items() if row is not None}
        changes = m.add("A conversation.", user_id=call.user)
    elif call.verb == "update":
        ((id, text),) = call.changed.items()
        m.update(id, text)
    elif call.verb == "delete":
        m.delete(call.removed[0])
    else:
        kept = m.delete_all(user_id=call.user, purge=call.verb == "purge")["failed"]
    return {"ids": {row["memory"]: row["id"] for row in changes if row["memory"] in call.added}, "kept": kept}


# -- the process that is killed ---------------------------------------------------------------------


def work(store: str, folder: Path, path: Path, seed: str, threads: int) -> None:
    """Add, change and delete until killed; what is done is written to the log at ``path``."""
    worker = _Worker(path, seed)
    while True:
        try:
            with opened(store, folder, worker.refuses) as m, ThreadPoolExecutor(threads) as pool:
                worker.log(opened=True)
                list(pool.map(lambda number: worker.one_thread(m, f"user{number}"), range(threads)))
            return
        except StorageError as error:
            if not any(words in str(error) for words in REFUSALS):
                raise
            worker.log(opened=False, error=str(error))


class _Worker:
    def __init__(self, path: Path, seed: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._seed = seed
        self._dice = random.Random(seed)
        self._thread = threading.local()

    def log(self, **facts: Any) -> None:
        # At once: it is in the file when the process dies the next moment.
        os.write(self._file, (json.dumps(facts) + "\n").encode())

    def refuses(self, call: StoreCall) -> bool:
        fails = call.verb in _FAILING and self._dice.random() < _FAILS
        if fails:
            self.log(user=getattr(self._thread, "user", None), fails=call.verb, id=call.arguments.get("vector_id"))
        return fails

    def one_thread(self, m: Memory, user: str) -> None:
        self._thread.user = user
        dice = random.Random(f"{self._seed} {user}")
        mine = {row["id"]: row["memory"] for row in m.get_all(user_id=user)}
        self.log(user=user, found=mine)
        half_done = False
        end = time.monotonic() + _LONGEST_LIFE
        while time.monotonic() < end:
            # What is still half done is undone by the next commit that works; an add rests on nothing before that.
            call = chosen(dice, user, mine, "add" if half_done else None)
            self.log(user=user, call=asdict(call))
            try:
                done = perform(m, call)
            except Exception as error:  # noqa: BLE001 - the judge reads it
                self.log(user=user, error=f"{type(error).__name__}: {error}")
                half_done = half_done or "could not be undone" in str(error)
                continue
            self.log(user=user, done=done)
            half_done = False
            mine |= {id: text for text, id in done["ids"].items()} | call.changed
            mine = {id: text for id, text in mine.items() if id not in call.removed or id in done["kept"]}


def chosen(dice: random.Random, user: str, mine: dict[str, str], verb: str | None = None) -> Call:
    """Choose what a thread does next."""

    def new() -> str:
        return f"{user} likes " + " ".join(f"w{dice.getrandbits(32):08x}" for _ in range(5))

    ids = dice.sample(sorted(mine), len(mine))
    if verb is None:
        (verb,) = dice.choices([*_OFTEN], [*_OFTEN.values()])
        if len(ids) < 3:
            verb = "add"
        elif len(ids) > _MOST and verb in ("add", "told"):
            verb = "delete_all"
    if verb == "add":
        return Call(user, verb, added=[new() for _ in range(dice.choice([1, 1, 2, 3]))])
    if verb == "told":
        return Call(user, verb, [new() for _ in range(dice.choice([1, 2]))], {ids[0]: new()}, ids[1:2])
    if verb == "update":
        return Call(user, verb, changed={ids[0]: new()})
    return Call(user, verb, removed=ids[:1] if verb == "delete" else ids)


# -- the process that looks -------------------------------------------------------------------------


def look(store: str, folder: Path, seed: str, retried: Sequence[Call] = ()) -> list[dict[str, Any]]:
    """Open the memory, look at everything, make the calls that were cut off once more, and look again.

    Returns:
        What :func:`seen` saw, before and after; with the first, how many commits were ``undone`` on opening; with the
        last, the problems of its files.
    """
    dice = random.Random(seed)
    undone = _left_half_done(folder / ("memories.db" if store == "sqlite" else "history.db"))
    with opened(store, folder) as m:
        looks = [{**seen(m, dice), "undone": undone}]
        for call in retried:
            with suppress(MemoryNotFoundError):  # a deletion that had been carried out
                perform(m, call)
        looks.append(seen(m, dice))
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".db", ".sqlite"):
            with closing(sqlite3.connect(path)) as connection:
                for check in ("integrity_check", "foreign_key_check"):
                    said = [row for row in connection.execute(f"PRAGMA {check}") if row != ("ok",)]
                    looks[-1]["problems"] += [f"{path.name}: {check} says {row}" for row in said]
    return looks


def _left_half_done(path: Path) -> int:
    """Return how many commits the journal has before the memory is opened, which settles them."""
    with tempfile.TemporaryDirectory() as folder:
        # In a copy: to look is to recover what SQLite's own log holds, and that is left to the memory.
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
            made = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'journal'").fetchone()[0]
            return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0]) if made else 0


def seen(m: Memory, dice: random.Random) -> dict[str, Any]:
    """Return ``memories`` (user and text by id), ``history`` (changes by id), and ``problems`` of single rows."""
    problems: list[str] = []
    rows = m.vector_store.list(m.collection_name, None, limit=None)
    for row in rows:
        text = row.payload["data"]
        whole = m.vector_store.get(m.collection_name, row.id)
        if whole is None or whole.payload != row.payload or whole.vector is None:
            problems.append(f"memory {row.id} is listed as {row.payload}, and read as {whole}")
        elif not np.allclose(_direction(whole.vector), _direction(m.embedding_model.embed(text)), atol=1e-4):
            problems.append(f"memory {row.id} has a vector that is not of its text {text!r}")
        if row.payload["hash"] != text_hash(text):
            problems.append(f"memory {row.id} has a hash that is not of its text {text!r}")
    for row in dice.sample(rows, min(len(rows), _SEARCHED)):
        problems += _search_problems(m, row.id, row.payload["user_id"], row.payload["data"])
    assert isinstance(m.db, SQLiteManager)
    with m.db.database.read() as connection:
        pending = connection.execute("SELECT content FROM journal").fetchall()
        changes = connection.execute("SELECT memory_id, event, prev_value, new_value FROM history ORDER BY seq")
        history: dict[str, list[list[str | None]]] = {}
        for id, *change in changes:
            history.setdefault(id, []).append(change)
    problems += [f"the journal still has {content}" for (content,) in pending]
    memories = {row.id: [row.payload["user_id"], row.payload["data"]] for row in rows}
    return {"memories": memories, "history": history, "problems": problems}


def _search_problems(m: Memory, id: str, user: str, text: str) -> list[str]:
    """Return what is wrong with finding a memory by its own text, and by one word that only it has."""
    problems = []
    for question, least in ((text, 0.99), (text.split()[-1], 0.01)):
        found = {row["id"]: row["explain"] for row in m.search(question, user_id=user, explain=True)}
        if id not in found:
            problems.append(f"memory {id} is not found by {question!r}")
        elif "no keyword search" not in found[id]["skipped"].get("keyword", ""):
            scores = {other: explained["legs"].get("keyword") or 0.0 for other, explained in found.items()}
            if scores[id] < least:
                problems.append(f"memory {id} is not found by the words of {question!r}: {scores[id]}")
            if question != text and any(score for other, score in scores.items() if other != id):
                problems.append(f"another memory than {id} is found by the words of {question!r}: {scores}")
    return problems


def _direction(vector: Sequence[float]) -> Any:
    return np.array(vector) / np.linalg.norm(vector)
