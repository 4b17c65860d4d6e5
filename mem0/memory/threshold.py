"""Which of the candidates a threshold leaves out, and why: numbers in, numbers and reasons out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from mem0 import legs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.vector_stores.base import Candidates

    Floats = NDArray[np.float32]

#: The least score; or ``"auto"``, which returns nothing where even the best memory is not convincing.
Threshold: TypeAlias = float | Literal["auto"] | None


class _Wanted(NamedTuple):
    """What makes memories convincing.

    Attributes:
        best: What the best must come to.
        share: What share of it another one must come to.
    """

    best: float
    share: float


# Measured on questions that a conversation answers, on those of other conversations, and on those of nobody;
# docs/search.md has what is found and lost.  Words alone tell little, and their scores lie far apart.
_FINE = _Wanted(0.3, 0.6)
_COARSE = _Wanted(0.25, 0.6)
_VECTORS_ALONE = _Wanted(0.33, 0.6)
_WORDS_ALONE = _Wanted(0.045, 0.2)

# How much the closest vector counts beside what all legs say: a paraphrase has no words in common.
_CLOSEST = 0.6

# The more memories, the closer the closest vector by chance: so much for twice as many, measured among 60 to 700.
_BY_CHANCE = 0.03
_AMONG, _FEWEST = 100, 20


class Cut(NamedTuple):
    """What a threshold does.

    Attributes:
        kept: Which candidates stay.
        why: Says, for one that does not, why.
    """

    kept: NDArray[np.bool_]
    why: Callable[[int], str]


def cut(candidates: Candidates, scores: Floats, threshold: Threshold) -> Cut:
    """Return which candidates a threshold keeps.

    Args:
        candidates: What the store found, at least one.
        scores: Their scores.
        threshold: The threshold.
    """
    import numpy as np

    if threshold is None:
        return Cut(np.ones(len(scores), dtype=bool), lambda _: "")
    if threshold == "auto":
        return _convincing(candidates, len(scores))
    return Cut(scores >= threshold, lambda at: below(float(scores[at]), threshold))


def below(score: float, threshold: float) -> str:
    """Return why a score is not enough."""
    return f"its score {score:.3f} is below the threshold {threshold:g}"


def _convincing(candidates: Candidates, count: int) -> Cut:
    import numpy as np

    counts = legs.weights(candidates.legs)
    fits = legs.relevance(candidates.legs, counts, count)
    best = float(fits.max())
    trust, wanted = best, _WORDS_ALONE
    if legs.ran(candidates.legs, "dense"):
        closest = float(np.nanmax(candidates.legs["dense"]))
        chance = _BY_CHANCE * float(np.log2(max(count, _FEWEST) / _AMONG))
        trust = (best + _CLOSEST * closest) / (1 + _CLOSEST) - chance
        wanted = _FINE if counts is legs.FINE else _COARSE if legs.ran(candidates.legs, "keyword") else _VECTORS_ALONE
    if trust < wanted.best:
        nothing = f"nothing is convincing: the best comes to {trust:.3f}, and {wanted.best:g} is wanted"
        return Cut(np.zeros(count, dtype=bool), lambda _: nothing)
    return Cut(
        fits >= wanted.share * best,
        lambda at: f"it comes to {fits[at]:.3f}, less than {wanted.share:g} of the best, {best:.3f}",
    )
