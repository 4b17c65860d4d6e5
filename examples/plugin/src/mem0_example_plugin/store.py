"""A vector store in one SQLite table: it compares with every row, which is slow and easy to follow."""

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mem0.exceptions import ConfigError, StorageError
from mem0.filters import matches, parse_filters
from mem0.types import Change, Embedder, Record
from mem0.vector_stores.base import VectorStoreBase, checked_vector


class TableStoreConfig(BaseModel):
    """Options of :class:`TableStore`."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(default="memories.db", min_length=1, description="The SQLite file.")


class TableStore(VectorStoreBase):
    """Keeps memories in a table.

    Args:
        config: Its options.
    """

    options: ClassVar[type[BaseModel]] = TableStoreConfig

    def __init__(self, config: TableStoreConfig | None = None) -> None:
        self.file = os.path.abspath((config or TableStoreConfig()).file)
        self._lock = threading.RLock()  # one connection, and threads that share it
        try:
            self._db = sqlite3.connect(self.file, check_same_thread=False)
            with self._db:
                self._db.execute("CREATE TABLE IF NOT EXISTS collections (name PRIMARY KEY, size, model, provider)")
                self._db.execute("CREATE TABLE IF NOT EXISTS rows (name, id, vector, payload, PRIMARY KEY (name, id))")
        except sqlite3.Error as error:
            raise ConfigError(f"TableStore: file={self.file!r} cannot be used: {error}; name another one") from error

    # -- the nine verbs ---------------------------------------------------------------------------------

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        """Create a collection; one that is there stays as it is."""
        with self._locked(), self._db:
            self._db.execute("INSERT OR IGNORE INTO collections (name, size) VALUES (?, ?)", (name, vector_size))

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        """Insert rows, in one transaction; a row whose id is there already is replaced."""
        payloads = [{} for _ in vectors] if payloads is None else payloads
        ids = [str(uuid.uuid4()) for _ in vectors] if ids is None else ids
        with self._locked(), self._db:
            size = self._size(name)
            for id, vector, payload in zip(ids, vectors, payloads, strict=True):
                row = (name, id, checked_vector(vector, size, f"row {id!r}").tobytes(), json.dumps(payload))
                self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> list[Record]:
        """Compare with every row that matches, and return the closest, best first."""
        condition = parse_filters(filters)
        with self._locked():
            asked = checked_vector(query, self._size(name), "the query")
            rows = self._db.execute("SELECT id, vector, payload FROM rows WHERE name = ?", (name,)).fetchall()
        found = []
        for id, vector, text in rows:
            payload = json.loads(text)
            if matches(condition, payload):
                found.append(Record(id, payload, _score(np.frombuffer(vector, np.float32), asked)))
        return sorted(found, key=lambda row: -(row.score or 0.0))[:limit]

    def delete(self, name: str, vector_id: str) -> None:
        """Delete a row; an unknown id is no error."""
        with self._locked(), self._db:
            self._db.execute("DELETE FROM rows WHERE name = ? AND id = ?", (name, vector_id))

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Replace what is given; what is `None` stays."""
        new: dict[str, bytes | str] = {}
        with self._locked(), self._db:
            if vector is not None:
                new["vector"] = checked_vector(vector, self._size(name), f"row {vector_id!r}").tobytes()
            if payload is not None:
                new["payload"] = json.dumps(payload)
            for column, value in new.items():
                self._db.execute(f"UPDATE rows SET {column} = ? WHERE name = ? AND id = ?", (value, name, vector_id))

    def get(self, name: str, vector_id: str) -> Record | None:
        """Return a row with its vector, or `None`, also where there is no such collection."""
        found = self._one("SELECT vector, payload FROM rows WHERE name = ? AND id = ?", name, vector_id)
        if found is None:
            return None
        return Record(vector_id, json.loads(found[1]), vector=np.frombuffer(found[0], np.float32).tolist())

    def list_cols(self) -> Sequence[str]:
        """Return the names of the collections."""
        with self._locked():
            return [name for (name,) in self._db.execute("SELECT name FROM collections")]

    def delete_col(self, name: str) -> None:
        """Delete a collection with its rows."""
        with self._locked(), self._db:
            self._db.execute("DELETE FROM rows WHERE name = ?", (name,))
            self._db.execute("DELETE FROM collections WHERE name = ?", (name,))

    def col_info(self, name: str) -> dict[str, Any] | None:
        """Return `name`, `vector_size` and `count` of a collection, or `None`."""
        counted = "SELECT size, (SELECT count(*) FROM rows WHERE name = ?) FROM collections WHERE name = ?"
        found = self._one(counted, name, name)
        return None if found is None else {"name": name, "vector_size": found[0], "count": found[1]}

    # -- what a store owes that outlives the process ----------------------------------------------------

    @property
    def identity(self) -> str:
        """Its place: two files that share a history do not mix in it."""
        return self.file

    def embedder(self, name: str) -> Embedder | None:
        """Return what made the vectors of a collection."""
        found = self._one("SELECT size, model, provider FROM collections WHERE name = ?", name)
        return None if found is None else Embedder(*found)

    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        """Carry out changes, and write down what made the first vectors."""
        super().apply(name, changes, embedder)
        if embedder is not None:
            with self._locked(), self._db:
                made_by = (embedder.model, embedder.provider, name)
                self._db.execute(
                    "UPDATE collections SET model = ?, provider = ? WHERE name = ? AND model IS NULL", made_by
                )

    def close(self) -> None:
        """Close the file."""
        with self._locked():
            self._db.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads out; what SQLite cannot do meanwhile is an error of the library's."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise StorageError(f"TableStore {self.file!r}: SQLite says: {error}; check the file") from error

    def _one(self, query: str, *parameters: str) -> Any:
        with self._locked():
            return self._db.execute(query, parameters).fetchone()

    def _size(self, name: str) -> int:
        found = self._one("SELECT size FROM collections WHERE name = ?", name)
        if found is None:
            raise StorageError(f"TableStore {self.file!r} has no collection {name!r}; create_col() makes it")
        return int(found[0])


def _score(one: Any, other: Any) -> float:
    cosine = float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))
    return min(1.0, max(0.0, cosine))
