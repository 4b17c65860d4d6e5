"""Together's LLMs, through its SDK."""

from __future__ import annotations

from typing import Any, ClassVar

import together
from together import AsyncTogether, Together

from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.chat import ChatLLM, ChatLlmConfig
from mem0.wire.connection import Connection
from mem0.wire.failures import Vendor
from mem0.wire.sdk import Line


class TogetherLlmConfig(Connection, ChatLlmConfig):
    """Options of :class:`TogetherLLM`; ``base_url`` may end with ``/v1`` or not."""

    vendor: ClassVar[Vendor] = Vendor(
        "together",
        "Together",
        key="TOGETHER_API_KEY",
        ending="before /v1",
        model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
        url="TOGETHER_BASE_URL",
    )
    added_path: ClassVar[str] = "/v1"


class TogetherLLM(ChatLLM):
    """Asks Together's chat completions; safe to share between threads.

    Args:
        config: Its options; the default model is ``mistralai/Mixtral-8x7B-Instruct-v0.1``, which Together has
            retired (https://docs.together.ai/docs/deprecations): name
            ``meta-llama/Llama-3.3-70B-Instruct-Turbo``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = TogetherLlmConfig
    default_model: ClassVar[str] = "mistralai/Mixtral-8x7B-Instruct-v0.1"

    def _connected(self) -> Line[Any]:
        return Line(self.config, together, Together, lambda: AsyncTogether)
