"""The LLM for tests, and the telemetry: what they say of themselves, and what the contract of LLMs notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from mem0 import LLMError, LLMResponseError
from mem0.llms.base import LLMBase, ask
from mem0.testing import LLMContract, RecordingTelemetry, ScriptedLLM

HELLO = [{"role": "user", "content": "hello"}]


class TestScriptedLLM(LLMContract):
    def llm(self) -> ScriptedLLM:
        return ScriptedLLM()


class TestReplies:
    def test_one_after_another_in_every_form(self) -> None:
        called = {"tool_calls": [{"name": "add_memory", "arguments": {"data": "x"}}]}
        llm = ScriptedLLM(["text", {"memory": []}, ["ä"], called])
        assert [llm.generate_response(HELLO) for _ in range(3)] == ["text", '{"memory": []}', '["ä"]']
        assert llm.generate_response(HELLO, tools=[{}]) == {"content": None, **called}

    @pytest.mark.parametrize("error", [ConnectionError, ConnectionError("gone")])
    def test_failures_are_raised(self, error: Any) -> None:
        llm = ScriptedLLM([error, "better"])
        with pytest.raises(ConnectionError):
            llm.generate_response(HELLO)
        assert llm.generate_response(HELLO) == "better"

    def test_a_function_of_the_messages(self) -> None:
        llm = ScriptedLLM(lambda messages: messages[-1]["content"].upper())
        assert llm.generate_response(HELLO) == "HELLO"

    def test_once_more_than_there_are_replies(self) -> None:
        llm = ScriptedLLM(["one"])
        llm.generate_response(HELLO)
        with pytest.raises(LLMError, match="has 1 replies and was called 2 times"):
            llm.generate_response(HELLO)

    def test_calls_and_tokens(self) -> None:
        llm = ScriptedLLM(tokens=(7, 2))
        reply = ask(llm, HELLO, json_reply=True)
        assert (reply.tokens.prompt, reply.tokens.completion) == (7, 2)
        (call,) = llm.calls
        assert (call.prompt, call.response_format, call.tools) == ("hello", {"type": "json_object"}, None)
        assert "hello" not in repr(llm)


def answers(text: Any = "hello", with_tools: Any = None) -> Callable[[], LLMBase]:
    class Answering(LLMBase):
        def generate_response(
            self, messages: Any, response_format: Any = None, tools: Any = None, tool_choice: Any = "auto"
        ) -> Any:
            if tools:
                return {"content": text, "tool_calls": []} if with_tools is None else with_tools
            return text if not response_format or not isinstance(text, str) else json.dumps({"said": text})

    return Answering


class Greedy(answers()):  # type: ignore[misc]
    def generate_response(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        messages.append({"role": "assistant", "content": "hi"})
        return super().generate_response(messages, *args, **kwargs)


class AwaitedByNameOnly(answers()):  # type: ignore[misc]
    def agenerate_response(self, *args: Any, **kwargs: Any) -> Any:
        return self.generate_response(*args, **kwargs)


class AwaitedWithoutTools(answers()):  # type: ignore[misc]
    async def agenerate_response(self, messages: Any, response_format: Any = None, tools: Any = None) -> Any:
        return self.generate_response(messages, response_format)


class AwaitedWithoutJSON(answers()):  # type: ignore[misc]
    async def agenerate_response(self, messages: Any, response_format: Any = None, tools: Any = None) -> Any:
        return self.generate_response(messages, tools=tools)


class LaxOptions(BaseModel):
    model: str = "any"


class TakesUnknownOptions(answers()):  # type: ignore[misc]
    options = LaxOptions


AWAITED = "test_it_can_be_awaited_from_one_event_loop_after_another"


@pytest.mark.parametrize(
    ("made", "test", "told"),
    [
        (answers(text={"a": 1}), "test_messages_are_answered_with_text", "returned dict, not text"),
        (answers(text=None), "test_json_is_answered_with_json", "returned NoneType, not text"),
        (answers(with_tools="text"), "test_with_tools_the_answer_is_a_dict", "returned str, not a dict"),
        (answers(with_tools={"content": 5}), "test_with_tools_the_answer_is_a_dict", "content is int"),
        (
            answers(with_tools={"tool_calls": [{"name": "f", "arguments": "{}"}]}),
            "test_with_tools_the_answer_is_a_dict",
            "arguments are str",
        ),
        (answers(with_tools={"content": "text"}), "test_with_tools_the_answer_is_a_dict", "tool_calls is NoneType"),
        (answers(with_tools={"tool_calls": ["f"]}), "test_with_tools_the_answer_is_a_dict", "a tool call is str"),
        (AwaitedByNameOnly, AWAITED, "agenerate_response cannot be awaited; write it with async def"),
        (AwaitedWithoutTools, AWAITED, "with tools it returned str"),
        (AwaitedWithoutJSON, AWAITED, "'hello', which is no JSON"),
        (TakesUnknownOptions, "test_unknown_options_are_refused", "LaxOptions passes over keys"),
        (Greedy, "test_arguments_stay_as_they_are", "the messages were changed"),
        (answers(text=5), "test_threads_may_share_it", "an answer is no text"),
    ],
)
def test_the_contract_notices(made: Callable[[], LLMBase], test: str, told: str) -> None:
    class Contract(LLMContract):
        def llm(self) -> LLMBase:
            return made()

    with pytest.raises(AssertionError, match=told):
        getattr(Contract(), test)()


def test_an_llm_that_keeps_the_contract() -> None:
    class Contract(LLMContract):
        def llm(self) -> LLMBase:
            return answers()()

    for name in [name for name in dir(LLMContract) if name.startswith("test_")]:
        getattr(Contract(), name)()


def test_a_fake_that_answers_what_is_no_json() -> None:
    circular: list[Any] = []
    circular.append(circular)
    for odd in (circular, {("a", "b"): 1}):
        with pytest.raises(LLMResponseError, match="no JSON"):
            ask(answers(text=odd)(), HELLO)


def test_telemetry_keeps_what_it_is_told() -> None:
    telemetry = RecordingTelemetry()
    telemetry.capture_event("mem0.add", {"results": 1})
    assert telemetry.events == [("mem0.add", {"results": 1})]
    assert repr(telemetry) == "RecordingTelemetry(1 events)"
