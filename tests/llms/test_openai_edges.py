"""What the OpenAI providers do at the edges: event loops that end, secrets, odd answers, options that cannot be."""

from __future__ import annotations

import asyncio
import gc
import json
import traceback
from typing import Any
from unittest import mock

import pytest
from loopback import Answer
from openai_server import KEY, REASONING_MODEL, OpenAIServer, error

from mem0 import ConfigError, LLMError
from mem0.embeddings.openai import OpenAIEmbedding, OpenAIEmbeddingConfig
from mem0.exceptions import ClosedError
from mem0.llms.openai import OpenAILLM
from mem0.utils.factory import EmbedderFactory, LlmFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]
JSON = [{"role": "user", "content": "Answer in JSON: hello"}]


def made(server: OpenAIServer, **options: Any) -> OpenAILLM:
    llm: OpenAILLM = LlmFactory.create(
        "openai", {"api_key": KEY, "base_url": server.url, "max_retries": 0, "timeout": 20, **options}
    )
    return llm


# -- event loops (a connection left open is a ResourceWarning, which fails the test) ------------------


def test_event_loops_close_their_connections_when_they_end(openai_server: OpenAIServer) -> None:
    llm = made(openai_server)
    embedder = OpenAIEmbedding(api_key=KEY, base_url=openai_server.url)
    for _ in range(3):
        asyncio.run(llm.agenerate_response(HELLO))
        asyncio.run(embedder.aembed_batch(["tea"]))
        gc.collect()
    llm.close()
    embedder.close()
    del llm, embedder
    gc.collect()


def test_close_inside_an_event_loop(openai_server: OpenAIServer) -> None:
    async def used() -> None:
        llm = made(openai_server)
        await llm.agenerate_response(HELLO)
        llm.close()
        with pytest.raises(ClosedError):
            await llm.agenerate_response(HELLO)

    asyncio.run(used())
    gc.collect()


def test_closed_is_said_and_not_taken_for_a_broken_connection(openai_server: OpenAIServer) -> None:
    llm = made(openai_server)
    llm.close()
    llm.close()
    with pytest.raises(ClosedError):
        llm.generate_response(HELLO)


def test_a_patched_async_client_is_looked_up_when_it_is_used() -> None:
    async def create(**_: Any) -> mock.Mock:
        return mock.Mock(choices=[mock.Mock(message=mock.Mock(content="awaited"))])

    with mock.patch("mem0.llms.openai.OpenAI"), mock.patch("mem0.llms.openai.AsyncOpenAI") as patched:
        patched.return_value.chat.completions.create = create
        assert asyncio.run(OpenAILLM().agenerate_response(HELLO)) == "awaited"


# -- secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize("from_environment", [True, False])
def test_a_key_that_the_server_repeats_is_not_told(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, status: int, from_environment: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    openai_server.answers = [error(status, f"what is {KEY}?")]
    llm = made(openai_server, api_key=None if from_environment else KEY)
    with llm, pytest.raises(LLMError) as caught:
        llm.generate_response(HELLO)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_password_in_an_address_is_not_told(openai_server: OpenAIServer) -> None:
    openai_server.answers = [error(500, "oops")]
    with made(openai_server, base_url=openai_server.url.replace("//", "//me:hush@")) as llm:
        with pytest.raises(LLMError) as caught:
            llm.generate_response(HELLO)
        assert "hush" not in f"{llm!r} {llm.config!r} {caught.value}"


# -- odd messages and answers -----------------------------------------------------------------------


def test_lone_surrogates_are_replaced(openai_server: OpenAIServer) -> None:
    with made(openai_server) as llm:
        llm.generate_response([{"role": "user", "content": [{"type": "text", "text": "broken \ud83d"}]}])
    assert openai_server.requests[0].body["messages"][0]["content"][0]["text"] == "broken \ufffd"


def test_an_answer_that_is_no_json() -> None:
    with mock.patch("mem0.llms.openai.OpenAI") as patched:
        patched.return_value.chat.completions.create.side_effect = json.JSONDecodeError("no", "{", 1)
        with pytest.raises(LLMError, match="not what OpenAI's API answers, or was cut off: check base_url"):
            OpenAILLM().generate_response(HELLO)


def test_a_content_filter(openai_server: OpenAIServer) -> None:
    openai_server.content, openai_server.finish_reason = "half of", "content_filter"
    with made(openai_server) as llm, pytest.raises(LLMError, match="content filter") as caught:
        llm.generate_response(HELLO)
    assert not caught.value.retryable


def test_an_error_with_status_200(openai_server: OpenAIServer) -> None:
    openai_server.answers = [Answer(body={"error": {"message": "upstream is down", "code": 502}})]
    with made(openai_server) as llm, pytest.raises(LLMError, match="upstream is down"):
        llm.generate_response(HELLO)


@pytest.mark.parametrize(
    ("message", "left_out"),
    [
        ("temperature and top_p cannot both be specified for this model.", "temperature"),
        ("'response_format.type' must be 'json_schema' or 'text'", "response_format"),
    ],
)
def test_refusals_in_other_vendors_words(openai_server: OpenAIServer, message: str, left_out: str) -> None:
    openai_server.answers = [error(400, message)]
    with made(openai_server) as llm:
        llm.generate_response(JSON, response_format={"type": "json_object"})
    first, second = (request.body for request in openai_server.requests)
    assert {*first} - {*second} == {left_out}


def test_a_refusal_of_something_else_is_raised(openai_server: OpenAIServer) -> None:
    openai_server.answers = [error(400, "Pictures are not supported with this temperature.", param="messages[0]")]
    with made(openai_server) as llm, pytest.raises(LLMError, match="Pictures"):
        llm.generate_response(HELLO)
    assert len(openai_server.requests) == 1


def test_what_one_model_refuses_another_is_still_told(openai_server: OpenAIServer) -> None:
    with made(openai_server, model=REASONING_MODEL) as llm:
        llm.generate_response(HELLO)
        llm.model = "gpt-4o"
        llm.generate_response(HELLO)
    assert {"temperature", "max_tokens"} <= {*openai_server.requests[-1].body}


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"api_key": " "}, "this is empty"),
        ({"http_client_proxies": "no:with:secret"}, "is no address"),
        ({"http_client_proxies": {"ftp://": "http://secret"}}, "http://"),
        ({"model_kwargs": {"stream": True}}, "stream is set by the library"),
    ],
)
def test_what_cannot_be_is_refused(openai_server: OpenAIServer, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        made(openai_server, **options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("form", [str, lambda address: {"http://": address}, lambda address: {"all://": address}])
def test_a_proxy_is_asked_in_place_of_the_server(openai_server: OpenAIServer, form: Any) -> None:
    proxy = form(openai_server.url.removesuffix("/v1"))
    for _ in range(2):
        openai_server.answers.append(Answer(body=openai_server._chat({"model": "gpt-4o", "messages": HELLO}).body))
    with made(openai_server, base_url="http://server.invalid/v1", http_client_proxies=proxy) as llm:
        llm.generate_response(HELLO)
        asyncio.run(llm.agenerate_response(HELLO))
    assert [request.path for request in openai_server.requests] == ["http://server.invalid/v1/chat/completions"] * 2


def test_a_proxy_for_another_scheme_is_left_alone(openai_server: OpenAIServer) -> None:
    with made(openai_server, http_client_proxies={"https://": "http://127.0.0.1:9"}) as llm:
        assert llm.generate_response(HELLO)


def test_an_embedders_options_and_keywords_together(openai_server: OpenAIServer) -> None:
    config = OpenAIEmbeddingConfig(api_key=KEY, base_url=openai_server.url, model_kwargs={"user": "u"})
    with OpenAIEmbedding(config, embedding_dims=64) as embedder:
        assert len(embedder.embed("tea")) == embedder.dims == 64
    assert openai_server.requests[0].body["user"] == "u"
    with pytest.raises(ConfigError, match="input is set by the library"):
        EmbedderFactory.create("openai", {"api_key": KEY, "model_kwargs": {"input": "x"}})
