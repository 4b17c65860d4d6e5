"""OpenAI's embeddings, and those of every server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import Field

from mem0.configs.base import validated
from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import EmbeddingError
from mem0.text import clean
from mem0.wire.openai import AsyncClients, Dispensed, OpenAIConnection, connected, translated

# Sizes of OpenAI's own models; any other is learned from its first vector.
_DIMS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}

# What one request may hold, https://platform.openai.com/docs/api-reference/embeddings: 2,048 texts, and
# 300,000 tokens, of which there are never more than bytes.
_MOST_TEXTS = 2048
_MOST_BYTES = 300_000


class OpenAIEmbeddingConfig(OpenAIConnection):
    """Options of :class:`OpenAIEmbedding`."""

    model: str = Field(default="text-embedding-3-small", min_length=1, description="Name of the model.")
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Size of the vectors, for models that can shorten them. Default: the model's."
    )
    max_input_bytes: int = Field(
        default=8_000,
        ge=1,
        le=_MOST_BYTES,
        description="Of a longer text only so many bytes carry the vector. The default keeps every text below the "
        "8,191 tokens that OpenAI's models take.",
    )
    batch_size: int = Field(default=_MOST_TEXTS, ge=1, le=_MOST_TEXTS, description="Texts in one request at most.")


class OpenAIEmbedding(EmbeddingBase):
    """Embeds text with OpenAI's API, or a server that speaks as it does; safe to share between threads.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable, or there is no key.
    """

    options: ClassVar[type[OpenAIEmbeddingConfig]] = OpenAIEmbeddingConfig

    model: str

    def __init__(self, config: OpenAIEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        if not isinstance(config, OpenAIEmbeddingConfig):
            config = validated(OpenAIEmbeddingConfig, {**(config or {}), **options}, "embedder 'openai' config")
        self.config = config
        self.model = config.model
        self.dims = config.embedding_dims or _DIMS.get(config.model)
        self.client = connected(OpenAI, config)
        self._awaited = AsyncClients(lambda: connected(AsyncOpenAI, config, awaited=True))
        self._dispensed = Dispensed()

    def __repr__(self) -> str:
        return f"OpenAIEmbedding(model={self.model!r}, base_url={str(self.client.base_url)!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        with translated(EmbeddingError, self.config, self.model, str(self.client.base_url)):
            for request in self._requests(texts):
                while True:
                    sent = self._dispensed.apply(request)
                    try:
                        vectors += self._read(self.client.embeddings.create(**sent), len(request["input"]))
                        break
                    except openai.APIStatusError as error:
                        self._dispensed.learn(error, sent)
        return vectors

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting."""
        vectors: list[list[float]] = []
        with translated(EmbeddingError, self.config, self.model, str(self.client.base_url)):
            for request in self._requests(texts):
                while True:
                    sent = self._dispensed.apply(request)
                    try:
                        response = await self._awaited.here().embeddings.create(**sent)
                        vectors += self._read(response, len(request["input"]))
                        break
                    except openai.APIStatusError as error:
                        self._dispensed.learn(error, sent)
        return vectors

    def was_cut(self, text: str) -> bool:
        return len(clean(text).encode()) > self.config.max_input_bytes

    def close(self) -> None:
        self.client.close()
        self._awaited.forget()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._awaited.aclose()

    def _requests(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield requests for the texts, each within what one may hold."""
        batch: list[str] = []
        size = 0
        for text in map(self._prepared, texts):
            length = len(text.encode())
            if batch and (len(batch) == self.config.batch_size or size + length > _MOST_BYTES):
                yield self._request(batch)
                batch, size = [], 0
            batch.append(text)
            size += length
        if batch:
            yield self._request(batch)

    def _request(self, batch: list[str]) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self.model, "input": batch, "encoding_format": "float"}
        if self.config.embedding_dims is not None:
            request["dimensions"] = self.config.embedding_dims
        return request

    def _prepared(self, text: str) -> str:
        """Return a text as the API takes it: not empty, and not too long."""
        raw = clean(text).encode()[: self.config.max_input_bytes]
        return raw.decode(errors="ignore") or " "

    def _read(self, response: Any, count: int) -> list[list[float]]:
        data = getattr(response, "data", None)
        if not isinstance(data, list) or len(data) != count:
            found = f"{len(data)} vectors" if isinstance(data, list) else "no list of vectors"
            raise EmbeddingError(
                f"the server at {self.client.base_url} answered {found} for {count} text(s); nothing was stored"
            )
        vectors = [list(item.embedding) for item in sorted(data, key=lambda item: item.index)]
        if self.dims is None and vectors:
            self.dims = len(vectors[0])
        return vectors
