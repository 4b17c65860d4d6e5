"""A reranker that counts the words which a question and a text share."""

from collections.abc import Sequence

from mem0.rerankers.base import RerankerBase


class SharedWords(RerankerBase):
    """Scores a text by the share of the question's words that it has."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score for each text; see the base class."""
        wanted = set(query.lower().split())
        return [len(wanted & set(text.lower().split())) / max(1, len(wanted)) for text in texts]
