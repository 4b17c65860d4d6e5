"""The keyword leg in Qdrant: BM25 as sparse vectors, whose idf the server knows.

A text's weights are the part of BM25 that depends on the text alone; Qdrant multiplies each with the term's idf over
the collection (``Modifier.IDF``, https://qdrant.tech/documentation/concepts/indexing/#idf-modifier) and adds up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from mem0.text import TOKENS_VERSION, Question, tokens

#: Name of the sparse vector; of another version of the tokens it is another vector.
KEYWORD = f"mem0_keyword_v{TOKENS_VERSION}"

# As the embedded store has them, see `sqlite_index`.
_K1 = 0.9
_B = 0.4

# A sparse vector is written once, so the length it is measured against cannot follow the collection's mean: that of a
# chat turn.  With b = 0.4 a wrong guess costs little: a text twice as long as this weighs 0.85 of one as long.
_USUAL_LENGTH = 24.0


def document(payload: Mapping[str, Any]) -> models.SparseVector | None:
    """Return a memory's sparse vector; ``None`` where its text has no terms."""
    text = payload.get("data")
    found = tokens(text) if isinstance(text, str) else []
    if not found:
        return None
    norm = _norm(len(found))
    counts = Counter(found)
    return models.SparseVector(indices=[*counts], values=[times / (times + norm) for times in counts.values()])


def query(question: Question) -> models.SparseVector | None:
    """Return a question's sparse vector; ``None`` where it has no terms."""
    words = sorted(set(question.words))
    return models.SparseVector(indices=words, values=[1.0] * len(words)) if words else None


def perfect(question: Question, idf: Mapping[int, float]) -> float:
    """Return what the question itself would score as a memory.

    Args:
        question: The question.
        idf: Of each of its words.
    """
    norm = _norm(question.length)
    return sum(idf[word] * times / (times + norm) for word, times in Counter(question.words).items())


def _norm(length: int) -> float:
    return _K1 * (1 - _B + _B * length / _USUAL_LENGTH)
