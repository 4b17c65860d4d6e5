"""An embedder that counts letters; good for nothing but an example."""

from mem0.embeddings.base import EmbeddingBase


class LetterCounts(EmbeddingBase):
    """Counts the letters of a text."""

    model = "letter-counts"
    dims = 26

    def embed(self, text: str) -> list[float]:
        """Return one number for each letter."""
        return [1.0 + text.lower().count(chr(ord("a") + place)) for place in range(self.dims)]
