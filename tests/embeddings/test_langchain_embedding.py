"""LangChainEmbedding with LangChain's own classes, one of them against a server on loopback that speaks OpenAI's."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from loopback import Answer, Request
from openai_server import KEY, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, EmbedderMismatchError, EmbeddingError, Memory
from mem0.embeddings.langchain import LangChainEmbedding, LangChainEmbeddingConfig
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.testing import EmbedderContract
from mem0.utils.factory import EmbedderFactory
from mem0.wire import langchain

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(autouse=True)
def no_loop_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langchain, "_loop", None)


OPENED: list[OpenAIEmbeddings] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().http_client.close()


class InOrder(OpenAIServer):
    """Answers vectors in the order of the texts: langchain-openai passes over the index of each."""

    def usual(self, request: Request) -> Answer:
        answer = super().usual(request)
        if isinstance(answer.body, dict):
            answer.body.get("data", []).reverse()
        return answer


@pytest.fixture
def server(openai_server: OpenAIServer) -> Iterator[OpenAIServer]:
    with InOrder() as server:
        yield server


class Closed(LangChainEmbedding):
    """Closes the connections of its model, which is the test's own."""

    async def aclose(self) -> None:
        await self.langchain_model.http_async_client.aclose()


def embeddings(server: OpenAIServer, **options: Any) -> OpenAIEmbeddings:
    given = {"model": "text-embedding-3-small", "api_key": KEY, "base_url": server.url, "max_retries": 0, **options}
    # Its own, since the package shares one pool among all models of an address.
    clients = {"http_client": openai.DefaultHttpxClient(), "http_async_client": openai.DefaultAsyncHttpxClient()}
    # Without the check, for which the package downloads a tokenizer.
    OPENED.append(OpenAIEmbeddings(**given, **clients, check_embedding_ctx_length=False))
    return OPENED[-1]


def made(server: OpenAIServer) -> LangChainEmbedding:
    return Closed(model=embeddings(server))


def of(model: Any, **options: Any) -> LangChainEmbedding:
    embedder: LangChainEmbedding = EmbedderFactory.create("langchain", {"model": model, **options})
    return embedder


def blocking(embedder: LangChainEmbedding, texts: list[str]) -> list[list[float]]:
    return embedder.embed_batch(texts)


def awaited(embedder: LangChainEmbedding, texts: list[str]) -> list[list[float]]:
    async def asked() -> list[list[float]]:
        try:
            return await embedder.aembed_batch(texts)
        finally:
            if isinstance(embedder, Closed):
                await embedder.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("embed", [blocking, awaited])


class TestContract(EmbedderContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OpenAIServer) -> None:
        self.server = server

    def embedder(self) -> LangChainEmbedding:
        return made(self.server)


@both
def test_a_batch_goes_to_the_model_at_once(server: OpenAIServer, embed: Any) -> None:
    embedder = made(server)
    assert embedder.dims is None
    assert len(embed(embedder, ["likes tea", "", "broken \ud83d"])) == 3
    assert [request.body["input"] for request in server.requests] == [["likes tea", " .", "broken \ufffd"]]
    assert embedder.dims == 1536


class Fewer(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[0.5, 0.25]] * (len(texts) - 1)

    def embed_query(self, text: str) -> list[float]:
        return [0.5, 0.25]


@both
def test_too_few_vectors(embed: Any) -> None:
    with pytest.raises(EmbeddingError, match=r"LangChain's Fewer returned 1 vector\(s\) for 2 text\(s\)"):
        embed(of(Fewer()), ["likes tea", "owns a dog"])


@both
def test_what_is_no_vector(embed: Any) -> None:
    class Nothing(Fewer):
        def embed_documents(self, texts: list[str]) -> Any:
            return None

    with pytest.raises(EmbeddingError, match="LangChain's Nothing"):
        embed(of(Nothing()), ["likes tea"])


def test_one_event_loop_awaits_and_others_use_threads() -> None:
    calls: list[str] = []

    class Counting(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            calls.append("in a thread")
            return super().embed_documents(texts)

        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            calls.append("awaited")
            return super().embed_documents(texts)

    embedder = of(Counting(size=8))
    assert awaited(embedder, ["tea"]) == awaited(embedder, ["tea"])
    assert calls == ["awaited", "in a thread"]


@both
def test_an_object_that_only_has_the_method(embed: Any) -> None:
    class Plain:
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[0.5, 0.25] for _ in texts]

    assert embed(of(Plain()), ["likes tea"]) == [[0.5, 0.25]]


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable"),
    [
        (error(401, f"Incorrect API key provided: {KEY}."), 401, False),
        (error(503, "Busy"), 503, True),
        (Answer(cut=True), None, True),
    ],
)
def test_failures(server: OpenAIServer, embed: Any, answer: Answer, status: int | None, retryable: bool) -> None:
    server.answers = [answer]
    told = "LangChain's OpenAIEmbeddings of model 'text-embedding-3-small' failed"
    with pytest.raises(EmbeddingError, match=told) as caught:
        embed(made(server), ["likes tea"])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, r"\['model'\]=None: an object of LangChain's with embed_documents\(\) is wanted"),
        ("text-embedding-3-small", r"\['model'\] \(a str\): an object of LangChain's"),
        (OpenAIEmbeddings, r"this is the class OpenAIEmbeddings; make an object of it"),
        (ChatOpenAI(api_key=KEY), r"\['model'\] \(a ChatOpenAI\): an object of LangChain's"),
    ],
)
def test_what_is_no_model(model: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        of(model)


def test_options(server: OpenAIServer) -> None:
    model = embeddings(server, default_headers={"X-Secret": "of-a-header"})
    options = LangChainEmbeddingConfig(model=model)
    for embedder in (LangChainEmbedding(options), LangChainEmbedding(options, embedding_dims=1536)):
        assert embedder.langchain_model is model
    assert "of-a-header" not in f"{embedder!r} {embedder.config!r}"
    for name in ("api_key", "http_client_proxies", "batch_size"):
        with pytest.raises(ConfigError, match=rf"\['{name}'\]: it is the model object's own"):
            of(model, **{name: "x"})
    with pytest.raises(ConfigError, match="did you mean 'embedding_dims'"):
        of(model, embeding_dims=5)


def test_the_model_is_recorded(server: OpenAIServer, tmp_path: Path) -> None:
    path = str(tmp_path / "mem0.db")
    with Memory(path=path, embedder=made(server)) as m:
        m.add("likes tea")
    with Memory(path=path, embedder=OpenAIEmbedding(api_key=KEY, base_url=server.url)) as m:
        assert m.search("tea")[0]["memory"] == "likes tea"
    with pytest.raises(EmbedderMismatchError, match="text-embedding-3-small"):
        Memory(path=path, embedder=of(embeddings(server, model="text-embedding-3-large"), embedding_dims=1536))


def test_without_a_name_only_sizes_are_compared() -> None:
    assert of(DeterministicFakeEmbedding(size=8)).model is None


def test_a_size_that_is_not_the_models() -> None:
    config = {"provider": "langchain", "config": {"model": DeterministicFakeEmbedding(size=8), "embedding_dims": 9}}
    with Memory({"path": ":memory:", "embedder": config}) as m, pytest.raises(EmbeddingError, match="declares dims=9"):
        m.add("likes tea")


def test_in_a_memory(server: OpenAIServer) -> None:
    model = embeddings(server)
    config = {"path": ":memory:", "embedder": {"provider": "langchain", "config": {"model": model}}}
    with Memory.from_config(config) as m:
        m.add("likes tea", user_id="alice")
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"

    async def used() -> None:
        async with AsyncMemory.from_config(config) as m:
            assert (await m.add("likes tea", user_id="alice"))[0]["event"] == "ADD"
        await model.http_async_client.aclose()

    asyncio.run(used())
