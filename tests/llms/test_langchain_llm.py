"""LangChainLLM with LangChain's own classes, one of them against a server on loopback that speaks OpenAI's."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM, FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from loopback import Answer
from openai_server import KEY, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, LLMError, Memory
from mem0.exceptions import LLMResponseError
from mem0.llms.base import ask, vision_of
from mem0.llms.langchain import LangChainLLM
from mem0.testing import DeterministicEmbedding, LLMContract
from mem0.utils.factory import LlmFactory
from mem0.wire import langchain

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
JSON = {"type": "json_object"}
TOOLS = [{"type": "function", "function": {"name": "add_memory", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(autouse=True)
def no_loop_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langchain, "_loop", None)


OPENED: list[ChatOpenAI] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().http_client.close()


@pytest.fixture
def server(openai_server: OpenAIServer) -> OpenAIServer:
    return openai_server


class Closed(LangChainLLM):
    """Closes the connections of its model, which is the test's own."""

    async def aclose(self) -> None:
        await self.langchain_model.http_async_client.aclose()


def chat(server: OpenAIServer, **options: Any) -> ChatOpenAI:
    given = {"model": "gpt-4o", "api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    # Its own, since the package shares one pool among all models of an address.
    clients = {"http_client": openai.DefaultHttpxClient(), "http_async_client": openai.DefaultAsyncHttpxClient()}
    OPENED.append(ChatOpenAI(**given, **clients))
    return OPENED[-1]


def made(server: OpenAIServer, **options: Any) -> LangChainLLM:
    return Closed(Closed.options(model=chat(server, **options)))


def of(model: Any, **options: Any) -> LangChainLLM:
    llm: LangChainLLM = LlmFactory.create("langchain", {"model": model, **options})
    return llm


def answering(*answers: AIMessage) -> LangChainLLM:
    return of(FakeMessagesListChatModel(responses=list(answers)))


def blocking(llm: LangChainLLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: LangChainLLM, *args: Any, **kwargs: Any) -> Any:
    async def asked() -> Any:
        try:
            return await llm.agenerate_response(*args, **kwargs)
        finally:
            if isinstance(llm, Closed):
                await llm.aclose()

    return asyncio.run(asked())


both = pytest.mark.parametrize("generate", [blocking, awaited])


class TestContract(LLMContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OpenAIServer) -> None:
        self.server = server

    def llm(self) -> LangChainLLM:
        return made(self.server)


# -- what is asked ----------------------------------------------------------------------------------


@both
def test_the_model_is_asked_as_it_was_made(server: OpenAIServer, generate: Any) -> None:
    server.content = "Hello, 你好"
    with made(server, temperature=0.3) as llm:
        assert generate(llm, HELLO) == "Hello, 你好"
    assert server.requests[0].body == {"model": "gpt-4o", "messages": HELLO, "temperature": 0.3, "stream": False}


def test_messages_of_every_kind(server: OpenAIServer) -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "add_memory", "arguments": '{"data": "tea"}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": ["Look:", picture], "mine": 1},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "broken \ud83d"},
    ]
    with made(server) as llm:
        llm.generate_response(messages)
    system, user, assistant, tool = server.requests[0].body["messages"]
    assert system == messages[0]
    assert user == {"role": "user", "content": [{"type": "text", "text": "Look:"}, picture]}
    assert assistant["tool_calls"] == [called]
    assert tool == {**messages[3], "content": "broken \ufffd"}


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ({"role": "system", "content": "Be kind."}, "Be kind.\n\nAnswer with one JSON object"),
        ({"role": "user", "content": "Hello"}, "Answer with one JSON object"),
    ],
)
def test_json_is_asked_for_in_words(server: OpenAIServer, first: dict[str, Any], told: str) -> None:
    with made(server) as llm:
        llm.generate_response([first, *HELLO], response_format=JSON)
    system, *others = server.requests[0].body["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith(told)
    assert others[-1:] == HELLO
    assert "response_format" not in server.requests[0].body


def test_json_after_a_system_message_in_parts(server: OpenAIServer) -> None:
    with made(server) as llm:
        llm.generate_response([{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}], JSON)
    (system,) = server.requests[0].body["messages"]
    assert [part["text"][:6] for part in system["content"]] == ["Be kin", "Answer"]


@both
def test_tools_and_the_choice_among_them(server: OpenAIServer, generate: Any) -> None:
    one = {"type": "function", "function": {"name": "add_memory"}}
    for choice, sent in (("auto", None), (None, None), ("required", "required"), ("any", "required"), (one, one)):
        with made(server) as llm:
            generate(llm, HELLO, tools=TOOLS, tool_choice=choice)
        assert server.requests[-1].body["tools"] == TOOLS
        assert server.requests[-1].body.get("tool_choice") == sent
    with made(server) as llm:
        assert generate(llm, HELLO, tools=TOOLS, tool_choice="none")["tool_calls"] == []
    assert "tools" not in server.requests[-1].body


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_model_that_takes_no_tools(wrapped: bool) -> None:
    model = FakeListChatModel(responses=["Hello"])
    llm = of(model.with_retry() if wrapped else model)
    with pytest.raises(LLMError, match=r"takes no tools \(it has no bind_tools\).*single_pass") as caught:
        llm.generate_response(HELLO, tools=TOOLS)
    assert not caught.value.retryable
    assert llm.generate_response(HELLO, tools=TOOLS, tool_choice="none") == {"content": "Hello", "tool_calls": []}


# -- what is answered -------------------------------------------------------------------------------


@both
def test_several_calls_of_tools(server: OpenAIServer, generate: Any) -> None:
    server.content = None
    server.message = {
        "tool_calls": [
            {"id": f"c{at}", "type": "function", "function": {"name": "add_memory", "arguments": arguments}}
            for at, arguments in enumerate(['{"data": "Likes tea"}', '{"data": "Owns a dog"}', '{"data": '])
        ]
    }
    with made(server) as llm:
        answer = generate(llm, HELLO, tools=TOOLS)
    assert answer["content"] is None
    assert [call["arguments"] for call in answer["tool_calls"]] == [{"data": "Likes tea"}, {"data": "Owns a dog"}, None]


@both
def test_text_in_parts(generate: Any) -> None:
    parts = [{"type": "thinking", "thinking": "Hm"}, "Good ", {"type": "text", "text": "morning"}]
    assert generate(answering(AIMessage(content=parts)), HELLO) == "Good morning"


def test_a_code_fence_around_json_is_taken_off() -> None:
    fenced = '```json\n{"a": 1}\n```'
    llm = answering(AIMessage(content=fenced))
    assert llm.generate_response(HELLO, response_format=JSON) == '{"a": 1}'
    assert llm.generate_response(HELLO) == fenced


def test_tokens(server: OpenAIServer) -> None:
    with made(server) as llm:
        tokens = ask(llm, HELLO).tokens
    assert (tokens.prompt, tokens.completion) == (120, 8)
    assert ask(answering(AIMessage(content="Hello")), HELLO).tokens.prompt == 0


@both
def test_a_model_that_completes_text(generate: Any) -> None:
    assert generate(of(FakeListLLM(responses=["Hello"])), HELLO) == "Hello"


def test_a_chain_that_answers_no_message() -> None:
    llm = of(FakeListChatModel(responses=['{"a": 1}']) | JsonOutputParser())
    with pytest.raises(LLMResponseError, match="without a parser"):
        llm.generate_response(HELLO)


def test_a_model_that_is_wrapped(server: OpenAIServer) -> None:
    model = chat(server)
    for wrapped in (model.bind(stop=["END"]), model.with_retry(), model.with_fallbacks([model])):
        llm = of(wrapped)
        assert llm.generate_response(HELLO)
        assert llm.model == "gpt-4o"


# -- awaiting ---------------------------------------------------------------------------------------


def test_one_event_loop_awaits_and_others_use_threads() -> None:
    calls: list[str] = []

    async def told_async(_: Any) -> str:
        calls.append("awaited")
        return "Hello"

    def told(_: Any) -> str:
        calls.append("in a thread")
        return "Hello"

    llm, another = of(RunnableLambda(told, told_async)), of(RunnableLambda(told, told_async))

    async def asked() -> None:
        await llm.agenerate_response(HELLO)
        await another.agenerate_response(HELLO)

    asyncio.run(asked())
    asyncio.run(asked())
    assert calls == ["awaited", "awaited", "in a thread", "in a thread"]


def test_a_model_without_coroutines() -> None:
    class Plain:
        def invoke(self, messages: Any) -> str:
            return str(messages[0]["content"])

    assert awaited(of(Plain()), HELLO) == "Hello"


# -- failures ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable"),
    [
        (error(400, "Bad"), 400, False),
        (error(400, "This model's maximum context length is 8192 tokens."), 400, False),
        (error(401, f"Incorrect API key provided: {KEY}."), 401, False),
        (error(429, "Slow down"), 429, True),
        (error(429, "Pay first", code="insufficient_quota"), 429, False),
        (error(503, "Busy"), 503, True),
        (Answer(cut=True), None, True),
        (Answer(cut="body"), None, True),
        (Answer(body="<html>"), None, False),
    ],
)
def test_failures(server: OpenAIServer, generate: Any, answer: Answer, status: int | None, retryable: bool) -> None:
    server.answers = [answer]
    with made(server) as llm, pytest.raises(LLMError, match="LangChain's ChatOpenAI of model 'gpt-4o'") as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert ("try again" in str(caught.value)) == retryable
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert len(server.requests) == 1


def test_a_server_that_is_not_there() -> None:
    with OpenAIServer() as server:
        llm = made(server)
    with llm, pytest.raises(LLMError) as caught:
        llm.generate_response(HELLO)
    assert caught.value.retryable


def test_an_error_that_a_package_wraps() -> None:
    class Refused(Exception):
        status_code = 503

    def failing(_: Any) -> None:
        try:
            raise Refused("busy")
        except Refused as error:
            raise RuntimeError("the vendor failed") from error

    with pytest.raises(LLMError, match="RuntimeError: the vendor failed; try again later") as caught:
        of(RunnableLambda(failing)).generate_response(HELLO)
    assert (caught.value.status, caught.value.retryable) == (503, True)


def test_secrets_are_not_told(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-of-the-environment")
    server.answers = [error(403, f"{KEY} and sk-of-the-environment with of-a-header may not")]
    model = chat(server, default_headers={"X-Secret": "of-a-header"})
    llm = of(model.with_retry(stop_after_attempt=1))
    with pytest.raises(LLMError, match=r"\*\*\* and \*\*\* with \*\*\* may not") as caught:
        llm.generate_response(HELLO)
    told = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in (KEY, "sk-of-the-environment", "of-a-header") if secret in told]


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, r"\['model'\]=None: an object of LangChain's with invoke\(\) is wanted, such as ChatOpenAI"),
        ("gpt-4o-of-mine", r"\['model'\] \(a str\): an object of LangChain's"),
        (ChatOpenAI, r"\['model'\] .*: this is the class ChatOpenAI; make an object of it"),
        (OpenAIEmbeddings(api_key=KEY), r"\['model'\] \(a OpenAIEmbeddings\): an object of LangChain's"),
    ],
)
def test_what_is_no_model(model: Any, told: str) -> None:
    for config in ({"model": model}, {"model": model, "temperature": 0}):
        with pytest.raises(ConfigError, match=told) as caught:
            LlmFactory.create("langchain", config)
        assert "gpt-4o-of-mine" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"\['model'\]=None"):
        LlmFactory.create("langchain")


def test_options_of_published_configurations(caplog: pytest.LogCaptureFixture) -> None:
    model = FakeListChatModel(responses=["Hello"])
    published = {"temperature": 0.1, "max_tokens": 2000, "top_p": 0.1, "top_k": 1, "enable_vision": True}
    with caplog.at_level(logging.WARNING, "mem0"):
        llm = of(model, **published)
    (warned,) = caplog.messages
    assert "temperature, max_tokens, top_p, top_k changes nothing here" in warned
    assert vision_of(llm) == "auto"
    assert llm.generate_response(HELLO) == "Hello"


def test_without_them_nobody_is_warned(caplog: pytest.LogCaptureFixture) -> None:
    of(FakeListChatModel(responses=["Hello"]), temperature=None)
    assert caplog.messages == []


def test_what_belongs_to_the_model() -> None:
    model = FakeListChatModel(responses=["Hello"])
    for name in ("api_key", "reasoning_effort", "http_client_proxies", "timeout"):
        with pytest.raises(ConfigError, match=rf"\['{name}'\]: it is the model object's own"):
            of(model, **{name: "x"})
        of(model, **{name: None})
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        of(model, temprature=1)


def test_a_model_is_not_shown(server: OpenAIServer) -> None:
    model = chat(server, default_headers={"X-Secret": "of-a-header"})
    assert "of-a-header" not in f"{of(model)!r} {of(model).config!r}"


def test_in_a_memory(server: OpenAIServer) -> None:
    server.content = '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'
    model = chat(server)
    config = {"path": ":memory:", "llm": {"provider": "langchain", "config": {"model": model}}}
    with Memory.from_config(config) as m:
        assert m.add("I like tea", user_id="alice")[0]["memory"] == "Likes tea"

    async def used() -> None:
        async with AsyncMemory.from_config(config) as m:
            assert (await m.add("I like tea", user_id="alice"))[0]["event"] == "ADD"
        await model.http_async_client.aclose()

    asyncio.run(used())


def test_in_a_reranker() -> None:
    llm = {"provider": "langchain", "config": {"model": FakeListChatModel(responses=['{"scores": [0.7]}'])}}
    config = {"path": ":memory:", "reranker": {"provider": "llm", "config": {"llm": llm}}}
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        m.add("likes tea", user_id="alice")
        assert m.search("tea", user_id="alice")[0]["score"] == 0.7
