"""AWSBedrockEmbedding through boto3, against a server on loopback that speaks Bedrock Runtime's wire format."""

from __future__ import annotations

import io
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from bedrock_server import (
    ACCESS_KEY,
    API_KEY,
    COHERE_3,
    COHERE_4,
    PROFILE_ARN,
    REGION,
    SECRET_KEY,
    SESSION_TOKEN,
    TITAN_1,
    TITAN_2,
    BedrockServer,
    bedrock,
    error,
)
from loopback import Answer

from mem0 import ConfigError, EmbeddingError, Memory
from mem0.embeddings.aws_bedrock import AWSBedrockEmbedding, AWSBedrockEmbeddingConfig
from mem0.exceptions import ClosedError
from mem0.testing import EmbedderContract

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KEYS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BedrockServer]:
    with bedrock(monkeypatch, tmp_path) as server:
        yield server


def made(server: BedrockServer, **options: Any) -> AWSBedrockEmbedding:
    given = {"region": REGION, "endpoint_url": server.url, "max_retries": 0, "timeout": 20, **KEYS}
    return AWSBedrockEmbedding({**given, **options})


class _Contract(EmbedderContract):
    model: str

    @pytest.fixture(autouse=True)
    def _server(self, server: BedrockServer) -> None:
        self.server = server

    def embedder(self) -> AWSBedrockEmbedding:
        return made(self.server, model=self.model)


class TestTitan2(_Contract):
    model = TITAN_2


class TestTitan1(_Contract):
    model = TITAN_1


class TestCohere3(_Contract):
    model = COHERE_3


class TestCohere4(_Contract):
    model = COHERE_4


del _Contract, EmbedderContract  # collected on their own they would be tests too


class TestRequests:
    def test_titan_takes_one_text_each(self, server: BedrockServer) -> None:
        with made(server, embedding_dims=256, normalize=False) as embedder:
            vectors = embedder.embed_batch(["tea", " ", "broken \ud83d"])
            assert [len(vector) for vector in vectors] == [256] * 3
            assert embedder.embed("tea") == vectors[0]
        rest = {"dimensions": 256, "normalize": False}
        assert server.bodies[:3] == [{"inputText": text, **rest} for text in ("tea", ".", "broken \ufffd")]
        assert server.requests[0].path == "/model/amazon.titan-embed-text-v2%3A0/invoke"

    def test_titan_1(self, server: BedrockServer) -> None:
        with made(server, model=TITAN_1) as embedder:
            assert len(embedder.embed("tea")) == embedder.dims == 1536
        assert server.bodies == [{"inputText": "tea"}]

    def test_cohere_takes_96(self, server: BedrockServer) -> None:
        with made(server, model=COHERE_3, input_type="search_query", truncate="START") as embedder:
            assert len(embedder.embed_batch([f"text {number}" for number in range(200)])) == 200
        assert [len(body["texts"]) for body in server.bodies] == [96, 96, 8]
        assert {**server.bodies[2], "texts": None} == {"texts": None, "input_type": "search_query", "truncate": "START"}

    def test_cohere_4(self, server: BedrockServer) -> None:
        with made(server, model=COHERE_4, embedding_dims=512) as embedder:
            assert len(embedder.embed("tea")) == embedder.dims == 512
        assert server.bodies == [
            {
                "texts": ["tea"],
                "input_type": "search_document",
                "truncate": "RIGHT",
                "output_dimension": 512,
                "embedding_types": ["float"],
            }
        ]

    @pytest.mark.parametrize(("model", "dims"), [(TITAN_1, 1536), (TITAN_2, 1024), (COHERE_3, 1024), (COHERE_4, 1536)])
    def test_sizes_are_known_beforehand(self, server: BedrockServer, model: str, dims: int) -> None:
        with made(server, model=model) as embedder, made(server, model=model, embedding_dims=dims) as same:
            assert embedder.dims == same.dims == dims
        assert server.requests == []

    def test_an_arn_says_nothing_of_its_family(self, server: BedrockServer) -> None:
        with pytest.raises(ConfigError, match="does not say which request it takes; give family: one of titan-v1"):
            made(server, model=PROFILE_ARN)
        with made(server, model=PROFILE_ARN, family="cohere-v3") as embedder:
            assert len(embedder.embed("tea")) == 1024

    @pytest.mark.parametrize(
        ("options", "length"),
        [
            ({}, 8_000),
            ({"model": COHERE_3}, 2_048),
            ({"model": COHERE_4}, 32_000),
            ({"max_input_chars": 10}, 10),
        ],
    )
    def test_long_texts_are_cut_and_said_to_be(
        self, server: BedrockServer, options: dict[str, Any], length: int
    ) -> None:
        with made(server, **options) as embedder:
            embedder.embed_batch(["茶" * length, "茶" * (length + 1)])
            assert [embedder.was_cut("x" * size) for size in (length, length + 1)] == [False, True]
        sent = [text for body in server.bodies for text in body.get("texts") or [body["inputText"]]]
        assert sent == ["茶" * length] * 2

    def test_more_than_titan_takes(self, server: BedrockServer) -> None:
        told = pytest.raises(EmbeddingError, match="Too many input tokens.*lower max_input_chars")
        with made(server, max_input_chars=50_000) as embedder, told as caught:
            embedder.embed("x" * 45_000)
        assert (caught.value.status, caught.value.retryable) == (400, False)


@pytest.mark.parametrize(
    ("model", "recorded"),
    [
        (COHERE_3, COHERE_3),
        (COHERE_4, "cohere.embed-v4:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0", TITAN_2),
        ("arn:aws:bedrock:eu-central-1:1:inference-profile/eu.cohere.embed-v4:0", "cohere.embed-v4:0"),
        (PROFILE_ARN, PROFILE_ARN),
    ],
)
def test_a_model_is_recorded_without_the_way_to_it(server: BedrockServer, model: str, recorded: str) -> None:
    with made(server, model=model, family="cohere-v4" if model == PROFILE_ARN else None) as embedder:
        assert embedder.model == recorded


@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (
            error(400, "ValidationException", "The provided model identifier is invalid."),
            404,
            False,
            "titan-embed-text",
        ),
        (error(403, "UnrecognizedClientException", f"invalid: {SESSION_TOKEN}"), 401, False, "key was refused"),
        (error(403, "AccessDeniedException", f"no access: {SESSION_TOKEN}"), 403, False, "Bedrock console"),
        (error(429, "ThrottlingException", "Too many requests"), 429, True, "too many requests"),
        (error(500, "InternalServerException", "oops"), 500, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"embedding": [0.1] * 1024}, cut="body"), None, True, "no connection"),
        (Answer(body={"inputTextTokenCount": 3}), None, False, "did not answer with vectors"),
        (Answer(body={"embedding": ["a"]}), None, False, "did not answer with vectors"),
        (Answer(body={"embedding": None}), None, False, "did not answer with vectors"),
        (Answer(body="<html>a portal</html>"), None, True, "not what AWS Bedrock's API answers"),
    ],
)
def test_errors(server: BedrockServer, answer: Answer, status: int | None, retryable: bool, told: str) -> None:
    with made(server, aws_session_token=SESSION_TOKEN) as embedder:
        embedder.embed("the first of three")
        server.answers = [answer]
        with pytest.raises(EmbeddingError, match=told) as caught:
            embedder.embed_batch(["tea", "coffee", "milk"])
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(server.requests) == 2
    assert SESSION_TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_vectors(server: BedrockServer, count: int) -> None:
    server.answers = [Answer(body={"embeddings": [[1.0]] * count})]
    with made(server, model=COHERE_3) as embedder, pytest.raises(EmbeddingError, match=rf"{count} vectors for 2 text"):
        embedder.embed_batch(["tea", "coffee"])


def test_a_failure_among_many_returns_nothing(server: BedrockServer) -> None:
    with made(server) as embedder, Memory(embedder=embedder, path=":memory:") as m:
        m.add("likes tea", user_id="alice")
        asked = len(server.requests)
        server.answers = [Answer(body={"embedding": [1.0] * 1024}), error(503, "ServiceUnavailableException", "busy")]
        with pytest.raises(EmbeddingError) as caught:
            m.add(["likes coffee", "likes milk", "likes water"], user_id="alice")
        assert caught.value.retryable
        assert len(server.requests) - asked == 2
        assert m.get_all().total == 1
        assert m.search("who likes tea?", user_id="alice")[0]["memory"] == "likes tea"


@pytest.mark.parametrize(
    "answer",
    [
        error(429, "ThrottlingException", "slow down"),
        error(408, "ModelTimeoutException", "slow"),
        Answer(502, "<html>not here</html>"),
        Answer(cut=True),
        Answer(body={"embedding": [0.1] * 1024}, cut="body"),
    ],
)
def test_retries_are_bounded(server: BedrockServer, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)
    server.answers = [answer] * 5
    with made(server, max_retries=2) as embedder, pytest.raises(EmbeddingError) as caught:
        embedder.embed("tea")
    assert caught.value.retryable
    assert len(server.requests) == 3


def test_an_answer_that_takes_too_long(server: BedrockServer) -> None:
    server.answers = [Answer(delay=1.0, body={})]
    with made(server, timeout=0.2) as embedder, pytest.raises(EmbeddingError, match="within the time-out") as caught:
        embedder.embed("tea")
    assert caught.value.retryable


def test_closed_is_said(server: BedrockServer) -> None:
    embedder = made(server)
    embedder.close()
    with pytest.raises(ClosedError):
        embedder.embed("tea")


def test_objects_keywords_and_a_key_of_bedrocks_own(server: BedrockServer) -> None:
    config = AWSBedrockEmbeddingConfig(region=REGION, endpoint_url=server.url, api_key=API_KEY)
    with AWSBedrockEmbedding(config, embedding_dims=512) as embedder:
        assert len(embedder.embed("tea")) == 512
        assert API_KEY not in f"{embedder!r} {embedder.config!r}"
        assert repr(embedder) == f"AWSBedrockEmbedding(model={TITAN_2!r}, region={REGION!r})"
    assert server.requests[0].headers["authorization"] == f"Bearer {API_KEY}"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"embeding_dims": 256}, "did you mean 'embedding_dims'"),
        ({"embedding_dims": 300}, "titan-v2 makes vectors of size 1024, 512, 256"),
        ({"model": TITAN_1, "embedding_dims": 512}, "titan-v1 makes vectors of size 1536"),
        ({"model": COHERE_3, "normalize": False}, "cohere-v3 does not take it"),
        ({"truncate": "END"}, "titan-v2 does not take it"),
        ({"model": "amazon.titan-embed-image-v1"}, "give family"),
    ],
)
def test_what_cannot_be_is_refused(server: BedrockServer, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        made(server, **options)


def test_without_region_or_credentials(server: BedrockServer) -> None:
    with pytest.raises(ConfigError, match="no region"):
        AWSBedrockEmbedding(**KEYS)
    with pytest.raises(ConfigError, match="no credentials"):
        AWSBedrockEmbedding(region=REGION)


@pytest.mark.parametrize("double", [mock.Mock, mock.MagicMock])
def test_boto3_patched_as_users_do(server: BedrockServer, double: type[mock.Mock]) -> None:
    with mock.patch("mem0.embeddings.aws_bedrock.boto3", new_callable=double) as patched:
        client = patched.client.return_value
        client.invoke_model.return_value = {"body": io.BytesIO(json.dumps({"embedding": [0.5, 0.25]}).encode())}
        embedder = AWSBedrockEmbedding(model=TITAN_1)
    assert embedder.embed("tea") == [0.5, 0.25]
    assert client.invoke_model.call_args.kwargs["modelId"] == TITAN_1
