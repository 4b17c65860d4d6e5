"""Numbered schema changes: each runs once, wholly or not at all, and a newer file is left as it is."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mem0.exceptions import StorageError, StorageVersionError
from mem0.history.sqlite import SQLiteManager
from mem0.storage import Database, Migration, migrate
from mem0.testing import memory
from mem0.vector_stores.sqlite import SQLiteVectorStore


def step(name: str, *statements: str) -> Migration:
    def apply(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return Migration(name, apply)


FIRST = step("a table", "CREATE TABLE things (x)", "INSERT INTO things VALUES ('first')")
SECOND = step("a column", "ALTER TABLE things ADD COLUMN y", "UPDATE things SET y = 'second'")
BROKEN = step("broken", "DROP TABLE things", "CREATE TABLE others (x)", "SELECT * FROM absent")


def recorded(database: Database) -> list[tuple[str, int, str]]:
    with database.read() as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mem0_migrations'").fetchone():
            return []
        return connection.execute(
            "SELECT component, number, name FROM mem0_migrations ORDER BY component, number"
        ).fetchall()


def things(database: Database) -> list[tuple[str, ...]]:
    with database.read() as connection:
        return connection.execute("SELECT * FROM things").fetchall()


@pytest.mark.parametrize("where", ["file", "memory"])
def test_each_step_runs_once_and_in_order(tmp_path: Path, where: str) -> None:
    with Database(tmp_path / "m.db" if where == "file" else ":memory:") as database:
        for _ in range(2):
            migrate(database, "it", [FIRST])
        assert things(database) == [("first",)]
        for _ in range(2):
            migrate(database, "it", [FIRST, SECOND])
        assert things(database) == [("first", "second")]
        assert recorded(database) == [("it", 1, "a table"), ("it", 2, "a column")]


def test_a_new_file_gets_all_steps(tmp_path: Path) -> None:
    with Database(tmp_path / "m.db") as database:
        migrate(database, "it", [FIRST, SECOND])
        assert things(database) == [("first", "second")]


def test_components_count_by_themselves() -> None:
    with Database() as database:
        migrate(database, "it", [FIRST, SECOND])
        migrate(database, "other", [step("its own", "CREATE TABLE more (x)")])
        assert recorded(database) == [("it", 1, "a table"), ("it", 2, "a column"), ("other", 1, "its own")]


@pytest.mark.parametrize("before", [[], [FIRST]])
def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, before: list[Migration]) -> None:
    with Database(tmp_path / "m.db") as database:
        if before:
            migrate(database, "it", before)
        with pytest.raises(StorageError, match=f"{database.path}.*absent"):
            migrate(database, "it", [FIRST, SECOND, BROKEN])
        with database.read() as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == ({"mem0_migrations", "things"} if before else set())
        assert recorded(database) == [("it", 1, "a table")] * len(before)
        migrate(database, "it", [FIRST, SECOND])
        assert things(database) == [("first", "second")]


def test_several_at_once_run_each_step_once(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            together.wait()
            with Database(tmp_path / "m.db") as database:
                migrate(database, "it", [FIRST, SECOND])
                assert things(database) == [("first", "second")]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# -- files of a newer version -----------------------------------------------------------------------


def made_newer(path: Path, component: str) -> bytes:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO mem0_migrations SELECT component, number + 1, 'of the future', applied_at"
            " FROM mem0_migrations WHERE component = ? ORDER BY number DESC LIMIT 1",
            (component,),
        )
    return path.read_bytes()


@pytest.mark.parametrize("component", ["store", "history"])
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path, component: str, journal: str) -> None:
    path = tmp_path / "m.db"
    with memory(path=str(path)) as m:
        m.add("I like tea", user_id="a")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"PRAGMA journal_mode={journal}").fetchone() == (journal,)
    content = made_newer(path, component)
    opens = {
        "a memory": lambda: memory(path=str(path)),
        "the part": lambda: (
            SQLiteVectorStore({"path": str(path)}) if component == "store" else SQLiteManager(str(path))
        ),
    }
    for what, open_it in opens.items():
        known = {"store": 6, "history": 2}[component]
        with pytest.raises(
            StorageVersionError, match=f"{path}.*{component} schema is number {known + 1}.*knows {known}"
        ):
            open_it()
        assert path.read_bytes() == content, what
        assert [found.name for found in tmp_path.iterdir()] == ["m.db"], what


def test_a_newer_history_beside_the_store_is_left_as_it_is(tmp_path: Path) -> None:
    SQLiteManager(tmp_path / "h.db").close()
    content = made_newer(tmp_path / "h.db", "history")
    with pytest.raises(StorageVersionError, match=r"h\.db"):
        memory({"history_db_path": str(tmp_path / "h.db")}, path=str(tmp_path / "m.db"))
    assert (tmp_path / "h.db").read_bytes() == content
    assert sorted(found.name for found in tmp_path.iterdir()) == ["h.db", "m.db"]
