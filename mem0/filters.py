"""The filter language: what can be asked of a memory's payload, and what the question means.

A filter is written as a dict, parsed once by :func:`parse_filters` into the nodes below, and translated from the
nodes by each store.  :func:`matches` is the definition: where a translation disagrees with it, the translation is
wrong.  Nothing here touches a store.

    {"user_id": "alice", "stars": {"gte": 3, "lt": 5}, "NOT": [{"topic": "work"}, {"topic": "money"}]}

Entries of one dict are ANDed, and so are several operators on one key; a plain value means ``eq``.  ``"*"`` as the
value of a metadata key means "has this key" (write ``{"eq": "*"}`` for the text itself); for the library's own keys
it is a text like any other.  ``ne``, ``nin`` and ``NOT`` are exact complements, so rows without the key match them.
Values of different types never compare: text with text, numbers with numbers, and booleans are no numbers.
"""

from __future__ import annotations

import difflib
import math
import operator as _python
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from mem0.exceptions import FilterError
from mem0.text import quoted
from mem0.times import stored_form
from mem0.types import RESERVED_KEYS

OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "icontains")
GROUPS = ("AND", "OR", "NOT")
COMPLEMENTS = {"ne": "eq", "nin": "in"}
"""Operators that are the negation of another one, rows without the key included."""

MAX_DEPTH = 20
MAX_CONDITIONS = 500
MAX_IN_VALUES = 5_000

# The library's own times are UTC text, whatever form the user knows them in.
_TIMES = ("created_at", "updated_at", "expiration_date")

_ORDERINGS = {"gt": _python.gt, "gte": _python.ge, "lt": _python.lt, "lte": _python.le}
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Compare:
    """``key`` compared with ``value``; ``operator`` is one of :data:`OPERATORS`, ``value`` plain JSON."""

    key: str
    operator: str
    value: Any


@dataclass(frozen=True)
class HasKey:
    """The payload has ``key``, whatever its value (``None`` included)."""

    key: str


@dataclass(frozen=True)
class And:
    """Every member matches; without members: everything."""

    members: tuple[Filter, ...]


@dataclass(frozen=True)
class Or:
    """At least one member matches; without members: nothing."""

    members: tuple[Filter, ...]


@dataclass(frozen=True)
class Not:
    """``member`` does not match.  A ``NOT`` list is ``Not(Or(...))``: what matches any of its members is left out."""

    member: Filter


Filter = Compare | HasKey | And | Or | Not


# --- meaning ---------------------------------------------------------------------------------------------------------


def matches(filters: Filter | None, payload: Mapping[str, Any]) -> bool:
    """Say whether a payload is what a filter asks for.

    Args:
        filters: A parsed filter; ``None`` matches everything.
        payload: A memory's flat payload, plain JSON values as ``json.loads`` gives them.
    """
    if filters is None:
        return True
    if isinstance(filters, And):
        return all(matches(member, payload) for member in filters.members)
    if isinstance(filters, Or):
        return any(matches(member, payload) for member in filters.members)
    if isinstance(filters, Not):
        return not matches(filters.member, payload)
    if isinstance(filters, Compare) and filters.operator in COMPLEMENTS:
        return not matches(Compare(filters.key, COMPLEMENTS[filters.operator], filters.value), payload)
    if filters.key not in payload or (filters.key in RESERVED_KEYS and payload[filters.key] is None):
        return False  # the library's own keys are text or absent, and other writers put null for absent
    return isinstance(filters, HasKey) or _holds(payload[filters.key], filters.operator, filters.value)


def _holds(actual: Any, operator: str, expected: Any) -> bool:
    if operator == "eq":
        return _same(actual, expected)
    if operator == "in":
        return any(_same(actual, value) for value in expected)
    if operator == "contains":
        if isinstance(actual, list):
            return any(_same(member, expected) for member in actual)
        return isinstance(actual, str) and isinstance(expected, str) and expected in actual
    if operator == "icontains":
        folded = expected.casefold()
        if isinstance(actual, list):
            return any(isinstance(member, str) and member.casefold() == folded for member in actual)
        return isinstance(actual, str) and folded in actual.casefold()
    compare = _ORDERINGS[operator]
    if isinstance(actual, str) and isinstance(expected, str):
        return bool(compare(actual, expected))
    return _is_number(actual) and _is_number(expected) and bool(compare(plain_number(actual), plain_number(expected)))


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, but True is not 1, at any depth."""
    if _is_number(left) and _is_number(right):
        return plain_number(left) == plain_number(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is right and (left is None or isinstance(left, bool))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain_number(number: int | float) -> int | float:
    """Return a number as it compares: an integer beyond 64 bits counts as the nearest double, else it is itself.

    No filter can hold such an integer and few stores can, but a payload may.
    """
    if isinstance(number, int) and not _SMALLEST_INTEGER <= number <= _LARGEST_INTEGER:
        return float(str(number))  # float(number) raises where this rounds to infinity
    return number


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_filters(filters: Mapping[str, Any] | Filter | None) -> Filter | None:
    """Parse the dict form of a filter; a filter that is parsed already is returned as it is.

    The caller's dict is neither changed nor kept.

    Returns:
        The filter, or ``None`` where there is nothing to filter by (``None`` or ``{}``).

    Raises:
        FilterError: The dict is not in the filter language; the message names the place in it.
    """
    if filters is None or isinstance(filters, (Compare, HasKey, And, Or, Not)):
        return filters
    if not isinstance(filters, Mapping):
        _refuse("filters", filters, "filters are a dict", 'write {"key": value}')
    return _Parser().filter(filters, "filters", 1) if filters else None


class _Parser:
    """One walk over a filter; the number of its conditions is counted over all of it."""

    def __init__(self) -> None:
        self._conditions = 0

    def filter(self, filters: Mapping[Any, Any], path: str, depth: int) -> Filter:
        _check_depth(path, depth)
        members: list[Filter] = []
        for key, value in filters.items():
            if key in GROUPS:
                members.append(self._group(key, value, f"{path}.{key}", depth))
            else:
                members.extend(self._entry(key, value, path, depth))
        if not members:
            self._count(path)
        return members[0] if len(members) == 1 else And(tuple(members))

    def _group(self, name: str, value: object, path: str, depth: int) -> Filter:
        if name == "NOT" and isinstance(value, Mapping):
            # NOT {} leaves nothing out, as NOT [] does.
            return Not(self.filter(value, path, depth + 1) if value else self._members(Or, [], path, depth))
        if not isinstance(value, (list, tuple)):
            _refuse(path, value, f"{name} needs a list of filters", f'write {{"{name}": [{{...}}, ...]}}')
        if name == "NOT":
            return Not(self._members(Or, value, path, depth))
        return self._members(And if name == "AND" else Or, value, path, depth)

    def _members(self, group: type[And | Or], filters: list[Any] | tuple[Any, ...], path: str, depth: int) -> Filter:
        if not filters:
            self._count(path)
        members: list[Filter] = []
        for index, member in enumerate(filters):
            here = f"{path}[{index}]"
            if not isinstance(member, Mapping):
                _refuse(here, member, "a member of AND, OR or NOT is a filter itself", 'write {"key": value}')
            members.append(self.filter(member, here, depth + 1))
        return group(tuple(members))

    def _entry(self, key: object, value: object, path: str, depth: int) -> list[Filter]:
        if not isinstance(key, str):
            _refuse(path, key, "a key is text", 'write {"key": value}')
        here = _below(path, key)
        _check_unicode(here, key)
        if not key.strip():
            _refuse(here, key, "the key is blank", "name a payload key")
        if key == "_mem0":
            _refuse(here, value, "_mem0 is the library's own key", "filter by another key")
        _check_group_name(here, key, value)
        if isinstance(value, Mapping):
            return self._comparisons(key, value, here, depth)
        if isinstance(value, str) and value == "*" and key not in RESERVED_KEYS:
            self._count(here)
            return [HasKey(key)]
        return [self._compare(key, "eq", value, here, depth)]

    def _comparisons(self, key: str, comparisons: Mapping[Any, Any], path: str, depth: int) -> list[Filter]:
        for name, value in comparisons.items():
            if name not in OPERATORS:
                is_value = not any(operator in comparisons for operator in OPERATORS)
                as_value = '; to compare with a dict as a value, write {"eq": {...}}' if is_value else ""
                known = ", ".join(OPERATORS)
                written = name if isinstance(name, str) else quoted(name)
                nearest = difflib.get_close_matches(written.lower(), OPERATORS, n=1)
                guess = f"did you mean {nearest[0]!r}? " if nearest else ""
                cause = f"{_shown(name)} is not an operator"
                _refuse(f"{path}[{_shown(name)}]", value, cause, f"{guess}the operators are {known}{as_value}")
        if not comparisons:
            _refuse(path, comparisons, "no operator is given", 'write {"eq": {}} to compare with an empty dict')
        return [self._compare(key, name, value, f"{path}.{name}", depth + 1) for name, value in comparisons.items()]

    def _compare(self, key: str, operator: str, value: object, path: str, depth: int) -> Compare:
        self._count(path)
        if key in _TIMES and operator not in ("contains", "icontains"):
            if isinstance(value, (list, tuple)):
                value = [stored_form(key, each) for each in value]
            else:
                value = stored_form(key, value)
        _check_operand(path, operator, value)
        return Compare(key, operator, _checked(value, path, depth))

    def _count(self, path: str) -> None:
        # A group without members counts too, so this bounds what a store is asked to evaluate.
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise FilterError(
                f"{path}: the filter has more than {MAX_CONDITIONS} conditions; use in for lists of values"
            )


def _check_operand(path: str, operator: str, value: object) -> None:
    if operator in ("in", "nin"):
        if not isinstance(value, (list, tuple)):
            _refuse(path, value, f"{operator} needs a list", f'write {{"{operator}": [...]}}, or use eq')
        if len(value) > MAX_IN_VALUES:
            cause = f"{len(value):,} values are more than the {MAX_IN_VALUES:,} one list may hold"
            _refuse(path, value, cause, "ask in several calls")
    elif operator == "icontains":
        if not isinstance(value, str):
            _refuse(path, value, "icontains needs text", "use contains or eq for other values")
    elif operator not in ("eq", "ne") and (value is None or isinstance(value, (bool, list, tuple, Mapping))):
        remedy = "for several values use AND or OR" if isinstance(value, (list, tuple)) else "use eq, ne or in"
        _refuse(path, value, f"{operator} needs text or a number", remedy)


def _check_group_name(path: str, key: str, value: object) -> None:
    """Refuse what was meant as AND, OR or NOT and would silently mean a metadata key."""
    name = key.lstrip("$").upper()
    if name not in GROUPS:
        return
    if key.startswith("$"):
        _refuse(path, value, f"{key!r} is not in this filter language", f"write {name}")
    is_comparison = isinstance(value, Mapping) and any(operator in value for operator in OPERATORS)
    if isinstance(value, (list, tuple, Mapping)) and not is_comparison:
        remedy = f'write {name} (or {{"eq": ...}} around the value, if {key!r} is a metadata key)'
        _refuse(path, value, "groups are written in capitals", remedy)


def _checked(value: object, path: str, depth: int) -> Any:
    """Return a copy of a value that is plain JSON, as every store can hold it."""
    _check_depth(path, depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _check_unicode(path, value)
        return value
    if isinstance(value, int):
        if not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
            _refuse(path, value, "the integer does not fit into 64 bits", "use a float, or text on both sides")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse(path, value, "the number is not finite", "JSON has no such number; leave the condition out")
        return value
    if isinstance(value, (list, tuple)):
        return [_checked(member, f"{path}[{index}]", depth + 1) for index, member in enumerate(value)]
    if isinstance(value, Mapping):
        return {key: _checked(value[key], _checked_key(key, path), depth + 1) for key in value}
    if hasattr(value, "isoformat"):
        remedy = "pass the text it is stored as, such as value.isoformat()"
    elif isinstance(value, (set, frozenset)):
        remedy = "pass a list"
    else:
        remedy = "use text, a number, a boolean, None, a list or a dict"
    _refuse(path, value, "a value of this type cannot be compared", remedy)


def _checked_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        _refuse(path, key, "a key inside a value is text", 'write {"key": value}')
    here = _below(path, key)
    _check_unicode(here, key)
    return here


def _check_unicode(path: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        cause = f"not valid Unicode (a lone surrogate at character {error.start})"
        raise FilterError(_message(path, text, cause, "decode the text it came from correctly")) from error


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        # The path is as long as the filter is deep: its beginning says enough.
        start = f"{path[:80]}…" if len(path) > 80 else path
        raise FilterError(f"{start}: nested deeper than {MAX_DEPTH} levels; write it flatter")


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() and len(key) <= 40 else f"{path}[{reprlib.repr(key)}]"


def _refuse(path: str, value: object, cause: str, remedy: str) -> NoReturn:
    raise FilterError(_message(path, value, cause, remedy))


def _message(path: str, value: object, cause: str, remedy: str) -> str:
    return f"{path} = {_shown(value)}: {cause}; {remedy}"


def _shown(value: object) -> str:
    """Show a scalar shortened and anything else by its type: a foreign object's ``repr`` may be huge, or raise."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"<int of {value.bit_length()} bits>"
    if value is None or isinstance(value, (str, int, float)):
        return reprlib.repr(value)
    return f"<{type(value).__name__}>"
