"""GeminiLLM through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from gemini_server import KEY, GeminiServer, error, retry_in, wrong_key
from loopback import Answer

from mem0 import AsyncMemory, ConfigError, LLMError, LLMResponseError, Memory
from mem0.configs.llms.base import BaseLlmConfig
from mem0.configs.options import validated
from mem0.exceptions import ClosedError
from mem0.llms.base import ask, ask_async
from mem0.llms.gemini import GeminiLLM, GeminiLlmConfig, conversation
from mem0.testing import DeterministicEmbedding, LLMContract

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]
JSON = {"type": "json_object"}
PARAMETERS = {"type": "object", "properties": {"data": {"type": "string"}}}
FUNCTION = {"name": "add_memory", "description": "Adds one.", "parameters": PARAMETERS}
TOOLS = [{"type": "function", "function": FUNCTION}]


@pytest.fixture(autouse=True)
def _as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


def made(server: GeminiServer, **options: Any) -> GeminiLLM:
    given = {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    return GeminiLLM(validated(GeminiLlmConfig, given, "llm 'gemini' config"))


def blocking(llm: GeminiLLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: GeminiLLM, *args: Any, **kwargs: Any) -> Any:
    async def asked() -> Any:
        try:
            return await llm.agenerate_response(*args, **kwargs)
        finally:
            await llm.aclose()

    return asyncio.run(asked())


def until_asked(server: GeminiServer) -> None:
    while not server.requests:
        time.sleep(0.01)


def camel(value: Any) -> Any:
    """Return what was sent under the names of the API's pages; the SDK writes some as Python does."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {re.sub("_([a-z])", lambda found: found[1].upper(), name): camel(item) for name, item in value.items()}


both = pytest.mark.parametrize("generate", [blocking, awaited])
Generate = Callable[..., Any]


class TestGemini(LLMContract):
    @pytest.fixture(autouse=True)
    def _with(self, server: GeminiServer) -> None:
        self.server = server

    def llm(self) -> GeminiLLM:
        return made(self.server)


@both
def test_text(server: GeminiServer, generate: Generate) -> None:
    server.parts = [{"text": "A greeting.", "thought": True}, {"text": "Hello, "}, {"text": "你好"}]
    with made(server) as llm:
        assert generate(llm, [{"role": "system", "content": "Be brief."}, *HELLO]) == "Hello, 你好"
    (request,) = server.requests
    assert request.path == "/v1beta/models/gemini-3.8-flash:generateContent"
    assert request.body["contents"] == CONTENTS
    assert request.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert request.body["generationConfig"] == {"maxOutputTokens": 16_000}


@both
def test_json_mode(server: GeminiServer, generate: Generate) -> None:
    schema = {"type": "object"}
    with made(server) as llm:
        assert json.loads(generate(llm, HELLO, JSON)) == {"memory": []}
        generate(llm, HELLO, {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
        generate(llm, HELLO, JSON, tools=TOOLS)  # the API takes no JSON mode beside tools
    asked = [request.body["generationConfig"] for request in server.requests]
    assert [config.get("responseMimeType") for config in asked] == ["application/json", "application/json", None]
    assert [config.get("responseJsonSchema") for config in asked] == [None, schema, None]


@both
def test_tools(server: GeminiServer, generate: Generate) -> None:
    server.parts = [
        {"text": "Noted."},
        {"functionCall": {"name": "add_memory", "args": {"data": "Likes tea"}}, "thoughtSignature": "eA=="},
        {"functionCall": {"id": "2", "name": "add_memory"}},
    ]
    with made(server) as llm:
        answer = generate(llm, HELLO, tools=TOOLS)
        for choice in ("required", "none", {"type": "function", "function": {"name": "add_memory"}}):
            generate(llm, HELLO, tools=TOOLS, tool_choice=choice)
        server.parts = [{"functionCall": {"name": "add_memory", "args": {}}}]
        assert generate(llm, HELLO, tools=[{"google_search": {}}])["content"] is None
    calls = [{"name": "add_memory", "arguments": arguments} for arguments in ({"data": "Likes tea"}, {})]
    assert answer == {"content": "Noted.", "tool_calls": calls}
    (tool,) = server.requests[0].body["tools"]
    (function,) = tool["functionDeclarations"]
    assert camel(function) == {"name": "add_memory", "description": "Adds one.", "parametersJsonSchema": PARAMETERS}
    assert server.requests[-1].body["tools"] == [{"googleSearch": {}}]
    choices = [request.body["toolConfig"]["functionCallingConfig"] for request in server.requests[:4]]
    only = {"mode": "ANY", "allowedFunctionNames": ["add_memory"]}
    assert choices == [{"mode": "AUTO"}, {"mode": "ANY"}, {"mode": "NONE"}, only]


class TestConversation:
    def test_system_and_turns(self) -> None:
        system, contents = conversation(
            [
                {"role": "system", "content": "One."},
                {"role": "assistant", "content": "Hi."},
                {"role": "developer", "content": [{"type": "text", "text": "Two."}]},
                {"role": "assistant", "content": "How are you?"},
                {"role": "user", "content": ""},
                {"role": "user", "content": "Fine."},
            ]
        )
        assert system == ["One.", "Two."]
        assert contents == [
            {"role": "user", "parts": [{"text": "Begin."}]},
            {"role": "model", "parts": [{"text": "Hi."}, {"text": "How are you?"}]},
            {"role": "user", "parts": [{"text": "Fine."}]},
        ]
        assert conversation([])[1] == [{"role": "user", "parts": [{"text": "Begin."}]}]

    def test_calls_and_their_results(self, server: GeminiServer) -> None:
        function = {"name": "add_memory", "arguments": '{"data": "x"}'}
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "Remember x."},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": function}]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ]
        with made(server) as llm:
            llm.generate_response(messages, tools=TOOLS)
        called, answered = (content["parts"][0] for content in server.requests[0].body["contents"][1:])
        assert called["functionCall"] == {"id": "c1", "name": "add_memory", "args": {"data": "x"}}
        result = {"id": "c1", "name": "add_memory", "response": {"result": "done"}}
        assert answered["functionResponse"] == result

    def test_pictures(self, server: GeminiServer) -> None:
        parts = [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
            {"type": "image_url", "image_url": "https://example.com/a.webp?size=1"},
            {"type": "image_url", "image_url": "https://example.com/a"},
        ]
        with made(server) as llm:
            llm.generate_response([{"role": "user", "content": parts}])
        assert camel(server.requests[0].body["contents"][0]["parts"]) == [
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/a.webp?size=1"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a"}},
        ]

    @pytest.mark.parametrize(
        ("part", "told"),
        [
            ({"type": "input_audio", "input_audio": {}}, "holds 'input_audio'"),
            ({"type": "image_url", "image_url": "data:image/png;base64,abc"}, "no base64"),
        ],
    )
    def test_what_cannot_be_sent_is_refused(self, server: GeminiServer, part: dict[str, Any], told: str) -> None:
        with made(server) as llm, pytest.raises(LLMError, match=told):
            llm.generate_response([{"role": "user", "content": [part]}])
        assert server.requests == []

    def test_lone_surrogates_are_replaced(self, server: GeminiServer) -> None:
        with made(server) as llm:
            llm.generate_response([{"role": "user", "content": "broken \ud83d"}])
        assert server.requests[0].body["contents"][0]["parts"] == [{"text": "broken \ufffd"}]


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, f"odd, {KEY}"), 400, False, r"400, the request was refused: odd, \*\*\*"),
        (
            error(400, "The input token count (2) exceeds the maximum number of tokens allowed (1)."),
            400,
            False,
            "lower",
        ),
        (wrong_key(f"API key not valid: {KEY}"), 401, False, "key was refused.*GOOGLE_API_KEY or GEMINI_API_KEY"),
        (error(401, "Request had invalid authentication credentials."), 401, False, "key was refused"),
        (error(403, "Your API key was reported as leaked."), 403, False, "may not use it.*leaked"),
        (error(404, "models/x is not found"), 404, False, "no model 'gemini-3.8-flash'.*such as 'gemini-3.8-flash'"),
        (Answer(404, "<html>Error 404</html>"), 404, False, "before /v1beta"),
        (error(429, "quota", retry_in(37)), 429, True, "try again after 37 s"),
        (error(429, "quota", retry_after="7"), 429, True, "try again after 7 s"),
        (error(429, "quota"), 429, True, "try again later"),
        (error(500, "An internal error has occurred."), 500, True, "500, the server failed"),
        (error(503, "The model is overloaded."), 503, True, "503, the server failed"),
        (Answer(502, "<html>bad gateway</html>"), 502, True, "502, the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"candidates": []}, cut="body"), None, True, "no connection"),
        (Answer(delay=1.0, body={}), None, True, "within the time-out"),
        (
            Answer(body="<html>a portal</html>"),
            None,
            True,
            "not what Gemini's API answers, or was cut off: check base_url",
        ),
        (Answer(body={"candidates": [{"content": "x"}]}), None, True, "not what Gemini's API answers"),
    ],
)
def test_errors(
    server: GeminiServer, generate: Generate, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server, timeout=0.3) as llm, pytest.raises(LLMError, match=told) as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(server.requests) == 1
    assert KEY not in "".join(traceback.format_exception(caught.value))


@both
def test_retries_are_bounded(server: GeminiServer, generate: Generate) -> None:
    busy = error(429, "quota")
    server.answers = [busy, error(503, "The model is overloaded.")]
    with made(server, max_retries=2) as llm:
        assert generate(llm, HELLO) == '{"memory": []}'
        assert len(server.requests) == 3
        server.answers = [busy] * 5
        with pytest.raises(LLMError, match="too many requests"):
            generate(llm, HELLO)
    assert (len(server.requests), len(server.answers)) == (6, 2)


@both
@pytest.mark.parametrize(
    "answer",
    [
        *(error(status, "oops") for status in (408, 409, 429, 500, 502, 529)),
        Answer(502, "<html>bad gateway</html>"),
        Answer(cut=True),
        Answer(body={"candidates": []}, cut="body"),
        Answer(body="<html>a portal</html>"),
    ],
)
def test_retries_of_all_that_may_pass(server: GeminiServer, generate: Generate, answer: Answer) -> None:
    server.answers = [answer] * 2
    with made(server, max_retries=2) as llm:
        assert generate(llm, HELLO) == '{"memory": []}'
        assert len(server.requests) == 3
        server.answers = [answer] * 5
        with pytest.raises(LLMError) as caught:
            generate(llm, HELLO)
    assert caught.value.retryable
    assert (len(server.requests), len(server.answers)) == (6, 2)


@both
def test_what_cannot_help_is_not_tried_again(server: GeminiServer, generate: Generate) -> None:
    server.answers = [error(403, "no")]
    with made(server, max_retries=2) as llm, pytest.raises(LLMError):
        generate(llm, HELLO)
    assert len(server.requests) == 1


@both
@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        5,
        [1],
        {"object": "list"},
        {"candidates": []},
        {"candidates": [None]},
        {"candidates": [{"content": None, "finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": [None]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "x"}]}}], "usageMetadata": []},
    ],
)
def test_a_server_that_speaks_something_else(server: GeminiServer, generate: Generate, body: Any) -> None:
    server.answers = [Answer(body=body)]
    told = pytest.raises(LLMError, match=r"did not answer as|not what Gemini's API answers")
    with made(server) as llm, told as caught:
        generate(llm, HELLO, tools=TOOLS)
    assert caught.value.retryable


@both
def test_a_blocked_prompt(server: GeminiServer, generate: Generate) -> None:
    server.answers = [Answer(body={"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})]
    with made(server) as llm, pytest.raises(LLMError, match=r"the prompt was blocked \(PROHIBITED_CONTENT\)") as caught:
        generate(llm, HELLO)
    assert not caught.value.retryable


@both
def test_reasons_to_stop(server: GeminiServer, generate: Generate) -> None:
    with made(server) as llm:
        for reason in ("SAFETY", "RECITATION", "SPII"):
            server.parts, server.finish_reason = [{"text": "half of"}], reason
            with pytest.raises(LLMError, match=rf"the reply was stopped \({reason}\)") as caught:
                generate(llm, HELLO)
            assert not caught.value.retryable
        server.finish_reason = "MALFORMED_FUNCTION_CALL"
        with pytest.raises(LLMResponseError, match=r"unusable \(MALFORMED_FUNCTION_CALL\)") as unusable:
            generate(llm, HELLO, tools=TOOLS)
        assert unusable.value.retryable


@both
def test_a_cut_reply(server: GeminiServer, generate: Generate) -> None:
    server.parts, server.finish_reason = [{"text": '{"memory": ['}], "MAX_TOKENS"
    with made(server) as llm:
        assert generate(llm, HELLO) == '{"memory": ['
        server.parts = []
        with pytest.raises(LLMError, match="max_tokens were used up by thinking"):
            generate(llm, HELLO)


def test_tokens_are_counted(server: GeminiServer) -> None:
    with made(server) as llm:
        assert ask(llm, HELLO).tokens.prompt == 120

        async def asked() -> None:
            several = await asyncio.gather(*(ask_async(llm, HELLO) for _ in range(3)))
            assert [(one.tokens.prompt, one.tokens.completion) for one in several] == [(120, 38)] * 3
            await llm.aclose()

        asyncio.run(asked())


class TestClosing:
    """A connection left open is a ResourceWarning, which fails the test."""

    @both
    def test_closed_is_said(self, server: GeminiServer, generate: Generate) -> None:
        llm = made(server)
        llm.generate_response(HELLO)
        llm.close()
        llm.close()
        with pytest.raises(ClosedError, match="provider 'gemini'.*was closed"):
            generate(llm, HELLO)

    def test_closed_during_a_call(self, server: GeminiServer) -> None:
        server.answers = [error(503, "busy")._replace(delay=0.3)] * 3
        llm = made(server, max_retries=2)
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(llm.generate_response, HELLO)
            until_asked(server)
            llm.close()
            with pytest.raises(ClosedError, match="was closed; make a new one"):
                call.result()
        assert len(server.requests) == 1

    @pytest.mark.parametrize("how", ["close", "aclose"])
    def test_closed_while_a_call_is_awaited(self, server: GeminiServer, how: str) -> None:
        server.answers = [error(503, "busy")._replace(delay=0.3)] * 3

        async def used(llm: GeminiLLM) -> None:
            call = asyncio.create_task(llm.agenerate_response(HELLO))
            await asyncio.to_thread(until_asked, server)
            if how == "close":
                llm.close()
            else:
                await llm.aclose()
            with pytest.raises(ClosedError, match="was closed; make a new one"):
                await call

        with made(server, max_retries=2) as llm:
            asyncio.run(used(llm))
        gc.collect()
        assert len(server.requests) == 1

    def test_loops_close_their_connections_when_they_end(
        self, server: GeminiServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with made(server) as llm:
            for _ in range(3):
                asyncio.run(llm.agenerate_response(HELLO))
                gc.collect()
        gc.collect()
        assert "asyncio" not in {record.name for record in caplog.records}

    def test_close_inside_an_event_loop(self, server: GeminiServer) -> None:
        async def used(llm: GeminiLLM) -> None:
            await llm.agenerate_response(HELLO)
            llm.close()
            with pytest.raises(ClosedError):
                await llm.agenerate_response(HELLO)

        # Made outside, because versions of the SDK before its third leave a task to the loop in which a client is
        # collected, undone where that loop ends.
        llm = made(server)
        asyncio.run(used(llm))
        del llm
        gc.collect()


class TestOptions:
    @both
    def test_all_of_them_arrive(self, server: GeminiServer, generate: Generate) -> None:
        options = {
            "model": "of-somebody-else",
            "headers": {"X-Team": "memory"},
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "max_tokens": 50,
            "model_kwargs": {"seed": 7, "thinking_config": {"thinking_budget": 0}},
        }
        with made(server, **options) as llm:
            generate(llm, HELLO)
        (request,) = server.requests
        assert request.path == "/v1beta/models/of-somebody-else:generateContent"
        sent = request.body["generationConfig"]
        thinking = {"thinkingConfig": {"thinkingBudget": 0}}
        sampling = {"temperature": 0.5, "topP": 0.9, "topK": 4}
        assert camel(sent) == {**sampling, "maxOutputTokens": 50, "seed": 7, **thinking}
        assert request.headers["x-team"] == "memory"

    def test_of_any_llm_only_what_was_given_counts(self, server: GeminiServer) -> None:
        for given in (BaseLlmConfig(temperature=0.7), BaseLlmConfig()):
            config = GeminiLlmConfig(**given.model_dump(exclude_unset=True), api_key=KEY, base_url=server.url)
            with GeminiLLM(config) as llm:
                llm.generate_response(HELLO)
        sent = [request.body["generationConfig"].get("temperature") for request in server.requests]
        assert sent == [0.7, None]

    @pytest.mark.parametrize("ending", ["", "/", "/v1beta", "/v1beta/"])
    def test_addresses(self, server: GeminiServer, ending: str) -> None:
        with GeminiLLM(GeminiLlmConfig(api_key=KEY, gemini_base_url=server.url + ending)) as llm:
            llm.generate_response(HELLO)

    @pytest.mark.parametrize("name", ["GOOGLE_API_KEY", "GEMINI_API_KEY"])
    def test_the_vendors_variables(self, server: GeminiServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, KEY)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        with GeminiLLM() as llm:
            assert llm.generate_response(HELLO) == '{"memory": []}'
            assert awaited(llm, HELLO) == '{"memory": []}'

    @both
    def test_no_other_variable_counts(
        self, server: GeminiServer, monkeypatch: pytest.MonkeyPatch, generate: Generate
    ) -> None:
        for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
            monkeypatch.setenv(name, "true")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west1")
        monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "http://elsewhere.invalid")
        monkeypatch.setenv("GOOGLE_API_KEY", "of another program")
        with made(server) as llm:
            generate(llm, HELLO)
        (request,) = server.requests
        assert request.path == "/v1beta/models/gemini-3.8-flash:generateContent"
        assert request.headers["x-goog-api-key"] == KEY
        with GeminiLLM(GeminiLlmConfig(api_key=KEY)) as llm:
            assert "https://generativelanguage.googleapis.com" in repr(llm)

    def test_an_address_of_the_environment_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://me:secret@localhost:80a")
        with pytest.raises(ConfigError, match="GOOGLE_GEMINI_BASE_URL: this is no address") as caught:
            GeminiLLM(GeminiLlmConfig(api_key=KEY))
        assert "secret" not in "".join(traceback.format_exception(caught.value))

    def test_without_a_key(self) -> None:
        with pytest.raises(ConfigError, match="set GOOGLE_API_KEY or GEMINI_API_KEY, or give api_key"):
            GeminiLLM()

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"temprature": 1}, "did you mean 'temperature'"),
            ({"api_key": " "}, "this is empty"),
            ({"base_url": "no:with:secret"}, "is no address"),
            ({"base_url": "http://me:secret@localhost:80a/v1"}, "is no address"),
            ({"http_client_proxies": {"https://": "no:with:secret"}}, "is no address"),
            ({"http_client_proxies": {"ftp://": "http://secret"}}, "http://"),
            ({"base_url": "http://a", "gemini_base_url": "http://b"}, "mean the same and differ"),
            ({"model_kwargs": {"tools": []}}, "tools is set by the library"),
            ({"model_kwargs": {"thinking": {}}}, "no field thinking"),
            ({"max_retries": 11}, "less than or equal to 10"),
        ],
    )
    def test_what_cannot_be_is_refused(self, server: GeminiServer, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            made(server, **options)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("form", [str, lambda address: {"http://": address}, lambda address: {"all://": address}])
    @both
    def test_a_proxy_is_asked_in_place_of_the_server(self, server: GeminiServer, generate: Generate, form: Any) -> None:
        server.answers = [Answer(body={"candidates": [{"content": {"parts": [{"text": "by proxy"}]}}]})]
        with made(server, base_url="http://server.invalid", http_client_proxies=form(server.url)) as llm:
            assert generate(llm, HELLO) == "by proxy"
        path = "http://server.invalid/v1beta/models/gemini-3.8-flash:generateContent"
        assert [request.path for request in server.requests] == [path]

    def test_secrets_are_not_shown(self, server: GeminiServer) -> None:
        proxy = f"http://u:{KEY}@127.0.0.1:1"
        config = GeminiLlmConfig(api_key=KEY, headers={"Authorization": KEY}, http_client_proxies=proxy)
        with GeminiLLM(config) as llm:
            assert KEY not in f"{config} {config!r} {llm!r} {llm.config!r}"
        server.answers = [error(500, "oops")]
        with made(server, base_url=server.url.replace("//", "//me:hush@")) as llm:
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
            assert "hush" not in f"{llm!r} {llm.config!r} {caught.value}"


def test_patched_as_users_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)

    def answer(text: str) -> mock.Mock:
        part = mock.Mock(text=text, thought=None, function_call=None)
        return mock.Mock(candidates=[mock.Mock(content=mock.Mock(parts=[part]), finish_reason="STOP")])

    async def generate(**_: Any) -> mock.Mock:
        return answer("awaited")

    with mock.patch("mem0.llms.gemini.genai") as patched:
        client = patched.Client.return_value
        client.models.generate_content.return_value = answer("I'm doing well.")
        client.aio.models.generate_content = generate
        llm = GeminiLLM(BaseLlmConfig(max_tokens=100))
        assert llm.generate_response(HELLO) == "I'm doing well."
        client.models.generate_content.assert_called_once_with(
            model="gemini-3.8-flash", contents=CONTENTS, config={"max_output_tokens": 100}
        )
        assert asyncio.run(llm.agenerate_response(HELLO)) == "awaited"


class TestInAMemory:
    """The whole way: SDK, wire, conductor and store."""

    def test_blocking(self, server: GeminiServer, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        server.parts = [{"text": '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'}]
        with made(server) as llm, Memory(llm=llm, embedder=DeterministicEmbedding(), path=":memory:") as m:
            result = m.add("I like tea", user_id="alice")
            assert [(change["memory"], change["verified"]) for change in result] == [("Likes tea", True)]
            assert (result.usage.llm_calls, result.usage.prompt_tokens, result.usage.completion_tokens) == (1, 120, 38)
            server.answers = [error(503, "The model is overloaded.")]
            with pytest.raises(LLMError) as caught:
                m.add("I like coffee", user_id="alice")
            assert caught.value.retryable
            assert m.get_all(user_id="alice").total == 1
        assert KEY not in caplog.text

    def test_awaited(self, server: GeminiServer) -> None:
        server.parts = [{"text": '{"memory": [{"text": "Likes tea"}]}'}]

        async def used() -> None:
            with made(server) as llm:
                async with AsyncMemory(llm=llm, embedder=DeterministicEmbedding(), path=":memory:") as m:
                    added = await asyncio.gather(*(m.add("I like tea", user_id=f"u{at}") for at in range(5)))
                    assert [result[0]["event"] for result in added] == ["ADD"] * 5
                await llm.aclose()

        asyncio.run(used())
