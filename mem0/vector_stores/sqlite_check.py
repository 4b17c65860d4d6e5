"""What is wrong inside the embedded store's file: its structure, and each row against what it says of itself."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mem0 import text
from mem0.types import SCOPE_KEYS, Damage, Record


def checksum(vector: bytes) -> int:
    """Return what is kept beside a vector, to know later whether a bit of it has changed."""
    return zlib.crc32(vector)


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
    found = connection.execute(
        "SELECT m.id, m.payload, m.user_id, m.agent_id, m.run_id, v.vector, v.tokens, v.checksum"
        " FROM memories m LEFT JOIN vectors v ON v.seq = m.seq WHERE m.collection = ? ORDER BY m.seq",
        (number,),
    )
    for id, stored, *ids, vector, words, noted in found:
        payload = read_payload(stored)
        if payload is None:
            damage.append(Damage(id, "payload", "its payload is no JSON object"))
            continue
        rows.append(Record(id, payload))
        if [payload.get(key) for key in SCOPE_KEYS] != ids:
            damage.append(Damage(id, "scope", "its columns name another user, agent or run than its payload"))
        if vector is None or len(vector) != 4 * dims or checksum(vector) != noted:
            damage.append(Damage(id, "vector", "its vector is not the one that was stored"))
        if words != terms(payload):
            damage.append(Damage(id, "tokens", "its search terms are not those of its text"))
    return rows, damage


def read_payload(stored: Any) -> dict[str, Any] | None:
    """Return a stored payload, or ``None`` where it is damaged."""
    try:
        payload = json.loads(stored)
    except (TypeError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None
