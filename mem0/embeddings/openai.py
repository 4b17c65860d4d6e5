"""OpenAI's embeddings, and those of every server that speaks its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import Field, field_validator

from mem0.embeddings.base import EmbeddingBase, beginning, embedder_options, is_longer, size_of
from mem0.exceptions import EmbeddingError
from mem0.wire.batches import batches, bytes_of
from mem0.wire.connection import check_arguments, named_model, without_ours
from mem0.wire.dispensed import Dispensed
from mem0.wire.openai import OpenAIConnection
from mem0.wire.sdk import Line
from mem0.wire.vendors import MOST_BYTES, MOST_TEXTS

# Sizes of models that are known; any other is learned from its first vector, and so is that of a model by such a name
# on another server.
_DIMS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "mistral-embed": 1024,
    "intfloat/multilingual-e5-large-instruct": 1024,
}


class OpenAIEmbeddingConfig(OpenAIConnection):
    """Options of :class:`OpenAIEmbedding`."""

    model: str | None = Field(default=None, min_length=1, description="Name of the model. Default: the provider's.")
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Size of the vectors, for models that can shorten them. Default: the model's."
    )
    max_input_bytes: int = Field(
        default=8_000,
        ge=1,
        le=MOST_BYTES,
        description="Of a longer text only so many bytes carry the vector. The default keeps every text below the "
        "8,191 tokens that OpenAI's models take.",
    )
    batch_size: int = Field(
        default=MOST_TEXTS,
        ge=1,
        le=MOST_TEXTS,
        description="Texts in one request at most; Mistral takes no more than 512, Text Embeddings Inference 32.",
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # headers may stand in it
        description="Further arguments of each request, as the SDK's `embeddings.create` has them; what the SDK does "
        "not know goes inside `extra_body`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        return without_ours(given, ("dimensions", "encoding_format", "input", "model"))


class OpenAIEmbedding(EmbeddingBase):
    """Embeds text with OpenAI's API, or a server that speaks as it does; safe to share between threads.

    Args:
        config: Its options: an object, a dict, or nothing; the default model is ``text-embedding-3-small``.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable, there is no key, or no model is named where one must be.
    """

    options: ClassVar[type[OpenAIEmbeddingConfig]] = OpenAIEmbeddingConfig
    default_model: ClassVar[str] = "text-embedding-3-small"
    most_texts: ClassVar[int] = MOST_TEXTS
    most_bytes: ClassVar[int] = MOST_BYTES

    model: str

    def __init__(self, config: OpenAIEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(self.options, config, options)
        self.model = named_model(self.config, self.default_model)
        self.dims = self.config.embedding_dims
        if self.dims is None and not self.config.is_elsewhere():
            self.dims = _DIMS.get(self.model)
        self._line = self._connected()
        self.client = self._line.client
        where = f"embedder {self._line.vendor.provider!r} config"
        check_arguments(self.config.model_kwargs, self.client.embeddings.create, where)
        self._dispensed = Dispensed()

    def _connected(self) -> Line[Any]:
        """Return the SDK's clients for the options."""
        return Line(self.config, openai, OpenAI, lambda: AsyncOpenAI)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={self._line.where!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        with self._line.translated(EmbeddingError, self.model):
            for request in self._requests(texts):
                while True:
                    sent = self._dispensed.apply(request)
                    try:
                        vectors += self._read(self.client.embeddings.create(**sent), len(request["input"]))
                        break
                    except self._line.refused as error:
                        self._dispensed.learn(error, sent)
        return vectors

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting."""
        if self._line.is_half_doubled:
            return await asyncio.to_thread(self.embed_batch, texts)
        client = await self._line.here()
        vectors: list[list[float]] = []
        with self._line.translated(EmbeddingError, self.model, client):
            for request in self._requests(texts):
                while True:
                    sent = self._dispensed.apply(request)
                    try:
                        response = await client.embeddings.create(**sent)
                        vectors += self._read(response, len(request["input"]))
                        break
                    except self._line.refused as error:
                        self._dispensed.learn(error, sent)
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
        prepared = (beginning(text, self.config.max_input_bytes) for text in texts)
        for batch in batches(prepared, min(self.config.batch_size, self.most_texts), self.most_bytes, bytes_of):
            request: dict[str, Any] = {"model": self.model, "input": batch, "encoding_format": "float"}
            request |= self.config.model_kwargs
            if self.config.embedding_dims is not None:
                request["dimensions"] = self.config.embedding_dims
            yield request

    def _read(self, response: Any, count: int) -> list[list[float]]:
        named = self._line.named(self.model)
        vectors = vectors_of(getattr(response, "data", None), count, named)
        if self.dims is None:
            self.dims = size_of(vectors)
        return vectors


def vectors_of(data: Any, count: int, named: str) -> list[list[float]]:
    """Return the vectors of an answer of OpenAI's shape, in the order of the texts.

    Args:
        data: Its list of objects, or dicts, with ``embedding`` and ``index``.
        count: How many texts there were.
        named: Who was asked, for messages.

    Raises:
        EmbeddingError: It is no such list, or not of so many, or leaves open whose each vector is.
    """
    if not isinstance(data, list) or len(data) != count:
        found = f"{len(data)} vectors" if isinstance(data, list) else "no list of vectors"
        raise EmbeddingError(f"{named} answered {found} for {count} text(s); nothing was stored")
    items = [item if isinstance(item, Mapping) else getattr(item, "__dict__", {}) for item in data]
    vectors: list[Any] = [item.get("embedding") for item in items]
    if not all(isinstance(vector, list) for vector in vectors):
        raise EmbeddingError(f"{named} answered something else than vectors for {count} text(s); nothing was stored")
    places: list[Any] = [item.get("index") for item in items]
    if all(place == places[0] for place in places):
        places = [*range(count)]  # a server that numbers none, or all 0, sends them as they were asked for
    by_place = {place: list(vector) for place, vector in zip(places, vectors, strict=True) if type(place) is int}
    if sorted(by_place) != [*range(count)]:
        raise EmbeddingError(
            f"{named} numbered its {count} vectors {places[:10]}, which does not say whose they are; nothing was stored"
        )
    return [by_place[at] for at in range(count)]
