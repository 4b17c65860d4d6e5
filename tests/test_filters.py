"""The filter language: what it means (``matches``) and what it refuses (``parse_filters``)."""

from __future__ import annotations

import copy
import datetime
import json
import uuid
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0.exceptions import FilterError
from mem0.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_IN_VALUES,
    And,
    Compare,
    Filter,
    HasKey,
    Not,
    Or,
    matches,
    parse_filters,
)


def asks(filters: dict[str, Any], payload: dict[str, Any]) -> bool:
    return matches(parse_filters(filters), payload)


class TestParsing:
    @pytest.mark.parametrize(
        ("filters", "parsed"),
        [
            (None, None),
            ({}, None),
            ({"user_id": "a"}, Compare("user_id", "eq", "a")),
            ({"n": {"gte": 3}}, Compare("n", "gte", 3)),
            ({"n": {"gte": 3, "lt": 5}}, And((Compare("n", "gte", 3), Compare("n", "lt", 5)))),
            ({"a": 1, "b": None}, And((Compare("a", "eq", 1), Compare("b", "eq", None)))),
            ({"tags": ["x"]}, Compare("tags", "eq", ["x"])),
            ({"tags": ("x",)}, Compare("tags", "eq", ["x"])),
            ({"n": {"in": (1, 2)}}, Compare("n", "in", [1, 2])),
            ({"meta": {"eq": {"a": 1}}}, Compare("meta", "eq", {"a": 1})),
            ({"topic": "*"}, HasKey("topic")),
            ({"topic": {"eq": "*"}}, Compare("topic", "eq", "*")),
            ({"user_id": "*"}, Compare("user_id", "eq", "*")),
            ({"expiration_date": "*"}, Compare("expiration_date", "eq", "*")),
            ({"AND": [{"a": 1}]}, And((Compare("a", "eq", 1),))),
            ({"AND": []}, And(())),
            ({"OR": []}, Or(())),
            ({"OR": ({"a": 1}, {})}, Or((Compare("a", "eq", 1), And(())))),
            ({"NOT": []}, Not(Or(()))),
            ({"NOT": {}}, Not(Or(()))),
            ({"NOT": {"a": 1}}, Not(Compare("a", "eq", 1))),
            ({"NOT": [{"a": 1}, {"b": 2}]}, Not(Or((Compare("a", "eq", 1), Compare("b", "eq", 2))))),
            ({"a": 1, "OR": [{"b": 2}]}, And((Compare("a", "eq", 1), Or((Compare("b", "eq", 2),))))),
            # Names that are words of the language elsewhere are keys here.
            ({"eq": 1}, Compare("eq", "eq", 1)),
            ({"not": "x"}, Compare("not", "eq", "x")),
            ({"or": {"eq": [1]}}, Compare("or", "eq", [1])),
            ({"$price": 1}, Compare("$price", "eq", 1)),
            ({" padded ": 1}, Compare(" padded ", "eq", 1)),
        ],
    )
    def test_dict_becomes_nodes(self, filters: dict[str, Any] | None, parsed: Filter | None) -> None:
        assert parse_filters(filters) == parsed

    def test_parsed_filter_passes_through(self) -> None:
        parsed = parse_filters({"a": 1, "NOT": {"b": 2}})
        assert parse_filters(parsed) is parsed

    def test_any_mapping_is_a_filter(self) -> None:
        assert parse_filters(MappingProxyType({"a": MappingProxyType({"gt": 1})})) == Compare("a", "gt", 1)

    def test_callers_dict_is_neither_changed_nor_kept(self) -> None:
        filters: dict[str, Any] = {"n": {"in": [[1], 2]}, "OR": [{"m": {"eq": {"a": [1]}}}]}
        before = copy.deepcopy(filters)
        parsed = parse_filters(filters)
        assert filters == before
        filters["n"]["in"][0].append(9)
        filters["OR"][0]["m"]["eq"]["a"].append(9)
        assert parsed == parse_filters(before)

    def test_nodes_are_frozen(self) -> None:
        with pytest.raises(AttributeError):
            HasKey("a").key = "b"  # type: ignore[misc]


BIG = 2**53

# What a row holds under "k", the operator, what is asked for, whether the row is in the result.
SEMANTICS: list[tuple[Any, str, Any, bool]] = [
    # eq: types are strict, numbers are one type
    ("a", "eq", "a", True),
    ("a", "eq", "A", False),
    ("1", "eq", 1, False),
    (1, "eq", "1", False),
    (1, "eq", 1.0, True),
    (1.0, "eq", 1, True),
    (-0.0, "eq", 0, True),
    (0.1 + 0.2, "eq", 0.3, False),
    (BIG + 1, "eq", float(BIG), False),
    (BIG, "eq", float(BIG), True),
    (2**63 - 1, "eq", float(2**63), False),
    (10**20, "eq", 1e20, True),  # beyond 64 bits: the nearest double
    (10**20 + 1, "eq", 1e20, True),
    (True, "eq", True, True),
    (True, "eq", False, False),
    (True, "eq", 1, False),
    (1, "eq", True, False),
    (0, "eq", False, False),
    ("true", "eq", True, False),
    (None, "eq", None, True),
    (None, "eq", False, False),
    (None, "eq", 0, False),
    (None, "eq", "", False),
    ("null", "eq", None, False),
    ("*", "eq", "*", True),
    ("a", "eq", "*", False),
    ("a", "eq", "%", False),
    ("a", "eq", "a\0", False),
    ("a\0b", "eq", "a\0c", False),
    ("é", "eq", "e\u0301", False),  # no normalisation
    ([1, 2], "eq", [1, 2], True),
    ([1, 2], "eq", [2, 1], False),
    ([1, 2], "eq", [1], False),
    ([1], "eq", [1.0], True),
    ([1], "eq", [True], False),
    ([[0]], "eq", [[False]], False),
    ([], "eq", [], True),
    ([], "eq", {}, False),
    ([None], "eq", [None], True),
    ("[1]", "eq", [1], False),
    ([1], "eq", 1, False),
    ({"a": 1, "b": 2}, "eq", {"b": 2.0, "a": 1}, True),
    ({"a": 1}, "eq", {"a": True}, False),
    ({"a": 1}, "eq", {"a": 1, "b": None}, False),
    ({"a": {"b": [1]}}, "eq", {"a": {"b": [1]}}, True),
    ('{"a":1}', "eq", {"a": 1}, False),
    # ne: everything else
    ("a", "ne", "a", False),
    ("a", "ne", 1, True),
    (None, "ne", None, False),
    (True, "ne", 1, True),
    ([1], "ne", [True], True),
    # order: text by code point, numbers by size, nothing else
    (3, "gt", 2, True),
    (3, "gt", 3, False),
    (3, "gte", 3.0, True),
    (2.5, "lt", 3, True),
    (3, "lte", 3, True),
    (3, "lte", 2, False),
    (BIG + 1, "gt", float(BIG), True),
    (BIG, "gt", float(BIG), False),
    (2**63 - 1, "lt", float(2**63), True),
    (10**20, "gt", 2**63 - 1, True),
    (10**400, "gt", 1e308, True),
    (-(10**400), "lt", -1e308, True),
    ("b", "gt", "a", True),
    ("B", "lt", "a", True),
    ("a", "lt", "aa", True),
    ("", "lt", "a", True),
    ("a\0", "gt", "a", True),
    ("ü", "gt", "z", True),
    ("\U0001f600", "gt", "\uffff", True),
    ("10", "lt", "9", True),
    ("10", "gt", 9, False),
    (10, "gt", "9", False),
    (10, "lt", "9", False),
    (True, "gte", 0, False),
    (False, "lte", 1, False),
    (None, "gte", 0, False),
    (None, "lt", "a", False),
    ([5], "gt", 1, False),
    ({"a": 5}, "gt", "", False),
    # in, nin
    ("a", "in", ["b", "a"], True),
    ("a", "in", [], False),
    (1, "in", ["1", True, None], False),
    (1, "in", [1.0], True),
    (True, "in", [1, "true"], False),
    (None, "in", [None], True),
    ([1], "in", [[1.0]], True),
    ([1], "in", [1], False),
    ("abc", "in", ["a", "b"], False),
    ("a\0b", "in", ["a\0c", "a"], False),
    ("a\0b", "in", ["a\0b"], True),
    ("a", "nin", ["b"], True),
    ("a", "nin", ["a"], False),
    ("a", "nin", [], True),
    (True, "nin", [1], True),
    # contains: substring of text, member of a list
    ("peanuts", "contains", "nut", True),
    ("peanuts", "contains", "Nut", False),
    ("peanuts", "contains", "", True),
    ("", "contains", "", True),
    ("100%", "contains", "0%", True),
    ("1000", "contains", "0%", False),
    ("a_b", "contains", "_", True),
    ("ab", "contains", "_", False),
    ("a\0b", "contains", "b", True),
    ("日本語", "contains", "本", True),
    ("123", "contains", 2, False),
    (123, "contains", "2", False),
    (123, "contains", 123, False),
    (["a", "b"], "contains", "a", True),
    (["ab"], "contains", "a", False),
    (["a,b"], "contains", "b", False),
    (['a"\n"b'], "contains", "b", False),
    ([["a"]], "contains", "a", False),
    ([1, 2], "contains", 1.0, True),
    ([True], "contains", 1, False),
    (["1"], "contains", 1, False),
    ([12], "contains", 1, False),
    ([], "contains", "", False),
    ([""], "contains", "", True),
    ({"a": 1}, "contains", "a", False),
    (True, "contains", "t", False),
    (None, "contains", "n", False),
    # icontains: the same for text, case folded
    ("Lisbon", "icontains", "LIS", True),
    ("Straße", "icontains", "STRASSE", True),
    ("STRASSE", "icontains", "ß", True),
    ("ΣΊΣΥΦΟΣ", "icontains", "σίσυφος", True),
    ("İstanbul", "icontains", "istanbul", False),  # casefold knows no language
    ("Lisbon", "icontains", "porto", False),
    ("", "icontains", "", True),
    (["Lisbon"], "icontains", "lisbon", True),
    (["Lisbon"], "icontains", "lis", False),
    (["Straße", 1], "icontains", "STRASSE", True),
    ([1, None], "icontains", "1", False),
    (1, "icontains", "1", False),
    ({"Lisbon": 1}, "icontains", "lisbon", False),
]


class TestMeaning:
    @pytest.mark.parametrize(("actual", "operator", "expected", "matched"), SEMANTICS)
    def test_operator(self, actual: Any, operator: str, expected: Any, matched: bool) -> None:
        assert asks({"k": {operator: expected}}, {"k": actual}) is matched

    @pytest.mark.parametrize(("operator", "expected"), [(row[1], row[2]) for row in SEMANTICS])
    def test_row_without_the_key_matches_negations_only(self, operator: str, expected: Any) -> None:
        assert asks({"k": {operator: expected}}, {"other": 1}) is (operator in ("ne", "nin"))

    @pytest.mark.parametrize(("actual", "operator", "expected", "matched"), SEMANTICS)
    def test_not_is_the_complement(self, actual: Any, operator: str, expected: Any, matched: bool) -> None:
        assert asks({"NOT": {"k": {operator: expected}}}, {"k": actual}) is not matched
        assert asks({"NOT": [{"k": {operator: expected}}]}, {"k": actual}) is not matched

    def test_has_key(self) -> None:
        assert asks({"topic": "*"}, {"topic": "x"})
        assert asks({"topic": "*"}, {"topic": None})
        assert not asks({"topic": "*"}, {})
        assert asks({"NOT": {"topic": "*"}}, {})

    def test_star_is_a_literal_for_the_librarys_keys(self) -> None:
        assert asks({"user_id": "*"}, {"user_id": "*"})
        assert not asks({"user_id": "*"}, {"user_id": "alice"})

    def test_reserved_null_is_absent(self) -> None:
        assert not asks({"role": None}, {"role": None})
        assert asks({"role": {"ne": None}}, {"role": None})
        assert not matches(HasKey("role"), {"role": None})

    def test_groups(self) -> None:
        payload = {"a": 1, "b": 2}
        assert asks({"a": 1, "b": 2}, payload)
        assert not asks({"a": 1, "b": 3}, payload)
        assert asks({"AND": [{"a": 1}, {"b": {"gt": 1, "lt": 3}}]}, payload)
        assert asks({"OR": [{"a": 9}, {"b": 2}]}, payload)
        assert not asks({"OR": [{"a": 9}, {"b": 9}]}, payload)
        assert asks({"NOT": [{"a": 9}, {"b": 9}]}, payload)
        assert not asks({"NOT": [{"a": 9}, {"b": 2}]}, payload)
        # One member with two conditions excludes rows that meet both.
        assert asks({"NOT": [{"a": 1, "b": 9}]}, payload)

    def test_empty_groups(self) -> None:
        assert matches(None, {})
        assert asks({}, {})
        assert asks({"AND": []}, {})
        assert not asks({"OR": []}, {})
        assert asks({"NOT": []}, {})
        assert asks({"NOT": {}}, {})
        assert not asks({"NOT": [{}]}, {})

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([-0.0, 0.0, 1.0, 1.5, "", "0", "1", "true"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=4,
    )

    @given(json_values, json_values)
    def test_eq_is_equality_of_tagged_values(self, left: Any, right: Any) -> None:
        def tagged(value: Any) -> str:
            """A text that is the same for equal values only, made without the code under test."""
            if isinstance(value, list):
                return "[" + ",".join(map(tagged, value)) + "]"
            if isinstance(value, dict):
                return "{" + ",".join(f"{key}={tagged(value[key])}" for key in sorted(value)) + "}"
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return f"number {float(value) + 0.0}"
            return json.dumps(value)

        assert asks({"k": {"eq": left}}, {"k": right}) is (tagged(left) == tagged(right))


def nested(depth: int, innermost: dict[str, Any]) -> dict[str, Any]:
    for _ in range(depth - 1):
        innermost = {"NOT": innermost}
    return innermost


class Awkward:
    def __repr__(self) -> str:
        raise RuntimeError("repr must not be needed")


LOOP: list[Any] = []
LOOP.append(LOOP)

# A filter, and what its message has to say.
REFUSED: list[tuple[Any, list[str]]] = [
    # what a filter looks like
    ([{"a": 1}], ["filters = <list>", "a dict"]),
    ("a", ["filters = 'a'", "a dict"]),
    ({1: "a"}, ["filters = 1", "a key is text"]),
    ({None: "a"}, ["filters = None", "a key is text"]),
    ({"": 1}, ["filters['']", "blank"]),
    ({" \t": 1}, ["blank"]),
    ({"\ud800": 1}, [r"filters['\ud800']", "not valid Unicode", "character 0"]),
    ({"_mem0": 1}, ["filters._mem0 = 1", "the library's own key"]),
    ({"_mem0": "*"}, ["filters._mem0", "the library's own key"]),
    # groups
    ({"AND": {"a": 1}}, ["filters.AND = <dict>", "AND needs a list"]),
    ({"OR": "a"}, ["filters.OR = 'a'", "OR needs a list"]),
    ({"NOT": "a"}, ["filters.NOT = 'a'", "NOT needs a list"]),
    ({"AND": [1]}, ["filters.AND[0] = 1", "a filter itself"]),
    ({"OR": [{"a": 1}, [{"b": 1}]]}, ["filters.OR[1] = <list>", "a filter itself"]),
    ({"$and": [{"a": 1}]}, ["filters['$and']", "write AND"]),
    ({"$or": [{"a": 1}]}, ["write OR"]),
    ({"$not": {"a": 1}}, ["write NOT"]),
    ({"and": [{"a": 1}]}, ["filters.and", "write AND", "capitals"]),
    ({"Or": [{"a": 1}]}, ["write OR", "'Or' is a metadata key"]),
    ({"not": [{"a": 1}]}, ["write NOT"]),
    ({"not": {"a": 1}}, ["write NOT"]),
    ({"or": []}, ["write OR"]),
    # operators
    ({"n": {"gtee": 3}}, ["filters.n['gtee'] = 3", "not an operator", "did you mean 'gte'?", "eq, ne, gt"]),
    ({"n": {"$lte": 3}}, ["did you mean 'lte'?"]),
    ({"n": {"GT": 3}}, ["did you mean 'gt'?"]),
    ({"n": {"not_in": [3]}}, ["did you mean 'nin'?"]),
    ({"n": {"i_contains": "x"}}, ["did you mean 'icontains'?"]),
    ({"n": {"gte": 1, "zzzzz": 3}}, ["filters.n['zzzzz']", "the operators are eq, ne"]),
    ({"n": {1: 3}}, ["filters.n[1]", "1 is not an operator"]),
    ({"meta": {"a": 1}}, ["filters.meta['a'] = 1", 'write {"eq": {...}}']),
    ({"meta": {}}, ["filters.meta = <dict>", 'write {"eq": {}}']),
    ({"OR": [{"a": 1}, {"n": {"foo": 1}}]}, ["filters.OR[1].n['foo']"]),
    ({"NOT": {"n": {"foo": 1}}}, ["filters.NOT.n['foo']"]),
    ({"we.ird": {"foo": 1}}, ["filters['we.ird']['foo']"]),
    # operands
    ({"n": {"in": "abc"}}, ["filters.n.in = 'abc'", "in needs a list", "eq"]),
    ({"n": {"in": {1, 2}}}, ["filters.n.in = <set>", "in needs a list"]),
    ({"n": {"nin": 1}}, ["filters.n.nin = 1", "nin needs a list"]),
    ({"n": {"in": [0] * (MAX_IN_VALUES + 1)}}, ["filters.n.in", "5,001 values", "5,000"]),
    ({"n": {"contains": ["a"]}}, ["filters.n.contains = <list>", "text or a number", "AND or OR"]),
    ({"n": {"icontains": 1}}, ["filters.n.icontains = 1", "icontains needs text"]),
    ({"n": {"icontains": ["a"]}}, ["icontains needs text"]),
    *(
        ({"n": {operator: value}}, [f"filters.n.{operator}", f"{operator} needs text or a number"])
        for operator in ("gt", "gte", "lt", "lte", "contains")
        for value in (True, None, {"a": 1}, [1], (1,))
    ),
    *(({"n": {"icontains": value}}, ["icontains needs text"]) for value in (True, None, {"a": 1}, 1.5)),
    # values
    ({"n": float("nan")}, ["filters.n = nan", "not finite"]),
    ({"n": {"lt": float("inf")}}, ["filters.n.lt = inf", "not finite"]),
    ({"n": {"in": [1, float("-inf")]}}, ["filters.n.in[1] = -inf", "not finite"]),
    ({"n": 2**63}, ["filters.n = 9223372036854775808", "64 bits"]),
    ({"n": {"gt": -(2**63) - 1}}, ["64 bits"]),
    ({"n": 10**9_999}, ["filters.n = <int of 33216 bits>", "64 bits"]),
    ({"n": "a\udc80"}, [r"filters.n = 'a\udc80'", "not valid Unicode", "character 1"]),
    ({"n": {"eq": {"a": ["\ud800"]}}}, ["filters.n.eq.a[0]", "not valid Unicode"]),
    ({"n": {"eq": {"\ud800": 1}}}, [r"filters.n.eq['\ud800']", "not valid Unicode"]),
    ({"n": {"eq": {1: 1}}}, ["filters.n.eq = 1", "a key inside a value is text"]),
    ({"met_at": {"gte": datetime.datetime(2025, 1, 1)}}, ["filters.met_at.gte = <datetime>", "isoformat()"]),
    ({"day": datetime.date(2025, 1, 1)}, ["<date>", "isoformat()"]),
    ({"n": {1, 2}}, ["filters.n = <set>", "pass a list"]),
    ({"n": {"in": [frozenset()]}}, ["filters.n.in[0] = <frozenset>", "pass a list"]),
    ({"n": b"a"}, ["filters.n = <bytes>", "cannot be compared"]),
    ({"n": uuid.UUID(int=0)}, ["filters.n = <UUID>", "use text"]),
    ({"n": {"gt": Awkward()}}, ["filters.n.gt = <Awkward>", "cannot be compared"]),
    # size
    (nested(MAX_DEPTH + 1, {"a": 1}), ["filters.NOT.NOT", "deeper than 20"]),
    ({"n": LOOP}, ["filters.n[0][0]", "deeper than 20"]),
    ({"OR": [{"n": 1}] * (MAX_CONDITIONS + 1)}, ["filters.OR[500].n", "more than 500 conditions"]),
    ({"OR": [{}] * (MAX_CONDITIONS + 1)}, ["filters.OR[500]", "more than 500 conditions"]),
    ({"OR": [{"AND": []}] * (MAX_CONDITIONS + 1)}, ["more than 500 conditions"]),
    ({f"k{n}": "*" for n in range(MAX_CONDITIONS + 1)}, ["filters.k500", "more than 500 conditions"]),
]


class TestRefusals:
    @pytest.mark.parametrize(("filters", "says"), REFUSED)
    def test_message_names_place_value_cause_and_remedy(self, filters: Any, says: list[str]) -> None:
        with pytest.raises(FilterError) as caught:
            parse_filters(filters)
        for part in says:
            assert part in str(caught.value)
        assert len(str(caught.value)) < 400
        str(caught.value).encode()  # can be printed and logged

    def test_the_limits_themselves_are_allowed(self) -> None:
        parse_filters(nested(MAX_DEPTH, {"a": 1}))
        parse_filters({"OR": [{"n": {"in": list(range(MAX_IN_VALUES))}}] * MAX_CONDITIONS})
        parse_filters({"n": {"in": [2**63 - 1, -(2**63), 1.7976931348623157e308]}})

    def test_long_values_and_keys_are_shortened(self) -> None:
        with pytest.raises(FilterError) as caught:
            parse_filters({"k" * 10_000: {"in": "x" * 10_000}})
        assert len(str(caught.value)) < 200
