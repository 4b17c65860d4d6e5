"""LLMs of any vendor that LiteLLM knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase, Message, options_of
from mem0.llms.chat import ChatLlmConfig, chat_request, read_chat
from mem0.wire.litellm import LiteLLMConnection, LiteLLMLine, imported

litellm = imported()


class LiteLlmConfig(LiteLLMConnection, ChatLlmConfig):
    """Options of :class:`LiteLLM`."""

    hints: ClassVar[dict[str, str]] = {
        **ChatLlmConfig.hints,
        "http_client_proxies": "LiteLLM takes a proxy from the environment only; set HTTPS_PROXY",
    }


class LiteLLM(LLMBase):
    """Asks an LLM through LiteLLM; safe to share between threads.

    Options that a vendor is known not to take are left out by LiteLLM (``drop_params``).

    Args:
        config: Its options; the default model is ``gpt-4o``.
    """

    options: ClassVar[type[BaseLlmConfig]] = LiteLlmConfig
    default_model: ClassVar[str] = "gpt-4o"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: LiteLlmConfig = options_of(config, LiteLlmConfig)
        self.model = self.config.model or self.default_model
        self._line = LiteLLMLine(self.config)

    def __repr__(self) -> str:
        return f"LiteLLM(model={self.model!r}, base_url={self._line.where!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = chat_request(self.config, self.model, messages, response_format, tools, tool_choice)
        return self._read(self._line.call(LLMError, litellm.completion, request), bool(tools))

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        request = chat_request(self.config, self.model, messages, response_format, tools, tool_choice)
        return self._read(await self._line.acall(LLMError, litellm.acompletion, request), bool(tools))

    def close(self) -> None:
        self._line.close()

    def _read(self, response: Any, with_tools: bool) -> Any:
        return read_chat(response, with_tools, self._line.named(self.model), self._line.hidden)
