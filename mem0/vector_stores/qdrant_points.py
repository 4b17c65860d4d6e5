"""Memories as Qdrant's points, and what writes them: values in, values out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic_core import to_json
from qdrant_client import models

from mem0.exceptions import ValidationError
from mem0.types import Record
from mem0.vector_stores import qdrant_keyword as keyword
from mem0.vector_stores.base import checked_vector
from mem0.vector_stores.qdrant_layout import Layout
from mem0.wire.batches import batches

#: Points, or operations, in one request.
MOST = 256

# Bytes of JSON in one request; a server takes 32 MB, and older HTTP clients write signs beyond ASCII twice as long.
_LARGEST = 10_000_000


def is_id(id: str) -> bool:
    """Tell whether Qdrant takes a text as a point's id: a UUID, as memories have them, or a whole number."""
    if id.isdecimal():
        # The length first: Python refuses to read very long numbers.
        return len(id) <= len(str(2**64)) and id == str(int(id)) and int(id) < 2**64
    try:
        return str(uuid.UUID(id)) == id
    except ValueError:
        return False


def native(ids: Sequence[str]) -> list[Any]:
    """Return ids as Qdrant has them: UUIDs as memories have them, or the whole numbers of other programs."""
    return [int(id) if id.isdecimal() else id for id in ids]


def point(layout: Layout, id: str, vector: Any, payload: Mapping[str, Any]) -> models.PointStruct:
    """Return a row as a point.

    Raises:
        ValidationError: The id, the vector or the payload is not what the collection can hold.
    """
    dense = checked_vector(vector, layout.size, f"row {id!r}").tolist()
    vectors = {layout.dense: dense, **_sparse(layout, payload)}
    return models.PointStruct(id=_native(id), vector=vectors, payload=_checked(id, payload))


def record(found: Any, layout: Layout) -> Record:
    """Return a point as a row."""
    vector = found.vector
    if isinstance(vector, dict):
        vector = vector.get(layout.dense)
    return Record(str(found.id), dict(found.payload or {}), vector=vector)


def updating(layout: Layout, id: str, vector: Any, payload: Mapping[str, Any] | None) -> list[Any]:
    """Return the operations that replace a row's vector and payload; ``None`` leaves either as it is.

    Raises:
        ValidationError: The id, the vector or the payload is not what the collection can hold.
    """
    at = _native(id)
    operations: list[Any] = []
    vectors: dict[str, Any] = {}
    if vector is not None:
        vectors[layout.dense] = checked_vector(vector, layout.size, f"row {id!r}").tolist()
    if payload is not None:
        vectors.update(_sparse(layout, payload))
        replaced = models.SetPayload(payload=_checked(id, payload), points=[at])
        operations.append(models.OverwritePayloadOperation(overwrite_payload=replaced))
        if layout.others:  # made of the old text, by a program that will make them anew
            stale = models.DeleteVectors(points=[at], vector=[*layout.others])
            operations.append(models.DeleteVectorsOperation(delete_vectors=stale))
    if vectors:
        points = [models.PointVectors(id=at, vector=vectors)]
        operations.append(models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=points)))
    return operations


def deleting(ids: Sequence[str]) -> list[Any]:
    """Return the operations that delete rows."""
    return [
        models.DeleteOperation(delete=models.PointIdsList(points=native(ids[start : start + MOST])))
        for start in range(0, len(ids), MOST)
    ]


def with_keywords(rows: Sequence[Record]) -> list[models.PointVectors]:
    """Return the sparse vectors of rows, of those that have words."""
    vectors = zip(native([row.id for row in rows]), (keyword.document(row.payload) for row in rows), strict=True)
    return [models.PointVectors(id=id, vector={keyword.KEYWORD: vector}) for id, vector in vectors if vector]


def requests(operations: Sequence[Any]) -> Iterator[list[Any]]:
    """Split operations, or points, into what goes into one request."""
    return batches(operations, MOST, _LARGEST, lambda one: len(one.model_dump_json().encode()))


def joined(batch: Sequence[Any]) -> list[Any]:
    """Make one operation of points that follow each other: a server writes down each operation by itself."""
    found: list[Any] = []
    for are_points, group in groupby(batch, lambda one: isinstance(one, models.PointStruct)):
        members = [*group]
        found += [models.UpsertOperation(upsert=models.PointsList(points=members))] if are_points else members
    return found


def _native(id: str) -> Any:
    if not is_id(id):
        raise ValidationError(
            f"row {id!r}: an id is a UUID in Qdrant, in small letters with hyphens, or a whole number"
        )
    return native([id])[0]


def _checked(id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a payload; refuse now what no request can hold, or the rows before it would be stored."""
    for key, value in payload.items():
        if not isinstance(key, str):
            raise ValidationError(f"row {id!r}: payload key {key!r} is no text, but {type(key).__name__}")
        try:
            to_json([key, value])  # a list, because in a key it would replace a lone surrogate
        except ValueError as error:
            raise ValidationError(f"row {id!r}: payload key {key!r} cannot be stored as JSON: {error}") from error
    return dict(payload)


def _sparse(layout: Layout, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sparse vector of a payload, by its name, where the collection has one."""
    if not layout.has_keyword:
        return {}
    return {keyword.KEYWORD: keyword.document(payload) or models.SparseVector(indices=[], values=[])}
