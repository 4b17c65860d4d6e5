"""Embeddings of LangChain, which the user has made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mem0.embeddings.base import EmbeddingBase, embedder_options, size_of
from mem0.exceptions import EmbeddingError
from mem0.text import clean
from mem0.wire.langchain import HINTS, checked_model, may_await, name_of, named, translated


class LangChainEmbeddingConfig(BaseModel):
    """Options of :class:`LangChainEmbedding`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    #: Published keys that have no place here, and what to do instead.
    hints: ClassVar[dict[str, str]] = HINTS

    model: Any = Field(
        default=None,
        validate_default=True,
        repr=False,  # keys may stand in it
        description="The embeddings, an object such as `OpenAIEmbeddings()`; whatever has `embed_documents(texts)`.",
    )
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Only checked: vectors of another size are refused. Default: the model's."
    )

    @field_validator("model")
    @classmethod
    def _is_one(cls, given: Any) -> Any:
        return checked_model(given, "embed_documents", "OpenAIEmbeddings()")


class LangChainEmbedding(EmbeddingBase):
    """Embeds text with embeddings of LangChain that were made before; as safe to share between threads as they are.

    Memories and questions both go through ``embed_documents``, so that they can be compared.  The model is not closed.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: There is no model, or it is something else.

    Attributes:
        langchain_model: The embeddings.
    """

    options: ClassVar[type[LangChainEmbeddingConfig]] = LangChainEmbeddingConfig

    def __init__(self, config: LangChainEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(LangChainEmbeddingConfig, config, options)
        self.langchain_model = self.config.model
        self.model = name_of(self.langchain_model)
        self.dims = self.config.embedding_dims

    def __repr__(self) -> str:
        return f"LangChainEmbedding(<{type(self.langchain_model).__name__}>, model={self.model!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        if not texts:
            return []
        prepared = _prepared(texts)
        with translated(EmbeddingError, self.langchain_model):
            return self._read(self.langchain_model.embed_documents(prepared), len(texts))

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting; in a thread where the model cannot be awaited."""
        if not may_await(self.langchain_model, "aembed_documents"):
            return await asyncio.to_thread(self.embed_batch, texts)
        if not texts:
            return []
        prepared = _prepared(texts)
        with translated(EmbeddingError, self.langchain_model):
            return self._read(await self.langchain_model.aembed_documents(prepared), len(texts))

    def _read(self, answered: Any, count: int) -> list[list[float]]:
        vectors = [list(vector) for vector in answered]
        if len(vectors) != count:
            raise EmbeddingError(
                f"{named(self.langchain_model)} returned {len(vectors)} vector(s) for {count} text(s); "
                "nothing was stored"
            )
        if self.dims is None:
            self.dims = size_of(vectors)
        return vectors


def _prepared(texts: Sequence[str]) -> list[str]:
    # For a blank text some vendors have no vector.
    return [clean(text) if text.strip() else " ." for text in texts]
