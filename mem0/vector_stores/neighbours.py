"""Which turns of conversations stand side by side, and what those around a turn add to it: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: What the turns before and after add to a turn: half of it is said there, the further away the less.
NEARNESS = np.array([0.8, 0.9, 0.9, 0.8], dtype=np.float32)

# Turns further apart than this do not belong to one conversation.
_LARGEST_GAP = 24 * 3600.0

# A longer silence ends a session.
_LONGEST_SILENCE = 3 * 3600.0


class Neighbours:
    """The turns beside each memory, and its session.

    Args:
        places: In which order the memories were stored.
        identity: Whose each is; only turns of one identity are neighbours.
        created: When each was said, in Unix seconds.
        turn: Whether it is a turn; facts have no neighbours.

    Attributes:
        near: For each memory the two turns before and the two after it, -1 where there is none: ``[4, memories]``.
    """

    def __init__(
        self, places: NDArray[Any], identity: NDArray[Any], created: NDArray[np.float64], turn: NDArray[np.bool_]
    ) -> None:
        count = len(places)
        order = np.lexsort((places, identity))
        order = order[turn[order]]
        left, right = order[:-1], order[1:]
        apart = np.abs(created[left] - created[right])
        linked = (identity[left] == identity[right]) & (apart <= _LARGEST_GAP)
        # One slot more than rows, which holds "none", so that "the one before the one before" is a look-up too.
        before, after = np.full(count + 1, -1), np.full(count + 1, -1)
        before[right[linked]] = left[linked]
        after[left[linked]] = right[linked]
        self.near = np.stack([before[before], before, after, after[after]])[:, :count]
        # Turns by session, and where each session begins; a memory that is no turn has none.
        self._in_sessions = order
        begins = np.append(True, ~(linked & (apart <= _LONGEST_SILENCE))) if len(order) else np.empty(0, dtype=bool)
        self._sessions = np.flatnonzero(begins)
        self._session_of = np.cumsum(begins) - 1

    def around(self, scores: Floats) -> Floats:
        """Return the best of what is said just before and after each turn, less by how far away it is."""
        padded = np.append(scores, np.float32(0))
        best: Floats = (padded[self.near] * NEARNESS[:, None]).max(axis=0)
        return best

    def in_session(self, scores: Floats) -> Floats:
        """Return the best of what is said in each turn's session; a memory that is no turn has itself."""
        best = scores.copy()
        if len(self._sessions):
            best[self._in_sessions] = np.maximum.reduceat(scores[self._in_sessions], self._sessions)[self._session_of]
        return best
