"""A vector store that keeps everything in a dictionary, until the process ends."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mem0.exceptions import StorageError
from mem0.filters import matches, parse_filters
from mem0.types import Record
from mem0.vector_stores.base import VectorStoreBase, checked_vector


@dataclass
class _Collection:
    size: int
    rows: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict)


class DictionaryStore(VectorStoreBase):
    """The nine verbs and nothing else; the rest is made of them."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._lock = threading.RLock()

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        """Create a collection; one that is there stays as it is."""
        with self._lock:
            self._collections.setdefault(name, _Collection(vector_size))

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        """Insert rows; all of them are looked at before one is stored."""
        size = self._known(name).size
        payloads = [{} for _ in vectors] if payloads is None else payloads
        ids = [str(uuid.uuid4()) for _ in vectors] if ids is None else ids
        rows = {
            id: (checked_vector(vector, size, f"row {id!r}"), copy.deepcopy(payload))
            for id, vector, payload in zip(ids, vectors, payloads, strict=True)
        }
        with self._lock:
            self._known(name).rows.update(rows)

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> list[Record]:
        """Compare with every row that matches."""
        condition = parse_filters(filters)
        with self._lock:
            collection = self._collections.get(name)
            rows = {} if collection is None else dict(collection.rows)
        if collection is None:
            return []
        asked = checked_vector(query, collection.size, "the query")
        found = [
            Record(id, copy.deepcopy(payload), max(0.0, _cosine(vector, asked)))
            for id, (vector, payload) in rows.items()
            if matches(condition, payload)
        ]
        return sorted(found, key=lambda row: -(row.score or 0.0))[:limit]

    def delete(self, name: str, vector_id: str) -> None:
        """Delete a row; an unknown id is no error."""
        with self._lock:
            self._known(name).rows.pop(vector_id, None)

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Replace what is given."""
        with self._lock:
            collection = self._known(name)
            before = collection.rows[vector_id]
            after = before[0] if vector is None else checked_vector(vector, collection.size, f"row {vector_id!r}")
            collection.rows[vector_id] = (after, before[1] if payload is None else copy.deepcopy(payload))

    def get(self, name: str, vector_id: str) -> Record | None:
        """Return a row with its vector."""
        with self._lock:
            row = self._collections[name].rows.get(vector_id) if name in self._collections else None
        return None if row is None else Record(vector_id, copy.deepcopy(row[1]), vector=row[0].tolist())

    def list_cols(self) -> Sequence[str]:
        """Return the names of the collections."""
        return list(self._collections)

    def delete_col(self, name: str) -> None:
        """Delete a collection."""
        with self._lock:
            self._collections.pop(name, None)

    def col_info(self, name: str) -> dict[str, Any] | None:
        """Return what is known of a collection."""
        with self._lock:
            found = self._collections.get(name)
            return None if found is None else {"name": name, "vector_size": found.size, "count": len(found.rows)}

    def _known(self, name: str) -> _Collection:
        if name not in self._collections:
            raise StorageError(f"DictionaryStore has no collection {name!r}; create_col() makes it")
        return self._collections[name]


def _cosine(one: Any, other: Any) -> float:
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))
