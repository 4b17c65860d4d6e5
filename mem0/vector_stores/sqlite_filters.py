"""Filters as SQL, for the embedded store: always the rows :func:`mem0.filters.matches` would pick.

The SQL is an expression over ``memories m`` (``seq``, ``user_id``, ``agent_id``, ``run_id``, ``payload``).  The
user's metadata is not read out of ``payload``: SQLite's JSON functions round decimals and cut text at NUL, each
version in its own way.  It is kept beside it, one row per key, in ``attributes``:

* ``json``: the value in a form where equal values, and only those, have equal texts; a list's members stand on
  lines of their own, so that "has this member" is a search for a line (JSON never holds a bare line break).
* ``value``: the text or number itself, for order and substrings; ``NULL`` for every other type.

The reserved keys are text or absent: the scope ids are columns, the others are read from ``payload``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mem0.filters import (
    COMPLEMENTS,
    And,
    Compare,
    Filter,
    HasKey,
    Not,
    Or,
    matches,
    plain_number,
)
from mem0.types import RESERVED_KEYS, SCOPE_KEYS

if TYPE_CHECKING:
    import sqlite3

# The primary key is the only index: a filter is asked about rows of a scope, so it looks up a row's keys, and new
# rows go to the end of the tree.
CREATE_ATTRIBUTES = """
CREATE TABLE attributes (
    memory INTEGER NOT NULL REFERENCES memories (seq) ON DELETE CASCADE,
    key TEXT NOT NULL,
    json TEXT NOT NULL,
    value,
    PRIMARY KEY (memory, key)
) WITHOUT ROWID
"""

INSERT_ATTRIBUTE = "INSERT INTO attributes (memory, key, json, value) VALUES (?, ?, ?, ?)"
"""Takes the memory's ``seq`` followed by a row of :func:`attribute_rows`."""

_TEXTS = {key: f"m.{key}" if key in SCOPE_KEYS else f"json_extract(m.payload, '$.{key}')" for key in RESERVED_KEYS}
_ORDERINGS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def attribute_rows(payload: Mapping[str, Any]) -> list[tuple[str, str, str | int | float | None]]:
    """Return a memory's rows for ``attributes``, without the memory's number: ``(key, json, value)``.

    Args:
        payload: The flat payload, plain JSON values.  The rows replace all earlier ones of the memory.
    """
    rows = []
    for key, value in payload.items():
        if key in RESERVED_KEYS:
            continue
        plain = _plain(value)
        is_ordered = isinstance(plain, (str, int, float)) and not isinstance(plain, bool)
        rows.append((key, _json(plain), plain if is_ordered else None))
    return rows


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the one function the SQL of filters calls; without it, their statements don't compile.

    It runs for what SQL cannot do exactly: ``icontains`` (SQLite folds the case of ASCII only) and reserved text
    with a NUL in it (``json_extract`` cuts it there).
    """
    connection.create_function("mem0_matches", 2, _matches, deterministic=True)


def to_sql(filters: Filter | None) -> tuple[str, list[object]]:
    """Translate a filter.

    Returns:
        A boolean expression over ``m`` that is never ``NULL``, and the parameters for its ``?`` in order.
    """
    parameters: list[object] = []
    return _expression(filters, parameters), parameters


def _expression(filters: Filter | None, parameters: list[object]) -> str:
    if filters is None:
        return "1"
    if isinstance(filters, (And, Or)):
        word, empty = (" AND ", "1") if isinstance(filters, And) else (" OR ", "0")
        members = [_expression(member, parameters) for member in filters.members]
        return f"({word.join(members)})" if members else empty
    if isinstance(filters, Not):
        return f"NOT ({_expression(filters.member, parameters)})"
    if isinstance(filters, Compare) and filters.operator in COMPLEMENTS:
        positive = Compare(filters.key, COMPLEMENTS[filters.operator], filters.value)
        return f"NOT ({_expression(positive, parameters)})"
    return _reserved(filters, parameters) if filters.key in RESERVED_KEYS else _attribute(filters, parameters)


def _attribute(condition: Compare | HasKey, parameters: list[object]) -> str:
    parameters.append(condition.key)
    test = "" if isinstance(condition, HasKey) else f" AND {_attribute_test(condition, parameters)}"
    return f"EXISTS (SELECT 1 FROM attributes a WHERE a.memory = m.seq AND a.key = ?{test})"


def _attribute_test(condition: Compare, parameters: list[object]) -> str:
    """Return a test of the attribute ``a``; where it is ``NULL``, the surrounding ``EXISTS`` makes it false."""
    operator, value = condition.operator, condition.value
    if operator == "eq":
        parameters.append(_json(_plain(value)))
        return "a.json = ?"
    if operator == "in":
        parameters.append(_array(_json(_plain(member)) for member in value))
        return "a.json IN (SELECT e.value FROM json_each(?) e)"
    if operator == "contains":
        line = _line(_plain(value))
        if not isinstance(value, str):
            parameters.append(line)
            return "instr(a.json, ?)"
        parameters += [value, line]
        return "(typeof(a.value) = 'text' AND instr(a.value, ?) OR instr(a.json, ?))"
    if operator == "icontains":
        parameters.append(_condition(condition))
        return "mem0_matches(m.payload, ?)"
    parameters.append(value)
    types = "('text')" if isinstance(value, str) else "('integer', 'real')"
    return f"typeof(a.value) IN {types} AND a.value {_ORDERINGS[operator]} ?"


def _reserved(condition: Compare | HasKey, parameters: list[object]) -> str:
    text = _TEXTS[condition.key]
    if isinstance(condition, HasKey):
        return f"({text} IS NOT NULL)"
    if condition.operator == "icontains":
        parameters.append(_condition(condition))
        return "mem0_matches(m.payload, ?)"
    if condition.operator != "in" and not isinstance(condition.value, str):
        return "0"
    if condition.key in SCOPE_KEYS:
        return _reserved_test(text, condition, parameters)
    # json.dumps writes NUL as \u0000; the same six characters after a backslash are harmless, only slower.
    parameters.append(_condition(condition))
    test = _reserved_test(text, condition, parameters)
    return f"CASE WHEN instr(m.payload, '\\u0000') THEN mem0_matches(m.payload, ?) ELSE {test} END"


def _reserved_test(text: str, condition: Compare, parameters: list[object]) -> str:
    operator, value = condition.operator, condition.value
    if operator == "eq":
        parameters.append(value)
        return f"({text} IS ?)"  # never NULL, and unlike coalesce() it can use an index
    if operator == "in":
        members = [member for member in value if isinstance(member, str)]
        wanted = text
        if any("\0" in member for member in members):  # json_each would cut them
            wanted, members = f"hex({text})", [member.encode().hex().upper() for member in members]
        parameters.append(_array(members))
        return f"({text} IS NOT NULL AND {wanted} IN (SELECT e.value FROM json_each(?) e))"
    parameters.append(value)
    if operator == "contains":
        return f"coalesce(instr({text}, ?) > 0, 0)"
    return f"coalesce({text} {_ORDERINGS[operator]} ?, 0)"


def _plain(value: Any) -> Any:
    """Return a JSON value with equal numbers written alike: 1.0 and -0.0 as integers where they fit 64 bits."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = plain_number(value)
        is_integer = isinstance(number, float) and number.is_integer() and -(2**63) <= number < 2**63
        return int(number) if is_integer else number
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value


def _json(plain: Any) -> str:
    if isinstance(plain, list):
        return f"[{','.join(_line(member) for member in plain)}]"
    return _dumps(plain)


def _line(plain: Any) -> str:
    return f"\n{_dumps(plain)}\n"


def _dumps(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _array(texts: Iterable[str]) -> str:
    # One parameter however long the list is.  For json_each it holds no escape but \" and \\ where the texts are JSON
    # themselves.
    return json.dumps(list(texts))


def _condition(condition: Compare) -> str:
    return json.dumps([condition.key, condition.operator, condition.value])


def _matches(payload: str, condition: str) -> bool:
    key, operator, value = json.loads(condition)
    return matches(Compare(key, operator, value), json.loads(payload))
