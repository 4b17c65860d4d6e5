"""The hosted client's verbs, through real httpx against a server that speaks the service's format; both clients."""

from __future__ import annotations

import asyncio
import inspect
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from typing import Any

import httpx
import pytest
from hosted_server import (
    ADDED_V1,
    BATCH,
    FOUND,
    HISTORY,
    KEY,
    MEMORY,
    MEMORY_ID,
    PING,
    QUEUED_V3,
    SAID,
    HostedServer,
)
from loopback import Answer

from mem0.client.main import APIError, AsyncMemoryClient, MemoryClient
from mem0.exceptions import ClosedError, ConfigError, ProviderError, ValidationError
from mem0.types import MemoryList

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

BOTH = {"blocking": MemoryClient, "awaited": AsyncMemoryClient}


class Driven:
    """Either client, its verbs called alike."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.itself: Any = self.run(lambda: BOTH[kind](**options))

    def run(self, make: Callable[[], Any]) -> Any:
        async def inside() -> Any:
            made = make()
            if inspect.isasyncgen(made):
                return [row async for row in made]
            return await made if inspect.isawaitable(made) else made

        return self.loop.run_until_complete(inside())

    def __getattr__(self, verb: str) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            answer = self.run(lambda: getattr(self.itself, verb)(*arguments, **named))
            return list(answer) if inspect.isgenerator(answer) else answer

        return called


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEM0_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[HostedServer]:
    with HostedServer() as server:
        yield server


@pytest.fixture(params=BOTH)
def made(request: pytest.FixtureRequest, server: HostedServer) -> Iterator[Callable[..., Driven]]:
    """Make a client of either kind for the server."""
    drivers = []

    def make(**options: Any) -> Driven:
        driver = Driven(request.param, **{"api_key": KEY, "host": server.url, "timeout": 20, **options})
        drivers.append(driver)
        return driver

    yield make
    for driver in drivers:
        driver.close()
        driver.loop.close()


def test_both_clients_have_the_same_verbs_and_arguments() -> None:
    def public(client: type) -> set[str]:
        return {name for name in dir(client) if not name.startswith("_")}

    assert public(MemoryClient) == public(AsyncMemoryClient)
    assert inspect.signature(MemoryClient) == inspect.signature(AsyncMemoryClient)
    verbs = {name for name in public(MemoryClient) if callable(getattr(MemoryClient, name))}
    assert {"add", "search", "get_all", "reset", "batch_update", "delete_users", "close"} <= verbs
    for name in verbs:
        blocking, awaited = getattr(MemoryClient, name), getattr(AsyncMemoryClient, name)
        if name == "iterate":
            assert inspect.signature(blocking).parameters == inspect.signature(awaited).parameters
        else:
            assert inspect.signature(blocking) == inspect.signature(awaited), name
            assert inspect.iscoroutinefunction(awaited)


def test_the_error_is_part_of_the_tree() -> None:
    assert issubclass(APIError, ProviderError)


class TestVerbs:
    """Requests and answers, as the vendor documents them."""

    def test_add(self, made: Callable[..., Driven], server: HostedServer) -> None:
        result = made().add([SAID], user_id="alice", metadata={"source": "onboarding_form"}, infer=None)
        body = {"messages": [SAID], "user_id": "alice", "metadata": {"source": "onboarding_form"}}
        assert server.asked == ("POST", "/v1/memories/", {}, body)
        assert result == result["results"] == ADDED_V1
        assert server.requests[-1].headers["authorization"] == f"Token {KEY}"
        assert server.requests[-1].headers["accept"] == "application/json"

    @pytest.mark.parametrize(
        "given",
        [
            {"messages": SAID["content"]},
            {"data": SAID["content"]},
            {"messages": SAID},
            {"messages": [SAID["content"]]},
            {"data": (SAID,)},
        ],
    )
    def test_add_takes_text_a_message_or_a_list(
        self, made: Callable[..., Driven], server: HostedServer, given: dict[str, Any]
    ) -> None:
        made().add(**given, user_id="alice")
        assert server.asked[3] == {"messages": [SAID], "user_id": "alice"}

    def test_add_passes_on_what_the_service_documents(self, made: Callable[..., Driven], server: HostedServer) -> None:
        when = datetime(2026, 1, 31, tzinfo=timezone.utc)
        made().add("hi", user_id=7, infer=False, timestamp=when, expiration_date=date(2027, 1, 1), version="v2")
        asked = server.asked[3]
        assert asked.pop("messages") == [{"role": "user", "content": "hi"}]
        assert asked == {
            "user_id": "7",
            "infer": False,
            "timestamp": 1769817600,
            "expiration_date": "2027-01-01",
            "version": "v2",
        }

    def test_add_of_v3(self, made: Callable[..., Driven], server: HostedServer) -> None:
        assert made(api_version="v3").add([SAID], user_id="alice") == QUEUED_V3
        assert server.asked == ("POST", "/v3/memories/add/", {}, {"messages": [SAID], "user_id": "alice"})

    @pytest.mark.parametrize("empty", [None, "", " ", [], [""]])
    def test_nothing_said_is_not_sent(self, made: Callable[..., Driven], server: HostedServer, empty: Any) -> None:
        assert made().add(empty, user_id="alice") == []
        assert server.requests == []

    def test_search(self, made: Callable[..., Driven], server: HostedServer) -> None:
        found = made().search("hobbies?", user_id="alice", filters={"categories": "hobbies"}, limit=3, rerank=True)
        assert server.asked[:3] == ("POST", "/v1/memories/search/", {})
        assert server.asked[3] == {
            "query": "hobbies?",
            "user_id": "alice",
            "filters": {"categories": "hobbies"},
            "top_k": 3,
            "rerank": True,
        }
        assert isinstance(found, MemoryList)
        assert json.loads(json.dumps(found)) == [FOUND]

    @pytest.mark.parametrize("options", [{"api_version": "v3"}, {"api_version": "v2"}])
    def test_search_of_later_versions_has_the_scope_in_its_filters(
        self, made: Callable[..., Driven], server: HostedServer, options: dict[str, Any]
    ) -> None:
        client = made(**options)
        found = client.search("hobbies?", user_id="alice", filters={"created_at": {"gte": "2024-07-01"}}, top_k=5)
        assert found == found["results"] == [FOUND]
        assert server.asked[1] == f"/{options['api_version']}/memories/search/"
        filters = {"user_id": "alice", "created_at": {"gte": "2024-07-01"}}
        assert server.asked[3] == {"query": "hobbies?", "top_k": 5, "filters": filters}
        either = {"OR": [{"agent_id": "a"}, {"agent_id": "b"}]}
        client.search("hobbies?", user_id="alice", filters=either)
        assert server.asked[3]["filters"] == {"AND": [{"user_id": "alice"}, either]}

    def test_one_call_may_ask_another_version(self, made: Callable[..., Driven], server: HostedServer) -> None:
        made().search("hobbies?", version="v2", filters={"user_id": "alice"})
        assert server.asked[1] == "/v2/memories/search/"
        made(api_version="v3").get_all(version="v1", user_id="alice")
        assert server.asked[:2] == ("GET", "/v1/memories/")

    def test_get_all(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        assert client.get_all(user_id="alex", categories=["food"], metadata={"a": 1}, keywords=None) == [MEMORY]
        params = {"user_id": "alex", "categories": "food", "metadata": '{"a": 1}'}
        assert server.asked == ("GET", "/v1/memories/", params, None)
        client.get_all(filters={"user_id": "alex"}, page=2, page_size=50)
        assert server.asked[2] == {"user_id": "alex", "page": "2", "page_size": "50"}

    @pytest.mark.parametrize("filters", [{"AND": [{"user_id": "a"}]}, {"n": {"gte": 1}}, {"user_id": None}])
    def test_a_list_of_v1_refuses_filters_it_would_drop(
        self, made: Callable[..., Driven], server: HostedServer, filters: dict[str, Any]
    ) -> None:
        with pytest.raises(ValidationError, match="api_version='v3'"):
            made().get_all(filters=filters)
        assert server.requests == []

    def test_get_all_of_v3(self, made: Callable[..., Driven], server: HostedServer) -> None:
        page = made(api_version="v3").get_all(filters={"user_id": "alex"}, page=1, page_size=50)
        params = {"page": "1", "page_size": "50"}
        assert server.asked == ("POST", "/v3/memories/", params, {"filters": {"user_id": "alex"}})
        assert (page, page.total, page["count"], page["next"], page.get("previous", 1)) == ([MEMORY], 1, 1, None, None)
        assert "next" in page
        assert "beyond" not in page

    @pytest.mark.parametrize("version", ["v1", "v2", "v3"])
    def test_iterate_gives_all_pages(self, made: Callable[..., Driven], server: HostedServer, version: str) -> None:
        server.memories = [{**MEMORY, "id": str(at)} for at in range(5)]
        client = made(api_version=version)
        assert [row["id"] for row in client.iterate(user_id="alex", page_size=2)] == ["0", "1", "2", "3", "4"]
        assert [request.path[-18:] for request in server.requests] == [
            f"page={at}&page_size=2"[-18:] for at in (1, 2, 3)
        ]

    def test_iterate_ends_with_a_service_without_pages(self, made: Callable[..., Driven], server: HostedServer) -> None:
        server.answers = [Answer(200, [MEMORY])]
        assert made().iterate(user_id="alex") == [MEMORY]
        assert len(server.requests) == 1

    def test_one_memory(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        path = f"/v1/memories/{MEMORY_ID}/"
        assert client.get(MEMORY_ID) == client.get(uuid.UUID(MEMORY_ID)) == MEMORY
        assert server.asked == ("GET", path, {}, None)
        assert client.update(MEMORY_ID, "Likes tea", metadata={"a": 1})["text"] == "Likes tea"
        assert server.asked == ("PUT", path, {}, {"text": "Likes tea", "metadata": {"a": 1}})
        client.update(MEMORY_ID, data="Likes tea")
        assert server.asked[3] == {"text": "Likes tea"}
        assert client.delete(MEMORY_ID) == {"message": "deleted"}  # a 204 has no body
        assert server.asked == ("DELETE", path, {}, None)
        assert client.history(MEMORY_ID) == HISTORY
        assert server.asked == ("GET", f"{path}history/", {}, None)

    def test_delete_all(self, made: Callable[..., Driven], server: HostedServer) -> None:
        assert made().delete_all(user_id="alex", run_id=None) == {"message": "deleted"}
        assert server.asked == ("DELETE", "/v1/memories/", {"user_id": "alex"}, None)

    @pytest.mark.parametrize("scope", [{}, {"user_id": None}, {"user_id": ""}, {"metadata": {"a": 1}}])
    def test_delete_all_without_scope_is_refused(
        self, made: Callable[..., Driven], server: HostedServer, scope: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match=r"user_id"):
            made().delete_all(**scope)
        assert server.requests == []

    def test_batches(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        given = [{**row, "metadata": None} for row in BATCH]
        assert client.batch_update(given) == {"message": "Successfully updated 2 memories"}
        assert server.asked == ("PUT", "/v1/batch/", {}, {"memories": BATCH})
        ids = [row["memory_id"] for row in BATCH]
        for rows in (ids, [{"memory_id": each} for each in ids]):
            assert client.batch_delete(rows) == {"message": "Successfully deleted 2 memories"}
            assert server.asked == ("DELETE", "/v1/batch/", {}, {"memories": [{"memory_id": each} for each in ids]})

    def test_users_and_ping(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        assert [user["name"] for user in client.users()["results"]] == ["alex", "travel-agent"]
        assert server.asked == ("GET", "/v1/entities/", {}, None)
        assert client.users(page=2, page_size=1)[0]["name"] == "travel-agent"
        assert client.ping() == PING

    def test_delete_users(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        assert client.delete_users(user_id="alex", run_id=None)["deleted"] == 1
        assert server.asked == ("DELETE", "/v1/entities/user/alex/", {}, None)
        with pytest.raises(ValidationError, match="user_id is None"):
            client.delete_users(user_id=None)
        with pytest.raises(APIError, match="0 of 1 were deleted before"):
            client.delete_users(user_id="nobody")
        assert server.entities == [("agent", "travel-agent")]
        assert client.delete_users()["deleted"] == 1
        assert server.entities == []

    def test_reset_deletes_everybody_of_all_pages(self, made: Callable[..., Driven], server: HostedServer) -> None:
        server.entities = [("user", f"u/{at}") for at in range(130)]
        result = made().reset()
        assert (result["deleted"], server.entities) == (130, [])
        assert made().reset()["deleted"] == 0

    def test_reset_says_how_far_it_came(self, made: Callable[..., Driven], server: HostedServer) -> None:
        users = Answer(200, [{"type": "user", "name": name} for name in ("gone", "alex", "eve")])
        server.answers = [users, Answer(404, {}), Answer(204, ""), Answer(403, {"detail": "not yours"})]
        with pytest.raises(APIError, match=r"403, 'not yours'.*2 of 3 were deleted before") as caught:
            made().reset()
        assert caught.value.status == 403

    @pytest.mark.parametrize("version", ["v1", "v3"])
    def test_org_and_project_go_with_every_request(
        self, made: Callable[..., Driven], server: HostedServer, version: str
    ) -> None:
        client = made(org_id="org-1", project_id="proj-1", api_version=version)
        client.add("hi", user_id="a")
        client.search("hi", user_id="a")
        list(client.get_all(user_id="a"))
        client.get(MEMORY_ID)
        client.update(MEMORY_ID, "x")
        client.delete(MEMORY_ID)
        client.delete_all(user_id="a")
        client.history(MEMORY_ID)
        client.batch_update(BATCH)
        client.batch_delete(["a"])
        client.ping()
        client.reset()
        assert len(server.requests) == 14
        for request in server.requests:
            if request.method == "POST":
                assert (request.body["org_id"], request.body["project_id"]) == ("org-1", "proj-1")
            else:
                assert "org_id=org-1&project_id=proj-1" in request.path


class TestArguments:
    @pytest.mark.parametrize(
        ("memory_id", "segment"),
        [
            ("../x", "..%2Fx"),
            ("a/b", "a%2Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("a%2Fb", "a%252Fb"),
            ("a b&c", "a%20b%26c"),
            ("爱丽丝", "%E7%88%B1%E4%B8%BD%E4%B8%9D"),
        ],
    )
    def test_an_id_stays_one_segment_of_the_path(
        self, made: Callable[..., Driven], server: HostedServer, memory_id: str, segment: str
    ) -> None:
        client = made()
        for verb in (client.get, client.delete, client.history):
            with pytest.raises(APIError) as caught:
                verb(memory_id)
            assert caught.value.status == 404
        paths = [request.path for request in server.requests]
        assert paths == [f"/v1/memories/{segment}/"] * 2 + [f"/v1/memories/{segment}/history/"]
        server.entities = [("user", memory_id)]
        client.delete_users(memory_id)
        assert server.asked[1] == f"/v1/entities/user/{segment}/"

    @pytest.mark.parametrize("memory_id", ["", " ", None, ".", "..", "a\nb", "\ud800", True, 1.5, "x" * 513])
    def test_an_id_that_cannot_be_is_refused(
        self, made: Callable[..., Driven], server: HostedServer, memory_id: Any
    ) -> None:
        client = made()
        for verb in (client.get, client.delete, client.history):
            with pytest.raises(ValidationError):
                verb(memory_id)
        with pytest.raises(ValidationError):
            client.update(memory_id, "text")
        assert server.requests == []

    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client.add("a", data="b"),
            lambda client: client.add(7),
            lambda client: client.add("a", metadata={"a": object()}),
            lambda client: client.add("a", metadata={"a": float("nan")}),
            lambda client: client.search(None),
            lambda client: client.search("a", limit=1, top_k=2),
            lambda client: client.search("a", limit=0),
            lambda client: client.search("a", user_id="a", filters={"user_id": "b"}),
            lambda client: client.search("a", filters=["user_id"]),
            lambda client: client.search("a", version="v9"),
            lambda client: client.get_all(page=0),
            lambda client: client.iterate(page_size=True),
            lambda client: client.update("id"),
            lambda client: client.update("id", "a", data="b"),
            lambda client: client.batch_update([]),
            lambda client: client.batch_update(["id"]),
            lambda client: client.batch_update([{"memory_id": "id"}]),
            lambda client: client.batch_update([{"text": "x"}]),
            lambda client: client.batch_delete("id"),
            lambda client: client.batch_delete([{}]),
        ],
    )
    def test_a_bad_argument_is_refused_before_sending(
        self, made: Callable[..., Driven], server: HostedServer, call: Callable[[Driven], Any]
    ) -> None:
        with pytest.raises(ValidationError):
            call(made())
        assert server.requests == []

    def test_texts_of_all_languages_arrive(self, made: Callable[..., Driven], server: HostedServer) -> None:
        given = {"query": "她不能吃什么？ \ud800", "metadata": {"a": [1]}}
        made().search(given["query"], metadata=given["metadata"])
        assert server.asked[3] == {"query": "她不能吃什么？ \ufffd", "metadata": {"a": [1]}}
        assert made().search("  ") == []


class TestConstruction:
    @pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v3", "/v3/"])
    def test_the_host_may_end_in_a_version(self, made: Callable[..., Driven], server: HostedServer, end: str) -> None:
        client = made(host=server.url + end)
        assert client.itself.host == server.url
        client.get(MEMORY_ID)
        assert server.asked[1] == f"/v1/memories/{MEMORY_ID}/"

    def test_a_host_may_have_a_path(self, made: Callable[..., Driven], server: HostedServer) -> None:
        server.answers = [Answer(200, MEMORY)]
        made(host=f"{server.url}/mem0/v1").get("id")
        assert server.asked[1] == "/mem0/v1/memories/id/"

    @pytest.mark.parametrize("kind", BOTH.values())
    def test_what_is_public(self, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEM0_API_KEY", f" {KEY}\n")
        client = kind()  # sends nothing: it could not, sockets are blocked for this host
        assert (client.api_key, client.host) == (KEY, "https://api.mem0.ai")
        assert isinstance(client.client, (httpx.Client, httpx.AsyncClient))
        assert KEY not in repr(client)
        assert repr(client) == f"{kind.__name__}(host='https://api.mem0.ai', api_key='***', api_version='v1')"
        assert "secret" not in repr(kind(host="https://me:secret@example.com"))

    @pytest.mark.parametrize("kind", BOTH.values())
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({}, "MEM0_API_KEY"),
            ({"api_key": " "}, "MEM0_API_KEY"),
            ({"api_key": "m0-schlüssel"}, "MEM0_API_KEY"),
            ({"api_key": "m0-a\nb"}, "MEM0_API_KEY"),
            ({"api_key": KEY, "host": "localhost:8000"}, "'localhost:8000'"),
            ({"api_key": KEY, "host": "https://me:secret@"}, "host"),
            ({"api_key": KEY, "host": "http://a:b"}, "host"),
            ({"api_key": KEY, "host": "http://a b"}, "host"),
            ({"api_key": KEY, "host": "http://a\x01b"}, "host"),
            ({"api_key": KEY, "api_version": "v9"}, "v1, v2, v3"),
            ({"api_key": KEY, "max_retries": -1}, "max_retries"),
            ({"api_key": KEY, "timeout": 0}, "timeout"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, kind: Any, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            kind(**options)
        assert "secret" not in str(caught.value)
        assert "schlüssel" not in str(caught.value)

    def test_nothing_is_sent_before_the_first_verb(self, made: Callable[..., Driven], server: HostedServer) -> None:
        made()
        made(api_key="m0-wrong")
        assert server.requests == []

    def test_validate_asks_first(self, server: HostedServer) -> None:
        with MemoryClient(KEY, server.url, validate=True) as client:
            assert [request.path for request in server.requests] == ["/v1/ping/"]
            client.get(MEMORY_ID)
        with pytest.raises(APIError, match="MEM0_API_KEY"):
            MemoryClient("m0-wrong", server.url, validate=True)

    def test_validate_of_the_awaited_client_asks_when_it_can(self, server: HostedServer) -> None:
        async def main() -> None:
            async with AsyncMemoryClient(KEY, server.url, validate=True):
                assert [request.path for request in server.requests] == ["/v1/ping/"]
            client = AsyncMemoryClient(KEY, server.url, validate=True)
            await client.get(MEMORY_ID)
            await client.get(MEMORY_ID)
            await client.close()
            assert [request.path for request in server.requests[1:]].count("/v1/ping/") == 1
            refused = AsyncMemoryClient("m0-wrong", server.url, validate=True)
            with pytest.raises(APIError, match="MEM0_API_KEY"):
                async with refused:
                    pass
            assert refused.client.is_closed

        asyncio.run(main())

    def test_a_client_that_was_closed_says_so(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        client.get(MEMORY_ID)
        client.close()
        client.close()
        with pytest.raises(ClosedError):
            client.get(MEMORY_ID)
        assert len(server.requests) == 1

    def test_the_callers_own_client_stays_open_and_as_it_was(self, server: HostedServer) -> None:
        with httpx.Client(base_url=f"{server.url}/v1", headers={"X-Mine": "1"}, timeout=0.2) as own:
            with MemoryClient(KEY, client=own) as client:
                assert (client.client, client.host) == (own, server.url)
                client.get(MEMORY_ID)
                assert server.requests[-1].headers["x-mine"] == "1"
                server.answers = [Answer(200, [], delay=1.0)]
                with pytest.raises(APIError, match="time-out"):
                    client.add("hi", user_id="a")
            assert not own.is_closed
            assert "authorization" not in own.headers
            assert str(own.base_url) == f"{server.url}/v1/"
            with MemoryClient(KEY, "https://elsewhere.example", own) as client:
                assert client.host == "https://elsewhere.example"
        with pytest.raises(ClosedError):
            MemoryClient(KEY, client=own).get(MEMORY_ID)

    def test_the_callers_own_awaited_client_stays_open(self, server: HostedServer) -> None:
        async def main() -> None:
            async with httpx.AsyncClient(base_url=server.url) as own:
                async with AsyncMemoryClient(KEY, client=own) as client:
                    await client.get(MEMORY_ID)
                assert not own.is_closed

        asyncio.run(main())
