"""Embeddings of an Ollama server, through its SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ollama import AsyncClient, Client
from pydantic import Field

from mem0.embeddings.base import EmbeddingBase, beginning, embedder_options, is_longer, size_of
from mem0.exceptions import EmbeddingError
from mem0.text import clean
from mem0.wire.ollama import OllamaConnection, OllamaLine

# Sizes of models that are known; any other is learned from its first vector.
_DIMS = {"nomic-embed-text": 768, "mxbai-embed-large": 1024, "all-minilm": 384, "bge-m3": 1024}


class OllamaEmbeddingConfig(OllamaConnection):
    """Options of :class:`OllamaEmbedding`."""

    model: str = Field(default="nomic-embed-text", min_length=1, description="Name of the model.")
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Size of the vectors, for models that can shorten them. Default: the model's."
    )
    max_input_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Of a longer text only so many bytes carry the vector. Default: all of it is sent, and the server "
        "cuts what is longer than the model's context; some versions refuse it instead.",
    )
    batch_size: int = Field(default=256, ge=1, description="Texts in one request at most.")
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the model, as Ollama has them: `num_ctx`."
    )


class OllamaEmbedding(EmbeddingBase):
    """Embeds text with a model of an Ollama server; safe to share between threads.

    Of a text that is longer than the model's context the server embeds the beginning, and does not say so; versions
    that refuse it (https://github.com/ollama/ollama/issues/14186) need ``max_input_bytes``.

    Args:
        model: Name of the model; published as the first argument.
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``base_url=``.

    Raises:
        ConfigError: An option is unknown or unusable.
    """

    options: ClassVar[type[OllamaEmbeddingConfig]] = OllamaEmbeddingConfig

    model: str

    def __init__(
        self,
        model: str | OllamaEmbeddingConfig | Mapping[str, Any] | None = None,
        config: OllamaEmbeddingConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(model, str):
            options["model"] = model
        else:
            config = config or model
        self.config = embedder_options(OllamaEmbeddingConfig, config, options)
        self.model = self.config.model.removesuffix(":latest")  # what Ollama reads into a name without a tag
        self.dims = self.config.embedding_dims or _DIMS.get(self.model.partition(":")[0])
        self._line = OllamaLine(self.config, Client, lambda: AsyncClient)
        self.client = self._line.client

    def __repr__(self) -> str:
        return f"OllamaEmbedding(model={self.model!r}, base_url={self._line.where!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(self._line.call(EmbeddingError, "embed", request), request)
        return vectors

    async def aembed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        """Do what :meth:`embed_batch` does, awaiting."""
        vectors: list[list[float]] = []
        for request in self._requests(texts):
            vectors += self._read(await self._line.acall(EmbeddingError, "embed", request), request)
        return vectors

    def was_cut(self, text: str) -> bool:
        return self.config.max_input_bytes is not None and is_longer(text, self.config.max_input_bytes)

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _requests(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        # For an empty text the server answers no vector.
        most = self.config.max_input_bytes
        cut = [clean(text) if most is None else beginning(text, most) for text in texts]
        prepared = [text if text.strip() else " ." for text in cut]
        for start in range(0, len(prepared), self.config.batch_size):
            batch = prepared[start : start + self.config.batch_size]
            request: dict[str, Any] = {"model": self.config.model, "input": batch}
            if self.config.embedding_dims is not None:
                request["dimensions"] = self.config.embedding_dims
            if self.config.keep_alive is not None:
                request["keep_alive"] = self.config.keep_alive
            if self.config.model_kwargs:
                request["options"] = self.config.model_kwargs
            yield request

    def _read(self, response: Any, request: Mapping[str, Any]) -> list[list[float]]:
        vectors = [list(vector) for vector in response["embeddings"]]
        count = len(request["input"])
        if len(vectors) != count:
            raise EmbeddingError(
                f"{self._line.named(self.model)}: {len(vectors)} vectors for {count} text(s); nothing was stored"
            )
        if self.dims is None:
            self.dims = size_of(vectors)
        return vectors
