"""From what a question brought to numbers, and from these to tables: nothing here knows a library."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from conversations import UNANSWERABLE, Question
from numpy.typing import NDArray

#: How many results are looked at, and how many tokens a prompt has room for.
CUTS = (5, 10, 20, 50)
BUDGETS = (500, 1000, 2000)
COLUMNS = (*(f"@{cut}" for cut in CUTS), "MRR", *(f"{budget} tok" for budget in BUDGETS))

_WIDTH = 14
_RESAMPLES = 1000


class Answer(NamedTuple):
    """What a library returned for one question.

    Attributes:
        ranked: The ids of the turns that its search found, best first.
        packed: For each budget of tokens the ids of those in the text for the prompt; none of a library without one.
        milliseconds: What the search took, of CPU time.
    """

    ranked: Sequence[str]
    packed: Sequence[Collection[str]]
    milliseconds: float


class Asked(NamedTuple):
    """What one question brought.

    Attributes:
        question: The question.
        scores: One number for each of the columns; not a number where there is none.
        tokens: About how many tokens the first ten results are.
        milliseconds: What the search took, of CPU time.
    """

    question: Question
    scores: tuple[float, ...]
    tokens: int
    milliseconds: float


def scored(question: Question, answer: Answer, tokens: Mapping[str, int]) -> Asked:
    """Return what an answer is worth.

    Args:
        question: The question.
        answer: What was returned for it.
        tokens: How many tokens each turn has.
    """
    places = [place for place, turn in enumerate(answer.ranked) if turn in question.evidence]
    recall = (sum(place < cut for place in places) / len(question.evidence) for cut in CUTS)
    reciprocal = 1 / (1 + places[0]) if places else 0.0
    covered = [len(question.evidence.intersection(packed)) / len(question.evidence) for packed in answer.packed]
    return Asked(
        question,
        (*recall, reciprocal, *(covered or [float("nan")] * len(BUDGETS))),
        sum(tokens[turn] for turn in answer.ranked[:10]),
        answer.milliseconds,
    )


def interval(values: NDArray[Any]) -> NDArray[Any]:
    """Return the half-width of the mean's 95 % interval, by bootstrap over the first axis."""
    dice = np.random.default_rng(0)
    means = np.array([values[dice.integers(0, len(values), len(values))].mean(axis=0) for _ in range(_RESAMPLES)])
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    half: NDArray[Any] = (high - low) / 2
    return half


def heading() -> str:
    """Return the names of the columns."""
    return f"{'':<22} {'questions':>9}  " + "".join(f"{name:>{_WIDTH}}" for name in COLUMNS)


def table(found: Sequence[Asked]) -> Iterator[str]:
    """Yield the lines of a table by category."""
    by_category: dict[str, list[Asked]] = {}
    for one in found:
        by_category.setdefault(one.question.category, []).append(one)
    yield heading()
    yield _line("answerable", _answerable(found))
    yield from (_line(f"  {name}", some) for name, some in sorted(by_category.items()))
    took = sorted(one.milliseconds for one in found)
    yield (
        f"{statistics.mean(one.tokens for one in found):.0f} tokens in the first ten; "
        f"{statistics.median(took):.2f} ms CPU a search (median), {took[int(len(took) * 0.95)]:.2f} (95 %)"
    )


def compared(name: str, before: Sequence[Asked], after: Sequence[Asked]) -> str:
    """Return a line that says by how much the second is better, question by question."""
    pairs = zip(_answerable(before), _answerable(after), strict=True)
    differences = np.array([np.subtract(two.scores, one.scores) for one, two in pairs])
    return f"{name:<32}  {_cells(differences, '+')}"


def _answerable(found: Sequence[Asked]) -> list[Asked]:
    return [one for one in found if one.question.category not in UNANSWERABLE]


def _line(name: str, some: Sequence[Asked]) -> str:
    return f"{name:<22} {len(some):>9}  {_cells(np.array([one.scores for one in some]))}"


def _cells(values: NDArray[Any], sign: str = "") -> str:
    """Show the mean of each column, and half of its 95 % interval."""
    return "".join(
        f"{'–':>{_WIDTH}}" if np.isnan(mean) else f"{mean:>{sign}{_WIDTH - 6}.3f} ±{half:.3f}"
        for mean, half in zip(values.mean(axis=0), interval(values), strict=True)
    )
