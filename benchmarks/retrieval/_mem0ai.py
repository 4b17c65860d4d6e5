"""Asks mem0ai what ``run.py`` asks this library, and prints the answers as JSON; ``run.py`` starts it.

It is mem0ai as ``pip install mem0ai`` leaves it: its default store is Qdrant's local mode, and it searches by vector
only, because what its keyword leg and its entities need comes with extras and downloads.  Its embedder alone is
replaced, by a table of vectors that were made beforehand.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from conversations import Conversation, read_all, texts_of
from scoring import CUTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _libraries import Mem0ai

#: How it is searched: as by default, where what is less similar than 0.1 is cut, and with nothing cut.
THRESHOLDS: tuple[dict[str, float], ...] = ({}, {"threshold": 0.0})


class Table:
    """The vectors of texts that are known beforehand, in the shape of mem0ai's embedders."""

    def __init__(self, texts: Sequence[str], vectors: Path) -> None:
        matrix = np.load(vectors)
        self.dims = matrix.shape[1]
        self._vectors = dict(zip(map(str.strip, texts), matrix.tolist(), strict=True))

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Return the vector of one text."""
        vector: list[float] = self._vectors[text.strip()]  # it strips questions only
        return vector

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        """Return one vector a text, in order."""
        return [self.embed(text) for text in texts]


def fill(memory: Any, conversations: Sequence[Conversation]) -> None:
    """Add every turn, one at a time; mem0ai takes no time of saying."""
    for conversation in conversations:
        for turn in conversation.turns:
            message = {"role": turn.role or "user", "content": turn.text}
            memory.add([message], user_id=conversation.id, metadata={"turn": turn.id}, infer=False)


def ask(
    memory: Any, conversations: Sequence[Conversation], threshold: dict[str, float]
) -> list[tuple[list[str], float]]:
    """Return, for each question, the ids of the turns that are found, best first, and the milliseconds it took."""
    answers = []
    for conversation in conversations:
        for question in conversation.questions:
            started = time.process_time()
            found = memory.search(question.text, filters={"user_id": conversation.id}, top_k=max(CUTS), **threshold)
            took = 1000 * (time.process_time() - started)
            answers.append(([row["metadata"]["turn"] for row in found["results"]], took))
    return answers


def main() -> None:
    """Print the answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--vectors", type=Path, required=True)
    options = parser.parse_args()
    sys.stdout = sys.stderr  # what mem0ai prints is no answer
    conversations = read_all(options.data, options.together)
    library = Mem0ai(Table(texts_of(conversations), options.vectors))
    memory = library.open(options.vectors.parent)
    fill(memory, conversations)
    answers = [ask(memory, conversations, threshold) for threshold in THRESHOLDS]
    library.close(memory)
    print(json.dumps(answers), file=sys.__stdout__)


if __name__ == "__main__":
    main()
