"""How the hosted clients are made and closed, and what they refuse."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from driven import BOTH, Driven
from hosted_server import (
    KEY,
    MEMORY,
    MEMORY_ID,
    PING,
    HostedServer,
)
from loopback import Answer

from mem0.client.main import APIError, AsyncMemoryClient, MemoryClient
from mem0.exceptions import ClosedError, ConfigError, MissingDependencyError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


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

    @pytest.mark.parametrize("kind", BOTH.values())
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({}, "MEM0_API_KEY"),
            ({"api_key": " "}, "MEM0_API_KEY"),
            ({"api_key": "m0-schlüssel"}, "MEM0_API_KEY"),
            ({"api_key": "m0-a\nb"}, "MEM0_API_KEY"),
            ({"api_key": 7}, "api_key: int is no text"),
            ({"api_key": KEY, "host": "localhost:8000"}, "'localhost:8000'"),
            ({"api_key": KEY, "host": "https://me:secret@"}, "host"),
            ({"api_key": KEY, "host": "https://me:secret@example.com/v1"}, "login, which would be sent in place of"),
            ({"api_key": KEY, "host": "https://me:se@cret@example.com"}, "host='\\*\\*\\*' holds a login"),
            ({"api_key": KEY, "host": "http://a:b"}, "host"),
            ({"api_key": KEY, "host": "http://a b"}, "host"),
            ({"api_key": KEY, "host": "http://a\x01b"}, "host"),
            ({"api_key": KEY, "api_version": "v9"}, "v1, v2, v3"),
            ({"api_key": KEY, "host": b"https://me:secret@example.com"}, "host: bytes"),
            *(
                ({"api_key": KEY, "max_retries": value}, rf"max_retries={value!r}: give a whole number from 0 to 10")
                for value in (-1, 11, "2", 1.5, True, None)
            ),
            *(
                ({"api_key": KEY, "timeout": value}, rf"timeout={value!r}: give seconds.*None for no limit")
                for value in (0, -1, "5", True, float("nan"), float("inf"), 10**9)
            ),
            ({"api_key": KEY, "org_id": 7}, "org_id=7: give its id as text"),
            ({"api_key": KEY, "project_id": httpx.Client}, "project_id=.*client="),
            ({"api_key": KEY, "client": object()}, "client=builtins.object: .*MemoryClient takes an httpx"),
            ({"api_key": KEY, "client": httpx}, "client=builtins.module"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, kind: Any, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            kind(**options)
        assert "secret" not in str(caught.value)
        assert "schlüssel" not in str(caught.value)

    @pytest.mark.parametrize("kind", BOTH.values())
    @pytest.mark.parametrize(
        ("name", "value", "error", "told"),
        [
            ("HTTPS_PROXY", "socks5://127.0.0.1:1", MissingDependencyError, r"pip install 'httpx\[socks\]'"),
            ("HTTPS_PROXY", "ftp://me:secret@127.0.0.1:1", ConfigError, "check host, and the variables HTTPS_PROXY"),
            ("HTTPS_PROXY", "http://me:secret#1@127.0.0.1:1", ConfigError, "check host, and the variables HTTPS_PROXY"),
            ("HTTPS_PROXY", "http://me:12secret/x@127.0.0.1:1", ConfigError, "HTTPS_PROXY"),
            ("NO_PROXY", "[::1", ConfigError, "NO_PROXY"),
            ("SSL_CERT_FILE", __file__, ConfigError, "certificates cannot be read.*SSL_CERT_FILE"),
        ],
    )
    def test_an_environment_that_cannot_be_used_is_named(
        self, kind: Any, name: str, value: str, error: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(error, match=told) as caught:
            kind(KEY)
        assert "secret" not in "".join(traceback.format_exception(caught.value))

    def test_a_client_of_the_wrong_kind_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"client=httpx.AsyncClient: MemoryClient takes an httpx.Client"):
            MemoryClient(KEY, client=httpx.AsyncClient())  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"client=httpx.Client: AsyncMemoryClient takes an httpx.AsyncClient"):
            AsyncMemoryClient(KEY, client=httpx.Client())  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", BOTH.values())
    def test_the_order_of_the_arguments(self, kind: Any) -> None:
        http = httpx.Client() if kind is MemoryClient else httpx.AsyncClient()
        client = kind(KEY, "https://example.com", "org-1", "proj-1", http)
        assert (client.host, client.org_id, client.project_id) == ("https://example.com", "org-1", "proj-1")
        assert client.client is http
        with pytest.raises(ConfigError, match="org_id=.*client="):
            kind(KEY, "https://example.com", http)

    @pytest.mark.parametrize(
        ("timeout", "used"),
        [(None, httpx.Timeout(None)), (httpx.Timeout(5, read=9), httpx.Timeout(5, read=9)), (7, httpx.Timeout(7))],
    )
    def test_time_limits(self, made: Callable[..., Driven], timeout: Any, used: httpx.Timeout) -> None:
        client = made(timeout=timeout)
        assert client.itself.client.timeout == used
        assert client.get(MEMORY_ID) == MEMORY

    def test_a_login_in_the_address_of_the_callers_client_is_refused(self) -> None:
        own = httpx.Client(base_url="https://me:secret@example.com")
        with own, pytest.raises(ConfigError, match="login") as caught:
            MemoryClient(KEY, client=own)
        assert "secret" not in str(caught.value)

    def test_what_has_no_verb_can_be_asked_with_the_same_key(
        self, made: Callable[..., Driven], server: HostedServer
    ) -> None:
        client = made()
        assert client.run(lambda: client.itself.client.get("/v1/ping/")).json() == PING
        for name in ("feedback", "project", "chat"):
            assert not hasattr(client.itself, name)
            with pytest.raises(AttributeError, match=rf"no attribute '{name}'; .*client\.client\.get") as caught:
                getattr(client.itself, name)
            assert (caught.value.name, caught.value.obj) == (name, client.itself)
        with pytest.raises(AttributeError, match="'_private'$"):
            _ = client.itself._private

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
            with MemoryClient(KEY, "https://elsewhere.example", client=own) as client:
                assert client.host == "https://elsewhere.example"
        with pytest.raises(ClosedError):
            MemoryClient(KEY, client=own).get(MEMORY_ID)

    def test_the_client_of_another_event_loop_says_so(self, server: HostedServer) -> None:
        client = AsyncMemoryClient(KEY, server.url)
        first = asyncio.new_event_loop()
        assert first.run_until_complete(client.get(MEMORY_ID)) == MEMORY
        with pytest.raises(ClosedError, match="another event loop; make one for each"):
            asyncio.run(client.get(MEMORY_ID))
        assert first.run_until_complete(client.get(MEMORY_ID)) == MEMORY
        first.run_until_complete(client.close())
        first.close()

    def test_the_callers_own_awaited_client_stays_open(self, server: HostedServer) -> None:
        async def main() -> None:
            async with httpx.AsyncClient(base_url=server.url) as own:
                async with AsyncMemoryClient(KEY, client=own) as client:
                    await client.get(MEMORY_ID)
                assert not own.is_closed

        asyncio.run(main())
