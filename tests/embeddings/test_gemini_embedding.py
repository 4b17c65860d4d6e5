"""GeminiEmbedding through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from gemini_server import KEY, GeminiServer, error, wrong_key
from loopback import Answer

from mem0 import AsyncMemory, ConfigError, EmbeddingError, Memory
from mem0.embeddings.gemini import GeminiEmbedding, GeminiEmbeddingConfig
from mem0.exceptions import ClosedError
from mem0.testing import EmbedderContract

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(autouse=True)
def _as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


def made(server: GeminiServer, **options: Any) -> GeminiEmbedding:
    return GeminiEmbedding({"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options})


def awaited(embedder: GeminiEmbedding, texts: list[str]) -> list[list[float]]:
    async def asked() -> list[list[float]]:
        try:
            return await embedder.aembed_batch(texts)
        finally:
            await embedder.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("embed", [GeminiEmbedding.embed_batch, awaited])
Embed = Callable[[GeminiEmbedding, list[str]], list[list[float]]]


class TestContract(EmbedderContract):
    model = "gemini-embedding-001"

    @pytest.fixture(autouse=True)
    def _with(self, server: GeminiServer) -> None:
        self.server = server

    def embedder(self) -> GeminiEmbedding:
        return made(self.server, model=self.model, embedding_dims=768)


class TestContractOfTheModelThatSeesPictures(TestContract):
    model = "gemini-embedding-2"  # of bare texts the SDK makes one vector for it


@both
def test_the_request(server: GeminiServer, embed: Embed) -> None:
    server.dims = 4
    with made(server, model="models/of-somebody-else") as embedder:
        assert embedder.model == "of-somebody-else"
        batch = embed(embedder, ["tea", "coffee", ""])
        assert [len(vector) for vector in batch] == [4, 4, 4]
        assert [embedder.embed("tea"), embedder.embed("coffee")] == batch[:2]
    asked = server.requests[0]
    assert asked.path == "/v1beta/models/of-somebody-else:batchEmbedContents"
    texts = [one["content"]["parts"] for one in asked.body["requests"]]
    assert texts == [[{"text": "tea"}], [{"text": "coffee"}], [{"text": " "}]]


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, 3072, 3072),
        ({"embedding_dims": 256}, 256, 256),
        ({"model": "models/gemini-embedding-2"}, 3072, 3072),
        ({"model": "of-somebody-else"}, None, 3072),
    ],
)
def test_dims(server: GeminiServer, options: dict[str, Any], before: int | None, after: int) -> None:
    with made(server, **options) as embedder:
        assert embedder.dims == before
        assert len(embedder.embed("tea")) == embedder.dims == after


@both
def test_batches_keep_to_the_vendors_limit(server: GeminiServer, embed: Embed) -> None:
    server.dims = 2
    with made(server, model="of-somebody-else") as embedder:
        assert len(embed(embedder, [f"text {number}" for number in range(230)])) == 230
        assert embed(embedder, []) == []
    assert [len(request.body["requests"]) for request in server.requests] == [100, 100, 30]


def test_long_texts_are_cut_and_said_to_be(server: GeminiServer) -> None:
    texts = ["0123456789", "0123456789a", "我的猫叫小雨"]
    with made(server, max_input_bytes=10) as embedder:
        embedder.embed_batch(texts)
        assert [embedder.was_cut(text) for text in texts] == [False, True, True]
    sent = [one["content"]["parts"][0]["text"] for one in server.requests[0].body["requests"]]
    assert sent == ["0123456789", "0123456789", "我的猫"]


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (wrong_key(f"API key not valid: {KEY}"), 401, False, "key was refused.*GOOGLE_API_KEY or GEMINI_API_KEY"),
        (error(403, "no"), 403, False, "may not use it"),
        (error(404, "not found"), 404, False, "no model 'gemini-embedding-001'.*such as 'gemini-embedding-001'"),
        (error(429, "quota"), 429, True, "too many requests"),
        (error(500, "oops"), 500, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(delay=1.0, body={}), None, True, "within the time-out"),
        (Answer(body={"embeddings": [{"values": [1.0]}]}), None, False, r"1 vectors for 2 text\(s\)"),
        (Answer(body={}), None, False, r"0 vectors for 2 text\(s\)"),
        (Answer(body="<html>a portal</html>"), None, True, "not what Gemini's API answers"),
    ],
)
def test_errors(
    server: GeminiServer, embed: Embed, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server, timeout=0.3) as embedder, pytest.raises(EmbeddingError, match=told) as caught:
        embed(embedder, ["tea", "coffee"])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(server.requests) == 1
    assert KEY not in "".join(traceback.format_exception(caught.value))


@both
@pytest.mark.parametrize("answer", [error(503, "busy"), error(409, "again"), Answer(cut=True)])
def test_retries_are_bounded(server: GeminiServer, embed: Embed, answer: Answer) -> None:
    server.answers = [answer] * 5
    with made(server, max_retries=2) as embedder, pytest.raises(EmbeddingError):
        embed(embedder, ["tea"])
    assert len(server.requests) == 3


@both
def test_closed_is_said(server: GeminiServer, embed: Embed) -> None:
    embedder = made(server)
    awaited(embedder, ["tea"])
    embedder.close()
    with pytest.raises(ClosedError, match="was closed"):
        embed(embedder, ["tea"])
    gc.collect()


def test_options_and_mistakes(server: GeminiServer) -> None:
    config = GeminiEmbeddingConfig(api_key=KEY, base_url=server.url, model_kwargs={"task_type": "CLUSTERING"})
    with GeminiEmbedding(config, embedding_dims=64) as embedder:
        assert len(embedder.embed("tea")) == embedder.dims == 64
        assert KEY not in repr(embedder) + repr(embedder.config)
    (one,) = server.requests[0].body["requests"]
    assert {**one, **one.get("embedContentConfig", {})}["taskType"] == "CLUSTERING"
    for options, told in (
        ({"embeding_dims": 3}, "did you mean 'embedding_dims'"),
        ({"batch_size": 101}, "less than or equal to 100"),
        ({"model_kwargs": {"output_dimensionality": 3}}, "set by the library"),
        ({"model_kwargs": {"tasktype": "x"}}, "no field tasktype"),
    ):
        with pytest.raises(ConfigError, match=told):
            made(server, **options)  # type: ignore[arg-type]
    told = "the SDK refused the request: auto_truncate"
    with made(server, model_kwargs={"auto_truncate": True}) as embedder, pytest.raises(EmbeddingError, match=told):
        embedder.embed("tea")
    with pytest.raises(ConfigError, match="set GOOGLE_API_KEY or GEMINI_API_KEY, or give api_key"):
        GeminiEmbedding(base_url=server.url)


@pytest.mark.parametrize("given", [256, "256"])
def test_the_published_name_of_the_size(server: GeminiServer, given: Any) -> None:
    with made(server, output_dimensionality=given) as embedder:
        assert len(embedder.embed("tea")) == embedder.dims == 256
    with pytest.raises(ConfigError, match="embedding_dims and output_dimensionality mean the same and differ"):
        made(server, output_dimensionality=given, embedding_dims=64)
    with pytest.raises(ConfigError, match="base_url and gemini_base_url mean the same"):
        made(server, gemini_base_url="http://elsewhere.invalid")


def test_patched_as_users_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with mock.patch("mem0.embeddings.gemini.genai") as patched:
        client = patched.Client.return_value
        client.models.embed_content.return_value = mock.Mock(embeddings=[mock.Mock(values=[0.1, 0.2])])
        assert GeminiEmbedding().embed("tea") == [0.1, 0.2]


def test_in_a_memory(server: GeminiServer) -> None:
    with made(server) as embedder, Memory(embedder=embedder, path=":memory:") as m:
        server.answers = [error(503, "busy")]
        with pytest.raises(EmbeddingError) as caught:
            m.add("likes tea", user_id="alice")
        assert caught.value.retryable
        assert m.get_all().total == 0
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"


def test_in_an_async_memory(server: GeminiServer) -> None:
    async def used() -> None:
        with made(server) as embedder:
            async with AsyncMemory(embedder=embedder, path=":memory:") as m:
                await asyncio.gather(*(m.add("likes tea", user_id=f"u{at}") for at in range(3)))
                assert (await m.search("tea", user_id="u1"))[0]["memory"] == "likes tea"
            await embedder.aclose()

    asyncio.run(used())
