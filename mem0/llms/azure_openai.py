"""OpenAI's LLMs in an Azure resource."""

from __future__ import annotations

from typing import Any, ClassVar

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI

from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.chat import ChatLLM, ChatLlmConfig
from mem0.wire.azure import AzureConnection
from mem0.wire.sdk import Line


class AzureOpenAILlmConfig(AzureConnection, ChatLlmConfig):
    """Options of :class:`AzureOpenAILLM`."""

    variables: ClassVar[str] = "LLM_AZURE_"


class AzureOpenAILLM(ChatLLM):
    """Asks a deployment of Azure OpenAI; safe to share between threads.

    Args:
        config: Its options; the default model, and so the deployment, is ``gpt-4o``.

    Raises:
        ConfigError: There is no key, no token, or no address.
    """

    options: ClassVar[type[BaseLlmConfig]] = AzureOpenAILlmConfig
    default_model: ClassVar[str] = "gpt-4o"

    def _connected(self) -> Line[Any]:
        return Line(self.config, openai, AzureOpenAI, lambda: AsyncAzureOpenAI)
