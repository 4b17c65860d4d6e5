"""The embedded vector store: collections in one SQLite file, searched exactly, in memory.

Rows are kept in the file; the scopes being searched are kept in memory too
(:mod:`mem0.vector_stores.sqlite_index`) and brought up to date from the collection's change number,
which is read in the same transaction as the rows.
"""

from __future__ import annotations

import builtins
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mem0 import text
from mem0.configs.base import validated
from mem0.exceptions import ConfigError, StorageCorruptError, ValidationError
from mem0.filters import And, Compare, Filter, parse_filters
from mem0.storage import Database, migrate
from mem0.times import expires_at, said_at
from mem0.types import RESERVED_KEYS, SCOPE_KEYS, Change, Embedder, Record, Scope
from mem0.vector_stores.base import UNKNOWN_SCRIPT, Candidates, Query, Rows, VectorStoreBase, checked_vector
from mem0.vector_stores.sqlite_filters import INSERT_ATTRIBUTE, attribute_rows, register_functions, to_sql
from mem0.vector_stores.sqlite_index import Index, Legs, Row
from mem0.vector_stores.sqlite_schema import MIGRATIONS, TOMBSTONES_KEPT

# SQLite's oldest supported limit on parameters is 32,766; statements stay far below it.
_AT_ONCE = 500

# The largest LIMIT and OFFSET that SQLite takes.
_LARGEST = 2**63 - 1


class SQLiteVectorStoreConfig(BaseModel):
    """Options of the embedded store."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(default=":memory:", description='The file, or `":memory:"`.')
    busy_timeout: float = Field(default=10.0, gt=0, description="Seconds a writer waits for another writer.")
    cache_mb: float = Field(
        default=1024.0, gt=0, description="Megabytes of memories kept in memory, over all collections of this object."
    )


class SQLiteVectorStore(VectorStoreBase):
    """Vector store in one SQLite file.

    Args:
        config: Options, as an object or a dict.
        database: An open database to stand on; else one is opened at ``config.path``, and closed with
            the store.
    """

    transactional = True

    def __init__(
        self,
        config: SQLiteVectorStoreConfig | Mapping[str, Any] | None = None,
        *,
        database: Database | None = None,
    ) -> None:
        self.config = (
            config
            if isinstance(config, SQLiteVectorStoreConfig)
            else validated(SQLiteVectorStoreConfig, config or {}, "vector_store 'sqlite' config")
        )
        self._owns_database = database is None
        self.database = database or Database(self.config.path, busy_timeout=self.config.busy_timeout)
        self._lock = threading.Lock()
        self._indexes: dict[int, Index] = {}
        self.database.on_connect(register_functions)
        try:
            migrate(self.database, "store", MIGRATIONS)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"SQLiteVectorStore({self.database.path!r})"

    # -- collections --------------------------------------------------------------------------------

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        if distance != "cosine":
            raise ConfigError(f"distance={distance!r}: the sqlite store compares by cosine only; leave it out")
        self._create(name, Embedder(dims=vector_size))

    def list_cols(self) -> Sequence[str]:
        with self.database.read() as connection:
            return [name for (name,) in connection.execute("SELECT name FROM collections ORDER BY id")]

    def delete_col(self, name: str) -> None:
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM collections WHERE name = ?", (name,))

    def col_info(self, name: str) -> dict[str, Any] | None:
        with self.database.read() as connection:
            collection = _collection(connection, name)
            if collection is None:
                return None
            count = connection.execute("SELECT count(*) FROM memories WHERE collection = ?", (collection.number,))
            return {
                "name": name,
                "vector_size": collection.embedder.dims,
                "count": count.fetchone()[0],
                "distance": "cosine",
                "model": collection.embedder.model,
                "provider": collection.embedder.provider,
            }

    def embedder(self, name: str) -> Embedder | None:
        with self.database.read() as connection:
            collection = _collection(connection, name)
            return collection.embedder if collection else None

    # -- writing ------------------------------------------------------------------------------------

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        if ids is None or len(ids) != len(vectors) or (payloads is not None and len(payloads) != len(vectors)):
            raise ValidationError(f"insert: {len(vectors)} vectors need as many ids, and payloads if there are any")
        self.apply(
            name,
            [
                Change("ADD", id, dict(payload), _numbers(vector, id))
                for id, payload, vector in zip(ids, payloads or [{}] * len(ids), vectors, strict=True)
            ],
            None,
        )

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        with self.database.transaction():
            present = self.get(name, vector_id)
            if present is None:
                raise ValidationError(f"update: collection {name!r} has no row {vector_id!r}")
            new = None if vector is None else _numbers(vector, vector_id)
            self.apply(name, [Change("UPDATE", vector_id, present.payload if payload is None else payload, new)], None)

    def delete(self, name: str, vector_id: str) -> None:
        self.apply(name, [Change("DELETE", vector_id)], None)

    def delete_where(self, name: str, filters: Mapping[str, Any]) -> int:
        with self.database.transaction():
            rows = self.list(name, filters, limit=None)
            self.apply(name, [Change("DELETE", row.id) for row in rows], None)
            return len(rows)

    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        """Carry out changes in one transaction (or in the one that is already open)."""
        if not changes:
            return
        with self.database.transaction() as connection:
            if embedder is not None:
                self._create(name, embedder)
            collection = _collection(connection, name)
            if collection is None:
                raise ValidationError(
                    f"collection {name!r} does not exist in {self.database.path}; create_col makes it"
                )
            number = collection.number
            connection.execute("UPDATE collections SET changed = changed + 1 WHERE id = ?", (number,))
            changed = collection.changed + 1
            removed = []
            try:
                for change in changes:
                    if change.event == "DELETE":
                        removed.append(change.id)
                    else:
                        _put(connection, collection, changed, change)
                if removed:
                    _remove(connection, number, changed, removed)
            except UnicodeEncodeError as error:
                raise ValidationError(f"a text or id is not valid Unicode (a lone surrogate): {error}") from error

    def _create(self, name: str, embedder: Embedder) -> None:
        if embedder.dims < 1:
            raise ConfigError(f"vector_size={embedder.dims}: a vector has at least one number")
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO collections (name, dims, model, provider, tokens_version) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                (name, embedder.dims, embedder.model, embedder.provider, text.TOKENS_VERSION),
            )

    # -- reading ------------------------------------------------------------------------------------

    def get(self, name: str, vector_id: str) -> Record | None:
        with self.database.read() as connection:
            row = connection.execute(
                "SELECT m.payload, v.vector FROM memories m JOIN collections c ON c.id = m.collection"
                " JOIN vectors v ON v.seq = m.seq WHERE c.name = ? AND m.id = ?",
                (name, vector_id),
            ).fetchone()
        if row is None:
            return None
        return Record(vector_id, self._decoded(row[0]), vector=np.frombuffer(row[1], dtype="<f4").tolist())

    def list(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> Rows:
        where, values = _where(name, filters, alive_at)
        with self.database.read() as connection:
            rows = connection.execute(
                f"SELECT m.id, m.payload FROM memories m WHERE {where}"
                " ORDER BY m.created DESC, m.seq DESC LIMIT ? OFFSET ?",
                (*values, -1 if limit is None else min(limit, _LARGEST), min(offset, _LARGEST)),
            ).fetchall()
        return [Record(id, self._decoded(payload)) for id, payload in rows]

    def count(self, name: str, filters: Mapping[str, Any] | None = None, *, alive_at: float | None = None) -> int:
        where, values = _where(name, filters, alive_at)
        with self.database.read() as connection:
            count: int = connection.execute(f"SELECT count(*) FROM memories m WHERE {where}", values).fetchone()[0]
            return count

    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> Rows:
        found: Rows = []
        with self.database.read() as connection:
            for some in _chunks(builtins.list(fingerprints)):
                rows = connection.execute(
                    "SELECT m.id, m.payload FROM memories m JOIN collections c ON c.id = m.collection"
                    f" WHERE c.name = ? AND m.fingerprint IN ({_marks(some)})",
                    (name, *some),
                )
                found.extend(Record(id, self._decoded(payload)) for id, payload in rows)
        return found

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        legs = self._legs(name, Query(Scope(), "", _numbers(query, "the question"), limit, filters))
        if legs is None:
            return []
        scores = np.maximum(legs.similarity, 0)
        best = np.argsort(-scores, kind="stable")[:limit]
        rows = self.fetch(name, legs.seqs[best].tolist())
        return [row._replace(score=float(scores[at])) for row, at in zip(rows, best, strict=True) if row is not None]

    def candidates(self, name: str, query: Query) -> Candidates:
        legs = self._legs(name, query)
        if legs is None:
            return Candidates([], {})
        skipped = {}
        if query.vector is None:
            skipped["dense"] = UNKNOWN_SCRIPT
        if np.isnan(legs.keyword).all():
            skipped["keyword"] = "the question has no words"
        return Candidates(
            legs.seqs,
            {
                "dense": legs.dense,
                "keyword": legs.keyword,
                "near_dense": legs.near_dense,
                "near_keyword": legs.near_keyword,
                "similarity": legs.similarity,
            },
            skipped,
        )

    def fetch(self, name: str, keys: Sequence[Any]) -> Sequence[Record | None]:
        found: dict[int, Record] = {}
        with self.database.read() as connection:
            for some in _chunks([int(key) for key in keys]):
                rows = connection.execute(
                    f"SELECT seq, id, payload FROM memories WHERE seq IN ({_marks(some)})", some
                ).fetchall()
                # One JSON text is read in half the time of many.
                payloads = self._decoded(f"[{','.join(payload for _, _, payload in rows)}]")
                for (seq, id, _), payload in zip(rows, payloads, strict=True):
                    found[seq] = Record(id, payload)
        return [found.get(key) for key in keys]

    def _decoded(self, stored: str) -> Any:
        try:
            return json.loads(stored)
        except ValueError as error:
            raise StorageCorruptError(
                f"{self.database.path}: a payload is damaged ({error}); restore a backup, or move the file away"
            ) from error

    # -- the image in memory ------------------------------------------------------------------------

    def _legs(self, name: str, query: Query) -> Legs | None:
        condition = parse_filters(query.filters)
        scope = _narrowed(query.scope, condition)
        question = text.question(query.text)
        older = -1
        while True:
            with self.database.read() as connection:
                collection = _collection(connection, name)
                if collection is None:
                    return None
                vector = query.vector
                if vector is not None:
                    vector = checked_vector(vector, collection.embedder.dims, "the question")
                matching = _matching(connection, collection, scope, condition)
                with self._lock:
                    image = self._indexes.get(collection.number)
                    if image is not None and image.seen > collection.changed > older:
                        older = collection.changed  # another thread has read what is newer: read that too
                        continue
                    index = self._refreshed(connection, collection, scope)
                    view = index.view(scope)
                    keep = None if matching is None else np.isin(view.seqs, matching)
                    if query.alive_at is not None and (ended := view.expires <= query.alive_at).any():
                        keep = ~ended if keep is None else keep & ~ended
                    return view.legs(index, vector, question, keep)

    def _refreshed(self, connection: sqlite3.Connection, collection: _Collection, scope: Scope) -> Index:
        """Return the collection's index with everything committed so far, and the scope among it."""
        try:
            return self._read_on(connection, collection, scope)
        except ValueError as error:
            self._indexes.pop(collection.number, None)
            raise StorageCorruptError(
                f"{self.database.path}: a vector is damaged ({error}); restore a backup, or move the file away"
            ) from error

    def _read_on(self, connection: sqlite3.Connection, collection: _Collection, scope: Scope) -> Index:
        index = self._indexes.get(collection.number)
        if index is None or index.seen > collection.changed:
            numbers = {number for (number,) in connection.execute("SELECT id FROM collections")}
            self._indexes = {number: other for number, other in self._indexes.items() if number in numbers}
            index = self._indexes[collection.number] = Index(collection.embedder.dims)
        if index.seen < collection.forgotten:
            index.clear()
        if index.loaded and index.seen < collection.changed:
            self._catch_up(connection, collection, index)
        index.seen = max(index.seen, collection.changed)
        if not index.holds(scope):
            if sum(other.nbytes for other in self._indexes.values()) > self.config.cache_mb * 1e6:
                self._indexes = {collection.number: index}
                index.clear()
            self._load(connection, collection, index, scope)
        return index

    def _catch_up(self, connection: sqlite3.Connection, collection: _Collection, index: Index) -> None:
        since = (collection.number, index.seen)
        gone = connection.execute("SELECT seq FROM removals WHERE collection = ? AND changed > ?", since)
        stale = [seq for (seq,) in gone]
        fresh = []
        for seq, *ids in connection.execute(
            "SELECT seq, user_id, agent_id, run_id FROM memories WHERE collection = ? AND changed > ?", since
        ):
            if index.wants(Scope(*ids)):
                fresh.append(seq)
        index.remove([*stale, *fresh])
        for some in _chunks(fresh):
            # Clearing (too many removals) leaves no scope loaded: all rows are read again when wanted.
            if index.loaded:
                index.add(_rows(connection, f"m.seq IN ({_marks(some)}) ORDER BY m.seq", some))

    def _load(self, connection: sqlite3.Connection, collection: _Collection, index: Index, scope: Scope) -> None:
        where = f"m.collection = ?{_scope_sql(scope)}"
        values = (collection.number, *scope.ids().values())
        seqs = [
            seq for (seq,) in connection.execute(f"SELECT m.seq FROM memories m WHERE {where} ORDER BY m.seq", values)
        ]
        if seqs:
            wanted = np.asarray(seqs, dtype=np.int64)[index.missing(seqs)].tolist()
            for some in _chunks(wanted):
                index.add(_rows(connection, f"m.seq IN ({_marks(some)}) ORDER BY m.seq", some))
        index.loaded.add(scope)

    def compact(self) -> bool:
        return self.database.compact()

    def close(self) -> None:
        if self._owns_database:
            self.database.close()
        with self._lock:
            self._indexes.clear()


class _Collection:
    """A row of the collections table."""

    __slots__ = ("changed", "embedder", "forgotten", "number")

    def __init__(self, number: int, changed: int, forgotten: int, embedder: Embedder) -> None:
        self.number = number
        self.changed = changed
        self.forgotten = forgotten
        self.embedder = embedder


def _collection(connection: sqlite3.Connection, name: str) -> _Collection | None:
    row = connection.execute(
        "SELECT id, changed, forgotten, dims, model, provider FROM collections WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    number, changed, forgotten, dims, model, provider = row
    return _Collection(number, changed, forgotten, Embedder(dims, model, provider))


def _put(connection: sqlite3.Connection, collection: _Collection, changed: int, change: Change) -> None:
    """Write one row with its vector, tokens and attributes; an id that is there keeps its place."""
    payload, vector = change.payload, change.vector
    stored = _json(payload)
    if vector is not None:
        vector = checked_vector(vector, collection.embedder.dims, f"row {change.id!r}").astype("<f4", copy=False)
    ours = payload.get("_mem0") or {}
    words = np.array(text.tokens(payload.get("data") or ""), dtype="<u4").tobytes()
    columns = (
        *(_text(payload, key) for key in SCOPE_KEYS),
        said_at(payload),
        expires_at(payload),
        ours.get("fingerprint"),
        bool(ours.get("turn")),
        ours.get("dense", True),
        changed,
        stored,
    )
    present = connection.execute(
        "SELECT seq FROM memories WHERE collection = ? AND id = ?", (collection.number, change.id)
    ).fetchone()
    if present is None:
        if vector is None:
            raise ValidationError(f"row {change.id!r} is new and needs a vector")
        seq = connection.execute(
            "INSERT INTO memories (user_id, agent_id, run_id, created, expires, fingerprint, turn, dense, changed,"
            " payload, collection, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*columns, collection.number, change.id),
        ).lastrowid
        connection.execute("INSERT INTO vectors VALUES (?, ?, ?)", (seq, vector.tobytes(), words))
    else:
        (seq,) = present
        connection.execute(
            "UPDATE memories SET user_id = ?, agent_id = ?, run_id = ?, created = ?, expires = ?, fingerprint = ?,"
            " turn = ?, dense = ?, changed = ?, payload = ? WHERE seq = ?",
            (*columns, seq),
        )
        connection.execute(
            "UPDATE vectors SET vector = coalesce(?, vector), tokens = ? WHERE seq = ?",
            (None if vector is None else vector.tobytes(), words, seq),
        )
        connection.execute("DELETE FROM attributes WHERE memory = ?", (seq,))
    if attributes := attribute_rows(payload):
        connection.executemany(INSERT_ATTRIBUTE, ((seq, *row) for row in attributes))


def _remove(connection: sqlite3.Connection, number: int, changed: int, ids: Sequence[str]) -> None:
    """Delete rows and leave their numbers, so that images in other processes can drop them."""
    for some in _chunks(ids):
        where = f"collection = ? AND id IN ({_marks(some)})"
        connection.execute(
            f"INSERT INTO removals (collection, changed, seq) SELECT collection, ?, seq FROM memories WHERE {where}",
            (changed, number, *some),
        )
        connection.execute(f"DELETE FROM memories WHERE {where}", (number, *some))
    forgotten = changed - TOMBSTONES_KEPT
    if forgotten > 0:
        connection.execute("DELETE FROM removals WHERE collection = ? AND changed <= ?", (number, forgotten))
        connection.execute("UPDATE collections SET forgotten = ? WHERE id = ?", (forgotten, number))


def _rows(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Row]:
    found = connection.execute(
        "SELECT m.seq, m.user_id, m.agent_id, m.run_id, m.created, m.expires, m.turn, m.dense, v.vector, v.tokens"
        f" FROM memories m JOIN vectors v ON v.seq = m.seq WHERE {where}",
        values,
    )
    return [
        Row(seq, Scope(user, agent, run), created, expires, bool(turn), bool(dense), vector, words)
        for seq, user, agent, run, created, expires, turn, dense, vector, words in found
    ]


def _numbers(vector: Sequence[float], what: str) -> NDArray[Any]:
    try:
        return np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{what}: its vector is not a flat list of numbers: {error}") from error


def _text(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if value is not None and not isinstance(value, str):
        raise ValidationError(f"payload key {key!r} is {value!r}; it must be text")
    return value


def _json(payload: dict[str, Any]) -> str:
    for key in RESERVED_KEYS[:-1]:
        _text(payload, key)
    if not isinstance(payload.get("_mem0") or {}, dict):
        raise ValidationError(f"payload key '_mem0' is {payload['_mem0']!r}; it is the library's own, a dict")
    try:
        return json.dumps(payload, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the payload cannot be stored as JSON: {error}") from error


def _where(name: str, filters: Mapping[str, Any] | None, alive_at: float | None) -> tuple[str, list[Any]]:
    """Return the condition on ``memories m`` for rows of a collection that match."""
    condition = parse_filters(filters)
    scope = _narrowed(Scope(), condition)
    where = f"m.collection = (SELECT id FROM collections WHERE name = ?){_scope_sql(scope)}"
    values: list[Any] = [name, *scope.ids().values()]
    if alive_at is not None:
        where += " AND (m.expires IS NULL OR m.expires > ?)"
        values.append(alive_at)
    if not _is_said_by(scope, condition):
        sql, more = to_sql(condition)
        where += f" AND ({sql})"
        values.extend(more)
    return where, values


def _narrowed(scope: Scope, condition: Filter | None) -> Scope:
    """Return the scope with the ids that a filter asks for at its top; a contradiction keeps the scope's."""
    ids = {member.key: member.value for member in _members(condition) if _names_id(member)}
    return Scope(**{**ids, **scope.ids()})


def _is_said_by(scope: Scope, condition: Filter | None) -> bool:
    """Tell whether the scope says all that a condition says."""
    return all(_names_id(member) and getattr(scope, member.key) == member.value for member in _members(condition))


def _names_id(condition: Any) -> bool:
    return (
        isinstance(condition, Compare)
        and condition.key in SCOPE_KEYS
        and condition.operator == "eq"
        and isinstance(condition.value, str)
    )


def _members(condition: Filter | None) -> Sequence[Any]:
    return () if condition is None else condition.members if isinstance(condition, And) else (condition,)


def _matching(
    connection: sqlite3.Connection, collection: _Collection, scope: Scope, condition: Filter | None
) -> NDArray[np.int64] | None:
    """Return the numbers of the scope's rows that match; ``None`` where all do."""
    if _is_said_by(scope, condition):
        return None
    sql, values = to_sql(condition)
    rows = connection.execute(
        f"SELECT m.seq FROM memories m WHERE m.collection = ?{_scope_sql(scope)} AND ({sql})",
        (collection.number, *scope.ids().values(), *values),
    )
    return np.fromiter((seq for (seq,) in rows), dtype=np.int64)


def _scope_sql(scope: Scope) -> str:
    return "".join(f" AND m.{key} = ?" for key in scope.ids())


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[first : first + _AT_ONCE] for first in range(0, len(values), _AT_ONCE))
