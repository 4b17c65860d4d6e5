"""How much each leg of a search counts: sets of weights, and the sums they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: What each leg counts where memories are compared word by word.  Fitted to two kinds of conversation at once, see
#: ``docs/search.md``.
FINE: Mapping[str, float] = {
    "late": 0.25,
    "late_window": 1.0,
    "session_dense": 0.3,
    "dense": 0.2,
    "keyword": 0.15,
    "near_keyword": 0.15,
    "speaker": 0.15,
    "time": 0.35,
    "asks": -0.1,
    "standing": 0.2,
    "recency": 0.15,
}

#: The same where they are not: it chooses whom to compare word by word, and orders everything where an embedder
#: has no vectors of words.
COARSE: Mapping[str, float] = {
    "dense": 0.7,
    "near_dense": 0.6,
    "session_dense": 0.9,
    "keyword": 0.9,
    "near_keyword": 0.8,
    "speaker": 0.3,
    "time": 0.7,
    "asks": -0.2,
    "standing": 0.4,
    "recency": 0.3,
}

#: The same where nothing but words can be compared, as where the embedder does not know a script: beside so few other
#: legs, neighbours would count as much as the memory itself.
WORDS_ALONE: Mapping[str, float] = {**COARSE, "near_keyword": 0.4}

#: The legs that look at a memory itself, from 0 where it has nothing in common with the question to 1 where it is the
#: same text; their mean is the score.
OWN = ("dense", "keyword")

# Those that tell of circumstances, and not how well a text fits.
_CIRCUMSTANCES = ("speaker", "time", "asks", "standing", "recency")

# More than any sum of COARSE.
_BEHIND = 10


def weights(legs: Mapping[str, Floats]) -> Mapping[str, float]:
    """Return what each leg counts, given which of them ran."""
    return FINE if ran(legs, "late") else COARSE if ran(legs, "dense") else WORDS_ALONE


def shares(legs: Mapping[str, Floats], counts: Mapping[str, float]) -> dict[str, Floats]:
    """Return what each leg adds to each memory's place; one that says nothing of a memory adds nothing."""
    import numpy as np

    return {name: np.fmax(legs[name], 0) * np.float32(weight) for name, weight in counts.items() if name in legs}


def total(legs: Mapping[str, Floats], counts: Mapping[str, float], count: int) -> Floats:
    """Return the weighted sum of the legs, for each of so many memories."""
    import numpy as np

    found = np.zeros(count, dtype=np.float32)
    for share in shares(legs, counts).values():
        found += share
    return found


def order(legs: Mapping[str, Floats], count: int) -> Floats:
    """Return what puts memories in order, the more the better.

    Those that were compared word by word stand before those that were not worth it.
    """
    import numpy as np

    counts = weights(legs)
    found = total(legs, counts, count)
    if counts is not FINE:
        return found
    return np.where(np.isnan(legs["late"]), total(legs, COARSE, count) - _BEHIND, found)


def relevance(legs: Mapping[str, Floats], counts: Mapping[str, float], count: int) -> Floats:
    """Return how well the text of each memory fits, as a share of what it could at most, whoever said it and when."""
    texts = {name: weight for name, weight in counts.items() if name not in _CIRCUMSTANCES and ran(legs, name)}
    return total(legs, texts, count) / (sum(texts.values()) or 1)


def ran(legs: Mapping[str, Floats], name: str) -> bool:
    """Tell whether a leg has something to say about any memory."""
    import numpy as np

    return name in legs and not bool(np.isnan(legs[name]).all())
