"""The embedded store's SQL for filters picks the rows that ``matches`` picks."""

from __future__ import annotations

import json
import math
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from mem0.exceptions import FilterError
from mem0.filters import (
    GROUPS,
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
from mem0.types import RESERVED_KEYS
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


# --- random payloads and filters -------------------------------------------------------------------------------------

SIGNS = "ab AB%_*.\"'\\/[]{},:\n\r\t\x00\x01\x1f\x7f"
LETTERS = "ßſẞıİiIκΚςΣéE\u0301日\u2028\uffff\U0001f600\U00010400"
LITERALS = ["1", "1.0", "true", "null", "[1]", "\n1\n", "\\u0000", "\\", "\\\\u0000", "\0", "a\0", "a\0b", "*"]
TEXTS = st.text(st.sampled_from(SIGNS + LETTERS), max_size=4) | st.text(max_size=6) | st.sampled_from(LITERALS)
EDGES = [base + step for base in (2**53, -(2**53), 2**63, -(2**63), 2**64) for step in (-1025, -1, 0, 1, 1025)]
INTEGERS = st.integers(-3, 3) | st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1) | st.just(10**400)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [-0.0, 0.0, 1.0, 0.1, 0.30000000000000004, 5e-324, 1e22, 1e23, 1.7976931348623157e308, *map(float, EDGES)]
)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = ["k", "n", 'q"', "b\\s", "d.o.t", "$.k", "%", "*", "nul\0", "nul\0l", "😀", "seq", "line\n", "'", "ſ"]
OWN_KEYS = [key for key in RESERVED_KEYS if key != "_mem0"]


def in_filter(value: Any) -> Any:
    """Bring a payload's value into what a filter may hold."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(max(-(2**64), min(2**64, value)))
    if isinstance(value, list):
        return [in_filter(member) for member in value]
    if isinstance(value, dict):
        return {key: in_filter(member) for key, member in value.items()}
    return value


def near(dice: random.Random, value: Any) -> Any:
    """Return a value that a filter might confuse with this one."""
    if isinstance(value, bool):
        return dice.choice([value, not value, int(value), str(value).lower()])
    if isinstance(value, int):
        as_float = float(value) if abs(value) < 2**70 else 1e300
        return dice.choice([value, value + 1, value - 1, as_float, str(value), -value])
    if isinstance(value, float):
        turned = int(value) if value.is_integer() else repr(value)
        return dice.choice([value, -value, math.nextafter(value, 0.0), turned])
    if isinstance(value, str):
        start = dice.randint(0, len(value))
        piece = value[start : dice.randint(start, len(value))]
        return dice.choice([value, piece, value.upper(), value.casefold(), value + "\0", value[:-1], value + "a"])
    if isinstance(value, list) and value:
        return dice.choice([value, value[:-1], value[::-1], dice.choice(value), near(dice, dice.choice(value))])
    if isinstance(value, dict) and value:
        key = dice.choice(sorted(value))
        return dice.choice([value, {**value, key: near(dice, value[key])}, key])
    return dice.choice([value, "", "null", False, [], {}])


def is_filterable(key: str) -> bool:
    return bool(key.strip()) and key not in RESERVED_KEYS and key.lstrip("$").upper() not in GROUPS


def some_payload(dice: random.Random, values: list[Any], texts: list[str]) -> dict[str, Any]:
    payload: dict[str, Any] = {key: dice.choice([*texts, None]) for key in dice.sample(OWN_KEYS, dice.randint(0, 4))}
    for key in dice.sample([*KEYS, *filter(is_filterable, texts)], dice.randint(0, 5)):
        payload[key] = dice.choice(values) if dice.random() < 0.7 else near(dice, dice.choice(values))
    return {**payload, "_mem0": {"k": 1}}


def some_operand(dice: random.Random, operator: str, values: list[Any], texts: list[str]) -> Any:
    """Return what the operator takes, close to one of the values where that is possible."""
    close = in_filter(near(dice, in_filter(dice.choice(values))))
    if operator in ("eq", "ne"):
        return close
    if operator in ("in", "nin"):
        return [close, *(in_filter(near(dice, in_filter(value))) for value in dice.sample(values, len(values) // 2))]
    if operator == "contains" and isinstance(close, list) and close:
        close = dice.choice(close)
    if operator == "icontains":
        while isinstance(close, list) and close:
            close = dice.choice(close)
        return dice.choice([close.upper(), close.casefold()]) if isinstance(close, str) else dice.choice(texts)
    is_scalar = isinstance(close, (str, int, float)) and not isinstance(close, bool)
    return close if is_scalar else dice.choice([*texts, 0, -1, 0.5])


def some_condition(dice: random.Random, payloads: list[dict[str, Any]], values: list[Any]) -> dict[str, Any]:
    """One condition, mostly about a key that some payload has and values close to those there."""
    texts = [value for value in values if isinstance(value, str)]
    present = [(key, value) for payload in payloads for key, value in payload.items() if key != "_mem0"]
    key = dice.choice(OWN_KEYS + KEYS)
    if present and dice.random() < 0.95:
        key = dice.choice(present)[0]
    there = [value for name, value in present if name == key]
    values = there if there and dice.random() < 0.8 else values
    operator = dice.choice(["*", "plain", *OPERATORS])
    if operator == "*":
        return {key: "*"}
    if operator == "plain":
        plain = some_operand(dice, "eq", values, texts)
        return {key: {"eq": plain} if isinstance(plain, dict) else plain}
    return {key: {operator: some_operand(dice, operator, values, texts)}}


def some_filter(
    dice: random.Random, payloads: list[dict[str, Any]], values: list[Any], level: int = 0
) -> dict[str, Any]:
    if level == 3 or dice.random() < 0.5:
        return some_condition(dice, payloads, values)
    members = [some_filter(dice, payloads, values, level + 1) for _ in range(dice.randint(0, 3))]
    kind = dice.choice(["AND", "OR", "NOT", "not this", "entries"])
    if kind == "not this":
        return {"NOT": members[0] if members else {}}
    if kind == "entries":
        return {key: value for member in members for key, value in member.items()}
    return {kind: members}


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Payloads and filters over them.

    Hypothesis draws the values; which goes where is rolled with equal chances, as its own choices are mostly the
    first ones: too few conditions would hold of any row.
    """
    values = draw(st.lists(VALUES, min_size=1, max_size=6))
    texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
    dice = draw(st.randoms(use_true_random=True))
    payloads = [some_payload(dice, [*values, *texts], texts) for _ in range(draw(st.integers(1, 6)))]
    return payloads, [some_filter(dice, payloads, [*values, *texts]) for _ in range(draw(st.integers(1, 6)))]


CASES = cases()


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
