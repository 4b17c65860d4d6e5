"""When a request is sent again: one rule for every provider whose SDK leaves that to the library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pytest
from loopback import Answer, LoopbackServer

from mem0 import LLMError, Mem0Error
from mem0.exceptions import ClosedError
from mem0.utils.factory import LlmFactory, RerankerFactory
from mem0.wire.retries import Patience

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
KEYS = {"api_key": "key-0123456789"}
AWS_KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret-0123456789", "region": "us-east-1"}


class Case(NamedTuple):
    """A provider: the module of its SDK, its server, and how it is made and asked."""

    sdk: str
    server: str
    make: Callable[[str], Any]
    ask: Callable[[Any], Any]
    aask: Callable[[Any], Any] | None


def _llm(provider: str, sdk: str, server: str, **options: Any) -> Case:
    return Case(
        sdk,
        server,
        lambda url: LlmFactory.create(provider, {"base_url": url, **options}),
        lambda llm: llm.generate_response(HELLO),
        None if provider == "aws_bedrock" else lambda llm: llm.agenerate_response(HELLO),
    )


def _qdrant(url: str) -> Any:
    from mem0.vector_stores.qdrant import Qdrant

    return Qdrant(url=url)


CASES = {
    "anthropic": _llm("anthropic", "anthropic", "anthropic_server.AnthropicServer", **KEYS),
    "aws_bedrock": _llm("aws_bedrock", "boto3", "bedrock_server.BedrockServer", **AWS_KEYS),
    "gemini": _llm("gemini", "google.genai", "gemini_server.GeminiServer", **KEYS),
    "ollama": _llm("ollama", "ollama", "ollama_server.OllamaServer"),
    "cohere": Case(
        "cohere",
        "cohere_server.CohereServer",
        lambda url: RerankerFactory.create("cohere", {"base_url": url, **KEYS}),
        lambda reranker: reranker.score("tea", ["tea"]),
        lambda reranker: reranker.ascore("tea", ["tea"]),
    ),
    "qdrant": Case(
        "qdrant_client",
        "qdrant_server.QdrantServer",
        _qdrant,
        lambda store: store.get("c", "x"),
        lambda store: store.aget("c", "x"),
    ),
}


class Asked:
    """A provider that is asked, in a way that has no real pauses.

    Attributes:
        server: Whom it asks.
        pauses: The seconds that it waited.
        on_pause: What happens in a pause.
    """

    def __init__(self, case: Case, server: LoopbackServer, is_awaited: bool) -> None:
        self._case = case
        self.server = server
        self.pauses: list[float] = []
        self.on_pause: Callable[[], object] = lambda: None
        self.provider = case.make(server.url)
        self._is_awaited = is_awaited

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    def __call__(self) -> Any:
        if not self._is_awaited:
            return self._case.ask(self.provider)

        async def ask() -> Any:
            try:
                return await self._case.aask(self.provider)  # type: ignore[misc]
            finally:
                await self.provider.aclose()

        return asyncio.run(ask())


WAYS = [(name, is_awaited) for name, case in CASES.items() for is_awaited in (False, True)[: 1 + bool(case.aask)]]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{'awaited' if way[1] else 'blocking'}")
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    name, is_awaited = request.param
    case = CASES[name]
    pytest.importorskip(case.sdk)
    if name == "aws_bedrock":
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it remembers the environment it was made in
    module, _, server_class = case.server.partition(".")
    with getattr(import_module(module), server_class)() as server:
        asked = Asked(case, server, is_awaited)

        async def sleep(seconds: float) -> None:
            asked.sleep(seconds)

        monkeypatch.setattr(time, "sleep", asked.sleep)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        yield asked
        asked.provider.close()


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_server_asks_is_waited_for(asked: Asked, status: int) -> None:
    asked.server.answers = [Answer(status, {}, {"Retry-After": "30"})] * 3
    with pytest.raises(Mem0Error) as caught:
        asked()
    assert caught.value.retryable
    assert (len(asked.server.requests), asked.pauses) == (3, [30.0, 30.0])


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_server_asks_may_be_too_long(asked: Asked, status: int) -> None:
    asked.server.answers = [Answer(status, {}, {"Retry-After": "61"})] * 3
    with pytest.raises(Mem0Error) as caught:
        asked()
    assert caught.value.retryable
    assert (len(asked.server.requests), asked.pauses) == (1, [])


def test_closing_in_a_pause_is_told_as_that(asked: Asked) -> None:
    asked.server.answers = [Answer(503, {})] * 3
    asked.on_pause = asked.provider.close
    with pytest.raises(ClosedError):
        asked()
    assert (len(asked.server.requests), len(asked.pauses)) == (1, 1)


def test_pauses_double_up_to_a_bound() -> None:
    patience = Patience(8)
    pauses = [patience.after(LLMError("x", retryable=True), None) for _ in range(8)]
    assert all(0.75 * most <= pause <= most for pause, most in zip(pauses, [0.5, 1, 2, 4, 8, 8, 8, 8], strict=True))


@pytest.mark.parametrize(("asked", "least"), [("60", 60), (2, 2), ("0.1", 0.3), ("tomorrow", 0.3), ("nan", 0.3)])
def test_what_is_asked_counts_where_it_is_more(asked: str | int, least: float) -> None:
    assert least <= Patience(1).after(LLMError("x", retryable=True), None, asked) <= max(least, 0.5)


@pytest.mark.parametrize("asked", ["60.1", "4294967", "inf"])
def test_what_is_asked_may_be_too_much(asked: str) -> None:
    with pytest.raises(LLMError):
        Patience(1).after(LLMError("x", retryable=True), None, asked)


@pytest.mark.parametrize(("retries", "retryable"), [(0, True), (1, False)])
def test_another_try_that_cannot_follow_or_help(retries: int, retryable: bool) -> None:
    failed, cause = LLMError("x", retryable=retryable), KeyError("y")
    with pytest.raises(LLMError) as caught:
        Patience(retries).after(failed, cause)
    assert (caught.value, caught.value.__cause__) == (failed, cause)
