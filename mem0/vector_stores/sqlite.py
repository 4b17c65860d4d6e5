"""The embedded vector store: collections in one SQLite file, searched exactly, in memory.

Rows are kept in the file (:mod:`mem0.vector_stores.sqlite_rows`); those of the scopes being searched are
kept in memory too (:mod:`mem0.vector_stores.sqlite_image`).
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mem0 import text
from mem0.configs.base import OF_ANY_STORE
from mem0.configs.options import validated
from mem0.exceptions import ConfigError, ValidationError
from mem0.storage import Database, migrate
from mem0.types import Change, Damage, Embedder, Record, Scope
from mem0.vector_stores.base import UNKNOWN_SCRIPT, WORD_BY_WORD, Candidates, Query, Rows, VectorStoreBase
from mem0.vector_stores.sqlite_check import damaged, inspected
from mem0.vector_stores.sqlite_filters import register_functions
from mem0.vector_stores.sqlite_image import Image
from mem0.vector_stores.sqlite_rows import (
    chunks,
    marks,
    numbers_of,
    put_row,
    read_collection,
    remove_rows,
    where_matching,
)
from mem0.vector_stores.sqlite_schema import MIGRATIONS

# The largest LIMIT and OFFSET that SQLite takes.
_LARGEST = 2**63 - 1


class SQLiteVectorStoreConfig(BaseModel):
    """Options of the embedded store."""

    model_config = ConfigDict(extra="forbid")

    beside: ClassVar[tuple[str, ...]] = OF_ANY_STORE

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
        self._identity: str | None = None
        self._image = Image(self.database, self.config.cache_mb * 1e6)
        self.database.on_connect(register_functions)
        try:
            migrate(self.database, "store", MIGRATIONS)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"SQLiteVectorStore({self.database.path!r})"

    @property
    def identity(self) -> str:
        if self._identity is None:
            with self.database.read() as connection:
                self._identity = str(connection.execute("SELECT id FROM identity").fetchone()[0])
        return self._identity

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
            collection = read_collection(connection, name)
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
            collection = read_collection(connection, name)
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
                Change("ADD", id, dict(payload), numbers_of(vector, id))
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
            new = None if vector is None else numbers_of(vector, vector_id)
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
            collection = read_collection(connection, name)
            if collection is None and embedder is not None:
                self._create(name, embedder)
                collection = read_collection(connection, name)
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
                        put_row(connection, collection, changed, change)
                if removed:
                    remove_rows(connection, number, changed, removed)
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
                "SELECT m.payload, v.vector, v.late FROM memories m JOIN collections c ON c.id = m.collection"
                " JOIN vectors v ON v.seq = m.seq WHERE c.name = ? AND m.id = ?",
                (name, vector_id),
            ).fetchone()
        if row is None:
            return None
        payload, vector, late = row
        try:
            numbers = np.frombuffer(vector, dtype="<f4").tolist()
        except (TypeError, ValueError) as error:
            raise damaged(self.database.path, f"memory {vector_id!r}: its vector is damaged") from error
        return Record(vector_id, self.database.decoded(payload), vector=numbers, tokens=late)

    def list(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> Rows:
        where, values = where_matching(name, filters, alive_at)
        with self.database.read() as connection:
            rows = connection.execute(
                f"SELECT m.id, m.payload FROM memories m WHERE {where}"
                " ORDER BY m.created DESC, m.seq DESC LIMIT ? OFFSET ?",
                (*values, -1 if limit is None else min(limit, _LARGEST), min(offset, _LARGEST)),
            ).fetchall()
        return [Record(id, self.database.decoded(payload)) for id, payload in rows]

    def count(self, name: str, filters: Mapping[str, Any] | None = None, *, alive_at: float | None = None) -> int:
        where, values = where_matching(name, filters, alive_at)
        with self.database.read() as connection:
            count: int = connection.execute(f"SELECT count(*) FROM memories m WHERE {where}", values).fetchone()[0]
            return count

    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> Rows:
        found: Rows = []
        with self.database.read() as connection:
            for some in chunks(builtins.list(fingerprints)):
                rows = connection.execute(
                    "SELECT m.id, m.payload FROM memories m JOIN collections c ON c.id = m.collection"
                    f" WHERE c.name = ? AND m.fingerprint IN ({marks(some)})",
                    (name, *some),
                )
                found.extend(Record(id, self.database.decoded(payload)) for id, payload in rows)
        return found

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        legs = self._image.legs(name, Query(Scope(), "", numbers_of(query, "the question"), limit, filters))
        if legs is None:
            return []
        scores = np.maximum(legs.similarity, 0)
        best = np.argsort(-scores, kind="stable")[:limit]
        rows = self.fetch(name, legs.seqs[best].tolist())
        return [row._replace(score=float(scores[at])) for row, at in zip(rows, best, strict=True) if row is not None]

    def candidates(self, name: str, query: Query) -> Candidates:
        legs = self._image.legs(name, query)
        if legs is None:
            return Candidates([], {})
        skipped: dict[str, str] = {}
        if query.vector is None:
            skipped["dense"] = UNKNOWN_SCRIPT
        elif query.tokens is None:
            skipped |= dict.fromkeys(WORD_BY_WORD, "the embedder makes no vectors of words")
        elif len(legs.seqs) and np.isnan(legs.late).all():
            skipped |= dict.fromkeys(WORD_BY_WORD, "some memories of the scope were stored without vectors of words")
        if np.isnan(legs.keyword).all():
            skipped["keyword"] = "the question has no words"
        return Candidates(
            legs.seqs,
            {name: values for name, values in legs._asdict().items() if name != "seqs"},
            skipped,
        )

    def fetch(self, name: str, keys: Sequence[Any]) -> Sequence[Record | None]:
        found: dict[int, Record] = {}
        with self.database.read() as connection:
            for some in chunks([int(key) for key in keys]):
                rows = connection.execute(
                    f"SELECT seq, id, payload FROM memories WHERE seq IN ({marks(some)})", some
                ).fetchall()
                # One JSON text is read in half the time of many.
                payloads = self.database.decoded(f"[{','.join(payload for _, _, payload in rows)}]")
                for (seq, id, _), payload in zip(rows, payloads, strict=True):
                    found[seq] = Record(id, payload)
        return [found.get(key) for key in keys]

    def inspect(self, name: str) -> tuple[Rows, Sequence[Damage]]:
        with self.database.read() as connection:
            collection = read_collection(connection, name)
            if collection is None:
                return [], []
            return inspected(connection, collection.number, collection.embedder.dims)

    def compact(self) -> bool:
        return self.database.compact()

    def close(self) -> None:
        if self._owns_database:
            self.database.close()
        self._image.clear()
