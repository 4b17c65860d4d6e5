"""What the parts of the vector store contract stand on: a store, rows with readable numbers, and checks."""

from __future__ import annotations

import math
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar

from mem0.exceptions import Mem0Error
from mem0.memory.payloads import new_payload
from mem0.testing.contracts.checks import cosine, refused
from mem0.types import Record, Scope
from mem0.vector_stores.base import Query, VectorStoreBase

COLLECTION = "contract"
NOW = "2026-01-01T00:00:00.000000+00:00"
ALICE = Scope("alice")

# What float32 may be off by.
NEAR = 1e-5


class StoreTests(ABC):
    """Base of the parts; see :class:`~mem0.testing.VectorStoreContract`."""

    dims: ClassVar[int] = 8

    @abstractmethod
    def store(self) -> VectorStoreBase:
        """Return a new, empty store; each test asks for one, and closes it."""

    def reopened(self, store: VectorStoreBase) -> VectorStoreBase | None:
        """Close a store and return a new one at its place; ``None``, the default, where it ends with the process."""
        return None

    def filled(self, count: int) -> closing[VectorStoreBase]:
        """Return a store with a collection of so many rows of alice: row n is ``memory n``, along axis n."""
        store = self.store()
        try:
            store.create_col(COLLECTION, self.dims)
            if count:
                vectors = [self.axis(at % self.dims) for at in range(count)]
                payloads = [payload_of(f"memory {at}") for at in range(count)]
                store.insert(COLLECTION, vectors, payloads, [row_id(at) for at in range(count)])
        except BaseException:
            store.close()
            raise
        return closing(store)

    def axis(self, *axes: int, length: float = 1.0) -> list[float]:
        """Return the vector that goes equally far along each of these axes."""
        return [length if at in axes else 0.0 for at in range(self.dims)]

    def check_vector(self, what: str, row: Record, expected: Sequence[float]) -> None:
        """Check that a row's vector points where it should; a store may change its length."""
        assert row.vector is not None, f"{what}: the row has no vector"
        assert len(row.vector) == self.dims, f"{what}: the vector has size {len(row.vector)}, it was {self.dims}"
        found = cosine([float(number) for number in row.vector], expected)
        assert found >= 1 - NEAR, f"{what}: the vector points elsewhere (cosine {found:.6f} with what was stored)"


def row_id(number: int) -> str:
    """Return the id of row n; some stores take no other ids than UUIDs."""
    return str(uuid.UUID(int=number + 1))


def payload_of(
    text: str, scope: Scope = ALICE, *, created_at: str = NOW, ends: str | None = None, **metadata: Any
) -> dict[str, Any]:
    """Return a payload as a memory writes it."""
    return new_payload(text, scope, created_at=created_at, expiration_date=ends, metadata=metadata)


def array(vector: Sequence[float]) -> Any:
    """Return a vector as a memory hands it over."""
    import numpy as np

    return np.asarray(vector, dtype=np.float32)


def row_of(store: VectorStoreBase, number: int) -> Record:
    """Return row n, which must be there."""
    row = store.get(COLLECTION, row_id(number))
    assert row is not None, f"get() does not find row {number}"
    assert row.id == row_id(number), f"get() of {row_id(number)!r} returned row {row.id!r}"
    return row


def info_of(store: VectorStoreBase) -> dict[str, Any]:
    """Return what the store says of the collection, which must be there."""
    info = store.col_info(COLLECTION)
    assert info is not None, "col_info() does not know the collection"
    return info


def score_of(row: Record) -> float:
    """Return the score of a row that was searched for."""
    assert row.score is not None, f"row {row.id!r} of a search has no score"
    assert not math.isnan(row.score), f"row {row.id!r} of a search has the score NaN"
    return row.score


def candidates_of(store: VectorStoreBase, query: Query) -> list[Record]:
    """Return the rows that may answer a query."""
    rows = store.fetch(COLLECTION, [*store.candidates(COLLECTION, query).keys])
    return [row for row in rows if row is not None]


def check_rows(what: str, rows: Sequence[Record], expected: Collection[int]) -> None:
    """Check that these rows and no others came, in any order."""
    found = [uuid.UUID(row.id).int - 1 for row in rows]
    assert len(set(found)) == len(found), f"{what}: a row came twice: {found}"
    strays, missing = {*found} - {*expected}, {*expected} - {*found}
    assert not strays, f"{what}: rows {sorted(strays)} should not be there"
    assert not missing, f"{what}: rows {sorted(missing)} are missing"


def check_refused(what: str, store: VectorStoreBase, vector: Sequence[float]) -> None:
    """Check that a vector can neither be stored nor searched with."""
    payload = payload_of("unusable")
    refused(Mem0Error, f"insert() of {what}", lambda: store.insert(COLLECTION, [vector], [payload], [row_id(50)]))
    refused(Mem0Error, f"update() with {what}", lambda: store.update(COLLECTION, row_id(0), vector))
    refused(Mem0Error, f"search() with {what}", lambda: store.search(COLLECTION, vector))


def check_payload(what: str, row: Record, expected: Mapping[str, Any]) -> None:
    """Check that a row's payload is what was stored, type by type."""
    for key, value in expected.items():
        assert key in row.payload, f"{what}: the payload lacks {key!r}"
        back = row.payload[key]
        # True is not 1, and 10.0 is not 10, though they are equal.
        same = back == value and _kinds(back) == _kinds(value)
        assert same, f"{what}: payload[{key!r}] is {back!r}, it was {value!r}"
    strays = row.payload.keys() - expected.keys()
    assert not strays, f"{what}: the payload has {sorted(strays)}, which nobody stored"


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kinds(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_kinds(member) for member in value]
    return type(value)
