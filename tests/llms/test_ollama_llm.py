"""OllamaLLM through the vendor's SDK, against a server on loopback that speaks Ollama's wire format."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from ollama_server import OllamaServer, error

from mem0 import AsyncMemory, ConfigError, LLMError, Memory
from mem0.exceptions import ClosedError
from mem0.llms.base import ask
from mem0.llms.ollama import OllamaLLM
from mem0.testing import DeterministicEmbedding, LLMContract
from mem0.utils.factory import LlmFactory
from mem0.wire import retries

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add_memory",
            "description": "Add",
            "parameters": {
                "type": "object",
                "properties": {"data": {"type": "string", "description": "The memory."}},
                "required": ["data"],
            },
        },
    }
]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def made(server: OllamaServer, **options: Any) -> OllamaLLM:
    config = {"base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    llm: OllamaLLM = LlmFactory.create("ollama", config)
    return llm


def blocking(llm: OllamaLLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: OllamaLLM, *args: Any, **kwargs: Any) -> Any:
    async def asked() -> Any:
        try:
            return await llm.agenerate_response(*args, **kwargs)
        finally:
            await llm.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("generate", [blocking, awaited])
Generate = Callable[..., Any]


class TestOllama(LLMContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OllamaServer) -> None:
        self.server = server

    def llm(self) -> OllamaLLM:
        return made(self.server)


@both
def test_text(server: OllamaServer, generate: Generate) -> None:
    server.content = "Hello, 你好"
    with made(server, model_kwargs={"num_ctx": 8192}, keep_alive="10m", think=False) as llm:
        assert generate(llm, HELLO) == "Hello, 你好"
    (request,) = server.requests
    assert request.path == "/api/chat"
    assert {name: value for name, value in request.body.items() if value not in ([], None)} == {
        "model": "llama3",
        "messages": HELLO,
        "stream": False,
        "options": {"temperature": 0.0, "num_predict": 3000, "top_p": 1.0, "num_ctx": 8192},
        "keep_alive": "10m",
        "think": False,
    }


@both
def test_json_mode_and_schemas(server: OllamaServer, generate: Generate) -> None:
    schema = {"type": "object", "properties": {"memory": {"type": "array"}}}
    with made(server) as llm:
        generate(llm, HELLO, response_format={"type": "json_object"})
        generate(llm, HELLO, response_format={"type": "json_schema", "json_schema": {"name": "m", "schema": schema}})
    assert [request.body["format"] for request in server.requests] == ["json", schema]


@both
def test_calls_of_tools(server: OllamaServer, generate: Generate) -> None:
    server.tool_calls = [
        {"function": {"name": "add_memory", "arguments": {"data": "Likes tea"}}},
        {"function": {"name": "delete_memory", "arguments": {}}},
    ]
    with made(server) as llm:
        answer = generate(llm, HELLO, tools=TOOLS)
        assert answer["tool_calls"] == [
            {"name": "add_memory", "arguments": {"data": "Likes tea"}},
            {"name": "delete_memory", "arguments": {}},
        ]
        assert server.requests[0].body["tools"] == TOOLS
        assert generate(llm, HELLO, tools=TOOLS, tool_choice="none")["tool_calls"] == []


def test_messages_of_openais_shape(server: OllamaServer) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lisbon"}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look"}, picture], "name": "Ana"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "21 degrees"},
    ]
    with made(server) as llm:
        llm.generate_response(messages)
        assert server.requests[0].body["messages"] == [
            {"role": "user", "content": "Look", "images": ["aGk="]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Lisbon"}}}]},
            {"role": "tool", "content": "21 degrees"},
        ]
        picture["image_url"] = {"url": "https://example.org/a.png"}
        with pytest.raises(LLMError, match="handed to it, not at addresses"):
            llm.generate_response(messages)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"content": "no role"}, r"messages\[0\] has no role"),
        ({"role": "user", "content": 5}, "is int; text or a list of parts is wanted"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "no address"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "holds 'input_audio'"),
        ({"role": "assistant", "tool_calls": [{"id": "x"}]}, "names no function"),
    ],
)
def test_messages_that_are_none(server: OllamaServer, message: dict[str, Any], told: str) -> None:
    with made(server) as llm, pytest.raises(LLMError, match=told):
        llm.generate_response([message])
    assert server.requests == []


def test_tokens_are_counted(server: OllamaServer) -> None:
    with made(server) as llm:
        tokens = ask(llm, HELLO).tokens
    assert (tokens.prompt, tokens.completion) == (26, 12)


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, "invalid options"), 400, False, "400, the request was refused: invalid options"),
        (
            error(401, "unauthorized key-123"),
            401,
            False,
            "key was refused: check api_key in the config, or OLLAMA_API_KEY",
        ),
        (error(403, "forbidden"), 403, False, "may not use it"),
        (error(404, "model 'llama3' not found"), 404, False, "run `ollama pull llama3`.*or set pull=True"),
        (error(429, "busy"), 429, True, "too many requests"),
        (error(500, "llama runner process has terminated"), 500, True, "the server failed"),
        (Answer(503, "<html>busy</html>"), 503, True, "the server failed"),
        (Answer(cut=True), None, True, "no connection"),
        (Answer(body={"message": "x" * 100}, cut="body"), None, True, "no connection"),
        (Answer(body="<html>a portal</html>"), None, True, "not what Ollama's API answers, .*: check base_url"),
        (Answer(body={"object": "list"}), None, True, "not what Ollama's API answers, .*: check base_url"),
    ],
)
def test_errors(
    server: OllamaServer, generate: Generate, answer: Answer, status: int | None, retryable: bool, told: str
) -> None:
    server.answers = [answer]
    with made(server, api_key="key-123") as llm, pytest.raises(LLMError, match=told) as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert "key-123" not in "".join(traceback.format_exception(caught.value))
    assert server.requests[0].headers["authorization"] == "Bearer key-123"


@both
def test_no_server(server: OllamaServer, generate: Generate) -> None:
    with made(server, base_url="http://127.0.0.1:9") as llm, pytest.raises(LLMError, match="no connection") as caught:
        generate(llm, HELLO)
    assert caught.value.retryable


@both
def test_slow_answers_and_bounded_retries(server: OllamaServer, generate: Generate) -> None:
    server.answers = [Answer(delay=1.0, body={})]
    with made(server, timeout=0.2) as llm, pytest.raises(LLMError, match="within the time-out"):
        generate(llm, HELLO)
    server.requests.clear()
    with made(server, max_retries=2) as llm:
        server.answers = [error(500, "oops"), Answer(cut=True)]
        assert generate(llm, HELLO) == '{"memory": []}'
        server.answers = [error(503, "oops")] * 5
        with pytest.raises(LLMError):
            generate(llm, HELLO)
        server.answers = [error(400, "no")] * 5
        with pytest.raises(LLMError):
            generate(llm, HELLO)
    assert len(server.requests) == 7


@both
def test_a_missing_model_is_pulled_only_when_that_is_wanted(server: OllamaServer, generate: Generate) -> None:
    with made(server, model="llama3.2") as llm, pytest.raises(LLMError, match="ollama pull llama3.2"):
        generate(llm, HELLO)
    assert [request.path for request in server.requests] == ["/api/chat"]
    with made(server, model="llama3.2", pull=True) as llm:
        assert generate(llm, HELLO) == generate(llm, HELLO) == '{"memory": []}'
    paths = [request.path for request in server.requests[1:]]
    assert paths == ["/api/chat", "/api/pull", "/api/chat", "/api/chat"]
    with made(server, model="nobody-has-it", pull=True) as llm, pytest.raises(LLMError, match="file does not exist"):
        generate(llm, HELLO)


class TestOptions:
    def test_the_vendors_variables(self, server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        with OllamaLLM() as llm:
            llm.generate_response(HELLO)
            assert server.url in repr(llm)
        with made(server, base_url=server.url.removeprefix("http://")) as llm:  # as Ollama writes it
            llm.generate_response(HELLO)
        assert len(server.requests) == 2

    def test_no_other_variable_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_BASE_URL", "OLLAMA_BASE_URL", "LLM_BASE_URL"):
            monkeypatch.setenv(name, "http://elsewhere.invalid")
        with OllamaLLM() as llm:
            assert "127.0.0.1:11434" in repr(llm)

    def test_the_published_name_of_the_address_and_mistakes(self, server: OllamaServer) -> None:
        with LlmFactory.create("ollama", {"ollama_base_url": server.url}) as llm:
            assert llm.generate_response(HELLO)
        for options, told in (
            ({"temprature": 1}, "did you mean 'temperature'"),
            ({"ollama_base_url": "http://b"}, "mean the same and differ"),
            ({"model_kwargs": {"temperature": 1}}, "temperature is set by the library"),
        ):
            with pytest.raises(ConfigError, match=told):
                made(server, **options)

    def test_secrets_are_not_shown(self, server: OllamaServer) -> None:
        address = server.url.replace("//", "//me:hush@")
        with made(server, api_key="key-123", base_url=address, headers={"X-Secret": "hush"}) as llm:
            assert not {"hush", "key-123"} & {*f"{llm!r} {llm.config!r}".replace("'", " ").split()}
            assert "hush" not in f"{llm!r} {llm.config!r}"


def test_closing(server: OllamaServer) -> None:
    llm = made(server)
    asyncio.run(llm.agenerate_response(HELLO))
    gc.collect()
    llm.close()
    llm.close()
    for generate in (blocking, awaited):
        with pytest.raises(ClosedError):
            generate(llm, HELLO)


def test_the_sdks_class_is_looked_up_in_the_module() -> None:
    with mock.patch("mem0.llms.ollama.Client") as patched:
        patched.return_value.chat.return_value = {
            "message": {"content": "patched", "tool_calls": None},
            "prompt_eval_count": 1,
            "eval_count": 1,
        }
        assert OllamaLLM().generate_response(HELLO) == "patched"


def test_in_a_memory(server: OllamaServer) -> None:
    server.content = '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'
    config = {"path": ":memory:", "llm": {"provider": "ollama", "config": {"ollama_base_url": server.url}}}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        result = m.add("I like tea", user_id="alice")
        assert [(change["memory"], change["verified"]) for change in result] == [("Likes tea", True)]
        assert result.usage.prompt_tokens == 26

    async def used() -> None:
        async with AsyncMemory(config, embedder=DeterministicEmbedding(8)) as m:
            assert (await m.add("I like tea", user_id="alice"))[0]["event"] == "ADD"

    asyncio.run(used())
