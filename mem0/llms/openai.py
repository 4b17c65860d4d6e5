"""OpenAI's LLMs, and those of every server that speaks its chat protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import Field

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError, LLMResponseError
from mem0.llms.base import LLMBase, Message, options_of, read_arguments, report_tokens
from mem0.wire.openai import AsyncClients, Dispensed, OpenAIConnection, connected, translated


class OpenAILlmConfig(OpenAIConnection, BaseLlmConfig):
    """Options of :class:`OpenAILLM`."""

    reasoning_effort: str | None = Field(
        default=None, description="How long a reasoning model may think: `low`, `medium`, `high`, ..."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of each request, as the API names them."
    )


class OpenAILLM(LLMBase):
    """Asks OpenAI's chat completions, or a server that speaks as they do; safe to share between threads.

    Options that a model refuses (``temperature`` and ``max_tokens`` of reasoning models, ``response_format``
    of some servers) are learned from its answer and left out from then on.

    Args:
        config: Its options; the default model is ``gpt-4o``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = OpenAILlmConfig
    default_model: ClassVar[str] = "gpt-4o"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: OpenAILlmConfig = options_of(config, OpenAILlmConfig)
        self.model = self.config.model or self.default_model
        self.client = connected(OpenAI, self.config)
        self._awaited = AsyncClients(lambda: connected(AsyncOpenAI, self.config, awaited=True))
        self._dispensed = Dispensed()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={str(self.client.base_url)!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = self._request(messages, response_format, tools, tool_choice)
        with translated(LLMError, self.config, self.model, str(self.client.base_url)):
            while True:
                sent = self._dispensed.apply(request)
                try:
                    return self._read(self.client.chat.completions.create(**sent), bool(tools))
                except openai.APIStatusError as error:
                    self._dispensed.learn(error, sent)

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        request = self._request(messages, response_format, tools, tool_choice)
        with translated(LLMError, self.config, self.model, str(self.client.base_url)):
            while True:
                sent = self._dispensed.apply(request)
                try:
                    return self._read(await self._awaited.here().chat.completions.create(**sent), bool(tools))
                except openai.APIStatusError as error:
                    self._dispensed.learn(error, sent)

    def close(self) -> None:
        self.client.close()
        self._awaited.forget()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._awaited.aclose()

    def _request(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        tool_choice: Any,
    ) -> dict[str, Any]:
        config = self.config
        request: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "top_p": config.top_p,
            "reasoning_effort": config.reasoning_effort,
            "response_format": response_format,
        }
        if tools:
            request |= {"tools": list(tools), "tool_choice": tool_choice}
        return {name: value for name, value in request.items() if value is not None} | config.model_kwargs

    def _read(self, response: Any, with_tools: bool) -> Any:
        choices = getattr(response, "choices", None)
        if not choices:
            raise LLMResponseError(
                f"the server at {self.client.base_url} did not answer as OpenAI's API does; check base_url",
                reply=response if isinstance(response, str) else None,
            )
        usage = getattr(response, "usage", None)
        report_tokens(getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
        message = choices[0].message
        refusal = getattr(message, "refusal", None)
        if isinstance(refusal, str) and refusal and not message.content:
            raise LLMResponseError(f"model {self.model!r} refused to answer; nothing was stored", reply=refusal)
        if not with_tools:
            return message.content or ""
        calls = [
            {"name": call.function.name, "arguments": read_arguments(call.function.arguments)}
            for call in message.tool_calls or ()
            if getattr(call, "function", None) is not None
        ]
        return {"content": message.content, "tool_calls": calls}
