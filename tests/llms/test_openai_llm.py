"""OpenAILLM through the vendor's SDK, against a server on loopback that speaks the vendor's wire format."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from openai_server import KEY, REASONING_MODEL, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, LLMError, LLMResponseError, Memory, ProviderError
from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.base import ask, ask_async
from mem0.llms.openai import OpenAILLM, OpenAILlmConfig
from mem0.testing import LLMContract
from mem0.utils.factory import LlmFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
JSON = [{"role": "user", "content": "Answer in JSON: hello"}]
TOOLS = [{"type": "function", "function": {"name": "add_memory", "parameters": {"type": "object"}}}]


def made(server: OpenAIServer, **options: Any) -> OpenAILLM:
    llm: OpenAILLM = LlmFactory.create(
        "openai", {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    )
    return llm


def blocking(llm: OpenAILLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: OpenAILLM, *args: Any, **kwargs: Any) -> Any:
    async def asked() -> Any:
        try:
            return await llm.agenerate_response(*args, **kwargs)
        finally:
            await llm.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("generate", [blocking, awaited])
Generate = Callable[..., Any]


class TestOpenAI(LLMContract):
    @pytest.fixture(autouse=True)
    def server(self, openai_server: OpenAIServer) -> None:
        self.openai_server = openai_server

    def llm(self) -> OpenAILLM:
        return made(self.openai_server)


@both
def test_text(openai_server: OpenAIServer, generate: Generate) -> None:
    openai_server.content = "Hello, 你好"
    with made(openai_server) as llm:
        assert generate(llm, HELLO) == "Hello, 你好"
    (request,) = openai_server.requests
    assert request.body == {"model": "gpt-4o", "messages": HELLO, "temperature": 0.0, "max_tokens": 3000, "top_p": 1.0}
    assert request.headers["authorization"] == f"Bearer {KEY}"


@both
def test_json_mode(openai_server: OpenAIServer, generate: Generate) -> None:
    with made(openai_server) as llm:
        assert json.loads(generate(llm, JSON, response_format={"type": "json_object"})) == {"memory": []}
        with pytest.raises(LLMError, match="must contain the word 'json'") as caught:
            generate(llm, HELLO, response_format={"type": "json_object"})
    assert (caught.value.status, caught.value.retryable) == (400, False)


@both
def test_calls_of_tools(openai_server: OpenAIServer, generate: Generate) -> None:
    called = [("add_memory", '{"data": "Likes tea"}'), ("delete_memory", '{"memory_id": '), ("add_memory", "[1]")]
    openai_server.content = None
    openai_server.message = {
        "tool_calls": [
            {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(called)
        ]
    }
    with made(openai_server) as llm:
        answer = generate(llm, HELLO, tools=TOOLS, tool_choice="required")
    assert answer == {
        "content": None,
        "tool_calls": [
            {"name": "add_memory", "arguments": {"data": "Likes tea"}},
            {"name": "delete_memory", "arguments": None},
            {"name": "add_memory", "arguments": None},
        ],
    }
    assert (openai_server.requests[0].body["tools"], openai_server.requests[0].body["tool_choice"]) == (
        TOOLS,
        "required",
    )


@both
def test_what_a_reasoning_model_refuses_is_learned_once(openai_server: OpenAIServer, generate: Generate) -> None:
    with made(openai_server, model=REASONING_MODEL, max_tokens=50) as llm:
        generate(llm, HELLO)
        assert len(openai_server.requests) == 4
        generate(llm, HELLO)
    assert len(openai_server.requests) == 5
    body = {"model": REASONING_MODEL, "messages": HELLO, "max_completion_tokens": 50}
    assert openai_server.requests[3].body == openai_server.requests[4].body == body


def test_threads_learn_side_by_side(openai_server: OpenAIServer) -> None:
    with made(openai_server, model=REASONING_MODEL) as llm, ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: llm.generate_response(HELLO), range(12))) == {'{"memory": []}'}


def test_a_server_without_json_mode(openai_server: OpenAIServer) -> None:
    openai_server.refused_parameters = {"response_format": "response_format: Extra inputs are not permitted"}
    with made(openai_server) as llm:
        assert llm.generate_response(JSON, response_format={"type": "json_object"}) == '{"memory": []}'
    assert ["response_format" in request.body for request in openai_server.requests] == [True, False]


def test_a_value_that_is_merely_wrong_is_not_left_out(openai_server: OpenAIServer) -> None:
    message = "max_tokens is too large: 3000. This model supports at most 2048 completion tokens."
    openai_server.answers = [error(400, message, param="max_tokens")]
    with made(openai_server) as llm, pytest.raises(LLMError, match="too large"):
        llm.generate_response(HELLO)
    assert len(openai_server.requests) == 1


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, "too long", code="context_length_exceeded"), 400, False, "too long for this model"),
        (error(401, f"Incorrect API key provided: {KEY}"), 401, False, "key was refused.*OPENAI_API_KEY"),
        (error(403, "Country not supported"), 403, False, "may not use it"),
        (error(404, "no such model", code="model_not_found"), 404, False, "no model 'gpt-4o'.*gpt-5-mini"),
        (error(408, "slow"), 408, True, "408"),
        (error(429, "Rate limit reached", retry_after="7"), 429, True, "too many requests: try again after 7 s"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), 429, False, "quota is used up"),
        (error(500, "The server had an error"), 500, True, "the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
    ],
)
def test_errors(
    openai_server: OpenAIServer, generate: Generate, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    openai_server.answers = [answer]
    with made(openai_server) as llm, pytest.raises(LLMError, match=told) as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert len(openai_server.requests) == 1
    shown: BaseException | None = caught.value
    while shown is not None:
        assert KEY not in f"{shown} {shown!r}"
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


@both
def test_an_answer_that_takes_too_long(openai_server: OpenAIServer, generate: Generate) -> None:
    openai_server.answers = [Answer(delay=1.0, body={})]
    with made(openai_server, timeout=0.2) as llm, pytest.raises(LLMError, match="within the time-out") as caught:
        generate(llm, HELLO)
    assert caught.value.retryable


@both
def test_retries_are_bounded_and_honour_retry_after(openai_server: OpenAIServer, generate: Generate) -> None:
    busy = error(429, "Rate limit reached", retry_after_ms="20")
    openai_server.answers = [busy, error(500, "oops", retry_after_ms="20")]
    with made(openai_server, max_retries=2) as llm:
        assert generate(llm, HELLO) == '{"memory": []}'
        assert len(openai_server.requests) == 3
        openai_server.answers = [busy] * 5
        with pytest.raises(LLMError):
            generate(llm, HELLO)
    assert len(openai_server.requests) == 6
    assert len(openai_server.answers) == 2


@both
@pytest.mark.parametrize("body", ["<html>a portal</html>", {"choices": []}, {"object": "list"}])
def test_a_server_that_speaks_something_else(openai_server: OpenAIServer, generate: Generate, body: Any) -> None:
    openai_server.answers = [Answer(body=body)]
    with made(openai_server) as llm, pytest.raises(LLMResponseError, match="did not answer as OpenAI's API does"):
        generate(llm, HELLO)


def test_a_refusal(openai_server: OpenAIServer) -> None:
    openai_server.content, openai_server.message = None, {"refusal": "I'm sorry, I can't help with that."}
    with made(openai_server) as llm, pytest.raises(LLMResponseError, match="refused") as caught:
        llm.generate_response(HELLO)
    assert caught.value.reply == "I'm sorry, I can't help with that."


def test_an_empty_answer_and_a_cut_one(openai_server: OpenAIServer) -> None:
    openai_server.content = None
    with made(openai_server) as llm:
        assert llm.generate_response(HELLO) == ""
        openai_server.content, openai_server.finish_reason = '{"memory": [', "length"
        assert llm.generate_response(HELLO) == '{"memory": ['


def test_tokens_are_counted(openai_server: OpenAIServer) -> None:
    with made(openai_server) as llm:
        reply = ask(llm, HELLO)
        assert (reply.tokens.prompt, reply.tokens.completion) == (120, 8)

        async def asked() -> None:
            several = await asyncio.gather(*(ask_async(llm, HELLO) for _ in range(3)))
            assert [one.tokens.prompt for one in several] == [120, 120, 120]
            await llm.aclose()

        asyncio.run(asked())


def test_loops_that_were_left_without_a_word_do_no_harm(
    openai_server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    with made(openai_server) as llm:
        for _ in range(3):
            assert asyncio.run(llm.agenerate_response(HELLO)) == '{"memory": []}'
            gc.collect()
            assert len(llm._line._awaited._held) == 1
    gc.collect()
    asyncio.run(asyncio.sleep(0.01))
    assert "asyncio" not in {record.name for record in caplog.records}


def test_a_call_can_be_cancelled(openai_server: OpenAIServer) -> None:
    openai_server.answers = [Answer(delay=1.0, body={})]

    async def asked(llm: OpenAILLM) -> None:
        asking = asyncio.create_task(llm.agenerate_response(HELLO))
        while not openai_server.requests:  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await llm.agenerate_response(HELLO) == '{"memory": []}'
        await llm.aclose()

    with made(openai_server) as llm:
        asyncio.run(asked(llm))


class TestOptions:
    def test_all_of_them_arrive(self, openai_server: OpenAIServer) -> None:
        options = {
            "model": "of-somebody-else",
            "organization": "org-1",
            "project": "proj-1",
            "headers": {"X-Team": "memory"},
            "temperature": None,
            "top_p": None,
            "max_tokens": None,
            "reasoning_effort": "low",
            "model_kwargs": {"seed": 7},
        }
        with made(openai_server, **options) as llm:
            llm.generate_response(HELLO)
        (request,) = openai_server.requests
        assert request.body == {"model": "of-somebody-else", "messages": HELLO, "reasoning_effort": "low", "seed": 7}
        sent = {name: request.headers[name] for name in ("openai-organization", "openai-project", "x-team")}
        assert sent == {"openai-organization": "org-1", "openai-project": "proj-1", "x-team": "memory"}

    def test_the_published_name_of_the_address(self, openai_server: OpenAIServer) -> None:
        with LlmFactory.create("openai", {"api_key": KEY, "openai_base_url": openai_server.url}) as llm:
            assert llm.generate_response(HELLO) == '{"memory": []}'
        with pytest.raises(ConfigError, match="mean the same and differ"):
            LlmFactory.create("openai", {"api_key": KEY, "openai_base_url": "http://a/v1", "base_url": "http://b/v1"})

    def test_the_vendors_variables(self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-2")
        with OpenAILLM() as llm:
            llm.generate_response(HELLO)
        assert openai_server.requests[0].headers["openai-organization"] == "org-2"

    def test_no_other_variable_counts(self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENROUTER_API_KEY", "OPENAI_API_BASE", "GROQ_API_KEY", "LLM_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
            monkeypatch.setenv(name, "http://elsewhere.invalid/v1")
        with OpenAILLM(OpenAILlmConfig(api_key=KEY)) as llm:
            assert str(llm.client.base_url) == "https://api.openai.com/v1/"

    def test_without_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ConfigError, match="no key: set OPENAI_API_KEY, or give api_key"):
            OpenAILLM()

    def test_a_wrong_name(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'temperature'"):
            LlmFactory.create("openai", {"api_key": KEY, "temprature": 1})

    def test_secrets_are_not_shown(self) -> None:
        config = OpenAILlmConfig(
            api_key=KEY, headers={"Authorization": KEY}, http_client_proxies=f"http://u:{KEY}@127.0.0.1:1"
        )
        with closing(OpenAILLM(config)) as llm:
            assert KEY not in f"{config} {config!r} {llm!r} {llm.config!r}"


class TestPatchedAsUsersDo:
    @pytest.fixture
    def client(self) -> Any:
        with mock.patch("mem0.llms.openai.OpenAI") as made:
            client = made.return_value = mock.Mock()
            yield client

    def test_without_tools(self, client: mock.Mock) -> None:
        llm = OpenAILLM(BaseLlmConfig(model="gpt-4o", temperature=0.7, max_tokens=100, top_p=1.0))
        answer = mock.Mock(choices=[mock.Mock(message=mock.Mock(content="I'm doing well."))])
        client.chat.completions.create.return_value = answer
        assert llm.generate_response(HELLO) == "I'm doing well."
        client.chat.completions.create.assert_called_once_with(
            model="gpt-4o", messages=HELLO, temperature=0.7, max_tokens=100, top_p=1.0
        )

    def test_with_tools(self, client: mock.Mock) -> None:
        llm = OpenAILLM(BaseLlmConfig(model="gpt-4o", temperature=0.7, max_tokens=100, top_p=1.0))
        call = mock.Mock()
        call.function.name, call.function.arguments = "add_memory", '{"data": "Today is a sunny day."}'
        message = mock.Mock(content="Added.", tool_calls=[call])
        client.chat.completions.create.return_value = mock.Mock(choices=[mock.Mock(message=message)])
        answer = llm.generate_response(HELLO, tools=TOOLS)
        client.chat.completions.create.assert_called_once_with(
            model="gpt-4o", messages=HELLO, temperature=0.7, max_tokens=100, top_p=1.0, tools=TOOLS, tool_choice="auto"
        )
        assert answer == {
            "content": "Added.",
            "tool_calls": [{"name": "add_memory", "arguments": {"data": "Today is a sunny day."}}],
        }


class TestInAMemory:
    """The whole way: SDK, wire, conductor and store."""

    def config(self, server: OpenAIServer) -> dict[str, Any]:
        options = {"api_key": KEY, "base_url": server.url, "max_retries": 0}
        return {"llm": {"provider": "openai", "config": options}, "embedder": {"provider": "openai", "config": options}}

    def test_blocking(self, openai_server: OpenAIServer) -> None:
        openai_server.content = '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'
        with Memory({**self.config(openai_server), "path": ":memory:"}) as m:
            result = m.add("I like tea", user_id="alice")
            assert [(change["memory"], change["verified"]) for change in result] == [("Likes tea", True)]
            assert (result.usage.llm_calls, result.usage.prompt_tokens, result.usage.completion_tokens) == (1, 120, 8)
            assert m.search("tea", user_id="alice")[0]["memory"] == "Likes tea"
            openai_server.answers = [error(429, "Rate limit reached")]
            with pytest.raises(ProviderError) as caught:
                m.add("I like coffee", user_id="alice", infer=True)
            assert caught.value.retryable
            assert m.get_all(user_id="alice").total == 1

    def test_awaited(self, openai_server: OpenAIServer) -> None:
        openai_server.content = '{"memory": [{"text": "Likes tea"}]}'

        async def used() -> None:
            async with AsyncMemory({**self.config(openai_server), "path": ":memory:"}) as m:
                added = await asyncio.gather(*(m.add("I like tea", user_id=f"u{at}") for at in range(5)))
                assert [result[0]["event"] for result in added] == ["ADD"] * 5
                assert (await m.search("tea", user_id="u3"))[0]["memory"] == "Likes tea"

        asyncio.run(used())

    def test_no_secret_is_told_anywhere(self, openai_server: OpenAIServer, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        secret_text = "the alarm code is 4711"
        openai_server.content = json.dumps({"memory": [secret_text]})
        with Memory({**self.config(openai_server), "path": ":memory:"}) as m:
            m.add(secret_text, user_id="alice")
            shown = [repr(part) for part in (m, m.config, m.llm, m.llm.config, m.embedding_model)]
            for answer in (error(401, f"Incorrect API key: {KEY}"), error(400, f"{KEY} is odd"), Answer(cut=True)):
                openai_server.answers = [answer]
                with pytest.raises(ProviderError) as caught:
                    m.add("x", user_id="alice")
                shown.append("".join(traceback.format_exception(caught.value)))
        assert KEY not in caplog.text + "".join(shown)
        loud = [record for record in caplog.records if record.levelno > logging.DEBUG]
        assert not [record for record in loud if secret_text in record.getMessage()]

    def test_a_wrong_key(self, openai_server: OpenAIServer) -> None:
        config = self.config(openai_server)
        config["llm"] = {"provider": "openai", "config": {"api_key": "sk-wrong", "base_url": openai_server.url}}
        with Memory({**config, "path": ":memory:"}) as m:
            with pytest.raises(LLMError, match="key was refused") as caught:
                m.add("I like tea", user_id="alice")
            assert caught.value.status == 401
            assert m.get_all().total == 0
