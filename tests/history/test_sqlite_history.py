"""History in SQLite: the published table and methods, every older layout, and what may be forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mem0.exceptions import ClosedError, StorageError
from mem0.history.base import HistoryBase, Intent
from mem0.history.sqlite import SQLiteManager
from mem0.memory.storage import SQLiteManager as PublishedSQLiteManager
from mem0.storage import Database
from mem0.testing import memory
from mem0.types import HistoryRow, Scope

COLUMNS = ("id", "memory_id", "prev_value", "new_value", "event", "timestamp", "is_deleted")


@pytest.fixture(params=["file", "memory"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteManager]:
    with SQLiteManager(tmp_path / "h.db" if request.param == "file" else ":memory:") as history:
        yield history


def row(id: str, memory_id: str = "m", collection: str = "c", **scope: str) -> HistoryRow:
    return HistoryRow(
        id, memory_id, None, f"text {id}", "ADD", "2026-01-01T00:00:00+00:00", 0, collection, Scope(**scope)
    )


def ids(rows: list[HistoryRow]) -> list[str]:
    return [found.id for found in rows]


# -- the published methods --------------------------------------------------------------------------


def test_the_published_place_is_the_same_class() -> None:
    assert PublishedSQLiteManager is SQLiteManager


def test_the_published_table(tmp_path: Path) -> None:
    with SQLiteManager(str(tmp_path / "h.db")) as history:
        history.add_history("m", None, "I like tea", "ADD")
    with closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        (found,) = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM history WHERE memory_id = 'm'").fetchall()
    assert found[1:5] == ("m", None, "I like tea", "ADD")


def test_changes_are_recorded_by_hand_and_read_in_order(history: SQLiteManager) -> None:
    before = datetime.now(timezone.utc)
    history.add_history("m", None, "I like tea", "ADD", created_at="2026-01-01T00:00:00+00:00")
    history.add_history("other", None, "somebody else's", "ADD")
    history.add_history("m", "I like tea", "I like coffee", "UPDATE", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00")
    history.add_history("m", "I like coffee", None, "DELETE", is_deleted=1)
    found = history.get_history("m")
    assert [tuple(entry) for entry in found] == [COLUMNS] * 3
    assert [(entry["prev_value"], entry["new_value"], entry["event"], entry["is_deleted"]) for entry in found] == [
        (None, "I like tea", "ADD", 0),
        ("I like tea", "I like coffee", "UPDATE", 0),
        ("I like coffee", None, "DELETE", 1),
    ]
    assert [entry["timestamp"] for entry in found[:2]] == ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00"]
    last = datetime.fromisoformat(found[2]["timestamp"])
    assert before - timedelta(seconds=1) <= last <= datetime.now(timezone.utc)
    assert len({entry["id"] for entry in found}) == 3
    assert history.get_history("unknown") == []


def test_reset_empties_the_file(history: SQLiteManager) -> None:
    history.add_history("m", None, "I like tea", "ADD")
    history.append([row("1")])
    history.reset()
    assert history.get_history("m") == []
    history.add_history("m", None, "I like tea again", "ADD")
    assert len(history.get_history("m")) == 1


def test_the_default_is_in_memory() -> None:
    with SQLiteManager() as history:
        history.add_history("m", None, "I like tea", "ADD")
        assert len(history.get_history("m")) == 1


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    for number in range(3):
        with SQLiteManager(tmp_path / "h.db") as history:
            history.add_history("m", None, f"text {number}", "ADD")
    with SQLiteManager(tmp_path / "h.db") as history:
        assert [entry["new_value"] for entry in history.get_history("m")] == ["text 0", "text 1", "text 2"]


def test_a_closed_history_says_so(history: SQLiteManager) -> None:
    history.close()
    history.close()
    with pytest.raises(ClosedError):
        history.get_history("m")


def test_a_shared_database_is_left_open() -> None:
    with Database() as database:
        SQLiteManager(database=database).close()
        SQLiteManager(database=database).add_history("m", None, "x", "ADD")


# -- what the library uses --------------------------------------------------------------------------


def test_rows_are_kept_once_and_in_order(history: SQLiteManager) -> None:
    history.append([row("2"), row("1"), row("3", "other")])
    history.append([row("1"), row("4")])
    assert ids(history.rows("m")) == ["2", "1", "4"]


def test_rows_keep_everything(history: SQLiteManager) -> None:
    wanted = [
        HistoryRow("1", "m", None, "Grüße \0 👋", "ADD", "t", 0, "c", Scope("u", "a", "r")),
        HistoryRow("2", "m", "Grüße \0 👋", None, "DELETE", "t", 1, "c", Scope(None, "a", None)),
    ]
    history.append(wanted)
    assert history.rows("m", "c") == wanted


def test_rows_belong_to_their_collection(history: SQLiteManager) -> None:
    history.append([row("1", collection="c"), row("2", collection="d")])
    history.add_history("m", None, "by hand", "ADD")
    assert ids(history.rows("m", "c"))[0] == "1"
    assert len(history.rows("m", "c")) == len(history.rows("m", "d")) == 2  # what names none is everybody's
    assert len(history.rows("m")) == 3


def test_clearing_a_collection_leaves_the_others(history: SQLiteManager) -> None:
    history.append([row("1", collection="c"), row("2", collection="c"), row("3", collection="d")])
    history.add_history("m", None, "by hand", "ADD")
    assert history.clear("c") == 2
    assert ids(history.rows("m"))[0] == "3"
    assert len(history.rows("m")) == 2
    assert history.clear("c", unclaimed=True) == 1
    assert ids(history.rows("m")) == ["3"]


def test_forgetting_a_scope(history: SQLiteManager) -> None:
    history.append(
        [
            row("1", "m1", user_id="u"),
            row("2", "m2", user_id="u", agent_id="a"),
            row("3", "m3", user_id="v", agent_id="a"),
            row("4", "m4", user_id="u"),
            row("5", "m5", collection="d", user_id="u"),
            row("6", "m6"),
        ]
    )
    assert history.forget("c", scope=Scope(user_id="u"), keep=["m4"]) == 2
    assert [bool(history.rows(f"m{number}")) for number in range(1, 7)] == [False, False, True, True, True, True]
    assert history.forget("c", scope=Scope(user_id="%")) == 0
    assert history.forget("c", scope=Scope()) == 3
    assert ids(history.rows("m5")) == ["5"]


def test_forgetting_single_memories(history: SQLiteManager) -> None:
    history.append([row("1", "m1"), row("2", "m1"), row("3", "m2"), row("4", "m1", collection="d")])
    assert history.forget("c", memory_ids=["m1", "unknown"]) == 2
    assert ids(history.rows("m1")) == ["4"]
    assert ids(history.rows("m2")) == ["3"]


def test_the_journal_is_a_list_to_be_struck_out(history: SQLiteManager) -> None:
    for id, collection in [("2", "c"), ("1", "c"), ("3", "d")]:
        history.put_intent(Intent(id, collection, f"content of {id}"))
    assert history.intents("c") == [Intent("2", "c", "content of 2"), Intent("1", "c", "content of 1")]
    assert history.drop_intent("2") is True
    assert history.drop_intent("2") is False
    assert [intent.id for intent in history.intents("c")] == ["1"]


def test_a_transaction_takes_all_back(history: SQLiteManager) -> None:
    with pytest.raises(ZeroDivisionError), history.lock(), history.transaction():
        history.append([row("1")])
        history.put_intent(Intent("1", "c", "content"))
        raise ZeroDivisionError
    assert history.rows("m") == []
    assert history.intents("c") == []


def test_another_history_needs_no_lock_of_its_own() -> None:
    with SQLiteManager() as history, HistoryBase.lock(history):
        pass


# -- older layouts ----------------------------------------------------------------------------------

SEED = (
    "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, prev_value TEXT, new_value TEXT, event TEXT,"
    " timestamp DATETIME, is_deleted INTEGER)"
)
MEM0AI_0_1 = (
    "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, new_value TEXT,"
    " event TEXT, created_at DATETIME, updated_at DATETIME, is_deleted INTEGER)"
)
MEM0AI_1 = (
    "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT,"
    " created_at DATETIME, updated_at DATETIME, is_deleted INTEGER, actor_id TEXT, role TEXT)"
)
MESSAGES = (
    "CREATE TABLE messages (id TEXT PRIMARY KEY, session_scope TEXT, role TEXT, content TEXT, name TEXT,"
    " created_at DATETIME)"
)

# What was written, as (id, memory, before, after, event, created, updated, deleted).
WRITTEN = [
    ("z", "m1", None, "I like tea", "ADD", "2025-01-01T10:00:00-07:00", None, 0),
    ("a", "m2", None, "Ich mag Käse", "ADD", "2025-01-02T10:00:00-07:00", None, 0),
    ("k", "m1", "I like tea", "I like coffee", "UPDATE", "2025-01-01T10:00:00-07:00", "2025-02-01T10:00:00-07:00", 0),
    ("b", "m1", "I like coffee", None, "DELETE", None, None, 1),
]


def write_seed(connection: sqlite3.Connection) -> None:
    connection.execute(SEED)
    for id, memory_id, before, after, event, created, updated, deleted in WRITTEN:
        values = (id, memory_id, before, after, event.lower(), updated or created, deleted)
        connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def write_0_1(connection: sqlite3.Connection) -> None:
    connection.execute(MEM0AI_0_1)
    for number, (id, memory_id, before, after, event, created, updated, deleted) in enumerate(WRITTEN):
        # Rows that its own migration had taken over have both columns, later ones only the first.
        values = (id, memory_id, before, after, after if number < 2 else None, event, created, updated, deleted)
        connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def write_1(connection: sqlite3.Connection) -> None:
    connection.execute(MEM0AI_1)
    for id, memory_id, before, after, event, created, updated, deleted in WRITTEN:
        values = (id, memory_id, before, after, event, created, updated, deleted, "actor", "user")
        connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def write_2(connection: sqlite3.Connection) -> None:
    write_1(connection)
    connection.execute(MESSAGES)
    said = ("1", "user_id=alice", "user", "I like coffee", None, "2025-01-01")
    connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", said)


LAYOUTS = {"seed": write_seed, "mem0ai 0.1": write_0_1, "mem0ai 1": write_1, "mem0ai 2": write_2}


@pytest.fixture(params=LAYOUTS)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "h.db")) as connection, connection:
        LAYOUTS[request.param](connection)
    return tmp_path / "h.db"


def test_an_older_file_keeps_every_row_in_order(older: Path) -> None:
    for _ in range(2):
        with SQLiteManager(older) as history:
            found = history.get_history("m1")
            assert [(entry["id"], entry["prev_value"], entry["new_value"]) for entry in found] == [
                ("z", None, "I like tea"),
                ("k", "I like tea", "I like coffee"),
                ("b", "I like coffee", None),
            ]
            assert [entry["event"].upper() for entry in found] == ["ADD", "UPDATE", "DELETE"]
            assert [entry["is_deleted"] for entry in found] == [0, 0, 1]
            assert [entry["timestamp"] for entry in found] == [
                "2025-01-01T10:00:00-07:00",
                "2025-02-01T10:00:00-07:00",
                None,
            ]
            assert [entry["new_value"] for entry in history.get_history("m2")] == ["Ich mag Käse"]
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT count(*) FROM history").fetchone() == (4,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert "history_before" not in tables


def test_an_older_file_goes_on_being_written(older: Path) -> None:
    with SQLiteManager(older) as history:
        history.add_history("m2", "Ich mag Käse", "Ich mag Brot", "UPDATE")
        history.append([row("new", "m2")])
        assert [entry["new_value"] for entry in history.get_history("m2")] == [
            "Ich mag Käse",
            "Ich mag Brot",
            "text new",
        ]


def test_a_memory_reads_an_older_file(older: Path) -> None:
    with memory({"history_db_path": str(older)}) as m:
        assert [entry["new_value"] for entry in m.history("m1")] == ["I like tea", "I like coffee", None]
        added = m.add("I like cake", user_id="a")[0]["id"]
        assert len(m.history(added)) == 1
        m.reset()
        assert m.history(added) == []
        assert len(m.history("m1")) == 3  # of no collection, so not of the one that was reset


def test_an_older_file_may_be_the_memory_itself(older: Path) -> None:
    with memory(path=str(older)) as m:
        added = m.add("I like cake", user_id="a")[0]["id"]
        assert len(m.history("m1")) == 3
    with memory(path=str(older)) as m:
        assert m.get(added) is not None
        assert len(m.history("m1")) == 3


def test_an_older_file_can_be_purged_of_a_memory(older: Path) -> None:
    with memory({"history_db_path": str(older)}) as m:
        receipt = m.delete("m1", purge=True)["receipt"]
        assert receipt == {"memories": 0, "history_rows": 3, "complete": True}
        assert m.history("m1") == []
        assert len(m.history("m2")) == 1
        for path in older.parent.iterdir():
            assert b"coffee" not in path.read_bytes(), path


def test_only_a_purge_removes_the_messages_of_an_older_file(tmp_path: Path) -> None:
    def messages() -> int:
        with closing(sqlite3.connect(tmp_path / "h.db")) as connection:
            return connection.execute("SELECT count(*) FROM messages").fetchone()[0]

    with closing(sqlite3.connect(tmp_path / "h.db")) as connection, connection:
        write_2(connection)
    with memory({"history_db_path": str(tmp_path / "h.db")}) as m:
        m.add("I like cake", user_id="a")
        m.delete_all(user_id="a")
        assert messages() == 1
        m.delete_all(user_id="a", purge=True)
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            messages()


def test_the_table_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE history (id INTEGER PRIMARY KEY, url TEXT, visits INTEGER)")
        connection.execute("INSERT INTO history VALUES (1, 'https://example.org', 3)")
    with pytest.raises(StorageError, match=f"{path}.*'history'.*another program"):
        SQLiteManager(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM history").fetchall() == [(1, "https://example.org", 3)]
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("history",)]


# -- through a memory -------------------------------------------------------------------------------


@pytest.mark.parametrize("separate", [False, True])
def test_resetting_one_collection_leaves_anothers_history(tmp_path: Path, separate: bool) -> None:
    config = {"path": str(tmp_path / "m.db")}
    if separate:
        config["history_db_path"] = str(tmp_path / "h.db")
    with memory({**config, "collection_name": "one"}) as one, memory({**config, "collection_name": "two"}) as two:
        first = one.add("I like tea", user_id="a")[0]["id"]
        second = two.add("I like tea", user_id="a")[0]["id"]
        one.update(first, "I like coffee")
        assert one.reset() == {"message": "Collection reset", "deleted": 1, "failed": []}
        assert one.history(first) == []
        assert len(two.history(second)) == 1
        assert two.get_all().total == 1
        assert one.get_all().total == 0
        assert one.reset()["deleted"] == 0
        again = one.add("I like tea", user_id="a")[0]
        assert again["event"] == "ADD"
        assert len(one.history(again["id"])) == 1
