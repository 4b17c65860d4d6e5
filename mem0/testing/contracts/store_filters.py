"""The vector store contract: filters, listing by them and deleting by them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mem0.exceptions import FilterError
from mem0.filters import matches, parse_filters
from mem0.testing.contracts.checks import refused
from mem0.testing.contracts.store_tests import (
    COLLECTION,
    StoreTests,
    array,
    candidates_of,
    check_rows,
    payload_of,
    row_id,
)
from mem0.times import moment
from mem0.types import Record, Scope
from mem0.vector_stores.base import Query, VectorStoreBase

# What a careless store reads as a pattern, as part of a query language, or as another id.
_HOSTILE_IDS = [
    "alice",
    "Alice",
    "alice ",
    "*",
    "%",
    "_",
    "a%",
    "x&run_id=1",
    "x' OR '1'='1",
    'x" OR "1"="1',
    "{'$ne': None}",
    "a\\b",
    "a/b:c|d",
    "null",
    "1",
    "用户一",
    "ß",
    "ss",
    "😀",
]

_VALUES: list[Any] = [
    "Lisbon",
    "lisbon",
    "in Lisbon, since March",
    "",
    "10",
    10,
    9.5,
    10.0,
    -3,
    0,
    True,
    False,
    None,
    ["Lisbon", "Porto"],
    ["lisbon"],
    [10, True],
    [],
    {"city": "Lisbon"},
]

_ORDERED = [9.5, 10, "Lisbon", "10"]
_LISTS: list[Any] = [[], ["Lisbon"], [10, "Lisbon"], [True], [None], [["Lisbon", "Porto"]]]
_OPERANDS: dict[str, list[Any]] = {
    "eq": _VALUES,
    "ne": _VALUES,
    "gt": _ORDERED,
    "gte": _ORDERED,
    "lt": _ORDERED,
    "lte": _ORDERED,
    "in": _LISTS,
    "nin": _LISTS,
    "contains": ["Lisbon", "lisbon", "", "10", 10, "%"],
    "icontains": ["Lisbon", "LISBON", "", "%"],
}

_FILTERS: list[dict[str, Any]] = [
    *({"value": {operator: operand}} for operator, operands in _OPERANDS.items() for operand in operands),
    *({"value": value} for value in _VALUES if not isinstance(value, dict)),
    {"value": "*"},
    {"value": {"eq": "*"}},
    {"value": {"gt": 0, "lt": 10}},
    {"AND": [{"value": {"gte": 0}}, {"number": {"lt": 8}}]},
    {"OR": [{"value": "Lisbon"}, {"number": 3}]},
    {"NOT": [{"value": "Lisbon"}, {"number": {"gt": 5}}]},
    {"NOT": {"value": "*"}},
    {"AND": []},
    {"OR": []},
    {"NOT": []},
    {"user_id": {"in": ["bob", "*"]}},
    {"user_id": {"ne": "bob"}},
    {"user_id": "alice", "OR": [{"value": 10}, {"NOT": [{"missing": {"ne": 1}}]}]},
]


class FilterTests(StoreTests):
    """A filter means what :func:`mem0.filters.matches` says, or is refused."""

    def test_scope_ids_are_literal(self) -> None:
        with self.filled(0) as store:
            count = len(_HOSTILE_IDS)
            payloads = [payload_of("anything", Scope(hostile, "x")) for hostile in _HOSTILE_IDS]
            store.insert(COLLECTION, [self.axis(0)] * count, payloads, [row_id(at) for at in range(count)])
            for at, hostile in enumerate(_HOSTILE_IDS):
                for filters in ({"user_id": hostile}, {"user_id": hostile, "agent_id": "x"}):
                    self._check(store, filters, {at})
                self._check(store, {"user_id": hostile, "agent_id": "y"}, ())
            assert store.delete_where(COLLECTION, {"user_id": "*"}) == 1, "deleting '*' did not delete exactly one"
            assert store.count(COLLECTION) == count - 1, "deleting '*' took others too"

    def test_filters_mean_what_they_mean_everywhere(self) -> None:
        payloads = [payload_of(f"value {at}", value=value, number=at) for at, value in enumerate(_VALUES)]
        payloads.append(payload_of("without a value", number=7))
        payloads.append(payload_of("of bob", Scope("bob"), value="Lisbon", number=8))
        count = len(payloads)
        with self.filled(0) as store:
            store.insert(COLLECTION, [self.axis(0)] * count, payloads, [row_id(at) for at in range(count)])
            for filters in _FILTERS:
                condition = parse_filters(filters)
                expected = {at for at, payload in enumerate(payloads) if matches(condition, payload)}
                self._check(store, filters, expected, may_refuse=True)

    def test_a_limit_counts_rows_that_match(self) -> None:
        with self.filled(8) as store:
            store.update(COLLECTION, row_id(7), payload=payload_of("far away, and of bob", Scope("bob")))
            found = store.search(COLLECTION, self.axis(0), 1, {"user_id": "bob"})
            check_rows("search() with limit=1 and a filter that only a far row matches", found, {7})

    def test_what_is_no_filter_is_refused(self) -> None:
        with self.filled(1) as store:
            for filters in ({"value": {"like": "x"}}, {"$or": [{"value": 1}]}, {"value": {"in": "x"}}):
                for name, call in self._calls(store, filters).items():
                    refused(FilterError, f"{name} with {filters!r}", call)

    def test_filters_given_are_not_changed(self) -> None:
        filters = {"user_id": "alice", "OR": [{"number": 1}, {"number": {"in": [2, 3]}}]}
        given = copy.deepcopy(filters)
        with self.filled(1) as store:
            for name, call in self._calls(store, given).items():
                with suppress(FilterError):
                    call()
                assert given == filters, f"{name} changed the caller's filters to {given!r}"

    def test_list_is_newest_first_page_by_page(self) -> None:
        # Written as other programs may write it: 23:30 one hour west of Greenwich is the day after, there.
        days = ["03T00:00:00Z", "01T00:00:00Z", "05T00:00:00Z", "02T00:00:00Z", "04T00:00:00Z", "03T23:30:00-01:00"]
        newest = [2, 5, 4, 0, 3, 1]
        with self.filled(0) as store:
            payloads = [payload_of("anything", created_at=f"2026-01-{day}", number=at) for at, day in enumerate(days)]
            store.insert(COLLECTION, [self.axis(0)] * 6, payloads, [row_id(at) for at in range(6)])
            found = [row.payload["number"] for row in store.list(COLLECTION)]
            assert found == newest, f"list() is in the order {found}, newest first is {newest}"
            pages = [store.list(COLLECTION, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
            paged = [row.payload["number"] for page in pages for row in page]
            assert paged == newest, f"pages of 2 give {paged}, all at once {newest}"
            assert len(store.list(COLLECTION, limit=None, offset=1)) == 5, "limit=None with an offset is not the rest"
            assert store.list(COLLECTION, limit=1)[0].score is None, "a listed row has a score"

    def test_list_has_a_limit_of_100_unless_told_otherwise(self) -> None:
        with self.filled(120) as store:
            assert len(store.list(COLLECTION)) == 100, "the default limit is 100"
            check_rows("list() with limit=None", store.list(COLLECTION, limit=None), range(120))
            assert store.count(COLLECTION) == 120, f"count() is {store.count(COLLECTION)}, there are 120"

    def test_expired_rows_are_left_out_when_asked(self) -> None:
        at = moment("at", "2026-02-01T12:00:00Z").timestamp()
        ends = [None, "2026-01-31", "2026-02-01", "2026-02-01T11:59:59+00:00", "2026-02-01T12:00:01+00:00"]
        alive = {0, 2, 4}  # a bare date ends with that day
        with self.filled(0) as store:
            payloads = [payload_of(f"until {end}", ends=end) for end in ends]
            store.insert(COLLECTION, [self.axis(0)] * 5, payloads, [row_id(number) for number in range(5)])
            check_rows("list() with alive_at", store.list(COLLECTION, alive_at=at), alive)
            assert store.count(COLLECTION, alive_at=at) == 3, "count() with alive_at counts expired rows"
            assert store.count(COLLECTION) == 5, "count() leaves out expired rows without being asked"
            query = Query(Scope(), "until", array(self.axis(0)), 10, alive_at=at)
            check_rows("candidates() with alive_at", candidates_of(store, query), alive)

    def test_delete_where_deletes_what_matches(self) -> None:
        with self.filled(6) as store:
            for at in (1, 4):
                store.update(COLLECTION, row_id(at), payload=payload_of("of bob", Scope("bob")))
            assert store.delete_where(COLLECTION, {"user_id": "bob"}) == 2, "it did not return how many there were"
            check_rows("list() afterwards", store.list(COLLECTION), {0, 2, 3, 5})
            assert store.delete_where(COLLECTION, {"user_id": "bob"}) == 0, "it deleted them twice"

    def test_delete_where_deletes_more_than_a_page(self) -> None:
        with self.filled(120) as store:
            assert store.delete_where(COLLECTION, {"user_id": "alice"}) == 120, "it did not delete all that match"
            check_rows("list() afterwards", store.list(COLLECTION), ())

    def _calls(self, store: VectorStoreBase, filters: dict[str, Any]) -> dict[str, Callable[[], list[Record]]]:
        return {
            "search()": lambda: store.search(COLLECTION, self.axis(0), 100, filters),
            "list()": lambda: store.list(COLLECTION, filters),
        }

    def _check(
        self, store: VectorStoreBase, filters: dict[str, Any], expected: Any, *, may_refuse: bool = False
    ) -> None:
        refusals = (FilterError,) if may_refuse else ()
        for name, call in self._calls(store, filters).items():
            with suppress(*refusals):
                check_rows(f"{name} with {filters!r}", call(), expected)
        with suppress(*refusals):
            count = store.count(COLLECTION, filters)
            assert count == len(expected), f"count() with {filters!r} is {count}, expected {len(expected)}"
