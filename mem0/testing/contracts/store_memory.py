"""The vector store contract: what a memory asks of a store beyond the nine verbs."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from mem0.exceptions import Mem0Error
from mem0.memory.payloads import fingerprint
from mem0.testing.contracts.checks import refused
from mem0.testing.contracts.store_tests import (
    COLLECTION,
    NEAR,
    StoreTests,
    array,
    candidates_of,
    check_payload,
    check_rows,
    payload_of,
    row_id,
    row_of,
)
from mem0.types import Change, Embedder, Scope
from mem0.vector_stores.base import Query


class MemoryTests(StoreTests):
    """Duplicates and candidates are found, changes are applied, and threads may share it all."""

    def test_rows_are_found_by_their_fingerprint(self) -> None:
        alice, both, nobody = Scope("alice"), Scope("alice", "agent"), Scope()
        rows = [("I like tea.", alice), ("I like tea.", both), ("I like coffee.", alice), ("I like tea.", nobody)]
        with self.filled(0) as store:
            payloads = [payload_of(text, who) for text, who in rows]
            store.insert(COLLECTION, [self.axis(0)] * 4, payloads, [row_id(at) for at in range(4)])
            wanted = [rows[0], rows[1], ("unknown", alice)]
            found = store.with_fingerprint(COLLECTION, {fingerprint(text, who, None): who for text, who in wanted})
            check_rows("with_fingerprint()", found, {0, 1})
            assert {row.payload["data"] for row in found} == {"I like tea."}, "the payloads are others'"
            of_nobody = store.with_fingerprint(COLLECTION, {fingerprint("I like tea.", nobody, None): nobody})
            check_rows("with_fingerprint() of nobody's", of_nobody, {3})
            check_rows("with_fingerprint() of nothing", store.with_fingerprint(COLLECTION, {}), ())

    def test_candidates_keep_to_the_scope_and_the_filters(self) -> None:
        with self.filled(6) as store:
            for at in range(3):
                payload = payload_of(f"of bob {at}", Scope("bob", run_id="r"), number=at)
                store.update(COLLECTION, row_id(at), payload=payload)
            vector = array(self.axis(5))
            bob = candidates_of(store, Query(Scope("bob"), "of bob", vector, 10))
            check_rows("candidates() of a scope", bob, {0, 1, 2})
            narrowed = Query(Scope("bob", run_id="r"), "of bob", vector, 10, {"number": {"gte": 1}})
            check_rows("candidates() of a scope with filters", candidates_of(store, narrowed), {1, 2})
            strangers = candidates_of(store, Query(Scope("bob", "nobody"), "of bob", vector, 10))
            check_rows("candidates() of a stranger", strangers, ())
            rare = candidates_of(store, Query(Scope(), "of bob", vector, 1, {"number": 2}))
            check_rows("candidates() with a filter that only the farthest row matches", rare, {2})

    def test_candidates_have_absolute_scores_and_include_the_best(self) -> None:
        with self.filled(8) as store:
            candidates = store.candidates(COLLECTION, Query(Scope("alice"), "memory 3", array(self.axis(3)), 2))
            rows = store.fetch(COLLECTION, [*candidates.keys])
            assert len(rows) >= 2, f"{len(rows)} candidates, where 2 were wanted and 8 lie in the scope"
            for name, leg in candidates.legs.items():
                assert len(leg) == len(rows), f"leg {name!r} has {len(leg)} scores for {len(rows)} rows"
                least = -1 - NEAR if name == "similarity" else 0
                values = [float(value) for value in leg if not math.isnan(value)]
                assert all(least <= value <= 1 + NEAR for value in values), f"leg {name!r} has {values}"
            scores = {row.id: float(score) for row, score in zip(rows, candidates.legs["dense"], strict=True) if row}
            best = scores.get(row_id(3), 0)
            assert best >= 0.99, f"leg 'dense' gives the identical vector {best}"

    def test_candidates_without_a_vector(self) -> None:
        with self.filled(3) as store:
            candidates = store.candidates(COLLECTION, Query(Scope("alice"), "memory", None, 10))
            assert "dense" in candidates.skipped, "nothing says why the dense leg did not run"
            dense = [float(value) for value in candidates.legs.get("dense", ())]
            assert all(math.isnan(value) for value in dense), f"leg 'dense' has scores without a vector: {dense}"

    def test_fetch_keeps_the_order_and_knows_what_is_gone(self) -> None:
        with self.filled(3) as store:
            candidates = store.candidates(COLLECTION, Query(Scope("alice"), "memory", array(self.axis(0)), 10))
            keys = [*candidates.keys]
            forth, back = store.fetch(COLLECTION, keys), store.fetch(COLLECTION, keys[::-1])
            assert [row and row.id for row in forth] == [row and row.id for row in back][::-1], "the order is lost"
            assert len(store.fetch(COLLECTION, [])) == 0, "fetch() of nothing brought something"

    def test_apply_carries_out_changes_of_all_kinds(self) -> None:
        made_by = Embedder(self.dims, "model", "provider")
        with closing(self.store()) as store:
            first = [Change("ADD", row_id(at), payload_of(f"memory {at}"), array(self.axis(at))) for at in range(4)]
            store.apply(COLLECTION, first, made_by)
            known = store.embedder(COLLECTION)
            assert known, "embedder() knows nothing after the first vector"
            assert known.dims == self.dims, f"embedder() says {known.dims}, the vectors have size {self.dims}"
            assert known in (made_by, Embedder(self.dims)), f"embedder() says {known}, it was {made_by}"
            changes = [
                Change("UPDATE", row_id(0), payload_of("only the payload")),
                Change("UPDATE", row_id(1), payload_of("both"), array(self.axis(2, 3))),
                Change("DELETE", row_id(2)),
                Change("ADD", row_id(4), payload_of("memory 4"), array(self.axis(0))),
            ]
            store.apply(COLLECTION, changes, made_by)
            check_rows("list() after apply()", store.list(COLLECTION), {0, 1, 3, 4})
            check_payload("after an UPDATE without a vector", row_of(store, 0), payload_of("only the payload"))
            self.check_vector("after an UPDATE without a vector", row_of(store, 0), self.axis(0))
            check_payload("after an UPDATE", row_of(store, 1), payload_of("both"))
            self.check_vector("after an UPDATE", row_of(store, 1), self.axis(2, 3))
            store.apply(COLLECTION, [], made_by)
            check_rows("list() after apply() of nothing", store.list(COLLECTION), {0, 1, 3, 4})

    def test_apply_of_a_transactional_store_is_all_or_nothing(self) -> None:
        with self.filled(2) as store:
            changes = [
                Change("DELETE", row_id(0)),
                Change("UPDATE", row_id(1), payload_of("changed")),
                Change("ADD", row_id(2), payload_of("added"), array(self.axis(2))),
                Change("ADD", row_id(3), payload_of("unusable"), array([0.0] * self.dims)),
            ]
            refused(Mem0Error, "apply() of a zero vector", lambda: store.apply(COLLECTION, changes, None))
            if store.transactional:
                check_rows("list() after a refused apply()", store.list(COLLECTION), {0, 1})
                check_payload("after a refused apply()", row_of(store, 1), payload_of("memory 1"))

    def test_threads_may_share_it(self) -> None:
        with self.filled(0) as store:

            def work(at: int) -> bool:
                store.insert(COLLECTION, [self.axis(at % self.dims)], [payload_of(f"memory {at}")], [row_id(at)])
                store.search(COLLECTION, self.axis(0), 3)
                return store.get(COLLECTION, row_id(at)) is not None

            with ThreadPoolExecutor(4) as threads:
                found = sum(threads.map(work, range(40)))
            assert found == 40, f"only {found} of 40 rows could be read by the thread that wrote them"
            check_rows("list()", store.list(COLLECTION), range(40))
