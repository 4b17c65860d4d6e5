"""Qdrant on a server: the vendor's client over REST, against loopback with the vendor's engine inside."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_server import KEY, QdrantServer, error

from mem0 import AsyncMemory, ConfigError, Memory, StorageError
from mem0.exceptions import ClosedError, StoragePermissionError, StorageUnavailableError, ValidationError
from mem0.filters import parse_filters
from mem0.testing import DeterministicEmbedding, VectorStoreContract
from mem0.testing.contracts.store_tests import array, payload_of, row_id
from mem0.types import Scope
from mem0.vector_stores import qdrant_points as points
from mem0.vector_stores.base import Query
from mem0.vector_stores.qdrant import Qdrant
from mem0.vector_stores.qdrant_filters import Filterable, pushed
from mem0.wire import retries

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with QdrantServer() as server:
        yield server


def made(server: QdrantServer, **options: Any) -> Qdrant:
    return Qdrant(url=server.url, **{"timeout": 10, **options})


class TestContract(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def started(self, server: QdrantServer) -> None:
        self.server = server

    def store(self) -> Qdrant:
        return made(self.server)


def filled(store: Qdrant) -> Qdrant:
    store.create_col("c", 8)
    vectors = [[1.0 if axis == at else 0.0 for axis in range(8)] for at in range(3)]
    payloads = [payload_of("The cat sleeps"), payload_of("Rates rose"), payload_of("Tea, please", Scope("bob"))]
    store.insert("c", vectors, payloads, [row_id(at) for at in range(3)])
    return store


def test_what_is_filtered_by_is_indexed(server: QdrantServer) -> None:
    with made(server) as store:
        store.create_col("c", 8)
        store.create_col("c", 8)
    assert server.indexes == [
        ("c", key) for key in ("user_id", "agent_id", "run_id", "_mem0.fingerprint", "_mem0.turn")
    ]


@pytest.mark.parametrize("maker", ["this library", "another program"])
def test_a_strict_server_is_asked_by_indexed_keys_only(server: QdrantServer, tmp_path: Any, maker: str) -> None:
    server.strict = True  # as Qdrant's cloud is
    if maker == "another program":
        other = QdrantClient(url=server.url, check_compatibility=False)
        other.create_collection("mem0", vectors_config=models.VectorParams(size=8, distance=models.Distance.COSINE))
        cake = models.PointStruct(id=row_id(0), vector=[1.0] * 8, payload=payload_of("likes cake"))
        other.batch_update_points("mem0", [models.UpsertOperation(upsert=models.PointsList(points=[cake]))])
        other.close()
    store = {"provider": "qdrant", "config": {"url": server.url, "max_retries": 0}}
    config = {"path": str(tmp_path / "m.db"), "vector_store": store}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        before = m.get_all(user_id="alice").total
        assert len(m.search("cake", user_id="alice", filters={"stars": {"gte": 4}})) == 0
        tea = m.add("likes tea", user_id="alice", metadata={"stars": 4, "of": "tea", "hot": True})[0]["id"]
        m.add("and coffee", user_id="alice", metadata={"stars": 3})
        m.add("likes tea", user_id="bob")
        assert m.add("likes tea", user_id="alice")[0]["event"] == "NONE"
        for filters in ({"stars": {"gte": 4}}, {"of": "tea"}, {"hot": True}, {"stars": {"in": [4, 5]}}):
            assert [row["id"] for row in m.search("tea", user_id="alice", filters=filters)] == [tea]
            assert [row["id"] for row in m.get_all(user_id="alice", filters=filters)] == [tea]
        found = m.search("likes tea", user_id="alice", explain=True)
        assert {row["memory"]: row["explain"]["legs"]["near_dense"] > 0.5 for row in found}["and coffee"]
        assert m.update(tea, "likes green tea")["memory"] == "likes green tea"
        assert m.delete_all(user_id="alice")["deleted"] == before + 2
        assert m.get_all().total == 1


def test_a_strict_server_uses_an_index_of_the_user_s(server: QdrantServer) -> None:
    server.strict = True
    with filled(made(server)) as store:
        store.client.create_payload_index("c", "n", models.PayloadSchemaType.FLOAT)
    with made(server) as store:
        assert store.list("c", {"n": {"gte": 4}, "m": 1}) == []
    assert server.requests[-1].body["filter"]["must"] == [{"key": "n", "range": {"gte": 4.0}}]


@pytest.mark.parametrize("index", ["integer", "datetime"])
def test_an_index_that_lacks_numbers_is_not_asked_for_them(index: str) -> None:
    able = Filterable({"n": index})
    for condition in ({"n": 4}, {"n": {"gte": 4}}, {"n": {"in": [4]}}, {"n": {"contains": 4}}):
        assert pushed(parse_filters(condition), able).filter is None
        assert pushed(parse_filters(condition), Filterable({"n": "float"})).filter is not None
        assert pushed(parse_filters(condition), Filterable()).filter is not None


def test_a_search_costs_three_requests_however_many_memories(server: QdrantServer) -> None:
    with filled(made(server)) as store:
        query = Query(Scope("alice"), "where does the cat sleep", array([1.0] + [0.0] * 7), 10)
        store.candidates("c", query)
        server.requests.clear()
        candidates = store.candidates("c", query)
    paths = [request.path.partition("?")[0] for request in server.requests]
    assert paths == ["/collections/c/points/query/batch"] * 2 + ["/collections/c/points/count"]
    for request in server.requests[:1]:
        for search in request.body["searches"]:
            assert search["filter"]["must"], "the scope is not pushed down"
    assert candidates.legs["keyword"][0] > 0.5
    assert {row.payload["user_id"] for row in candidates.keys} == {"alice"}


def test_neighbours_cost_two_requests_more_where_there_are_turns(server: QdrantServer) -> None:
    def paths_of(store: Qdrant, query: Query) -> list[str]:
        server.requests.clear()
        assert len(store.candidates("c", query).keys) == 3
        return [request.path.partition("?")[0].removeprefix("/collections/c/points") for request in server.requests]

    with made(server) as store:
        store.create_col("c", 8)
        ids = [str(uuid.UUID(int=at + 1)) for at in range(6)]
        payloads = [{**payload_of(f"turn {at}"), "_mem0": {"turn": True}} for at in range(6)]
        store.insert("c", [[1.0, at, 0, 0, 0, 0, 0, 0] for at in range(6)], payloads, ids)
        query = Query(Scope("alice"), "what", array([1.0] + [0.0] * 7), 1)
        store.candidates("c", query)
        asked = paths_of(store, query)
        awaited = asyncio.run(store.acandidates("c", query))
    assert asked == ["/query/batch", "/scroll", "", "/query/batch", "/count"]
    # The best, and the two turns after it.
    assert [row.payload["data"] for row in awaited.keys] == ["turn 0", "turn 1", "turn 2"]


def test_nothing_is_asked_before_something_is(server: QdrantServer) -> None:
    with made(server) as store:
        assert server.url in repr(store)
    assert server.requests == []


def test_keys(server: QdrantServer) -> None:
    server.key = KEY
    with made(server, api_key=KEY) as store:
        assert store.list_cols() == []
        assert KEY not in f"{store!r} {store.config!r}"
    with made(server, api_key="wrong-key") as store:
        with pytest.raises(StoragePermissionError, match="key was refused: check api_key") as caught:
            store.list_cols()
        assert "wrong-key" not in "".join(traceback.format_exception(caught.value))
        assert not caught.value.retryable
    client = QdrantClient(url=server.url, api_key="wrong-key", check_compatibility=False)
    with Qdrant(client=client) as store, pytest.raises(StoragePermissionError) as caught:
        store.list_cols()
    assert caught.value.__cause__ is None  # which has what the server repeated
    client.close()


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (error(400, "Wrong input: bad"), StorageError, "400, refused: .*bad"),
        (error(400, "Index required but not found for key"), StorageError, "client.create_payload_index"),
        (error(403, "Forbidden"), StoragePermissionError, "403, the key was refused"),
        (error(429, "Too many"), StorageUnavailableError, "429, the server failed or is busy"),
        (Answer(429, {"status": {"error": "slow"}}, {"Retry-After": "1"}), StorageUnavailableError, "429"),
        (Answer(429, {"status": {"error": "slow"}}, {"Retry-After": "soon"}), StorageUnavailableError, "429"),
        (
            error(500, "Service internal error"),
            StorageUnavailableError,
            r"500, the server failed or is busy \(.*Service internal error",
        ),
        (Answer(502, "<html>"), StorageUnavailableError, "502"),
        (Answer(cut=True), StorageUnavailableError, "no answer"),
        (Answer(body={"result": 7}), StorageError, "not what Qdrant answers"),
    ],
)
def test_errors(server: QdrantServer, answer: Answer, kind: type[StorageError], told: str) -> None:
    with made(server, max_retries=0) as store:
        server.answers = [answer]
        with pytest.raises(kind, match=told) as caught:
            store.list_cols()
        assert caught.value.retryable == (kind is StorageUnavailableError)
        assert server.url in str(caught.value)
    assert len(server.requests) == 1


def test_retries_are_bounded(server: QdrantServer) -> None:
    with made(server, max_retries=2) as store:
        server.answers = [error(500, "oops"), Answer(cut=True)]
        assert store.list_cols() == []
        server.answers = [error(503, "busy")] * 5
        with pytest.raises(StorageUnavailableError):
            store.list_cols()
        server.answers = [error(400, "no")] * 5
        with pytest.raises(StorageError):
            store.list_cols()
    assert len(server.requests) == 7


def test_no_server_and_slow_answers(server: QdrantServer) -> None:
    nobody = Qdrant(host="127.0.0.1", port=9, max_retries=0)
    with nobody as store, pytest.raises(StorageUnavailableError, match="no answer"):
        store.get("c", row_id(0))
    server.answers = [Answer(delay=1.5, body={})]
    with made(server, timeout=1, max_retries=0) as store, pytest.raises(StorageUnavailableError, match="no answer"):
        store.list_cols()


def test_mistakes_are_told(server: QdrantServer) -> None:
    for host in ("localhost:6333", "http://localhost"):
        with pytest.raises(ConfigError, match=r"\['host'\].*no name of a server alone"):
            Qdrant(host=host)
    with pytest.raises(ConfigError, match="url and host name different places"):
        Qdrant(url=server.url, host="x")
    with pytest.raises(ConfigError, match="did you mean 'api_key'"):
        made(server, api_keyy="x")
    for provider in ("qdrant", "sqlite"):
        with pytest.raises(ConfigError, match="did you mean 'collection_name'"):
            Memory({"vector_store": {"provider": provider, "config": {"colection_name": "x"}}})
    with pytest.raises(ConfigError, match="leave it out here"):
        Qdrant(collection_name="x")
    with pytest.raises(ConfigError, match="make no address") as caught:
        Qdrant(url="http://me:hush@host:port")
    assert "hush" not in str(caught.value)
    store = made(server)
    store.close()
    with pytest.raises(ClosedError):
        store.list_cols()


@pytest.mark.parametrize("key", ["key-from-a-file\n", "sch\u00fcssel-123"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(ConfigError, match=r"\['api_key'\].*: (?:there is|this holds) .*line break") as caught:
        Qdrant(url="http://127.0.0.1:9", api_key=key)
    assert key.strip() not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("options", [{"port": 6333}, {"api_key": KEY}, {"https": True, "prefix": "q"}])
def test_options_of_a_server_do_not_end_up_at_a_folder(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no server is named; give url or host too"):
        Qdrant(**options)


@pytest.mark.parametrize("place", ["path", "client"])
def test_options_of_a_server_are_refused_beside_another_place(place: str, tmp_path: Path) -> None:
    named: Any = {"path": str(tmp_path), "client": QdrantClient(":memory:")}[place]
    with pytest.raises(ConfigError, match=f"port and api_key: .* give url or host in place of {place}") as caught:
        Qdrant(**{place: named}, api_key=KEY, port=7000)
    assert KEY not in str(caught.value)
    with Qdrant(**{place: named}, api_key=None, host=None, port=None, on_disk=True) as store:  # as written elsewhere
        assert store.list_cols() == []


@pytest.mark.parametrize("client", ["http://127.0.0.1:6333", QdrantClient, AsyncQdrantClient(":memory:")])
def test_what_is_no_client_is_refused(client: Any) -> None:
    with pytest.raises(ConfigError, match="this is no QdrantClient"):
        Qdrant(client=client)


def test_a_client_of_another_kind_is_used_in_threads(server: QdrantServer) -> None:
    class Recorded:
        """What stands before a client, as a proxy or a test's double does."""

        def __init__(self) -> None:
            self.inner = QdrantClient(url=server.url, check_compatibility=False)

        def __getattr__(self, name: str) -> Any:
            if name in ("init_options", "_client"):
                raise AttributeError(name)
            return getattr(self.inner, name)

    async def used() -> None:
        store = {"provider": "qdrant", "config": {"client": Recorded()}}
        config = {"path": ":memory:", "vector_store": store}
        async with AsyncMemory(config, embedder=DeterministicEmbedding(8)) as m:
            await m.add("likes tea", user_id="alice")
            assert (await m.search("tea", user_id="alice"))[0]["memory"] == "likes tea"

    asyncio.run(used())


def test_requests_stay_below_what_a_server_takes(server: QdrantServer) -> None:
    with made(server) as store:
        store.create_col("c", 8)
        server.requests.clear()
        payloads = [payload_of("小" * 1_000_000 + str(at)) for at in range(8)]
        store.insert("c", [[1.0] * 8] * 8, payloads, [row_id(at) for at in range(8)])
        few = server.requests[:]
        server.requests.clear()
        store.insert("c", [[1.0] * 8] * 600, [payload_of("x")] * 600, [row_id(at) for at in range(600)])
        many = server.requests[:]
        assert store.count("c") == 600
    counts = [[len(one["upsert"]["points"]) for one in request.body["operations"]] for request in few + many]
    assert counts == [[3], [3], [2], [256], [256], [88]]


@pytest.mark.parametrize("payload", [{"a": object()}, {"a": ["\ud800"]}, {"a": {"\ud800": 1}}, {"\ud800": 1}, {1: 2}])
def test_a_payload_that_is_no_json_is_refused_before_anything_is_stored(server: QdrantServer, payload: Any) -> None:
    with made(server) as store:
        store.create_col("c", 2)
        many = points.MOST + 1  # the last would be in a second request
        with pytest.raises(ValidationError, match=r"^row '.*': payload key "):
            store.insert("c", [[1.0, 0.0]] * many, [*[{}] * (many - 1), payload])
        assert store.count("c") == 0
        store.insert("c", [[1.0, 0.0]], [{"data": "tea"}], [row_id(0)])
        with pytest.raises(ValidationError, match=r"^row '.*': payload key "):
            store.update("c", row_id(0), payload=payload)


def test_what_is_added_together_is_one_operation(server: QdrantServer, tmp_path: Any) -> None:
    store = {"provider": "qdrant", "config": {"url": server.url}}
    config = {"path": str(tmp_path / "m.db"), "vector_store": store}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        m.add([f"fact number {at}" for at in range(40)], user_id="alice")
    (operation,) = server.requests[-1].body["operations"]
    assert len(operation["upsert"]["points"]) == 40


def test_a_collection_that_others_delete_and_make_anew(server: QdrantServer) -> None:
    with filled(made(server)) as store, made(server) as other:
        other.delete_col("c")
        assert store.get("c", row_id(0)) is None
        assert store.list("c") == []
        assert store.count("c") == 0
        other.create_col("c", 4)
        other.insert("c", [[1.0] * 4], [payload_of("new")], [row_id(9)])
        assert store.col_info("c")["vector_size"] == 4
        assert [row.payload["data"] for row in store.list("c")] == ["new"]


def test_a_caller_s_client_stays_the_callers(server: QdrantServer) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    with Qdrant(client=client) as store:
        filled(store)
        assert store.client is client
        asyncio.run(_awaited(store))
    assert client.count("c").count == 3
    client.close()


async def _awaited(store: Qdrant) -> None:
    assert (await store.aget("c", row_id(0))).payload["data"] == "The cat sleeps"  # type: ignore[union-attr]
    rows, total = await store.apage("c", {"user_id": "alice"}, 1)
    assert (len(rows), total) == (1, 2)
    await store.aclose()


def test_in_a_memory(server: QdrantServer, tmp_path: Any) -> None:
    config = {
        "history_db_path": str(tmp_path / "history.db"),
        "vector_store": {"provider": "qdrant", "config": {"url": server.url, "collection_name": "people"}},
    }
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        added = m.add("likes tea", user_id="alice")
        m.add("likes tea", user_id="bob")
        assert m.add("Likes Tea.", user_id="alice")[0]["event"] == "NONE"
        assert [row["memory"] for row in m.search("tea", user_id="alice")] == ["likes tea"]
        m.update(added[0]["id"], "likes coffee")
        assert m.search("coffee", user_id="alice", explain=True)[0]["explain"]["legs"]["keyword"] > 0.9
        assert m.get_all(user_id="alice").total == 1
        assert [row["new_value"] for row in m.history(added[0]["id"])] == ["likes tea", "likes coffee"]
        server.answers = [error(500, "oops")] * 3
        with pytest.raises(StorageError):
            m.add("likes cake", user_id="alice")
        assert m.get_all(user_id="alice").total == 1
        assert m.delete_all(user_id="alice")["deleted"] == 1
        assert m.get_all(user_id="bob").total == 1


def test_awaited_in_a_memory(server: QdrantServer, tmp_path: Any) -> None:
    config = {
        "history_db_path": str(tmp_path / "history.db"),
        "vector_store": {"provider": "qdrant", "config": {"url": server.url}},
    }

    async def used() -> None:
        async with AsyncMemory(config, embedder=DeterministicEmbedding(8)) as m:
            await asyncio.gather(*(m.add(f"likes tea number {at}", user_id=f"u{at}") for at in range(5)))
            found = await asyncio.gather(*(m.search("tea", user_id=f"u{at}") for at in range(5)))
            assert [len(rows) for rows in found] == [1] * 5
            listed = await m.get_all(user_id="u3")
            assert listed.total == 1
            assert (await m.get(listed[0]["id"]))["memory"] == "likes tea number 3"  # type: ignore[index]

    asyncio.run(used())
