"""Models of sentence-transformers, from the Hugging Face hub or a local folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sentence_transformers import SentenceTransformer

from mem0.embeddings.base import EmbeddingBase, embedder_options
from mem0.exceptions import ClosedError, ConfigError
from mem0.text import clean


class HuggingFaceEmbeddingConfig(BaseModel):
    """Options of :class:`HuggingFaceEmbedding`."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(
        default="multi-qa-MiniLM-L6-cos-v1",
        min_length=1,
        description="Name of the model on the hub, or the path of a local folder. Older name: `model_name`.",
    )
    embedding_dims: int | None = Field(
        default=None,
        ge=1,
        description="Size of the vectors, for models trained to be shortened. Default: the model's.",
    )
    batch_size: int = Field(default=32, ge=1, description="How many texts go through the model at once.")
    device: str | None = Field(
        default=None, description="Where it runs: `cpu`, `cuda`, `mps`. Default: the best there is."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of `SentenceTransformer`, such as `cache_folder`, `local_files_only`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        if "model_name" in values:
            older = values.pop("model_name")
            if values.setdefault("model", older) != older:
                raise ValueError("model and model_name mean the same and differ; give one")
        if values.pop("huggingface_base_url", None) is not None:
            raise ValueError(
                "huggingface_base_url names a server; use the embedder 'openai' with it as base_url, "
                "since Text Embeddings Inference speaks OpenAI's protocol"
            )
        return values


class HuggingFaceEmbedding(EmbeddingBase):
    """Embeds text with sentence-transformers; safe to share between threads.

    The model is loaded, and where it must be downloaded, when the embedder is made.  Of a text longer than the
    model's ``max_seq_length`` its beginning carries the vector.

    Args:
        model_name: Name of the model, or path of a folder; published as the first argument.
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``device=``.

    Raises:
        ConfigError: An option is unknown or unusable, or the model cannot be had.
    """

    options: ClassVar[type[HuggingFaceEmbeddingConfig]] = HuggingFaceEmbeddingConfig

    model: str
    dims: int

    def __init__(
        self,
        model_name: str | HuggingFaceEmbeddingConfig | Mapping[str, Any] | None = None,
        config: HuggingFaceEmbeddingConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(model_name, str):
            options["model"] = model_name
        else:
            config = config or model_name
        self.config = embedder_options(HuggingFaceEmbeddingConfig, config, options)
        self.model = self.config.model
        self._lock = threading.Lock()
        self._encoder: Any = self._loaded()
        self.dims = len(self.embed("size"))
        if self.config.embedding_dims not in (None, self.dims):
            raise ConfigError(
                f"embedder 'huggingface' config['embedding_dims']={self.config.embedding_dims}: model {self.model!r} "
                f"has vectors of size {self.dims}; leave it out"
            )

    def __repr__(self) -> str:
        return f"HuggingFaceEmbedding(model={self.model!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        encoder = self._opened()
        with self._lock:  # the tokenizer refuses to be used by two threads at once
            vectors = encoder.encode(
                [clean(text) for text in texts], batch_size=self.config.batch_size, show_progress_bar=False
            )
        return [vector.tolist() for vector in vectors]

    def was_cut(self, text: str) -> bool:
        encoder = self._opened()
        if not isinstance(encoder.max_seq_length, int):
            return False
        with self._lock:
            # With the sign that begins a text and the one that ends it.
            return len(encoder.tokenizer.tokenize(clean(text))) + 2 > encoder.max_seq_length

    def close(self) -> None:
        self._encoder = None

    def _opened(self) -> Any:
        if self._encoder is None:
            raise ClosedError("the embedder 'huggingface' was closed; make a new one")
        return self._encoder

    def _loaded(self) -> Any:
        config = self.config
        given = dict(config.model_kwargs)
        if config.device is not None:
            given["device"] = config.device
        if config.embedding_dims is not None:
            given["truncate_dim"] = config.embedding_dims
        try:
            return SentenceTransformer(config.model, **given)
        except Exception as error:
            raise ConfigError(
                f"embedder 'huggingface': model {config.model!r} cannot be had ({type(error).__name__}: {error}); "
                "where the hub cannot be reached, give the path of a folder that holds the model"
            ) from error
