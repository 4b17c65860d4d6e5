"""A vector store as somebody else may write it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mem0.filters import matches, parse_filters
from mem0.types import Record
from mem0.vector_stores.base import VectorStoreBase, checked_vector


class DictStore(VectorStoreBase):
    """The nine verbs, and everything else by default."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.rows: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {}
        self.lock = threading.RLock()

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        self.sizes.setdefault(name, vector_size)
        self.rows.setdefault(name, {})

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        assert ids is not None
        for id, vector, payload in zip(ids, vectors, payloads or [{}] * len(ids), strict=True):
            checked = checked_vector(vector, self.sizes[name], f"row {id!r}")
            with self.lock:
                self.rows[name][id] = (checked, copy.deepcopy(payload))

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> list[Record]:
        question, condition = checked_vector(query, self.sizes[name], "the question"), self.parsed(filters)
        found = []
        with self.lock:
            for id, (vector, payload) in self.rows[name].items():
                if matches(condition, payload):
                    cosine = vector @ question / (np.linalg.norm(vector) * np.linalg.norm(question))
                    found.append(Record(id, copy.deepcopy(payload), min(max(0.0, float(cosine)), 1.0)))
        return sorted(found, key=lambda row: -(row.score or 0.0))[:limit]

    def parsed(self, filters: Mapping[str, Any] | None) -> Any:
        return parse_filters(filters)

    def delete(self, name: str, vector_id: str) -> None:
        self.rows[name].pop(vector_id, None)

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        present, old = self.rows[name][vector_id]
        self.insert(name, [present if vector is None else vector], [old if payload is None else payload], [vector_id])

    def get(self, name: str, vector_id: str) -> Record | None:
        vector, payload = self.rows.get(name, {}).get(vector_id, (None, None))
        return None if vector is None else Record(vector_id, copy.deepcopy(payload or {}), vector=vector.tolist())

    def list_cols(self) -> Sequence[str]:
        return list(self.rows)

    def delete_col(self, name: str) -> None:
        del self.sizes[name], self.rows[name]

    def col_info(self, name: str) -> dict[str, Any] | None:
        if name not in self.rows:
            return None
        return {"name": name, "vector_size": self.sizes[name], "count": len(self.rows[name])}
