"""What is wrong inside the embedded store's file: its structure, and each row against what it says of itself."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mem0 import text
from mem0.exceptions import StorageCorruptError
from mem0.traits import TRAITS_SIZE, Traits
from mem0.types import SCOPE_KEYS, Damage, Record
from mem0.vector_stores.base import is_understood


def checksum(vector: bytes, late: bytes | None = None) -> int:
    """Return what is kept beside a vector and those of its tokens, to know later whether a bit of them has changed."""
    return zlib.crc32(late or b"", zlib.crc32(vector))


def damaged(path: str, what: str) -> StorageCorruptError:
    """Return the error for damage to what is made of a memory's text, so that it can be made anew."""
    return StorageCorruptError(f"{path}: {what}; check(repair=True) mends that, or restore a backup")


def is_readable(vector: Any, late: Any, noted: Any, words: Any, traits: Any, dims: int) -> bool:
    """Tell whether a row can be searched: its vectors are those stored, the rest has the right form.

    Args:
        vector: The row's vector.
        late: Those of its tokens, or ``None``.
        noted: The checksum of both.
        words: Its search terms.
        traits: Its traits.
        dims: Size of the collection's vectors.
    """
    return (
        _is_as_stored(vector, late, noted, dims)
        and isinstance(words, bytes)
        and len(words) % 4 == 0
        and isinstance(traits, bytes)
        and len(traits) == TRAITS_SIZE
    )


def _is_as_stored(vector: Any, late: Any, noted: Any, dims: int) -> bool:
    if not isinstance(vector, bytes) or not isinstance(late, (bytes, type(None))):
        return False
    return len(vector) == 4 * dims and checksum(vector, late) == noted


def terms(payload: Mapping[str, Any]) -> bytes:
    """Return what is kept of a memory's text for the keyword leg."""
    return np.array(text.tokens(str(payload.get("data") or "")), dtype="<u4").tobytes()


def inspected(connection: sqlite3.Connection, number: int, dims: int) -> tuple[list[Record], list[Damage]]:
    """Read every row of a collection, and say what is wrong with the file.

    Args:
        connection: Inside a transaction.
        number: The collection's.
        dims: Size of its vectors.

    Returns:
        The rows that can be read, without vectors, and the damage.
    """
    damage = [Damage(None, "structure", str(told)) for (told,) in connection.execute("PRAGMA integrity_check(20)")]
    damage = [found for found in damage if found.detail != "ok"]
    damage += [
        Damage(None, "structure", f"row {row} of {table} belongs to no row of {parent}")
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")
    ]
    rows = []
    untold: dict[str, bool] = {}  # by id, of texts that the embedder understands: whether there are no vectors of words
    found = connection.execute(
        "SELECT m.id, m.payload, m.user_id, m.agent_id, m.run_id, v.vector, v.late, v.checksum, v.terms,"
        " v.traits"
        " FROM memories m LEFT JOIN vectors v ON v.seq = m.seq WHERE m.collection = ? ORDER BY m.seq",
        (number,),
    )
    for id, stored, *ids, vector, late, noted, words, traits in found:
        payload = read_payload(stored)
        if payload is None:
            damage.append(Damage(id, "payload", "its payload is no JSON object"))
            continue
        rows.append(Record(id, payload))
        if [payload.get(key) for key in SCOPE_KEYS] != ids:
            damage.append(Damage(id, "scope", "its columns name another user, agent or run than its payload"))
        if not _is_as_stored(vector, late, noted, dims) or not _has_direction(vector):
            damage.append(Damage(id, "vector", "its vector, or one of its tokens', is not the one that was stored"))
        if words != terms(payload):
            damage.append(Damage(id, "tokens", "its search terms are not those of its text"))
        if traits != Traits.of(payload).to_bytes():
            damage.append(Damage(id, "traits", "what is noted of its speaker is not what its payload says"))
        if is_understood(payload):
            untold[id] = not late
    if not all(untold.values()):
        # Beside them no memory is compared word by word.
        lacking = [id for id, has_none in untold.items() if has_none]
        damage += [Damage(id, "words", "it has no vectors of words, and others have") for id in lacking]
    return rows, damage


def _has_direction(vector: bytes) -> bool:
    """Tell whether a vector can be compared; one that was damaged before there were checksums may fit its own."""
    length = np.linalg.norm(np.frombuffer(vector, dtype="<f4"))
    return bool(0 < length < np.inf)


def read_payload(stored: Any) -> dict[str, Any] | None:
    """Return a stored payload, or ``None`` where it is damaged."""
    try:
        payload = json.loads(stored)
    except (TypeError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
