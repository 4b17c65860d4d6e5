"""After a purge nothing of a memory is in any file: no word of its text, not its vector, its fingerprint, its id.

The raw bytes of every file in the folder are searched, and every value of every table; for what was replaced or deleted
before the purge too.  Where somebody still reads the old state, the receipt says that the purge is not complete.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import stat
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem0 import Memory
from mem0.storage import Database
from mem0.testing import DeterministicEmbedding, FrozenClock, ScriptedLLM, memory
from mem0.text import terms

EXAMPLES = int(os.environ.get("MEM0_FUZZ_EXAMPLES", "15"))

#: No part of it is in anything else: a word, a word in another script, a name, a number.
SECRET = "Zwölfquirl 秘密暗号 Xenophontine 7431-0815"
WORDS = SECRET.split()
LATER = "Quarzbrunnen 別の事 Yggdrasilism 2718-2818"

LAYOUTS = ("one file", "two files")


def opened(folder: Path, layout: str, **parts: Any) -> Memory:
    config = {"path": str(folder / "m.db")}
    if layout == "two files":
        config["history_db_path"] = str(folder / "h.db")
    m = memory(config, embedder=DeterministicEmbedding(32), **parts)
    for database in databases(m):
        # Some builds of SQLite overwrite what is deleted by default, most do not.
        database.on_connect(lambda connection: connection.execute("PRAGMA secure_delete=OFF"))
        database.busy_timeout = 0.3
    return m


def databases(m: Memory) -> set[Database]:
    return {m.db.database, m.vector_store.database}  # type: ignore[attr-defined]


# -- what must not be found ---------------------------------------------------------------------------


def vector_bytes(text: str) -> bytes:
    vector = DeterministicEmbedding(32).embed(text)
    return struct.pack(f"<{len(vector)}f", *vector)


def forms(text: str) -> dict[str, bytes]:
    """Return all that tells of a text, as it may stand in a file."""
    found = {
        "the vector as float32": vector_bytes(text),
        "the vector as JSON": json.dumps(DeterministicEmbedding(32).embed(text)).encode(),
        "the hash": hashlib.md5(text.encode()).hexdigest().encode(),
    }
    for piece in [text, *text.split()]:
        found[f"{piece!r} in UTF-8"] = piece.encode()
        found[f"{piece!r} in UTF-16"] = piece.encode("utf-16-le")
        found[f"{piece!r} in UTF-16, big end first"] = piece.encode("utf-16-be")
        found[f"{piece!r} as JSON has it"] = json.dumps(piece)[1:-1].encode()
        found[f"{piece!r} folded"] = piece.casefold().encode()
    # The words as the keyword leg has them: 32 bits each, so two neighbours, which nothing else has by chance.
    hashes = [zlib.crc32(term.encode()) for term in terms(text)]
    for one, other in itertools.pairwise(hashes):
        found[f"the tokens {one} and {other}"] = struct.pack("<2I", one, other)
    return found


def traces(folder: Path, *needles: str, **more: bytes) -> list[str]:
    """Return what is found of texts, and of other things by name, in the raw bytes of all files of a folder."""
    wanted = {name: form for needle in needles for name, form in forms(needle).items()} | more
    return sorted(
        f"{path.name}: {name}"
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for name, form in wanted.items()
        if form in content
    )


def cells(folder: Path, needle: str) -> list[str]:
    """Return the tables that hold a word of a text in any column, as whoever opens the files sees them."""
    found = []
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                content = repr(connection.execute(f'SELECT * FROM "{table}"').fetchall())
                found += [f"{path.name}: {table}" for word in needle.split() if word in content]
    return found


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def m(tmp_path: Path, layout: str) -> Iterator[Memory]:
    with opened(tmp_path, layout) as opened_memory:
        fill(opened_memory)
        yield opened_memory


def fill(m: Memory, count: int = 60) -> None:
    """Enough of others' that the needle lies among them, on pages that stay in use."""
    m.add([f"Haystack {number} {'straw ' * 30}" for number in range(count)], user_id="farmer")


def keep(m: Memory, text: str = SECRET, **scope: str) -> str:
    """Store a text wherever one can be: as text, metadata, a metadata key, a speaker's name."""
    said = [{"role": "user", "name": f"name {text}", "content": text}]
    (change,) = m.add(said, metadata={"where": text, text: [text]}, **(scope or {"user_id": "alice"}))
    return change["id"]


# -- before the purge ---------------------------------------------------------------------------------


def nothing(m: Memory, id: str) -> None:
    pass


def replace_it(m: Memory, id: str) -> None:
    m.update(id, LATER, metadata={"where": LATER, SECRET: None})


def replace_it_often(m: Memory, id: str) -> None:
    for number in range(40):
        m.update(id, f"{SECRET} {number} {'and more ' * 60}")
    replace_it(m, id)


def delete_it(m: Memory, id: str) -> None:
    m.delete(id)


def delete_all(m: Memory, id: str) -> None:
    m.delete_all(user_id="alice")


def have_an_llm_replace_it(m: Memory, id: str) -> None:
    reply = {"memory": [{"event": "UPDATE", "id": id, "text": LATER, "quote": SECRET, "message": 0}]}
    m.llm = ScriptedLLM([reply, {"memory": [{"event": "NONE"}]}])
    changes = m.add(f"It was {SECRET}", user_id="alice")
    assert [change["event"] for change in changes] == ["UPDATE"]
    m.llm = None


def have_an_llm_delete_it(m: Memory, id: str) -> None:
    m.llm = ScriptedLLM([{"memory": [{"event": "DELETE", "id": id, "quote": SECRET}]}])
    changes = m.add(f"Forget {SECRET}", user_id="alice")
    assert [change["event"] for change in changes] == ["DELETE"]
    m.llm = None


def look_for_it(m: Memory, id: str) -> None:
    m.search(SECRET, user_id="alice", filters={"where": {"icontains": SECRET}})
    m.get_all(user_id="alice", filters={SECRET: "*"})
    m.add(SECRET, user_id="alice", infer=False)
    m.add(SECRET, user_id="alice", infer=False, dry_run=True)


def copy_it_into_the_main_file(m: Memory, id: str) -> None:
    """A checkpoint brings it from the log to the pages; afterwards it is deleted there."""
    for database in databases(m):
        with closing(sqlite3.connect(database.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    m.delete(id)


def open_it_anew(m: Memory, id: str) -> None:
    """What another object wrote, and left in the log when it was closed."""
    path = Path(m.vector_store.database.path)  # type: ignore[attr-defined]
    with opened(path.parent, "two files" if len(databases(m)) == 2 else "one file") as other:
        other.update(id, f"{SECRET} once more")
        other.delete(id)


BEFORE: list[Callable[[Memory, str], None]] = [
    nothing,
    replace_it,
    replace_it_often,
    delete_it,
    delete_all,
    have_an_llm_replace_it,
    have_an_llm_delete_it,
    look_for_it,
    copy_it_into_the_main_file,
    open_it_anew,
]
PURGES: dict[str, Callable[[Memory, str], Any]] = {
    "delete_all": lambda m, id: m.delete_all(user_id="alice", purge=True),
    "a handle's delete_all": lambda m, id: m.scope(user_id="alice").delete_all(purge=True),
    "delete": lambda m, id: m.delete(id, purge=True),
    "reset": lambda m, id: m.reset(purge=True),
}


@pytest.mark.parametrize("purge", PURGES)
@pytest.mark.parametrize("before", BEFORE)
def test_nothing_of_it_is_in_any_file(
    m: Memory, tmp_path: Path, before: Callable[[Memory, str], None], purge: str
) -> None:
    id = keep(m)
    fingerprint = m.vector_store.get(m.collection_name, id).payload["_mem0"]["fingerprint"]  # type: ignore[union-attr]
    before(m, id)
    if purge == "delete":
        # What else the story left of the text is another memory's.
        for row in m.get_all(user_id="alice"):
            if row["id"] != id:
                m.delete(row["id"], purge=True)
    marks = {"id": id.encode(), "fingerprint": fingerprint.encode(), "binary": bytes.fromhex(id.replace("-", ""))}
    assert traces(tmp_path, SECRET, **marks)
    assert cells(tmp_path, SECRET)
    result = PURGES[purge](m, id)
    assert result["receipt"]["complete"] is True
    assert result["receipt"]["history_rows"] >= 1
    assert traces(tmp_path, SECRET, LATER, **marks) == []
    assert cells(tmp_path, SECRET) == cells(tmp_path, LATER) == []
    # What is cached in memory, or waits to be written, does not bring it back.
    m.search("straw", user_id="farmer")
    m.add("The next one", user_id="alice")
    m.search("next", user_id="alice")
    assert m.history(id) == []
    m.close()
    assert traces(tmp_path, SECRET, LATER, **marks) == []


def test_the_search_for_traces_would_find_them(tmp_path: Path, layout: str) -> None:
    """A file that was deleted from but not purged has them, in each of the forms that are looked for."""
    with opened(tmp_path, layout) as m:
        fill(m)
        m.delete(keep(m))
        found = "\n".join(traces(tmp_path, SECRET))
    for form in ("in UTF-8", "as JSON has it", "the vector as float32", "the hash", "the tokens"):
        assert form in found, form
    assert "h.db" in found or layout == "one file"


def test_the_vector_of_a_replaced_text_goes_too(m: Memory, tmp_path: Path) -> None:
    """An update overwrites the vector in place or moves it, and the log has both."""
    ids = [keep(m, f"{SECRET} {number}", user_id="alice", run_id=str(number)) for number in range(5)]
    vectors = {f"vector {number}": vector_bytes(f"{SECRET} {number}") for number in range(5)}
    assert len(traces(tmp_path, **vectors)) >= 5
    for id in ids:
        m.update(id, f"{LATER} {id}")
    m.delete_all(user_id="alice", purge=True)
    assert traces(tmp_path, SECRET, LATER, **vectors) == []


def test_of_two_users_with_the_same_text_one_is_forgotten(m: Memory, tmp_path: Path) -> None:
    gone, stays = keep(m), keep(m, user_id="bob")
    before = m.get(stays), m.history(stays)
    assert m.delete_all(user_id="alice", purge=True)["receipt"] == {"memories": 1, "history_rows": 1, "complete": True}
    assert traces(tmp_path, id=gone.encode(), owner=b"alice") == []
    assert (m.get(stays), m.history(stays)) == before
    m.delete_all(user_id="bob", purge=True)
    assert traces(tmp_path, SECRET, id=stays.encode(), owner=b"bob") == []


# -- while somebody reads -----------------------------------------------------------------------------


def read_elsewhere(stack: ExitStack, path: Path) -> sqlite3.Connection:
    """Open a file as another program does, and stay in the middle of reading."""
    connection = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


@pytest.mark.parametrize("which", ["m.db", "h.db"])
@pytest.mark.parametrize("purge", PURGES)
def test_with_a_reader_the_receipt_says_so(m: Memory, tmp_path: Path, layout: str, purge: str, which: str) -> None:
    if not (tmp_path / which).exists():
        pytest.skip("this layout has no such file")
    id = keep(m)
    with ExitStack() as stack:
        reader = read_elsewhere(stack, tmp_path / which)
        result = PURGES[purge](m, id)
        assert result["deleted"] >= 1
        assert result["receipt"]["complete"] is False
        assert m.get(id) is None
        assert m.history(id) == []
        reader.execute("COMMIT")
    # Purged again, now that nobody reads, it is gone for good.
    assert m.delete_all(user_id="alice", purge=True)["receipt"] == {"memories": 0, "history_rows": 0, "complete": True}
    assert traces(tmp_path, SECRET, id=id.encode()) == []


def test_a_reader_of_the_same_object_counts_too(m: Memory, tmp_path: Path) -> None:
    id = keep(m)
    reads, done = threading.Event(), threading.Event()

    def read() -> None:
        with m.db.database.read() as connection:  # type: ignore[attr-defined]
            connection.execute("SELECT count(*) FROM history").fetchone()
            reads.set()
            done.wait(30)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert reads.wait(30)
        assert m.delete(id, purge=True)["receipt"]["complete"] is False
    finally:
        done.set()
        thread.join()
    assert m.delete_all(user_id="alice", purge=True)["receipt"]["complete"] is True
    assert traces(tmp_path, SECRET) == []


STEP = st.sampled_from(
    ["keep", "keep", "update", "delete", "read", "stop reading", "open", "close", "purge one", "purge"]
)


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(layout=st.sampled_from(LAYOUTS), steps=st.lists(st.tuples(STEP, st.integers(0, 50)), min_size=3, max_size=14))
def test_a_receipt_that_says_complete_is_true(layout: str, steps: list[tuple[str, int]]) -> None:
    """Whatever came before and whoever reads: complete means that nothing is left, and the last purge is complete."""
    folder = Path(tempfile.mkdtemp(prefix="mem0-purge-"))
    try:
        with ExitStack() as readers, ExitStack() as others, opened(folder, layout) as m:
            fill(m, 10)
            there: dict[str, str] = {}
            owners: dict[str, str] = {}
            for number, (step, at) in enumerate(steps):
                id = [*owners][at % len(owners)] if owners else "none"
                user = ("alice", "bob")[at % 2]
                if step == "keep":
                    made = keep(m, f"{SECRET} of {user} number {number}", user_id=user)
                    there[made] = owners[made] = user
                elif step == "update" and id in there:
                    m.update(id, f"{SECRET} of {there[id]} changed {number}")
                elif step == "delete" and id in there:
                    m.delete(id)
                    del there[id]
                elif step == "read":
                    read_elsewhere(readers, folder / ("h.db" if layout == "two files" and at % 2 else "m.db"))
                elif step == "stop reading":
                    readers.close()
                elif step == "open":
                    others.enter_context(opened(folder, layout)).get_all()
                elif step == "close":
                    others.close()
                elif step == "purge one" and id in owners:
                    result = m.delete(id, purge=True)
                    there.pop(id, None)
                    del owners[id]
                    assert not result["receipt"]["complete"] or traces(folder, id=id.encode()) == []
                elif step == "purge":
                    result = m.delete_all(user_id=user, purge=True)
                    there = {id: owner for id, owner in there.items() if owner != user}
                    gone = [id for id, owner in owners.items() if owner == user]
                    owners = {id: owner for id, owner in owners.items() if owner != user}
                    marks = {f"id {id}": id.encode() for id in gone}
                    if result["receipt"]["complete"]:
                        assert traces(folder, text=f"{SECRET} of {user}".encode(), **marks) == []
                found = m.get_all(filters={"user_id": {"in": ["alice", "bob"]}})
                assert {row["id"]: row["user_id"] for row in found} == there
            readers.close()
            for user in ("alice", "bob"):
                assert m.delete_all(user_id=user, purge=True)["receipt"]["complete"] is True
            assert traces(folder, SECRET, **{f"id {id}": id.encode() for id in owners}) == []
    finally:
        shutil.rmtree(folder)


# -- who may read the files ---------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_and_their_folder_are_their_owners_only(tmp_path: Path, layout: str, mask: int) -> None:
    before = os.umask(mask)
    try:
        with opened(tmp_path / "new", layout) as m:
            id = keep(m)
            m.update(id, LATER)
            files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
            assert {path.suffix for path in files} >= {".db", ".db-wal", ".db-shm"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
            m.delete_all(user_id="alice", purge=True)
            assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_default_place_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "home"))
    before = os.umask(0o022)
    try:
        with Memory(embedder=DeterministicEmbedding(), clock=FrozenClock(), telemetry=False) as m:
            m.add("likes tea", user_id="alice")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").iterdir()}
    finally:
        os.umask(before)
    assert modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
