"""Chat models of LangChain, which the user has made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase, Message, options_of, report_tokens
from mem0.llms.shapes import (
    called,
    calls_of,
    checked,
    checked_tools,
    choice_of,
    json_instruction,
    parts_of,
    reading,
    unfenced,
    wants_json,
)
from mem0.wire.connection import cleaned
from mem0.wire.langchain import HINTS, OF_THE_MODEL, checked_model, may_await, name_of, named, translated

logger = logging.getLogger("mem0.llms")

# What published configurations have beside the model, out of habit.
_SAMPLING = ("temperature", "max_tokens", "top_p", "top_k")
_IGNORED = "The model object's own: accepted here, changes nothing, and a warning says so."


class LangChainLlmConfig(BaseLlmConfig, extra="forbid"):
    """Options of :class:`LangChainLLM`."""

    hints: ClassVar[dict[str, str]] = {**BaseLlmConfig.hints, **HINTS, "reasoning_effort": OF_THE_MODEL}

    model: Any = Field(
        default=None,
        validate_default=True,
        repr=False,  # keys may stand in it
        description="The chat model, an object such as `ChatOpenAI(model='gpt-4o')`; whatever has `invoke(messages)`.",
    )
    temperature: float | None = Field(default=None, ge=0, description=_IGNORED)
    max_tokens: int | None = Field(default=None, ge=1, description=_IGNORED)
    top_p: float | None = Field(default=None, gt=0, le=1, description=_IGNORED)
    top_k: int | None = Field(default=None, ge=1, description=_IGNORED)

    @field_validator("model")
    @classmethod
    def _is_one(cls, given: Any) -> Any:
        return checked_model(given, "invoke", "ChatOpenAI(model='gpt-4o')")


class LangChainLLM(LLMBase):
    """Asks a chat model of LangChain that was made before; as safe to share between threads as that is.

    JSON is asked for in words, since models differ in whether, and how, they can be told.  The model is not closed.

    Args:
        config: Its options, ``model`` among them.

    Raises:
        ConfigError: There is no model, or it is something else.

    Attributes:
        langchain_model: The model.
        model: Its name, where it has one.
    """

    options: ClassVar[type[BaseLlmConfig]] = LangChainLlmConfig

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: LangChainLlmConfig = options_of(config, LangChainLlmConfig)
        self.langchain_model = self.config.model
        self.model = name_of(self.langchain_model)
        passed_over = [name for name in _SAMPLING if getattr(self.config, name) is not None]
        if passed_over:
            logger.warning("llm 'langchain' config: %s changes nothing here: %s", ", ".join(passed_over), OF_THE_MODEL)

    def __repr__(self) -> str:
        return f"LangChainLLM(<{type(self.langchain_model).__name__}>, model={self.model!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        asked = _as_langchain_has_it(messages, response_format)
        with translated(LLMError, self.langchain_model):
            return self._read(self._with(tools, tool_choice).invoke(asked), response_format, bool(tools))

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting; in a thread where the model cannot be awaited."""
        if not may_await(self.langchain_model, "ainvoke"):
            return await asyncio.to_thread(self.generate_response, messages, response_format, tools, tool_choice)
        asked = _as_langchain_has_it(messages, response_format)
        with translated(LLMError, self.langchain_model):
            return self._read(await self._with(tools, tool_choice).ainvoke(asked), response_format, bool(tools))

    def _with(self, tools: Sequence[Mapping[str, Any]] | None, tool_choice: Any) -> Any:
        """Return the model with the tools that it may call."""
        mode, name = choice_of(tool_choice)
        if not tools or mode == "none":
            return self.langchain_model
        # It names the tool that must be called, and says `any` for any of them.
        choice = {} if mode == "auto" else {"tool_choice": name or "any"}
        bind: Any = getattr(self.langchain_model, "bind_tools", None)
        try:
            if bind is None:
                raise NotImplementedError
            return bind(checked_tools(tools), **choice)
        except NotImplementedError as error:  # which LangChain's own base class raises
            raise LLMError(
                f"{named(self.langchain_model)} takes no tools (it has no bind_tools): give a chat model that does, "
                "or ask without tools, as add_strategy='single_pass' does; nothing was stored"
            ) from error

    def _read(self, answer: Any, response_format: Mapping[str, Any] | None, with_tools: bool) -> Any:
        strange = f"{named(self.langchain_model)} answered no message: give the chat model itself, without a parser"
        with reading(strange):
            text = _text(answer if isinstance(answer, str) else answer.content)
            wanted = [
                called(call["name"], call["args"])
                for kind in ("tool_calls", "invalid_tool_calls")
                for call in (getattr(answer, kind, None) or () if with_tools else ())
            ]
        usage = getattr(answer, "usage_metadata", None) or {}
        report_tokens(usage.get("input_tokens"), usage.get("output_tokens"))
        if with_tools:
            return {"content": text or None, "tool_calls": wanted}
        return unfenced(text) if wants_json(response_format) else text


def _as_langchain_has_it(messages: list[Message], response_format: Mapping[str, Any] | None) -> list[Message]:
    """Return messages of OpenAI's shape as LangChain reads dicts, with a word on JSON where it is wanted."""
    told = [_message(message) for message in cleaned(checked(messages))]
    if not wants_json(response_format):
        return told
    # Into the first one: several from the system, or one further down, are more than some models take.
    instruction = json_instruction(response_format)
    if not told or told[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *told]
    content = told[0]["content"]
    if isinstance(content, str):
        content = f"{content}\n\n{instruction}"
    else:
        content = [*content, {"type": "text", "text": instruction}]
    return [{**told[0], "content": content}, *told[1:]]


def _message(message: Message) -> Message:
    # Only what it knows: of the rest LangChain would make arguments of its own classes.
    known = {name: message[name] for name in ("role", "name", "tool_call_id") if message.get(name) is not None}
    content = message.get("content") or ""
    known["content"] = content if isinstance(content, str) else parts_of(message)
    calls = [
        {"type": "tool_call", "id": call.id, "name": call.name, "args": call.arguments} for call in calls_of(message)
    ]
    return known | ({"tool_calls": calls} if calls else {})


def _text(content: Any) -> str:
    """Return the text of an answer, which may come in parts with thoughts among them.

    Raises:
        TypeError: It is none.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"content is text or a list of parts, not {type(content).__name__}")
    parts = parts_of({"content": content})
    return "".join(part["text"] for part in parts if part.get("type") == "text")
