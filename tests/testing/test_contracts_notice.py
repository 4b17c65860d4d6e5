"""The contracts notice what is wrong: each of these embedders and stores has one fault, and a test that tells it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from dict_store import DictStore
from pydantic import BaseModel

from mem0 import Mem0Error
from mem0.embeddings.base import EmbeddingBase
from mem0.filters import parse_filters
from mem0.testing import DeterministicEmbedding, EmbedderContract, VectorStoreContract
from mem0.types import Change, Embedder, Record, Scope
from mem0.vector_stores.base import Candidates, Query, VectorStoreBase, checked_vector

# --- stores ----------------------------------------------------------------------------------------------------------


class RawCosine(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = []
        for row in super().search(name, query, 1_000, filters):
            vector = self.rows[name][row.id][0]
            cosine = float(vector @ query / (np.linalg.norm(vector) * np.linalg.norm(query)))
            found.append(row._replace(score=cosine))
        return found[:limit]


class Distance(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = super().search(name, query, limit, filters)
        return [row._replace(score=1 - (row.score or 0)) for row in found]


class DotProduct(DictStore):
    def search(self, name: str, query: Any, limit: int = 5, filters: Any = None) -> list[Record]:
        found = super().search(name, query, 1_000, filters)
        score = {row.id: max(0.0, float(self.rows[name][row.id][0] @ np.asarray(query))) for row in found}
        found = [row._replace(score=min(1.0, score[row.id])) for row in found]
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


class StoresNothing(DictStore):
    def insert(self, name: str, vectors: Any, payloads: Any = None, ids: Any = None) -> None:
        for vector in vectors:
            checked_vector(vector, self.sizes[name], "a row")


class GetsNoVector(DictStore):
    def get(self, name: str, vector_id: str) -> Record | None:
        found = super().get(name, vector_id)
        return found and found._replace(vector=None)


class FingerprintsOfEverybody(DictStore):
    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> list[Record]:
        return self.list(name, limit=None)


class ClaimsAnotherModel(DictStore):
    def embedder(self, name: str) -> Embedder | None:
        found = super().embedder(name)
        return found and replace(found, model="another")


class LaxOptions(BaseModel):
    size: int = 2


class TakesUnknownOptions(DictStore):
    options = LaxOptions


STORES: list[tuple[type[VectorStoreBase], str, str]] = [
    (RawCosine, "test_scores_lie_between_0_and_1_and_higher_is_better", "scores outside 0-1"),
    (Distance, "test_scores_lie_between_0_and_1_and_higher_is_better", "the identical vector scores 0"),
    (DotProduct, "test_the_length_of_a_vector_does_not_matter", r"the best: rows \[1\] should not be there"),
    (WorstFirst, "test_scores_lie_between_0_and_1_and_higher_is_better", "the best do not come first"),
    (NoLimit, "test_search_returns_as_many_as_asked_for", "the default limit is 5"),
    (FiltersAfterTheLimit, "test_a_limit_counts_rows_that_match", r"rows \[7\] are missing"),
    (NoFilters, "test_filters_mean_what_they_mean_everywhere", "should not be there"),
    (StarMeansEverybody, "test_scope_ids_are_literal", r"search\(\) with {'user_id': '\*'}: rows"),
    (CaseDoesNotMatter, "test_scope_ids_are_literal", r"search\(\) with {'user_id': 'alice'}: rows"),
    (OneCollection, "test_collections_are_separate", "a row came twice"),
    (CreateErases, "test_creating_a_collection_again_leaves_it_as_it_is", r"a second create_col\(\) left"),
    (InsertKeeps, "test_inserting_an_id_again_replaces_the_row", "it was 'new'"),
    (PatchesThePayload, "test_updating_the_payload_keeps_the_vector", "'extra'], which nobody stored"),
    (ForgetsThePayload, "test_updating_the_vector_keeps_the_payload", "the payload lacks 'data'"),
    (ForgetsTheVector, "test_updating_the_payload_keeps_the_vector", "the vector points elsewhere"),
    (UnknownIdsRaise, "test_deleting_an_unknown_id_is_no_error", "00000000"),
    (TakesAnyVector, "test_vectors_that_cannot_be_compared_are_refused", "a vector one too short: expected Mem0Error"),
    (SharesPayloads, "test_what_callers_hold_is_theirs", r"payload\['tags'\] is \['a', 'b'\]"),
    (WritesNumbersAsText, "test_a_row_comes_back_as_it_was_inserted", "is '0.1', it was 0.1"),
    (ClaimsToBeTransactional, "test_apply_of_a_transactional_store_is_all_or_nothing", "after a refused apply"),
    (CountsWrongly, "test_deleted_rows_are_gone", r"col_info\(\) is"),
    (AppliesTheFirst, "test_apply_carries_out_changes_of_all_kinds", r"rows \[3, 4\] are missing"),
    (OldestFirst, "test_list_is_newest_first_page_by_page", "is in the order"),
    (ForgetsTheOffset, "test_list_is_newest_first_page_by_page", "pages of 2 give"),
    (ListsTheExpired, "test_expired_rows_are_left_out_when_asked", "should not be there"),
    (DeletesOnePage, "test_delete_where_deletes_more_than_a_page", "did not delete all"),
    (CandidatesOfEverybody, "test_candidates_keep_to_the_scope_and_the_filters", "of a scope: rows"),
    (CandidatesWithoutFilters, "test_candidates_keep_to_the_scope_and_the_filters", "of a scope with filters: rows"),
    (RelativeScores, "test_candidates_have_absolute_scores_and_include_the_best", r"leg 'dense' has \[2"),
    (StoresNothing, "test_a_row_comes_back_as_it_was_inserted", "does not find row 0"),
    (GetsNoVector, "test_a_row_comes_back_as_it_was_inserted", "the row has no vector"),
    (FingerprintsOfEverybody, "test_rows_are_found_by_their_fingerprint", r"rows \[2, 3\] should not be there"),
    (ClaimsAnotherModel, "test_apply_carries_out_changes_of_all_kinds", "model='another'.* it was .*model='model'"),
    (TakesUnknownOptions, "test_unknown_options_are_refused", "LaxOptions passes over keys that it does not know"),
]


@pytest.mark.parametrize(("faulty", "test", "told"), STORES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_faulty_store_is_noticed(faulty: type[VectorStoreBase], test: str, told: str) -> None:
    class Contract(VectorStoreContract):
        def store(self) -> VectorStoreBase:
            return faulty()

    with pytest.raises((AssertionError, KeyError), match=told):
        getattr(Contract(), test)()


class OnDisk(DictStore):
    """Stands for a store in a file: what two of one place share is kept beside its name."""

    disk: ClassVar[dict[str, Any]] = {}

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.sizes, self.rows = self.disk.setdefault(place, ({}, {}))

    @property
    def identity(self) -> str:
        return self.place


class WithoutAnIdentity(OnDisk):
    identity = VectorStoreBase.identity


class WithAnotherIdentityEachTime(OnDisk):
    @property
    def identity(self) -> str:
        return str(id(self))


class ErasesOnOpening(OnDisk):
    def __init__(self, place: str) -> None:
        self.disk.pop(place, None)
        super().__init__(place)


class ForgetsTheModel(OnDisk):
    made_by: Embedder | None = None

    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        super().apply(name, changes, embedder)
        self.made_by = embedder

    def embedder(self, name: str) -> Embedder | None:
        return self.made_by or super().embedder(name)


@pytest.mark.parametrize(
    ("faulty", "told"),
    [
        (WithoutAnIdentity, "two stores have the identity '.*WithoutAnIdentity'"),
        (WithAnotherIdentityEachTime, "identity is .* after reopening, it was"),
        (ErasesOnOpening, "does not find row 0"),
        (ForgetsTheModel, "after reopening, it was .*model='model'"),
    ],
)
def test_a_store_that_does_not_keep_is_noticed(faulty: type[OnDisk], told: str) -> None:
    places = (f"{faulty.__name__} {number}" for number in itertools.count())

    class Contract(VectorStoreContract):
        def store(self) -> VectorStoreBase:
            return faulty(next(places))

        def reopened(self, store: Any) -> VectorStoreBase:
            store.close()
            return faulty(store.place)

    with pytest.raises(AssertionError, match=told):
        Contract().test_what_is_stored_outlives_the_store()


class TestOnDisk(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return OnDisk(f"OnDisk {len(OnDisk.disk)}")

    def reopened(self, store: Any) -> VectorStoreBase:
        store.close()
        return OnDisk(store.place)


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


class ReturnsNothing(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> Any:
        return None


class Nested(DeterministicEmbedding):
    def embed_batch(self, texts: Sequence[str]) -> Any:
        return [[vector] for vector in super().embed_batch(texts)]


class AwaitedBackwards(DeterministicEmbedding):
    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return self.embed_batch(texts)[::-1]


class AwaitedShort(DeterministicEmbedding):
    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return self.embed_batch(texts[1:])


class AwaitedByNameOnly(DeterministicEmbedding):
    def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        return self.embed_batch(texts)


class BoundToItsLoop(DeterministicEmbedding):
    loop: Any = None

    async def aembed(self, text: str) -> list[float]:
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise RuntimeError("bound to a different event loop")
        return self.embed(text)


class EmbedderWithUnknownOptions(DeterministicEmbedding):
    options = LaxOptions


class OptionsThatAreNoClass(DeterministicEmbedding):
    options = LaxOptions()


AWAITED = "test_it_can_be_awaited_from_one_event_loop_after_another"
EMBEDDERS: list[tuple[type[EmbeddingBase], str, str]] = [
    (Random, "test_the_same_text_has_the_same_vector", "embedded twice: cosine"),
    (Backwards, "test_a_batch_gives_each_text_its_own_vector_in_order", "of a batch"),
    (Constant, "test_different_texts_have_different_vectors", "have cosine 1.000"),
    (OtherSize, "test_vectors_have_the_size_that_is_declared", "dims is 64, vectors have size 63"),
    (ZeroForNothing, "test_odd_texts_have_usable_vectors", "the empty text: the vector is zero"),
    (NaNForEmoji, "test_odd_texts_have_usable_vectors", "an emoji: the vector holds nan"),
    (ChokesOnSurrogates, "test_odd_texts_have_usable_vectors", "surrogates not allowed"),
    (ChokesOnNothing, "test_an_empty_batch_gives_nothing", "index out of range"),
    (ReturnsNothing, "test_the_library_takes_its_vectors", "returned NoneType for"),
    (Nested, "test_a_vector_is_a_flat_row_of_finite_numbers", "which is no number"),
    (AwaitedBackwards, AWAITED, "embedded by a coroutine: cosine"),
    (AwaitedShort, AWAITED, r"returned 4 vector\(s\) for 5 text\(s\)"),
    (AwaitedByNameOnly, AWAITED, "aembed_batch cannot be awaited; write it with async def"),
    (BoundToItsLoop, AWAITED, "bound to a different event loop"),
    (EmbedderWithUnknownOptions, "test_unknown_options_are_refused", "LaxOptions passes over keys"),
    (OptionsThatAreNoClass, "test_unknown_options_are_refused", "it is the class of the options"),
]


@pytest.mark.parametrize(("faulty", "test", "told"), EMBEDDERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_faulty_embedder_is_noticed(faulty: type[EmbeddingBase], test: str, told: str) -> None:
    class Contract(EmbedderContract):
        def embedder(self) -> EmbeddingBase:
            return faulty()

    with pytest.raises((AssertionError, Mem0Error, ValueError, IndexError), match=told):
        getattr(Contract(), test)()
