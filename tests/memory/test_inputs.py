"""What callers hand over, brought into one form: metadata, scopes, filters, numbers."""

from __future__ import annotations

import copy
import enum
import math
from collections import UserDict
from datetime import datetime
from typing import Any

import pytest

from mem0 import FilterError, ValidationError
from mem0.memory import inputs
from mem0.memory.inputs import Reading
from mem0.types import RESERVED_KEYS, Scope


class TestMetadata:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"topic": "food"},
            {"n": 1, "f": 0.5, "t": True, "none": None, "list": [1, ["a"]], "dict": {"a": {"b": 2}}},
            {"and": 1, "results": 2, "ключ": "значение", "*": "x"},
            {"big": 2**63 - 1, "small": -(2**63)},
            UserDict({"a": 1}),
        ],
    )
    def test_json_is_copied(self, given: Any) -> None:
        found = inputs.metadata(given)
        assert found == dict(given)
        assert found is not given

    def test_what_looks_like_json_becomes_it(self) -> None:
        class Colour(str, enum.Enum):
            RED = "red"

        class Size(enum.IntEnum):
            L = 3

        found = inputs.metadata({"colour": Colour.RED, "size": Size.L, "pair": (1, 2)})
        assert found == {"colour": "red", "size": 3, "pair": [1, 2]}
        assert [type(value) for value in found.values()] == [str, int, list]

    def test_nothing(self) -> None:
        assert inputs.metadata(None) == {}

    @pytest.mark.parametrize("key", RESERVED_KEYS)
    def test_our_keys_are_refused(self, key: str) -> None:
        with pytest.raises(ValidationError, match=rf"metadata\['{key}'\]: the library keeps this key"):
            inputs.metadata({"topic": "food", key: "x"})

    @pytest.mark.parametrize("key", ["AND", "OR", "NOT"])
    def test_keys_that_no_filter_could_name_are_refused(self, key: str) -> None:
        with pytest.raises(ValidationError, match=rf"metadata\['{key}'\]: filters use this word"):
            inputs.metadata({key: 1})

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("food", "not str"),
            ([("a", 1)], "not list"),
            ({1: "a"}, "key 1"),
            ({" ": "a"}, "blank"),
            ({"a": {2: "b"}}, "key 2"),
            ({"a\ud83d": 1}, "not valid Unicode"),
            ({"a": "\ud83d"}, "surrogate"),
            ({"when": datetime(2026, 1, 1)}, "datetime is not stored"),
            ({"a": {"b": {1, 2}}}, r"\['a'\]\['b'\].*set is not stored"),
            ({"a": [b"x"]}, r"\['a'\]\[0\].*bytes is not stored"),
            ({"a": math.nan}, "nan"),
            ({"a": math.inf}, "inf"),
            ({"a": 2**63}, "9223372036854775808"),
            ({"a": "x" * 64_000}, "64000 are allowed"),
        ],
    )
    def test_anything_else_is_refused(self, given: Any, told: str) -> None:
        with pytest.raises(ValidationError, match=told):
            inputs.metadata(given)

    def test_too_deep(self) -> None:
        deep: dict[str, Any] = {}
        innermost = deep
        for _ in range(30):
            innermost["a"] = innermost = {}
        with pytest.raises(ValidationError, match="deeper than 20"):
            inputs.metadata(deep)
        looped: dict[str, Any] = {}
        looped["self"] = looped
        with pytest.raises(ValidationError, match="deeper than 20"):
            inputs.metadata(looped)


class TestReading:
    @pytest.mark.parametrize(
        ("given", "filters", "reading"),
        [
            ({}, None, Reading(Scope(), None)),
            ({}, {}, Reading(Scope(), None)),
            ({"user_id": "a"}, None, Reading(Scope("a"), None)),
            ({}, {"user_id": "a"}, Reading(Scope("a"), None)),
            ({}, {"user_id": {"eq": "a"}, "run_id": 5}, Reading(Scope("a", None, "5"), None)),
            ({"user_id": "a"}, {"user_id": "a", "agent_id": "b"}, Reading(Scope("a", "b"), None)),
            ({"user_id": "a"}, {"n": 1}, Reading(Scope("a"), {"n": 1})),
            ({}, {"user_id": {"in": ["a"]}}, Reading(Scope(), {"user_id": {"in": ["a"]}})),
            ({}, {"OR": [{"user_id": "a"}]}, Reading(Scope(), {"OR": [{"user_id": "a"}]})),
            ({}, {"user_id": "*"}, Reading(Scope("*"), None)),
        ],
    )
    def test_ids_at_the_top_of_filters_belong_to_the_scope(
        self, given: dict[str, Any], filters: Any, reading: Reading
    ) -> None:
        before = copy.deepcopy(filters)
        assert inputs.reading(Scope(), given, filters) == reading
        assert filters == before

    @pytest.mark.parametrize("filters", ["user_id", [{"user_id": "a"}], 5, [], ""])
    def test_filters_are_a_dict(self, filters: Any) -> None:
        with pytest.raises(FilterError, match="filters are a dict"):
            inputs.reading(Scope(), {}, filters)

    def test_whose_id_contradicts_is_told(self) -> None:
        with pytest.raises(
            ValidationError, match=r"user_id is given twice: 'a' by the scope handle and 'b' by the arg"
        ):
            inputs.reading(Scope("a"), {"user_id": "b"}, None)
        with pytest.raises(ValidationError, match=r"'b' by filters"):
            inputs.reading(Scope("a"), {}, {"user_id": "b"})
