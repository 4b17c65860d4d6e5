"""Anthropic's LLMs, through its SDK."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError, LLMResponseError
from mem0.llms import shapes
from mem0.llms.base import LLMBase, Message, options_of, report_tokens
from mem0.llms.shapes import Block, json_instruction, unfenced, wants_json
from mem0.wire.anthropic import AnthropicConnection
from mem0.wire.connection import without_ours
from mem0.wire.failures import shown_cause
from mem0.wire.retries import Patience
from mem0.wire.sdk import Line

# The API wants a limit; thinking counts, which recent models do unasked, so the library's usual 3,000 would cut them.
_MAX_TOKENS = 16_000

# How a reply is drawn.  Not arguments of the SDK since its second generation, but of the API for older models.
_SAMPLING = ("temperature", "top_p", "top_k")
_NOT_TAKEN = re.compile(
    r"deprecated|(?:not|n't) support|unsupported|not permitted|cannot both|only be set to|must be unset", re.IGNORECASE
)
# What the SDK raises for a request that may be worth another try.
_FAILED = (anthropic.APIError, json.JSONDecodeError)
_OURS = ("max_tokens", "messages", "model", "stream", "system", "thinking", "tool_choice", "tools", *_SAMPLING)


class AnthropicLlmConfig(AnthropicConnection, BaseLlmConfig, extra="forbid"):
    """Options of :class:`AnthropicLLM`."""

    temperature: float | None = Field(
        default=None, ge=0, description="How freely it chooses its words; models since Claude 4.7 take none."
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Share of probable tokens it chooses from; recent models take none."
    )
    top_k: int | None = Field(default=None, ge=1, description="Number of tokens it chooses from; as `top_p`.")
    max_tokens: int | None = Field(
        default=_MAX_TOKENS, ge=1, description="Length of a reply, in tokens; what the model thinks counts."
    )
    thinking: dict[str, Any] | None = Field(
        default=None, description="Whether it thinks first, such as `{'type': 'adaptive'}`. Default: the model's."
    )
    reasoning_effort: str | None = Field(
        default=None,
        description="How much work it puts into a reply, where its model can be told: `low`, `medium`, `high`, ... "
        "The API's `output_config.effort`.",
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # headers may stand in it
        description="Further arguments of each request, as the SDK's `messages.create` has them, such as "
        "`{'stop_sequences': ['END']}`; what the SDK does not know goes inside `extra_body`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = inspect.signature(anthropic.resources.Messages.create).parameters
        for name in without_ours(given, _OURS):
            if name not in known:
                raise ValueError(f"the SDK has no argument {name}; what only the API has goes inside extra_body")
        return given


class AnthropicLLM(LLMBase):
    """Asks Anthropic's Messages API; safe to share between threads.

    Sampling options that a model refuses (``top_p`` beside ``temperature``; recent ones take none at all) are
    learned from its answer and left out from then on.  JSON mode is an instruction in the system prompt.

    Args:
        config: Its options; the default model is ``claude-sonnet-5-5``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = AnthropicLlmConfig
    default_model: ClassVar[str] = "claude-sonnet-5-5"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: AnthropicLlmConfig = options_of(config, AnthropicLlmConfig)
        self.model = self.config.model or self.default_model
        self._line = Line(self.config, anthropic, Anthropic, lambda: AsyncAnthropic)
        self.client = self._line.client
        self._refused: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"AnthropicLLM(model={self.model!r}, base_url={self._line.where!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = self._request(messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model):
            patience = Patience(self.config.max_retries)
            while True:
                sent = self._with_extras(request)
                try:
                    return self._read(self.client.messages.create(**sent), response_format, tools)
                except anthropic.BadRequestError as error:
                    self._learn(error, sent)
                except _FAILED as error:
                    self._line.require_open()
                    time.sleep(self._pause_after(error, patience))
                self._line.require_open()

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        request = self._request(messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model):
            client = await self._line.here()
            patience = Patience(self.config.max_retries)
            while True:
                sent = self._with_extras(request)
                try:
                    return self._read(await client.messages.create(**sent), response_format, tools)
                except anthropic.BadRequestError as error:
                    self._learn(error, sent)
                except _FAILED as error:
                    self._line.require_open(client)
                    await asyncio.sleep(self._pause_after(error, patience))
                self._line.require_open(client)

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _pause_after(self, error: Exception, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error of ours where none is to follow."""
        failed, cause = self._line.told(error, LLMError, self.model), shown_cause(error, self._line.hidden)
        headers = getattr(getattr(error, "response", None), "headers", {})
        if headers.get("x-should-retry") == "false":
            raise failed from cause
        return patience.after(failed, cause, headers.get("retry-after"))

    def _request(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        tool_choice: Any,
    ) -> dict[str, Any]:
        config = self.config
        system, turns = conversation(messages)
        if wants_json(response_format):
            system.append(json_instruction(response_format))
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": config.max_tokens or _MAX_TOKENS,
            "system": "\n\n".join(system) or None,
            "messages": turns,
            "thinking": config.thinking,
        }
        if tools:
            request |= {
                "tools": [_tool(tool) for tool in shapes.checked_tools(tools)],
                "tool_choice": _choice(tool_choice),
            }
        return {name: value for name, value in request.items() if value is not None} | config.model_kwargs

    def _with_extras(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with what not every version of the SDK has as arguments.

        Of the sampling options that is what its model takes.
        """
        refused = self._refused.get(request["model"], ())
        extras = {name: getattr(self.config, name) for name in _SAMPLING if name not in refused}
        body = {name: value for name, value in extras.items() if value is not None} | request.get("extra_body", {})
        if self.config.reasoning_effort is not None:
            given = {**request.get("output_config", {}), **body.get("output_config", {})}
            body["output_config"] = {"effort": self.config.reasoning_effort, **given}
        return request | ({"extra_body": body} if body else {})

    def _learn(self, error: anthropic.BadRequestError, sent: Mapping[str, Any]) -> None:
        """Note the sampling options that a request was refused for; raise the error where it is none of those."""
        message = str(error)
        insisted = self.config.model_kwargs.get("extra_body", {})
        dispensable = [name for name in _SAMPLING if name in sent.get("extra_body", {}) and name not in insisted]
        named = [name for name in dispensable if name in message]
        if not named or not _NOT_TAKEN.search(message):
            raise error
        # Of two that exclude each other the first is kept: what most people set is the temperature.
        self._refused.setdefault(sent["model"], set()).update(named[1:] or named)

    def _read(self, response: Any, response_format: Mapping[str, Any] | None, tools: Sequence[Any] | None) -> Any:
        named = self._line.named(self.model)
        strange = f"{named}: it did not answer as Anthropic's API does; check base_url"
        if isinstance(response, str):
            raise LLMResponseError(f"{strange}; nothing was stored", reply=response)
        with shapes.reading(strange):
            if not isinstance(response.content, list):
                raise TypeError(f"content is a list, not {type(response.content).__name__}")
            # Any other block, such as its thinking, is not part of the answer.
            text = "".join(block.text or "" for block in response.content if block.type == "text")
            wanted = [block for block in response.content if block.type == "tool_use"]
            calls = [shapes.called(block.name, block.input) for block in wanted]
            reason = response.stop_reason
        usage = getattr(response, "usage", None)
        read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        counts = [getattr(usage, name, None) for name in read]
        report_tokens(sum(count for count in counts if isinstance(count, int)), getattr(usage, "output_tokens", None))
        if reason == "refusal":
            raise LLMResponseError(f"{named}: it refused to answer; nothing was stored", reply=text or None)
        if reason == "max_tokens" and not text and not calls:
            raise shapes.used_up(named)
        if tools:
            return {"content": text or None, "tool_calls": calls}
        return unfenced(text) if wants_json(response_format) else text


# -- from OpenAI's shapes to Anthropic's -----------------------------------------------------------


def conversation(messages: Sequence[Message]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return what the system says, and the turns: alternating, beginning with the user.

    Raises:
        LLMError: A message has another shape than OpenAI's.
    """
    system, turns = shapes.conversation(messages, _blocks)
    said = [block["text"] for block in system if block["type"] == "text"]
    return said, [{"role": turn.role, "content": _short(turn.blocks)} for turn in turns]


def _short(blocks: list[Block]) -> str | list[Block]:
    only_text = len(blocks) == 1 and set(blocks[0]) == {"type", "text"}
    return blocks[0]["text"] if only_text else blocks


def _blocks(message: Message) -> list[Block]:
    blocks = [block for part in shapes.parts_of(message) if (block := _block(part)) is not None]
    if message["role"] == "tool":
        return [{"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": _short(blocks)}]
    for call in shapes.calls_of(message):
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    return blocks


def _block(part: Block) -> Block | None:
    if part["type"] == "text":
        return part if part["text"].strip() else None  # the API refuses blank ones
    if part["type"] != "image_url":
        return part  # a block of the API's own
    picture = shapes.picture_of(part)
    if picture.base64 is None:
        return {"type": "image", "source": {"type": "url", "url": picture.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": picture.kind, "data": picture.base64}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)  # a tool of the API's own
    described = {"description": function["description"]} if function.get("description") else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function["name"], **described, "input_schema": schema}


def _choice(tool_choice: Any) -> dict[str, Any]:
    if isinstance(tool_choice, Mapping) and tool_choice.get("type") in ("any", "auto", "none", "tool"):
        return dict(tool_choice)  # the API's own
    mode, name = shapes.choice_of(tool_choice)
    return {"type": "tool", "name": name} if name else {"type": "any" if mode == "required" else mode}
