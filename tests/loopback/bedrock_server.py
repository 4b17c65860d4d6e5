"""A server on loopback that speaks Bedrock Runtime's wire format, and refuses what Bedrock refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from loopback import Answer, LoopbackServer, Request

from mem0.testing import DeterministicEmbedding

ACCESS_KEY = "AKIALOOPBACK0123456"
SECRET_KEY = "loopback-secret/0123456789"
SESSION_TOKEN = "loopback-session-token"
API_KEY = "bedrock-api-key-loopback"
REGION = "eu-central-1"

DEFAULT_MODEL = "anthropic.claude-3-5-sonnet-20240620-v1:0"
NEW_MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"  # temperature or top_p, not both
NEWEST_MODEL = "us.anthropic.claude-opus-4-8"  # neither
NO_SYSTEM_MODEL = "mistral.mistral-7b-instruct-v0:2"
PROFILE_ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123def456"
IMPORTED_ARN = "arn:aws:bedrock:eu-central-1:123456789012:imported-model/abc123def456"
COHERE_3, COHERE_4 = "cohere.embed-multilingual-v3", "eu.cohere.embed-v4:0"
TITAN_1, TITAN_2 = "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"

_CHAT = {DEFAULT_MODEL, NEW_MODEL, NEWEST_MODEL, NO_SYSTEM_MODEL, PROFILE_ARN}
_EMBEDS = {COHERE_3, COHERE_4, TITAN_1, TITAN_2, PROFILE_ARN}

# Whatever a developer's machine has of AWS is out of the tests' way.
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """Return an error as AWS words it."""
    kind = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"message": message}, {"x-amzn-ErrorType": kind, **named})


@contextmanager
def bedrock(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[BedrockServer]:
    """Give a server, and an environment without any trace of AWS; no machine's role is asked for."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the environment it was made in
    with BedrockServer() as server:
        yield server


class BedrockServer(LoopbackServer):
    """The server; ``with BedrockServer() as server``.

    Attributes:
        content: The blocks of answers.
        stop_reason: Why they end.
        dims: Size of the embeddings where a request does not say.
    """

    def __init__(self) -> None:
        super().__init__()
        # boto3 reads head and body of an answer apart, and would wait 40 ms for the second on a kept connection.
        self._http.RequestHandlerClass.disable_nagle_algorithm = True  # type: ignore[attr-defined]
        self.content: list[dict[str, Any]] = [{"text": '{"memory": []}'}]
        self.stop_reason = "end_turn"
        self.dims = {TITAN_1: 1536, TITAN_2: 1024, COHERE_3: 1024, COHERE_4: 1536}

    @property
    def bodies(self) -> list[Any]:
        return [request.body for request in self.requests]

    def usual(self, request: Request) -> Answer:
        refused = _refused_caller(request.headers)
        if refused is not None:
            return refused
        found = re.fullmatch(r"/model/([^/]+)/(converse|invoke)", request.path)
        if found is None:
            return Answer(404, {"message": "Unable to determine service/operation name to be authorized"})
        model = unquote(found[1])
        if found[2] == "converse":
            if model not in _CHAT:
                return error(400, "ValidationException", "The provided model identifier is invalid.")
            return self._converse(model, request.body)
        if model == IMPORTED_ARN:
            return self._completion(request.body)
        if model not in _EMBEDS:
            return error(400, "ValidationException", "The provided model identifier is invalid.")
        return self._titan(model, request.body) if "titan" in model else self._cohere(model, request.body)

    def _converse(self, model: str, body: dict[str, Any]) -> Answer:
        problem = _problem_of_turns(body) or _problem_of_model(model, body)
        if problem is not None:
            return error(400, "ValidationException", problem)
        return Answer(
            body={
                "output": {"message": {"role": "assistant", "content": self.content}},
                "stopReason": self.stop_reason,
                "usage": {"inputTokens": 120, "outputTokens": 8, "totalTokens": 128},
                "metrics": {"latencyMs": 5},
            }
        )

    def _completion(self, body: dict[str, Any]) -> Answer:
        message = {"role": "assistant", "content": self.content[0]["text"]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 120, "completion_tokens": 8, "total_tokens": 128}
        return Answer(body={"object": "chat.completion", "choices": [choice], "usage": usage})

    def _titan(self, model: str, body: dict[str, Any]) -> Answer:
        known = {"inputText"} if model == TITAN_1 else {"inputText", "dimensions", "normalize"}
        if {*body} - known:
            return error(400, "ValidationException", f"extraneous key {[*{*body} - known]} is not permitted")
        text = body["inputText"]
        if not text.strip():
            return error(400, "ValidationException", "expected minLength: 1, actual: 0, please reformat your input")
        tokens = len(text) if not text.isascii() else len(text) * 10 // 47
        if len(text) > 50_000 or tokens > 8_192:
            said = f"Too many input tokens. Max input tokens: 8192, request input token count: {tokens}"
            return error(400, "ValidationException", said)
        vector = DeterministicEmbedding(int(body.get("dimensions") or self.dims[model])).embed(text)
        return Answer(body={"embedding": vector, "inputTextTokenCount": tokens})

    def _cohere(self, model: str, body: dict[str, Any]) -> Answer:
        texts = body["texts"]
        if not 1 <= len(texts) <= 96:
            return error(400, "ValidationException", f"expected maxItems: 96, actual: {len(texts)}")
        if model != COHERE_4 and any(len(text) > 2_048 for text in texts):
            return error(400, "ValidationException", "expected maxLength: 2048, please reformat your input")
        ends = ("NONE", "LEFT", "RIGHT") if model == COHERE_4 else ("NONE", "START", "END")
        if body["input_type"] not in ("search_document", "search_query") or body["truncate"] not in ends:
            return error(400, "ValidationException", "is not a valid enum value")
        dims = int(body.get("output_dimension") or self.dims.get(model, 1024))
        found: Any = DeterministicEmbedding(dims).embed_batch(texts)
        kind = "embeddings_floats"
        if "embedding_types" in body:
            found, kind = {"float": found}, "embeddings_by_type"
        return Answer(body={"id": "1", "embeddings": found, "texts": texts, "response_type": kind})


def _refused_caller(headers: dict[str, str]) -> Answer | None:
    given = headers.get("authorization", "")
    if given == f"Bearer {API_KEY}":
        return None
    signed = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/bedrock/aws4_request, SignedHeaders=", given)
    if signed is None:
        return error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if signed[1] != ACCESS_KEY:
        return error(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    return None


def _problem_of_turns(body: dict[str, Any]) -> str | None:
    roles = [turn["role"] for turn in body["messages"]]
    if roles[:1] != ["user"]:
        return "A conversation must start with a user message. Try again with a conversation that starts with one."
    if any(first == second for first, second in pairwise(roles)):
        return 'messages: roles must alternate between "user" and "assistant"'
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    if not all(turn["content"] for turn in body["messages"]) or body.get("system") == []:
        return "The content field in the Message object is empty."
    if any("text" in block and not block["text"].strip() for block in [*blocks, *body.get("system", [])]):
        return "The text field in the ContentBlock object at messages.0.content.0 is blank."
    if any("toolUse" in block or "toolResult" in block for block in blocks) and "toolConfig" not in body:
        return "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    return None


def _problem_of_model(model: str, body: dict[str, Any]) -> str | None:
    drawn = body.get("inferenceConfig", {})
    if model == NEW_MODEL and {"temperature", "topP"} <= {*drawn}:
        return (
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified for this "
            "model. Please use only one."
        )
    if model == NEWEST_MODEL:
        for name, called in (("temperature", "temperature"), ("topP", "top_p")):
            if name in drawn:
                return f"The model returned the following errors: `{called}` is deprecated for this model."
    if model == NO_SYSTEM_MODEL and "system" in body:
        return (
            "This model doesn't support system messages. Try again without a system message or use a model that "
            "supports system messages."
        )
    return None
