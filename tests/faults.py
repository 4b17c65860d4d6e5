"""Failures wherever a memory touches the world, and a judge of what they leave behind.

:class:`Faults` counts the moments at which something may fail, and has the chosen one fail.  Moments are made
around what a verb yields (:func:`operations_watched`), around the methods of its parts (:func:`parts_watched`),
and around SQL statements (:func:`statements_watched`).  :func:`agreement` compares store and history.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_store import PlainStore

from mem0 import AsyncMemory, Memory, text
from mem0.history.base import HistoryBase
from mem0.history.sqlite import SQLiteManager
from mem0.memory import main, runners
from mem0.memory.adding import prompts
from mem0.memory.core import MemoryCore
from mem0.memory.operations import Commit, Delete, Operation, Parts, Reset
from mem0.memory.payloads import text_hash, version
from mem0.storage import database
from mem0.testing import DeterministicEmbedding, FrozenClock, ScriptedLLM, async_memory, memory
from mem0.types import Change, Record
from mem0.vector_stores.base import VectorStoreBase
from mem0.vector_stores.sqlite import SQLiteVectorStore

# -- the judge --------------------------------------------------------------------------------------


def agreement(memory: MemoryCore) -> list[str]:
    """Return where store and history disagree, read from themselves and not through the verbs.

    For memories that only this library wrote, with a :class:`SQLiteManager` as history.
    """
    parts = memory._parts
    store, name = parts.vector_store, parts.collection_name
    found = store.list(name, None, limit=None)
    rows = {row.id: store.get(name, row.id) for row in found}
    told = history_rows(memory)
    problems = [f"{row.id}: listed twice" for row in found if sum(other.id == row.id for other in found) > 1]
    if store.count(name) != len(rows):
        problems.append(f"the store counts {store.count(name)} rows and lists {len(rows)}")
    for id, row in rows.items():
        problems += [f"{id}: {problem}" for problem in _problems(row, told.get(id, []))]
    for id, events in told.items():
        if id not in rows and events[-1]["event"] != "DELETE":
            problems.append(f"{id}: gone from the store, and the history's last word is {events[-1]['event']}")
    return problems + _tokens_astray(memory, {id: row for id, row in rows.items() if row is not None})


def _problems(row: Record | None, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if row is None:
        yield "listed, and not to be had"
        return
    said = row.payload.get("data")
    if row.payload.get("hash") != text_hash(str(said)):
        yield f"its hash is not that of {said!r}"
    if not events:
        yield f"{said!r} is stored, and there is no history of it"
        return
    last = events[-1]
    if last["event"] == "DELETE" or last["is_deleted"]:
        yield f"{said!r} is stored, and deleted in the history"
    elif last["new_value"] != said:
        yield f"{said!r} is stored, and the history says {last['new_value']!r}"
    if [event["event"] for event in events] != ["ADD", *["UPDATE"] * (len(events) - 1)]:
        yield f"its history is {[event['event'] for event in events]}"
    if version(row.payload) != len(events):
        yield f"it has version {version(row.payload)}, and {len(events)} rows of history"
    for before, after in zip([None, *(event["new_value"] for event in events)], events, strict=False):
        if after["prev_value"] != before:
            yield f"the history has it become {before!r}, and then something else of {after['prev_value']!r}"


def _tokens_astray(memory: MemoryCore, rows: Mapping[str, Record]) -> list[str]:
    """Compare what the keyword leg of the embedded store knows of each row with its text."""
    store = memory._parts.vector_store
    if not isinstance(store, SQLiteVectorStore):
        return []
    with store.database.read() as connection:
        kept = connection.execute(
            "SELECT m.id, v.terms FROM memories m JOIN collections c ON c.id = m.collection"
            " LEFT JOIN vectors v ON v.seq = m.seq WHERE c.name = ?",
            (memory._parts.collection_name,),
        ).fetchall()
        orphans = connection.execute("SELECT count(*) FROM vectors WHERE seq NOT IN (SELECT seq FROM memories)")
        problems = [f"{number} vectors of no row" for (number,) in orphans if number]
    for id, tokens in kept:
        wanted = np.array(text.tokens(rows[id].payload.get("data") or ""), dtype="<u4").tobytes()
        if tokens != wanted:
            problems.append(f"{id}: its tokens are not those of {rows[id].payload.get('data')!r}")
    return problems


def history_rows(memory: MemoryCore) -> dict[str, list[dict[str, Any]]]:
    """Return all there is in the history of a memory's collection, by memory, oldest first."""
    history = memory._parts.db
    assert isinstance(history, SQLiteManager)
    with history.database.read() as connection:
        found = connection.execute(
            "SELECT memory_id, prev_value, new_value, event, timestamp, is_deleted, user_id, agent_id, run_id"
            " FROM history WHERE collection = ? ORDER BY seq",
            (memory._parts.committer.ledger,),
        ).fetchall()
    rows: dict[str, list[dict[str, Any]]] = {}
    names = ("prev_value", "new_value", "event", "timestamp", "is_deleted", "user_id", "agent_id", "run_id")
    for id, *values in found:
        rows.setdefault(id, []).append(dict(zip(names, values, strict=True)))
    return rows


def unfinished(memory: MemoryCore) -> int:
    """Return how many commits are written down and neither finished nor undone."""
    parts = memory._parts
    return len(parts.db.intents(parts.committer.ledger))


def state(memory: MemoryCore) -> Any:
    """Return everything there is, in a form in which two runs of the same calls are equal."""
    parts = memory._parts
    store, name = parts.vector_store, parts.collection_name
    told = history_rows(memory)

    def label(id: str, said: object) -> str:
        return id if id in SEEDED.values() else f"new: {said}"

    rows = {}
    for listed in store.list(name, None, limit=None):
        row = store.get(name, listed.id)
        assert row is not None
        assert row.vector is not None
        vector = [round(number, 4) for number in row.vector]
        rows[label(row.id, row.payload["data"])] = (row.payload, vector)
    return rows, {label(id, events[0]["new_value"]): events for id, events in told.items()}


# -- what may fail ----------------------------------------------------------------------------------


class BrokenPartError(Exception):
    """An error of a library that this one has never heard of."""


#: How things fail: the system, another library, and somebody at the keyboard.
ERRORS: dict[str, type[BaseException]] = {
    "OSError": OSError,
    "foreign": BrokenPartError,
    "KeyboardInterrupt": KeyboardInterrupt,
}


@dataclass
class Faults:
    """Counts moments, and raises at one of them.

    Attributes:
        moments: The names of those that came by.
        at: The number of the one that fails; ``None`` for none.
        first: Its name, in place of its number: the first one that has it.
        error: What is raised.
        lasting: Whether all that the same part is asked for fails from then on.
        also: Other parts that fail with it.
        on: Whether it counts at all.
        raised: What was raised first.
    """

    moments: list[str] = field(default_factory=list)
    at: int | None = None
    first: str | None = None
    error: type[BaseException] = BrokenPartError
    lasting: bool = False
    also: tuple[str, ...] = ()
    on: bool = False
    raised: BaseException | None = None
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    def arm(self, at: int, error: type[BaseException], *, lasting: bool = False) -> None:
        """Begin anew, and fail at a moment."""
        self.moments, self.at, self.error, self.lasting, self.raised = [], at, error, lasting, None

    def pass_by(self, name: str) -> None:
        """Be a moment at which something may fail."""
        if not self.on:
            return
        with self._lock:
            number = len(self.moments)
            self.moments.append(name)
            if self.raised is None and name == self.first:
                self.at = number
            if number == self.at or (self.lasting and self.raised is not None and self._fails_too(name)):
                error = self.error(f"fails on purpose: {name}")
                self.raised = self.raised or error
                raise error

    def _fails_too(self, name: str) -> bool:
        assert self.at is not None
        parts = (self.moments[self.at].split(".")[0], *self.also)
        return name.split(".")[0] in parts and not name.endswith("left")

    @contextmanager
    def counting(self) -> Iterator[None]:
        self.on = True
        try:
            yield
        finally:
            self.on = False


class Operated(Operation):
    """An operation that a verb yielded, with a moment before and one after it."""

    stage = ""

    def __init__(self, operation: Operation, faults: Faults) -> None:
        self.operation, self.faults = operation, faults
        self.name = type(operation).__name__
        self.stage = operation.stage  # type: ignore[misc]
        self.attempt, self.count = operation.attempt, operation.count  # type: ignore[method-assign]

    def run(self, parts: Parts) -> Any:
        self.faults.pass_by(f"{self.name}, before")
        answer = self.operation.run(parts)
        self.faults.pass_by(f"{self.name}, after")
        return answer

    async def run_async(self, parts: Parts) -> Any:
        self.faults.pass_by(f"{self.name}, before")
        answer = await self.operation.run_async(parts)
        self.faults.pass_by(f"{self.name}, after")
        return answer


#: The operations that change what is stored.
CHANGING = tuple(kind.__name__ for kind in (Commit, Delete, Reset))


def operations_watched(
    patch: pytest.MonkeyPatch, faults: Any, wrapped: Callable[[Operation, Any], Operation] = Operated
) -> None:
    """Put a moment before and after every operation that a verb yields."""

    def verb_with_moments(verb: Generator[Operation, Any, Any]) -> Generator[Operation, Any, Any]:
        step, value = verb.send, None
        while True:
            try:
                operation = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = verb.send, (yield wrapped(operation, faults))
            except BaseException as error:
                step, value = verb.throw, error  # type: ignore[assignment]

    def run(name: str, verb: Any, parts: Parts) -> Any:
        return runners.run(name, verb_with_moments(verb), parts)

    async def run_async(name: str, verb: Any, parts: Parts) -> Any:
        return await runners.run_async(name, verb_with_moments(verb), parts)

    patch.setattr(main, "run", run)
    patch.setattr(main, "run_async", run_async)


def _methods_of(base: type) -> list[str]:
    names = [name for name, member in vars(base).items() if inspect.isfunction(member) and not name.startswith("_")]
    return [name for name in names if name not in ("close", "lock", "transaction")]


_QDRANT = "batch_update_points retrieve scroll count query_points query_batch_points delete_collection get_collection"
_QDRANT_ROWS = "upsert delete overwrite_payload update_vectors"


def parts_watched(memory: MemoryCore, faults: Faults) -> None:
    """Put a moment before and after every call of a method of the parts, and around transactions and locks."""
    parts = memory._parts
    _methods_watched("store", parts.vector_store, _methods_of(VectorStoreBase), faults)
    _methods_watched("history", parts.db, _methods_of(HistoryBase), faults)
    _methods_watched("embedder", parts.embedding_model, ["embed_batch"], faults)
    _methods_watched("llm", parts.llm, ["generate_response"], faults)
    for name in ("lock", "transaction"):
        _block_watched("history", parts.db, name, faults)
    client = getattr(parts.vector_store, "client", None)
    if client is not None:
        _methods_watched("store.client", client, _QDRANT.split(), faults)
        for collection in client._client.collections.values():
            _methods_watched("store.client.rows", collection, _QDRANT_ROWS.split(), faults)


def _methods_watched(part_name: str, part: Any, names: Sequence[str], faults: Faults) -> None:
    for name in names:
        if hasattr(part, name):
            setattr(part, name, _watched(f"{part_name}.{name}", getattr(part, name), faults))


def _watched(name: str, method: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
    @functools.wraps(method)
    def watched(*args: Any, **kwargs: Any) -> Any:
        faults.pass_by(f"{name}, before")
        answer = method(*args, **kwargs)
        faults.pass_by(f"{name}, after")
        return answer

    return watched


def _block_watched(part_name: str, part: Any, name: str, faults: Faults) -> None:
    method: Callable[[], AbstractContextManager[Any]] = getattr(part, name)

    @contextmanager
    def watched() -> Iterator[Any]:
        faults.pass_by(f"{part_name}.{name}, entering")
        with method() as value:
            yield value
            faults.pass_by(f"{part_name}.{name}, leaving")
        faults.pass_by(f"{part_name}.{name}, left")

    setattr(part, name, watched)


def statements_watched(patch: pytest.MonkeyPatch, faults: Faults) -> None:
    """Put a moment before and after every SQL statement; for memories opened from now on."""

    class Connection(database._Connection):
        def execute(self, sql: str, *arguments: Any) -> Any:
            return self._done(super().execute, sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> Any:
            return self._done(super().executemany, sql, *arguments)

        def _done(self, method: Callable[..., Any], sql: str, *arguments: Any) -> Any:
            name = " ".join(sql.split())[:60]
            faults.pass_by(f"{name}, before")
            cursor = method(sql, *arguments)
            try:
                faults.pass_by(f"{name}, after")
            except BaseException:
                cursor.close()  # which the traceback would keep open
                raise
            return cursor

    patch.setattr(database, "_Connection", Connection)


class DiskError(sqlite3.OperationalError):
    """What SQLite says of a disk that cannot be written."""

    def __init__(self, message: str) -> None:
        super().__init__(f"disk I/O error ({message})")


# -- memories for it --------------------------------------------------------------------------------

KINDS = [
    "one file",
    "two files",
    "plain store",
    pytest.param("qdrant", marks=pytest.mark.skipif(not find_spec("qdrant_client"), reason="needs qdrant-client")),
]

_FIRST, _LATER = FrozenClock("2026-01-01T00:00:00Z"), FrozenClock("2026-01-02T00:00:00Z")

#: The memories there are before anything fails, as "alice: I like tea", and those that were there before.
SEEDED: dict[str, str] = {}

_TALK = [
    {"role": "user", "content": "I play chess now. I stopped drinking tea, it is coffee these days."},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": "And I left Lisbon."},
]


def wish(messages: Sequence[Mapping[str, Any]]) -> Any:
    """Answer as an LLM that looks at the memories it is shown: one ADD, one UPDATE, one DELETE."""
    system, asked = (str(message["content"]) for message in messages[:2])
    if system.startswith(prompts.PROCEDURE):
        return "The goal was tea; it is made."
    if system.startswith(prompts.EXTRACT):
        return {"facts": ["Plays chess", "Likes coffee", "Left Lisbon"]}
    shown = re.search(r"^<memories>$\n(.*?)^</memories>$", asked, re.MULTILINE | re.DOTALL)
    listed = [json.loads(line) for line in shown[1].splitlines()] if shown else []
    number = {row["text"]: row["id"] for row in listed}
    if system.startswith(prompts.MERGE):
        calls: list[Any] = [{"name": "add_memory", "arguments": {"data": "Plays chess"}}]
        if "I like tea" in number:
            update = {"memory_id": number["I like tea"], "data": "Likes coffee"}
            calls.append({"name": "update_memory", "arguments": update})
        if "I live in Lisbon" in number:
            calls.append({"name": "delete_memory", "arguments": {"memory_id": number["I live in Lisbon"]}})
        return {"tool_calls": calls}
    changes = [{"event": "ADD", "text": "Plays chess", "quote": "play chess"}]
    if "I like tea" in number:
        changes.append({"event": "UPDATE", "id": number["I like tea"], "text": "Likes coffee"})
    if "I live in Lisbon" in number:
        changes.append({"event": "DELETE", "id": number["I live in Lisbon"]})
    return {"memory": changes}


class AwaitedLLM(ScriptedLLM):
    """One that has a coroutine of its own."""

    async def agenerate_response(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        answer = self.generate_response(*args, **kwargs)
        await asyncio.sleep(0)
        return answer


class AwaitedEmbedding(DeterministicEmbedding):
    """One that has a coroutine of its own."""

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        vectors = self.embed_batch(texts)
        await asyncio.sleep(0)
        return vectors


class Store(PlainStore):
    """One that is the same, however it is read."""

    identity = "plain"


class AwaitedStore(Store):
    """One whose reads can be awaited."""

    @property
    def awaits(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("a") or not callable(getattr(type(self), name[1:], None)):
            raise AttributeError(name)

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            answer = getattr(self, name[1:])(*args, **kwargs)
            await asyncio.sleep(0)
            return answer

        return awaited


@dataclass
class Memories:
    """Makes memories of one kind that are all the same; each in a folder of its own.

    Args:
        kind: Where they are kept.
        folder: Where to make them.
    """

    kind: str
    folder: Path
    made: int = 0

    def __post_init__(self) -> None:
        with self._opened(self.folder / "first", {}, _FIRST) as m:
            seed(m)
            parts = m._parts
            rows = [parts.vector_store.get("mem0", row.id) for row in parts.vector_store.list("mem0", None, limit=None)]
            self._rows = [row for row in rows if row is not None]
            self._embedder = parts.vector_store.embedder("mem0")

    @contextmanager
    def opened(self, two_pass: bool = False) -> Iterator[Memory]:
        """Give one that is as all the others are."""
        with self._copied() as folder, self._opened(folder, _config(two_pass), _LATER) as m:
            self._filled(m)
            yield m

    @contextmanager
    def opened_async(self, two_pass: bool = False, awaited: bool = False) -> Iterator[tuple[AsyncMemory, Path]]:
        """Give one for asyncio, which the caller closes; with ``awaited``, of parts that can be awaited."""
        with self._copied() as folder, ExitStack() as stack:
            m = async_memory(**self._arguments(folder, _config(two_pass), _LATER, stack, awaited))
            self._filled(m)
            if awaited:
                m._parts.on_before_write = _awaited_hook
            yield m, folder

    @contextmanager
    def reopened(self, folder: Path) -> Iterator[Memory]:
        """Give what is in a folder."""
        with self._opened(folder, {}, _LATER) as m:
            yield m

    @contextmanager
    def _copied(self) -> Iterator[Path]:
        self.made += 1
        folder = self.folder / str(self.made)
        shutil.copytree(self.folder / "first", folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def _opened(self, folder: Path, config: dict[str, Any], clock: FrozenClock) -> Iterator[Memory]:
        folder.mkdir(exist_ok=True)
        with ExitStack() as stack, memory(**self._arguments(folder, config, clock, stack, False)) as m:
            yield m

    def _arguments(
        self, folder: Path, config: dict[str, Any], clock: FrozenClock, stack: ExitStack, awaited: bool
    ) -> dict[str, Any]:
        config = {"path": os.fspath(folder / "m.db"), **config}
        store: Any = None
        if self.kind != "one file":
            config["history_db_path"] = os.fspath(folder / "h.db")
        if self.kind == "plain store":
            store = stack.enter_context((AwaitedStore if awaited else Store)(folder / "rows.db"))
        elif self.kind == "qdrant":
            config["vector_store"] = {"provider": "qdrant", "config": {"path": ":memory:"}}
        llm = (AwaitedLLM if awaited else ScriptedLLM)(wish)
        embedder = (AwaitedEmbedding if awaited else DeterministicEmbedding)()
        return {"config": config, "vector_store": store, "llm": llm, "embedder": embedder, "clock": clock}

    def _filled(self, m: MemoryCore) -> None:
        """Give a store that does not outlive its object what the first one had, and have nobody wait for the disk."""
        m._parts.on_before_write = list
        for part in (m._parts.vector_store, m._parts.db):
            if hasattr(part, "database"):
                part.database.on_connect(lambda connection: connection.execute("PRAGMA synchronous=OFF"))
        SEEDED.clear()
        SEEDED.update({f"{row.payload['user_id']}: {row.payload['data']}": row.id for row in self._rows})
        if self.kind == "qdrant":
            parts = m._parts
            changes = [Change("ADD", row.id, row.payload, np.array(row.vector, dtype=np.float32)) for row in self._rows]
            parts.vector_store.apply("mem0", changes, self._embedder)
            assert isinstance(parts.db, SQLiteManager)
            with parts.db.database.transaction() as connection:
                connection.execute("UPDATE history SET collection = ?", (parts.committer.ledger,))
        SEEDED.update({f"gone {n}": id for n, id in enumerate(history_rows(m)) if id not in SEEDED.values()})


async def _awaited_hook(changes: list[Any]) -> list[Any]:
    await asyncio.sleep(0)
    return changes


def _config(two_pass: bool) -> dict[str, Any]:
    return {"add_strategy": "two_pass"} if two_pass else {}


def seed(m: Memory) -> None:
    """Store memories of two users, one changed before, and one deleted before."""
    m.add(["I like tea", "I live in Lisbon", "I have a cat", "I had a dog"], user_id="alice", infer=False)
    m.add(["I like tea", "I live in Porto"], user_id="bob", infer=False, metadata={"n": 1})
    ids = {(row["memory"], row["user_id"]): row["id"] for row in m.get_all(limit=10)}
    m.update(ids["I have a cat", "alice"], "I have two cats", metadata={"n": 2})
    m.delete(ids["I had a dog", "alice"])


# -- verbs ------------------------------------------------------------------------------------------


def _of(text: str) -> str:
    return SEEDED[f"alice: {text}"]


#: Every verb, and every way it goes; each takes a memory or one for asyncio.
VERBS: dict[str, Callable[[Any], Any]] = {
    "add verbatim": lambda m: m.add(["I play chess", "I own a boat", "i like TEA"], user_id="alice", infer=False),
    "add, one pass": lambda m: m.add(_TALK, user_id="alice"),
    "add, two passes": lambda m: m.add(_TALK, user_id="alice"),
    "procedure": lambda m: m.add(_TALK, agent_id="bot", memory_type="procedural_memory"),
    "dry run": lambda m: m.add(["I play chess"], user_id="alice", infer=False, dry_run=True),
    "dry run, one pass": lambda m: m.add(_TALK, user_id="alice", dry_run=True),
    "search": lambda m: m.search("Who likes tea?", user_id="alice"),
    "context": lambda m: m.context("Who likes tea?", user_id="alice"),
    "get": lambda m: m.get(_of("I live in Lisbon")),
    "get_all": lambda m: m.get_all(user_id="alice"),
    "history": lambda m: m.history(_of("I have two cats")),
    "update text": lambda m: m.update(_of("I live in Lisbon"), "I live in Faro"),
    "update metadata": lambda m: m.update(_of("I have two cats"), metadata={"a": 1, "n": None}),
    "update both": lambda m: m.update(_of("I have two cats"), "I have three cats", metadata={"n": 3}),
    "delete": lambda m: m.delete(_of("I have two cats")),
    "delete, purge": lambda m: m.delete(_of("I have two cats"), purge=True),
    "delete_all": lambda m: m.delete_all(user_id="alice"),
    "delete_all, purge": lambda m: m.delete_all(user_id="alice", purge=True),
    "reset": lambda m: m.reset(),
    "reset, purge": lambda m: m.reset(purge=True),
    "check": lambda m: m.check(),
    "check, repair": lambda m: m.check(repair=True),
    "rebuild": lambda m: m.rebuild(),
}

#: Those that say, when they have been carried out already, that there is nothing of the kind any more.
ONCE = ("delete", "delete, purge")
#: Those that leave everything as it is; the last three because there is nothing to put right.
READING = (
    "dry run",
    "dry run, one pass",
    "search",
    "context",
    "get",
    "get_all",
    "history",
    "check",
    "check, repair",
    "rebuild",
)


#: Whether everything is tried, which takes ten minutes.
THOROUGH = "MEM0_THOROUGH" in os.environ

#: What is tried in a short run; each of the others goes through the same code.
SHORT = ["add, one pass", "add verbatim", "update both", "delete", "delete_all, purge", "reset", "search"]


def two_pass(verb: str) -> bool:
    """Tell whether a verb needs a memory that is configured for it."""
    return verb == "add, two passes"
