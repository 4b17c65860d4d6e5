"""The vector store contract: vectors and the scores of a search."""

from __future__ import annotations

import math
from contextlib import suppress

from mem0.exceptions import Mem0Error
from mem0.testing.contracts.store_tests import (
    COLLECTION,
    NEAR,
    StoreTests,
    check_refused,
    check_rows,
    payload_of,
    row_id,
    row_of,
    score_of,
)


class SearchTests(StoreTests):
    """A score is ``max(0, cosine)``, and what has no cosine is refused."""

    def test_scores_lie_between_0_and_1_and_higher_is_better(self) -> None:
        same, near, across, opposite = self.axis(0), self.axis(0, 1), self.axis(1), self.axis(0, length=-1)
        with self.filled(0) as store:
            payloads = [payload_of(text) for text in ("across", "opposite", "same", "near")]
            store.insert(COLLECTION, [across, opposite, same, near], payloads, [row_id(at) for at in range(4)])
            found = store.search(COLLECTION, same, 10)
            check_rows("search() with limit=10", found, range(4))
            scores = {str(row.payload["data"]): score_of(row) for row in found}
            assert all(0 <= score <= 1 for score in scores.values()), f"scores outside 0-1: {scores}"
            assert scores["same"] >= 0.99, f"the identical vector scores {scores['same']}, 1 was expected"
            assert abs(scores["near"] - math.sqrt(0.5)) < 0.01, f"45 degrees score {scores['near']}, not 0.707"
            assert scores["across"] <= 0.01, f"an orthogonal vector scores {scores['across']}, 0 was expected"
            assert scores["opposite"] <= NEAR, f"the opposite vector scores {scores['opposite']}, 0 was expected"
            assert [*scores][:2] == ["same", "near"], f"the best do not come first: {scores}"
            assert [*scores.values()] == sorted(scores.values(), reverse=True), f"scores do not fall: {scores}"

    def test_the_length_of_a_vector_does_not_matter(self) -> None:
        with self.filled(0) as store:
            vectors = [self.axis(0, length=0.01), self.axis(0, 1, length=100)]
            store.insert(COLLECTION, vectors, [payload_of("short"), payload_of("long")], [row_id(0), row_id(1)])
            for length in (0.001, 1, 1000):
                found = store.search(COLLECTION, self.axis(0, length=length))
                check_rows("the best", found[:1], {0})
                assert score_of(found[0]) >= 0.99, f"the same direction scores {found[0].score}"

    def test_extreme_lengths_are_compared_rightly_or_refused(self) -> None:
        for length in (1e-36, 1e-25, 1e-18, 1e18, 1e25, 1e36):
            with self.filled(2) as store:
                with suppress(Mem0Error):
                    store.update(COLLECTION, row_id(1), self.axis(1, length=length))
                score = score_of(store.search(COLLECTION, self.axis(1), 1)[0])
                assert score >= 0.99, f"a vector of length {length} was stored, and its own direction scores {score}"
                with suppress(Mem0Error):
                    score = score_of(store.search(COLLECTION, self.axis(0, length=length), 1)[0])
                assert score >= 0.99, f"searched for at length {length}, the same direction scores {score}"

    def test_vectors_that_cannot_be_compared_are_refused(self) -> None:
        rest = [1.0] * (self.dims - 1)
        with self.filled(1) as store:
            check_refused("a vector one too short", store, rest)
            check_refused("a vector one too long", store, [1.0, 1.0, *rest])
            check_refused("an empty vector", store, [])
            check_refused("a zero vector", store, [0.0] * self.dims)
            check_refused("a vector with NaN", store, [math.nan, *rest])
            check_refused("a vector with inf", store, [math.inf, *rest])
            check_refused("a vector with -inf", store, [*rest, -math.inf])
            check_refused("a vector beyond float32", store, [1e39, *rest])
            check_rows("list() afterwards", store.list(COLLECTION), {0})
            self.check_vector("get() afterwards", row_of(store, 0), self.axis(0))

    def test_search_returns_as_many_as_asked_for(self) -> None:
        with self.filled(8) as store:
            assert len(store.search(COLLECTION, self.axis(0))) == 5, "the default limit is 5"
            for limit in (1, 3, 8, 100):
                found = store.search(COLLECTION, self.axis(0), limit)
                assert len(found) == min(limit, 8), f"limit={limit} found {len(found)} of 8 rows"

    def test_search_in_an_empty_collection_finds_nothing(self) -> None:
        with self.filled(0) as store:
            check_rows("search()", store.search(COLLECTION, self.axis(0)), ())
