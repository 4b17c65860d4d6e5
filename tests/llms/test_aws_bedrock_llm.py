"""AWSBedrockLLM through boto3, against a server on loopback that speaks Bedrock Runtime's wire format."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from bedrock_server import (
    ACCESS_KEY,
    API_KEY,
    DEFAULT_MODEL,
    IMPORTED_ARN,
    NEW_MODEL,
    NEWEST_MODEL,
    NO_SYSTEM_MODEL,
    PROFILE_ARN,
    REGION,
    SECRET_KEY,
    SESSION_TOKEN,
    BedrockServer,
    bedrock,
    error,
)
from loopback import Answer

from mem0 import AsyncMemory, ConfigError, LLMError, LLMResponseError, Memory
from mem0.configs.llms.base import BaseLlmConfig
from mem0.configs.options import validated
from mem0.exceptions import ClosedError
from mem0.llms.aws_bedrock import AWSBedrockLLM, AWSBedrockLlmConfig
from mem0.llms.base import ask
from mem0.testing import DeterministicEmbedding, LLMContract

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
SYSTEM = {"role": "system", "content": "Be brief."}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "add_memory", "description": "Adds.", "parameters": {"type": "object"}},
    },
    {"type": "function", "function": {"name": "forget"}},
]
JSON = {"type": "json_object"}
KEYS = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BedrockServer]:
    with bedrock(monkeypatch, tmp_path) as server:
        yield server


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)


def bare(**options: Any) -> AWSBedrockLLM:
    return AWSBedrockLLM(validated(AWSBedrockLlmConfig, options, "llm 'aws_bedrock' config"))


def made(server: BedrockServer, **options: Any) -> AWSBedrockLLM:
    return bare(**{"region": REGION, "endpoint_url": server.url, "max_retries": 0, "timeout": 20, **KEYS, **options})


def until_asked(server: BedrockServer) -> None:
    while not server.requests:
        time.sleep(0.01)


class TestContract(LLMContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: BedrockServer) -> None:
        self.server = server

    def llm(self) -> AWSBedrockLLM:
        return made(self.server)


class TestAnswers:
    def test_text(self, server: BedrockServer) -> None:
        server.content = [
            {"reasoningContent": {"reasoningText": {"text": "hm"}}},
            {"text": "Hello, "},
            {"text": "你好"},
        ]
        with made(server) as llm:
            assert llm.generate_response([SYSTEM, *HELLO]) == "Hello, 你好"
        (request,) = server.requests
        assert request.path == "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse"
        assert request.body == {
            "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
            "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": 3000, "temperature": 0.0, "topP": 1.0},
        }
        assert f"/{REGION}/bedrock/aws4_request" in request.headers["authorization"]

    def test_json_mode_is_an_instruction(self, server: BedrockServer) -> None:
        server.content = [{"text": '```json\n{"memory": []}\n```'}]
        schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
        with made(server) as llm:
            assert json.loads(llm.generate_response([SYSTEM, *HELLO], response_format=JSON)) == {"memory": []}
            assert json.loads(llm.generate_response(HELLO, response_format=schema)) == {"memory": []}
        first, second = (" ".join(block["text"] for block in body["system"]) for body in server.bodies)
        assert "Be brief. Answer with one JSON object only" in first
        assert "one JSON object only" in second
        assert '{"type": "object"}' in second

    def test_calls_of_tools(self, server: BedrockServer) -> None:
        server.stop_reason = "tool_use"
        inputs = [{"data": "Likes tea"}, '{"memory_id": ', "[1]", '{"data": "x"}']
        server.content = [{"text": "Two things."}] + [
            {"toolUse": {"toolUseId": f"t{at}", "name": "add_memory", "input": given}}
            for at, given in enumerate(inputs)
        ]
        with made(server) as llm:
            answer = llm.generate_response(HELLO, tools=TOOLS)
        arguments = [{"data": "Likes tea"}, None, None, {"data": "x"}]
        assert answer == {
            "content": "Two things.",
            "tool_calls": [{"name": "add_memory", "arguments": given} for given in arguments],
        }
        adds = {"name": "add_memory", "description": "Adds.", "inputSchema": {"json": {"type": "object"}}}
        forgets = {"name": "forget", "inputSchema": {"json": {"type": "object", "properties": {}}}}
        assert server.bodies[0]["toolConfig"] == {"tools": [{"toolSpec": adds}, {"toolSpec": forgets}]}

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            ("auto", None),
            (None, None),
            ("required", {"any": {}}),
            ({"type": "function", "function": {"name": "forget"}}, {"tool": {"name": "forget"}}),
        ],
    )
    def test_choice_of_tools(self, server: BedrockServer, choice: Any, sent: Any) -> None:
        with made(server) as llm:
            llm.generate_response(HELLO, tools=TOOLS, tool_choice=choice)
        assert server.bodies[0]["toolConfig"].get("toolChoice") == sent

    def test_no_tool_may_be_chosen_and_none_by_a_strange_word(self, server: BedrockServer) -> None:
        with made(server) as llm:
            answer = llm.generate_response(HELLO, tools=TOOLS, tool_choice="none")
            with pytest.raises(LLMError, match="expected 'auto'"):
                llm.generate_response(HELLO, tools=TOOLS, tool_choice="sometimes")
        assert answer == {"content": '{"memory": []}', "tool_calls": []}
        assert "toolConfig" not in server.bodies[0]

    def test_tokens_are_counted(self, server: BedrockServer) -> None:
        with made(server) as llm:
            reply = ask(llm, HELLO)
        assert (reply.tokens.prompt, reply.tokens.completion) == (120, 8)

    @pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
    def test_a_reply_that_was_stopped(self, server: BedrockServer, reason: str) -> None:
        server.stop_reason = reason
        with made(server) as llm, pytest.raises(LLMError, match="stopped the reply") as caught:
            llm.generate_response(HELLO)
        assert not caught.value.retryable

    def test_an_empty_answer_and_a_malformed_one(self, server: BedrockServer) -> None:
        server.content = []
        with made(server) as llm:
            assert llm.generate_response(HELLO) == ""
            server.stop_reason = "malformed_model_output"
            with pytest.raises(LLMResponseError, match="malformed"):
                llm.generate_response(HELLO)

    @pytest.mark.parametrize(
        "body",
        [
            "<html>a portal</html>",
            None,
            5,
            [1],
            {},
            {"output": None},
            {"output": {"message": {}}},
            {"output": {"message": None}},
            *(
                {"output": {"message": {"content": content}}}
                for content in (None, [None], ["x"], [{"text": None}], [{"toolUse": None}], [{"toolUse": {}}])
            ),
            {"output": {"message": {"content": [{"text": "x"}]}}, "usage": [1]},
        ],
    )
    def test_a_server_that_speaks_something_else(self, server: BedrockServer, body: Any) -> None:
        server.answers = [Answer(body=body)]
        with made(server) as llm, pytest.raises(LLMError, match="check endpoint_url") as caught:
            llm.generate_response(HELLO, tools=TOOLS)
        assert caught.value.retryable

    def test_a_cut_reply(self, server: BedrockServer) -> None:
        server.stop_reason = "max_tokens"
        server.content = [{"text": '{"memory": ['}]
        with made(server) as llm:
            assert llm.generate_response(HELLO) == '{"memory": ['
            server.content = [{"reasoningContent": {"reasoningText": {"text": "Well,"}}}]
            with pytest.raises(LLMError, match="max_tokens were used up by thinking; raise it") as caught:
                llm.generate_response(HELLO)
        assert not caught.value.retryable


class TestMessages:
    def test_turns_alternate_and_begin_with_the_user(self, server: BedrockServer) -> None:
        called = {"id": "call_1", "type": "function", "function": {"name": "forget", "arguments": '{"id": 1}'}}
        broken = {"id": "call_2", "type": "function", "function": {"name": "forget", "arguments": "{"}}
        messages = [
            {"role": "assistant", "content": "Hi!"},
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": ["One ", {"type": "text", "text": "two"}]},
            {"role": "user", "content": "three \ud83d"},
            {"role": "user", "content": " "},
            {"role": "assistant", "content": None, "tool_calls": [called, broken]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
            {"role": "tool", "tool_call_id": "call_2", "content": ""},
            {"role": "user", "content": "And?"},
        ]
        with made(server) as llm:
            llm.generate_response(messages, tools=TOOLS)
        assert server.bodies[0]["messages"] == [
            {"role": "user", "content": [{"text": "Begin."}]},
            {"role": "assistant", "content": [{"text": "Hi!"}]},
            {"role": "user", "content": [{"text": "One "}, {"text": "two"}, {"text": "three \ufffd"}]},
            {
                "role": "assistant",
                "content": [
                    {"toolUse": {"toolUseId": "call_1", "name": "forget", "input": {"id": 1}}},
                    {"toolUse": {"toolUseId": "call_2", "name": "forget", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "call_1", "content": [{"text": "done"}]}},
                    {"toolResult": {"toolUseId": "call_2", "content": []}},
                    {"text": "And?"},
                ],
            },
        ]

    def test_only_the_system_speaks(self, server: BedrockServer) -> None:
        with made(server) as llm:
            llm.generate_response([SYSTEM])
        assert server.bodies[0]["messages"] == [{"role": "user", "content": [{"text": "Begin."}]}]

    def test_pictures(self, server: BedrockServer) -> None:
        part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,aGVsbG8=", "detail": "low"}}
        with made(server, enable_vision=True) as llm:
            llm.generate_response([{"role": "user", "content": [{"type": "text", "text": "What?"}, part]}])
        image = {"image": {"format": "jpeg", "source": {"bytes": "aGVsbG8="}}}
        assert server.bodies[0]["messages"][0]["content"] == [{"text": "What?"}, image]

    @pytest.mark.parametrize(
        ("part", "told"),
        [
            ({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}, "only as a data URL"),
            ({"type": "image_url", "image_url": "data:image/tiff;base64,aGVsbG8="}, "only as a data URL"),
            ({"type": "image_url", "image_url": "data:image/png;base64,?"}, "no base64"),
            ({"type": "input_audio", "input_audio": {}}, "type 'input_audio' cannot be sent"),
        ],
    )
    def test_parts_that_cannot_be_sent(self, server: BedrockServer, part: dict[str, Any], told: str) -> None:
        with made(server) as llm, pytest.raises(LLMError, match=told) as caught:
            llm.generate_response([{"role": "user", "content": [part]}])
        assert (caught.value.retryable, server.requests) == (False, [])


class TestWhatModelsRefuse:
    @pytest.mark.parametrize(
        ("model", "requests", "kept"),
        [
            (NEW_MODEL, 2, {"maxTokens": 3000, "temperature": 0.0}),
            (NEWEST_MODEL, 3, {"maxTokens": 3000}),
        ],
    )
    def test_is_learned_once(self, server: BedrockServer, model: str, requests: int, kept: dict[str, Any]) -> None:
        with made(server, model=model) as llm:
            llm.generate_response(HELLO)
            assert len(server.requests) == requests
            llm.generate_response(HELLO)
            assert len(server.requests) == requests + 1
            assert server.bodies[-1]["inferenceConfig"] == kept
            llm.model = DEFAULT_MODEL
            llm.generate_response(HELLO)
        assert {*server.bodies[-1]["inferenceConfig"]} == {"maxTokens", "temperature", "topP"}

    def test_is_learned_by_threads_side_by_side(self, server: BedrockServer) -> None:
        with made(server, model=NEWEST_MODEL) as llm, ThreadPoolExecutor(4) as threads:
            assert set(threads.map(lambda _: llm.generate_response(HELLO), range(12))) == {'{"memory": []}'}

    def test_system_messages_are_then_said_by_the_user(self, server: BedrockServer) -> None:
        with made(server, model=NO_SYSTEM_MODEL) as llm:
            llm.generate_response([SYSTEM, *HELLO], response_format=JSON)
        first, second = server.bodies
        assert second["messages"][0]["content"] == [*first["system"], {"text": "Hello"}]
        assert "system" not in second

    def test_a_value_that_is_merely_wrong_is_not_left_out(self, server: BedrockServer) -> None:
        server.answers = [error(400, "ValidationException", "Value 9.0 at 'inferenceConfig.temperature' is too large")]
        with made(server, temperature=9) as llm, pytest.raises(LLMError, match="400.*too large"):
            llm.generate_response(HELLO)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (
            error(400, "ValidationException", "max_tokens is odd"),
            400,
            False,
            "400, the request was refused: max_tokens",
        ),
        (error(400, "ValidationException", "Input is too long for requested model."), 400, False, "max_llm_chars"),
        (
            error(400, "ValidationException", "The provided model identifier is invalid."),
            404,
            False,
            "global.anthropic",
        ),
        (error(400, "ServiceQuotaExceededException", "Quota"), 400, True, "try again later"),
        (error(403, "UnrecognizedClientException", "invalid token"), 401, False, "key was refused.*aws_access_key_id"),
        (error(403, "InvalidSignatureException", f"x-amz-security-token:{SESSION_TOKEN}"), 401, False, "refused"),
        (error(403, "ExpiredTokenException", "expired"), 401, False, "have expired.*aws sso login"),
        (error(403, "AccessDeniedException", "You don't have access"), 403, False, "Bedrock console"),
        (error(404, "ResourceNotFoundException", "has reached the end of its life"), 404, False, "end of its life"),
        (error(408, "ModelTimeoutException", "slow"), 408, True, "try again later"),
        (error(424, "ModelErrorException", "oops"), 424, True, "try again later"),
        (error(429, "ThrottlingException", "Too many", retry_after="7"), 429, True, "try again after 7 s"),
        (error(429, "ModelNotReadyException", "cold"), 429, True, "cold: try again later"),
        (error(500, "InternalServerException", "oops"), 500, True, "the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"output": {"message": {"content": []}}}, cut="body"), None, True, "cut off|no connection"),
    ],
)
def test_errors(server: BedrockServer, answer: Answer, status: int | None, retryable: bool, told: str) -> None:
    server.answers = [answer]
    with made(server, aws_session_token=SESSION_TOKEN) as llm, pytest.raises(LLMError, match=told) as caught:
        llm.generate_response(HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(server.requests) == 1
    shown = "".join(traceback.format_exception(caught.value))
    assert SESSION_TOKEN not in shown
    assert SECRET_KEY not in shown


class TestTheLine:
    def test_an_answer_that_takes_too_long(self, server: BedrockServer) -> None:
        server.answers = [Answer(delay=1.0, body={})]
        with made(server, timeout=0.2) as llm, pytest.raises(LLMError, match="within the time-out") as caught:
            llm.generate_response(HELLO)
        assert caught.value.retryable

    def test_nobody_there(self, server: BedrockServer) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and not listening
            nowhere = f"http://me:hush@127.0.0.1:{taken.getsockname()[1]}"
            with made(server, endpoint_url=nowhere) as llm, pytest.raises(LLMError, match="no connection") as caught:
                llm.generate_response(HELLO)
        assert caught.value.retryable
        assert "hush" not in f"{llm!r} {llm.config!r}" + "".join(traceback.format_exception(caught.value))

    @pytest.mark.usefixtures("without_pauses")
    def test_retries_are_bounded(self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
        busy = error(429, "ThrottlingException", "Too many requests")
        server.answers = [busy, error(500, "InternalServerException", "oops")]
        with made(server, max_retries=2) as llm:
            assert llm.generate_response(HELLO) == '{"memory": []}'
            assert len(server.requests) == 3
            server.answers = [busy] * 5
            with pytest.raises(LLMError, match="429"):
                llm.generate_response(HELLO)
        assert len(server.requests) == 6

    @pytest.mark.usefixtures("without_pauses")
    @pytest.mark.parametrize(
        "answer",
        [
            *(error(status, "Oops", "oops") for status in (408, 409, 429, 500, 502, 529)),
            error(424, "ModelErrorException", "oops"),
            Answer(503, "<html>busy</html>"),
            Answer(cut=True),
            Answer(body={"output": {"message": {"content": []}}}, cut="body"),
            Answer(body=[1]),
        ],
    )
    def test_retries_of_all_that_may_pass(self, server: BedrockServer, answer: Answer) -> None:
        server.answers = [answer] * 2
        with made(server, max_retries=2) as llm:
            assert llm.generate_response(HELLO) == '{"memory": []}'
            assert len(server.requests) == 3
            server.answers = [answer] * 5
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
        assert caught.value.retryable
        assert (len(server.requests), len(server.answers)) == (6, 2)

    @pytest.mark.usefixtures("without_pauses")
    def test_what_cannot_help_is_not_tried_again(self, server: BedrockServer) -> None:
        server.answers = [error(403, "AccessDeniedException", "no")]
        with made(server, max_retries=2) as llm, pytest.raises(LLMError):
            llm.generate_response(HELLO)
        assert len(server.requests) == 1

    def test_closed_is_said(self, server: BedrockServer) -> None:
        llm = made(server)
        llm.close()
        with pytest.raises(ClosedError, match="was closed; make a new one"):
            llm.generate_response(HELLO)
        assert server.requests == []

    @pytest.mark.usefixtures("without_pauses")
    @pytest.mark.parametrize("late", [error(503, "ServiceUnavailableException", "busy"), Answer(cut=True)])
    def test_closed_during_a_call(self, server: BedrockServer, late: Answer) -> None:
        server.answers = [late._replace(delay=0.3)] * 3
        llm = made(server, max_retries=2)
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(llm.generate_response, HELLO)
            until_asked(server)
            llm.close()
            with pytest.raises(ClosedError, match="was closed; make a new one"):
                call.result()
        assert len(server.requests) == 1


class TestWhereItGoes:
    @pytest.mark.parametrize("model", [PROFILE_ARN, NEW_MODEL])
    def test_profiles_of_inference_go_as_they_are(self, server: BedrockServer, model: str) -> None:
        with made(server, model=model) as llm:
            assert llm.generate_response(HELLO)

    @pytest.mark.parametrize(("region", "endpoint"), [("region", "endpoint_url"), ("aws_region", "base_url")])
    def test_published_names(self, server: BedrockServer, region: str, endpoint: str) -> None:
        with bare(**KEYS, **{region: "eu-west-3", endpoint: server.url}) as llm:
            llm.generate_response(HELLO)
            assert repr(llm) == f"AWSBedrockLLM(model={DEFAULT_MODEL!r}, region='eu-west-3')"
        assert "/eu-west-3/" in server.requests[0].headers["authorization"]
        with pytest.raises(ConfigError, match="region and aws_region mean the same and differ"):
            made(server, aws_region="eu-west-3")

    @pytest.mark.parametrize("form", [lambda url: url, lambda url: {"http": url, "https": "http://127.0.0.1:9"}])
    def test_a_proxy(self, server: BedrockServer, form: Any) -> None:
        there = "http://server.invalid"
        message = {"role": "assistant", "content": [{"text": "by way of the proxy"}]}
        server.answers = [Answer(body={"output": {"message": message}, "stopReason": "end_turn"})]
        assert made(server, endpoint_url=there, http_client_proxies=form(server.url)).generate_response(HELLO)
        assert server.requests[0].path.startswith(f"{there}/model/")

    def test_a_session_token_is_sent(self, server: BedrockServer) -> None:
        with made(server, aws_session_token=SESSION_TOKEN) as llm:
            llm.generate_response(HELLO)
        assert server.requests[0].headers["x-amz-security-token"] == SESSION_TOKEN

    def test_the_vendors_variables(self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION_TOKEN)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
        server.answers = [error(400, "ValidationException", f"what is {SESSION_TOKEN}?")]
        with AWSBedrockLLM() as llm:
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
            llm.generate_response(HELLO)
        assert SESSION_TOKEN not in "".join(traceback.format_exception(caught.value))
        assert "/eu-west-1/" in server.requests[0].headers["authorization"]
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")  # the one that boto3 reads wins
        with AWSBedrockLLM() as llm:
            assert "eu-west-2" in repr(llm)

    @pytest.mark.parametrize("named", ["aws_profile", "profile", None])
    def test_a_profile(
        self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None
    ) -> None:
        keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        (tmp_path / "config").write_text(f"[profile team]\nregion = eu-south-1\n{keys}", encoding="utf-8")
        if named is None:
            monkeypatch.setenv("AWS_PROFILE", "team")
        else:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-somebody-else")
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "of-somebody-else")
        with bare(endpoint_url=server.url, **({named: "team"} if named else {})) as llm:
            assert llm.generate_response(HELLO)
        assert "/eu-south-1/" in server.requests[0].headers["authorization"]

    def test_a_key_of_bedrocks_own(self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> None:
        without = dict.fromkeys(KEYS)
        with made(server, **without, api_key=API_KEY) as llm:
            llm.generate_response(HELLO)
            assert API_KEY not in f"{llm!r} {llm.config!r}"
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", API_KEY)
        with made(server, **without) as llm:
            server.answers = [error(400, "ValidationException", f"what is {API_KEY}?")]
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
            llm.generate_response(HELLO)
        assert API_KEY not in "".join(traceback.format_exception(caught.value))
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {API_KEY}"}
        with made(server) as llm:  # what is given wins over the variable
            llm.generate_response(HELLO)
        assert ACCESS_KEY in server.requests[-1].headers["authorization"]

    def test_no_other_variable_counts(self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "LLM_BASE_URL"):
            monkeypatch.setenv(name, "http://elsewhere.invalid/v1")
        with bare(region=REGION, **KEYS) as llm:
            assert llm.client.meta.endpoint_url == f"https://bedrock-runtime.{REGION}.amazonaws.com"


class TestWithout:
    def test_a_region(self, server: BedrockServer) -> None:
        with pytest.raises(ConfigError, match="no region: give region in its config, set AWS_DEFAULT_REGION"):
            bare(**KEYS)

    def test_credentials(self, server: BedrockServer) -> None:
        with pytest.raises(ConfigError, match="no credentials: give aws_access_key_id.*AWS_PROFILE.*AWS_BEARER_TOKEN"):
            bare(region=REGION)

    def test_the_other_half_of_its_credentials(self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        with pytest.raises(ConfigError, match="Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY"):
            bare(region=REGION)

    def test_credentials_that_only_the_network_knows(
        self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A machine's role: nothing is asked while the LLM is made, and its own server is asked on the first use."""
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        with bare(region=REGION, endpoint_url=server.url) as llm:
            assert server.requests == []
            server.answers = [Answer(404, "no role here")] * 5
            with pytest.raises(ConfigError, match="no credentials"):
                llm.generate_response(HELLO)
            keys = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Token": SESSION_TOKEN}
            role = {"Code": "Success", "Expiration": "2999-01-01T00:00:00Z", **keys}
            server.requests.clear()
            server.answers = [Answer(body="imds-token"), Answer(body="my-role"), Answer(body=role)]
            assert llm.generate_response(HELLO) == '{"memory": []}'
        assert [request.path.rsplit("/", 1)[-1] for request in server.requests] == ["token", "", "my-role", "converse"]
        assert server.requests[-1].headers["x-amz-security-token"] == SESSION_TOKEN

    def test_a_login_that_has_expired(
        self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        sso = (
            "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r"
        )
        (tmp_path / "config").write_text(f"[profile team]\nregion = eu-south-1\n{sso}\n", encoding="utf-8")
        monkeypatch.setenv("HOME", str(tmp_path))
        told = pytest.raises(LLMError, match="no usable credentials.*log in again")
        with bare(profile="team", endpoint_url=server.url) as llm, told as caught:
            llm.generate_response(HELLO)
        assert not caught.value.retryable

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"temprature": 1}, "did you mean 'temperature'"),
            ({"api": "bedrock"}, "converse"),
            ({"aws_secret_access_key": None}, "belong together"),
            ({"aws_access_key_id": None, "aws_secret_access_key": None, "aws_session_token": "t"}, "belongs to"),
            ({"api_key": API_KEY}, "two ways in"),
            ({"profile": "nobody"}, "profile \\(nobody\\) could not be found"),
            ({"endpoint_url": "no address"}, "is no address"),
            ({"endpoint_url": "http://me:secret@localhost:80a/v1"}, "is no address"),
            ({"base_url": "http://localhost:99999", "endpoint_url": None}, "is no address"),
            ({"region": "no region"}, "supported format|valid region"),
            ({"model_kwargs": {"messages": []}}, "messages is set by the library"),
        ],
    )
    def test_usable_options(self, server: BedrockServer, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            made(server, **options)
        assert SECRET_KEY not in str(caught.value)
        assert "me:secret" not in str(caught.value)

    def test_an_address_of_the_environment_that_is_none(
        self, server: BedrockServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://me:secret@localhost:80a")
        with pytest.raises(ConfigError, match="is no address") as caught:
            bare(region=REGION, **KEYS)
        assert "me:secret" not in str(caught.value)

    def test_secrets_are_not_shown(self, server: BedrockServer) -> None:
        with made(server, aws_session_token=SESSION_TOKEN) as llm:
            shown = f"{llm!r} {llm.config!r} {llm.config}"
        assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN) if secret in shown]


class TestImportedModels:
    def test_text_and_json_mode(self, server: BedrockServer) -> None:
        options = {"api": "invoke_model", "model": IMPORTED_ARN, "top_p": None, "model_kwargs": {"seed": 7}}
        with made(server, **options) as llm:
            reply = ask(llm, [{"role": "user", "content": "Hello \ud83d"}], json_reply=True)
        assert (reply.text, reply.tokens.prompt, reply.tokens.completion) == ('{"memory": []}', 120, 8)
        (request,) = server.requests
        assert request.path.endswith("%3Aimported-model%2Fabc123def456/invoke")
        system, said = request.body.pop("messages")
        assert "one JSON object only" in system["content"]
        assert said == {"role": "user", "content": "Hello \ufffd"}
        assert request.body == {"max_tokens": 3000, "temperature": 0.0, "seed": 7}

    def test_there_are_no_tools(self, server: BedrockServer) -> None:
        told = pytest.raises(ConfigError, match="no tools with api='invoke_model'")
        with made(server, api="invoke_model", model=IMPORTED_ARN) as llm, told:
            llm.generate_response(HELLO, tools=TOOLS)

    def test_errors(self, server: BedrockServer) -> None:
        server.answers = [
            error(429, "ModelNotReadyException", "Model is not ready for inference"),
            Answer(body={"generation": "of another form"}),
            Answer(body={"choices": []}, cut="body"),
        ]
        with made(server, api="invoke_model", model=IMPORTED_ARN) as llm:
            for told in ("not ready", "did not answer as Bedrock does", "no connection|cut off"):
                with pytest.raises(LLMError, match=told) as caught:
                    llm.generate_response(HELLO)
                assert caught.value.retryable


def test_further_fields_of_the_model(server: BedrockServer) -> None:
    with made(server, model_kwargs={"top_k": 50}, max_tokens=None, temperature=None, top_p=None) as llm:
        llm.generate_response(HELLO)
    assert server.bodies[0]["additionalModelRequestFields"] == {"top_k": 50}
    assert "inferenceConfig" not in server.bodies[0]


class TestTopK:
    def test_is_a_field_of_the_model(self, server: BedrockServer) -> None:
        with made(server, top_k=4, model_kwargs={"stop_sequences": ["END"]}) as llm:
            llm.generate_response(HELLO)
        with made(server, top_k=4, model_kwargs={"top_k": 50}) as llm:
            llm.generate_response(HELLO)
        with made(server, top_k=4, api="invoke_model", model=IMPORTED_ARN) as llm:
            llm.generate_response(HELLO)
        *further, imported = server.bodies
        wanted = [{"stop_sequences": ["END"], "top_k": 4}, {"top_k": 50}]
        assert [body["additionalModelRequestFields"] for body in further] == wanted
        assert imported["top_k"] == 4

    @pytest.mark.parametrize(
        "refusal",
        [
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input",
            "The model returned the following errors: `top_k` is deprecated for this model.",
        ],
    )
    def test_is_left_out_where_it_is_refused(self, server: BedrockServer, refusal: str) -> None:
        server.answers = [error(400, "ValidationException", refusal)]
        with made(server, top_k=4) as llm:
            llm.generate_response(HELLO)
            llm.generate_response(HELLO)
        assert ["additionalModelRequestFields" in body for body in server.bodies] == [True, False, False]

    def test_unless_the_user_insists(self, server: BedrockServer) -> None:
        server.answers = [error(400, "ValidationException", "extraneous key [top_k] is not permitted")]
        with made(server, model_kwargs={"top_k": 4}) as llm, pytest.raises(LLMError, match="extraneous key"):
            llm.generate_response(HELLO)
        assert len(server.requests) == 1


@pytest.mark.parametrize("double", [mock.Mock, mock.MagicMock])
def test_boto3_patched_as_users_do(server: BedrockServer, double: type[mock.Mock]) -> None:
    with mock.patch("mem0.llms.aws_bedrock.boto3", new_callable=double) as patched:
        client = patched.client.return_value
        client.converse.return_value = {"output": {"message": {"content": [{"text": "patched"}]}}}
        llm = AWSBedrockLLM(BaseLlmConfig(model="amazon.nova-lite-v1:0", temperature=0.7))
    assert llm.generate_response(HELLO) == "patched"
    assert client.converse.call_args.kwargs["modelId"] == "amazon.nova-lite-v1:0"
    assert patched.client.call_args.args == ("bedrock-runtime",)


class TestInMemory:
    def test_add_and_search(self, server: BedrockServer) -> None:
        llm = made(server, model=NEW_MODEL)
        with llm, Memory(llm=llm, embedder=DeterministicEmbedding(64), path=":memory:") as m:
            server.content = [{"text": json.dumps({"memory": [{"event": "ADD", "text": "Likes tea"}]})}]
            assert m.add("I like tea", user_id="alice")[0]["memory"] == "Likes tea"
            assert m.search("tea", user_id="alice")[0]["memory"] == "Likes tea"
            server.answers = [error(429, "ThrottlingException", "slow down")]
            with pytest.raises(LLMError) as caught:
                m.add("I like coffee", user_id="alice")
            assert caught.value.retryable
            assert m.get_all().total == 1

    def test_awaited(self, server: BedrockServer) -> None:
        server.content = [{"text": json.dumps({"memory": [{"event": "ADD", "text": "Likes tea"}]})}]

        async def used() -> None:
            with made(server) as llm:
                async with AsyncMemory(llm=llm, embedder=DeterministicEmbedding(64), path=":memory:") as m:
                    added = await asyncio.gather(*(m.add("I like tea", user_id=f"u{at}") for at in range(5)))
                    assert [result[0]["event"] for result in added] == ["ADD"] * 5

        asyncio.run(used())


def test_the_default_session_of_boto3_is_used(server: BedrockServer) -> None:
    boto3.setup_default_session(**KEYS, region_name="sa-east-1")
    with bare(endpoint_url=server.url) as llm:
        llm.generate_response(HELLO)
    assert "/sa-east-1/" in server.requests[0].headers["authorization"]
