"""The vector store contract: collections and rows."""

from __future__ import annotations

import copy
from contextlib import closing
from typing import Any

from mem0.testing.contracts.checks import check_options
from mem0.testing.contracts.store_tests import (
    COLLECTION,
    StoreTests,
    array,
    check_payload,
    check_rows,
    info_of,
    payload_of,
    row_id,
    row_of,
)
from mem0.types import Change, Embedder, Scope
from mem0.vector_stores.base import Query

_PAYLOAD: dict[str, Any] = {
    "text": "Quotes \" and ', a backslash \\, a tab \t and\na line break",
    "unicode": "Straße, 我的猫叫小雨, 👨‍👩‍👧‍👦, e\u0301, \u2028",
    "empty": "",
    "float": 0.1,
    "whole float": 10.0,
    "large": 1e300,
    "integer": 2**53 + 1,
    "negative": -7,
    "yes": True,
    "no": False,
    "nothing": None,
    "list": [1, 2.5, "three", None, [True]],
    "empty list": [],
    "nested": {"a": {"b": [{"c": "d"}]}, "ключ": "значение", "empty": {}},
    "a.b": "a dot",
    "$c": "a dollar",
    'q"': "a quote",
}


class RowTests(StoreTests):
    """Collections and rows are created, read, replaced and deleted, each on its own."""

    def test_unknown_options_are_refused(self) -> None:
        with closing(self.store()) as store:
            check_options(store)

    def test_a_collection_is_created_and_known(self) -> None:
        with closing(self.store()) as store:
            assert store.col_info(COLLECTION) is None, "col_info() of an unknown collection is not None"
            store.create_col(COLLECTION, self.dims)
            assert COLLECTION in store.list_cols(), f"list_cols() lacks it: {store.list_cols()!r}"
            info, wanted = info_of(store), {"name": COLLECTION, "vector_size": self.dims, "count": 0}
            assert info.items() >= wanted.items(), f"col_info() is {info!r}, without {wanted!r}"
            made_by = store.embedder(COLLECTION)
            assert made_by, "embedder() does not know the size"
            assert made_by.dims == self.dims, f"embedder() says {made_by.dims}, the collection holds {self.dims}"

    def test_creating_a_collection_again_leaves_it_as_it_is(self) -> None:
        with self.filled(1) as store:
            store.create_col(COLLECTION, self.dims)
            assert info_of(store)["count"] == 1, f"a second create_col() left {info_of(store)!r}"
            row_of(store, 0)

    def test_collections_are_separate(self) -> None:
        with self.filled(2) as store:
            store.create_col("other", self.dims)
            store.insert("other", [self.axis(0)], [payload_of("of the other")], [row_id(0)])
            store.delete("other", row_id(1))
            check_rows("search()", store.search(COLLECTION, self.axis(0), 10), {0, 1})
            check_rows("list() of the other", store.list("other"), {0})
            check_payload("the same id elsewhere", row_of(store, 0), payload_of("memory 0"))

    def test_deleting_a_collection_takes_its_rows_and_no_others(self) -> None:
        with self.filled(2) as store:
            store.create_col("other", self.dims)
            store.insert("other", [self.axis(0)], [payload_of("kept")], [row_id(0)])
            store.delete_col(COLLECTION)
            assert COLLECTION not in store.list_cols(), "a deleted collection is still listed"
            assert store.col_info(COLLECTION) is None, "col_info() knows a deleted collection"
            check_rows("list() of the other", store.list("other"), {0})
            store.create_col(COLLECTION, self.dims)
            check_rows("a new collection of the same name", store.list(COLLECTION), ())

    def test_a_collection_that_does_not_exist_has_no_rows(self) -> None:
        query = Query(Scope(), "anything", array(self.axis(0)), 10)
        with closing(self.store()) as store:
            assert store.get("unknown", row_id(0)) is None, "get() found a row"
            assert store.list("unknown") == [], "list() found rows"
            assert store.count("unknown") == 0, "count() is not 0"
            assert store.delete_where("unknown", {"user_id": "alice"}) == 0, "delete_where() deleted something"
            assert store.embedder("unknown") is None, "embedder() knows one"
            assert store.with_fingerprint("unknown", {"mark": Scope("alice")}) == [], "with_fingerprint() found rows"
            assert len(store.candidates("unknown", query).keys) == 0, "candidates() found rows"

    def test_a_row_comes_back_as_it_was_inserted(self) -> None:
        with self.filled(0) as store:
            store.insert(COLLECTION, [self.axis(1)], [_PAYLOAD], [row_id(0)])
            self.check_vector("get()", row_of(store, 0), self.axis(1))
            check_payload("get()", row_of(store, 0), _PAYLOAD)
            check_payload("search()", store.search(COLLECTION, self.axis(1))[0], _PAYLOAD)
            check_payload("list()", store.list(COLLECTION)[0], _PAYLOAD)

    def test_a_row_may_have_no_payload(self) -> None:
        with self.filled(0) as store:
            store.insert(COLLECTION, [self.axis(0)], ids=[row_id(0)])
            check_payload("a row without payload", row_of(store, 0), {})

    def test_what_callers_hold_is_theirs(self) -> None:
        with self.filled(0) as store:
            payload = payload_of("kept", tags=["a"])
            given = copy.deepcopy(payload)
            store.insert(COLLECTION, [self.axis(0)], [given], [row_id(0)])
            assert given == payload, "insert() changed the payload it was given"
            given["tags"].append("b")
            found = row_of(store, 0)
            found.payload["data"] = "changed"
            found.payload["tags"].append("c")
            check_payload("after callers changed what they hold", row_of(store, 0), payload)

    def test_inserting_an_id_again_replaces_the_row(self) -> None:
        with self.filled(2) as store:
            store.insert(COLLECTION, [self.axis(3)], [payload_of("new")], [row_id(0)])
            check_payload("get()", row_of(store, 0), payload_of("new"))
            self.check_vector("get()", row_of(store, 0), self.axis(3))
            assert store.count(COLLECTION) == 2, f"there are {store.count(COLLECTION)} rows, 2 were expected"
            check_rows("search() by the new vector", store.search(COLLECTION, self.axis(3), 1), {0})

    def test_get_of_an_unknown_id_is_none(self) -> None:
        with self.filled(1) as store:
            assert store.get(COLLECTION, row_id(99)) is None, "get() of an unknown id is not None"

    def test_updating_the_payload_keeps_the_vector(self) -> None:
        with self.filled(2) as store:
            payload = payload_of("new", Scope("bob"))
            store.update(COLLECTION, row_id(1), payload=payload)
            check_payload("get()", row_of(store, 1), payload)
            self.check_vector("get()", row_of(store, 1), self.axis(1))
            best = store.search(COLLECTION, self.axis(1), 1, {"user_id": "bob"})
            check_rows("search() by the new payload", best, {1})
            assert (best[0].score or 0) >= 0.99, f"search() has lost the vector: the score is {best[0].score}"

    def test_updating_the_vector_keeps_the_payload(self) -> None:
        with self.filled(2) as store:
            store.update(COLLECTION, row_id(1), vector=self.axis(3))
            check_payload("get()", row_of(store, 1), payload_of("memory 1"))
            self.check_vector("get()", row_of(store, 1), self.axis(3))
            check_rows("search() by the new vector", store.search(COLLECTION, self.axis(3), 1), {1})

    def test_updating_both_and_neither(self) -> None:
        with self.filled(1) as store:
            store.update(COLLECTION, row_id(0), self.axis(2), payload_of("new"))
            store.update(COLLECTION, row_id(0))
            check_payload("get()", row_of(store, 0), payload_of("new"))
            self.check_vector("get()", row_of(store, 0), self.axis(2))

    def test_deleted_rows_are_gone(self) -> None:
        with self.filled(3) as store:
            store.delete(COLLECTION, row_id(1))
            assert store.get(COLLECTION, row_id(1)) is None, "get() finds a deleted row"
            check_rows("search()", store.search(COLLECTION, self.axis(1), 10), {0, 2})
            check_rows("list()", store.list(COLLECTION), {0, 2})
            assert store.count(COLLECTION) == 2, f"count() is {store.count(COLLECTION)} after one of 3 was deleted"
            assert info_of(store)["count"] == 2, f"col_info() is {info_of(store)!r} after one of 3 was deleted"

    def test_deleting_an_unknown_id_is_no_error(self) -> None:
        with self.filled(1) as store:
            store.delete(COLLECTION, row_id(99))
            check_rows("list()", store.list(COLLECTION), {0})

    def test_what_is_stored_outlives_the_store(self) -> None:
        store = self.store()
        made_by = Embedder(self.dims, "model", "provider")
        store.apply(COLLECTION, [Change("ADD", row_id(0), payload_of("memory 0"), array(self.axis(0)))], made_by)
        identity, known = store.identity, store.embedder(COLLECTION)
        again = self.reopened(store)
        if again is None:
            store.close()
            return
        with closing(again):
            check_payload("get() after reopening", row_of(again, 0), payload_of("memory 0"))
            self.check_vector("get() after reopening", row_of(again, 0), self.axis(0))
            check_rows("list() after reopening", again.list(COLLECTION), {0})
            after = again.embedder(COLLECTION)
            assert after == known, f"embedder() says {after} after reopening, it was {known}"
            assert again.identity == identity, f"identity is {again.identity!r} after reopening, it was {identity!r}"
        with closing(self.store()) as other:
            assert other.identity != identity, (
                f"two stores have the identity {identity!r}; it is a store's place, and keeps their histories apart"
            )

    def test_closing_twice_is_harmless(self) -> None:
        store = self.store()
        store.close()
        store.close()
