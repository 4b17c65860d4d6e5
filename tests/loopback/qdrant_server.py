"""A server on loopback that speaks Qdrant's REST wire format (https://api.qdrant.tech), with its own engine inside.

What arrives is JSON and goes through the vendor's models; what happens then is up to the embedded engine.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from loopback import Answer, LoopbackServer, Request
from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models
from qdrant_client.http.models import models as wire

KEY = "qdrant-loopback-key"


def error(status: int, message: str) -> Answer:
    """Return an error as Qdrant words it."""
    return Answer(status, {"status": {"error": message}, "time": 0.0})


class _StrictModeError(Exception):
    """A filter that the strict mode refuses."""


class QdrantServer(LoopbackServer):
    """The server; ``with QdrantServer() as server``.

    Attributes:
        key: What requests must bring as ``api-key``; ``None`` where anybody may ask.
        indexes: The payload indexes that were made: collection and key.
        types: Their types, by collection and key.
        strict: Whether it filters by indexed keys only, as Qdrant's cloud does.
        has_vector_names: Whether it can give a collection another vector, as servers since 1.18 can.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key: str | None = None
        self.indexes: list[tuple[str, str]] = []
        self.types: dict[tuple[str, str], str] = {}
        self.strict = False
        self.has_vector_names = True
        self._engine = QdrantClient(location=":memory:", force_disable_check_same_thread=True)
        self._one_at_a_time = threading.Lock()

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self._engine.close()

    def usual(self, request: Request) -> Answer:
        if self.key is not None and request.headers.get("api-key") != self.key:
            given = request.headers.get("api-key")
            return error(401, f"Must provide an API key or an Authorization bearer token; {given!r} is none")
        path = request.path.partition("?")[0]
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                names = [unquote(name) for name in found.groups()]
                with self._one_at_a_time, warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        result = answer(self, *names, request.body)
                    except _StrictModeError as problem:
                        return error(400, f"Bad request: {problem}")
                    except ValueError as problem:
                        if "not found" in str(problem):
                            return error(404, f"Not found: {problem}")
                        return error(400, f"Wrong input: {problem}")
                return Answer(body={"result": _plain(result), "status": "ok", "time": 0.001})
        return error(404, f"no such path: {request.method} {path}")

    # -- what each path does ------------------------------------------------------------------------

    def _create(self, name: str, body: dict[str, Any]) -> Any:
        made = wire.CreateCollection.model_validate(body)
        return self._engine.create_collection(
            name,
            vectors_config=made.vectors,
            sparse_vectors_config=made.sparse_vectors,
            metadata=made.metadata,
        )

    def _index(self, name: str, body: dict[str, Any]) -> Any:
        made = wire.CreateFieldIndex.model_validate(body)
        self.indexes.append((name, made.field_name))
        self.types[name, made.field_name] = str(getattr(made.field_schema, "type", made.field_schema).value)
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def _add_vector(self, name: str, vector: str, body: dict[str, Any]) -> Any:
        if not self.has_vector_names:
            raise ValueError("Vector name API not found")
        config = TypeAdapter(wire.VectorNameConfig).validate_python(body)
        return self._engine.create_vector_name(name, vector, config)

    def _batch(self, name: str, body: dict[str, Any]) -> Any:
        operations = wire.UpdateOperations.model_validate(body).operations
        return self._engine.batch_update_points(name, operations, wait=True)

    def _update_vectors(self, name: str, body: dict[str, Any]) -> Any:
        return self._engine.update_vectors(name, wire.UpdateVectors.model_validate(body).points)

    def _retrieve(self, name: str, body: dict[str, Any]) -> Any:
        asked = wire.PointRequest.model_validate(body)
        return self._engine.retrieve(
            name, asked.ids, with_payload=asked.with_payload, with_vectors=asked.with_vector or False
        )

    def _scroll(self, name: str, body: dict[str, Any]) -> Any:
        asked = wire.ScrollRequest.model_validate(body)
        self._require_indexes(name, asked.filter)
        points, offset = self._engine.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=asked.with_payload,
            with_vectors=asked.with_vector or False,
        )
        return {"points": points, "next_page_offset": offset}

    def _count(self, name: str, body: dict[str, Any]) -> Any:
        asked = wire.CountRequest.model_validate(body)
        self._require_indexes(name, asked.filter)
        return self._engine.count(name, count_filter=asked.filter, exact=bool(asked.exact))

    def _query(self, name: str, body: dict[str, Any]) -> Any:
        asked = wire.QueryRequest.model_validate(body)
        self._require_indexes(name, asked.filter)
        return self._engine.query_points(
            name,
            query=asked.query,
            using=asked.using,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )

    def _query_batch(self, name: str, body: dict[str, Any]) -> Any:
        return [self._query(name, one) for one in body["searches"]]

    def _collection(self, name: str, body: Any) -> Any:
        info = self._engine.get_collection(name)
        schema = {
            key: models.PayloadIndexInfo(data_type=models.PayloadSchemaType(self.types[name, key]), points=0)
            for collection, key in self.indexes
            if collection == name
        }
        strict = models.StrictModeConfigOutput(enabled=self.strict, unindexed_filtering_retrieve=False)
        config = info.config.model_copy(update={"strict_mode_config": strict})
        return info.model_copy(update={"payload_schema": schema, "config": config})

    def _delete(self, name: str, body: Any) -> Any:
        self.indexes = [index for index in self.indexes if index[0] != name]
        return self._engine.delete_collection(name)

    def _require_indexes(self, name: str, condition: Any) -> None:
        """Refuse a filter by keys without an index, in Qdrant's words, where that is its mode."""
        if not self.strict or condition is None:
            return
        if isinstance(condition, models.Filter):
            for members in (condition.must, condition.should, condition.must_not):
                for member in members if isinstance(members, list) else [members]:
                    self._require_indexes(name, member)
        elif isinstance(condition, models.FieldCondition):
            usable = ["float", "integer"]
            if condition.match is not None:
                value = getattr(condition.match, "value", "")
                usable = ["bool"] if isinstance(value, bool) else ["keyword"]
            if self.types.get((name, condition.key)) not in usable:
                raise _StrictModeError(
                    f'Index required but not found for "{condition.key}" of one of the following types: '
                    f"[{', '.join(usable)}]. Help: Create an index for this key or use a different filter."
                )

    def _exists(self, name: str, body: Any) -> Any:
        return {"exists": self._engine.collection_exists(name)}


_Answering = Callable[..., Any]
_ROUTES: list[tuple[str, str, _Answering]] = [
    ("GET", "/collections", lambda server, _: server._engine.get_collections()),
    ("GET", "/collections/([^/]+)/exists", QdrantServer._exists),
    ("GET", "/collections/([^/]+)", QdrantServer._collection),
    ("PUT", "/collections/([^/]+)", QdrantServer._create),
    ("DELETE", "/collections/([^/]+)", QdrantServer._delete),
    ("PUT", "/collections/([^/]+)/index", QdrantServer._index),
    ("PUT", "/collections/([^/]+)/vectors/([^/]+)", QdrantServer._add_vector),
    ("POST", "/collections/([^/]+)/points/batch", QdrantServer._batch),
    ("PUT", "/collections/([^/]+)/points/vectors", QdrantServer._update_vectors),
    ("POST", "/collections/([^/]+)/points", QdrantServer._retrieve),
    ("POST", "/collections/([^/]+)/points/scroll", QdrantServer._scroll),
    ("POST", "/collections/([^/]+)/points/count", QdrantServer._count),
    ("POST", "/collections/([^/]+)/points/query", QdrantServer._query),
    ("POST", "/collections/([^/]+)/points/query/batch", QdrantServer._query_batch),
]


def _plain(result: Any) -> Any:
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [_plain(value) for value in result]
    return result.model_dump(mode="json", exclude_none=True) if hasattr(result, "model_dump") else result
