"""Messages of odd shapes, which each vendor with shapes of its own refuses in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mem0 import LLMError, LLMResponseError
from mem0.llms import anthropic, aws_bedrock, gemini, shapes

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


def test_lone_surrogates_in_arguments_are_replaced() -> None:
    (call,) = shapes.calls_of({"role": "assistant", "tool_calls": [CALL]})
    assert call == ("c1", "f", {"a": "\ufffd"})


def test_an_answer_of_another_shape_is_told_with_its_cause() -> None:
    told = pytest.raises(LLMResponseError, match="^it said something else; nothing was stored$")
    with told as caught, shapes.reading("it said something else"):
        shapes.called(None, {})
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, TypeError)
