"""LLMs of an Ollama server, through its SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import ollama
from ollama import AsyncClient, Client
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase, Message, options_of, read_arguments, report_tokens
from mem0.llms.shapes import Picture, checked, checked_tools, parts_of, picture_of, schema_of, used_up, wants_json
from mem0.wire.connection import cleaned, unfit, without_ours
from mem0.wire.ollama import OllamaConnection, OllamaLine


class OllamaLlmConfig(OllamaConnection, BaseLlmConfig, extra="forbid"):
    """Options of :class:`OllamaLLM`."""

    top_k: int | None = Field(default=None, ge=1, description="Number of tokens it chooses from. Default: the model's.")
    think: bool | str | None = Field(
        default=None, description="Whether a reasoning model thinks before it answers, or how long: `low`, `high`."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of the model, as Ollama has them: `num_ctx`, `seed`, `stop`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in without_ours(given, ("num_predict", "temperature", "top_k", "top_p")):
            if name not in ollama.Options.model_fields:
                raise ValueError(f"Ollama has no option {name}; it has num_ctx, seed, stop and others")
        problem = unfit(ollama.Options, given)
        if problem:
            raise ValueError(problem)
        return given


class OllamaLLM(LLMBase):
    """Asks a model of an Ollama server; safe to share between threads.

    Ollama cannot be told that a tool must be called: ``tool_choice`` other than ``"none"`` is ``"auto"`` there.

    Args:
        config: Its options; the default model is ``llama3``.

    Raises:
        ConfigError: The address cannot be used.
    """

    options: ClassVar[type[BaseLlmConfig]] = OllamaLlmConfig
    default_model: ClassVar[str] = "llama3"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: OllamaLlmConfig = options_of(config, OllamaLlmConfig)
        self.model = self.config.model or self.default_model
        self._line = OllamaLine(self.config, Client, lambda: AsyncClient)
        self.client = self._line.client

    def __repr__(self) -> str:
        return f"OllamaLLM(model={self.model!r}, base_url={self._line.where!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = self._request(messages, response_format, tools, tool_choice)
        return self._read(self._line.call(LLMError, "chat", request), bool(tools))

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        request = self._request(messages, response_format, tools, tool_choice)
        return self._read(await self._line.acall(LLMError, "chat", request), bool(tools))

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _request(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        tool_choice: Any,
    ) -> dict[str, Any]:
        config = self.config
        options = {
            "temperature": config.temperature,
            "num_predict": config.max_tokens,
            "top_p": config.top_p,
            "top_k": config.top_k,
        }
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [_as_ollama_has_it(message) for message in cleaned(checked(messages))],
            "options": {name: value for name, value in options.items() if value is not None} | config.model_kwargs,
        }
        if wants_json(response_format):
            request["format"] = schema_of(response_format) or "json"
        if tools and tool_choice != "none":
            request["tools"] = checked_tools(tools)
            for at, tool in enumerate(request["tools"]):
                problem = unfit(ollama.Tool, tool)
                if problem:
                    raise LLMError(f"tools[{at}]: {problem}; nothing was sent")
        for name in ("think", "keep_alive"):
            if getattr(config, name) is not None:
                request[name] = getattr(config, name)
        return request

    def _read(self, response: Any, with_tools: bool) -> Any:
        report_tokens(_of(response, "prompt_eval_count"), _of(response, "eval_count"))
        message = _of(response, "message")
        content, wanted = _of(message, "content"), _of(message, "tool_calls")
        if _of(response, "done_reason") == "length" and not content and not wanted:
            raise used_up(self._line.named(self.model))
        if not with_tools:
            return content or ""
        return {
            "content": content,
            "tool_calls": [
                {"name": _of(function, "name"), "arguments": read_arguments(_of(function, "arguments"))}
                for function in (_of(call, "function") for call in wanted or ())
            ],
        }


def _of(part: Any, name: str) -> Any:
    """Return what a part of an answer has under a name: of the SDK's own, or of a dict, as doubles answer."""
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def _as_ollama_has_it(message: Message) -> dict[str, Any]:
    """Return a message of OpenAI's shape in Ollama's: one text, pictures beside it, arguments as objects."""
    names = ("role", "content", "tool_calls", "tool_name")
    known = {name: message[name] for name in names if message.get(name) is not None}
    if isinstance(known.get("content"), list):
        parts = parts_of(message)
        for part in parts:
            if part["type"] not in ("text", "image_url"):
                raise LLMError(f"Ollama takes text and pictures, and a message holds {part['type']!r}; leave it out")
        known["content"] = "\n".join(part["text"] for part in parts if part["type"] == "text")
        pictures = [_base64(picture_of(part)) for part in parts if part["type"] == "image_url"]
        if pictures:
            known["images"] = pictures
    if "tool_calls" in known:
        known["tool_calls"] = [
            {"function": {**call["function"], "arguments": read_arguments(call["function"].get("arguments")) or {}}}
            for call in known["tool_calls"]
        ]
    return known


def _base64(picture: Picture) -> str:
    if picture.base64 is None:
        raise LLMError(
            "Ollama looks at pictures that are handed to it, not at addresses: give them as data:image/...;base64,...; "
            "nothing was stored"
        )
    return picture.base64
