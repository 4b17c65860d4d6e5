"""The engine that Qdrant's server is made of, in Rust, behind the methods of its client.

It comes as ``qdrant-edge-py``, without a server.  What the engine inside ``qdrant-client`` merely imitates (scores,
indexes, filters by them) is the real thing here; what a server does around it (strict mode, addresses, keys) is not.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import qdrant_edge as edge
from qdrant_client import models


@dataclass
class Collection:
    """A shard of the engine, and what a server would know of it."""

    folder: str
    shard: Any
    vectors: models.VectorParams
    sparse: dict[str, models.SparseVectorParams]
    metadata: dict[str, Any] | None
    indexes: dict[str, str] = field(default_factory=dict)


class EngineClient:
    """Does what a ``QdrantClient`` does, as far as the store asks for it."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}

    def close(self) -> None:
        for name in [*self._collections]:
            self.delete_collection(name)

    # -- collections --------------------------------------------------------------------------------

    def get_collections(self) -> models.CollectionsResponse:
        named = [models.CollectionDescription(name=name) for name in self._collections]
        return models.CollectionsResponse(collections=named)

    def collection_exists(self, collection_name: str) -> bool:
        return collection_name in self._collections

    def create_collection(
        self,
        collection_name: str,
        vectors_config: models.VectorParams,
        sparse_vectors_config: dict[str, models.SparseVectorParams] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        sparse = sparse_vectors_config or {}
        idf = {name: edge.Modifier.Idf if one.modifier else None for name, one in sparse.items()}
        folder = tempfile.mkdtemp(prefix="mem0-qdrant-engine-")
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=vectors_config.size, distance=edge.Distance.Cosine),
            sparse_vectors={name: edge.EdgeSparseVectorParams(modifier=modifier) for name, modifier in idf.items()},
        )
        shard = edge.EdgeShard.create(folder, config)
        self._collections[collection_name] = Collection(folder, shard, vectors_config, sparse, metadata)
        return True

    def delete_collection(self, collection_name: str) -> bool:
        found = self._collections.pop(collection_name, None)
        if found is not None:
            found.shard.close()
            shutil.rmtree(found.folder)
        return found is not None

    def get_collection(self, collection_name: str) -> Any:
        found = self._found(collection_name)
        parameters = SimpleNamespace(vectors=found.vectors, sparse_vectors=found.sparse)
        return SimpleNamespace(
            config=SimpleNamespace(params=parameters, metadata=found.metadata, strict_mode_config=None),
            payload_schema={
                key: models.PayloadIndexInfo(data_type=models.PayloadSchemaType(kind), points=0)
                for key, kind in found.indexes.items()
            },
            points_count=self.count(collection_name).count,
        )

    def create_payload_index(self, collection_name: str, field_name: str, field_schema: Any, wait: bool) -> None:
        found = self._found(collection_name)
        kind = getattr(field_schema, "type", field_schema).value
        found.indexes[field_name] = kind
        schema = getattr(edge.PayloadSchemaType, kind.capitalize())
        found.shard.update(edge.UpdateOperation.create_field_index(field_name, schema))

    # -- writing ------------------------------------------------------------------------------------

    def batch_update_points(self, collection_name: str, update_operations: list[Any], wait: bool) -> None:
        shard = self._found(collection_name).shard
        for operation in update_operations:
            shard.update(_operation(operation))

    def update_vectors(self, collection_name: str, points: list[models.PointVectors], wait: bool) -> None:
        self._found(collection_name).shard.update(_vectors_updated(points))

    # -- reading ------------------------------------------------------------------------------------

    def retrieve(
        self, collection_name: str, ids: list[Any], with_payload: bool, with_vectors: bool
    ) -> list[models.Record]:
        shard = self._found(collection_name).shard
        found = shard.retrieve([*map(_id, ids)], with_payload=with_payload, with_vector=with_vectors)
        return [_record(one, with_vectors) for one in found]

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        offset: Any = None,
        with_payload: Any = True,
        with_vectors: bool = False,
    ) -> tuple[list[models.Record], Any]:
        request = edge.ScrollRequest(
            offset=None if offset is None else _id(offset),
            limit=limit,
            filter=_filter(scroll_filter),
            with_payload=with_payload,
            with_vector=with_vectors,
        )
        found, after = self._found(collection_name).shard.scroll(request)
        return [_record(one, with_vectors) for one in found], None if after is None else _native(after)

    def count(
        self, collection_name: str, count_filter: models.Filter | None = None, exact: bool = True
    ) -> models.CountResult:
        request = edge.CountRequest(exact=exact, filter=_filter(count_filter))
        return models.CountResult(count=self._found(collection_name).shard.count(request))

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        using: str | None = None,
        query_filter: models.Filter | None = None,
        limit: int = 10,
        with_payload: Any = True,
        with_vectors: Any = False,
    ) -> Any:
        request = edge.QueryRequest(
            limit=limit,
            query=None if query is None else edge.Query.Nearest(_vector(query), using=using),
            filter=_filter(query_filter),
            with_payload=with_payload,
            with_vector=with_vectors,
        )
        found = self._found(collection_name).shard.query(request)
        points = [
            models.ScoredPoint(
                id=_native(one.id),
                version=0,
                score=one.score,
                payload=one.payload,
                vector=_told(one.vector) if with_vectors else None,
            )
            for one in found
        ]
        return SimpleNamespace(points=points)

    def query_batch_points(self, collection_name: str, requests: list[models.QueryRequest]) -> list[Any]:
        return [
            self.query_points(
                collection_name,
                one.query,
                one.using,
                one.filter,
                one.limit,
                one.with_payload,
                one.with_vector or False,
            )
            for one in requests
        ]

    def _found(self, name: str) -> Collection:
        if name not in self._collections:
            raise ValueError(f"Collection {name} not found")  # as the client's own engine says it
        return self._collections[name]


# -- from the client's models to the engine's -----------------------------------------------------------


def _operation(given: Any) -> Any:
    make = edge.UpdateOperation
    if isinstance(given, models.UpsertOperation):
        return make.upsert_points([edge.Point(_id(one.id), _vector(one.vector), one.payload) for one in _points(given)])
    if isinstance(given, models.DeleteOperation):
        return make.delete_points([*map(_id, given.delete.points)])
    if isinstance(given, models.OverwritePayloadOperation):
        replaced = given.overwrite_payload
        return make.overwrite_payload([*map(_id, replaced.points)], replaced.payload)
    if isinstance(given, models.UpdateVectorsOperation):
        return _vectors_updated(given.update_vectors.points)
    if isinstance(given, models.DeleteVectorsOperation):
        deleted = given.delete_vectors
        return make.delete_vectors([*map(_id, deleted.points)], [*deleted.vector])
    raise AssertionError(f"the engine is not asked for a {type(given).__name__}")


def _points(given: models.UpsertOperation) -> list[models.PointStruct]:
    assert isinstance(given.upsert, models.PointsList)
    return given.upsert.points


def _vectors_updated(points: list[models.PointVectors]) -> Any:
    return edge.UpdateOperation.update_vectors([edge.PointVectors(_id(one.id), _vector(one.vector)) for one in points])


def _filter(given: models.Filter | None) -> Any:
    return None if given is None else _condition(given)


def _condition(given: Any) -> Any:
    if isinstance(given, models.Filter):
        members = {name: getattr(given, name) for name in ("must", "should", "must_not")}
        return edge.Filter(
            **{name: [*map(_condition, some)] if some is not None else None for name, some in members.items()}
        )
    if isinstance(given, models.HasIdCondition):
        return edge.HasIdCondition({*map(_id, given.has_id)})
    if isinstance(given, models.HasVectorCondition):
        return edge.HasVectorCondition(given.has_vector)
    if isinstance(given.match, models.MatchAny):
        return edge.FieldCondition(given.key, match=edge.MatchAny([*given.match.any]))
    if isinstance(given.match, models.MatchValue):
        if isinstance(given.match.value, bool):  # which its Python binding reads as a number: asked for too much
            return edge.Filter(must_not=[edge.IsEmptyCondition(given.key)])
        return edge.FieldCondition(given.key, match=edge.MatchValue(given.match.value))
    limits = given.range
    between = edge.RangeFloat(gte=limits.gte, gt=limits.gt, lte=limits.lte, lt=limits.lt)
    return edge.FieldCondition(given.key, range=between)


def _id(given: Any) -> Any:
    return uuid.UUID(given) if isinstance(given, str) else given


def _native(id: Any) -> Any:
    return str(id) if isinstance(id, uuid.UUID) else id


def _vector(given: Any) -> Any:
    if isinstance(given, dict):
        return {name: _vector(one) for name, one in given.items()}
    if isinstance(given, models.SparseVector):
        return edge.SparseVector([*given.indices], [*given.values])
    return [*given]


def _told(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: _told(one) for name, one in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector


def _record(found: Any, with_vectors: bool) -> models.Record:
    vector = _told(found.vector) if with_vectors else None
    return models.Record(id=_native(found.id), payload=found.payload, vector=vector)
