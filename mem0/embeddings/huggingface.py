"""Models of sentence-transformers, from the Hugging Face hub or a local folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator
from sentence_transformers import SentenceTransformer

from mem0.embeddings.base import EmbeddingBase, embedder_options
from mem0.exceptions import ConfigError
from mem0.text import clean
from mem0.wire.sentence_transformers import LocalModel, LocalModelConfig, ModelName


class HuggingFaceEmbeddingConfig(LocalModelConfig):
    """Options of :class:`HuggingFaceEmbedding`."""

    model: ModelName = "multi-qa-MiniLM-L6-cos-v1"
    embedding_dims: int | None = Field(
        default=None,
        ge=1,
        description="Size of the vectors, for models trained to be shortened. Default: the model's.",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_here(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        if values.pop("huggingface_base_url", None) is not None:
            raise ValueError(
                "huggingface_base_url names a server of Text Embeddings Inference; use the embedder 'tei' with it as "
                "base_url"
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
        self.model = _without_place(self.config.model)
        dims = self.config.embedding_dims
        shortened = {} if dims is None else {"truncate_dim": dims}
        self._local = LocalModel(SentenceTransformer, self.config, "embedder 'huggingface'", **shortened)
        self.dims = len(self.embed("size"))
        if dims not in (None, self.dims):
            raise ConfigError(
                f"embedder 'huggingface' config['embedding_dims']={dims}: model {self.config.model!r} has vectors of "
                f"size {self.dims}; leave it out"
            )

    def __repr__(self) -> str:
        return f"HuggingFaceEmbedding(model={self.config.model!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        with self._local.alone() as encoder:
            vectors = encoder.encode(
                [clean(text) for text in texts], batch_size=self.config.batch_size, show_progress_bar=False
            )
        return [vector.tolist() for vector in vectors]

    def was_cut(self, text: str) -> bool:
        with self._local.alone() as encoder:
            if not isinstance(encoder.max_seq_length, int):
                return False
            # `verbose` would warn of indexing errors, as if nobody cut the text.
            return len(encoder.tokenizer(clean(text), verbose=False)["input_ids"]) > encoder.max_seq_length

    def close(self) -> None:
        self._local.close()


def _without_place(model: str) -> str:
    """Return a model's own name: a folder's without its path, one of the hub's without the owner that is understood."""
    folder = Path(model)
    return folder.resolve().name if folder.is_dir() else model.removeprefix("sentence-transformers/")
