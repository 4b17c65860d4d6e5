"""An LLM without a model: it answers what it was told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase, report_tokens

#: Text; what stands for JSON; a reply with ``tool_calls``; or an error to be raised.
ScriptedReply: TypeAlias = str | Mapping[str, Any] | list[Any] | BaseException | type[BaseException]


class LLMCall(NamedTuple):
    """One call of an LLM.

    Attributes:
        messages: What it was asked.
        response_format: As it was given.
        tools: As they were given.
    """

    messages: list[dict[str, Any]]
    response_format: Mapping[str, Any] | None
    tools: Sequence[Mapping[str, Any]] | None

    @property
    def prompt(self) -> str:
        """All of its text, the system's and the user's."""
        return "\n".join(str(message.get("content")) for message in self.messages)


class ScriptedLLM(LLMBase):
    """Answers from a list, one reply after another, or what a function of the messages returns.

        ScriptedLLM([{"memory": [{"event": "ADD", "text": "Likes tea"}]}])
        ScriptedLLM(lambda messages: {"memory": []})
        ScriptedLLM([ConnectionError, {"memory": []}])       # fails once, then finds nothing
        ScriptedLLM([{"tool_calls": [{"name": "add_memory", "arguments": {"data": "Likes tea"}}]}])

    Text is answered as it is, a dict or a list as JSON, and a dict with ``tool_calls`` as an LLM that was
    given tools does; an exception is raised.

    Args:
        replies: The replies; asked once more than there are, it raises.  Default: always "nothing to remember".
        delay: Seconds that each call takes.
        enable_vision: Whether pictures are handed to it to be described.
        tokens: What each call reports to have cost: of the prompt, of the reply.

    Attributes:
        calls: Every call so far, as :class:`LLMCall`; may be cleared.
    """

    def __init__(
        self,
        replies: Sequence[ScriptedReply] | Callable[[list[dict[str, Any]]], ScriptedReply] | None = None,
        *,
        delay: float = 0.0,
        enable_vision: bool = False,
        tokens: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(BaseLlmConfig(enable_vision=enable_vision))
        self.replies: Sequence[ScriptedReply] | Callable[[list[dict[str, Any]]], ScriptedReply] = (
            (lambda _messages: {"memory": []}) if replies is None else replies
        )
        self.delay = delay
        self.tokens = tokens
        self.calls: list[LLMCall] = []
        self._lock = threading.Lock()
        self._answered = 0

    def __repr__(self) -> str:
        return f"ScriptedLLM({len(self.calls)} calls so far)"

    def generate_response(
        self,
        messages: list[dict[str, Any]],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        with self._lock:
            self.calls.append(LLMCall(messages, response_format, tools))
            number, self._answered = self._answered, self._answered + 1
        if self.delay:
            time.sleep(self.delay)
        reply = self._reply(number, messages)
        if isinstance(reply, type):
            raise reply("fails on purpose")
        if isinstance(reply, BaseException):
            raise reply
        report_tokens(*self.tokens)
        if isinstance(reply, Mapping) and "tool_calls" in reply:
            return {"content": None, **reply}
        text = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)
        return {"content": text, "tool_calls": []} if tools else text

    def _reply(self, number: int, messages: list[dict[str, Any]]) -> ScriptedReply:
        if callable(self.replies):
            return self.replies(messages)
        if number >= len(self.replies):
            raise LLMError(f"ScriptedLLM has {len(self.replies)} replies and was called {number + 1} times")
        return self.replies[number]
