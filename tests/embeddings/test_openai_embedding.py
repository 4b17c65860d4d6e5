"""OpenAIEmbedding through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from openai_server import KEY, OpenAIServer, error

from mem0 import ConfigError, EmbeddingError, Memory
from mem0.embeddings.base import embed_texts
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.testing import EmbedderContract
from mem0.utils.factory import EmbedderFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def made(server: OpenAIServer, **options: Any) -> OpenAIEmbedding:
    embedder: OpenAIEmbedding = EmbedderFactory.create(
        "openai", {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    )
    return embedder


def awaited(embedder: OpenAIEmbedding, texts: list[str]) -> list[list[float]]:
    async def asked() -> list[list[float]]:
        try:
            return await embedder.aembed_batch(texts)
        finally:
            await embedder.aclose()

    return asyncio.run(asked())


class TestContract(EmbedderContract):
    @pytest.fixture(autouse=True)
    def server(self, openai_server: OpenAIServer) -> None:
        self.openai_server = openai_server
        openai_server.dims = 1536

    def embedder(self) -> OpenAIEmbedding:
        return made(self.openai_server)


def test_the_request_and_the_order_of_the_answer(openai_server: OpenAIServer) -> None:
    with made(openai_server) as embedder:
        batch = embedder.embed_batch(["tea", "coffee", ""])
        assert [embedder.embed("tea"), embedder.embed("coffee")] == batch[:2]
        assert awaited(embedder, ["tea", "coffee", ""]) == batch
    assert openai_server.requests[0].body == {
        "model": "text-embedding-3-small",
        "input": ["tea", "coffee", " "],
        "encoding_format": "float",
    }


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, None, 1536),
        ({"model": "text-embedding-3-large", "embedding_dims": 256}, 256, 256),
        ({"model": "of-somebody-else"}, None, 1536),
    ],
)
def test_dims(openai_server: OpenAIServer, options: dict[str, Any], before: int | None, after: int) -> None:
    with made(openai_server, **options) as embedder:
        assert embedder.dims == before
        assert len(embedder.embed("tea")) == embedder.dims == after


def test_a_size_is_known_only_of_the_vendors_own_models(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with OpenAIEmbedding(api_key=KEY) as embedder:
        assert embedder.dims == 1536
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    openai_server.dims = 384  # a server of one's own, that goes by the name which programs ask for
    with Memory({"path": ":memory:", "embedder": {"provider": "openai", "config": {"api_key": KEY}}}) as m:
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"
        assert m.vector_store.col_info("mem0")["vector_size"] == 384


def test_no_size_is_learned_from_an_answer_that_cannot_be_used(openai_server: OpenAIServer) -> None:
    data = [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]
    with made(openai_server) as embedder:
        for sizes in ((0, 0), (2, 3)):
            for one, size in zip(data, sizes, strict=True):
                one["embedding"] = [1.0] * size
            openai_server.answers = [Answer(body={"object": "list", "data": data, "model": "m", "usage": None})]
            with pytest.raises(EmbeddingError):
                embed_texts(embedder, ["tea", "coffee"])
        assert embed_texts(embedder, ["tea", "coffee"]).shape == (2, 1536)


def test_another_size_than_the_configured_one_says_what_helps(openai_server: OpenAIServer) -> None:
    openai_server.answers = [_answer([0])]
    told = pytest.raises(EmbeddingError, match="dims=8 but returned vectors of size 2; .*embedding_dims")
    with made(openai_server, embedding_dims=8) as embedder, told:
        embed_texts(embedder, ["tea"])


def _answer(places: list[Any]) -> Answer:
    data = [{"object": "embedding", "index": at, "embedding": [1.0, float(place)]} for place, at in enumerate(places)]
    return Answer(body={"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


@pytest.mark.parametrize(
    ("places", "order"),
    [([2, 0, 1], [1, 2, 0]), ([0, 0, 0], [0, 1, 2]), ([None, None, None], [0, 1, 2])],
)
def test_vectors_go_where_their_numbers_say(openai_server: OpenAIServer, places: list[Any], order: list[int]) -> None:
    openai_server.answers = [_answer(places)]
    with made(openai_server) as embedder:
        assert [vector[1] for vector in embedder.embed_batch(["tea", "coffee", "milk"])] == order


@pytest.mark.parametrize("places", [[3, 2, 1], [0, 0, 1], [0, 1, 5], ["2", "1", "0"], [None, 1, 2], [True, False, 2]])
def test_numbers_that_do_not_say_whose_vectors_are(openai_server: OpenAIServer, places: list[Any]) -> None:
    openai_server.answers = [_answer(places)]
    with made(openai_server) as embedder, pytest.raises(EmbeddingError, match="does not say whose they are"):
        embedder.embed_batch(["tea", "coffee", "milk"])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens, however you requested 10000 tokens."),
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
        (413, "Input validation error: `inputs` must have less than 512 tokens. Given: 527"),
        (500, "input (992 tokens) is too large to process. increase the physical batch size"),
        (500, "input is larger than the max context size. skipping"),
        (400, "the request exceeds the available context size. try increasing it"),
    ],
)
def test_a_text_that_is_too_long_for_the_model(openai_server: OpenAIServer, status: int, said: str) -> None:
    openai_server.answers = [error(status, said)]
    with (
        made(openai_server) as embedder,
        pytest.raises(EmbeddingError, match="too long.*lower max_input_byt") as caught,
    ):
        embedder.embed("tea")
    assert (caught.value.status, caught.value.retryable) == (status, False)


def test_a_server_that_cannot_shorten(openai_server: OpenAIServer) -> None:
    openai_server.refused_parameters = {"dimensions": "This model does not support specifying dimensions."}
    openai_server.dims = 8
    with made(openai_server, model="of-somebody-else", embedding_dims=8) as embedder:
        assert len(embedder.embed("tea")) == 8
    assert ["dimensions" in request.body for request in openai_server.requests] == [True, False]


def test_batches_keep_to_the_vendors_limits(openai_server: OpenAIServer) -> None:
    openai_server.dims = 2
    with made(openai_server, model="of-somebody-else") as embedder:
        assert len(embedder.embed_batch([f"text {number}" for number in range(2100)])) == 2100
        assert [len(request.body["input"]) for request in openai_server.requests] == [2048, 52]
        openai_server.requests.clear()
        embedder.embed_batch(["x" * 7_000] * 100)
        assert [len(request.body["input"]) for request in openai_server.requests] == [42, 42, 16]


def test_long_texts_are_cut_and_said_to_be(openai_server: OpenAIServer) -> None:
    with made(openai_server, max_input_bytes=10) as embedder:
        embedder.embed_batch(["0123456789", "0123456789a", "我的猫叫小雨"])
        assert [embedder.was_cut(text) for text in ("0123456789", "0123456789a", "我的猫叫小雨")] == [False, True, True]
    assert openai_server.requests[0].body["input"] == ["0123456789", "0123456789", "我的猫"]


@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), 401, False, "key was refused"),
        (error(404, "no such model"), 404, False, "no model 'text-embedding-3-small'"),
        (error(429, "Rate limit reached"), 429, True, "too many requests"),
        (error(500, "oops"), 500, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"object": "list", "data": []}), None, False, "0 vectors for 2 text"),
        (Answer(body="<html>a portal</html>"), None, False, "no list of vectors for 2 text"),
    ],
)
def test_errors(openai_server: OpenAIServer, answer: Answer, status: int | None, retryable: bool, told: str) -> None:
    for embed in (OpenAIEmbedding.embed_batch, awaited):
        openai_server.answers = [answer]
        with made(openai_server) as embedder, pytest.raises(EmbeddingError, match=told) as caught:
            embed(embedder, ["tea", "coffee"])
        assert (caught.value.status, caught.value.retryable) == (status, retryable)
        assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_failing_embedder_stores_nothing(openai_server: OpenAIServer) -> None:
    options = {"api_key": KEY, "base_url": openai_server.url, "max_retries": 0}
    with Memory({"path": ":memory:", "embedder": {"provider": "openai", "config": options}}) as m:
        openai_server.answers = [error(503, "busy")]
        with pytest.raises(EmbeddingError) as caught:
            m.add("likes tea", user_id="alice")
        assert caught.value.retryable
        assert m.get_all().total == 0
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"


def test_keywords_and_mistakes(openai_server: OpenAIServer) -> None:
    with OpenAIEmbedding(model="of-somebody-else", api_key=KEY, base_url=openai_server.url) as embedder:
        assert embedder.model == "of-somebody-else"
        assert KEY not in repr(embedder) + repr(embedder.config)
    with pytest.raises(ConfigError, match="did you mean 'embedding_dims'"):
        made(openai_server, embeding_dims=3)
    with pytest.raises(ConfigError, match="no key: set OPENAI_API_KEY"):
        OpenAIEmbedding(base_url=openai_server.url)


def test_patched_as_users_do() -> None:
    with mock.patch("mem0.embeddings.openai.OpenAI") as patched:
        create = patched.return_value.embeddings.create
        create.return_value = mock.Mock(data=[mock.Mock(embedding=[0.1, 0.2, 0.3])])
        embedder = OpenAIEmbedding(api_key=KEY)
        assert embedder.embed("tea") == awaited(embedder, ["tea"])[0] == [0.1, 0.2, 0.3]  # and the vendor is not asked
        assert create.call_count == 2
