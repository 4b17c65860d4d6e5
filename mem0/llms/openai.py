"""OpenAI's LLMs, and those of every server that speaks its chat protocol."""

from __future__ import annotations

from typing import Any, ClassVar

import openai
from openai import AsyncOpenAI, OpenAI

from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.chat import ChatLLM, ChatLlmConfig
from mem0.wire.openai import OpenAIConnection
from mem0.wire.sdk import Line


class OpenAILlmConfig(OpenAIConnection, ChatLlmConfig):
    """Options of :class:`OpenAILLM`."""


class OpenAILLM(ChatLLM):
    """Asks OpenAI's chat completions, or a server that speaks as they do; safe to share between threads.

    Args:
        config: Its options; the default model is ``gpt-4o``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = OpenAILlmConfig
    default_model: ClassVar[str] = "gpt-4o"

    def _connected(self) -> Line[Any]:
        return Line(self.config, openai, OpenAI, lambda: AsyncOpenAI)
