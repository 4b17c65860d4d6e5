"""Cross-encoders of sentence-transformers, from the Hugging Face hub or a local folder."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sentence_transformers import CrossEncoder

from mem0.exceptions import ConfigError
from mem0.rerankers.base import BaseRerankerConfig, RerankerBase, reranker_options
from mem0.text import clean
from mem0.wire.sentence_transformers import LocalModel, LocalModelConfig, ModelName

_NAME = "reranker 'sentence_transformer'"


class SentenceTransformerRerankerConfig(LocalModelConfig, BaseRerankerConfig):
    """Options of :class:`SentenceTransformerReranker`."""

    ignored: ClassVar[Mapping[str, str]] = {
        "api_key": "the model runs in this process and needs none",
        "show_progress_bar": "the library prints nothing",
    }

    model: ModelName = "cross-encoder/ms-marco-MiniLM-L-6-v2"


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
        self.top_k = self.config.top_k
        self._local = LocalModel(CrossEncoder, self.config, _NAME)
        with self._local.alone() as encoder:
            self._check(encoder)

    def __repr__(self) -> str:
        return f"SentenceTransformerReranker(model={self.model!r})"

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        pairs = [(clean(query), clean(text)) for text in texts]
        with self._local.alone() as encoder:
            logits = encoder.predict(
                pairs, batch_size=self.config.batch_size, show_progress_bar=False, **_as_they_are(encoder)
            )
        return [_sigmoid(float(logit)) for logit in logits]

    def close(self) -> None:
        self._local.close()

    def _check(self, encoder: Any) -> None:
        labels = getattr(encoder, "num_labels", None) or getattr(encoder.config, "num_labels", None)
        if isinstance(labels, int) and labels != 1:
            raise ConfigError(
                f"{_NAME}: model {self.model!r} gives {labels} numbers for a text, and a reranker gives one; name a "
                "model that was made to rerank"
            )


def _as_they_are(encoder: Any) -> dict[str, Any]:
    """Return what has a model leave its logits as they are: some apply a sigmoid themselves, others nothing."""
    from torch.nn import Identity  # versions 4 and 5 take nothing but a module

    known = inspect.signature(encoder.predict).parameters
    return {"activation_fct" if "activation_fct" in known else "activation_fn": Identity()}  # the one before 4


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
