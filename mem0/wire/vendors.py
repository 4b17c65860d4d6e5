"""Vendors and servers that speak OpenAI's protocol: a row each, of which their LLM and embedder are made.

Addresses, variables and models are those of each one's own documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from mem0.wire.failures import Vendor

# What one request for embeddings may hold, where a vendor does not say otherwise: OpenAI's 2,048 texts and 300,000
# tokens (https://platform.openai.com/docs/api-reference/embeddings), of which there are never more than bytes.
MOST_TEXTS = 2048
MOST_BYTES = 300_000


@dataclass(frozen=True, slots=True)
class Row:
    """One vendor, or one server for models of your own.

    Attributes:
        provider: Its name in a configuration.
        label: Its name in messages.
        base_url: Where its API begins.
        key: The variable of its key.
        url: The variable of another address, where its users have one.
        asks_for_key: Whether nothing is to be had without one.
        llm: The model that answers where none is named; empty where one must be.
        embedder: The model that embeds where none is named; empty where one must be.
        answers: Whether its LLMs are reached this way.
        embeds: Whether it embeds.
        most_texts: How many texts one request for embeddings may hold.
        most_bytes: What they may come to; there are never more tokens than bytes.
    """

    provider: str
    label: str
    base_url: str
    key: str | None
    asks_for_key: bool = True
    url: str | None = None
    llm: str = ""
    embedder: str = ""
    answers: bool = True
    embeds: bool = False
    most_texts: int = MOST_TEXTS
    most_bytes: int = MOST_BYTES

    @property
    def vendor(self) -> Vendor:
        """What its errors are told with."""
        ending = "/v1" if self.base_url.endswith("/v1") else ""
        return Vendor(self.provider, self.label, self.key, ending, self.llm, self.embedder, url=self.url)


_ROWS = (
    Row(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        url="DEEPSEEK_API_BASE",
        llm="deepseek-chat",
    ),
    Row("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY", url="XAI_API_BASE", llm="grok-4"),
    Row(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        url="OPENROUTER_API_BASE",
        llm="openai/gpt-4o",
    ),
    Row(
        "mistral",
        "Mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        llm="mistral-small-latest",
        embedder="mistral-embed",
        embeds=True,
        most_texts=512,
        most_bytes=16_000,
    ),
    # Together's LLMs come through its own SDK.
    Row(
        "together",
        "Together",
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        embedder="intfloat/multilingual-e5-large-instruct",
        answers=False,
        embeds=True,
    ),
    Row(
        "vllm",
        "vLLM",
        "http://localhost:8000/v1",
        "VLLM_API_KEY",
        asks_for_key=False,
        url="VLLM_BASE_URL",
        embeds=True,
    ),
    Row("lmstudio", "LM Studio", "http://localhost:1234/v1", "LMSTUDIO_API_KEY", asks_for_key=False, embeds=True),
    Row(
        "tei",
        "Text Embeddings Inference",
        "http://localhost:8080/v1",
        "TEI_API_KEY",
        asks_for_key=False,
        embedder="tei",  # it serves one model, whatever that is called in a request
        answers=False,
        embeds=True,
        most_texts=32,
    ),
    Row("llamacpp", "llama.cpp", "http://localhost:8080/v1", "LLAMA_API_KEY", asks_for_key=False, embeds=True),
)

VENDORS = {row.provider: row for row in _ROWS}
