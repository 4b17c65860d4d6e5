"""What providers do at their edges: published options, secrets, closing, odd answers; on OpenAI's wire and Ollama's."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from ollama_server import OllamaServer
from openai_server import KEY, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, EmbeddingError, LLMError, LLMResponseError, Memory, MissingDependencyError
from mem0.exceptions import ClosedError
from mem0.llms.openai import OpenAILLM
from mem0.testing import DeterministicEmbedding
from mem0.utils.factory import EmbedderFactory, LlmFactory
from mem0.wire import retries

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def ollama_server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def made(server: OpenAIServer, provider: str = "openai", **options: Any) -> Any:
    config = {"api_key": KEY, "base_url": server.url, "model": "gpt-4o", "max_retries": 0, "timeout": 20}
    return LlmFactory.create(provider, {**config, **options})


# -- answers ----------------------------------------------------------------------------------------


def chat(**choice: Any) -> Answer:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return Answer(body=body)


def test_text_in_parts_with_thoughts_among_them(openai_server: OpenAIServer) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thought, {"type": "text", "text": '{"memory": [{"text": "Likes tea"}]}'}]
    openai_server.answers = [chat(index=0, finish_reason="stop", message={"role": "assistant", "content": parts})]
    with made(openai_server) as llm, Memory(path=":memory:", llm=llm, embedder=DeterministicEmbedding(8)) as m:
        assert [change["memory"] for change in m.add("I like tea", user_id="a")] == ["Likes tea"]


@pytest.mark.parametrize(
    "choice",
    [
        None,
        {"index": 0, "finish_reason": "stop"},
        {"index": 0, "finish_reason": "stop", "message": None},
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": 5}},
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": [None]}},
    ],
)
def test_answers_that_are_none(openai_server: OpenAIServer, choice: Any) -> None:
    openai_server.answers = [Answer(body={"choices": [choice]}), Answer(body={"choices": {"0": choice}})]
    with made(openai_server) as llm:
        for _ in range(2):
            with pytest.raises(LLMResponseError, match="did not answer as OpenAI's API does"):
                llm.generate_response(HELLO)


def test_errors_with_status_200(openai_server: OpenAIServer) -> None:
    problem = {"message": "rate limited", "code": 429}
    openai_server.answers = [
        Answer(body={"error": problem}),
        chat(index=0, finish_reason="error", error=problem, message={"role": "assistant", "content": ""}),
    ]
    with made(openai_server) as llm:
        for _ in range(2):
            with pytest.raises(LLMError, match="rate limited") as caught:
                llm.generate_response(HELLO)
            assert (caught.value.status, caught.value.retryable) == (429, True)


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_what_a_server_says_of_its_failure(
    openai_server: OpenAIServer, ollama_server: OllamaServer, provider: str
) -> None:
    server: Any = openai_server if provider == "openai" else ollama_server
    memory = "model requires more system memory (5.6 GiB) than is available (3.4 GiB)"
    limit = "Rate limit reached on tokens per day: Limit 500000"
    page = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
    config = {"api_key": KEY, "base_url": server.url, "max_retries": 0}
    with LlmFactory.create(provider, config) as llm:
        for status, body, told in (
            (500, {"error": memory}, rf"500, the server failed: try again later \({re.escape(memory)}\)"),
            (429, {"error": {"message": limit}}, rf"429, too many requests: try again later \(.*{limit}.*\)"),
            (502, page, "502, the server failed: try again later; nothing was stored"),
        ):
            server.answers = [Answer(status, body)]
            with pytest.raises(LLMError, match=told) as caught:
                llm.generate_response(HELLO)
            assert caught.value.retryable
        # In llama.cpp's words, of a server that was started for something else.
        server.answers = [Answer(501, {"error": {"message": "This server does not support chat"}})]
        with pytest.raises(LLMError, match=r"501, the server does not do this.*does not support chat") as caught:
            llm.generate_response(HELLO)
        assert not caught.value.retryable


@pytest.mark.parametrize(
    ("asked", "told"),
    [("2", "after 2 s"), ("nan", "later"), ("-1", "later"), ("Wed, 21 Oct 2099 07:28:00 GMT", "later")],
)
def test_when_to_come_again(openai_server: OpenAIServer, asked: str, told: str) -> None:
    openai_server.answers = [Answer(429, {}, {"Retry-After": asked})]
    with made(openai_server) as llm, pytest.raises(LLMError, match=f"429, too many requests: try again {told}[; ]"):
        llm.generate_response(HELLO)


def test_tokens_that_thinking_used_up(openai_server: OpenAIServer, ollama_server: OllamaServer) -> None:
    message = {"role": "assistant", "content": ""}
    openai_server.answers = [chat(index=0, finish_reason="length", message=message)]
    ollama_server.answers = [
        Answer(body={"model": "m", "message": {**message, "thinking": "hm"}, "done": True, "done_reason": "length"})
    ]
    ollama = LlmFactory.create("ollama", {"base_url": ollama_server.url})
    with made(openai_server) as llm, ollama:
        for each in (llm, ollama):
            with pytest.raises(LLMError, match="max_tokens were used up") as caught:
                each.generate_response(HELLO)
            assert not caught.value.retryable


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([{"object": "embedding", "embedding": [1.0, 2.0]}] * 2, None),
        ([{"object": "embedding", "embedding": [1.0], "index": None}] * 2, None),
        ([{"object": "embedding", "embedding": None, "index": at} for at in range(2)], "something else than vectors"),
        ([{"object": "embedding", "embedding": "AAAA", "index": at} for at in range(2)], "something else than vectors"),
        ([None, None], "something else than vectors"),
    ],
)
def test_vectors_of_odd_servers(openai_server: OpenAIServer, data: Any, told: str | None) -> None:
    openai_server.answers = [Answer(body={"object": "list", "data": data, "model": "m"})]
    config = {"api_key": KEY, "base_url": openai_server.url, "model": "of-somebody-else", "max_retries": 0}
    with EmbedderFactory.create("openai", config) as embedder:
        if told is None:
            assert len(embedder.embed_batch(["tea", "coffee"])) == 2
            return
        with pytest.raises(EmbeddingError, match=told):
            embedder.embed_batch(["tea", "coffee"])


@pytest.mark.parametrize(
    "message",
    [
        "text",
        {"role": "assistant", "content": "x", "tool_calls": 5},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": "add_memory"}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": None, "arguments": "{}"}}]},
    ],
)
@pytest.mark.parametrize("provider", ["openai", "together"])
def test_calls_of_tools_that_are_none(openai_server: OpenAIServer, provider: str, message: Any) -> None:
    tools = [{"type": "function", "function": {"name": "add_memory", "parameters": {"type": "object"}}}]
    openai_server.answers = [chat(index=0, finish_reason="stop", message=message)]
    with made(openai_server, provider) as llm, pytest.raises(LLMResponseError, match="did not answer as OpenAI's"):
        llm.generate_response(HELLO, tools=tools)


@pytest.mark.parametrize("body", [[1], None, "null", {"message": None}])
def test_odd_answers_of_ollama(ollama_server: OllamaServer, body: Any) -> None:
    ollama_server.answers = [Answer(body=body)]
    llm = LlmFactory.create("ollama", {"base_url": ollama_server.url, "max_retries": 0})
    with llm, pytest.raises(LLMError, match="not what Ollama's API answers"):
        llm.generate_response(HELLO)


def test_a_refusal_drops_no_schema_and_nothing_else(openai_server: OpenAIServer) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    refusals = ["Unknown model; extra info: temperature", "response_format is not supported: extra keys"]
    for message in refusals:
        openai_server.answers = [error(400, message)]
        with made(openai_server) as llm, pytest.raises(LLMError, match="400"):
            llm.generate_response(HELLO, response_format=schema)
    assert len(openai_server.requests) == 2


# -- closing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_closing_during_a_call(openai_server: OpenAIServer, ollama_server: OllamaServer, provider: str) -> None:
    server: Any = openai_server if provider == "openai" else ollama_server
    server.answers = [Answer(503, {"error": "late"}, delay=0.4)]
    llm = LlmFactory.create(provider, {"api_key": KEY, "base_url": server.url, "max_retries": 2})
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            llm.generate_response(HELLO)
        except Exception as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not server.requests:
        time.sleep(0.01)
    llm.close()
    asking.join()
    assert [type(error) for error in raised] == [ClosedError]


# -- secrets ----------------------------------------------------------------------------------------


def test_secrets_in_headers_and_addresses(openai_server: OpenAIServer) -> None:
    headers = {"Helicone-Auth": "Bearer hel-secret-1234"}
    address = openai_server.url.replace("//", "//me:p@ss@") + "?api-key=query-secret"
    for options in ({"model_kwargs": {"extra_headers": headers}}, {"headers": headers}, {"base_url": address}):
        openai_server.answers = [error(403, "hel-secret-1234 may not, nor may query-secret")]
        with made(openai_server, **options) as llm:
            with pytest.raises(LLMError) as caught:
                llm.generate_response(HELLO)
            shown = f"{llm!r} {llm.config!r} {caught.value}"
        if "base_url" in options:
            assert not [word for word in ("p@ss", "ss@", "api-key=") if word in shown]
        else:
            assert "hel-secret" not in shown + "".join(traceback.format_exception(caught.value))


UNSENDABLE = ["sk-secret-0123456789\n", "sk-secret-0123456789\u201d", " "]


@pytest.mark.parametrize("key", UNSENDABLE)
@pytest.mark.parametrize(
    "provider", ["openai", "vllm", "groq", "together", "anthropic", "gemini", "ollama", "azure_openai", "aws_bedrock"]
)
def test_keys_and_headers_that_no_request_can_hold(provider: str, key: str) -> None:
    config = {"azure_endpoint": "http://127.0.0.1:9"} if provider == "azure_openai" else {"model": "m"}
    options: list[dict[str, Any]] = [{"api_key": key}]
    if key.strip() and provider != "aws_bedrock":
        options.append({"api_key": KEY, "headers": {"X-Team": key}})
        if provider not in ("gemini", "ollama"):
            options.append({"api_key": KEY, "model_kwargs": {"extra_headers": {"X-Team": key}}})
    for option in options:
        with pytest.raises(ConfigError, match="a line break|no header can|this is empty") as caught:
            LlmFactory.create(provider, {**config, **option})
        assert "sk-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["X Team", "X-Team:", "X-T\u00e9am", "X-Team\n", ""])
def test_names_that_no_header_has(name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{name!r} is no name of a header")):
        LlmFactory.create("openai", {"api_key": KEY, "headers": {name: "a"}})


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("vllm", "VLLM_API_KEY"),
        ("groq", "GROQ_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("ollama", "OLLAMA_API_KEY"),
        ("azure_openai", "AZURE_OPENAI_API_KEY"),
        ("aws_bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
    ],
)
def test_keys_of_the_environment_that_no_request_can_hold(
    provider: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setenv(variable, UNSENDABLE[0])
    config = {"azure_endpoint": "http://127.0.0.1:9"} if provider == "azure_openai" else {"model": "m"}
    with pytest.raises(ConfigError, match=f"{variable}: there is a blank or a line break") as caught:
        LlmFactory.create(provider, config)
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))


def test_a_secret_deep_in_what_an_error_came_of(openai_server: OpenAIServer) -> None:
    # The SDK says "Connection error."; the library beneath it quotes the header that it cannot send.
    with made(openai_server) as llm, pytest.raises(LLMError) as caught:
        llm.config.model_kwargs["extra_headers"] = {"Helicone-Auth": "hel-secret-1234\n"}  # past the check of options
        llm.generate_response(HELLO)
    assert "hel-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("said", ["none of the extra fields", "Basic authentication is wanted", "the token embeddings"])
def test_words_that_are_no_secrets_stay(openai_server: OpenAIServer, said: str) -> None:
    openai_server.answers = [error(400, said)]
    with made(openai_server, "vllm", api_key=None) as llm, pytest.raises(LLMError, match=said):
        llm.generate_response(HELLO)


@pytest.mark.parametrize("said", ["Bearer abcdefgh", "Basic dXNlcjpwYXNz", "token abcdefghijklmnopqrstuvwxyz"])
def test_credentials_of_others_are_not_told(openai_server: OpenAIServer, said: str) -> None:
    openai_server.answers = [error(400, f"refused {said}")]
    with made(openai_server) as llm, pytest.raises(LLMError) as caught:
        llm.generate_response(HELLO)
    assert said.split()[1] not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("provider", ["openai", "groq", "together", "anthropic"])
def test_headers_of_the_environment_do_not_go_before_the_key(
    provider: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = "Authorization: Bearer sk-of-somebody\nX-Api-Key: sk-of-somebody"
    monkeypatch.setenv(f"{provider.upper()}_CUSTOM_HEADERS", headers)
    openai_server.answers = [Answer(404)] * 2
    base_url = openai_server.url.removesuffix("/v1")
    with made(openai_server, provider, base_url=base_url, headers={"X-Team": "a"}) as llm:
        for ask in (llm.generate_response, lambda messages: asyncio.run(llm.agenerate_response(messages))):
            with pytest.raises(LLMError):
                ask(HELLO)
    for request in openai_server.requests:
        assert "sk-of-somebody" not in str(request.headers)
        assert KEY in str(request.headers)
        assert request.headers["x-team"] == "a"
    assert len(openai_server.requests) == 2


def test_what_the_sdk_cannot_send(openai_server: OpenAIServer) -> None:
    with made(openai_server) as llm, pytest.raises(LLMError, match="the call failed: TypeError") as caught:
        llm.generate_response([{"role": "user", "content": object()}])
    assert not caught.value.retryable
    assert not openai_server.requests


@pytest.mark.parametrize(
    "address", ["http://localhost:80a/v1", "http://user:hunter2/x@host/v1", "ftp://host", "http://", "not a url"]
)
@pytest.mark.parametrize("provider", ["openai", "vllm", "groq", "together", "anthropic", "gemini", "ollama"])
def test_addresses_that_are_none(provider: str, address: str) -> None:
    for option in ({"base_url": address}, {"http_client_proxies": address}):
        with pytest.raises(ConfigError, match="is no address") as caught:
            LlmFactory.create(provider, {"api_key": KEY, "model": "m", **option})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://user:hun#ter2@host/v1", "http://[::1", "localhost:1234/v1"])
@pytest.mark.parametrize("provider", ["openai", "groq", "together", "anthropic"])
def test_addresses_of_the_environment_that_are_none(
    provider: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"{provider.upper()}_BASE_URL"
    monkeypatch.setenv(variable, address)
    with pytest.raises(ConfigError, match=f"{variable}: this is no address") as caught:
        LlmFactory.create(provider, {"api_key": KEY, "model": "m"})
    assert "hun" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("provider", "variable", "address", "scheme"),
    [
        ("ollama", "OLLAMA_HOST", None, "http"),
        ("ollama", "OLLAMA_HOST", "box:11434", "http"),
        ("ollama", "OLLAMA_HOST", "https://box", "https"),
        ("groq", "GROQ_BASE_URL", "http://gateway", "http"),
        ("together", "TOGETHER_BASE_URL", None, "https"),
    ],
)
def test_which_proxy_is_on_the_way(
    provider: str, variable: str, address: str | None, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if address is not None:
        monkeypatch.setenv(variable, address)
    options = LlmFactory.load(provider).options
    assert options(http_client_proxies={scheme: "http://127.0.0.1:9"}).proxy() == "http://127.0.0.1:9"
    other = {"http": "https", "https": "http"}[scheme]
    assert options(http_client_proxies={other: "http://127.0.0.1:9"}).proxy() is None


# -- options ----------------------------------------------------------------------------------------


def test_options_may_be_a_dict_and_nothing_else(openai_server: OpenAIServer) -> None:
    given: Any = {"api_key": KEY, "base_url": openai_server.url, "vision_details": None, "model_kwargs": None}
    with OpenAILLM(given) as llm:
        assert llm.generate_response(HELLO)
    for wrong in ("gpt-4o", ["x"], 5):
        with pytest.raises(ConfigError, match="expected options, a dict, or nothing"):
            LlmFactory.create("openai", wrong)
    with pytest.raises(ConfigError, match="expected a name, not NoneType"):
        LlmFactory.create(None)  # type: ignore[arg-type]


def test_typing_errors_in_model_kwargs(openai_server: OpenAIServer, ollama_server: OllamaServer) -> None:
    for provider in ("openai", "groq", "together", "vllm"):
        with pytest.raises(ConfigError, match="did you mean 'frequency_penalty'"):
            made(openai_server, provider, model_kwargs={"frequency_penalti": 1})
    with pytest.raises(ConfigError, match="Ollama has no option num_ctxx"):
        LlmFactory.create("ollama", {"model_kwargs": {"num_ctxx": 1}})
    with pytest.raises(ConfigError, match="the SDK has no such argument"):
        EmbedderFactory.create("openai", {"api_key": KEY, "model_kwargs": {"usr": "u"}})


@pytest.mark.parametrize(
    ("provider", "config", "told"),
    [
        ("openrouter", {"models": ["a"]}, "extra_body"),
        ("openrouter", {"site_url": "x"}, "HTTP-Referer"),
        ("openai", {"openrouter_base_url": "x"}, "name the provider 'openrouter'"),
        ("together", {"store": False}, r"\['store'\]: the SDK has no such argument"),
        ("openai", {"http_client_proxies": {"ftp": "x"}}, r"\['http_client_proxies'\]"),
        ("minimax", {}, "provider 'openai' with its base_url"),
    ],
)
def test_published_keys_without_a_place_say_what_to_do(provider: str, config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        LlmFactory.create(provider, {"api_key": KEY, "model": "m", **config} if config else None)
    assert "functools" not in str(caught.value)


def test_published_keys_that_have_one(openai_server: OpenAIServer, ollama_server: OllamaServer) -> None:
    with made(openai_server, extra_headers={"X-Team": "a"}, http_client_proxies={"https": "http://127.0.0.1:9"}) as llm:
        llm.generate_response(HELLO)
    assert openai_server.requests[0].headers["x-team"] == "a"
    for store in (False, True, None):
        with made(openai_server, store=store, model_kwargs={"user": "u"}) as llm:
            llm.generate_response(HELLO)
        assert openai_server.requests[-1].body.get("store") is store
        assert openai_server.requests[-1].body["user"] == "u"
    with LlmFactory.create("ollama", {"ollama_base_url": ollama_server.url, "top_k": 5}) as llm:
        llm.generate_response(HELLO)
    assert ollama_server.requests[0].body["options"]["top_k"] == 5


def test_a_proxy_of_one_scheme_may_be_unset(openai_server: OpenAIServer) -> None:
    nowhere = "http://127.0.0.1:9"
    for proxies in ({"http://": None, "https://": nowhere}, {"http://": None, "all://": nowhere}):
        with made(openai_server, http_client_proxies=proxies) as llm:
            assert llm.generate_response(HELLO)
    with pytest.raises(ConfigError, match="is no address"):
        made(openai_server, http_client_proxies={"http://": None, "https://": "proxy"})


def test_published_keys_that_are_not_set(openai_server: OpenAIServer) -> None:
    unset = {"models": None, "openrouter_base_url": None, "response_callback": None, "is_reasoning_model": False}
    with made(openai_server, **unset) as llm:
        assert llm.generate_response(HELLO)
    with made(openai_server, "lmstudio", lmstudio_response_format=None, http_client_proxies=None) as llm:
        assert llm.generate_response(HELLO)


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), 1e300, 0])
@pytest.mark.parametrize("provider", ["openai", "gemini", "ollama", "aws_bedrock"])
def test_times_that_no_clock_can_wait(provider: str, timeout: float) -> None:
    with pytest.raises(ConfigError, match=r"\['timeout'\]"):
        LlmFactory.create(provider, {"api_key": KEY, "timeout": timeout})


def test_what_embedders_are_told_is_of_embedders(openai_server: OpenAIServer) -> None:
    config = {"api_key": KEY, "base_url": openai_server.url, "max_retries": 0}
    for answer, told in (
        (error(404, "no such model"), "such as 'text-embedding-3-small'"),
        (error(400, "too long", code="context_length_exceeded"), "a text is too long.*max_input_bytes"),
    ):
        openai_server.answers = [answer]
        with EmbedderFactory.create("openai", config) as embedder, pytest.raises(EmbeddingError, match=told):
            embedder.embed("tea")
    openai_server.answers = [error(404, "no such model")]
    with made(openai_server, "vllm") as llm, pytest.raises(LLMError, match="name the one that the server has"):
        llm.generate_response(HELLO)


def test_a_pull_that_fails_is_told_and_tried_again(ollama_server: OllamaServer) -> None:
    missing = Answer(404, {"error": "model 'llama3.2' not found"})
    ollama_server.answers = [missing, Answer(500, {"error": "disk full"})] * 2
    config = {"base_url": ollama_server.url, "model": "llama3.2", "pull": True}
    with LlmFactory.create("ollama", {**config, "max_retries": 1}) as llm:
        with pytest.raises(LLMError, match="500, the server failed") as caught:
            llm.generate_response(HELLO)
        assert caught.value.retryable
        assert llm.generate_response(HELLO)


# -- doubles in place of an SDK's class, as users have them in their tests ---------------------------

PATCHED = [
    ("openai", "openai.OpenAI"),
    ("vllm", "openai.OpenAI"),
    ("groq", "groq.Groq"),
    ("together", "together.Together"),
    ("ollama", "ollama.Client"),
]


def told(reply: str) -> mock.MagicMock:
    """Return a client that says the same always, written in the shortest way."""
    client = mock.MagicMock()
    client.chat.return_value.message.content = reply
    client.chat.completions.create.return_value.choices[0].message.content = reply
    return client


@pytest.mark.parametrize(("provider", "patched"), PATCHED)
def test_doubles_that_answer_whatever_they_are_asked(provider: str, patched: str) -> None:
    reply = '{"memory": [{"text": "Likes tea"}]}'
    config = {"path": ":memory:", "llm": {"provider": provider, "config": {"model": "m"}}}
    embedder = DeterministicEmbedding(8)

    async def added() -> Any:
        async with AsyncMemory(config, embedder=embedder) as m:
            return await m.add("I like tea", user_id="a")

    # No host is allowed but this machine, and nobody listens there: what were sent would fail.
    with mock.patch(f"mem0.llms.{patched}", return_value=told(reply)):
        with Memory(config, embedder=embedder) as m:
            blocking = m.add("I like tea", user_id="a")
        for result in (blocking, asyncio.run(added())):
            assert [change["memory"] for change in result] == ["Likes tea"]


class Plain:
    """A client as it is written in a test, in a line or two."""

    def __init__(self, **_: Any) -> None:
        self.chat = self.completions = self

    def create(self, **request: Any) -> Any:
        raise TimeoutError("of the double")


class PlainAwaited(Plain):
    async def create(self, **request: Any) -> Any:  # type: ignore[override]
        raise TimeoutError("of the double")


def test_doubles_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mem0.llms.openai.OpenAI", Plain)
    monkeypatch.setattr("mem0.llms.openai.AsyncOpenAI", PlainAwaited)
    llm = LlmFactory.create("openai", {"api_key": KEY})
    with pytest.raises(LLMError, match="the call failed: TimeoutError: of the double") as caught:
        llm.generate_response(HELLO)
    assert caught.value.retryable
    with pytest.raises(LLMError, match="the call failed: TimeoutError: of the double"):
        asyncio.run(llm.agenerate_response(HELLO))


# -- finding the class ------------------------------------------------------------------------------


def test_an_sdk_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    old = types.ModuleType("groq")
    monkeypatch.setitem(sys.modules, "groq", old)
    monkeypatch.delitem(sys.modules, "mem0.llms.groq", raising=False)
    with pytest.raises(MissingDependencyError, match=r"another version of 'groq'.*pip install 'groq>="):
        LlmFactory.load("groq")


def test_registering_as_entry_points_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlmFactory, "providers", dict(LlmFactory.providers))
    LlmFactory.register("mine", "mem0.llms.openai:OpenAILLM")
    assert LlmFactory.load("mine") is OpenAILLM
    for wrong in ("OpenAILLM", ".x", ":x"):
        with pytest.raises(ConfigError, match="expected a dotted path"):
            LlmFactory.register("x", wrong)


async def closed_for_this_loop(llm: Any) -> None:
    await llm.aclose()


async def closed_for_all(llm: Any) -> None:
    llm.close()


@pytest.mark.parametrize("closed", [closed_for_this_loop, closed_for_all])
def test_awaited_calls_end_with_their_client(
    openai_server: OpenAIServer, closed: Callable[[Any], Awaitable[None]]
) -> None:
    openai_server.answers = [Answer(503, {"error": "late"}, delay=0.4)]

    async def asked() -> None:
        llm = made(openai_server, max_retries=2)
        asking = asyncio.create_task(llm.agenerate_response(HELLO))
        while not openai_server.requests:  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
        await closed(llm)
        with pytest.raises(ClosedError):
            await asking

    asyncio.run(asked())
