"""Embedders of the vendors that speak OpenAI's protocol, against loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import Answer
from openai_server import KEY, OpenAIServer, error

from mem0 import ConfigError, EmbeddingError, Memory
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.testing import EmbedderContract
from mem0.utils.factory import EmbedderFactory
from mem0.wire.vendors import VENDORS, Row

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ROWS = [row for row in VENDORS.values() if row.embeds]
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.provider)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    for row in ROWS:
        monkeypatch.delenv(str(row.key), raising=False)
    with OpenAIServer() as server:
        server.models |= {row.embedder for row in ROWS}
        server.dims = 1024
        yield server


def made(row: Row, server: OpenAIServer, **options: Any) -> OpenAIEmbedding:
    model = row.embedder or "of-somebody-else"
    config = {"api_key": KEY, "base_url": server.url, "model": model, "max_retries": 0, **options}
    embedder: OpenAIEmbedding = EmbedderFactory.create(row.provider, config)
    return embedder


class TestMistral(EmbedderContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OpenAIServer) -> None:
        self.server = server

    def embedder(self) -> OpenAIEmbedding:
        return made(VENDORS["mistral"], self.server)


@each
def test_texts(row: Row, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "http://nobody-elses-business.invalid")

    async def awaited(embedder: OpenAIEmbedding) -> list[list[float]]:
        try:
            return await embedder.aembed_batch(["tea", "coffee"])
        finally:
            await embedder.aclose()

    with made(row, server) as embedder:
        vectors = embedder.embed_batch(["tea", "coffee"])
        assert asyncio.run(awaited(embedder)) == vectors
        assert embedder.dims == len(vectors[0]) == 1024
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert "nobody-elses-business" not in str(request.headers)


@each
def test_errors_name_the_vendor(row: Row, server: OpenAIServer) -> None:
    for answer, told in (
        (error(401, "no"), str(row.key)),
        (error(429, "busy"), row.label),
        (Answer(cut=True), "again"),
    ):
        server.answers = [answer]
        with made(row, server) as embedder, pytest.raises(EmbeddingError, match=told):
            embedder.embed("tea")


@each
def test_keys_and_models(row: Row, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if row.asks_for_key:
        with pytest.raises(ConfigError, match=f"no key: set {row.key}"):
            EmbedderFactory.create(row.provider, {"model": "any"})
    if not row.embedder:
        with pytest.raises(ConfigError, match="model is missing"):
            EmbedderFactory.create(row.provider, {"api_key": KEY})
    monkeypatch.setenv(str(row.key), KEY)
    with made(row, server, api_key=None) as embedder:
        assert embedder.embed("tea")
    with pytest.raises(ConfigError, match="did you mean 'embedding_dims'"):
        made(row, server, embeding_dims=3)


@pytest.mark.parametrize(
    ("vendor", "texts", "sizes"),
    [
        ("mistral", ["x" * 7_000] * 5, [2, 2, 1]),
        ("mistral", ["x"] * 600, [512, 88]),
        ("tei", ["x"] * 70, [32, 32, 6]),
    ],
)
def test_requests_keep_to_what_a_vendor_takes(
    server: OpenAIServer, vendor: str, texts: list[str], sizes: list[int]
) -> None:
    with made(VENDORS[vendor], server) as embedder:
        embedder.embed_batch(texts)
    assert [len(request.body["input"]) for request in server.requests] == sizes


def test_the_published_way_to_a_server_of_text_embeddings_inference(server: OpenAIServer) -> None:
    config = {"huggingface_base_url": server.url, "api_key": KEY}
    with EmbedderFactory.create("huggingface", config) as embedder:
        assert len(embedder.embed("tea")) == 1024
    with Memory({"path": ":memory:", "embedder": {"provider": "huggingface", "config": config}}) as m:
        m.add("likes tea", user_id="alice")
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"
    assert {request.body["model"] for request in server.requests} == {"tei"}
    with pytest.raises(ConfigError, match="embedder 'tei' .*mean the same and differ"):
        EmbedderFactory.create("huggingface", {**config, "base_url": "http://elsewhere.invalid"})
