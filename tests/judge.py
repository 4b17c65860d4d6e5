"""Whose memory is whose, in plain dicts and lists: what the property tests of isolation compare a memory with.

Nothing of the library is used but :func:`mem0.text.same_text`, the documented rule of duplicates.  What is said here of
scopes, identities, filters, histories and expiry is `DESIGN.md` once more, as short and as slow as it can be said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mem0.text import same_text

KEYS = ("user_id", "agent_id", "run_id")

#: Ids that a careless library takes for something else, or for one another.
HOSTILE_IDS = [
    *("a", "A", "ａ", "а", "á", "a\u0301", "a ", " a", "a\u200b", "\u202ea", "a\u00a0b"),
    *("ß", "ss", "SS", "ſs", "ﬁ", "fi", "K", "k", "İ", "i\u0307", "ı", "Σ", "ς", "李", "😀"),
    *("*", "**", "%", "a%", "_", "?", "[a]", "a_b", "a-b", "a*", ".*", "^a$", "\\", "\\%", "a\\"),
    *("a&b", "a|b", "a=b&run_id=r", "user_id", "agent_id", "run_id", "user_id=a", "$.user_id", "{user_id}", "$ne", "."),
    *("'", "''", '"', "a'b", "' OR '1'='1", "'; DROP TABLE memories; --", "a) OR (1", "a/*", "--", "x'61'", "NULL"),
    *('{"eq": "a"}', '["a"]', '"a"', "{}", "[]", "null", "None", "true", "0", "00", "1", "1.0", "-1", "1e0", "NaN"),
    *("a/b", "../a", "a\u2028b", "a,b", "a;b", "a:b", "a\u0378", "\uffff", "\ufffd", "data", "_mem0", "AND", "default"),
    *("x" * 512, "x" * 511 + "y", "x" * 511, "ü" * 256, "𐀀" * 128),
]

_ABSENT = object()
_EVENT = {"ADD": 0, "UPDATE": 0, "DELETE": 1}


@dataclass
class Kept:
    """One memory.

    Attributes:
        owner: Its identity: the ids it has.
        text: What it says.
        role: Who said it, where it is a verbatim turn.
        metadata: The user's own.
        created: When it was said.
        updated: When it was written last.
        ends: When it expires.
        number: Which one it is, in order of insertion.
    """

    id: str
    owner: dict[str, str]
    text: str
    role: str | None
    metadata: dict[str, Any]
    created: datetime
    updated: datetime
    ends: datetime | None
    number: int

    def is_alive(self, now: datetime) -> bool:
        return self.ends is None or self.ends > now

    def as_told(self) -> dict[str, Any]:
        """Return it as users get it."""
        told: dict[str, Any] = {
            "id": self.id,
            "memory": self.text,
            "hash": hashlib.md5(self.text.encode()).hexdigest(),
            "metadata": self.metadata,
            "created_at": self.created.isoformat(timespec="microseconds"),
            "updated_at": self.updated.isoformat(timespec="microseconds"),
            **self.owner,
        }
        if self.role is not None:
            told["role"] = self.role
        if self.ends is not None:
            told["expiration_date"] = self.ends.isoformat(timespec="microseconds")
        return told


@dataclass
class Judge:
    """All memories there are, and everything that ever happened to them.

    Attributes:
        rows: The memories by id.
        events: By id, what a memory's history must be: event, text before, text after, is it deleted.
        owners: By id, whose it is, or was.
    """

    rows: dict[str, Kept] = field(default_factory=dict)
    events: dict[str, list[tuple[str, str | None, str | None, int]]] = field(default_factory=dict)
    owners: dict[str, dict[str, str]] = field(default_factory=dict)
    count: int = 0

    # -- reading ------------------------------------------------------------------------------------

    def within(
        self, scope: Mapping[str, str], filters: Mapping[str, Any] | None = None, alive_at: datetime | None = None
    ) -> list[Kept]:
        """Return what is seen in a scope, newest first: every id given is equal, others match anything."""
        found = [
            row
            for row in self.rows.values()
            if covers(scope, row.owner)
            and (alive_at is None or row.is_alive(alive_at))
            and holds(filters or {}, {**row.metadata, **row.owner})
        ]
        return sorted(found, key=lambda row: (row.created, row.number), reverse=True)

    def history(self, id: str, scope: Mapping[str, str]) -> list[tuple[str, str | None, str | None, int]]:
        return list(self.events.get(id, [])) if covers(scope, self.owners.get(id, {})) else []

    def same(
        self, owner: Mapping[str, str], text: str, role: str | None, ends: datetime | None, now: datetime
    ) -> list[Kept]:
        """Return the memories of an identity that say this already, and for as long as it is to hold."""
        return [
            row
            for row in self.rows.values()
            if row.owner == owner
            and row.role == role
            and same_text(row.text) == same_text(text)
            and (row.ends is None or (row.is_alive(now) and ends is not None and ends <= row.ends))
        ]

    # -- writing ------------------------------------------------------------------------------------

    def add(self, row: Kept) -> None:
        assert row.id not in self.owners, "an id is given once"
        self.rows[row.id] = row
        self.owners[row.id] = row.owner
        self._note(row.id, "ADD", None, row.text)

    def update(self, id: str, text: str, metadata: Mapping[str, Any], now: datetime) -> None:
        row = self.rows[id]
        self._note(id, "UPDATE", row.text, text)
        merged = {**row.metadata, **metadata}
        row.metadata = {key: value for key, value in merged.items() if value is not None or key not in metadata}
        row.text, row.updated = text, now

    def delete(self, id: str) -> None:
        row = self.rows.pop(id)
        self._note(id, "DELETE", row.text, None)

    def purge(self, ids: Iterable[str]) -> int:
        """Forget memories and their history; return how many rows of history there were."""
        removed = 0
        for id in ids:
            self.rows.pop(id, None)
            removed += len(self.events.pop(id, []))
        return removed

    def everybody(self, scope: Mapping[str, str]) -> list[str]:
        """Return the ids of all memories that are, or were, in a scope."""
        return [id for id, owner in self.owners.items() if covers(scope, owner)]

    def _note(self, id: str, event: str, before: str | None, after: str | None) -> None:
        self.events.setdefault(id, []).append((event, before, after, _EVENT[event]))


def covers(scope: Mapping[str, str], owner: Mapping[str, str]) -> bool:
    return all(owner.get(key) == value for key, value in scope.items())


# -- filters ------------------------------------------------------------------------------------------


def holds(filters: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Say whether a filter holds of a row: the user's metadata and the ids."""
    return all(_entry(key, value, row) for key, value in filters.items())


def _entry(key: str, value: Any, row: Mapping[str, Any]) -> bool:
    if key == "AND":
        return all(holds(member, row) for member in value)
    if key == "OR":
        return any(holds(member, row) for member in value)
    if key == "NOT":
        members = [value] if isinstance(value, dict) else value
        return not any(holds(member, row) for member in members)
    if value == "*" and key not in KEYS:
        return key in row
    tests = value if isinstance(value, dict) else {"eq": value}
    return all(_test(row.get(key, _ABSENT), operator, operand) for operator, operand in tests.items())


def _test(actual: Any, operator: str, operand: Any) -> bool:
    if operator == "ne":
        return not _equal(actual, operand)
    if operator == "nin":
        return not any(_equal(actual, one) for one in operand)
    if operator == "eq":
        return _equal(actual, operand)
    if operator == "in":
        return any(_equal(actual, one) for one in operand)
    if operator == "contains":
        if isinstance(actual, list):
            return any(_equal(one, operand) for one in actual)
        return isinstance(actual, str) and isinstance(operand, str) and operand in actual
    if operator == "icontains":
        if isinstance(actual, list):
            return any(isinstance(one, str) and one.casefold() == operand.casefold() for one in actual)
        return isinstance(actual, str) and operand.casefold() in actual.casefold()
    if _kind(actual) != _kind(operand) or _kind(operand) not in ("text", "number"):
        return False
    return {
        "gt": lambda: actual > operand,
        "gte": lambda: actual >= operand,
        "lt": lambda: actual < operand,
        "lte": lambda: actual <= operand,
    }[operator]()


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(_kind(one) == _kind(other) and one == other)
