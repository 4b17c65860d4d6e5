"""The embedded store's rows, one statement at a time: written, removed, read for the index, and asked for.

Everything here works on a connection that somebody else has opened a transaction on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mem0.exceptions import ValidationError
from mem0.filters import And, Compare, Filter, parse_filters
from mem0.times import expires_at, said_at
from mem0.traits import Traits
from mem0.types import RESERVED_KEYS, SCOPE_KEYS, Change, Embedder, Scope, own_notes
from mem0.vector_stores.base import checked_vector
from mem0.vector_stores.sqlite_check import checksum, is_readable, terms
from mem0.vector_stores.sqlite_filters import INSERT_ATTRIBUTE, attribute_rows, to_sql
from mem0.vector_stores.sqlite_index import Row
from mem0.vector_stores.sqlite_schema import TOMBSTONES_KEPT

# SQLite's oldest supported limit on parameters is 32,766; statements stay far below it.
_AT_ONCE = 500

_PUT_VECTOR = "INSERT OR REPLACE INTO vectors (seq, vector, terms, checksum, traits, late) VALUES (?, ?, ?, ?, ?, ?)"


class Collection(NamedTuple):
    """A row of the collections table.

    Attributes:
        number: Its key in the other tables.
        changed: How many commits there were.
        forgotten: The newest of them whose deletions are no longer listed.
        embedder: What made the vectors.
    """

    number: int
    changed: int
    forgotten: int
    embedder: Embedder


def read_collection(connection: sqlite3.Connection, name: str) -> Collection | None:
    """Return a collection as it is now, or ``None``."""
    row = connection.execute(
        "SELECT id, changed, forgotten, dims, model, provider FROM collections WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    number, changed, forgotten, dims, model, provider = row
    return Collection(number, changed, forgotten, Embedder(dims, model, provider))


def put_row(connection: sqlite3.Connection, collection: Collection, changed: int, change: Change) -> None:
    """Write one row with its vector, search terms and attributes; an id that is there keeps its place."""
    payload, vector = change.payload, change.vector
    stored = _json(payload)
    if vector is not None:
        vector = checked_vector(vector, collection.embedder.dims, f"row {change.id!r}").astype("<f4", copy=False)
    ours = own_notes(payload)
    traits = Traits.of(payload).to_bytes()
    late = None if change.tokens is None else change.tokens.tobytes()
    words = terms(payload)
    columns = (
        *(_text(payload, key) for key in SCOPE_KEYS),
        said_at(payload),
        expires_at(payload),
        ours.get("fingerprint"),
        bool(ours.get("turn")),
        ours.get("dense", True),
        changed,
        stored,
    )
    present = connection.execute(
        "SELECT seq FROM memories WHERE collection = ? AND id = ?", (collection.number, change.id)
    ).fetchone()
    if present is None:
        if vector is None:
            raise ValidationError(f"row {change.id!r} is new and needs a vector")
        seq = connection.execute(
            "INSERT INTO memories (user_id, agent_id, run_id, created, expires, fingerprint, turn, dense, changed,"
            " payload, collection, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*columns, collection.number, change.id),
        ).lastrowid
    else:
        (seq,) = present
        connection.execute(
            "UPDATE memories SET user_id = ?, agent_id = ?, run_id = ?, created = ?, expires = ?, fingerprint = ?,"
            " turn = ?, dense = ?, changed = ?, payload = ? WHERE seq = ?",
            (*columns, seq),
        )
        connection.execute("DELETE FROM attributes WHERE memory = ?", (seq,))
    if vector is None:
        connection.execute("UPDATE vectors SET terms = ?, traits = ? WHERE seq = ?", (words, traits, seq))
    else:
        raw = vector.tobytes()
        connection.execute(_PUT_VECTOR, (seq, raw, words, checksum(raw, late), traits, late))
    if attributes := attribute_rows(payload):
        connection.executemany(INSERT_ATTRIBUTE, ((seq, *row) for row in attributes))


def remove_rows(connection: sqlite3.Connection, number: int, changed: int, ids: Sequence[str]) -> None:
    """Delete rows and leave their numbers, so that images in other processes can drop them."""
    for some in chunks(ids):
        where = f"collection = ? AND id IN ({marks(some)})"
        connection.execute(
            f"INSERT INTO removals (collection, changed, seq) SELECT collection, ?, seq FROM memories WHERE {where}",
            (changed, number, *some),
        )
        connection.execute(f"DELETE FROM memories WHERE {where}", (number, *some))
    forgotten = changed - TOMBSTONES_KEPT
    if forgotten > 0:
        connection.execute("DELETE FROM removals WHERE collection = ? AND changed <= ?", (number, forgotten))
        connection.execute("UPDATE collections SET forgotten = ? WHERE id = ?", (forgotten, number))


def index_rows(connection: sqlite3.Connection, where: str, values: Sequence[Any], dims: int) -> list[Row]:
    """Return what the index needs to know of the rows ``m`` that a condition holds for.

    Raises:
        ValueError: A row is not what was stored.
    """
    found = connection.execute(
        "SELECT m.id, m.seq, m.user_id, m.agent_id, m.run_id, m.created, m.expires, m.turn, m.dense,"
        " v.vector, v.late, v.checksum, v.terms, v.traits"
        f" FROM memories m JOIN vectors v ON v.seq = m.seq WHERE {where}",
        values,
    )
    rows = []
    for id, seq, *ids, created, expires, turn, dense, vector, late, noted, words, traits in found:
        if not is_readable(vector, late, noted, words, traits, dims):
            raise ValueError(f"memory {id!r}: its vectors, search terms or traits are damaged")
        rows.append(
            Row(seq, Scope(*ids), created, expires, bool(turn), bool(dense), vector, words, traits, late or b"")
        )
    return rows


def numbers_of(vector: Sequence[float], what: str) -> NDArray[Any]:
    """Return a vector as an array, not yet checked for its size."""
    try:
        return np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{what}: its vector is not a flat list of numbers: {error}") from error


def _text(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if value is not None and not isinstance(value, str):
        raise ValidationError(f"payload key {key!r} is {value!r}; it must be text")
    return value


def _json(payload: dict[str, Any]) -> str:
    for key in RESERVED_KEYS[:-1]:
        _text(payload, key)
    if not isinstance(payload.get("_mem0", {}), dict):
        raise ValidationError(f"payload key '_mem0' is {payload['_mem0']!r}; it is the library's own, a dict")
    try:
        return json.dumps(payload, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the payload cannot be stored as JSON: {error}") from error


def where_matching(name: str, filters: Mapping[str, Any] | None, alive_at: float | None) -> tuple[str, list[Any]]:
    """Return the condition on ``memories m`` for rows of a collection that match."""
    condition = parse_filters(filters)
    scope = narrowed(Scope(), condition)
    where = f"m.collection = (SELECT id FROM collections WHERE name = ?){scope_sql(scope)}"
    values: list[Any] = [name, *scope.ids().values()]
    if alive_at is not None:
        where += " AND (m.expires IS NULL OR m.expires > ?)"
        values.append(alive_at)
    if not _is_said_by(scope, condition):
        sql, more = to_sql(condition)
        where += f" AND ({sql})"
        values.extend(more)
    return where, values


def narrowed(scope: Scope, condition: Filter | None) -> Scope:
    """Return the scope with the ids that a filter asks for at its top; a contradiction keeps the scope's."""
    ids = {member.key: member.value for member in _members(condition) if _names_id(member)}
    return Scope(**{**ids, **scope.ids()})


def _is_said_by(scope: Scope, condition: Filter | None) -> bool:
    """Tell whether the scope says all that a condition says."""
    return all(_names_id(member) and getattr(scope, member.key) == member.value for member in _members(condition))


def _names_id(condition: Any) -> bool:
    return (
        isinstance(condition, Compare)
        and condition.key in SCOPE_KEYS
        and condition.operator == "eq"
        and isinstance(condition.value, str)
    )


def _members(condition: Filter | None) -> Sequence[Any]:
    return () if condition is None else condition.members if isinstance(condition, And) else (condition,)


def matching_rows(
    connection: sqlite3.Connection, collection: Collection, scope: Scope, condition: Filter | None
) -> NDArray[np.int64] | None:
    """Return the numbers of the scope's rows that match; ``None`` where all do."""
    if _is_said_by(scope, condition):
        return None
    sql, values = to_sql(condition)
    rows = connection.execute(
        f"SELECT m.seq FROM memories m WHERE m.collection = ?{scope_sql(scope)} AND ({sql})",
        (collection.number, *scope.ids().values(), *values),
    )
    return np.fromiter((seq for (seq,) in rows), dtype=np.int64)


def scope_sql(scope: Scope) -> str:
    """Return the conditions on ``m`` for the ids of a scope, each behind an AND; the ids are the parameters."""
    return "".join(f" AND m.{key} = ?" for key in scope.ids())


def marks(values: Sequence[Any]) -> str:
    """Return as many parameter marks as there are values."""
    return ",".join("?" * len(values))


def chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return the values in parts that one statement can take."""
    return (values[first : first + _AT_ONCE] for first in range(0, len(values), _AT_ONCE))
