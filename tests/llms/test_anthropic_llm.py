"""AnthropicLLM through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from anthropic_server import CHOOSY_MODEL, KEY, OLD_MODEL, AnthropicServer, error
from loopback import Answer

from mem0 import AsyncMemory, ConfigError, LLMError, LLMResponseError, Memory
from mem0.configs.llms.base import BaseLlmConfig
from mem0.configs.options import validated
from mem0.exceptions import ClosedError
from mem0.llms.anthropic import AnthropicLLM, AnthropicLlmConfig, conversation
from mem0.llms.base import ask, ask_async
from mem0.testing import DeterministicEmbedding, LLMContract

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
JSON = {"type": "json_object"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add_memory",
            "description": "Adds one.",
            "parameters": {"type": "object", "properties": {"data": {"type": "string"}}},
        },
    }
]
VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mem0.wire.retries._FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[AnthropicServer]:
    with AnthropicServer() as server:
        yield server


def made(server: AnthropicServer, **options: Any) -> AnthropicLLM:
    given = {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    return AnthropicLLM(validated(AnthropicLlmConfig, given, "llm 'anthropic' config"))


def blocking(llm: AnthropicLLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: AnthropicLLM, *args: Any, **kwargs: Any) -> Any:
    async def asked() -> Any:
        try:
            return await llm.agenerate_response(*args, **kwargs)
        finally:
            await llm.aclose()

    return asyncio.run(asked())


def until_asked(server: AnthropicServer) -> None:
    while not server.requests:
        time.sleep(0.01)


both = pytest.mark.parametrize("generate", [blocking, awaited])
Generate = Callable[..., Any]


class TestAnthropic(LLMContract):
    @pytest.fixture(autouse=True)
    def _with(self, server: AnthropicServer) -> None:
        self.server = server

    def llm(self) -> AnthropicLLM:
        return made(self.server)


@both
def test_text(server: AnthropicServer, generate: Generate) -> None:
    server.content = [
        {"type": "thinking", "thinking": "A greeting.", "signature": "x"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "Hello, "},
        {"type": "text", "text": "你好"},
    ]
    with made(server) as llm:
        assert generate(llm, HELLO) == "Hello, 你好"
    (request,) = server.requests
    assert request.body == {"model": "claude-sonnet-5-5", "messages": HELLO, "max_tokens": 16_000}


@both
def test_json_mode_is_an_instruction(server: AnthropicServer, generate: Generate) -> None:
    with made(server) as llm:
        assert json.loads(generate(llm, [{"role": "system", "content": "Be brief."}, *HELLO], JSON)) == {"memory": []}
        server.content = [{"type": "text", "text": '```json\n{"memory": []}\n```'}]
        assert generate(llm, HELLO, JSON) == '{"memory": []}'
        generate(llm, HELLO, {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}})
    asked = [request.body["system"] for request in server.requests]
    instruction = "Answer with one JSON object only: no other text, no code fence."
    assert asked[:2] == [f"Be brief.\n\n{instruction}", instruction]
    assert asked[2].endswith('It follows this JSON schema: {"type": "object"}')


@both
def test_tools(server: AnthropicServer, generate: Generate) -> None:
    server.stop_reason = "tool_use"
    server.content = [
        {"type": "text", "text": "Noted."},
        {"type": "tool_use", "id": "toolu_1", "name": "add_memory", "input": {"data": "Likes tea"}},
        {"type": "tool_use", "id": "toolu_2", "name": "add_memory", "input": "{malformed"},
        {"type": "tool_use", "id": "toolu_3", "name": "add_memory", "input": {}},
    ]
    with made(server) as llm:
        answer = generate(llm, HELLO, tools=TOOLS)
        for choice in ("required", "none", {"type": "function", "function": {"name": "add_memory"}}, {"type": "any"}):
            generate(llm, HELLO, tools=TOOLS, tool_choice=choice)
    wanted = [{"data": "Likes tea"}, None, {}]
    assert answer == {
        "content": "Noted.",
        "tool_calls": [{"name": "add_memory", "arguments": arguments} for arguments in wanted],
    }
    function = TOOLS[0]["function"]
    schema = {"name": "add_memory", "description": "Adds one.", "input_schema": function["parameters"]}  # type: ignore[index]
    assert server.requests[0].body["tools"] == [schema]
    choices = [{"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": "add_memory"}]
    assert [request.body["tool_choice"] for request in server.requests] == [*choices, {"type": "any"}]


def test_only_tools_are_called(server: AnthropicServer) -> None:
    server.content = [{"type": "tool_use", "id": "toolu_1", "name": "add_memory", "input": {"data": "x"}}]
    with made(server) as llm:
        assert llm.generate_response(HELLO, tools=TOOLS)["content"] is None
        assert llm.generate_response(HELLO, tools=[{"type": "function", "function": {"name": "f"}}])
    assert server.requests[1].body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]


class TestConversation:
    def test_system_and_alternation(self) -> None:
        system, turns = conversation(
            [
                {"role": "system", "content": "One."},
                {"role": "assistant", "content": "Hi."},
                {"role": "developer", "content": [{"type": "text", "text": "Two."}]},
                {"role": "assistant", "content": "How are you?"},
                {"role": "user", "content": " "},
                {"role": "user", "content": "Fine."},
            ]
        )
        assert system == ["One.", "Two."]
        said = [{"type": "text", "text": "Hi."}, {"type": "text", "text": "How are you?"}]
        assert turns == [
            {"role": "user", "content": "Begin."},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "Fine."},
        ]
        assert conversation([])[1] == [{"role": "user", "content": "Begin."}]

    def test_calls_and_their_results(self, server: AnthropicServer) -> None:
        function = {"name": "add_memory", "arguments": '{"data": "x"}'}
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "Remember x."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "user", "content": "Thanks."},
        ]
        with made(server) as llm:
            llm.generate_response(messages, tools=TOOLS)
        assert server.requests[0].body["messages"][1:] == [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "add_memory", "input": {"data": "x"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "done"},
                    {"type": "text", "text": "Thanks."},
                ],
            },
        ]

    def test_pictures(self) -> None:
        parts = [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
            {"type": "image_url", "image_url": "https://example.com/a.jpg"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        ]
        (turn,) = conversation([{"role": "user", "content": parts}])[1]
        base64 = {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
        url = {"type": "url", "url": "https://example.com/a.jpg"}
        assert turn["content"] == [{"type": "image", "source": base64}, {"type": "image", "source": url}, parts[2]]

    def test_lone_surrogates_are_replaced(self, server: AnthropicServer) -> None:
        with made(server) as llm:
            llm.generate_response([{"role": "user", "content": "broken \ud83d"}])
        assert server.requests[0].body["messages"] == [{"role": "user", "content": "broken \ufffd"}]


@both
def test_top_p_beside_temperature_is_learned_once(server: AnthropicServer, generate: Generate) -> None:
    with made(server, model=CHOOSY_MODEL, temperature=0.0, top_p=0.9, top_k=5) as llm:
        generate(llm, HELLO)
        assert len(server.requests) == 2
        generate(llm, HELLO)
    assert len(server.requests) == 3
    for request in server.requests[1:]:
        assert (request.body["temperature"], request.body["top_k"], "top_p" in request.body) == (0.0, 5, False)


@both
def test_models_that_take_no_sampling_at_all(server: AnthropicServer, generate: Generate) -> None:
    with made(server, temperature=0.0, top_p=0.9) as llm:
        generate(llm, HELLO)
        assert len(server.requests) == 3
        assert "temperature" not in server.requests[-1].body
        llm.model = OLD_MODEL  # what one model refuses another is still told
        generate(llm, HELLO)
    assert (server.requests[-1].body["temperature"], server.requests[-1].body["top_p"]) == (0.0, 0.9)


def test_a_value_that_is_merely_wrong_is_not_left_out(server: AnthropicServer) -> None:
    with made(server, model=OLD_MODEL, temperature=1.5) as llm, pytest.raises(LLMError, match="range: 0..1"):
        llm.generate_response(HELLO)
    assert len(server.requests) == 1


def test_what_the_user_insists_on_is_not_left_out(server: AnthropicServer) -> None:
    insisted = {"extra_body": {"temperature": 0.5}}
    with made(server, model_kwargs=insisted) as llm, pytest.raises(LLMError, match="`temperature` is deprecated"):
        llm.generate_response(HELLO)
    assert len(server.requests) == 1


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, "messages: odd"), 400, False, "400, the request was refused: messages: odd"),
        (error(400, "prompt is too long: 210000 tokens > 200000 maximum"), 400, False, "lower max_llm_chars"),
        (error(401, f"invalid x-api-key {KEY}"), 401, False, "key was refused.*ANTHROPIC_API_KEY"),
        (error(403, "Your API key may not use this."), 403, False, "may not use it.*Your API key"),
        (error(404, "model: claude-9"), 404, False, "no model 'claude-sonnet-5-5'.*such as 'claude-sonnet-5-5'"),
        (error(408, "slow"), 408, True, "408"),
        (error(429, "rate limit", retry_after="7"), 429, True, "too many requests: try again after 7 s"),
        (error(500, "Internal server error"), 500, True, "500, the server failed"),
        (error(529, "Overloaded"), 529, True, "529, the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"content": []}, cut="body"), None, True, "no connection"),
        (Answer(delay=1.0, body={}), None, True, "within the time-out"),
        (Answer(body="{broken", headers={"Content-Type": "application/json"}), None, True, "API|JSON"),
    ],
)
def test_errors(
    server: AnthropicServer, generate: Generate, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server, timeout=0.3) as llm, pytest.raises(LLMError, match=told) as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(server.requests) == 1
    assert KEY not in "".join(traceback.format_exception(caught.value))


class TestRetries:
    @both
    def test_are_bounded(self, server: AnthropicServer, generate: Generate) -> None:
        busy = error(429, "rate limit")
        server.answers = [busy, error(529, "Overloaded")]
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
            Answer(cut=True),
            Answer(body={"content": []}, cut="body"),
        ],
    )
    def test_of_all_that_may_pass(self, server: AnthropicServer, generate: Generate, answer: Answer) -> None:
        server.answers = [answer]
        with made(server, max_retries=1) as llm:
            assert generate(llm, HELLO) == '{"memory": []}'
        assert len(server.requests) == 2

    @both
    def test_a_body_that_is_no_json(self, server: AnthropicServer, generate: Generate) -> None:
        """Older SDKs hand it over as text, newer ones try again; nobody takes it for an answer."""
        server.answers = [Answer(body="{broken", headers={"Content-Type": "application/json"})] * 2
        with made(server, max_retries=1) as llm, pytest.raises(LLMError, match="Anthropic"):
            generate(llm, HELLO)

    @both
    def test_of_nothing_else(self, server: AnthropicServer, generate: Generate) -> None:
        with made(server, max_retries=2) as llm:
            for answer in (error(403, "no"), error(429, "spend limit", x_should_retry="false")):
                server.requests.clear()
                server.answers = [answer]
                with pytest.raises(LLMError):
                    generate(llm, HELLO)
                assert len(server.requests) == 1


@both
@pytest.mark.parametrize(
    "body",
    [
        "<html>a portal</html>",
        None,
        [1],
        {"object": "list"},
        {"content": None},
        {"content": {}},
        {"content": ["x"]},
        {"content": [None]},
        {"content": [{"type": "text", "text": 5}]},
        {"content": [{"type": "tool_use"}]},
        {"content": [{"type": "tool_use", "name": None, "input": {}}]},
    ],
)
def test_a_server_that_speaks_something_else(server: AnthropicServer, generate: Generate, body: Any) -> None:
    server.answers = [Answer(body=body)]
    with made(server) as llm, pytest.raises(LLMResponseError, match="did not answer as Anthropic's API does") as caught:
        generate(llm, HELLO, tools=TOOLS)
    assert caught.value.retryable


@both
def test_a_refusal(server: AnthropicServer, generate: Generate) -> None:
    server.content, server.stop_reason = [{"type": "text", "text": "I'd rather not."}], "refusal"
    with made(server) as llm, pytest.raises(LLMResponseError, match="refused") as caught:
        generate(llm, HELLO)
    assert caught.value.reply == "I'd rather not."


@both
def test_a_cut_reply(server: AnthropicServer, generate: Generate) -> None:
    server.stop_reason = "max_tokens"
    server.content = [{"type": "text", "text": '{"memory": ['}]
    with made(server) as llm:
        assert generate(llm, HELLO, JSON) == '{"memory": ['
        server.content = [{"type": "thinking", "thinking": "Well,", "signature": "x"}]
        with pytest.raises(LLMError, match="max_tokens were used up by thinking") as caught:
            generate(llm, HELLO)
    assert not caught.value.retryable


def test_tokens_are_counted(server: AnthropicServer) -> None:
    with made(server) as llm:
        assert ask(llm, HELLO).tokens.prompt == 120  # those from and for the cache are asked for too

        async def asked() -> None:
            several = await asyncio.gather(*(ask_async(llm, HELLO) for _ in range(3)))
            assert [(one.tokens.prompt, one.tokens.completion) for one in several] == [(120, 8)] * 3
            await llm.aclose()

        asyncio.run(asked())


class TestClosing:
    """A connection left open is a ResourceWarning, which fails the test."""

    @both
    def test_closed_is_said(self, server: AnthropicServer, generate: Generate) -> None:
        llm = made(server)
        llm.generate_response(HELLO)
        llm.close()
        llm.close()
        with pytest.raises(ClosedError, match="provider 'anthropic'.*was closed"):
            generate(llm, HELLO)

    def test_closed_during_a_call(self, server: AnthropicServer) -> None:
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
    def test_closed_while_a_call_is_awaited(self, server: AnthropicServer, how: str) -> None:
        server.answers = [error(503, "busy")._replace(delay=0.3)] * 3

        async def used() -> None:
            with made(server, max_retries=2) as llm:
                call = asyncio.create_task(llm.agenerate_response(HELLO))
                await asyncio.to_thread(until_asked, server)
                if how == "close":
                    llm.close()
                else:
                    await llm.aclose()
                with pytest.raises(ClosedError, match="was closed; make a new one"):
                    await call

        asyncio.run(used())
        gc.collect()
        assert len(server.requests) == 1

    def test_loops_close_their_connections_when_they_end(
        self, server: AnthropicServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with made(server) as llm:
            for _ in range(3):
                asyncio.run(llm.agenerate_response(HELLO))
                gc.collect()
        gc.collect()
        assert "asyncio" not in {record.name for record in caplog.records}

    def test_close_inside_an_event_loop(self, server: AnthropicServer) -> None:
        async def used() -> None:
            llm = made(server)
            await llm.agenerate_response(HELLO)
            llm.close()
            with pytest.raises(ClosedError):
                await llm.agenerate_response(HELLO)

        asyncio.run(used())
        gc.collect()


class TestOptions:
    @both
    def test_all_of_them_arrive(self, server: AnthropicServer, generate: Generate) -> None:
        options = {
            "model": OLD_MODEL,
            "headers": {"X-Team": "memory"},
            "top_k": 4,
            "max_tokens": 50,
            "thinking": {"type": "disabled"},
            "model_kwargs": {"metadata": {"user_id": "u"}, "extra_body": {"output_config": {"effort": "low"}}},
        }
        with made(server, **options) as llm:
            generate(llm, HELLO)
        (request,) = server.requests
        assert request.body == {
            "model": OLD_MODEL,
            "messages": HELLO,
            "max_tokens": 50,
            "top_k": 4,
            "thinking": {"type": "disabled"},
            "metadata": {"user_id": "u"},
            "output_config": {"effort": "low"},
        }
        assert request.headers["x-team"] == "memory"

    @both
    def test_effort(self, server: AnthropicServer, generate: Generate) -> None:
        with made(server, reasoning_effort="low", extra_headers={"X-Team": "memory"}) as llm:
            generate(llm, HELLO)
        format = {"type": "json_schema", "schema": {"type": "object"}}
        further = {"extra_body": {"output_config": {"format": format}}, "metadata": {"user_id": "u"}}
        with made(server, reasoning_effort="low", model_kwargs=further) as llm:
            generate(llm, HELLO)
        sent = [request.body["output_config"] for request in server.requests]
        assert sent == [{"effort": "low"}, {"effort": "low", "format": format}]
        assert server.requests[0].headers["x-team"] == "memory"

    def test_of_any_llm_only_what_was_given_counts(self, server: AnthropicServer) -> None:
        for given in (BaseLlmConfig(model=OLD_MODEL, temperature=0.7), BaseLlmConfig(model=OLD_MODEL)):
            config = AnthropicLlmConfig(**given.model_dump(exclude_unset=True), api_key=KEY, base_url=server.url)
            with AnthropicLLM(config) as llm:
                llm.generate_response(HELLO)
        assert [request.body.get("temperature") for request in server.requests] == [0.7, None]

    @pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
    def test_addresses(self, server: AnthropicServer, ending: str) -> None:
        with AnthropicLLM(AnthropicLlmConfig(api_key=KEY, anthropic_base_url=server.url + ending)) as llm:
            llm.generate_response(HELLO)

    def test_the_vendors_variables(self, server: AnthropicServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        with AnthropicLLM() as llm:
            assert llm.generate_response(HELLO) == '{"memory": []}'

    def test_no_other_variable_and_no_login_counts(
        self, server: AnthropicServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CLAUDE_BASE_URL", "ANTHROPIC_API_BASE"):
            monkeypatch.setenv(name, "http://elsewhere.invalid")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-another-tool")
        monkeypatch.setenv("ANTHROPIC_PROFILE", "work")
        monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
        profile = {"base_url": "http://elsewhere.invalid", "authentication": {"type": "api_key", "api_key": "x"}}
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "work.json").write_text(json.dumps(profile))
        with pytest.raises(ConfigError, match="no key"):
            AnthropicLLM()
        with AnthropicLLM(AnthropicLlmConfig(api_key=KEY)) as llm:
            assert str(llm.client.base_url).rstrip("/") == "https://api.anthropic.com"
        for generate in (blocking, awaited):
            with made(server) as llm:
                generate(llm, HELLO)
        assert "token-of-another-tool" not in str(server.requests)

    def test_without_a_key(self) -> None:
        with pytest.raises(ConfigError, match="set ANTHROPIC_API_KEY, or give api_key"):
            AnthropicLLM()

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"temprature": 1}, "did you mean 'temperature'"),
            ({"api_key": " "}, "this is empty"),
            ({"base_url": "no:with:secret"}, "is no address"),
            ({"http_client_proxies": {"https://": "no:with:secret"}}, "is no address"),
            ({"http_client_proxies": {"ftp://": "http://secret"}}, "http://"),
            ({"base_url": "http://a", "anthropic_base_url": "http://b"}, "mean the same and differ"),
            ({"model_kwargs": {"stream": True}}, "stream is set by the library"),
            ({"model_kwargs": {"stop_sequence": ["x"]}}, "no argument stop_sequence"),
            ({"max_retries": 11}, "less than or equal to 10"),
        ],
    )
    def test_what_cannot_be_is_refused(self, server: AnthropicServer, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            made(server, **options)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("form", [str, lambda address: {"http://": address}, lambda address: {"all://": address}])
    @both
    def test_a_proxy_is_asked_in_place_of_the_server(
        self, server: AnthropicServer, generate: Generate, form: Any
    ) -> None:
        server.answers = [Answer(body={"content": [{"type": "text", "text": "by proxy"}], "stop_reason": "end_turn"})]
        with made(server, base_url="http://server.invalid", http_client_proxies=form(server.url)) as llm:
            assert generate(llm, HELLO) == "by proxy"
        assert [request.path for request in server.requests] == ["http://server.invalid/v1/messages"]

    def test_secrets_are_not_shown(self, server: AnthropicServer) -> None:
        proxy = f"http://u:{KEY}@127.0.0.1:1"
        config = AnthropicLlmConfig(api_key=KEY, headers={"Authorization": KEY}, http_client_proxies=proxy)
        with AnthropicLLM(config) as llm:
            assert KEY not in f"{config} {config!r} {llm!r} {llm.config!r}"
        server.answers = [error(500, "oops")]
        with made(server, base_url=server.url.replace("//", "//me:hush@")) as llm:
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
            assert "hush" not in f"{llm!r} {llm.config!r} {caught.value}"


def test_patched_as_users_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    def answer(text: str) -> mock.Mock:
        block = mock.Mock(type="text", text=text)
        return mock.Mock(content=[block], stop_reason="end_turn")

    async def create(**_: Any) -> mock.Mock:
        return answer("awaited")

    with (
        mock.patch("mem0.llms.anthropic.Anthropic") as patched,
        mock.patch("mem0.llms.anthropic.AsyncAnthropic") as other,
    ):
        client = patched.return_value
        client.messages.create.return_value = answer("I'm doing well.")
        other.return_value.messages.create = create
        llm = AnthropicLLM(BaseLlmConfig(model="claude-sonnet-5-5", max_tokens=100))
        assert llm.generate_response(HELLO) == "I'm doing well."
        client.messages.create.assert_called_once_with(model="claude-sonnet-5-5", messages=HELLO, max_tokens=100)
        assert asyncio.run(llm.agenerate_response(HELLO)) == "awaited"


class TestInAMemory:
    """The whole way: SDK, wire, conductor and store."""

    def test_blocking(self, server: AnthropicServer, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        server.content = [{"type": "text", "text": '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'}]
        with made(server) as llm, Memory(llm=llm, embedder=DeterministicEmbedding(), path=":memory:") as m:
            result = m.add("I like tea", user_id="alice")
            assert [(change["memory"], change["verified"]) for change in result] == [("Likes tea", True)]
            assert (result.usage.llm_calls, result.usage.prompt_tokens, result.usage.completion_tokens) == (1, 120, 8)
            server.answers = [error(529, "Overloaded")]
            with pytest.raises(LLMError) as caught:
                m.add("I like coffee", user_id="alice")
            assert caught.value.retryable
            assert m.get_all(user_id="alice").total == 1
        assert KEY not in caplog.text

    def test_awaited(self, server: AnthropicServer) -> None:
        server.content = [{"type": "text", "text": '{"memory": [{"text": "Likes tea"}]}'}]

        async def used() -> None:
            with made(server) as llm:
                async with AsyncMemory(llm=llm, embedder=DeterministicEmbedding(), path=":memory:") as m:
                    added = await asyncio.gather(*(m.add("I like tea", user_id=f"u{at}") for at in range(5)))
                    assert [result[0]["event"] for result in added] == ["ADD"] * 5
                await llm.aclose()

        asyncio.run(used())
