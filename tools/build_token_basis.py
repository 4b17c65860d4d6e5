"""Make ``mem0/embeddings/minilm/tokens.npy``: the directions in which the bundled model's token vectors differ most.

    python tools/build_token_basis.py

They are the principal components of the tokens of this repository's own written conversations
(``benchmarks/retrieval/data``) and documentation; nothing else is learnt from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mem0.embeddings import late
from mem0.embeddings.onnx import OnnxEmbedding

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUT = REPOSITORY / "mem0" / "embeddings" / "minilm" / "tokens.npy"
SIZE = 64
CONVERSATIONS = ("assistant-a.jsonl", "assistant-b.jsonl", "languages.jsonl")  # facts.jsonl only measures


def texts() -> Iterator[str]:
    """Yield what the basis is made of, a sentence or a turn at a time."""
    for name in CONVERSATIONS:
        text = (REPOSITORY / "benchmarks" / "retrieval" / "data" / name).read_text(encoding="utf-8")
        for line in text.splitlines():
            conversation = json.loads(line)
            yield from (turn["text"] for turn in conversation["turns"])
            yield from (question["question"] for question in conversation["questions"])
    for path in sorted((REPOSITORY / "docs").rglob("*.md")):
        for sentence in re.split(r"(?<=[.!?])\s+|\n\n|\n[-|]", path.read_text(encoding="utf-8")):
            if 20 < len(sentence.strip()) < 400:
                yield sentence.strip()


def main() -> None:
    """Write the file."""
    embedder = OnnxEmbedding()
    known = [text for text in texts() if embedder.understands(text)]
    states = np.concatenate([found.vectors[1:-1] for found in embedder.embed_tokens(known)])
    late.write(OUTPUT, late.fitted(states, SIZE))
    print(f"{OUTPUT.relative_to(REPOSITORY)}: {SIZE} directions of {len(states):,} tokens of {len(known):,} texts")


if __name__ == "__main__":
    main()
