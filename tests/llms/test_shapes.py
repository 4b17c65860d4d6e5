"""Messages of odd shapes, which each vendor with shapes of its own refuses in the same words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from mem0 import ConfigError, EmbeddingError, LLMError, LLMResponseError
from mem0.llms import anthropic, aws_bedrock, gemini, shapes
from mem0.utils.factory import EmbedderFactory, LlmFactory

HELLO = {"role": "user", "content": "Hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "\\ud83d"}'}}

ODD = [
    ("Hello", "messages: a list of dicts is wanted, not str"),
    (None, "messages: a list of dicts is wanted, not NoneType"),
    ([HELLO, "Hello"], r"messages\[1\] is str, and a dict is wanted"),
    ([HELLO, {"content": "Hello"}], r"messages\[1\] has no role"),
    ([{"role": None, "content": "Hello"}], r"messages\[0\] has no role"),
    ([{"role": "user", "content": 5}], r"messages\[0\]\['content'\] is int; text or a list of parts is wanted"),
    ([{"role": "user", "content": {"type": "text", "text": "x"}}], r"\['content'\] is dict"),
    ([{"role": "user", "content": ["x", None]}], r"\['content'\]\[1\] is NoneType, and text or a dict is wanted"),
    ([{"role": "user", "content": [{"type": "text"}]}], r"\['content'\]\[0\] has the type 'text', and no text"),
    ([{"role": "user", "content": [{"type": "text", "text": None}]}], "has the type 'text', and no text"),
    ([{"role": "user", "content": [{"type": "image_url"}]}], "has the type 'image_url', and no address"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"detail": "low"}}]}], "and no address"),
    ([{"role": "user", "content": [{"text": "x"}]}], r"\['content'\]\[0\] has no type"),
    ([{"role": "assistant", "tool_calls": [{"id": "c1"}]}], r"messages\[0\]\['tool_calls'\]\[0\] names no function"),
    ([{"role": "assistant", "tool_calls": [CALL, {"function": {"name": None}}]}], r"\[1\] names no function"),
    ([{"role": "assistant", "tool_calls": 5}], "names no function"),
]
Conversation = Callable[[Any], Any]


@pytest.mark.parametrize("conversation", [anthropic.conversation, gemini.conversation, aws_bedrock.conversation])
@pytest.mark.parametrize(("messages", "told"), ODD)
def test_odd_messages_are_refused_by_name(conversation: Conversation, messages: Any, told: str) -> None:
    with pytest.raises(LLMError, match=told) as caught:
        conversation(messages)
    assert not caught.value.retryable


@pytest.mark.parametrize("conversation", [anthropic.conversation, gemini.conversation, aws_bedrock.conversation])
def test_what_has_no_words_is_no_turn(conversation: Conversation) -> None:
    empty: list[dict[str, Any]] = [
        {"role": "user"},
        {"role": "user", "content": None, "tool_calls": None},
        {"role": "user", "content": []},
        {"role": "user", "content": ""},
    ]
    assert conversation([*empty, HELLO, *empty]) == conversation([HELLO])


# -- what cannot be sent, which nobody is asked: no host is allowed here ------------------------------

NOWHERE = {"base_url": "http://127.0.0.1:9", "api_key": "key-0123456789"}
PROVIDERS: dict[str, dict[str, Any]] = {
    "anthropic": NOWHERE,
    "aws_bedrock": {"api_key": "key-0123456789", "region": "us-east-1"},
    "gemini": NOWHERE,
    "ollama": NOWHERE,
    "openai": NOWHERE,
}
FUNCTION = {"type": "function", "function": {"name": "f"}}
NO_JSON = {"type": "object", "enum": {1, 2}}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("tools", "told"),
    [
        (["f"], r"tools\[0\] is str, and a dict is wanted"),
        ([FUNCTION, {"type": "function", "function": {}}], r"tools\[1\] names no function"),
        ([{"type": "function", "function": "f"}], r"tools\[0\] names no function"),
        (
            [{"type": "function", "function": {"name": "f", "parameters": NO_JSON}}],
            r"tools\[0\] cannot be written as JSON",
        ),
    ],
)
def test_odd_tools_are_refused_by_name(provider: str, tools: Any, told: str) -> None:
    with LlmFactory.create(provider, PROVIDERS[provider]) as llm, pytest.raises(LLMError, match=told) as caught:
        llm.generate_response([HELLO], tools=tools)
    assert not caught.value.retryable


@pytest.mark.parametrize("provider", ["anthropic", "aws_bedrock", "gemini"])
@pytest.mark.parametrize("choice", ["sometimes", {"type": "function"}, {"type": "function", "function": {}}, 5])
def test_odd_choices_of_tools_are_refused(provider: str, choice: Any) -> None:
    with LlmFactory.create(provider, PROVIDERS[provider]) as llm, pytest.raises(LLMError, match="expected 'auto'"):
        llm.generate_response([HELLO], tools=[FUNCTION], tool_choice=choice)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_schemas_of_replies_that_are_no_json(provider: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": NO_JSON}}
    told = pytest.raises(LLMError, match="response_format cannot be written as JSON")
    with LlmFactory.create(provider, PROVIDERS[provider]) as llm, told:
        llm.generate_response([HELLO], response_format=wanted)


def test_what_an_sdk_takes_for_no_options() -> None:
    with LlmFactory.create("gemini", NOWHERE) as llm, pytest.raises(LLMError, match="tools.*cannot be sent") as caught:
        llm.generate_response([HELLO], tools=[{"google_search": 5}])
    assert not caught.value.retryable
    ollama = LlmFactory.create("ollama", NOWHERE)
    with ollama as llm, pytest.raises(LLMError, match=r"tools\[0\]: function.description cannot be sent"):
        llm.generate_response([HELLO], tools=[{"type": "function", "function": {"name": "f", "description": 5}}])
    imported = {**PROVIDERS["aws_bedrock"], "api": "invoke_model", "model_kwargs": {"stop": {"END"}}}
    with LlmFactory.create("aws_bedrock", imported) as llm, pytest.raises(LLMError, match="cannot be written as JSON"):
        llm.generate_response([HELLO])
    embedder = EmbedderFactory.create("gemini", {**NOWHERE, "model_kwargs": {"task_type": math.pi}})
    with embedder as made, pytest.raises(EmbeddingError, match="task_type cannot be sent"):
        made.embed("tea")
    with pytest.raises(ConfigError, match="num_ctx cannot be sent"):
        LlmFactory.create("ollama", {**NOWHERE, "model_kwargs": {"num_ctx": "many"}})


def test_lone_surrogates_in_arguments_are_replaced() -> None:
    (call,) = shapes.calls_of({"role": "assistant", "tool_calls": [CALL]})
    assert call == ("c1", "f", {"a": "\ufffd"})


def test_an_answer_of_another_shape_is_told_with_its_cause() -> None:
    told = pytest.raises(LLMResponseError, match="^it said something else; nothing was stored$")
    with told as caught, shapes.reading("it said something else"):
        shapes.called(None, {})
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, TypeError)
