"""Groq and Together through their SDKs, and the vendors of the table through OpenAI's, each against loopback."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from typing import Any, NamedTuple
from unittest import mock

import pytest
from loopback import Answer
from openai_server import KEY, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, LLMError, LLMResponseError, Memory
from mem0.exceptions import ClosedError
from mem0.llms.base import ask
from mem0.llms.chat import ChatLLM
from mem0.testing import DeterministicEmbedding, LLMContract
from mem0.utils.factory import LlmFactory
from mem0.wire.vendors import VENDORS

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "add_memory", "parameters": {"type": "object"}}}]


class Case(NamedTuple):
    """One provider: where its API begins, the variable of its key, its default model, its own SDK's classes."""

    provider: str
    prefix: str
    key: str
    model: str
    classes: tuple[str, str] = ("OpenAI", "AsyncOpenAI")


CASES = [
    Case("groq", "/openai/v1", "GROQ_API_KEY", "llama3-70b-8192", ("Groq", "AsyncGroq")),
    Case("together", "/v1", "TOGETHER_API_KEY", "mistralai/Mixtral-8x7B-Instruct-v0.1", ("Together", "AsyncTogether")),
    *(
        Case(row.provider, "/v1", str(row.key), row.llm or "of-somebody-else")
        for row in VENDORS.values()
        if row.answers
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.provider)
each_sdk = pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.provider)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in CASES:
        monkeypatch.delenv(case.key, raising=False)
    for name in ("GROQ_BASE_URL", "TOGETHER_BASE_URL", "TOGETHER_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(case: Case) -> Iterator[OpenAIServer]:
    with OpenAIServer(case.prefix) as server:
        server.models.add(case.model)
        yield server


def made(case: Case, server: OpenAIServer, **options: Any) -> ChatLLM:
    llm: ChatLLM = LlmFactory.create(
        case.provider,
        {"api_key": KEY, "base_url": server.url, "model": case.model, "max_retries": 0, "timeout": 20, **options},
    )
    return llm


async def awaited(llm: ChatLLM, *args: Any, **kwargs: Any) -> Any:
    try:
        return await llm.agenerate_response(*args, **kwargs)
    finally:
        await llm.aclose()


class _Contract(LLMContract):
    case: Case

    @pytest.fixture(autouse=True)
    def started(self) -> Iterator[None]:
        with OpenAIServer(self.case.prefix) as self.server:
            self.server.models.add(self.case.model)
            yield

    def llm(self) -> ChatLLM:
        return made(self.case, self.server)


class TestGroq(_Contract):
    case = CASES[0]


class TestTogether(_Contract):
    case = CASES[1]


class TestDeepSeek(_Contract):
    case = CASES[2]


@each
def test_text_blocking_and_awaited(case: Case, server: OpenAIServer) -> None:
    server.content = "Hello, 你好"
    with made(case, server) as llm:
        assert llm.generate_response(HELLO) == asyncio.run(awaited(llm, HELLO)) == "Hello, 你好"
        assert (ask(llm, HELLO).tokens.prompt, ask(llm, HELLO).tokens.completion) == (120, 8)
        assert repr(llm).startswith(f"{type(llm).__name__}(model={case.model!r}")
        assert type(llm).__name__.lower() == f"{case.provider}llm"
    first = server.requests[0]
    assert first.path == f"{case.prefix}/chat/completions"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body == {
        "model": case.model,
        "messages": HELLO,
        "temperature": 0.0,
        "max_tokens": 3000,
        "top_p": 1.0,
    }


@each
def test_json_mode_and_calls_of_tools(case: Case, server: OpenAIServer) -> None:
    with made(case, server) as llm:
        llm.generate_response([{"role": "user", "content": "Answer in JSON"}], response_format={"type": "json_object"})
        assert server.requests[-1].body["response_format"] == {"type": "json_object"}
        server.content = None
        called = [("add_memory", '{"data": "Likes tea"}'), ("delete_memory", '{"memory_id": '), ("add_memory", "")]
        server.message = {
            "tool_calls": [
                {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for at, (name, arguments) in enumerate(called)
            ]
        }
        for answer in (
            llm.generate_response(HELLO, tools=TOOLS),
            asyncio.run(awaited(llm, HELLO, tools=TOOLS)),
        ):
            assert [call["arguments"] for call in answer["tool_calls"]] == [{"data": "Likes tea"}, None, {}]
    assert (server.requests[-1].body["tools"], server.requests[-1].body["tool_choice"]) == (TOOLS, "auto")


@each
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, "too long", code="context_length_exceeded"), 400, False, "too long for this model"),
        (error(401, f"Invalid API Key {KEY}"), 401, False, "key was refused: check api_key in the config"),
        (error(403, "Forbidden"), 403, False, "may not use it"),
        (error(404, "no such model", code="model_not_found"), 404, False, "there is no model"),
        (error(429, "Rate limit reached", retry_after="7"), 429, True, "too many requests: try again after 7 s"),
        (error(500, "The server had an error"), 500, True, "the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"choices": [1] * 100}, cut="body"), None, True, "no connection"),
    ],
)
def test_errors(
    case: Case, server: OpenAIServer, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    with made(case, server) as llm:
        for call in (llm.generate_response, lambda messages: asyncio.run(awaited(llm, messages))):
            server.answers = [answer]
            with pytest.raises(LLMError, match=told) as caught:
                call(HELLO)
            assert (caught.value.status, caught.value.retryable) == (status, retryable)
            assert KEY not in "".join(traceback.format_exception(caught.value))
    assert len(server.requests) == 2


@each_sdk
def test_what_helps_is_named(case: Case, server: OpenAIServer) -> None:
    server.answers = [error(401, "no"), error(404, "no")]
    recommended = {"groq": "llama-3.3-70b-versatile", "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo"}
    with made(case, server) as llm:
        with pytest.raises(LLMError, match=case.key):
            llm.generate_response(HELLO)
        with pytest.raises(LLMError, match=recommended[case.provider]):
            llm.generate_response(HELLO)


@each
def test_slow_answers_and_bounded_retries(case: Case, server: OpenAIServer) -> None:
    with made(case, server, timeout=0.2) as llm:
        server.answers = [Answer(delay=1.0, body={})]
        with pytest.raises(LLMError, match="within the time-out") as caught:
            llm.generate_response(HELLO)
        assert caught.value.retryable
    server.requests.clear()
    with made(case, server, max_retries=2) as llm:
        server.answers = [error(429, "busy", retry_after_ms="20"), error(500, "oops", retry_after_ms="20")]
        assert llm.generate_response(HELLO)
        server.answers = [error(429, "busy", retry_after_ms="20")] * 5
        with pytest.raises(LLMError):
            asyncio.run(awaited(llm, HELLO))
    assert len(server.requests) == 6


@each
def test_an_answer_of_something_else(case: Case, server: OpenAIServer) -> None:
    with made(case, server) as llm:
        for body in ("<html>a portal</html>", {"object": "list"}):
            server.answers = [Answer(body=body)]
            with pytest.raises(LLMResponseError, match="check base_url"):
                llm.generate_response(HELLO)


@each
def test_the_key_comes_from_the_vendors_variable(
    case: Case, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    row = VENDORS.get(case.provider)
    if row is None or not row.answers or row.asks_for_key:
        with pytest.raises(ConfigError, match=f"no key: set {case.key}"):
            LlmFactory.create(case.provider, {"base_url": server.url, "model": case.model})
    monkeypatch.setenv(case.key, KEY)
    with made(case, server, api_key=None) as llm:
        assert llm.generate_response(HELLO)


@each
def test_no_variable_of_others_tells_where_or_who(
    case: Case, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "LLM_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.setenv(name, "http://elsewhere.invalid/v1")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "sk-nobody-elses-business")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-nobody-elses-business\nX-Secret: of OpenAI")
    with made(case, server) as llm:
        llm.generate_response(HELLO)
        asyncio.run(awaited(llm, HELLO))
    for request in server.requests:
        assert "sk-nobody-elses-business" not in str(request.headers)
        assert "x-secret" not in request.headers
    with LlmFactory.create(case.provider, {"api_key": KEY, "model": case.model}) as llm:
        assert "elsewhere" not in str(llm.client.base_url)


@each
def test_the_address_may_have_its_older_name_and_mistakes_are_told(case: Case, server: OpenAIServer) -> None:
    config = {"api_key": KEY, "model": case.model, f"{case.provider}_base_url": server.url}
    with LlmFactory.create(case.provider, config) as llm:
        assert llm.generate_response(HELLO)
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        made(case, server, temprature=1)
    with pytest.raises(ConfigError, match="is no address"):
        made(case, server, http_client_proxies="no:with:secret")


@each_sdk
def test_the_address_may_end_before_the_path_of_the_sdk(case: Case, server: OpenAIServer) -> None:
    for address in (server.url, server.url + "/", server.url.removesuffix(case.prefix)):
        with made(case, server, base_url=address) as llm:
            assert llm.generate_response(HELLO)
    assert {request.path for request in server.requests} == {f"{case.prefix}/chat/completions"}


@each
def test_the_default_model(case: Case) -> None:
    row = VENDORS.get(case.provider)
    if row is not None and row.answers and not row.llm:
        with pytest.raises(ConfigError, match=f"model is missing: name the one that {row.base_url} serves"):
            LlmFactory.create(case.provider, {"api_key": KEY})
        return
    with LlmFactory.create(case.provider, {"api_key": KEY}) as llm:
        assert llm.model == case.model


@each
def test_closing(case: Case, server: OpenAIServer) -> None:
    llm = made(case, server)
    asyncio.run(llm.agenerate_response(HELLO))  # its connection ends with the loop: a warning would fail the test
    gc.collect()
    llm.close()
    llm.close()
    with pytest.raises(ClosedError):
        llm.generate_response(HELLO)
    with pytest.raises(ClosedError):
        asyncio.run(llm.agenerate_response(HELLO))


@each_sdk
def test_the_sdks_class_is_looked_up_in_the_module(case: Case) -> None:
    blocking, waiting = case.classes
    module = f"mem0.llms.{case.provider}"
    with mock.patch(f"{module}.{blocking}") as patched, mock.patch(f"{module}.{waiting}") as patched_waiting:
        answer = mock.Mock(choices=[mock.Mock(message=mock.Mock(content="patched"))])
        patched.return_value.chat.completions.create.return_value = answer
        patched_waiting.return_value.chat.completions.create = mock.AsyncMock(return_value=answer)
        llm = LlmFactory.create(case.provider)
        assert llm.generate_response(HELLO) == asyncio.run(awaited(llm, HELLO)) == "patched"
    assert hasattr(import_module(module), blocking)


@each
def test_in_a_memory(case: Case, server: OpenAIServer) -> None:
    server.content = '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'
    options = {"api_key": KEY, "base_url": server.url, "model": case.model}
    config = {"path": ":memory:", "llm": {"provider": case.provider, "config": options}}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        result = m.add("I like tea", user_id="alice")
        assert [(change["memory"], change["verified"]) for change in result] == [("Likes tea", True)]

    async def used() -> None:
        async with AsyncMemory(config, embedder=DeterministicEmbedding(8)) as m:
            assert (await m.add("I like tea", user_id="alice"))[0]["event"] == "ADD"

    asyncio.run(used())


def test_a_row_makes_one_class_and_no_other() -> None:
    vendors = import_module("mem0.llms.vendors")
    assert vendors.deepseek is vendors.deepseek is LlmFactory.load("deepseek")
    with pytest.raises(AttributeError):
        _ = vendors.nobody
    with pytest.raises(AttributeError):
        _ = vendors.together  # its LLMs come through its own SDK
    with closing(vendors.vllm(vendors.vllm.options(model="mine"))) as llm:
        assert repr(llm) == "vLLMLLM(model='mine', base_url='http://localhost:8000/v1/')"
