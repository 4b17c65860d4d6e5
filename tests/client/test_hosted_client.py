"""The hosted client's verbs, through real httpx against a server that speaks the service's format; both clients."""

from __future__ import annotations

import inspect
import json
import uuid
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any

import pytest
from driven import Driven
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
from mem0.exceptions import ProviderError, ValidationError
from mem0.types import MemoryList

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


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
        found = made().search("hobbies?", user_id="alice", categories=["hobbies"], limit=3, rerank=True)
        assert server.asked[:3] == ("POST", "/v1/memories/search/", {})
        assert server.asked[3] == {
            "query": "hobbies?",
            "user_id": "alice",
            "categories": ["hobbies"],
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

    def test_a_page_in_the_format_v1_1(self, made: Callable[..., Driven], server: HostedServer) -> None:
        page = {"count": 2, "next": "https://elsewhere.example/?page=2", "results": {"results": [MEMORY]}}
        server.answers = [Answer(200, page)]
        given = {"user_id": "alex", "output_format": "v1.1"}
        found = made().get_all(page=1, **given)
        assert (found, found["results"], found.total) == ([MEMORY], [MEMORY], 2)
        server.answers = [Answer(200, page), Answer(200, {**page, "next": None})]
        assert made().iterate(**given) == [MEMORY, MEMORY]

    def test_ids_in_filters_stand_where_v1_reads_them(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        client.search("hobbies?", filters={"user_id": "alice"}, run_id=7)
        assert server.asked[1] == "/v1/memories/search/"
        assert server.asked[3] == {"query": "hobbies?", "user_id": "alice", "run_id": "7"}
        client.get_all(filters={"user_id": "alice", "agent_id": 7})
        assert server.asked[:3] == ("GET", "/v1/memories/", {"user_id": "alice", "agent_id": "7"})

    @pytest.mark.parametrize(
        "filters",
        [{"AND": [{"user_id": "a"}]}, {"n": {"gte": 1}}, {"categories": "food"}, {"run_id": "*"}, {"user_id": ["a"]}],
    )
    def test_filters_that_v1_would_drop_go_to_v2(
        self, made: Callable[..., Driven], server: HostedServer, filters: dict[str, Any]
    ) -> None:
        client = made()
        assert client.search("hobbies?", filters=filters) == [FOUND]
        assert server.asked == ("POST", "/v2/memories/search/", {}, {"query": "hobbies?", "filters": filters})
        assert client.get_all(filters=filters, page=1) == [MEMORY]
        assert server.asked == ("POST", "/v2/memories/", {"page": "1"}, {"filters": filters})
        assert client.iterate({"filters": filters}) == [MEMORY]
        count = len(server.requests)
        for call in (
            lambda: client.search("hobbies?", filters=filters, version="v1"),
            lambda: client.get_all(filters=filters, version="v1"),
        ):
            with pytest.raises(ValidationError, match="'v1' of the service knows ids only"):
                call()
        assert len(server.requests) == count

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

    def test_delete_linked(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        client.delete(MEMORY_ID, delete_linked=True)
        assert server.asked == ("DELETE", f"/v1/memories/{MEMORY_ID}/", {"delete_linked": "true"}, None)
        client.delete(MEMORY_ID, True, reason="asked for")
        assert server.asked[2] == {"delete_linked": "true", "reason": "asked for"}
        client.delete(MEMORY_ID, delete_linked=False)
        assert server.asked[2] == {}

    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client.update(MEMORY_ID, expiration_date=None),
            lambda client: client.update(MEMORY_ID, {"expiration_date": None}),
            lambda client: client.update(MEMORY_ID, options={"expiration_date": None}, metadata=None),
        ],
    )
    def test_an_update_clears_the_date_of_expiry(
        self, made: Callable[..., Driven], server: HostedServer, call: Callable[[Driven], Any]
    ) -> None:
        call(made())
        assert server.asked == ("PUT", f"/v1/memories/{MEMORY_ID}/", {}, {"expiration_date": None})

    def test_other_verbs_clear_nothing(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        client.add([SAID], user_id="a", expiration_date=None)
        assert server.asked[3] == {"messages": [SAID], "user_id": "a"}
        client.batch_update([{**BATCH[0], "metadata": None, "expiration_date": None}])
        assert server.asked[3] == {"memories": [{**BATCH[0], "expiration_date": None}]}

    def test_an_update_by_place(self, made: Callable[..., Driven], server: HostedServer) -> None:
        when = datetime(2026, 1, 31, tzinfo=timezone.utc)
        made().update(MEMORY_ID, "Likes tea", {"a": 1}, when)
        assert server.asked[3] == {"text": "Likes tea", "metadata": {"a": 1}, "timestamp": 1769817600}

    @pytest.mark.parametrize(
        ("given", "params"),
        [
            ({"filters": {"user_id": "alex"}}, {"user_id": "alex"}),
            ({"filters": {"user_id": "alex"}, "user_id": "alex", "run_id": 7}, {"user_id": "alex", "run_id": "7"}),
            ({"options": {"filters": {"agent_id": "a"}}}, {"agent_id": "a"}),
            ({"options": {"user_id": "alex"}, "metadata": {"a": 1}}, {"user_id": "alex", "metadata": '{"a": 1}'}),
        ],
    )
    def test_delete_all_takes_ids_in_filters(
        self, made: Callable[..., Driven], server: HostedServer, given: dict[str, Any], params: dict[str, str]
    ) -> None:
        made().delete_all(**given)
        assert server.asked == ("DELETE", "/v1/memories/", params, None)

    @pytest.mark.parametrize(
        "scope",
        [
            {},
            {"user_id": None},
            {"user_id": ""},
            {"metadata": {"a": 1}},
            {"filters": {"user_id": None}},
            # What the service would not read here must not make a deletion larger than it looks.
            {"user_id": "a", "filters": {"categories": "food"}},
            {"user_id": "a", "categories": ["food"]},
            {"user_id": "a", "options": {"session": "s1"}},
            {"filters": {"AND": [{"user_id": "a"}]}},
            {"filters": {"user_id": {"in": ["a"]}}},
            {"user_id": "a", "filters": {"user_id": "b"}},
            {"filters": ["user_id"]},
        ],
    )
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
        client.batch_delete([{"memory_id": uuid.UUID(ids[0]), "delete_linked": True}])
        assert server.asked[3] == {"memories": [{"memory_id": ids[0], "delete_linked": True}]}

    def test_a_batch_changes_what_an_update_changes(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client, new = made(), {"data": "Likes tea", "timestamp": datetime(2026, 1, 31, tzinfo=timezone.utc)}
        client.update(MEMORY_ID, **new)
        changed = server.asked[3]
        client.batch_update([{"memory_id": MEMORY_ID, **new}])
        assert server.asked[3] == {"memories": [{"memory_id": MEMORY_ID, **changed}]}
        assert changed == {"text": "Likes tea", "timestamp": 1769817600}
        with pytest.raises(ValidationError, match="text and data mean the same"):
            client.batch_update([{"memory_id": MEMORY_ID, "text": "a", "data": "b"}])

    def test_users_and_ping(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        assert [user["name"] for user in client.users()["results"]] == ["alex", "travel-agent"]
        assert server.asked == ("GET", "/v1/entities/", {}, None)
        assert client.users(page=2, page_size=1)[0]["name"] == "travel-agent"
        assert client.ping() == PING

    def test_delete_users(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        assert client.delete_users(user_id="alex", run_id=None)["deleted"] == 1
        assert server.asked == ("DELETE", "/v2/entities/user/alex/", {}, None)
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
        with pytest.raises(APIError, match=r"403, 'not yours'.*1 of 3 were deleted before") as caught:
            made().reset()
        assert caught.value.status == 403

    def test_who_is_gone_already_is_not_counted(self, made: Callable[..., Driven], server: HostedServer) -> None:
        server.answers = [Answer(200, [{"type": "user", "name": name} for name in ("gone", "alex")])]
        result = made().reset()
        assert result["deleted"] == 1
        assert "1 were gone already" in result["message"]
        assert [request.method for request in server.requests] == ["GET", "DELETE", "DELETE", "GET"]

    def test_reset_claims_nothing_where_everybody_is_still_there(
        self, made: Callable[..., Driven], server: HostedServer
    ) -> None:
        server.usual = lambda request: (  # type: ignore[method-assign]
            HostedServer.usual(server, request) if request.method == "GET" else Answer(404, "no such path")
        )
        for verb in ("reset", "delete_users"):
            with pytest.raises(APIError, match=r"/v2/entities/user/alex/: 404, and still listed.*0 of 2") as caught:
                getattr(made(), verb)()
            assert (caught.value.status, caught.value.retryable) == (404, False)

    def test_reset_claims_nothing_where_the_list_cannot_be_read_again(
        self, made: Callable[..., Driven], server: HostedServer
    ) -> None:
        users = Answer(200, [{"type": "user", "name": name} for name in ("alex", "gone")])
        server.answers = [users, Answer(204, ""), Answer(404, {}), Answer(403, {})]
        with pytest.raises(APIError, match=r"GET /v1/entities/: 403.*1 of 2 were deleted before"):
            made().reset()

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
