"""Which of the file's rows are kept in memory, and how they are brought up to date.

What changed is learnt from the collection's change number, which is read in the same transaction as the
rows: an answer belongs to one moment, however many processes write.
"""

from __future__ import annotations

import sqlite3
import threading

import numpy as np

from mem0 import text
from mem0.filters import parse_filters
from mem0.storage import Database
from mem0.types import Scope
from mem0.vector_stores.base import Query, checked_vector
from mem0.vector_stores.sqlite_check import damaged
from mem0.vector_stores.sqlite_index import Index
from mem0.vector_stores.sqlite_rows import (
    Collection,
    chunks,
    index_rows,
    marks,
    matching_rows,
    narrowed,
    read_collection,
    scope_sql,
)
from mem0.vector_stores.sqlite_view import Legs, View


class Image:
    """The indexes of a file's collections, within a budget of memory.

    Args:
        database: The file.
        budget: Bytes; where they are used up, all that is kept makes room for what is asked for.
    """

    def __init__(self, database: Database, budget: float) -> None:
        self.budget = budget
        self._database = database
        self._lock = threading.Lock()
        self._indexes: dict[int, Index] = {}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._indexes.clear()

    def legs(self, name: str, query: Query) -> Legs | None:
        """Score the rows a query may return, all of one moment; ``None`` where there is no collection."""
        condition = parse_filters(query.filters)
        scope = narrowed(query.scope, condition)
        question = text.question(query.text)
        older = -1
        while True:
            with self._database.read() as connection:
                collection = read_collection(connection, name)
                if collection is None:
                    return None
                vector = query.vector
                if vector is not None:
                    vector = checked_vector(vector, collection.embedder.dims, "the question")
                matching = matching_rows(connection, collection, scope, condition)
                with self._lock:
                    image = self._indexes.get(collection.number)
                    if image is not None and image.seen > collection.changed > older:
                        older = collection.changed  # another thread has read what is newer: read that too
                        continue
                    index = self._refreshed(connection, collection, scope)
                    view = View.of(index, scope)
                    keep = None if matching is None else np.isin(view.seqs, matching)
                    if query.alive_at is not None and (ended := view.expires <= query.alive_at).any():
                        keep = ~ended if keep is None else keep & ~ended
                    return view.legs(index, vector, question, keep, query.about, query.tokens)

    def _refreshed(self, connection: sqlite3.Connection, collection: Collection, scope: Scope) -> Index:
        """Return the collection's index with everything committed so far, and the scope among it."""
        try:
            return self._read_on(connection, collection, scope)
        except ValueError as error:
            self._indexes.pop(collection.number, None)
            raise damaged(self._database.path, str(error)) from error

    def _read_on(self, connection: sqlite3.Connection, collection: Collection, scope: Scope) -> Index:
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
            if sum(other.nbytes for other in self._indexes.values()) > self.budget:
                self._indexes = {collection.number: index}
                index.clear()
            self._load(connection, collection, index, scope)
        return index

    def _catch_up(self, connection: sqlite3.Connection, collection: Collection, index: Index) -> None:
        since = (collection.number, index.seen)
        gone = connection.execute("SELECT seq FROM removals WHERE collection = ? AND changed > ?", since)
        stale = [seq for (seq,) in gone]
        fresh = []
        for seq, *ids in connection.execute(
            "SELECT seq, user_id, agent_id, run_id FROM memories WHERE collection = ? AND changed > ?", since
        ):
            if index.holds(Scope(*ids)):
                fresh.append(seq)
        index.remove([*stale, *fresh])
        for some in chunks(fresh):
            # Clearing (too many removals) leaves no scope loaded: all rows are read again when wanted.
            if index.loaded:
                index.add(index_rows(connection, f"m.seq IN ({marks(some)}) ORDER BY m.seq", some, index.dims))

    def _load(self, connection: sqlite3.Connection, collection: Collection, index: Index, scope: Scope) -> None:
        where = f"m.collection = ?{scope_sql(scope)}"
        values = (collection.number, *scope.ids().values())
        seqs = [
            seq for (seq,) in connection.execute(f"SELECT m.seq FROM memories m WHERE {where} ORDER BY m.seq", values)
        ]
        if seqs:
            wanted = np.asarray(seqs, dtype=np.int64)[index.missing(seqs)].tolist()
            for some in chunks(wanted):
                index.add(index_rows(connection, f"m.seq IN ({marks(some)}) ORDER BY m.seq", some, index.dims))
        index.loaded.add(scope)
