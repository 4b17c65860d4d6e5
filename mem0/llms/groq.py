"""Groq's LLMs, through its SDK."""

from __future__ import annotations

from typing import Any, ClassVar

import groq
from groq import AsyncGroq, Groq

from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.chat import ChatLLM, ChatLlmConfig
from mem0.wire.connection import Connection
from mem0.wire.failures import Vendor
from mem0.wire.sdk import Line


class GroqLlmConfig(Connection, ChatLlmConfig):
    """Options of :class:`GroqLLM`; ``base_url`` may end with ``/openai/v1`` or not."""

    vendor: ClassVar[Vendor] = Vendor(
        "groq",
        "Groq",
        key="GROQ_API_KEY",
        ending="before /openai/v1",
        model="llama-3.3-70b-versatile",
        url="GROQ_BASE_URL",
    )
    added_path: ClassVar[str] = "/openai/v1"


class GroqLLM(ChatLLM):
    """Asks Groq's chat completions; safe to share between threads.

    Args:
        config: Its options; the default model is ``llama3-70b-8192``, which Groq has retired
            (https://console.groq.com/docs/deprecations): name ``llama-3.3-70b-versatile``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = GroqLlmConfig
    default_model: ClassVar[str] = "llama3-70b-8192"

    def _connected(self) -> Line[Any]:
        return Line(self.config, groq, Groq, lambda: AsyncGroq)
