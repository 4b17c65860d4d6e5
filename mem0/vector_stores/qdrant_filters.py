"""Filters as Qdrant has them: what it can leave out by itself, so that only the rest is looked at here.

Qdrant compares otherwise than the filter language does (a list matches by any of its members, numbers and texts by
rules of its own), so its filter may let through rows that :func:`mem0.filters.matches` does not: it never leaves out
one that does, and the store looks at each row that comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from qdrant_client import models

from mem0.filters import COMPLEMENTS, And, Compare, Filter, Not, Or
from mem0.types import RESERVED_KEYS, SCOPE_KEYS

# Of an integer beyond this, a double does not hold every digit, and Qdrant's ranges are doubles.
_LARGEST_EXACT = 2**53

# Other keys would be read as paths, or need quotes that versions read differently.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


class Filterable(NamedTuple):
    """By which keys of a collection Qdrant can filter.

    Attributes:
        indexes: The keys that are indexed, with the type of the index, such as ``keyword``.
        indexed_only: Whether it refuses to filter by others, as in the strict mode of its cloud.
    """

    indexes: Mapping[str, str] = {}
    indexed_only: bool = False

    def by(self, key: str, kind: Literal["keyword", "float", "bool"]) -> bool:
        """Tell whether it can be asked for values of a kind, and then leaves out none of them.

        Where there is an index it looks into nothing else: one for integers lacks 4.5, one for dates all numbers.
        """
        index = self.indexes.get(key)
        if self.indexed_only:
            return index == kind
        return kind != "float" or index not in ("integer", "datetime")


class Pushed(NamedTuple):
    """What Qdrant is asked to leave out.

    Attributes:
        filter: Its filter; ``None`` lets everything through.
        says_all: Whether it lets through nothing but what matches.
    """

    filter: models.Filter | None
    says_all: bool


def pushed(filters: Filter | None, able: Filterable) -> Pushed:
    """Return what of a filter Qdrant can see to, in a collection that can be filtered so."""
    if filters is None:
        return Pushed(None, True)
    exact = _exact(filters, able)
    over = exact if exact is not None else _over(filters, able)
    if over is None:
        return Pushed(None, False)
    return Pushed(over if isinstance(over, models.Filter) else models.Filter(must=[over]), exact is not None)


def _exact(node: Filter, able: Filterable) -> models.Condition | None:
    """Return a condition that holds for the rows that match and no others; ``None`` where there is none.

    There is one only for the library's own keys, which hold one text or are absent.
    """
    if isinstance(node, Not):
        member = _exact(node.member, able)
        return None if member is None else models.Filter(must_not=[member])
    if isinstance(node, (And, Or)):
        members = [_exact(member, able) for member in node.members]
        known = [member for member in members if member is not None]
        if not known or len(known) < len(members):
            return None
        return models.Filter(must=known) if isinstance(node, And) else models.Filter(should=known)
    if not isinstance(node, Compare) or node.key not in SCOPE_KEYS or not able.by(node.key, "keyword"):
        return None
    if node.operator in COMPLEMENTS:
        member = _exact(Compare(node.key, COMPLEMENTS[node.operator], node.value), able)
        return None if member is None else models.Filter(must_not=[member])
    values = node.value if node.operator == "in" else [node.value]
    if node.operator not in ("eq", "in") or not values or not all(isinstance(value, str) for value in values):
        return None
    return models.FieldCondition(key=node.key, match=models.MatchAny(any=list(values)))


def _over(node: Filter, able: Filterable) -> models.Condition | None:
    """Return a condition that holds at least for the rows that match; ``None`` where it would hold for all."""
    exact = _exact(node, able)
    if exact is not None:
        return exact
    if isinstance(node, And):
        members = [_over(member, able) for member in node.members]
        known = [member for member in members if member is not None]
        return models.Filter(must=known) if known else None
    if isinstance(node, Or):
        members = [_over(member, able) for member in node.members]
        known = [member for member in members if member is not None]
        return models.Filter(should=known) if known and len(known) == len(members) else None
    if not isinstance(node, Compare) or node.key in RESERVED_KEYS or not _PLAIN_KEY.match(node.key):
        return None
    if node.operator == "in":
        options = [_equal(node.key, value, able) for value in node.value]
        known = [option for option in options if option is not None]
        return models.Filter(should=known) if known and len(known) == len(options) else None
    if node.operator == "eq" or (node.operator == "contains" and not isinstance(node.value, str)):
        return _equal(node.key, node.value, able)
    if node.operator in ("gt", "gte", "lt", "lte") and _is_exact_number(node.value) and able.by(node.key, "float"):
        limit = "gte" if node.operator.startswith("g") else "lte"
        return models.FieldCondition(key=node.key, range=models.Range(**{limit: float(node.value)}))
    return None


def _equal(key: str, value: object, able: Filterable) -> models.Condition | None:
    if isinstance(value, (str, bool)) and able.by(key, "bool" if isinstance(value, bool) else "keyword"):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    if _is_exact_number(value) and able.by(key, "float"):
        number = float(value)  # type: ignore[arg-type]
        return models.FieldCondition(key=key, range=models.Range(gte=number, lte=number))
    return None


def _is_exact_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_EXACT
