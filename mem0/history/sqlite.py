"""History in a SQLite table: the published one, with the scope of each change beside it."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any

from mem0.exceptions import StorageError
from mem0.history.base import HistoryBase, Intent
from mem0.storage import Database, Migration, migrate
from mem0.times import iso
from mem0.types import HistoryDict, HistoryRow, Scope

logger = logging.getLogger("mem0.history")

_COLUMNS = (
    "id, memory_id, prev_value, new_value, event, timestamp, is_deleted, collection, user_id, agent_id, run_id, payload"
)

# What tells a history from the table of another program that happens to have the same name.
_IN_EVERY_LAYOUT = {"id", "memory_id", "event"}

# The columns of mem0ai's table of recent messages, which later layouts have beside the history.
_MESSAGES = {"id", "session_scope", "role", "content", "name", "created_at"}

# Where later published layouts keep what the first one has (theirs: old_memory, created_at, ...).
_ELSEWHERE = {
    "prev_value": ("old_memory",),
    "new_value": ("new_memory",),
    "timestamp": ("updated_at", "created_at"),
}


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables; one of an older layout is taken over with every row."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(history)")]
    if columns and not _IN_EVERY_LAYOUT.issubset(columns):
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise StorageError(f"{path}: its table 'history' belongs to another program; it is left unchanged: name a path")
    if columns:
        connection.execute("ALTER TABLE history RENAME TO history_before")
        for index in ("history_memory", "history_scope"):  # of the table that is renamed, if it had them
            connection.execute(f"DROP INDEX IF EXISTS {index}")
    connection.execute(
        """CREATE TABLE history (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            memory_id TEXT,
            prev_value TEXT,
            new_value TEXT,
            event TEXT,
            timestamp DATETIME,
            is_deleted INTEGER,
            collection TEXT,
            user_id TEXT,
            agent_id TEXT,
            run_id TEXT
        )"""
    )
    connection.execute("CREATE INDEX history_memory ON history (memory_id)")
    connection.execute("CREATE INDEX history_scope ON history (collection, user_id, agent_id, run_id)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS journal (id TEXT PRIMARY KEY, collection TEXT NOT NULL, content TEXT NOT NULL)"
    )
    if columns:
        sources = []
        for name in ("memory_id", "prev_value", "new_value", "event", "timestamp", "is_deleted"):
            there = [found for found in (name, *_ELSEWHERE.get(name, ())) if found in columns]
            sources.append(f"coalesce({', '.join([*there, 'NULL', 'NULL'])})")
        connection.execute(
            "INSERT INTO history (id, memory_id, prev_value, new_value, event, timestamp, is_deleted)"
            f" SELECT coalesce(id, lower(hex(randomblob(16)))), {', '.join(sources)} FROM history_before ORDER BY rowid"
        )
        connection.execute("DROP TABLE history_before")


def _add_payloads(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE history ADD COLUMN payload TEXT")


_MIGRATIONS = (
    Migration("history with scopes, journal", _create),
    Migration("payloads, to rebuild a store from", _add_payloads),
)


class SQLiteManager(HistoryBase):
    """History in a SQLite file.

    Args:
        db_path: The file, or ``":memory:"``.  One written by an earlier layout is taken over with
            every row.
        database: An open database to stand on instead; it is not closed with the history.
        busy_timeout: Seconds a writer waits for another one.
    """

    def __init__(
        self,
        db_path: str | os.PathLike[str] = ":memory:",
        *,
        database: Database | None = None,
        busy_timeout: float = 10.0,
    ) -> None:
        self._owns_database = database is None
        self.database = database or Database(db_path, busy_timeout=busy_timeout)
        try:
            migrate(self.database, "history", _MIGRATIONS)
            self._take_back()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"SQLiteManager({self.database.path!r})"

    def _take_back(self) -> None:
        """Take over once more a table that another program has made anew in its own layout: mem0ai does at opening."""
        with self.database.read() as connection:
            if "seq" in {row[1] for row in connection.execute("PRAGMA table_info(history)")}:
                return
        with self.database.transaction() as connection:
            for migration in _MIGRATIONS:
                migration.apply(connection)
        logger.warning(
            "%s: another program has made the history anew, and texts and scopes are missing from its older rows; "
            "keep the history in a file of its own",
            self.database.path,
        )

    # -- the published methods ----------------------------------------------------------------------

    def add_history(
        self,
        memory_id: str,
        prev_value: str | None,
        new_value: str | None,
        event: str,
        created_at: str | None = None,
        updated_at: str | None = None,
        is_deleted: int = 0,
    ) -> None:
        """Record one change by hand; its time is ``updated_at``, else ``created_at``, else now."""
        when = updated_at or created_at or iso(datetime.now(timezone.utc))
        row = HistoryRow(str(uuid.uuid4()), memory_id, prev_value, new_value, event, when, is_deleted, "")
        self.append([row])

    def get_history(self, memory_id: str) -> list[HistoryDict]:
        """Return a memory's changes in order; ``[]`` for an unknown id."""
        return [as_dict(row) for row in self.rows(memory_id)]

    def reset(self) -> None:
        """Delete every row of every collection in this file."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM history")

    # -- what the library uses ----------------------------------------------------------------------

    def lock(self) -> AbstractContextManager[None]:
        return self.database.lock()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self.database.transaction()

    def append(self, rows: Sequence[HistoryRow]) -> None:
        with self.database.transaction() as connection:
            connection.executemany(
                f"INSERT INTO history ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                (
                    (
                        row.id,
                        row.memory_id,
                        row.prev_value,
                        row.new_value,
                        row.event,
                        row.timestamp,
                        row.is_deleted,
                        row.collection,
                        *row.scope,
                        None if row.payload is None else json.dumps(row.payload),
                    )
                    for row in rows
                ),
            )

    def rows(self, memory_id: str, collection: str | None = None) -> list[HistoryRow]:
        with self.database.read() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM history WHERE memory_id = ?1"
                # Rows taken over from an older layout belong to no collection, and to whoever knows the id.
                " AND (?2 IS NULL OR coalesce(collection, '') IN (?2, '')) ORDER BY seq",
                (memory_id, collection),
            ).fetchall()
        return [self._row(*row) for row in found]

    def latest(self, collection: str) -> list[HistoryRow]:
        with self.database.read() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM history WHERE seq IN"
                " (SELECT max(seq) FROM history WHERE coalesce(collection, '') IN (?, '') GROUP BY memory_id)",
                (collection,),
            ).fetchall()
        return [self._row(*row) for row in found]

    def collections(self) -> list[str]:
        with self.database.read() as connection:
            found = connection.execute("SELECT DISTINCT collection FROM history WHERE collection <> '' ORDER BY 1")
            return [name for (name,) in found]

    def rename(self, collection: str, name: str) -> None:
        with self.database.transaction() as connection:
            connection.execute("UPDATE history SET collection = ? WHERE collection = ?", (name, collection))

    def forget(
        self,
        collection: str,
        *,
        scope: Scope | None = None,
        memory_ids: Sequence[str] = (),
        keep: Sequence[str] = (),
    ) -> int:
        removed = 0
        with self.database.transaction() as connection:
            if scope is not None:
                ids = scope.ids()
                kept = json.dumps(list(keep))
                removed += connection.execute(
                    f"DELETE FROM history WHERE collection = ?{''.join(f' AND {key} = ?' for key in ids)}"
                    " AND memory_id NOT IN (SELECT value FROM json_each(?))",
                    (collection, *ids.values(), kept),
                ).rowcount
            for memory_id in memory_ids:
                removed += connection.execute(
                    "DELETE FROM history WHERE memory_id = ? AND coalesce(collection, '') IN (?, '')",
                    (memory_id, collection),
                ).rowcount
        return removed

    def clear(self, collection: str, *, unclaimed: bool = False) -> int:
        with self.database.transaction() as connection:
            return connection.execute(
                "DELETE FROM history WHERE collection = ?1 OR (?2 AND coalesce(collection, '') = '')",
                (collection, unclaimed),
            ).rowcount

    def intents(self, collection: str) -> list[Intent]:
        with self.database.read() as connection:
            found = connection.execute(
                "SELECT id, collection, content FROM journal WHERE collection = ? ORDER BY rowid", (collection,)
            ).fetchall()
        return [Intent(*row) for row in found]

    def put_intent(self, intent: Intent) -> None:
        with self.database.transaction() as connection:
            connection.execute("INSERT INTO journal VALUES (?, ?, ?)", (intent.id, intent.collection, intent.content))

    def drop_intent(self, id: str) -> bool:
        with self.database.transaction() as connection:
            return connection.execute("DELETE FROM journal WHERE id = ?", (id,)).rowcount > 0

    def compact(self) -> bool:
        with self.database.read() as connection:
            columns = {row[1] for row in connection.execute("PRAGMA table_info(messages)")}
        if columns == _MESSAGES:
            # What was last said, whole, in a file taken over from mem0ai: nothing here reads it, and whose
            # memories it speaks of cannot be told.
            with self.database.transaction() as connection:
                connection.execute("DROP TABLE messages")
        return self.database.compact()

    def close(self) -> None:
        if self._owns_database:
            self.database.close()

    def _row(self, id: str, *rest: Any) -> HistoryRow:
        memory_id, prev_value, new_value, event, timestamp, is_deleted, collection, *scope, stored = rest
        payload = None if stored is None else self.database.decoded(stored)
        return HistoryRow(
            id, memory_id, prev_value, new_value, event, timestamp, is_deleted, collection or "", Scope(*scope), payload
        )


def as_dict(row: HistoryRow) -> HistoryDict:
    """Return a row as users get it: the published columns."""
    return {
        "id": row.id,
        "memory_id": row.memory_id,
        "prev_value": row.prev_value,
        "new_value": row.new_value,
        "event": row.event,
        "timestamp": row.timestamp,
        "is_deleted": row.is_deleted,
    }
