"""Random payloads, and filters that are close to holding of them: for every translation of the filter language."""

from __future__ import annotations

import math
import random
from typing import Any

from hypothesis import strategies as st

from mem0.filters import GROUPS, OPERATORS
from mem0.types import RESERVED_KEYS

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

# Values that a store might confuse, close together and under keys that it can be asked for.
_SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [
        0,
        1,
        4,
        4.0,
        4.5,
        -0.0,
        0.1,
        2**53,
        2**53 + 1,
        -(2**63),
        1e300,
        "4",
        "",
        "a",
        "A",
        "日",
        "true",
        True,
        False,
        None,
    ]
)
_ALIKE = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(st.sampled_from("kn"), _SCALARS, max_size=2)
_IDS = st.sampled_from(["a", "A", "4", "", "日"])
_LIMITS = _SCALARS.filter(lambda value: value is not None and not isinstance(value, bool))
_CONDITIONS = st.one_of(
    st.tuples(st.sampled_from("kn"), st.sampled_from(["eq", "ne"]), _ALIKE),
    st.tuples(st.sampled_from("kn"), st.sampled_from(["in", "nin"]), st.lists(_ALIKE, max_size=3)),
    st.tuples(st.sampled_from("kn"), st.sampled_from(["gt", "gte", "lt", "lte", "contains"]), _LIMITS),
    st.tuples(st.sampled_from(["user_id", "run_id"]), st.sampled_from(["eq", "ne"]), _IDS),
    st.tuples(st.sampled_from(["user_id", "run_id"]), st.sampled_from(["in", "nin"]), st.lists(_IDS, max_size=3)),
).map(lambda condition: {condition[0]: {condition[1]: condition[2]}})
_COMPOUND = st.recursive(
    _CONDITIONS,
    lambda inner: st.dictionaries(st.sampled_from(GROUPS), st.lists(inner, max_size=3), min_size=1, max_size=1),
    max_leaves=4,
)
ALIKE_ROWS = st.lists(
    st.fixed_dictionaries({}, optional={"k": _ALIKE, "n": _ALIKE, "user_id": _IDS | st.none(), "run_id": _IDS}),
    min_size=4,
    max_size=12,
)
ALIKE_FILTERS = st.lists(_COMPOUND, min_size=4, max_size=12)
