"""CohereReranker through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cohere_server import KEY, CohereServer, error
from loopback import Answer

from mem0 import ConfigError, RerankError
from mem0.exceptions import ClosedError
from mem0.rerankers.cohere import CohereReranker
from mem0.testing import RerankerContract, async_memory, memory
from mem0.utils.factory import RerankerFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

QUESTION = "who likes tea"
TEXTS = ["Alice owns a dog", "Alice likes tea", "Bob likes coffee"]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COHERE_API_KEY", "CO_API_KEY", "CO_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[CohereServer]:
    with CohereServer() as server:
        yield server


def made(server: CohereServer, **options: Any) -> CohereReranker:
    given = {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    reranker: CohereReranker = RerankerFactory.create("cohere", given)
    return reranker


def blocking(reranker: CohereReranker, query: str, texts: Sequence[str]) -> list[float]:
    return reranker.score(query, texts)


def awaited(reranker: CohereReranker, query: str, texts: Sequence[str]) -> list[float]:
    async def asked() -> list[float]:
        try:
            return await reranker.ascore(query, texts)
        finally:
            await reranker.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("score", [blocking, awaited])
Score = Callable[[CohereReranker, str, Sequence[str]], list[float]]


class TestCohere(RerankerContract):
    question, answer, other = QUESTION, "Alice likes tea.", "The bus leaves at noon."

    @pytest.fixture(autouse=True)
    def _with(self, server: CohereServer) -> None:
        self.server = server

    def reranker(self) -> CohereReranker:
        return made(self.server)


@both
def test_one_request_and_the_order_of_the_texts(server: CohereServer, score: Score) -> None:
    with made(server, headers={"X-Team": "memory"}) as reranker:
        assert score(reranker, QUESTION, TEXTS) == pytest.approx([0, 2 / 3, 1 / 3])
    (request,) = server.requests
    assert request.body == {"model": "rerank-v3.5", "query": QUESTION, "documents": TEXTS}
    assert request.headers["x-team"] == "memory"


@both
def test_options(server: CohereServer, score: Score) -> None:
    options = {"model": "rerank-v4.0-fast", "max_tokens_per_doc": 100, "batch_size": 2}
    with made(server, base_url=f"{server.url}/v2/", **options) as reranker:
        assert score(reranker, QUESTION, TEXTS) == pytest.approx([0, 2 / 3, 1 / 3])
    assert [request.body["documents"] for request in server.requests] == [TEXTS[:2], TEXTS[2:]]
    assert server.requests[0].body["model"] == "rerank-v4.0-fast"
    assert server.requests[0].body["max_tokens_per_doc"] == 100


@pytest.mark.parametrize("name", ["COHERE_API_KEY", "CO_API_KEY"])
def test_the_key_of_the_environment(server: CohereServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigError, match="'cohere' has no key: set COHERE_API_KEY"):
        made(server, api_key=None)
    monkeypatch.setenv(name, KEY)
    with made(server, api_key=None) as reranker:
        assert reranker.score(QUESTION, TEXTS[:1]) == [0.0]


def test_another_address_of_the_environment_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_URL", "http://127.0.0.1:9")
    with CohereReranker(api_key=KEY) as reranker:
        assert reranker.config.address() == "https://api.cohere.com"
        assert "api.cohere.com" in str(reranker._client._client_wrapper.get_base_url())


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(401, "invalid api token"), 401, False, "401, the key was refused: check api_key .*COHERE_API_KEY"),
        (error(403, "no"), 403, False, "403"),
        (error(404, "model not found"), 404, False, "404, there is no model 'rerank-v3.5' for this key"),
        (error(400, "invalid request"), 400, False, "400, the request was refused: invalid request"),
        (error(422, "too much"), 422, False, "422, the request was refused: too much"),
        (error(429, "slow down"), 429, True, "429, too many requests: try again later"),
        (error(429, "slow down", retry_after="61"), 429, True, "429, too many requests: try again after 61 s"),
        (error(500, "oops"), 500, True, "500, the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "503, the server failed"),
        (Answer(200, "<html>hello</html>"), None, True, "not what Cohere's API answers, .*: check base_url"),
        (Answer(200, {"hello": 1}), None, False, "check base_url"),
        (Answer(200, {"id": "x", "results": []}), None, False, "not one score for each text: check base_url"),
        (Answer(200, {"id": "x", "results": [{"index": 7, "relevance_score": 1}] * 3}), None, False, "check base_url"),
        (Answer(200, {"id": "x", "results": [{"index": 0}] * 3}), None, False, "check base_url"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(200, {"results": []}, cut="body"), None, True, "no connection"),
    ],
)
def test_refusals(
    server: CohereServer, score: Score, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server) as reranker, pytest.raises(RerankError, match=told) as failed:
        score(reranker, QUESTION, TEXTS)
    assert (failed.value.status, failed.value.retryable) == (status, retryable)
    assert "nothing was stored" not in str(failed.value)
    assert len(server.requests) == 1


@both
def test_no_answer_in_time(server: CohereServer, score: Score) -> None:
    server.answers = [Answer(200, {}, delay=1.0)]
    with made(server, timeout=0.1) as reranker, pytest.raises(RerankError, match="time-out") as failed:
        score(reranker, QUESTION, TEXTS)
    assert failed.value.retryable


@both
def test_retries_are_bounded(server: CohereServer, score: Score) -> None:
    server.answers = [error(429, "slow down", retry_after="0.01"), Answer(cut=True)]
    with made(server, max_retries=2) as reranker:
        assert score(reranker, QUESTION, TEXTS) == pytest.approx([0, 2 / 3, 1 / 3])
        assert len(server.requests) == 3
        server.answers = [error(500, "oops")] * 4
        with pytest.raises(RerankError, match="500"):
            score(reranker, QUESTION, TEXTS)
    assert len(server.requests) == 6


@both
def test_a_refusal_is_not_tried_again(server: CohereServer, score: Score) -> None:
    with made(server, api_key="co-wrong-key-0123", max_retries=3) as reranker, pytest.raises(RerankError, match="401"):
        score(reranker, QUESTION, TEXTS)
    assert len(server.requests) == 1


@both
def test_keys_are_never_told(server: CohereServer, score: Score) -> None:
    server.answers = [error(400, f"Bearer {KEY} is odd, so is password-of-team")]
    with made(server, headers={"X-Team": "password-of-team"}) as reranker:
        assert KEY not in repr(reranker) + repr(reranker.config)
        with pytest.raises(RerankError) as failed:
            score(reranker, QUESTION, TEXTS)
    told = "".join(traceback.format_exception(failed.value))
    assert "***" in told
    assert KEY not in told
    assert "password-of-team" not in told.replace('password-of-team"', "").replace("'X-Team'", "")


@both
def test_closed(server: CohereServer, score: Score) -> None:
    reranker = made(server)
    score(reranker, QUESTION, TEXTS)
    reranker.close()
    reranker.close()
    with pytest.raises(ClosedError, match="'cohere' for http://127.0.0.1"):
        score(reranker, QUESTION, TEXTS)


def test_mistakes_are_told() -> None:
    for config, told in (
        ({"modell": "x"}, "did you mean 'model'"),
        ({"top_n": 3}, "called top_k"),
        ({"max_chunks_per_doc": 3}, "max_tokens_per_doc"),
        ({"base_url": "api.cohere.com"}, "no address"),
    ):
        with pytest.raises(ConfigError, match=told):
            RerankerFactory.create("cohere", {"api_key": KEY, **config})


def test_a_published_configuration(server: CohereServer) -> None:
    config = {"model": "rerank-v3.5", "api_key": KEY, "top_k": 2, "return_documents": False, "max_chunks_per_doc": None}
    with memory({"reranker": {"provider": "cohere", "config": {**config, "base_url": server.url}}}) as m:
        m.add(TEXTS, user_id="alice")
        assert [row["memory"] for row in m.search(QUESTION, user_id="alice")] == [TEXTS[1], TEXTS[2]]


def test_in_a_memory(server: CohereServer) -> None:
    config = {"reranker": {"provider": "cohere", "config": {"api_key": KEY, "base_url": server.url, "max_retries": 0}}}
    with memory(config) as m:
        m.add(TEXTS, user_id="alice")
        found = m.search(QUESTION, user_id="alice")
        assert [row["memory"] for row in found] == [TEXTS[1], TEXTS[2], TEXTS[0]]
        server.answers = [error(429, "slow down")]
        failed = m.search(QUESTION, user_id="alice")
        assert len(failed) == 3
        assert failed.rerank_error is not None
        assert failed.rerank_error.status == 429

    async def awaited_found() -> Any:
        async with async_memory(config) as m:
            await m.add(TEXTS, user_id="alice")
            return await m.search(QUESTION, user_id="alice")

    assert asyncio.run(awaited_found()) != []
