"""Embedders of any vendor that LiteLLM knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, field_validator

from mem0.embeddings.base import EmbeddingBase, beginning, embedder_options, is_longer, size_of
from mem0.embeddings.openai import vectors_of
from mem0.exceptions import EmbeddingError
from mem0.wire.batches import batches, bytes_of
from mem0.wire.connection import without_ours
from mem0.wire.litellm import LiteLLMConnection, LiteLLMLine, imported
from mem0.wire.vendors import MOST_BYTES, MOST_TEXTS, VENDORS

litellm = imported()

# What a model's name begins with that tells LiteLLM the way, as `openai/`; looked up here, since users patch `litellm`.
_VENDORS = [str(getattr(name, "value", name)) for name in litellm.provider_list]

# Sizes of models that are known; any other is learned from its first vector, and so is that of a model by such a name
# on another server.
_DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}


class LiteLLMEmbeddingConfig(LiteLLMConnection):
    """Options of :class:`LiteLLMEmbedding`."""

    model: str = Field(
        default="text-embedding-3-small", min_length=1, description="Name of the model, as `mistral/mistral-embed`."
    )
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Size of the vectors, for models that can shorten them. Default: the model's."
    )
    max_input_bytes: int = Field(
        default=8_000, ge=1, description="Of a longer text only so many bytes carry the vector."
    )
    batch_size: int = Field(default=96, ge=1, description="Texts in one request at most; Cohere takes no more than 96.")
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # headers may stand in it
        description="Further arguments of each call, as `litellm.embedding` has them.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        return without_ours(given, ("dimensions", "input", "model"))


class LiteLLMEmbedding(EmbeddingBase):
    """Embeds text through LiteLLM; safe to share between threads.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable.
    """

    options: ClassVar[type[LiteLLMEmbeddingConfig]] = LiteLLMEmbeddingConfig

    model: str

    def __init__(self, config: LiteLLMEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(LiteLLMEmbeddingConfig, config, options)
        vendor, _, name = self.config.model.partition("/")
        self.model = name if name and vendor in _VENDORS else self.config.model
        self.dims = self.config.embedding_dims
        if self.dims is None and not self.config.is_elsewhere():
            self.dims = _DIMS.get(self.config.model.removeprefix("openai/"))
        self._line = LiteLLMLine(self.config)

    def __repr__(self) -> str:
        return f"LiteLLMEmbedding(model={self.config.model!r}, base_url={self._line.where!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(self._line.call(EmbeddingError, litellm.embedding, request), request)
        return vectors

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting."""
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(await self._line.acall(EmbeddingError, litellm.aembedding, request), request)
        return vectors

    def was_cut(self, text: str) -> bool:
        return is_longer(text, self.config.max_input_bytes)

    def close(self) -> None:
        self._line.close()

    def _requests(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        prepared = (beginning(text, self.config.max_input_bytes) for text in texts)
        vendor = VENDORS.get(self.config.model.partition("/")[0])
        most_texts, most_bytes = (vendor.most_texts, vendor.most_bytes) if vendor else (MOST_TEXTS, MOST_BYTES)
        for batch in batches(prepared, min(self.config.batch_size, most_texts), most_bytes, bytes_of):
            request: dict[str, Any] = {"model": self.config.model, "input": batch}
            if self.config.embedding_dims is not None:
                request["dimensions"] = self.config.embedding_dims
            yield request | self.config.model_kwargs

    def _read(self, response: Any, request: Mapping[str, Any]) -> list[list[float]]:
        data = getattr(response, "data", None)
        vectors = vectors_of(data, len(request["input"]), self._line.named(self.config.model))
        if self.dims is None:
            self.dims = size_of(vectors)
        return vectors
