"""The contracts notice what is wrong: each of these embedders and stores has one fault."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dict_store import DictStore

from mem0.embeddings.base import EmbeddingBase
from mem0.filters import parse_filters
from mem0.testing import DeterministicEmbedding, EmbedderContract, VectorStoreContract
from mem0.types import Change, Embedder, Record, Scope
from mem0.vector_stores.base import Candidates, Query, VectorStoreBase, checked_vector


def failures(contract: Any) -> list[str]:
    """Run every test of a contract and return the names of those that fail."""
    failed = []
    for name in dir(contract):
        if name.startswith("test_"):
            try:
                getattr(contract, name)()
            except Exception:
                failed.append(name)
    return failed


# --- stores ----------------------------------------------------------------------------------------------------------


class RawCosine(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = []
        for row in super().search(name, query, 1_000, filters):
            vector = self.rows[name][row.id][0]
            cosine = float(vector @ query / (np.linalg.norm(vector) * np.linalg.norm(query)))
            found.append(replace(row, score=cosine))
        return found[:limit]


class Distance(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = super().search(name, query, limit, filters)
        return [replace(row, score=1 - (row.score or 0)) for row in found]


class DotProduct(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = super().search(name, query, 1_000, filters)
        score = {row.id: max(0.0, float(self.rows[name][row.id][0] @ np.asarray(query))) for row in found}
        found = [replace(row, score=min(1.0, score[row.id])) for row in found]
        return sorted(found, key=lambda row: -score[row.id])[:limit]


class WorstFirst(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        return super().search(name, query, limit, filters)[::-1]


class NoLimit(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        return super().search(name, query, 1_000, filters)


class FiltersAfterTheLimit(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        kept = {row.id for row in super().search(name, query, 1_000, filters)}
        return [row for row in super().search(name, query, limit) if row.id in kept]


class NoFilters(DictStore):
    def parsed(self, filters: Mapping[str, Any] | None) -> Any:
        return None


class StarMeansEverybody(DictStore):
    def parsed(self, filters: Mapping[str, Any] | None) -> Any:
        return parse_filters({key: value for key, value in (filters or {}).items() if value != "*"})


class CaseDoesNotMatter(DictStore):
    def parsed(self, filters: Mapping[str, Any] | None) -> Any:
        return parse_filters(
            {key: {"icontains": value} if key == "user_id" else value for key, value in (filters or {}).items()}
        )


class OneCollection(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        return [row for each in self.rows for row in super(OneCollection, self).search(each, query, limit, filters)]


class CreateErases(DictStore):
    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        super().create_col(name, vector_size)
        self.rows[name] = {}


class InsertKeeps(DictStore):
    def insert(self, name: str, vectors: Any, payloads: Any = None, ids: Any = None) -> None:
        if not any(id in self.rows[name] for id in ids):
            super().insert(name, vectors, payloads, ids)


class PatchesThePayload(DictStore):
    def update(self, name: str, vector_id: str, vector: Any = None, payload: Any = None) -> None:
        super().update(name, vector_id, vector, {**self.rows[name][vector_id][1], "extra": 1, **(payload or {})})


class ForgetsThePayload(DictStore):
    def update(self, name: str, vector_id: str, vector: Any = None, payload: Any = None) -> None:
        super().update(name, vector_id, vector, payload or {})


class ForgetsTheVector(DictStore):
    def update(self, name: str, vector_id: str, vector: Any = None, payload: Any = None) -> None:
        super().update(name, vector_id, vector or [1.0] * self.sizes[name], payload)


class UnknownIdsRaise(DictStore):
    def delete(self, name: str, vector_id: str) -> None:
        del self.rows[name][vector_id]


class TakesAnyVector(DictStore):
    def insert(self, name: str, vectors: Any, payloads: Any = None, ids: Any = None) -> None:
        for id, vector, payload in zip(ids, vectors, payloads or [{}] * len(ids), strict=True):
            try:
                checked_vector(vector, self.sizes[name], "")
            except ValueError:
                vector = [1.0] * self.sizes[name]
            super().insert(name, [vector], [payload], [id])


class SharesPayloads(DictStore):
    def insert(self, name: str, vectors: Any, payloads: Any = None, ids: Any = None) -> None:
        super().insert(name, vectors, payloads, ids)
        for id, payload in zip(ids, payloads or [{}] * len(ids), strict=True):
            self.rows[name][id] = (self.rows[name][id][0], payload)


class WritesNumbersAsText(DictStore):
    def insert(self, name: str, vectors: Any, payloads: Any = None, ids: Any = None) -> None:
        texts = [
            {key: str(value) if type(value) is float else value for key, value in payload.items()}
            for payload in payloads or [{}] * len(ids)
        ]
        super().insert(name, vectors, texts, ids)


class ClaimsToBeTransactional(DictStore):
    transactional = True


class CountsWrongly(DictStore):
    def col_info(self, name: str) -> dict[str, Any] | None:
        info = super().col_info(name)
        return {**info, "count": 0} if info else None


class AppliesTheFirst(DictStore):
    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        super().apply(name, changes[:3], embedder)


class OldestFirst(DictStore):
    def list(self, name: str, filters: Any = None, limit: Any = 100, offset: int = 0, **more: Any) -> list[Record]:
        found = super().list(name, filters, None, **more)[::-1]
        return found[offset:] if limit is None else found[offset : offset + limit]


class ForgetsTheOffset(DictStore):
    def list(self, name: str, filters: Any = None, limit: Any = 100, offset: int = 0, **more: Any) -> list[Record]:
        return super().list(name, filters, limit, **more)


class ListsTheExpired(DictStore):
    def list(self, name: str, filters: Any = None, limit: Any = 100, offset: int = 0, **more: Any) -> list[Record]:
        return super().list(name, filters, limit, offset)


class DeletesOnePage(DictStore):
    def delete_where(self, name: str, filters: Any) -> int:
        rows = self.list(name, filters)
        for row in rows:
            self.delete(name, row.id)
        return len(rows)


class CandidatesOfEverybody(DictStore):
    def candidates(self, name: str, query: Query) -> Candidates:
        return super().candidates(name, replace(query, scope=Scope()))


class CandidatesWithoutFilters(DictStore):
    def candidates(self, name: str, query: Query) -> Candidates:
        return super().candidates(name, replace(query, filters=None))


class RelativeScores(DictStore):
    def candidates(self, name: str, query: Query) -> Candidates:
        found = super().candidates(name, query)
        return replace(found, legs={leg: 2 * scores for leg, scores in found.legs.items()})


STORES: list[type[VectorStoreBase]] = [
    RawCosine,
    Distance,
    DotProduct,
    WorstFirst,
    NoLimit,
    FiltersAfterTheLimit,
    NoFilters,
    StarMeansEverybody,
    CaseDoesNotMatter,
    OneCollection,
    CreateErases,
    InsertKeeps,
    PatchesThePayload,
    ForgetsThePayload,
    ForgetsTheVector,
    UnknownIdsRaise,
    TakesAnyVector,
    SharesPayloads,
    WritesNumbersAsText,
    ClaimsToBeTransactional,
    CountsWrongly,
    AppliesTheFirst,
    OldestFirst,
    ForgetsTheOffset,
    ListsTheExpired,
    DeletesOnePage,
    CandidatesOfEverybody,
    CandidatesWithoutFilters,
    RelativeScores,
]


@pytest.mark.parametrize("faulty", STORES, ids=lambda store: store.__name__)
def test_a_faulty_store_is_noticed(faulty: type[VectorStoreBase]) -> None:
    class Contract(VectorStoreContract):
        def store(self) -> VectorStoreBase:
            return faulty()

    assert failures(Contract())


# --- embedders -------------------------------------------------------------------------------------------------------


class Random(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [[random.random() for _ in range(self.dims)] for _ in texts]


class Backwards(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return super().embed_batch(texts)[::-1]


class Constant(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] * self.dims for _ in texts]


class OtherSize(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [vector[1:] for vector in super().embed_batch(texts)]


class ZeroForNothing(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [[number * bool(text.strip()) for number in self._vector(text)] for text in texts]


class NaNForEmoji(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float("nan") if text == "👍" else number for number in self._vector(text)] for text in texts]


class ChokesOnSurrogates(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return super().embed_batch([text.encode().decode() for text in texts])


class ChokesOnNothing(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return [*super().embed_batch(texts[:-1]), self._vector(texts[-1])]


EMBEDDERS: list[type[EmbeddingBase]] = [
    Random,
    Backwards,
    Constant,
    OtherSize,
    ZeroForNothing,
    NaNForEmoji,
    ChokesOnSurrogates,
    ChokesOnNothing,
]


@pytest.mark.parametrize("faulty", EMBEDDERS, ids=lambda embedder: embedder.__name__)
def test_a_faulty_embedder_is_noticed(faulty: type[EmbeddingBase]) -> None:
    class Contract(EmbedderContract):
        def embedder(self) -> EmbeddingBase:
            return faulty()

    assert failures(Contract())
