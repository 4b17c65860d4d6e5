"""What the hosted client's verbs are given: ids, the wildcard that is none, and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from driven import Driven
from hosted_server import (
    FOUND,
    MEMORY,
    MEMORY_ID,
    SAID,
    HostedServer,
)

from mem0.client.main import APIError
from mem0.exceptions import ValidationError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


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
        assert server.asked[1] == f"/v2/entities/user/{segment}/"

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
            lambda client: client.search("a", filters={"user_id": None, "categories": "food"}),
            lambda client: client.get_all(filters={"run_id": None}, user_id="a"),
            lambda client: client.delete_all(filters={"user_id": "a", "run_id": None}),
            lambda client: client.add("a", filters={"user_id": None}),
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

    def test_what_fits_into_no_address_is_refused(self, made: Callable[..., Driven], server: HostedServer) -> None:
        for verb in ("get_all", "delete_all"):
            with pytest.raises(ValidationError, match="/v1/memories/: .* does not fit into an address.*; give less"):
                getattr(made(), verb)(user_id="a", metadata={"a": "x" * 70_000})
        assert server.requests == []

    def test_texts_of_all_languages_arrive(self, made: Callable[..., Driven], server: HostedServer) -> None:
        given = {"query": "她不能吃什么？ \ud800", "metadata": {"a": [1]}}
        made().search(given["query"], metadata=given["metadata"])
        assert server.asked[3] == {"query": "她不能吃什么？ \ufffd", "metadata": {"a": [1]}}
        assert made().search("  ") == []


class TestWildcard:
    """The service takes ``"*"`` for everybody; an id is a literal."""

    @pytest.mark.parametrize(
        "call",
        [
            lambda client, scope: client.add("hi", **scope),
            lambda client, scope: client.add("hi", filters=scope),
            lambda client, scope: client.search("hi", **scope),
            lambda client, scope: client.get_all(**scope),
            lambda client, scope: client.iterate(**scope),
            lambda client, scope: client.delete_all(**scope),
            lambda client, scope: client.delete_all(filters=scope),
            lambda client, scope: client.delete_all(**{"user_id": "a", "agent_id": "b", **scope}),
            lambda client, scope: client.delete_users(**scope),
            lambda client, scope: client.search("hi", options=scope),
            lambda client, scope: client.delete_all(scope),
        ],
    )
    def test_it_is_no_id(self, made: Callable[..., Driven], server: HostedServer, call: Callable[..., Any]) -> None:
        client = made()
        for name, value in (("user_id", "*"), ("agent_id", "*"), ("app_id", " * "), ("run_id", "*")):
            with pytest.raises(ValidationError, match=rf"{name}=.*reset\(\).*filters={{'{name}': '\*'}}"):
                call(client, {name: value})
        assert server.requests == []

    def test_reading_takes_it_as_a_filter(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made(api_version="v3")
        client.search("hi", filters={"user_id": "*"})
        assert server.asked[3]["filters"] == {"user_id": "*"}
        client.get_all(filters={"user_id": "*"}, run_id="a*")
        assert server.asked[3]["filters"] == {"user_id": "*", "run_id": "a*"}

    def test_who_is_called_so_can_be_deleted_with_the_others(
        self, made: Callable[..., Driven], server: HostedServer
    ) -> None:
        server.entities = [("user", "*"), ("user", "alex")]
        assert made().reset()["deleted"] == 2
        assert server.entities == []


class Typed(pydantic.BaseModel):
    """Such as the vendor's ``SearchMemoryOptions``."""

    filters: dict[str, Any] | None = None
    top_k: int | None = None
    rerank: bool | None = None


class TestOptions:
    @pytest.mark.parametrize(
        "call",
        [
            lambda client: client.search("hobbies?", {"filters": {"user_id": "alice"}, "top_k": 5}),
            lambda client: client.search("hobbies?", options=Typed(filters={"user_id": "alice"}, top_k=5)),
            lambda client: client.search("hobbies?", Typed(top_k=5), user_id="alice"),
            lambda client: client.search("hobbies?", {"user_id": "alice", "limit": 5}, user_id="alice", filters=None),
        ],
    )
    def test_of_search(self, made: Callable[..., Driven], server: HostedServer, call: Callable[..., Any]) -> None:
        assert call(made(api_version="v3")) == [FOUND]
        assert server.asked[3] == {"query": "hobbies?", "top_k": 5, "filters": {"user_id": "alice"}}

    @pytest.mark.parametrize("version", ["v1", "v3"])
    def test_of_add(self, made: Callable[..., Driven], server: HostedServer, version: str) -> None:
        client = made(api_version=version)
        body = {"messages": [SAID], "user_id": "alice", "infer": False, "metadata": {"a": 1}}
        client.add([SAID], {"user_id": "alice", "infer": False}, metadata={"a": 1})
        assert server.asked[3] == body
        # The ids stand outside, where every version of the service reads them.
        client.add([SAID], options={"filters": {"user_id": "alice"}, "infer": False, "metadata": {"a": 1}})
        assert server.asked[3] == body

    def test_of_lists(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made(api_version="v3")
        client.get_all({"filters": {"user_id": "alex"}, "page": 1, "page_size": 50}, show_expired=True)
        body = {"filters": {"user_id": "alex"}, "show_expired": True}
        assert server.asked == ("POST", "/v3/memories/", {"page": "1", "page_size": "50"}, body)
        assert client.iterate({"user_id": "alex"}) == [MEMORY]
        assert server.asked[3] == {"filters": {"user_id": "alex"}}

    def test_of_update(self, made: Callable[..., Driven], server: HostedServer) -> None:
        client = made()
        client.update(MEMORY_ID, {"text": "Likes tea"}, metadata={"a": 1})
        assert server.asked[3] == {"text": "Likes tea", "metadata": {"a": 1}}
        client.update(MEMORY_ID, "Likes tea", options={"timestamp": 7})
        assert server.asked[3] == {"text": "Likes tea", "timestamp": 7}

    @pytest.mark.parametrize(
        ("call", "told"),
        [
            (lambda client: client.search("a", {"user_id": "b"}, user_id="a"), "user_id='a' and options.*'b' differ"),
            (lambda client: client.search("a", {"filters": {"user_id": "b"}}, user_id="a"), "differ"),
            (lambda client: client.search("a", {"query": "b"}), "differ"),
            (lambda client: client.search("a", {"top_k": 1}, limit=2), "differ"),
            (lambda client: client.get_all({"page": 1}, page=2), "differ"),
            (lambda client: client.iterate({"page": 2}), "all pages"),
            (lambda client: client.add("a", {"messages": "b"}), "differ"),
            (lambda client: client.add("a", {"filters": {"user_id": "b"}}, user_id="a"), "differ"),
            (lambda client: client.add("a", {"filters": {"topic": "b"}}), "'topic'"),
            (
                lambda client: client.update("id", options={"expiration_date": "2027-01-01"}, expiration_date=None),
                "diff",
            ),
            (lambda client: client.update("id", {"text": "a"}, options={"text": "a"}), "given once"),
            (lambda client: client.update("id", 7), "int is no text"),
            (lambda client: client.search("a", ["top_k"]), "list holds none; give a dict"),
            (lambda client: client.search("a", Typed), "options"),
            (lambda client: client.delete_all("alice"), "str holds none"),
        ],
    )
    def test_a_contradiction_is_refused(
        self, made: Callable[..., Driven], server: HostedServer, call: Callable[[Driven], Any], told: str
    ) -> None:
        with pytest.raises(ValidationError, match=told):
            call(made())
        assert server.requests == []
