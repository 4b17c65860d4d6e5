"""Models of FastEmbed: ONNX on this machine, without torch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mem0.embeddings.base import EmbeddingBase, embedder_options
from mem0.exceptions import ClosedError, ConfigError
from mem0.text import clean
from mem0.wire.environment import environment

# See `mem0.embeddings.onnx`: it is FastEmbed that imports onnxruntime here.
with environment("ORT_DISABLE_TELEMETRY", "1"):
    from fastembed import TextEmbedding


class FastEmbedEmbeddingConfig(BaseModel):
    """Options of :class:`FastEmbedEmbedding`."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(
        default="BAAI/bge-small-en-v1.5",
        min_length=1,
        description="Name of the model, of those that `TextEmbedding.list_supported_models()` lists.",
    )
    embedding_dims: int | None = Field(
        default=None, ge=1, description="Only checked: a model of another size is refused."
    )
    model_path: str | None = Field(
        default=None, min_length=1, description="A local folder with the model's files, in place of the cache."
    )
    cache_dir: str | None = Field(
        default=None, min_length=1, description="Where downloaded models lie. Default: `FASTEMBED_CACHE_PATH`."
    )
    local_files_only: bool = Field(default=False, description="Take the model from folder or cache, never download it.")
    threads: int | None = Field(default=None, ge=1, description="Threads one call may use. Default: all.")
    batch_size: int = Field(default=32, ge=1, description="How many texts go through the model at once.")


class FastEmbedEmbedding(EmbeddingBase):
    """Embeds text with a model of FastEmbed; safe to share between threads.

    The model is loaded, and where it must be downloaded, when the embedder is made.  Of a text longer than the
    model's context its beginning carries the vector.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``model=``.

    Raises:
        ConfigError: An option is unknown or unusable, or the model cannot be had.
    """

    options: ClassVar[type[FastEmbedEmbeddingConfig]] = FastEmbedEmbeddingConfig

    model: str
    dims: int

    def __init__(self, config: FastEmbedEmbeddingConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = embedder_options(FastEmbedEmbeddingConfig, config, options)
        self.model = self.config.model.removeprefix("sentence-transformers/")  # may be left out, and is by others
        self._lock = threading.Lock()
        self._encoder: Any = self._loaded()
        self.dims = len(self.embed("size"))
        if self.config.embedding_dims not in (None, self.dims):
            raise ConfigError(
                f"embedder 'fastembed' config['embedding_dims']={self.config.embedding_dims}: model {self.model!r} has "
                f"vectors of size {self.dims}; leave it out"
            )

    def __repr__(self) -> str:
        return f"FastEmbedEmbedding(model={self.model!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        encoder = self._encoder
        if encoder is None:
            raise ClosedError("the embedder 'fastembed' was closed; make a new one")
        with self._lock:  # its tokenizer is not made for several threads
            vectors = encoder.embed([clean(text) for text in texts], batch_size=self.config.batch_size)
            return [vector.tolist() for vector in vectors]

    def close(self) -> None:
        self._encoder = None

    def _loaded(self) -> Any:
        config = self.config
        given: dict[str, Any] = {"local_files_only": config.local_files_only}
        if config.model_path is not None:
            given["specific_model_path"] = config.model_path
        try:
            return TextEmbedding(config.model, cache_dir=config.cache_dir, threads=config.threads, **given)
        except Exception as error:
            raise ConfigError(
                f"embedder 'fastembed': model {config.model!r} cannot be had ({type(error).__name__}: {error}); name "
                "one of TextEmbedding.list_supported_models(), and where nothing can be downloaded give model_path, "
                "a folder that holds its files"
            ) from error
