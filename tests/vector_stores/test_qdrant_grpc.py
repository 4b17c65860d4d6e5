"""Qdrant on a server over gRPC, against loopback with the vendor's engine inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from qdrant_grpc import QdrantGrpcServer

from mem0 import AsyncMemory, Memory, StorageError
from mem0.exceptions import StoragePermissionError, StorageUnavailableError
from mem0.testing import DeterministicEmbedding, VectorStoreContract
from mem0.vector_stores.qdrant import Qdrant
from mem0.wire import retries

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[QdrantGrpcServer]:
    with QdrantGrpcServer() as server:
        yield server


def options(server: QdrantGrpcServer, **more: Any) -> dict[str, Any]:
    # Nothing listens at the REST port: whatever went there would fail.
    return {
        "host": "127.0.0.1",
        "port": 9,
        "grpc_port": server.port,
        "prefer_grpc": True,
        "https": False,
        "timeout": 10,
        **more,
    }


class TestContract(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def started(self, server: QdrantGrpcServer) -> None:
        self.server = server

    def store(self) -> Qdrant:
        return Qdrant(options(self.server))


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, StoragePermissionError, "401, the key was refused"),
        (grpc.StatusCode.PERMISSION_DENIED, StoragePermissionError, "403, the key was refused"),
        (grpc.StatusCode.INVALID_ARGUMENT, StorageError, "400, refused: INVALID_ARGUMENT: as it was told to"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, StorageUnavailableError, "429, the server failed or is busy"),
        (grpc.StatusCode.UNAVAILABLE, StorageUnavailableError, "503, the server failed or is busy"),
        (grpc.StatusCode.INTERNAL, StorageUnavailableError, "500, the server failed or is busy"),
    ],
)
def test_errors(server: QdrantGrpcServer, code: grpc.StatusCode, kind: type[StorageError], told: str) -> None:
    with Qdrant(options(server, max_retries=0, api_key="key-123")) as store:
        server.failures = [code]
        with pytest.raises(kind, match=told) as caught:
            store.list_cols()
        assert caught.value.retryable == (kind is StorageUnavailableError)
    assert (server.calls, server.keys) == (["List"], ["key-123"])


def test_retries_and_time_outs(server: QdrantGrpcServer) -> None:
    with Qdrant(options(server, max_retries=2, timeout=1)) as store:
        server.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
        assert store.list_cols() == []
        assert len(server.calls) == 3
        server.delay = 1.5
        with pytest.raises(StorageUnavailableError, match="504"):
            store.list_cols()


def test_no_server() -> None:
    nobody = Qdrant(host="127.0.0.1", grpc_port=9, prefer_grpc=True, https=False, max_retries=0, timeout=2)
    with nobody as store, pytest.raises(StorageUnavailableError):
        store.list_cols()


def test_in_a_memory(server: QdrantGrpcServer, tmp_path: Any) -> None:
    store = {"provider": "qdrant", "config": options(server)}
    config = {"path": str(tmp_path / "m.db"), "vector_store": store}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        (added,) = m.add("likes tea", user_id="alice", metadata={"stars": 4})
        m.update(added["id"], "likes green tea")
        assert m.search("tea", user_id="alice", filters={"stars": {"gte": 4}})[0]["memory"] == "likes green tea"
        assert m.search("tea", user_id="bob") == []

    async def used() -> None:
        async with AsyncMemory(config, embedder=DeterministicEmbedding(8)) as m:
            assert (await m.search("tea", user_id="alice"))[0]["metadata"] == {"stars": 4}

    asyncio.run(used())
    assert {"QueryBatch", "UpdateBatch", "Count"} <= {*server.calls}
