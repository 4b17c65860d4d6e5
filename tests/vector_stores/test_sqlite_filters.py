"""The embedded store's SQL for filters picks the rows that ``matches`` picks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from filter_cases import CASES, in_filter
from hypothesis import HealthCheck, example, given, note, settings

from mem0.exceptions import FilterError
from mem0.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_IN_VALUES,
    OPERATORS,
    Filter,
    HasKey,
    Not,
    matches,
    parse_filters,
)
from mem0.vector_stores.sqlite_filters import (
    CREATE_ATTRIBUTES,
    INSERT_ATTRIBUTE,
    attribute_rows,
    register_functions,
    to_sql,
)

# One long run: MEM0_FILTER_EXAMPLES=20000 pytest tests/vector_stores/test_sqlite_filters.py
EXAMPLES = int(os.environ.get("MEM0_FILTER_EXAMPLES", "1000"))

CREATE_MEMORIES = (
    "CREATE TABLE memories (seq INTEGER PRIMARY KEY, user_id TEXT, agent_id TEXT, run_id TEXT, payload TEXT NOT NULL)"
)


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(CREATE_MEMORIES)
    connection.execute(CREATE_ATTRIBUTES)
    register_functions(connection)
    return connection


def insert(connection: sqlite3.Connection, seq: int, payload: dict[str, Any]) -> None:
    ids = [payload.get(key) for key in ("user_id", "agent_id", "run_id")]
    connection.execute("INSERT INTO memories VALUES (?, ?, ?, ?, ?)", (seq, *ids, json.dumps(payload)))
    connection.executemany(INSERT_ATTRIBUTE, [(seq, *row) for row in attribute_rows(payload)])


def picked(connection: sqlite3.Connection, filters: Filter | None) -> list[int]:
    sql, parameters = to_sql(filters)
    found = connection.execute(f"SELECT m.seq FROM memories m WHERE ({sql}) ORDER BY m.seq", parameters)
    return [seq for (seq,) in found]


def check(connection: sqlite3.Connection, payloads: list[dict[str, Any]], filters: Filter | None) -> None:
    wanted = [seq for seq, payload in enumerate(payloads) if matches(filters, payload)]
    assert picked(connection, filters) == wanted
    sql, parameters = to_sql(filters)
    values = connection.execute(f"SELECT ({sql}) FROM memories m ORDER BY m.seq", parameters).fetchall()
    assert values == [(int(seq in wanted),) for seq in range(len(payloads))]  # never NULL, which NOT would not turn


@given(CASES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@example(([{"data": "a\0b"}, {"data": "a"}, {"data": "\\u0000a"}], [{"data": "a"}, {"data": {"in": ["a\0b", "a"]}}]))
@example(([{"user_id": ""}, {}], [{"user_id": {"in": ["", "\0"]}}, {"user_id": {"nin": ["\0", ""]}}]))
def test_sql_picks_what_matches_picks(case: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    payloads, written = case
    stored = [json.loads(json.dumps(payload)) for payload in payloads]
    everything = set(range(len(payloads)))
    with closing(database()) as connection:
        for seq, payload in enumerate(payloads):
            insert(connection, seq, payload)
        for filters in map(parse_filters, written):
            note(repr(filters))
            check(connection, stored, filters)
            if filters is not None:
                rows = set(picked(connection, filters))
                assert set(picked(connection, Not(filters))) == everything - rows


@given(CASES)
@settings(max_examples=max(EXAMPLES // 4, 50), deadline=None, suppress_health_check=list(HealthCheck))
def test_negated_operators_are_complements(case: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    payloads, _ = case
    everything = set(range(len(payloads)))
    asked = [(key, in_filter(value)) for payload in payloads for key, value in payload.items() if key != "_mem0"]
    with closing(database()) as connection:
        for seq, payload in enumerate(payloads):
            insert(connection, seq, payload)
        for key, value in asked:
            for operator, negated, operand in (("eq", "ne", value), ("in", "nin", [value, 1, "a"])):
                rows = set(picked(connection, parse_filters({key: {operator: operand}})))
                assert set(picked(connection, parse_filters({key: {negated: operand}}))) == everything - rows


# --- what the random test would rarely meet --------------------------------------------------------------------------


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(database()) as opened:
        yield opened


# fmt: off
AWKWARD: list[Any] = [
    None, True, False, 0, 1, -1, 12, 1.5, -0.0, 0.1 + 0.2, 5e-324, 1e22, 1e23, 1.7976931348623157e308,
    2**53, 2**53 + 1, float(2**53), 2**63 - 1, -(2**63), float(2**63), -float(2**63),
    -(2**63) - 1, 2**63, 2**64, 10**400,
    "", "a", "A", "ab", "b", "1", "12", "1.5", "true", "null", "[]", "*", "%", "_", '"', '"a"', "\\", "'",
    "\0", "a\0", "a\0b", "\\u0000", "\n1\n", '\n"a"\n', '{"a":1}',
    "ß", "SS", "ẞ", "İ", "i\u0307", "ς", "Σ", "é", "e\u0301", "\uffff", "\U0001f600",
    [], [[]], [None], [1], [1.0], [True], [12], ["1"], ["a"], ["A"], ["ab"], ["SS", "ß"], ["a\0b"], ["\n"], [["a"]],
    ["a", 1], [1, "a"], ['a"\n,\n"b'], [{"a": 1}], [{"a": {}, "b": []}], [{"b": [], "a": {}}],
    {}, {"a": 1}, {"a": 1.0}, {"a": True}, {"a": {"a": "1"}}, {"a": 1, "b": 2}, {"b": 2, "a": 1},
]
# fmt: on


@pytest.mark.parametrize("key", ["k", "data", "user_id"])
def test_every_operator_on_every_pair_of_awkward_values(connection: sqlite3.Connection, key: str) -> None:
    payloads = [{key: value} for value in AWKWARD if key == "k" or isinstance(value, str)]
    payloads.append({"other": 1})
    for seq, payload in enumerate(payloads):
        insert(connection, seq, payload)
    for value in map(in_filter, AWKWARD):
        for operator in OPERATORS:
            try:
                filters = parse_filters({key: {operator: [value] if operator in ("in", "nin") else value}})
            except FilterError:
                continue
            check(connection, payloads, filters)


def test_no_filter_is_everything(connection: sqlite3.Connection) -> None:
    insert(connection, 0, {"data": "x"})
    assert to_sql(None) == ("1", [])
    assert picked(connection, None) == [0]


def test_reserved_keys_by_hand(connection: sqlite3.Connection) -> None:
    payloads: list[dict[str, Any]] = [{"user_id": "a", "role": "user", "data": "x"}, {"role": None}, {}]
    for seq, payload in enumerate(payloads):
        insert(connection, seq, payload)
    for key in ("user_id", "role", "data"):
        check(connection, payloads, HasKey(key))
        check(connection, payloads, parse_filters({key: None}))
        check(connection, payloads, parse_filters({key: {"in": [None, 1, "a", "user"]}}))


def test_one_row_for_each_metadata_key() -> None:
    payload = {"data": "x", "user_id": "a", "_mem0": {}, "topic": "work", "tags": ["a", 1.0], "ok": True, "n": 2.5}
    assert attribute_rows(payload) == [
        ("topic", '"work"', "work"),
        ("tags", '[\n"a"\n,\n1\n]', None),
        ("ok", "true", None),
        ("n", "2.5", 2.5),
    ]


def test_attributes_go_with_their_memory(connection: sqlite3.Connection) -> None:
    insert(connection, 0, {"k": 1})
    connection.execute("DELETE FROM memories")
    assert connection.execute("SELECT count(*) FROM attributes").fetchone() == (0,)


def test_keys_and_values_are_parameters(connection: sqlite3.Connection) -> None:
    nasty = "x') OR 1=1 --"
    payloads = [{nasty: nasty, "data": nasty, "user_id": nasty}, {"k": 1}]
    for seq, payload in enumerate(payloads):
        insert(connection, seq, payload)
    for operator in ("eq", "ne", "gte", "contains", "icontains"):
        for key in (nasty, "data", "user_id"):
            filters = parse_filters({key: {operator: nasty}})
            assert nasty not in to_sql(filters)[0]
            check(connection, payloads, filters)


def test_condition_on_a_scope_id_can_use_an_index(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX by_user ON memories (user_id)")
    for operand in ("a", {"in": ["a", "b"]}):
        sql, parameters = to_sql(parse_filters({"user_id": operand, "k": "*"}))
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT m.seq FROM memories m WHERE {sql}", parameters).fetchall()
        assert "USING INDEX by_user" in str(plan) or "USING COVERING INDEX by_user" in str(plan)


def test_largest_filters_run(connection: sqlite3.Connection) -> None:
    if sqlite3.sqlite_version_info < (3, 32):
        pytest.skip("SQLite before 3.32, as released, takes 999 parameters: about 330 conditions")
    payloads = [{"k": "a", "n": 1, "data": "text"}, {"k": "b"}]
    for seq, payload in enumerate(payloads):
        insert(connection, seq, payload)
    wide = [{"k": {"contains": "z"}}, {"data": {"contains": "z"}}, {"n": {"ne": 1}}, {"k": {"icontains": "z"}}]
    for group in ("AND", "OR", "NOT"):
        check(connection, payloads, parse_filters({group: wide * (MAX_CONDITIONS // 4)}))
    deep: dict[str, Any] = {"k": "a"}
    for level in range(MAX_DEPTH - 2):
        share = [{"data": {"contains": str(n)}} for n in range(MAX_CONDITIONS // MAX_DEPTH)]
        deep = {("AND", "OR", "NOT")[level % 3]: [*share, deep]}
    check(connection, payloads, parse_filters(deep))
    values = [f"v{n}" for n in range(MAX_IN_VALUES - 1)]
    check(connection, payloads, parse_filters({"k": {"in": [*values, "a"]}, "data": {"in": [*values, "text"]}}))
