"""How much of the evidence a search brings back, through the public ``add`` and ``search``.

    python benchmarks/retrieval/run.py FILE [FILE ...]            # one memory for each conversation
    python benchmarks/retrieval/run.py --together FILE [FILE ...] # those of a file in one memory
    python benchmarks/retrieval/run.py --ablate FILE              # again without each leg
    python benchmarks/retrieval/run.py --without late FILE  # compared in pairs with all legs

The recall of a question is the share of its evidence turns among the first K results, MRR one divided by the place of
the first of them.  Behind the mean stands the half-width of its 95 % interval, over questions, by bootstrap.  Every
turn is one ``add``, with its time.  Questions that cannot be answered (LoCoMo's category 5) are reported apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import UNANSWERABLE, Conversation, Question, read
from numpy.typing import NDArray

from mem0 import Memory
from mem0 import legs as weighed
from mem0.memory.packing import estimated_tokens

CUTS = (5, 10, 20, 50)
COLUMNS = (*(f"@{cut}" for cut in CUTS), "MRR")


class Asked(NamedTuple):
    """What one question brought.

    Attributes:
        question: The question.
        scores: Its recall at each cut, then its reciprocal rank.
        tokens: About how many tokens the first ten results are.
        milliseconds: What the search took, on the clock.
    """

    question: Question
    scores: tuple[float, ...]
    tokens: int
    milliseconds: float


def together(conversations: Sequence[Conversation]) -> Conversation:
    """Return conversations as one, in order of time."""
    turns = sorted(
        (turn._replace(id=f"{one.id} {turn.id}") for one in conversations for turn in one.turns),
        key=lambda turn: turn.time,
    )
    questions = [
        question._replace(evidence=frozenset(f"{one.id} {id}" for id in question.evidence))
        for one in conversations
        for question in one.questions
    ]
    return Conversation(" + ".join(one.id for one in conversations), turns, questions)


def filled(memory: Memory, conversations: Sequence[Conversation]) -> None:
    """Add every turn to the memory of its conversation, one at a time."""
    for conversation in conversations:
        for turn in conversation.turns:
            memory.add(
                {"role": turn.role, "content": turn.text},
                user_id=conversation.id,
                metadata={"turn": turn.id},
                timestamp=turn.time,
                infer=False,
            )


def asked(memory: Memory, conversations: Sequence[Conversation]) -> list[Asked]:
    """Ask every question."""
    found = []
    for conversation in conversations:
        memory.search("what is known?", user_id=conversation.id)  # reads the conversation into memory
        for question in conversation.questions:
            started = time.perf_counter()
            rows = memory.search(question.text, user_id=conversation.id, limit=max(CUTS))
            took = 1000 * (time.perf_counter() - started)
            ranked = [row["metadata"]["turn"] for row in rows]
            places = [at for at, turn in enumerate(ranked) if turn in question.evidence]
            scores = [sum(place < cut for place in places) / len(question.evidence) for cut in CUTS]
            tokens = sum(estimated_tokens(row["memory"]) for row in rows[:10])
            found.append(Asked(question, (*scores, 1 / (1 + places[0]) if places else 0.0), tokens, took))
    return found


@contextmanager
def without(*legs: str) -> Iterator[None]:
    """Search without some legs until the block ends."""
    before = weighed.FINE, weighed.COARSE
    weighed.FINE, weighed.COARSE = ({name: some[name] for name in some if name not in legs} for some in before)
    try:
        yield
    finally:
        weighed.FINE, weighed.COARSE = before


def interval(values: NDArray[Any]) -> NDArray[Any]:
    """Return the half-width of the mean's 95 % interval, by bootstrap over the first axis."""
    dice = np.random.default_rng(0)
    means = np.array([values[dice.integers(0, len(values), len(values))].mean(axis=0) for _ in range(1000)])
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    half: NDArray[Any] = (high - low) / 2
    return half


def table(found: Sequence[Asked]) -> Iterator[str]:
    """Yield the lines of a table by category."""
    yield f"{'':<22} {'questions':>9}  " + "".join(f"{name:>14}" for name in COLUMNS)
    by_category: dict[str, list[Asked]] = {}
    for one in found:
        by_category.setdefault(one.question.category, []).append(one)
    answerable = [one for one in found if one.question.category not in UNANSWERABLE]
    for name, some in [
        ("answerable", answerable),
        *((f"  {name}", some) for name, some in sorted(by_category.items())),
    ]:
        values = np.array([one.scores for one in some])
        cells = zip(values.mean(axis=0), interval(values), strict=True)
        yield f"{name:<22} {len(some):>9}  " + "".join(f"{mean:>8.3f} ±{half:.3f}" for mean, half in cells)
    took = sorted(one.milliseconds for one in found)
    yield (
        f"{statistics.mean(one.tokens for one in found):.0f} tokens in the first ten; "
        f"{statistics.median(took):.2f} ms a search (median), {took[int(len(took) * 0.95)]:.2f} (95 %)"
    )


def compared(before: Sequence[Asked], after: Sequence[Asked]) -> str:
    """Return how much worse the second is, question by question, with the half-width of the 95 % interval."""
    pairs = zip(before, after, strict=True)
    differences = np.array(
        [np.subtract(two.scores, one.scores) for one, two in pairs if one.question.category not in UNANSWERABLE]
    )
    cells = zip(differences.mean(axis=0), interval(differences), strict=True)
    return "".join(f"{mean:>+8.3f} ±{half:.3f}" for mean, half in cells)


def measured(path: Path, options: argparse.Namespace, config: Mapping[str, Any]) -> None:
    """Print what is found in one file."""
    conversations = read(path)
    if options.together:
        conversations = [together(conversations)]
    with Memory(config, path=":memory:") as memory:
        started = time.process_time()
        filled(memory, conversations)
        count = sum(len(one.turns) for one in conversations)
        print(f"\n{path.name}: {count} turns, {1000 * (time.process_time() - started) / count:.1f} ms CPU an add")
        found = asked(memory, conversations)
        print(*table(found), sep="\n")
        for legs in [*options.without, *(list({**weighed.FINE, **weighed.COARSE}) if options.ablate else [])]:
            with without(*legs.split(",")):
                print(f"{'without ' + legs:<32}  {compared(found, asked(memory, conversations))}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="conversations, as JSONL or in LoCoMo's shape")
    parser.add_argument("--together", action="store_true", help="the conversations of a file in one memory")
    parser.add_argument("--ablate", action="store_true", help="again without each leg, compared in pairs")
    parser.add_argument("--without", action="append", default=[], metavar="LEG,...", help="again without these legs")
    parser.add_argument("--no-tokens", action="store_true", help="keep no vectors of tokens")
    options = parser.parse_args()
    config = {"embedder": {"provider": "onnx", "config": {"late_interaction": not options.no_tokens}}}
    for path in options.data:
        measured(path, options, config)


if __name__ == "__main__":
    main()
