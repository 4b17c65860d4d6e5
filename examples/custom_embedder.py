"""An embedder of your own: how to write one, how to use it, how to give it a name.

    python examples/custom_embedder.py

This one needs no model: a text is the three-letter pieces of its words, so it forgives typing errors.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mem0 import Memory
from mem0.embeddings.base import EmbeddingBase
from mem0.utils.factory import EmbedderFactory


class TrigramOptions(BaseModel):
    """What may stand in ``config``; anything else is refused with the nearest valid name."""

    model_config = ConfigDict(extra="forbid")

    dims: int = Field(default=512, ge=1, description="Size of the vectors.")


class TrigramEmbedding(EmbeddingBase):
    """Counts the three-letter pieces of a text's words."""

    options = TrigramOptions
    model = "trigrams"  # recorded with the collection: another embedder is refused there

    def __init__(self, config: TrigramOptions | Mapping[str, Any] | None = None) -> None:
        options = config if isinstance(config, TrigramOptions) else TrigramOptions(**(config or {}))
        self.dims: int = options.dims

    def embed(self, text: str) -> list[float]:
        vector = [0.0] * self.dims
        for word in text.casefold().split() or [""]:
            padded = f"^{word.strip('.,!?')}$"
            for start in range(max(1, len(padded) - 2)):
                piece = padded[start : start + 3].encode("utf-8", "replace")
                vector[zlib.crc32(piece) % self.dims] += 1.0
        return vector


def main() -> None:
    # As an object ...
    with Memory(path=":memory:", embedder=TrigramEmbedding()) as memory:
        show(memory)

    # ... or by name, so that a configuration file can say it.  A package of yours does the same with an
    # entry point in the group "mem0.embedders", and nobody has to call register().
    EmbedderFactory.register("trigrams", "custom_embedder.TrigramEmbedding")
    config = {"path": ":memory:", "embedder": {"provider": "trigrams", "config": {"dims": 1024}}}
    with Memory(config) as memory:
        show(memory)


def show(memory: Memory) -> None:
    memory.add("My dentist is Doctor Oyelaran, in Marienstrasse.", user_id="alice")
    memory.add("The spare key is with the neighbours.", user_id="alice")
    print(f"{memory.embedding_model.model}, {memory.embedding_model.dims} numbers")
    for question in ("who is my dentits?", "where is the spair kee?"):
        best = memory.search(question, user_id="alice", limit=1)[0]
        print(f"  {question:<24} {best['score']:.2f}  {best['memory']}")


if __name__ == "__main__":
    main()
