"""A vector store as somebody else may write it: it survives its process, and knows no transactions."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mem0.filters import matches, parse_filters
from mem0.types import Record
from mem0.vector_stores.base import VectorStoreBase


class PlainStore(VectorStoreBase):
    """The nine verbs and nothing else; every single change is stored by itself.

    Args:
        path: The file.
        die_at: With so many changes stored the process ends at once, as one does that is killed.
    """

    def __init__(self, path: str | Path, die_at: int | None = None) -> None:
        self.path = path
        self.changes_left = die_at
        with self._connection() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS cols (name TEXT PRIMARY KEY, size INTEGER)")
            connection.execute(
                'CREATE TABLE IF NOT EXISTS "rows"'
                " (name TEXT, id TEXT, vector TEXT, payload TEXT, PRIMARY KEY (name, id))"
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")  # enough for a process that dies
            yield connection

    def _change(self, statement: str, *values: object) -> None:
        with self._connection() as connection:
            connection.execute(statement, values)
        if self.changes_left is not None:
            self.changes_left -= 1
            if self.changes_left <= 0:
                os._exit(9)

    def _read(self, statement: str, *values: object) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(statement, values).fetchall()

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        self._change("INSERT OR IGNORE INTO cols VALUES (?, ?)", name, vector_size)

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        for id, vector, payload in zip(ids or [], vectors, payloads or [], strict=True):
            row = (name, id, json.dumps(list(vector)), json.dumps(payload))
            self._change('INSERT OR REPLACE INTO "rows" VALUES (?, ?, ?, ?)', *row)

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> list[Record]:
        condition = parse_filters(filters)
        found = []
        for id, vector, payload in self._read('SELECT id, vector, payload FROM "rows" WHERE name = ?', name):
            row = Record(id, json.loads(payload), vector=json.loads(vector))
            if matches(condition, row.payload):
                cosine = np.dot(row.vector, query) / np.linalg.norm(row.vector) / np.linalg.norm(query)
                found.append(row._replace(score=max(0.0, float(cosine))))
        return sorted(found, key=lambda row: -(row.score or 0.0))[:limit]

    def delete(self, name: str, vector_id: str) -> None:
        self._change('DELETE FROM "rows" WHERE name = ? AND id = ?', name, vector_id)

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        self._change(
            'UPDATE "rows" SET vector = coalesce(?, vector), payload = coalesce(?, payload) WHERE name = ? AND id = ?',
            None if vector is None else json.dumps(list(vector)),
            None if payload is None else json.dumps(payload),
            name,
            vector_id,
        )

    def get(self, name: str, vector_id: str) -> Record | None:
        found = self._read('SELECT vector, payload FROM "rows" WHERE name = ? AND id = ?', name, vector_id)
        return Record(vector_id, json.loads(found[0][1]), vector=json.loads(found[0][0])) if found else None

    def list_cols(self) -> Sequence[str]:
        return [name for (name,) in self._read("SELECT name FROM cols")]

    def delete_col(self, name: str) -> None:
        self._change('DELETE FROM "rows" WHERE name = ?', name)
        self._change("DELETE FROM cols WHERE name = ?", name)

    def col_info(self, name: str) -> dict[str, Any] | None:
        found = self._read("SELECT size FROM cols WHERE name = ?", name)
        ((count,),) = self._read('SELECT count(*) FROM "rows" WHERE name = ?', name)
        return {"name": name, "vector_size": found[0][0], "count": count} if found else None
