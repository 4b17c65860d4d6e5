"""Qdrant and the history together: what happens where requests fail, before they are carried out or after."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Request
from qdrant_client import QdrantClient, models
from qdrant_server import QdrantServer, error

from mem0 import EmbedderMismatchError, Memory, MemoryNotFoundError, StorageError
from mem0.memory import payloads
from mem0.testing import DeterministicEmbedding
from mem0.testing.contracts.store_tests import array, payload_of, row_id
from mem0.types import Scope
from mem0.vector_stores.base import Query
from mem0.vector_stores.qdrant import Qdrant
from mem0.wire import retries

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class FailingServer(QdrantServer):
    """Fails requests that change something: the first few, all, or none; before or after it has carried them out.

    Attributes:
        fails: Of how many requests yet; a negative number for all.
        after: Whether they are carried out and only the answer is lost.
        only: What the path of a failing request ends with.
    """

    fails = 0
    after = False
    only = ""

    def usual(self, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        writes = request.method == "DELETE" or path.endswith(("/points/batch", "/points/vectors", "/index"))
        if not writes or not self.fails or not path.endswith(self.only):
            return super().usual(request)
        self.fails -= 1
        if self.after:
            super().usual(request)
        return error(500, "as it was told to")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server


@pytest.fixture
def open_memory(server: FailingServer, tmp_path: Path) -> Iterator[Callable[..., Memory]]:
    opened: list[Memory] = []

    def make(dims: int = 8, **options: Any) -> Memory:
        store = {"provider": "qdrant", "config": {"url": server.url, "max_retries": 0, **options}}
        config = {"path": str(tmp_path / "history.db"), "vector_store": store}
        opened.append(Memory(config, embedder=DeterministicEmbedding(dims)))
        return opened[-1]

    yield make
    for memory in opened:
        memory.close()


def texts(memory: Memory, user: str = "alice") -> list[str]:
    return sorted(row["memory"] for row in memory.get_all(user_id=user))


def agree(memory: Memory) -> None:
    """Check that every memory is what its history says last."""
    for row in memory.get_all():
        assert memory.history(row["id"])[-1]["new_value"] == row["memory"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fails", [1, 2, -1], ids=["once", "twice", "for ever"])
@pytest.mark.parametrize("verb", ["add", "update", "delete", "delete_all", "reset"])
def test_a_call_that_failed_can_be_repeated(
    open_memory: Callable[..., Memory], server: FailingServer, verb: str, fails: int, after: bool
) -> None:
    m = open_memory()
    tea = m.add("likes tea", user_id="alice")[0]["id"]
    m.add("likes cake", user_id="bob")
    calls: dict[str, Callable[[], Any]] = {
        "add": lambda: m.add("has a cat", user_id="alice"),
        "update": lambda: m.update(tea, "likes green tea"),
        "delete": lambda: m.delete(tea),
        "delete_all": lambda: m.delete_all(user_id="alice"),
        "reset": lambda: m.reset(),
    }
    wanted = {
        "add": ["has a cat", "likes tea"],
        "update": ["likes green tea"],
        "delete": [],
        "delete_all": [],
        "reset": [],
    }[verb]
    server.fails, server.after = fails, after
    try:
        result = calls[verb]()
        failed = bool(isinstance(result, dict) and result.get("failed"))
    except StorageError:
        failed = True
    server.fails = 0
    if failed:
        try:
            calls[verb]()
        except MemoryNotFoundError:
            assert verb == "delete"
    assert texts(m) == wanted
    m.add("likes the sea", user_id="carol")  # settles whatever is still written down
    assert texts(m) == wanted
    assert texts(m, "bob") == ([] if verb == "reset" else ["likes cake"])
    agree(m)
    if verb == "update":
        assert [row["event"] for row in m.history(tea)] == ["ADD", "UPDATE"]
    if verb in ("delete", "delete_all"):
        assert m.history(tea)[-1]["event"] == "DELETE"


def test_a_collection_that_is_gone_does_not_keep_a_memory_from_opening(
    open_memory: Callable[..., Memory], server: FailingServer
) -> None:
    m = open_memory()
    tea = m.add("likes tea", user_id="alice")[0]["id"]
    server.fails, server.after = -1, True
    with pytest.raises(StorageError):
        m.update(tea, "likes green tea")
    server.fails = 0
    with Qdrant(url=server.url) as store:
        store.delete_col("mem0")
    again = open_memory()
    assert again.get_all().total == 0
    again.add("likes coffee", user_id="alice")
    assert texts(again) == ["likes coffee"]


def test_an_add_that_failed_binds_the_collection_to_no_embedder(
    open_memory: Callable[..., Memory], server: FailingServer
) -> None:
    server.fails, server.only = 1, "/points/batch"
    with pytest.raises(StorageError):
        open_memory().add("likes tea", user_id="alice")
    m = open_memory(dims=16)
    m.add("likes tea", user_id="alice")
    with pytest.raises(EmbedderMismatchError, match="size 16"):
        open_memory(dims=8)


def test_indexes_that_failed_are_made_with_the_next_write(
    open_memory: Callable[..., Memory], server: FailingServer
) -> None:
    m = open_memory()
    server.fails, server.only = 1, "/index"
    with pytest.raises(StorageError):
        m.add("likes tea", user_id="alice")
    m.add("likes tea", user_id="alice")
    wanted = {"user_id", "agent_id", "run_id", "_mem0.fingerprint", "_mem0.turn"}
    assert {key for _, key in server.indexes} == wanted


def test_many_are_deleted_with_few_requests(open_memory: Callable[..., Memory], server: FailingServer) -> None:
    m = open_memory()
    m.add([f"fact number {at}" for at in range(60)], user_id="alice")
    server.requests.clear()
    assert m.delete_all(user_id="alice")["deleted"] == 60
    assert len(server.requests) < 10


def test_a_listing_reads_once(open_memory: Callable[..., Memory], server: FailingServer) -> None:
    m = open_memory()
    m.add([f"fact number {at}" for at in range(8)], user_id="alice")
    server.requests.clear()
    listed = m.get_all(user_id="alice")
    assert [row["memory"] for row in listed] == [f"fact number {at}" for at in reversed(range(8))]
    assert [request.path.partition("?")[0] for request in server.requests] == ["/collections/mem0/points/scroll"]


# -- which Qdrant is meant --------------------------------------------------------------------------


def test_one_server_is_one_place_however_it_is_named(server: QdrantServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    client = QdrantClient(url=server.url, check_compatibility=False)
    named: list[dict[str, Any]] = [
        {"url": server.url},
        {"url": server.url + "/"},
        {"host": host, "port": int(port)},
        {"client": client},
    ]
    identities = set()
    for options in named:
        with Qdrant(**options) as store:
            identities.add(store.identity)
    client.close()
    assert identities == {f"qdrant {server.url}"}


def test_two_in_memory_are_two_places(tmp_path: Path) -> None:
    embedder = DeterministicEmbedding(8)
    config = {
        "path": str(tmp_path / "history.db"),
        "vector_store": {"provider": "qdrant", "config": {"path": ":memory:"}},
    }
    with Memory(config, embedder=embedder) as one, Memory(config, embedder=embedder) as other:
        tea = one.add("likes tea", user_id="alice")[0]["id"]
        other.reset()
        assert len(one.history(tea)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_has_no_part_in_a_folder(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from mem0.vector_stores.qdrant import Qdrant\n"
        "opens = 'import sys; from mem0.vector_stores.qdrant import Qdrant; Qdrant(path=sys.argv[1])'\n"
        "store = Qdrant(path=sys.argv[1]); store.create_col('c', 2)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    for use in (store.list_cols, lambda: Qdrant(path=sys.argv[1])):\n"
        "        try: use()\n"
        "        except Exception as error: print(type(error).__name__, flush=True)\n"
        "    store.close()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(store.list_cols())\n"  # and nothing is closed, or open to another process
        "third = subprocess.run([sys.executable, '-c', opens, sys.argv[1]], capture_output=True, text=True)\n"
        "print(third.stderr.splitlines()[-1].partition(':')[0])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    busy = "StorageBusyError"
    assert ran.stdout.splitlines() == [busy, busy, "['c']", f"mem0.exceptions.{busy}"]
    assert ran.stderr == ""


# -- rows of other programs -------------------------------------------------------------------------


def test_a_row_that_others_changed_is_no_duplicate_of_what_it_said() -> None:
    client = QdrantClient(":memory:")
    store = {"provider": "qdrant", "config": {"client": client}}
    with Memory({"path": ":memory:", "vector_store": store}, embedder=DeterministicEmbedding(8)) as m:
        tea = m.add("likes tea", user_id="alice")[0]["id"]
        client.set_payload("mem0", {"data": "likes coffee", "text_lemmatized": "like coffee"}, [tea])
        assert m.get(tea)["metadata"] == {}  # type: ignore[index]
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"
        row = m.vector_store.get("mem0", tea)
        assert row is not None
        assert payloads.version(row.payload) < 0
        m.update(tea, "likes juice")
        assert m.history(tea)[-1]["prev_value"] == "likes coffee"
    client.close()


def test_notes_that_are_none_break_nothing() -> None:
    client = QdrantClient(":memory:")
    store = {"provider": "qdrant", "config": {"client": client}}
    with Memory({"path": ":memory:", "vector_store": store}, embedder=DeterministicEmbedding(8)) as m:
        m.add("likes tea", user_id="alice")
        client.upsert(
            "mem0", [models.PointStruct(id=7, vector=[1.0] * 8, payload={"data": "x", "user_id": "alice", "_mem0": 5})]
        )
        assert len(m.search("tea", user_id="alice")) == 2
        assert m.delete_all(user_id="alice")["deleted"] == 2
        assert m.get_all().total == 0
    client.close()


def test_rows_that_say_nothing_or_no_text_are_read_changed_and_deleted() -> None:
    client = QdrantClient(":memory:")
    store = {"provider": "qdrant", "config": {"client": client}}
    with Memory({"path": ":memory:", "vector_store": store}, embedder=DeterministicEmbedding(8)) as m:
        m.add("likes tea", user_id="alice")
        for at, said in enumerate(({}, {"data": None}, {"data": ["a", "list"]})):
            payload = {"user_id": "alice", "title": "of others", **said}
            client.upsert("mem0", [models.PointStruct(id=at, vector=[1.0] * 8, payload=payload)])
            assert m.get(str(at))["memory"] == ""  # type: ignore[index]
        assert m.get_all(user_id="alice").total == len(m.search("tea", user_id="alice")) == 4
        m.update("2", "likes cake")
        assert m.history("2")[-1]["prev_value"] is None
        assert m.delete_all(user_id="alice")["deleted"] == 4
    client.close()


def test_vectors_that_others_made_of_the_old_text_go_with_it() -> None:
    client = QdrantClient(":memory:")
    client.create_collection(
        "c",
        vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE),
        sparse_vectors_config={"bm25": models.SparseVectorParams()},
    )
    sparse = models.SparseVector(indices=[1], values=[1.0])
    point = models.PointStruct(id=row_id(0), vector={"": [1.0, 0.0], "bm25": sparse}, payload=payload_of("secret"))
    client.upsert("c", [point])
    with Qdrant(client=client) as store:
        store.update("c", row_id(0), payload=payload_of("harmless"))
        assert client.query_points("c", query=sparse, using="bm25").points == []
        assert [row.payload["data"] for row in store.search("c", [1.0, 0.0])] == ["harmless"]
    client.close()


# -- scores -----------------------------------------------------------------------------------------


def keyword_scores(store: Qdrant, text: str, scope: Scope) -> dict[str, float]:
    found = store.candidates("c", Query(scope, text, array([1.0, 0.0]), 10))
    return {row.payload["data"]: float(score) for row, score in zip(found.keys, found.legs["keyword"], strict=True)}


def test_a_score_does_not_depend_on_the_other_memories_of_the_scope() -> None:
    with Qdrant(path=":memory:") as store:
        store.create_col("c", 2)
        cakes = [payload_of(f"cake {at}", Scope("bob")) for at in range(50)]
        store.insert("c", [[1.0, 0.0]] * 50, cakes, [row_id(at) for at in range(50)])
        store.insert("c", [[1.0, 0.0]], [payload_of("green tea")], [row_id(60)])
        before = keyword_scores(store, "cake tea", Scope("alice"))["green tea"]
        store.insert("c", [[1.0, 0.0]], [payload_of("a cake")], [row_id(61)])
        after = keyword_scores(store, "cake tea", Scope("alice"))["green tea"]
    assert after == pytest.approx(before, abs=0.02)


def test_closing_waits_for_what_is_being_written(tmp_path: Path) -> None:
    store = Qdrant(path=str(tmp_path))
    store.create_col("c", 2)
    write = store.client.batch_update_points
    closing: list[threading.Thread] = []

    def written(*args: Any, **more: Any) -> Any:
        done = write(*args, **more)
        if not closing:
            closing.append(threading.Thread(target=store.close))
            closing[0].start()
            closing[0].join(0.2)  # it waits
        return done

    store.client.batch_update_points = written
    store.insert("c", [[1.0, 0.0]] * 600, [payload_of("tea")] * 600, [row_id(at) for at in range(600)])
    closing[0].join()
    with Qdrant(path=str(tmp_path)) as again:
        assert again.count("c") == 600


def test_a_keyword_leg_of_an_older_version_is_made_anew() -> None:
    client = QdrantClient(":memory:")
    client.create_collection(
        "c",
        vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE),
        sparse_vectors_config={"mem0_keyword_v1": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    old = models.SparseVector(indices=[1], values=[1.0])
    vector = {"": [1.0, 0.0], "mem0_keyword_v1": old}
    client.upsert("c", [models.PointStruct(id=row_id(0), vector=vector, payload=payload_of("Lindenblütenhonig"))])
    with Qdrant(client=client) as store:
        query = Query(Scope("alice"), "Was für Honig ist es?", array([1.0, 0.0]), 10)
        assert "add_keyword_leg" in store.candidates("c", query).skipped["keyword"]
        if hasattr(client, "create_vector_name"):
            assert store.add_keyword_leg("c") == 1
            assert keyword_scores(store, query.text, query.scope)["Lindenblütenhonig"] > 0
        else:  # an older client
            with pytest.raises(StorageError, match="needs a newer qdrant-client"):
                store.add_keyword_leg("c")
    client.close()


def test_a_row_without_a_sparse_vector_is_no_row_without_the_words() -> None:
    client = QdrantClient(":memory:")
    with Qdrant(client=client) as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]], [payload_of("likes coffee")], [row_id(0)])
        client.upsert("c", [models.PointStruct(id=row_id(1), vector={"": [1.0, 0.0]}, payload=payload_of("likes tea"))])
        scores = keyword_scores(store, "coffee", Scope("alice"))
    assert scores["likes coffee"] > 0.5
    assert scores["likes tea"] != scores["likes tea"]  # NaN
    client.close()


# -- what others do meanwhile -----------------------------------------------------------------------


def test_a_collection_that_others_make_anew_is_seen(server: FailingServer, open_memory: Callable[..., Memory]) -> None:
    m = open_memory()
    m.add("likes tea", user_id="alice")
    with Qdrant(url=server.url) as other:
        other.delete_col("mem0")
        other.create_col("mem0", 16)
    with pytest.raises(EmbedderMismatchError, match="size 16"):
        m.add("likes coffee", user_id="alice")


def test_an_address_that_leads_elsewhere_is_told(server: FailingServer) -> None:
    with Qdrant(url=server.url + "/elsewhere") as store, pytest.raises(StorageError, match="check that url"):
        store.create_col("c", 2)
    server.answers = [Answer(404, "Cannot GET /collections/c")] * 4
    with Qdrant(url=server.url) as store, pytest.raises(StorageError, match="check that url, port and prefix"):
        store.create_col("c", 2)
