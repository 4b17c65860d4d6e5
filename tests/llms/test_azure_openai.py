"""Azure OpenAI, LLM and embedder, through the vendor's SDK against loopback."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import Answer, LoopbackServer, Request
from openai_server import KEY, OpenAIServer, error

from mem0 import ConfigError, EmbeddingError, LLMError, Memory
from mem0.testing import EmbedderContract, LLMContract
from mem0.utils.factory import EmbedderFactory, LlmFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]


class AzureServer(LoopbackServer):
    """OpenAI's answers behind Azure's paths and its own way to say who is asking."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = OpenAIServer()  # never started: asked for its answers

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.inside._http.server_close()

    def usual(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        if request.headers.get("api-key") != KEY and request.headers.get("authorization") != "Bearer token-1":
            return error(401, f"Access denied due to invalid key {request.headers.get('api-key')}", code="401")
        _, _, after = path.partition("/openai/deployments/")
        deployment, _, verb = after.partition("/")
        if not query.startswith("api-version=20"):
            return error(404, "Resource not found")
        if deployment not in {*self.inside.models, "mine"}:
            return error(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound")
        known = request._replace(path=f"/v1/{verb}", headers={"authorization": f"Bearer {KEY}"})
        return self.inside.usual(known)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ENDPOINT", "AD_TOKEN"):
        monkeypatch.delenv(f"AZURE_OPENAI_{name}", raising=False)
    for name in ("OPENAI_API_VERSION", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[AzureServer]:
    with AzureServer() as server:
        yield server


def options(server: AzureServer, **more: Any) -> dict[str, Any]:
    return {"api_key": KEY, "azure_endpoint": server.url, "max_retries": 0, "timeout": 20, **more}


class TestLLM(LLMContract):
    @pytest.fixture(autouse=True)
    def started(self, server: AzureServer) -> None:
        self.server = server

    def llm(self) -> Any:
        return LlmFactory.create("azure_openai", options(self.server))


class TestEmbedder(EmbedderContract):
    @pytest.fixture(autouse=True)
    def started(self, server: AzureServer) -> None:
        self.server = server

    def embedder(self) -> Any:
        return EmbedderFactory.create("azure_openai", options(self.server))


def test_the_path_and_the_key(server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://nobody-elses-business.invalid")
    with LlmFactory.create("azure_openai", options(server)) as llm:
        assert llm.generate_response(HELLO) == '{"memory": []}'

        async def awaited() -> None:
            assert await llm.agenerate_response(HELLO) == '{"memory": []}'
            await llm.aclose()

        asyncio.run(awaited())
    for request in server.requests:
        assert request.path == "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
        assert request.headers["api-key"] == KEY
        assert "nobody-elses-business" not in str(request.headers)


def test_the_published_options(server: AzureServer) -> None:
    inner = {
        "api_key": KEY,
        "azure_endpoint": server.url,
        "azure_deployment": "mine",
        "api_version": "2025-01-01-preview",
        "default_headers": {"X-Team": "memory"},
    }
    with LlmFactory.create("azure_openai", {"model": "gpt-4o", "api_key": None, "azure_kwargs": inner}) as llm:
        assert llm.generate_response(HELLO)
    (request,) = server.requests
    assert request.path == "/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview"
    assert request.headers["x-team"] == "memory"


def test_what_is_left_to_the_deployment_is_not_sent(server: AzureServer) -> None:
    with LlmFactory.create("azure_openai", options(server, temperature=None, top_p=None, max_tokens=None)) as llm:
        assert llm.generate_response(HELLO)
    assert not {"temperature", "top_p", "max_tokens"} & {*server.requests[0].body}


def test_the_vendors_variables(server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="azure_endpoint is missing: set AZURE_OPENAI_ENDPOINT"):
        LlmFactory.create("azure_openai", {"api_key": KEY})
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    with pytest.raises(ConfigError, match="no key: set AZURE_OPENAI_API_KEY"):
        LlmFactory.create("azure_openai")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_VERSION", "2023-05-15")
    with LlmFactory.create("azure_openai") as llm:
        assert llm.generate_response(HELLO)
    assert server.requests[0].path.endswith("?api-version=2023-05-15")


@pytest.mark.parametrize("token", [{"azure_ad_token": "token-1"}, {"azure_ad_token_provider": lambda: "token-1"}])
def test_tokens_in_place_of_a_key(server: AzureServer, token: dict[str, Any]) -> None:
    with LlmFactory.create("azure_openai", options(server, api_key=None, **token)) as llm:
        assert llm.generate_response(HELLO)
        assert "token-1" not in repr(llm.config)
    assert server.requests[0].headers["authorization"] == "Bearer token-1"


def test_a_token_is_fetched_beside_the_event_loop(server: AzureServer) -> None:
    threads: list[int] = []

    def token() -> str:
        threads.append(threading.get_ident())
        if len(threads) > 1:
            raise ConnectionError("the login is away")
        return "token-1"

    async def asked() -> None:
        assert await llm.agenerate_response(HELLO)
        with pytest.raises(LLMError, match="the call failed: ConnectionError: the login is away") as caught:
            await llm.agenerate_response(HELLO)
        assert caught.value.retryable

    with LlmFactory.create("azure_openai", options(server, api_key=None, azure_ad_token_provider=token)) as llm:
        asyncio.run(asked())
    assert threading.get_ident() not in threads
    assert server.requests[0].headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(401, f"bad {KEY}"), 401, False, "check api_key in the config, or AZURE_OPENAI_API_KEY"),
        (error(404, "none", code="DeploymentNotFound"), 404, False, "name the deployment that your resource has"),
        (error(429, "busy", retry_after="3"), 429, True, "after 3 s"),
        (error(500, "oops"), 500, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
    ],
)
def test_errors(server: AzureServer, answer: Answer, status: int | None, retryable: bool, told: str) -> None:
    with LlmFactory.create("azure_openai", options(server)) as llm:
        server.answers = [answer]
        with pytest.raises(LLMError, match=told) as caught:
            llm.generate_response(HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    with EmbedderFactory.create("azure_openai", options(server)) as embedder:
        server.answers = [answer]
        with pytest.raises(EmbeddingError, match=told):
            embedder.embed("tea")


def test_mistakes_are_told(server: AzureServer) -> None:
    with pytest.raises(ConfigError, match="did you mean 'azure_deployment'"):
        LlmFactory.create("azure_openai", options(server, azure_deploymnt="x"))


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("my-resource.openai.azure.com", "is no address"),
        ("https://me:hush@my resource", "is no address"),
        ("https://r.openai.azure.com/openai/deployments/x/chat/completions?api-version=1", "cut it off before"),
        ("https://r.openai.azure.com/openai/v1/", "cut it off before"),
    ],
)
def test_endpoints_that_are_none(endpoint: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    for config in ({"azure_kwargs": {"azure_endpoint": endpoint}}, {}):
        with pytest.raises(
            ConfigError, match=f"azure_endpoint, LLM_AZURE_ENDPOINT or AZURE_OPENAI_ENDPOINT: .*{told}"
        ) as caught:
            LlmFactory.create("azure_openai", {"api_key": KEY, **config})
        assert "hush" not in str(caught.value)


def test_in_a_memory(server: AzureServer) -> None:
    server.inside.content = '{"memory": [{"text": "Likes tea"}]}'
    part = {"provider": "azure_openai", "config": options(server)}
    with Memory({"path": ":memory:", "llm": part, "embedder": part}) as m:
        assert m.add("I like tea", user_id="alice")[0]["memory"] == "Likes tea"
        assert m.search("tea", user_id="alice")[0]["memory"] == "Likes tea"
