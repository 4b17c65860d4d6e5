"""Run with the real mem0ai, in an environment of its own: writes a Qdrant folder as it does, with fake models.

    python write_collection.py FOLDER

Prints, as JSON, what it wrote: the version, and of each memory its id, text and owner.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

DIMS = 8
TEXTS = [("alice", "Likes tea"), ("alice", "The cat sleeps on the sofa"), ("bob", "Likes coffee")]


def vector(text: str) -> list[float]:
    """Return a vector that the tests make again: how often some letters occur."""
    return [1.0 + text.lower().count(letter) for letter in "acefilot"]


class Embedder:
    """What mem0ai asks of an embedder."""

    config = mock.Mock(embedding_dims=DIMS)

    def embed(self, text: str, memory_action: Any = None) -> list[float]:
        return vector(text)

    def embed_batch(self, texts: list[str], memory_action: Any = None) -> list[list[float]]:
        return [vector(text) for text in texts]


def main(folder: str) -> None:
    os.environ["MEM0_TELEMETRY"] = "False"
    os.environ["MEM0_DIR"] = str(Path(folder) / "home")
    from mem0 import Memory

    config = {
        "history_db_path": str(Path(folder) / "history.db"),
        "vector_store": {
            "provider": "qdrant",
            "config": {"path": str(Path(folder) / "qdrant"), "on_disk": True, "embedding_model_dims": DIMS},
        },
    }
    with (
        mock.patch("mem0.memory.main.EmbedderFactory.create", return_value=Embedder()),
        mock.patch("mem0.memory.main.LlmFactory.create", return_value=mock.Mock()),
    ):
        memory = Memory.from_config(config)
        written = []
        for user, text in TEXTS:
            result = memory.add(text, user_id=user, metadata={"topic": "likes", "stars": 4}, infer=False)
            written.append({"id": result["results"][0]["id"], "memory": text, "user_id": user})
    memory.vector_store.client.close()
    collection = memory.vector_store.collection_name
    print(json.dumps({"version": importlib.metadata.version("mem0ai"), "collection": collection, "written": written}))


if __name__ == "__main__":
    main(sys.argv[1])
