"""What `get_all` and `get` list: scope, filters, order, pages."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from mem0 import FilterError, Memory, ValidationError
from mem0.testing import DeterministicEmbedding, FrozenClock, memory


def texts(rows: list[Any]) -> list[str]:
    return [row["memory"] for row in rows]


@pytest.fixture
def filled(m: Memory) -> Memory:
    m.add("one", user_id="alice", metadata={"n": 1})
    m.add("two", user_id="alice", agent_id="planner", metadata={"n": 2})
    m.add("three", user_id="bob", metadata={"n": 3})
    return m


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda m: m.get_all(), ["three", "two", "one"]),
        (lambda m: m.get_all("alice"), ["two", "one"]),
        (lambda m: m.get_all(user_id="alice", limit=100), ["two", "one"]),
        (lambda m: m.get_all("alice", "planner", None, 100), ["two"]),
        (lambda m: m.get_all(agent_id="planner"), ["two"]),
        (lambda m: m.get_all(filters={"user_id": "bob"}), ["three"]),
        (lambda m: m.get_all(filters={"n": {"gte": 2}}), ["three", "two"]),
        (lambda m: m.get_all(user_id="alice", filters={"n": {"gte": 2}}), ["two"]),
        (lambda m: m.get_all(user_id="alice", filters={"user_id": {"ne": "alice"}}), []),
        (lambda m: m.get_all(user_id="alice", filters={"user_id": {"in": ["alice", "bob"]}}), ["two", "one"]),
        (lambda m: m.get_all(user_id="alice", filters={"OR": [{"n": 3}, {"n": 1}]}), ["one"]),
        (lambda m: m.get_all(filters={"NOT": {"user_id": "alice"}}), ["three"]),
        (lambda m: m.get_all(limit=2), ["three", "two"]),
        (lambda m: m.get_all(top_k=2), ["three", "two"]),
        (lambda m: m.get_all(limit=2, offset=2), ["one"]),
        (lambda m: m.get_all(offset=9), []),
        (lambda m: m.get_all(user_id="*"), []),
    ],
)
def test_call_forms(filled: Memory, call: Any, expected: list[str]) -> None:
    assert texts(call(filled)) == expected


def test_the_total_is_that_of_all_pages(filled: Memory) -> None:
    assert filled.get_all(limit=1).total == 3
    assert filled.get_all(offset=9).total == 3
    assert filled.get_all(user_id="alice", limit=1, filters={"n": {"lt": 9}}).total == 2


@pytest.mark.parametrize(
    "arguments",
    [{"limit": 0}, {"limit": "5"}, {"limit": None}, {"offset": -1}, {"offset": 1.5}, {"offset": True}, {"user_id": []}],
)
def test_bad_arguments_are_named(m: Memory, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(arguments))):
        m.get_all(**arguments)


def test_bad_filters_are_refused_though_there_is_nothing_to_filter(m: Memory) -> None:
    with pytest.raises(FilterError, match="around"):
        m.get_all(filters={"n": {"around": 3}})


def test_unknown_keywords_are_type_errors(m: Memory) -> None:
    with pytest.raises(TypeError, match="page"):
        m.get_all(page=2)  # type: ignore[call-arg]


def test_newest_first_by_created_at_then_by_insertion(m: Memory, clock: FrozenClock) -> None:
    m.add(["b1", "b2"], timestamp="2025-02-01")
    m.add("c", timestamp="2025-03-01")
    m.add("a", timestamp="2025-01-01")
    m.add("b3", timestamp="2025-02-01T01:00:00+01:00")
    assert texts(m.get_all()) == ["c", "b3", "b2", "b1", "a"]


def test_an_update_does_not_change_the_order(m: Memory, clock: FrozenClock) -> None:
    first = m.add("first")[0]["id"]
    clock.advance(60)
    m.add("second")
    clock.advance(60)
    m.update(first, "first, changed")
    assert texts(m.get_all()) == ["second", "first, changed"]


def test_listing_embeds_nothing(filled: Memory, embedder: DeterministicEmbedding) -> None:
    calls = embedder.calls
    assert filled.get_all().usage.embed_calls == 0
    assert embedder.calls == calls


def test_an_empty_collection(m: Memory) -> None:
    found = m.get_all()
    assert (found, found.total, found["results"]) == ([], 0, [])


class TestGet:
    def test_it_is_what_get_all_lists(self, filled: Memory) -> None:
        assert [filled.get(row["id"]) for row in filled.get_all()] == filled.get_all()

    @pytest.mark.parametrize("unknown", ["no-such-id", "*", "%", "' OR 1=1 --", "\x00", "\ud83d", "x" * 10_000])
    def test_an_unknown_id_is_none(self, filled: Memory, unknown: str) -> None:
        assert filled.get(unknown) is None
        assert filled.history(unknown) == []

    @pytest.mark.parametrize("wrong", [None, "", 5, b"x", ["x"], {"id": "x"}])
    def test_what_is_no_id_is_refused(self, m: Memory, wrong: Any) -> None:
        with pytest.raises(ValidationError, match="memory_id="):
            m.get(wrong)

    def test_results_are_the_callers(self, filled: Memory) -> None:
        row = filled.get_all()[0]
        row["metadata"]["n"] = 99
        row["memory"] = "changed"
        assert filled.get_all()[0]["metadata"] == {"n": 3}
        assert filled.get_all()[0]["memory"] == "three"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"gte": "2025-05-12T00:00:00+02:00"}, 1),
        ({"gte": datetime(2025, 5, 12, tzinfo=timezone(timedelta(hours=2)))}, 1),
        ({"gt": "2025-05-11T22:30:00Z"}, 0),
        ("2025-05-11T22:30:00Z", 1),
        ({"in": ["2025-05-11T22:30:00Z"]}, 1),
        ({"gte": "2025-05-12"}, 0),
        ({"gte": date(2025, 5, 11), "lt": date(2025, 5, 12)}, 1),
        ({"gte": "2025-05"}, 1),
    ],
)
def test_times_are_compared_as_times(condition: Any, found: int) -> None:
    with memory() as m:
        m.add("said at half past midnight in Berlin", user_id="u", timestamp="2025-05-12T00:30:00+02:00")
        assert m.get_all(user_id="u", filters={"created_at": condition}).total == found
