"""The embedded store's tables, as numbered steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from mem0.storage import Migration
from mem0.text import TOKENS_VERSION
from mem0.traits import Traits
from mem0.vector_stores.sqlite_check import checksum, read_payload, terms
from mem0.vector_stores.sqlite_filters import CREATE_ATTRIBUTES

#: For how many commits the numbers of deleted rows are kept; an image older than that is read anew.
TOMBSTONES_KEPT = 10_000

_FIRST = (
    # Made once for each file, so that a history elsewhere can tell files apart.
    "CREATE TABLE identity (id TEXT NOT NULL)",
    "INSERT INTO identity VALUES (lower(hex(randomblob(16))))",
    # `changed` counts the commits; `forgotten` is the newest whose deletions are no longer listed.
    """CREATE TABLE collections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        dims INTEGER NOT NULL,
        model TEXT,
        provider TEXT,
        tokens_version INTEGER NOT NULL,
        changed INTEGER NOT NULL DEFAULT 0,
        forgotten INTEGER NOT NULL DEFAULT 0
    )""",
    # `seq` is the order of insertion and never used twice; the columns repeat what the payload says,
    # for the indexes.
    """CREATE TABLE memories (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        user_id TEXT,
        agent_id TEXT,
        run_id TEXT,
        created REAL NOT NULL,
        expires REAL,
        fingerprint TEXT,
        turn INTEGER NOT NULL,
        dense INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        payload TEXT NOT NULL,
        UNIQUE (collection, id)
    )""",
    "CREATE INDEX memories_changed ON memories (collection, changed)",
    "CREATE INDEX memories_created ON memories (collection, created, seq, expires)",
    "CREATE INDEX memories_user ON memories (collection, user_id, created, seq, expires) WHERE user_id IS NOT NULL",
    "CREATE INDEX memories_agent ON memories (collection, agent_id, created, seq, expires) WHERE agent_id IS NOT NULL",
    "CREATE INDEX memories_run ON memories (collection, run_id, created, seq, expires) WHERE run_id IS NOT NULL",
    "CREATE INDEX memories_fingerprint ON memories (fingerprint, collection) WHERE fingerprint IS NOT NULL",
    # Apart from the payloads, so that listing memories does not read past vectors.
    """CREATE TABLE vectors (
        seq INTEGER PRIMARY KEY REFERENCES memories (seq) ON DELETE CASCADE,
        vector BLOB NOT NULL,
        tokens BLOB NOT NULL
    )""",
    """CREATE TABLE removals (
        collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        changed INTEGER NOT NULL,
        seq INTEGER NOT NULL
    )""",
    "CREATE INDEX removals_changed ON removals (collection, changed)",
)


def _create(connection: sqlite3.Connection) -> None:
    for statement in (*_FIRST, CREATE_ATTRIBUTES):
        connection.execute(statement)


def _add_checksums(connection: sqlite3.Connection) -> None:
    connection.create_function("mem0_checksum", 1, checksum, deterministic=True)
    connection.execute("ALTER TABLE vectors ADD COLUMN checksum INTEGER")
    connection.execute("UPDATE vectors SET checksum = mem0_checksum(vector)")


def _add_traits(connection: sqlite3.Connection) -> None:
    # Rows that are there have no vectors of tokens; the search compares their texts' own vectors instead.
    connection.execute("ALTER TABLE vectors ADD COLUMN traits BLOB")
    connection.execute("ALTER TABLE vectors ADD COLUMN late BLOB")
    # What they are is noted below, by the rules of today; of a memory that cannot be read, nothing.
    connection.execute("UPDATE vectors SET traits = ?", (Traits().to_bytes(),))


def _extend_checksums(connection: sqlite3.Connection) -> None:
    # A row whose vector is damaged already keeps what tells so.
    connection.create_function("mem0_checksum", -1, checksum, deterministic=True)
    connection.execute(
        "UPDATE vectors SET checksum = mem0_checksum(vector, late)"
        " WHERE late IS NOT NULL AND checksum = mem0_checksum(vector)"
    )


def _renew_terms(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT seq, payload FROM memories")
    connection.executemany("UPDATE vectors SET tokens = ?, traits = ? WHERE seq = ?", _renewed(rows))
    connection.execute("UPDATE collections SET tokens_version = ?", (TOKENS_VERSION,))


def _renewed(rows: Iterable[tuple[int, str]]) -> Iterator[tuple[bytes, bytes, int]]:
    # A memory that cannot be read keeps what it has; `check` names it.
    for seq, stored in rows:
        payload = read_payload(stored)
        if payload is not None:
            yield terms(payload), Traits.of(payload).to_bytes(), seq


def _rename_terms(connection: sqlite3.Connection) -> None:
    # A process of an older version may have the file open, which looks at numbers only when it opens one: by this it
    # is refused, instead of writing terms that nobody looks for beside checksums that do not fit.
    connection.execute("ALTER TABLE vectors RENAME COLUMN tokens TO terms")


MIGRATIONS = (
    Migration("collections, memories, vectors, attributes", _create),
    Migration("checksums of vectors", _add_checksums),
    Migration("traits of texts, and vectors of their tokens", _add_traits),
    Migration("checksums of the vectors of tokens too", _extend_checksums),
    Migration("search terms without accents, parts of words; questions, rules and preferences", _renew_terms),
    Migration("a name for them that running processes of older versions do not know", _rename_terms),
)
