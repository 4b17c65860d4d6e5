"""What every LLM must do, as tests to be inherited."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from mem0.llms.base import LLMBase, is_awaitable
from mem0.testing.contracts.checks import check_coroutines, check_options, in_two_event_loops

_HELLO: list[dict[str, Any]] = [
    {"role": "system", "content": "You are a friendly assistant."},
    {"role": "user", "content": "Say hello. 你好, Grüße 👋"},
]
_JSON: list[dict[str, Any]] = [
    {"role": "system", "content": "Answer with a JSON object."},
    {"role": "user", "content": "Which colours has the flag of Portugal?"},
]
_OBJECT = {"type": "json_object"}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add_memory",
            "description": "Add a new memory.",
            "parameters": {
                "type": "object",
                "properties": {"data": {"type": "string", "description": "The memory."}},
                "required": ["data"],
            },
        },
    }
]


class LLMContract(ABC):
    """Tests that every LLM passes; inherit them and say how yours is made.

    class TestMyLLM(LLMContract):
        def llm(self) -> MyLLM:
            return MyLLM()

    It is asked for text, for JSON, and with a tool; behind it may be a model or a server made for tests.
    """

    @abstractmethod
    def llm(self) -> LLMBase:
        """Return a new LLM; each test asks for one, and closes it."""

    def test_unknown_options_are_refused(self) -> None:
        with closing(self.llm()) as llm:
            check_options(llm)

    def test_messages_are_answered_with_text(self) -> None:
        with closing(self.llm()) as llm:
            answer = llm.generate_response(_messages(_HELLO))
            assert isinstance(answer, str), f"generate_response(messages) returned {type(answer).__name__}, not text"

    def test_json_is_answered_with_json(self) -> None:
        with closing(self.llm()) as llm:
            _check_json(llm.generate_response(_messages(_JSON), response_format=_OBJECT))

    def test_with_tools_the_answer_is_a_dict(self) -> None:
        with closing(self.llm()) as llm:
            _check_tool_answer(llm.generate_response(_messages(_HELLO), tools=_TOOLS))
            _check_tool_answer(llm.generate_response(_messages(_HELLO), tools=_TOOLS, tool_choice="auto"))

    def test_arguments_stay_as_they_are(self) -> None:
        messages, tools = _messages(_HELLO), json.loads(json.dumps(_TOOLS))
        with closing(self.llm()) as llm:
            llm.generate_response(messages, tools=tools)
        assert messages == _HELLO, "the messages were changed"
        assert tools == _TOOLS, "the tools were changed"

    def test_threads_may_share_it(self) -> None:
        with closing(self.llm()) as llm, ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: llm.generate_response(_messages(_HELLO)), range(8)))
            assert all(isinstance(answer, str) for answer in answers), "an answer is no text"

    def test_it_can_be_awaited_from_one_event_loop_after_another(self) -> None:
        with closing(self.llm()) as llm:
            check_coroutines(llm, "agenerate_response", "aclose")
            if not is_awaitable(llm):
                return  # AsyncMemory uses a thread

            awaited: Any = llm

            async def asked() -> list[Any]:
                _check_json(await awaited.agenerate_response(_messages(_JSON), response_format=_OBJECT))
                _check_tool_answer(await awaited.agenerate_response(_messages(_HELLO), tools=_TOOLS))
                return await asyncio.gather(*(awaited.agenerate_response(_messages(_HELLO)) for _ in range(3)))

            for answers in in_two_event_loops(llm, asked):
                assert all(isinstance(answer, str) for answer in answers), "an awaited answer is no text"

    def test_closing_twice_does_nothing(self) -> None:
        llm = self.llm()
        llm.close()
        llm.close()


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(message) for message in messages]


def _check_json(answer: Any) -> None:
    assert isinstance(answer, str), f"with response_format it returned {type(answer).__name__}, not text"
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise AssertionError(f"with response_format it returned {answer[:80]!r}, which is no JSON: {error}") from error
    assert isinstance(found, (dict, list)), f"{answer[:80]!r} is no JSON object"


def _check_tool_answer(answer: Any) -> None:
    assert isinstance(answer, Mapping), f"with tools it returned {type(answer).__name__}, not a dict"
    content = answer.get("content")
    assert content is None or isinstance(content, str), f"content is {type(content).__name__}, not text or None"
    calls = answer.get("tool_calls")
    assert isinstance(calls, list), f"tool_calls is {type(calls).__name__}, not a list"
    for call in calls:
        assert isinstance(call, Mapping), f"a tool call is {type(call).__name__}, not a dict"
        assert isinstance(call.get("name"), str), f"a tool call has the name {call.get('name')!r}"
        arguments = call.get("arguments")
        assert arguments is None or isinstance(arguments, dict), f"arguments are {type(arguments).__name__}, no dict"
