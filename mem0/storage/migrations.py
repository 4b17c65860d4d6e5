"""Numbered schema changes, each recorded in the transaction that made it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from mem0.exceptions import StorageVersionError
from mem0.storage.database import Database


class Migration(NamedTuple):
    """One step of a schema; its number is its place in the component's list, from 1."""

    name: str
    apply: Callable[[sqlite3.Connection], None]


def migrate(database: Database, component: str, migrations: Sequence[Migration]) -> None:
    """Bring one component's tables up to date, in one transaction.

    Args:
        database: The file.
        component: Whose tables: several components share a file, each with numbers of its own.
        migrations: All steps, oldest first; those already recorded are not run again.

    Raises:
        StorageVersionError: The file has steps this version does not know; it is left unchanged.
    """
    with database.read() as connection:
        if _applied(connection, component, database.path, len(migrations)) == len(migrations):
            return
    with database.transaction() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS mem0_migrations ("
            " component TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, applied_at TEXT NOT NULL,"
            " PRIMARY KEY (component, number))"
        )
        first = _applied(connection, component, database.path, len(migrations)) + 1
        for number, migration in enumerate(migrations[first - 1 :], first):
            migration.apply(connection)
            connection.execute(
                "INSERT INTO mem0_migrations VALUES (?, ?, ?, ?)",
                (component, number, migration.name, datetime.now(timezone.utc).isoformat()),
            )


def _applied(connection: sqlite3.Connection, component: str, path: str, known: int) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mem0_migrations'").fetchone():
        return 0
    number: int = connection.execute(
        "SELECT coalesce(max(number), 0) FROM mem0_migrations WHERE component = ?", (component,)
    ).fetchone()[0]
    if number > known:
        raise StorageVersionError(
            f"{path}: its {component} schema is number {number}, this version knows {known}; "
            "it was written by a newer version of the library and is left unchanged: upgrade, or name another path"
        )
    return number
