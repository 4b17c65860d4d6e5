"""An embedder without a model: the same vector for the same text, today and on any machine."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Sequence

from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import ConfigError

# Letters from Thai upwards (Chinese, Japanese, Korean, ...) are words by themselves, so that texts in
# scripts without spaces share words too.
_WORDS = re.compile(r"[^\W\u0e00-\U0010ffff]+|[^\W\u0000-\u0dff]")


class DeterministicEmbedding(EmbeddingBase):
    """A bag of words as a vector: each word adds 1 to one place, which its hash chooses.

    Texts that share words are close (cosine, up to 1 for the same words in any order); texts that share
    none have cosine 0, unless two of their words fall on the same place.  Case does not matter.  It knows
    no synonyms: to have a question find a memory, let them share words.

    Args:
        dims: Size of the vectors; more places, fewer words that share one.
        model: The model's name, as recorded with a collection.

    Attributes:
        calls: How often it was called; a batch is one call.
        texts: Every text it was given, in order.

    Raises:
        ConfigError: ``dims`` is below 1.
    """

    model: str
    dims: int

    def __init__(self, dims: int = 64, model: str = "deterministic") -> None:
        if dims < 1:
            raise ConfigError(f"dims={dims}: a vector has at least one number")
        self.dims = dims
        self.model = model
        self.calls = 0
        self.texts: list[str] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"DeterministicEmbedding(dims={self.dims}, model={self.model!r})"

    def embed(self, text: str) -> list[float]:
        return self.embed_batch([text])[0]

    def embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        with self._lock:
            self.calls += 1
            self.texts.extend(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dims
        # A text without words is one by itself, so that no vector is zero.
        for word in _WORDS.findall(unicodedata.normalize("NFKC", text).casefold()) or [text]:
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            vector[int.from_bytes(digest, "big") % self.dims] += 1.0
        return vector
