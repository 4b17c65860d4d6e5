"""A server on loopback that speaks Qdrant's gRPC wire format, with Qdrant's own engine inside.

What arrives goes through the vendor's generated stubs and conversions; what happens then is up to the embedded engine.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from qdrant_client import QdrantClient
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc


class QdrantGrpcServer:
    """The server; ``with QdrantGrpcServer() as server``.

    Attributes:
        port: Its port.
        keys: What came in as ``api-key``.
        calls: The methods that were called.
        failures: Codes to fail with next, before the usual answers.
        delay: Seconds before each answer.
    """

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.calls: list[str] = []
        self.failures: list[grpc.StatusCode] = []
        self.delay = 0.0
        self._engine = QdrantClient(location=":memory:", force_disable_check_same_thread=True)
        self._one_at_a_time = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(4))
        points_service_pb2_grpc.add_PointsServicer_to_server(_Points(self), self._server)
        collections_service_pb2_grpc.add_CollectionsServicer_to_server(_Collections(self), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> QdrantGrpcServer:
        self._server.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.stop(None).wait()
        self._engine.close()

    @contextmanager
    def answering(self, method: str, context: Any) -> Iterator[QdrantClient]:
        """Take note of a call, fail where that was asked for, and give the engine."""
        self.calls.append(method)
        self.keys.append(dict(context.invocation_metadata()).get("api-key"))
        time.sleep(self.delay)
        if self.failures:
            context.abort(self.failures.pop(0), "as it was told to")
        with self._one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield self._engine
            except ValueError as error:
                is_missing = "not found" in str(error)
                code = grpc.StatusCode.NOT_FOUND if is_missing else grpc.StatusCode.INVALID_ARGUMENT
                context.abort(code, f"Not found: {error}" if is_missing else str(error))


def _answered(answer: Callable[[Any, QdrantClient, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    def method(self: Any, request: Any, context: Any) -> Any:
        with self.server.answering(answer.__name__, context) as engine:
            return answer(self, engine, request)
        return None  # aborted

    return method


class _Collections(collections_service_pb2_grpc.CollectionsServicer):
    def __init__(self, server: QdrantGrpcServer) -> None:
        self.server = server

    @_answered
    def List(self, engine: QdrantClient, request: Any) -> Any:
        found = engine.get_collections().collections
        return wire.ListCollectionsResponse(collections=map(RestToGrpc.convert_collection_description, found))

    @_answered
    def CollectionExists(self, engine: QdrantClient, request: Any) -> Any:
        exists = engine.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    @_answered
    def Get(self, engine: QdrantClient, request: Any) -> Any:
        found = engine.get_collection(request.collection_name)
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(found))

    @_answered
    def Create(self, engine: QdrantClient, request: Any) -> Any:
        engine.create_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config),
            metadata=GrpcToRest.convert_payload(request.metadata) or None,
        )
        return wire.CollectionOperationResponse(result=True)

    @_answered
    def Delete(self, engine: QdrantClient, request: Any) -> Any:
        return wire.CollectionOperationResponse(result=engine.delete_collection(request.collection_name))


class _Points(points_service_pb2_grpc.PointsServicer):
    def __init__(self, server: QdrantGrpcServer) -> None:
        self.server = server

    @_answered
    def UpdateBatch(self, engine: QdrantClient, request: Any) -> Any:
        operations = [GrpcToRest.convert_points_update_operation(operation) for operation in request.operations]
        results = engine.batch_update_points(request.collection_name, operations)
        return wire.UpdateBatchResponse(result=map(RestToGrpc.convert_update_result, results))

    @_answered
    def CreateFieldIndex(self, engine: QdrantClient, request: Any) -> Any:
        return wire.PointsOperationResponse(result=wire.UpdateResult(status=wire.UpdateStatus.Completed))

    @_answered
    def Get(self, engine: QdrantClient, request: Any) -> Any:
        found = engine.retrieve(
            request.collection_name,
            [GrpcToRest.convert_point_id(id) for id in request.ids],
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return wire.GetResponse(result=map(RestToGrpc.convert_retrieved_point, found))

    @_answered
    def Scroll(self, engine: QdrantClient, request: Any) -> Any:
        points, offset = engine.scroll(
            request.collection_name,
            scroll_filter=GrpcToRest.convert_filter(request.filter) if request.HasField("filter") else None,
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
        )
        following = None if offset is None else RestToGrpc.convert_extended_point_id(offset)
        found = map(RestToGrpc.convert_retrieved_point, points)
        return wire.ScrollResponse(result=found, next_page_offset=following)

    @_answered
    def Count(self, engine: QdrantClient, request: Any) -> Any:
        condition = GrpcToRest.convert_filter(request.filter) if request.HasField("filter") else None
        counted = engine.count(request.collection_name, count_filter=condition)
        return wire.CountResponse(result=RestToGrpc.convert_count_result(counted))

    @_answered
    def Query(self, engine: QdrantClient, request: Any) -> Any:
        return wire.QueryResponse(result=map(RestToGrpc.convert_scored_point, self._found(engine, request)))

    @_answered
    def QueryBatch(self, engine: QdrantClient, request: Any) -> Any:
        answers = [self._found(engine, one) for one in request.query_points]
        results = [wire.BatchResult(result=map(RestToGrpc.convert_scored_point, found)) for found in answers]
        return wire.QueryBatchResponse(result=results)

    def _found(self, engine: QdrantClient, request: Any) -> Any:
        asked = GrpcToRest.convert_query_points(request)
        return engine.query_points(
            request.collection_name,
            query=asked.query,
            using=asked.using,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        ).points
