"""OllamaEmbedding through the vendor's SDK, against a server on loopback that speaks Ollama's wire format."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer
from ollama_server import OllamaServer, error

from mem0 import ConfigError, EmbedderMismatchError, EmbeddingError, Memory
from mem0.embeddings.ollama import OllamaEmbedding
from mem0.exceptions import ClosedError
from mem0.testing import EmbedderContract
from mem0.utils.factory import EmbedderFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def made(server: OllamaServer, **options: Any) -> OllamaEmbedding:
    config = {"base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    embedder: OllamaEmbedding = EmbedderFactory.create("ollama", config)
    return embedder


def blocking(embedder: OllamaEmbedding, texts: list[str]) -> list[list[float]]:
    return embedder.embed_batch(texts)


def awaited(embedder: OllamaEmbedding, texts: list[str]) -> list[list[float]]:
    async def asked() -> list[list[float]]:
        try:
            return await embedder.aembed_batch(texts)
        finally:
            await embedder.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("embed", [blocking, awaited])


class TestContract(EmbedderContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OllamaServer) -> None:
        self.server = server

    def embedder(self) -> OllamaEmbedding:
        return made(self.server)


@both
def test_batches(server: OllamaServer, embed: Any) -> None:
    with made(server, batch_size=2, keep_alive=60, model_kwargs={"num_ctx": 512}) as embedder:
        vectors = embed(embedder, ["tea", "coffee", ""])
        assert vectors[0] == embedder.embed("tea")
        assert [len(vector) for vector in vectors] == [768] * 3
    assert [request.body["input"] for request in server.requests[:2]] == [["tea", "coffee"], [" ."]]
    assert {name: server.requests[0].body[name] for name in ("model", "keep_alive", "options")} == {
        "model": "nomic-embed-text",
        "keep_alive": 60,
        "options": {"num_ctx": 512},
    }


def test_long_texts_are_left_to_the_server_unless_a_limit_is_given(server: OllamaServer) -> None:
    text = "我的猫叫小雨" * 1000
    with made(server) as whole, made(server, max_input_bytes=10) as cut:
        assert (whole.was_cut(text), cut.was_cut(text), cut.was_cut("tea")) == (False, True, False)
        whole.embed(text)
        cut.embed(text)
    assert [request.body["input"] for request in server.requests] == [[text], ["我的猫"]]


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, 768, 768),
        ({"embedding_dims": 256}, 256, 256),
        ({"model": "of-somebody-else"}, None, 768),
    ],
)
def test_dims(server: OllamaServer, options: dict[str, Any], before: int | None, after: int) -> None:
    with made(server, **options) as embedder:
        assert embedder.dims == before
        assert len(embedder.embed("tea")) == embedder.dims == after


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(404, "model not found"), 404, False, "run `ollama pull nomic-embed-text`"),
        (error(400, "the input length exceeds the context length"), 400, False, "too long.*lower max_input_bytes"),
        (error(500, "oops"), 500, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"embeddings": [[1.0]]}), None, False, "1 vectors for 2 text"),
        (Answer(body="<html>a portal</html>"), None, True, "not what Ollama's API answers"),
    ],
)
def test_errors(
    server: OllamaServer, embed: Any, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server) as embedder, pytest.raises(EmbeddingError, match=told) as caught:
        embed(embedder, ["tea", "coffee"])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


@both
def test_a_missing_model_is_pulled_only_when_that_is_wanted(server: OllamaServer, embed: Any) -> None:
    server.library.add("bge-m3")
    with made(server, model="bge-m3") as embedder, pytest.raises(EmbeddingError, match="ollama pull bge-m3"):
        embed(embedder, ["tea"])
    with made(server, model="bge-m3", pull=True, embedding_dims=768) as embedder:
        assert len(embed(embedder, ["tea"])[0]) == 768


def test_the_published_ways_to_make_one(server: OllamaServer) -> None:
    with OllamaEmbedding("of-somebody-else", base_url=server.url) as embedder:
        assert (embedder.model, len(embedder.embed("tea"))) == ("of-somebody-else", 768)
    with OllamaEmbedding(model="nomic-embed-text") as embedder:
        assert "127.0.0.1:11434" in repr(embedder)
    with OllamaEmbedding({"ollama_base_url": server.url, "embedding_dims": 8}) as embedder:
        assert len(embedder.embed("tea")) == 8
    with pytest.raises(ConfigError, match="did you mean 'embedding_dims'"):
        made(server, embeding_dims=3)
    with pytest.raises(ClosedError):
        embedder.embed("tea")


def test_the_latest_of_a_model_is_the_one_without_a_tag(server: OllamaServer, tmp_path: Path) -> None:
    server.models |= {"nomic-embed-text:latest", "nomic-embed-text:v1.5"}
    for model in ("nomic-embed-text", "nomic-embed-text:latest"):
        config = {"ollama_base_url": server.url, "model": model}
        with Memory({"path": tmp_path / "m.db", "embedder": {"provider": "ollama", "config": config}}) as m:
            m.add(f"likes {model}", user_id="alice")
    assert server.requests[-1].body["model"] == "nomic-embed-text:latest"
    config["model"] = "nomic-embed-text:v1.5"
    with pytest.raises(EmbedderMismatchError):
        Memory({"path": tmp_path / "m.db", "embedder": {"provider": "ollama", "config": config}})


def test_in_a_memory(server: OllamaServer) -> None:
    config = {"provider": "ollama", "config": {"ollama_base_url": server.url, "model": "of-somebody-else"}}
    with Memory({"path": ":memory:", "embedder": config}) as m:
        m.add("likes tea", user_id="alice")
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"
        assert m.vector_store.col_info("mem0")["vector_size"] == 768
