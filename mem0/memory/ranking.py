"""From the legs of a search to one order and one score: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0 import legs
from mem0.types import own_notes

if TYPE_CHECKING:
    from mem0.vector_stores.base import Candidates


class Ranked(NamedTuple):
    """The best candidates.

    Attributes:
        positions: Where they stand among the candidates, best first.
        keys: Their keys, in the same order.
        scores: Their absolute scores, 0-1, in the same order.
        total: How many candidates there were.
    """

    positions: list[int]
    keys: list[Any]
    scores: list[float]
    total: int


def rank(candidates: Candidates, limit: int, threshold: float | None) -> Ranked:
    """Order candidates by the weighted sum of their legs.

    The order may use what it likes, neighbours among it; the score is the mean of the memory's own
    legs that ran, each measured against a perfect match.  So it does not depend on other candidates,
    is 1 for the identical text, and at most 0.5 where only words or only meaning agree.

    Args:
        candidates: What the store found.
        limit: How many to return.
        threshold: The least score; applied before the limit.
    """
    import numpy as np

    count = len(candidates.keys)
    if not count:
        return Ranked([], [], [], 0)
    order = legs.order(candidates.legs, count)
    own = np.stack([candidates.legs[name] for name in legs.OWN if name in candidates.legs])
    silent = np.isnan(own)
    said = (len(own) - silent.sum(axis=0)).clip(1)
    scores = (np.fmax(own, 0).sum(axis=0) / said).clip(0, 1).astype(np.float32)
    allowed = np.arange(count) if threshold is None else np.flatnonzero(scores >= threshold)
    # Equal ones: the later a row was inserted, the further ahead it stands, whatever the limit.
    if limit < len(allowed):
        weights = order[allowed]
        least = np.partition(weights, -limit)[-limit]
        better = allowed[weights > least]
        allowed = np.concatenate((better, allowed[weights == least][len(better) - limit :]))
    best = allowed[np.lexsort((-allowed, -order[allowed]))]
    return Ranked(best.tolist(), candidates.pick(best), scores[best].tolist(), count)


class Explainer:
    """Says of candidates what each leg said about them, and what it weighed.

    Args:
        candidates: What the store found.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        # By set of weights: what each leg adds to each candidate beyond what it adds on average to them and to one more
        # that has nothing, so that there is an average where there is only one.
        self._ahead = {
            compared: {
                name: share - share.sum() / (len(share) + 1)
                for name, share in legs.shares(candidates.legs, counts).items()
            }
            for compared, counts in ((True, legs.FINE), (False, legs.weights(candidates.legs)))
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
        ahead = {name: float(by[position]) for name, by in self._ahead[scores.get("late") is not None].items()}
        best = max(ahead, key=ahead.__getitem__)
        return {
            "legs": scores,
            "found_by": best if ahead[best] > 0 else None,
            "skipped": dict(self._candidates.skipped),
            "cut": bool(own_notes(payload).get("cut")),
        }
