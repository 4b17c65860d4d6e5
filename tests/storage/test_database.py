"""One SQLite file: transactions, the queue of writers, and what happens when the file cannot be used."""

from __future__ import annotations

import gc
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mem0 import Memory
from mem0.exceptions import (
    ClosedError,
    Mem0Error,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
)
from mem0.storage import Database
from mem0.testing import DeterministicEmbedding, memory


@pytest.fixture(params=["file", "memory"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "m.db" if request.param == "file" else ":memory:") as database:
        with database.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")
        yield database


def put(database: Database, *values: object) -> None:
    with database.transaction() as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])


def values(database: Database) -> list[Any]:
    with database.read() as connection:
        return [value for (value,) in connection.execute("SELECT x FROM t ORDER BY rowid")]


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold SQLite's write lock, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("ROLLBACK")


def folder(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.iterdir()}


# -- transactions -----------------------------------------------------------------------------------


def test_what_a_block_changes_is_stored_together(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO t VALUES (2)")
    assert values(database) == [1, 2]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, sqlite3.OperationalError])
def test_a_block_that_fails_changes_nothing(database: Database, error: type[BaseException]) -> None:
    put(database, 1)
    with pytest.raises((error, StorageError)), database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
        raise error("on purpose")
    put(database, 3)
    assert values(database) == [1, 3]


def test_blocks_inside_a_block_join_it(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction():
        put(database, 1)
        assert values(database) == [1]
        with database.transaction():
            put(database, 2)
        assert values(database) == [1, 2]
        raise ZeroDivisionError
    assert values(database) == []


def test_a_statement_that_fails_names_the_file(database: Database) -> None:
    with pytest.raises(StorageError, match=f"{database.path}.*no such table") as caught, database.read() as connection:
        connection.execute("SELECT * FROM absent")
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    put(database, 1)
    assert values(database) == [1]


def test_a_reader_sees_one_moment_and_never_waits(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db") as database, Database(tmp_path / "m.db") as other:
        with other.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")
        with database.read() as reading:
            assert reading.execute("SELECT count(*) FROM t").fetchone() == (0,)
            put(other, 1)
            with other.transaction() as writing:
                writing.execute("INSERT INTO t VALUES (2)")
                assert reading.execute("SELECT count(*) FROM t").fetchone() == (0,)
        assert values(database) == [1, 2]


def test_threads_share_a_database(database: Database) -> None:
    def work(thread: int) -> None:
        for number in range(25):
            put(database, thread * 100 + number)
            assert thread * 100 + number in values(database)

    in_threads(8, work)
    found = values(database)
    assert sorted(found) == sorted(thread * 100 + number for thread in range(8) for number in range(25))
    for thread in range(8):
        assert [value for value in found if value // 100 == thread] == [thread * 100 + number for number in range(25)]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run work(0), work(1), ... at once; the first error of any is raised here."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# -- connections ------------------------------------------------------------------------------------


def test_every_connection_is_prepared_before_its_next_use(tmp_path: Path) -> None:
    def prepare(connection: sqlite3.Connection) -> None:
        connection.create_function("seven", 0, lambda: 7)

    with Database(tmp_path / "m.db") as database:
        with database.read() as in_use:
            database.on_connect(prepare)
            with database.read() as new:
                assert new is not in_use
                assert new.execute("SELECT seven()").fetchone() == (7,)
        for _ in range(3):
            with database.read() as one, database.read() as other:
                assert one.execute("SELECT seven()").fetchone() == (7,)
                assert other.execute("SELECT seven()").fetchone() == (7,)


def test_a_closed_database_says_so(database: Database) -> None:
    database.close()
    database.close()
    for use in (database.read, database.transaction):
        with pytest.raises(ClosedError, match="closed"), use():
            pass


def test_connections_in_use_are_closed_when_they_are_given_back(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db") as database:
        with database.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")
        with database.transaction() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            database.close()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
    assert [found.name for found in tmp_path.iterdir()] == ["m.db"]  # the last one to close empties the log
    with Database(tmp_path / "m.db") as database:
        assert values(database) == [1]


def test_a_memory_can_be_closed_while_others_search(tmp_path: Path) -> None:
    with memory(path=str(tmp_path / "m.db")) as m:
        m.add([f"fact {number}" for number in range(200)], user_id="a")
        started = threading.Barrier(5)

        def search(thread: int) -> None:
            started.wait()
            with pytest.raises(ClosedError):
                while True:
                    assert len(m.search(f"fact {thread}", user_id="a", limit=3)) == 3

        def work(thread: int) -> None:
            if thread < 4:
                search(thread)
            else:
                started.wait()
                time.sleep(0.05)
                m.close()

        in_threads(5, work)
    gc.collect()  # a connection that nobody closed would warn here
    assert [found.name for found in tmp_path.iterdir()] == ["m.db"]


def test_what_cannot_be_opened_leaves_no_connection_behind(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(b"This is no database, and long enough to be looked at. " * 30)
    for _ in range(3):
        with pytest.raises(StorageCorruptError):
            memory(path=str(path))
    gc.collect()
    if sys.platform == "linux":
        assert str(path) not in [os.readlink(f"/proc/self/fd/{fd}") for fd in _open_files()]
    assert [found.name for found in tmp_path.iterdir()] == ["m.db"]


def _open_files() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]


# -- the queue of writers ---------------------------------------------------------------------------


def test_a_writer_waits_for_its_time_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with memory({"busy_timeout": 0.2}, path=str(path)) as m:
        kept = m.add("I like tea", user_id="a")[0]["id"]
        with locked(path):
            started = time.monotonic()
            with pytest.raises(StorageBusyError, match=f"{path}.*nothing was stored"):
                m.add("I like coffee", user_id="a")
            assert time.monotonic() - started >= 0.2
            with pytest.raises(StorageBusyError):
                m.update(kept, "I like coffee")
            with pytest.raises(StorageBusyError):
                m.delete(kept)
            with pytest.raises(StorageBusyError):
                m.reset()
            # Readers do not wait, and neither does another one who opens the file.
            assert [row["memory"] for row in m.search("tea", user_id="a")] == ["I like tea"]
            assert len(m.history(kept)) == 1
            with memory(path=str(path)) as another:
                assert another.get(kept) == m.get(kept)
                assert another.get_all(user_id="a").total == 1
        assert m.get_all().total == 1
        m.add("I like coffee", user_id="a")
        assert m.get_all().total == 2


def test_a_writer_goes_on_as_soon_as_the_lock_is_free(database: Database) -> None:
    if database.in_memory:
        return  # there is nobody else
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with locked(Path(database.path)):
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.1, release.set).start()
    put(database, 1)
    assert release.is_set()
    holder.join()
    assert values(database) == [1]


def test_a_thread_that_keeps_the_lock_is_told_apart(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db", busy_timeout=0.1) as one, Database(tmp_path / "m.db", busy_timeout=0.1) as other:
        release = threading.Event()
        held = threading.Event()

        def hold() -> None:
            with one.transaction():
                held.set()
                release.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        for database in (one, other):
            with pytest.raises(StorageBusyError, match="another thread"), database.transaction():
                pass
        release.set()
        holder.join()
        with other.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")


def test_the_lock_spans_transactions_and_lets_its_holder_pass(database: Database) -> None:
    order: list[str] = []

    def write(number: int) -> None:
        if number:
            entered.wait(10)
            put(database, number)
            order.append("other")
        else:
            with database.lock():
                entered.set()
                put(database, "first")
                time.sleep(0.05)
                put(database, "second")
                order.append("holder")

    entered = threading.Event()
    in_threads(2, write)
    assert order == ["holder", "other"]
    assert values(database) == ["first", "second", 1]


# -- purging ----------------------------------------------------------------------------------------


def test_compacting_leaves_no_trace_of_what_was_deleted(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db") as database:
        database.on_connect(lambda connection: connection.execute("PRAGMA secure_delete=OFF"))
        with database.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")
        put(database, *(f"needle {number} {'x' * 500}" for number in range(500)), "kept")
        with database.transaction() as connection:
            connection.execute("DELETE FROM t WHERE x LIKE 'needle%'")
        assert any(b"needle" in content for content in folder(tmp_path).values())
        assert database.compact() is True
        assert not any(b"needle" in content for content in folder(tmp_path).values())
        assert values(database) == ["kept"]
        assert (tmp_path / "m.db-wal").stat().st_size == 0


def test_compacting_waits_for_a_reader_only_so_long(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db", busy_timeout=0.1) as database, Database(tmp_path / "m.db") as other:
        with database.transaction() as connection:
            connection.execute("CREATE TABLE t (x)")
        with other.read() as reading:
            reading.execute("SELECT * FROM t").fetchall()
            assert database.compact() is False
            put(database, 1)
        assert database.compact() is True
        with locked(tmp_path / "m.db"):
            assert database.compact() is False
        assert database.compact() is True
        assert values(database) == [1]


def test_in_memory_nothing_needs_compacting() -> None:
    with Database() as database:
        assert database.compact() is True


# -- no room ----------------------------------------------------------------------------------------


def limited(pages: int) -> Callable[[sqlite3.Connection], None]:
    def limit(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    return limit


@pytest.mark.parametrize("history", ["shared", "separate"])
def test_a_full_disk_stores_nothing_and_can_be_got_over(tmp_path: Path, history: str) -> None:
    separate = {"history_db_path": str(tmp_path / "h.db")} if history == "separate" else {}
    with memory(separate, path=str(tmp_path / "m.db")) as m:
        database = m.vector_store.database  # type: ignore[attr-defined]
        added = m.add(["I like tea", "I live in Lisbon"], user_id="a")
        with database.read() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        database.on_connect(limited(pages + 2))
        with pytest.raises(StorageFullError, match=f"{tmp_path / 'm.db'}.*nothing was stored"):
            m.add(["x" * 5000 + str(number) for number in range(10)], user_id="a")
        with pytest.raises(StorageFullError):
            m.update(added[0]["id"], "y" * 50_000)
        assert [row["memory"] for row in m.get_all()] == ["I live in Lisbon", "I like tea"]
        assert [len(m.history(change["id"])) for change in added] == [1, 1]
        assert m.search("tea", user_id="a")[0]["id"] == added[0]["id"]
        database.on_connect(limited(100_000))
        m.add(["x" * 5000 + str(number) for number in range(10)], user_id="a")
        assert m.get_all().total == 12
    with memory(separate, path=str(tmp_path / "m.db")) as m:
        assert m.get_all().total == 12


@pytest.mark.parametrize("pages", [1, 3, 6])
def test_a_disk_too_full_to_begin(tmp_path: Path, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = Database._connect

    def cramped(self: Database) -> Any:
        connection = connect(self)
        limited(pages)(connection)
        return connection

    with monkeypatch.context() as patch, pytest.raises(StorageFullError, match="m.db"):
        patch.setattr(Database, "_connect", cramped)
        memory(path=str(tmp_path / "m.db"))
    with memory(path=str(tmp_path / "m.db")) as m:
        m.add("there is room now", user_id="a")
        assert m.get_all().total == 1


# -- damaged files ----------------------------------------------------------------------------------


def damaged_copies(content: bytes) -> dict[str, bytes]:
    return {
        "not a database": b"# Notes\n\n" + b"Buy milk.\n" * 400,
        "too short": content[:50],
        "only the header": content[:100],
        "a flipped magic": bytes([content[0] ^ 1]) + content[1:],
        "a flipped page size": content[:16] + bytes([content[16] ^ 0xFF]) + content[17:],
        "a flipped format": content[:44] + b"\xff\xff\xff\xff" + content[48:],
        "a broken schema page": content[:100] + b"\xff" * 300 + content[400:],
        "zeros": bytes(len(content)),
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "m.db"
    with memory(path=str(path)) as m:
        m.add([f"fact number {number}" for number in range(60)], user_id="a", metadata={"kind": "x"})
    return path.read_bytes()


@pytest.mark.parametrize("damage", list(damaged_copies(bytes(100))))
@pytest.mark.parametrize("role", ["path", "history_db_path"])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, sound: bytes, damage: str, role: str) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(damaged_copies(sound)[damage])
    config = {"path": str(tmp_path / "m.db"), role: str(path)}
    with pytest.raises(StorageCorruptError, match=str(path)):
        memory(config)
    assert path.read_bytes() == damaged_copies(sound)[damage]
    assert not any(found.name.startswith("damaged.db-") for found in tmp_path.iterdir())


def test_a_truncated_file_is_told_when_it_is_read(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.db"
    for keep in range(4096, len(sound), 8192):
        path.write_bytes(sound[:keep])
        with pytest.raises(StorageCorruptError, match=str(path)):
            use(path)


def use(path: Path) -> None:
    with memory(path=str(path)) as m:
        for row in m.get_all(user_id="a", filters={"kind": "x"}):
            m.history(row["id"])
        m.search("fact number 3", user_id="a")
        m.add("one more", user_id="b")
        m.delete_all(user_id="a")


def test_a_damaged_page_never_gives_a_foreign_error(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.db"
    refused = 0
    for page in range(4096, len(sound), 4096):
        broken = bytearray(sound)
        broken[page : page + 40] = bytes(byte ^ 0x55 for byte in broken[page : page + 40])
        path.write_bytes(bytes(broken))
        try:
            use(path)
        except Mem0Error as error:
            assert str(path) in str(error), error
            refused += 1
    assert refused > 5


def test_flipped_bits_never_give_a_foreign_error(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.db"
    dice = random.Random(2)
    outcomes = {"used": 0, "refused": 0}
    for _ in range(60):
        broken = bytearray(sound)
        for _ in range(dice.choice([1, 4, 50])):
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        path.write_bytes(broken)
        try:
            use(path)
            outcomes["used"] += 1
        except Mem0Error as error:
            assert str(path) in str(error), error
            outcomes["refused"] += 1
        for beside in tmp_path.glob("m.db-*"):
            beside.unlink()
    assert min(outcomes.values()) > 5


def test_a_damaged_schema_is_told_though_it_is_no_text(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(sound.replace(b"CREATE TABLE vectors", b"CREATE \xff\xfe\xfdLE vectors"))
    with pytest.raises(StorageCorruptError, match=str(path)):
        memory(path=str(path))


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "m.db").touch(mode=0o600)
    (tmp_path / "h.db").touch(mode=0o600)
    with memory({"history_db_path": str(tmp_path / "h.db")}, path=str(tmp_path / "m.db")) as m:
        m.add("I like tea", user_id="a")
        assert m.get_all().total == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoragePermissionError, match=str(tmp_path)):
        memory(path=str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(StoragePermissionError, match="file"):
        memory(path=str(tmp_path / "file" / "m.db"))


# -- permissions ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        config = {"history_db_path": str(tmp_path / "other" / "h.db"), "path": str(tmp_path / "new" / "m.db")}
        with memory(config) as m:
            m.add("I like tea", user_id="a")
            found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    finally:
        os.umask(old)
    names = ["m.db", "m.db-wal", "m.db-shm", "h.db", "h.db-wal", "h.db-shm"]
    assert found == {"new": 0o700, "other": 0o700, **dict.fromkeys(names, 0o600)}


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_that_somebody_chose_stay(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    (shared / "m.db").touch()
    (shared / "m.db").chmod(0o640)
    with memory(path=str(shared / "m.db")) as m:
        m.add("I like tea", user_id="a")
        found = {path.name: path.stat().st_mode & 0o777 for path in [shared, *shared.iterdir()]}
    assert found == {"shared": 0o750, "m.db": 0o640, "m.db-wal": 0o640, "m.db-shm": 0o640}


_AS_NOBODY = """
import json, os, sys
from contextlib import suppress
from mem0 import Memory, exceptions
from mem0.testing import DeterministicEmbedding

root = sys.argv[1]
def opened(path):
    return Memory(path=path, embedder=DeterministicEmbedding())

# Everything is imported before the change of user, who may not be able to read the interpreter's folder.
with opened(":memory:") as m:
    m.add("I like tea", user_id="a"); m.search("tea", user_id="a"); m.delete_all(user_id="a")
    with suppress(exceptions.StorageError):
        opened(root)  # a folder

def seen(folder):
    return {found: (os.stat(f"{folder}/{found}").st_size, os.stat(f"{folder}/{found}").st_mtime_ns)
            for found in sorted(os.listdir(folder))}

def attempt(path, use):
    before = seen(os.path.dirname(path))
    try:
        use(path)
        error = None
    except Exception as caught:
        error = {"type": type(caught).__name__, "is_ours": isinstance(caught, exceptions.StoragePermissionError),
                 "is_builtin": isinstance(caught, PermissionError), "text": str(caught)}
    return {"error": error, "unchanged": seen(os.path.dirname(path)) == before, "path": path}

def open_and_add(path):
    with opened(path) as m:
        m.add("I like coffee", user_id="a")

if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
results = {
    "a new file in a read-only folder": attempt(f"{root}/readonly/new.db", open_and_add),
    "a file that may not be read": attempt(f"{root}/secret/m.db", open_and_add),
    "a file that may only be read": attempt(f"{root}/writable/readonly.db", open_and_add),
    "a file in a folder that may only be read": attempt(f"{root}/readonly/m.db", open_and_add),
}
own = opened(f"{root}/writable/own.db")
kept = own.add("I like tea", user_id="a")[0]["id"]
results["afterwards"] = [row["memory"] for row in own.search("tea", user_id="a")]
own.close()
print(json.dumps(results))
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Give a folder that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)
        for folder in Path(path).iterdir():
            folder.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_file_without_permission_is_named_and_left_alone(public_folder: Path) -> None:
    places = {"readonly": 0o555, "writable": 0o777, "secret": 0o777}
    for name in places:
        (public_folder / name).mkdir()
    for path, mode in [("readonly/m.db", 0o666), ("secret/m.db", 0o000), ("writable/readonly.db", 0o444)]:
        with memory(path=str(public_folder / path)) as m:
            m.add("I like tea", user_id="a")
        (public_folder / path).chmod(mode)
    for name, mode in places.items():
        (public_folder / name).chmod(mode)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(public_folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.pop("afterwards") == ["I like tea"]
    for what, result in results.items():
        assert result["error"] is not None, what
        assert result["error"]["is_ours"], (what, result["error"])
        assert result["error"]["is_builtin"], (what, result["error"])
        assert result["path"] in result["error"]["text"], (what, result["error"])
        assert result["unchanged"], what


def test_a_path_may_use_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with Memory(path="~/deep/er/m.db", embedder=DeterministicEmbedding()) as m:
        m.add("I like tea", user_id="a")
    assert (tmp_path / "deep" / "er" / "m.db").exists()
