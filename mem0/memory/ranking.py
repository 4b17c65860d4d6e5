"""From the legs of a search to one order and one score: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mem0.types import own_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.vector_stores.base import Candidates

#: How much each leg counts in the order of results; one that did not run counts nothing.  Fitted to two kinds of
#: conversation at once, see ``benchmarks/retrieval``.
WEIGHTS: Mapping[str, float] = {
    "late": 1.0,
    "near_late": 0.7,
    "session_late": 0.7,
    "dense": 0.4,
    "keyword": 0.6,
    "near_keyword": 0.6,
    "speaker": 0.2,
    "time": 0.4,
}

# The same for a question that is compared by its words alone, as where the embedder does not know its script: beside
# so few other legs, neighbours would count as much as the memory itself.
_BY_WORDS_ALONE: Mapping[str, float] = {"near_keyword": 0.3}

#: The legs that look at the memory itself and are near 0 where it has nothing in common; their mean is the score.
_OWN = ("dense", "keyword")


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
    legs = candidates.legs
    order = np.zeros(count, dtype=np.float32)
    for share in _shares(legs, _weights(legs)).values():
        order += share
    own = np.stack([legs[name] for name in _OWN if name in legs])
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


def _weights(legs: Mapping[str, NDArray[np.float32]]) -> Mapping[str, float]:
    """Return how much each leg counts, given which of them have something to say."""
    import numpy as np

    meant = "dense" in legs and not np.isnan(legs["dense"]).all()
    return WEIGHTS if meant else {name: _BY_WORDS_ALONE.get(name, weight) for name, weight in WEIGHTS.items()}


def _shares(legs: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]) -> dict[str, NDArray[np.float32]]:
    """Return what each leg adds to the order of each candidate."""
    import numpy as np

    return {name: np.fmax(legs[name], 0) * np.float32(weight) for name, weight in weights.items() if name in legs}


def explanation(candidates: Candidates, position: int, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each leg said about one candidate, and what it weighed.

    ``legs`` has each leg's absolute score, ``None`` where it did not look at this memory; ``found_by``
    is the leg that contributed most; ``skipped`` says why a leg did not run at all; ``cut`` that the
    vector stands for only the beginning of a long text.
    """
    legs: dict[str, float | None] = {}
    for name, values in candidates.legs.items():
        value = float(values[position])
        legs[name] = None if value != value else value
    alone = {name: values[position : position + 1] for name, values in candidates.legs.items()}
    shares = _shares(alone, _weights(candidates.legs))
    best = max(shares, key=lambda name: float(shares[name][0]))
    return {
        "legs": legs,
        "found_by": best if shares[best][0] > 0 else None,
        "skipped": dict(candidates.skipped),
        "cut": bool(own_notes(payload).get("cut")),
    }
