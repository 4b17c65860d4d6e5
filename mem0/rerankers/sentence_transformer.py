"""Cross-encoders of sentence-transformers, from the Hugging Face hub or a local folder."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sentence_transformers import CrossEncoder

from mem0.exceptions import ClosedError, ConfigError
from mem0.rerankers.base import HINTS, RerankerBase, reranker_options
from mem0.text import clean


class SentenceTransformerRerankerConfig(BaseModel):
    """Options of :class:`SentenceTransformerReranker`."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    hints: ClassVar[Mapping[str, str]] = {
        **HINTS,
        "api_key": "the model runs in this process and needs none; leave it out",
        "show_progress_bar": "the library prints nothing; leave it out",
    }

    model: str = Field(
        default="cross-encoder/ms-marco-MiniLM-L-6-v2",
        min_length=1,
        description="Name of the model on the hub, or the path of a local folder. Older name: `model_name`.",
    )
    batch_size: int = Field(default=32, ge=1, description="How many texts go through the model at once.")
    device: str | None = Field(
        default=None, description="Where it runs: `cpu`, `cuda`, `mps`. Default: the best there is."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of `CrossEncoder`, such as `max_length`, `local_files_only`.",
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
        return values


class SentenceTransformerReranker(RerankerBase):
    """Reranks with a cross-encoder of sentence-transformers; safe to share between threads.

    The model is loaded, and where it must be downloaded, when the reranker is made.  It gives one number without
    bounds for each text (a logit); the score is its sigmoid, whatever the model's own last step is.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``device=``.

    Raises:
        ConfigError: An option is unknown or unusable, the model cannot be had, or it gives more than one number.
    """

    options: ClassVar[type[SentenceTransformerRerankerConfig]] = SentenceTransformerRerankerConfig

    def __init__(
        self, config: SentenceTransformerRerankerConfig | Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        self.config = reranker_options(SentenceTransformerRerankerConfig, config, options)
        self.model = self.config.model
        self._lock = threading.Lock()
        self._encoder: Any = self._loaded()

    def __repr__(self) -> str:
        return f"SentenceTransformerReranker(model={self.model!r})"

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        encoder = self._encoder
        if encoder is None:
            raise ClosedError("the reranker 'sentence_transformer' was closed; make a new one")
        pairs = [(clean(query), clean(text)) for text in texts]
        with self._lock:  # the tokenizer refuses to be used by two threads at once
            logits = encoder.predict(
                pairs, batch_size=self.config.batch_size, show_progress_bar=False, **self._as_it_is(encoder)
            )
        return [_sigmoid(float(logit)) for logit in logits]

    def close(self) -> None:
        self._encoder = None

    def _loaded(self) -> Any:
        config = self.config
        given = dict(config.model_kwargs)
        if config.device is not None:
            given["device"] = config.device
        try:
            encoder = CrossEncoder(config.model, **given)
        except Exception as error:
            raise ConfigError(
                f"reranker 'sentence_transformer': model {config.model!r} cannot be had ({type(error).__name__}: "
                f"{error}); where the hub cannot be reached, give the path of a folder that holds the model"
            ) from error
        labels = getattr(encoder, "num_labels", None) or getattr(encoder.config, "num_labels", None)
        if isinstance(labels, int) and labels != 1:
            raise ConfigError(
                f"reranker 'sentence_transformer': model {config.model!r} gives {labels} numbers for a text, and a "
                "reranker gives one; name a model that was made to rerank"
            )
        return encoder

    def _as_it_is(self, encoder: Any) -> dict[str, Any]:
        """Return what has a model leave its logits as they are: some apply a sigmoid themselves, others none."""
        from torch.nn import Identity  # versions 4 and 5 take nothing but a module

        known = inspect.signature(encoder.predict).parameters
        return {"activation_fct" if "activation_fct" in known else "activation_fn": Identity()}  # the one before 4


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
