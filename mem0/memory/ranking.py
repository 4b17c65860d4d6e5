"""From the legs of a search to one order and one score: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0 import legs
from mem0.memory.threshold import Threshold, cut
from mem0.types import own_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.vector_stores.base import Candidates


class Ranked(NamedTuple):
    """The best candidates.

    Attributes:
        positions: Where they stand among the candidates, best first.
        keys: Their keys, in the same order.
        scores: Their absolute scores, 0-1, in the same order.
        total: How many candidates there were.
        left_out: Those that would be among them without the threshold, where they are asked for.
    """

    positions: list[int]
    keys: list[Any]
    scores: list[float]
    total: int
    left_out: list[LeftOut]


class LeftOut(NamedTuple):
    """A candidate that a threshold leaves out.

    Attributes:
        key: Its key.
        score: Its score.
        reason: Why it is left out.
    """

    key: Any
    score: float
    reason: str


def rank(candidates: Candidates, limit: int, threshold: Threshold, *, explain: bool = False) -> Ranked:
    """Order candidates by the weighted sum of their legs.

    The order may use what it likes, neighbours among it; the score is the mean of the memory's own
    legs that ran, each measured against a perfect match.  So it does not depend on which others are
    candidates, is 1 for the identical text, and at most 0.5 where only words or only meaning agree.

    Args:
        candidates: What the store found.
        limit: How many to return.
        threshold: What leaves some out; applied before the limit.
        explain: Whether to tell what it leaves out.
    """
    import numpy as np

    count = len(candidates.keys)
    if not count:
        return Ranked([], [], [], 0, [])
    order = legs.order(candidates.legs, count)
    own = np.stack([candidates.legs[name] for name in legs.OWN if name in candidates.legs])
    silent = np.isnan(own)
    said = (len(own) - silent.sum(axis=0)).clip(1)
    scores = (np.fmax(own, 0).sum(axis=0) / said).clip(0, 1).astype(np.float32)
    kept, why = cut(candidates, scores, threshold)
    best = _best(order, np.flatnonzero(kept), limit)
    missed = [at for at in _best(order, np.arange(count), limit) if not kept[at]] if explain else []
    left_out = [
        LeftOut(key, float(scores[at]), why(at))
        for key, at in zip(candidates.pick(np.array(missed, dtype=np.int64)), missed, strict=True)
    ]
    return Ranked(best.tolist(), candidates.pick(best), scores[best].tolist(), count, left_out)


def _best(order: NDArray[np.float32], allowed: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return the best of some candidates; equal ones: the later inserted, the further ahead, whatever the limit."""
    import numpy as np

    if limit < len(allowed):
        weights = order[allowed]
        least = np.partition(weights, -limit)[-limit]
        better = allowed[weights > least]
        allowed = np.concatenate((better, allowed[weights == least][len(better) - limit :]))
    return allowed[np.lexsort((-allowed, -order[allowed]))]


class Explainer:
    """Says of candidates what each leg said about them, and what it weighed.

    Args:
        candidates: What the store found.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        # What each leg adds to each candidate beyond what it adds on average to them, and to one more that has nothing,
        # so that there is an average where there is only one.  Nothing is found by a leg that counts against it.
        counts = {name: weight for name, weight in legs.weights(candidates.legs).items() if weight > 0}
        self._ahead = {
            name: share - share.sum() / (len(share) + 1) for name, share in legs.shares(candidates.legs, counts).items()
        }

    def of(self, position: int, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return what there is to say of one candidate.

        ``legs`` has each leg's absolute score, ``None`` where it did not look at this memory; ``found_by`` is the leg
        that put it furthest ahead of the average candidate; ``skipped`` says why a leg did not run at all; ``cut`` that
        the vector stands for only the beginning of a long text.
        """
        scores: dict[str, float | None] = {}
        for name, values in self._candidates.legs.items():
            value = float(values[position])
            scores[name] = None if value != value else value
        ahead = {name: float(by[position]) for name, by in self._ahead.items()}
        best = max(ahead, key=ahead.__getitem__)
        return {
            "legs": scores,
            "found_by": best if ahead[best] > 0 else None,
            "skipped": dict(self._candidates.skipped),
            "cut": bool(own_notes(payload).get("cut")),
        }
