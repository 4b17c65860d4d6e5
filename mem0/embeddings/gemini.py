"""Google's Gemini embeddings, through its SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import google.genai as genai  # so that a missing one is a ModuleNotFoundError, whatever else lies under `google`
from google.genai import types
from pydantic import Field, field_validator, model_validator

from mem0.embeddings.base import EmbeddingBase, beginning, embedder_options, is_longer, size_of
from mem0.exceptions import EmbeddingError
from mem0.wire.connection import with_older_names, without_ours
from mem0.wire.gemini import GeminiConnection, Line

# Sizes of Google's own models; any other is learned from its first vector.
_DIMS = {"gemini-embedding-001": 3072, "gemini-embedding-2": 3072, "text-embedding-004": 768}

# What one request may hold: the API refuses more ("at most 100 requests can be in one batch").
_MOST_TEXTS = 100


class GeminiEmbeddingConfig(GeminiConnection):
    """Options of :class:`GeminiEmbedding`."""

    model: str = Field(default="gemini-embedding-001", min_length=1, description="Name of the model.")
    embedding_dims: int | None = Field(
        default=None,
        ge=1,
        description="Size of the vectors, for models that can shorten them. Older name: `output_dimensionality`. "
        "Default: the model's.",
    )
    max_input_bytes: int = Field(
        default=6_000,
        ge=1,
        description="Of a longer text only so many bytes carry the vector. The default keeps most texts below the "
        "2,048 tokens that `gemini-embedding-001` takes; what is longer still, the API cuts itself.",
    )
    batch_size: int = Field(default=_MOST_TEXTS, ge=1, le=_MOST_TEXTS, description="Texts in one request at most.")
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # headers may stand in it
        description="Further fields of each request's `EmbedContentConfig`, as the SDK has them, such as "
        "`{'task_type': 'SEMANTIC_SIMILARITY'}`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _published_name(cls, values: Any) -> Any:
        return with_older_names(values, {"output_dimensionality": "embedding_dims"})

    @field_validator("model_kwargs")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in without_ours(given, ("http_options", "output_dimensionality")):
            if name not in types.EmbedContentConfig.model_fields:
                raise ValueError(f"the SDK's EmbedContentConfig has no field {name}")
        return given


class GeminiEmbedding(EmbeddingBase):
    """Embeds text with Gemini's API; safe to share between threads.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable, or there is no key.
    """

    options: ClassVar[type[GeminiEmbeddingConfig]] = GeminiEmbeddingConfig

    model: str

    def __init__(self, config: GeminiEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(GeminiEmbeddingConfig, config, options)
        self.model = self.config.model.removeprefix("models/")  # the published way to write the same
        self.dims = self.config.embedding_dims or _DIMS.get(self.model)
        self._line = Line(self.config, lambda: genai.Client)
        self.client = self._line.client

    def __repr__(self) -> str:
        return f"GeminiEmbedding(model={self.model!r}, base_url={self._line.where!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(self._line.call(EmbeddingError, self.model, _sending(request)), request)
        return vectors

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting."""
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(await self._line.acall(EmbeddingError, self.model, _sending(request)), request)
        return vectors

    def was_cut(self, text: str) -> bool:
        return is_longer(text, self.config.max_input_bytes)

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _requests(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield requests for the texts, each within what one may hold."""
        config = dict(self.config.model_kwargs)
        if self.config.embedding_dims is not None:
            config["output_dimensionality"] = self.config.embedding_dims
        self._line.check(EmbeddingError, self.model, types.EmbedContentConfig, config)
        prepared = [beginning(text, self.config.max_input_bytes) for text in texts]
        for start in range(0, len(prepared), self.config.batch_size):
            batch = prepared[start : start + self.config.batch_size]
            # Not as bare texts: of those the SDK makes one content, and one vector, for models that see pictures too.
            contents = [{"role": "user", "parts": [{"text": text}]} for text in batch]
            yield {"model": self.model, "contents": contents, "config": config}

    def _read(self, response: Any, request: Mapping[str, Any]) -> list[list[float]]:
        count = len(request["contents"])
        found = getattr(response, "embeddings", None) or []
        vectors = [list(item.values or ()) for item in found]
        if len(vectors) != count:
            raise EmbeddingError(
                f"{self._line.named(self.model)}: it answered {len(vectors)} vectors for {count} text(s); "
                "nothing was stored"
            )
        if self.dims is None:
            self.dims = size_of(vectors)
        return vectors


def _sending(request: Mapping[str, Any]) -> Callable[[Any], Any]:
    return lambda models: models.embed_content(**request)
