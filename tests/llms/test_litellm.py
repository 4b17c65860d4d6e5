"""LiteLLM and its embedder, against a server on loopback; run where LiteLLM is installed (`.ci/run litellm`)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from openai_server import KEY, OpenAIServer, error

from mem0 import AsyncMemory, ConfigError, EmbeddingError, LLMError, Memory
from mem0.embeddings.litellm import LiteLLMEmbedding
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.exceptions import ClosedError
from mem0.llms.base import ask
from mem0.llms.litellm import LiteLLM
from mem0.testing import EmbedderContract, LLMContract
from mem0.utils.factory import EmbedderFactory, LlmFactory
from mem0.wire import retries

pytestmark = [
    pytest.mark.allow_hosts(["127.0.0.1"]),
    # LiteLLM's own habits, which are not ours to mend.
    pytest.mark.filterwarnings("default"),
]

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "add_memory", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST", 0.01)


@pytest.fixture
def server(openai_server: OpenAIServer) -> OpenAIServer:
    return openai_server


def made(server: OpenAIServer, **options: Any) -> LiteLLM:
    config = {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    llm: LiteLLM = LlmFactory.create("litellm", config)
    return llm


def embedder(server: OpenAIServer, **options: Any) -> LiteLLMEmbedding:
    config = {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    made: LiteLLMEmbedding = EmbedderFactory.create("litellm", config)
    return made


def blocking(llm: LiteLLM, *args: Any, **kwargs: Any) -> Any:
    return llm.generate_response(*args, **kwargs)


def awaited(llm: LiteLLM, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(llm.agenerate_response(*args, **kwargs))


both = pytest.mark.parametrize("generate", [blocking, awaited])


class TestLLM(LLMContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OpenAIServer) -> None:
        self.server = server

    def llm(self) -> LiteLLM:
        return made(self.server)


class TestEmbedder(EmbedderContract):
    @pytest.fixture(autouse=True)
    def started(self, server: OpenAIServer) -> None:
        self.server = server

    def embedder(self) -> LiteLLMEmbedding:
        return embedder(self.server)


@both
def test_text_and_tokens(server: OpenAIServer, generate: Any) -> None:
    server.content = "Hello, 你好"
    with made(server, headers={"X-Team": "memory"}) as llm:
        assert generate(llm, HELLO) == "Hello, 你好"
        assert ask(llm, HELLO).tokens.prompt == 120
    body = server.requests[0].body
    assert {name: body[name] for name in ("model", "messages", "max_tokens")} == {
        "model": "gpt-4o",
        "messages": HELLO,
        "max_tokens": 3000,
    }
    assert server.requests[0].headers["x-team"] == "memory"


@both
def test_json_mode_and_calls_of_tools(server: OpenAIServer, generate: Any) -> None:
    with made(server) as llm:
        generate(llm, [{"role": "user", "content": "JSON, please"}], response_format={"type": "json_object"})
        assert server.requests[-1].body["response_format"] == {"type": "json_object"}
        server.content = None
        server.message = {
            "tool_calls": [
                {"id": f"c{at}", "type": "function", "function": {"name": "add_memory", "arguments": arguments}}
                for at, arguments in enumerate(['{"data": "Likes tea"}', '{"data": '])
            ]
        }
        answer = generate(llm, HELLO, tools=TOOLS)
    assert [call["arguments"] for call in answer["tool_calls"]] == [{"data": "Likes tea"}, None]


@both
@pytest.mark.parametrize(
    ("answer", "status", "retryable", "told"),
    [
        (error(400, "This model's maximum context length is 8192 tokens"), 400, False, "too long for this model"),
        (
            error(401, f"Incorrect API key {KEY}"),
            401,
            False,
            "check api_key in the config, or the variable",
        ),
        (error(403, "Forbidden"), 403, False, "may not use it"),
        (error(404, "no such model"), 404, False, "no model 'gpt-4o'"),
        (error(429, "Rate limit reached"), 429, True, "too many requests"),
        (error(500, "The server had an error"), 500, True, "the server failed"),
        (error(503, "busy"), 503, True, "the server failed"),
    ],
)
def test_errors(server: OpenAIServer, generate: Any, answer: Answer, status: int, retryable: bool, told: str) -> None:
    server.answers = [answer]
    with made(server) as llm, pytest.raises(LLMError, match=told) as caught:
        generate(llm, HELLO)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert len(server.requests) == 1


@both
def test_a_connection_that_breaks_and_an_answer_that_is_late(server: OpenAIServer, generate: Any) -> None:
    for answer in (Answer(cut=True), Answer(body={"choices": [1] * 100}, cut="body")):
        server.answers = [answer]
        with made(server) as llm, pytest.raises(LLMError) as caught:
            generate(llm, HELLO)
        assert caught.value.retryable
    server.answers = [Answer(delay=1.0, body={})]
    with made(server, timeout=0.2) as llm, pytest.raises(LLMError, match="within the time-out") as caught:
        generate(llm, HELLO)
    assert caught.value.retryable


@both
def test_retries_are_bounded(server: OpenAIServer, generate: Any) -> None:
    with made(server, max_retries=2) as llm:
        server.answers = [error(429, "busy"), error(500, "oops")]
        assert generate(llm, HELLO) == '{"memory": []}'
        server.answers = [error(503, "busy")] * 6
        with pytest.raises(LLMError):
            generate(llm, HELLO)
    assert len(server.requests) == 6


@both
def test_what_a_server_asks_may_be_too_long_to_wait(server: OpenAIServer, generate: Any) -> None:
    server.answers = [error(429, "busy", retry_after="61")] * 3
    with made(server, max_retries=2) as llm, pytest.raises(LLMError, match="after 61 s") as caught:
        generate(llm, HELLO)
    assert caught.value.retryable
    assert len(server.requests) == 1


def test_models_of_nobody_and_keys_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with LiteLLM(LiteLLM.options(model="nobody/knows-this")) as llm, pytest.raises(LLMError, match="Provider"):
        llm.generate_response(HELLO)
    with LiteLLM() as llm, pytest.raises(LLMError, match="no key: give api_key in the config, or the var") as caught:
        llm.generate_response(HELLO)
    assert not caught.value.retryable


def test_embedding(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedder(server, batch_size=2, max_input_bytes=10) as made:
        vectors = made.embed_batch(["tea", "coffee", "0123456789abc"])
        assert vectors == asyncio.run(made.aembed_batch(["tea", "coffee", "0123456789abc"]))
        assert made.was_cut("0123456789abc")
        assert made.dims == 1536
    with LiteLLMEmbedding(api_key=KEY) as made:
        assert made.dims == 1536
    with monkeypatch.context() as patched:
        patched.setenv("OPENAI_BASE_URL", server.url)
        assert LiteLLMEmbedding(api_key=KEY).dims is None
    with embedder(server) as made:
        assert made.dims is None  # whose model it is that has this name, is not known
    assert [request.body["input"] for request in server.requests[:2]] == [["tea", "coffee"], ["0123456789"]]
    with embedder(server, embedding_dims=64) as made:
        assert len(made.embed("tea")) == 64
        server.answers = [Answer(body={"object": "list", "data": [], "model": "m", "usage": {}})]
        with pytest.raises(EmbeddingError, match="0 vectors for 1 text"):
            made.embed("tea")
        server.answers = [error(401, "no")]
        with pytest.raises(EmbeddingError, match="key was refused"):
            made.embed("tea")


def test_batches_keep_to_the_limits_of_the_models_vendor(server: OpenAIServer) -> None:
    server.models.add("mistral-embed")
    with embedder(server, model="mistral/mistral-embed") as made:
        made.embed_batch(["x" * 7_000] * 5)
    with embedder(server) as made:
        made.embed_batch(["x" * 7_000] * 50)
    assert [len(request.body["input"]) for request in server.requests] == [2, 2, 1, 42, 8]


def test_a_model_is_recorded_without_the_way_to_it(server: OpenAIServer) -> None:
    for model, recorded in (
        ("openai/text-embedding-3-small", "text-embedding-3-small"),
        ("together_ai/intfloat/multilingual-e5-large-instruct", "intfloat/multilingual-e5-large-instruct"),
        ("BAAI/bge-m3", "BAAI/bge-m3"),
    ):
        with embedder(server, model=model) as made:
            assert made.model == recorded
            assert model in repr(made)
    path = {"path": ":memory:"}
    with Memory(path, embedder=embedder(server, model="openai/text-embedding-3-small")) as m:
        m.add("likes tea", user_id="alice")
        m.embedding_model = OpenAIEmbedding(api_key=KEY, base_url=server.url)
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"
    assert server.requests[0].body["model"] == "text-embedding-3-small"


def test_the_embedders_module_is_patched_where_users_patch_it() -> None:
    with mock.patch("mem0.embeddings.litellm.litellm") as patched:
        patched.embedding.return_value = mock.Mock(data=[{"embedding": [0.5, 0.25]}])
        assert LiteLLMEmbedding().embed("tea") == [0.5, 0.25]


def test_options(server: OpenAIServer) -> None:
    with LlmFactory.create("litellm", {"api_key": KEY, "litellm_base_url": server.url}) as llm:
        assert llm.generate_response(HELLO)
        assert KEY not in f"{llm!r} {llm.config!r}"
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        made(server, temprature=1)
    with pytest.raises(ConfigError, match="set HTTPS_PROXY"):
        made(server, http_client_proxies="http://127.0.0.1:9")
    made(server, http_client_proxies=None).close()
    with pytest.raises(ClosedError):
        llm.generate_response(HELLO)


def test_the_module_is_patched_where_users_patch_it() -> None:
    with mock.patch("mem0.llms.litellm.litellm") as patched:
        answer = mock.Mock(choices=[mock.Mock(message=mock.Mock(content="patched"))])
        patched.completion.return_value = answer
        assert LiteLLM().generate_response(HELLO) == "patched"


def test_the_import_asks_nobody_and_leaves_the_environment_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://elsewhere.invalid\n")
    code = (
        "import os, socket\n"
        "def refuse(*_): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import mem0.llms.litellm\n"
        "assert not [name for name in os.environ if name.startswith('LITELLM') or name == 'OPENAI_BASE_URL']\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LITELLM", "OPENAI"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120, cwd=tmp_path)


def test_secrets_are_not_told(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    server.answers = [error(403, "sk-of-the-environment with X-Secret: of-a-header may not")]
    further = {"extra_headers": {"X-Secret": "of-a-header"}}
    with made(server, model_kwargs=further) as llm, pytest.raises(LLMError) as caught:
        llm.generate_response(HELLO)
    told = "".join(traceback.format_exception(caught.value))
    assert "sk-of-the-environment" not in told
    assert "of-a-header" not in told


def test_errors_print_nothing(server: OpenAIServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.answers = [error(403, "Forbidden")]
    with made(server) as llm, pytest.raises(LLMError):
        llm.generate_response(HELLO)
    with LiteLLM(LiteLLM.options(model="nobody/knows-this")) as llm, pytest.raises(LLMError):
        llm.generate_response(HELLO)
    assert capfd.readouterr().out == ""


def test_in_a_memory(server: OpenAIServer) -> None:
    server.content = '{"memory": [{"text": "Likes tea", "quote": "I like tea"}]}'
    part = {"provider": "litellm", "config": {"api_key": KEY, "base_url": server.url}}
    config = {"path": ":memory:", "llm": part, "embedder": part}
    with Memory(config) as m:
        assert m.add("I like tea", user_id="alice")[0]["memory"] == "Likes tea"

    async def used() -> None:
        async with AsyncMemory(config) as m:
            assert (await m.add("I like tea", user_id="alice"))[0]["event"] == "ADD"

    asyncio.run(used())
