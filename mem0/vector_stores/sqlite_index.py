"""The in-memory image of a collection: one matrix, and for each scope in use an index into it.

Nothing here reads or writes the file: :mod:`mem0.vector_stores.sqlite` feeds it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mem0.traits import Noted, Traits
from mem0.types import Scope


class Row(NamedTuple):
    """What the index needs to know of one stored memory."""

    seq: int
    scope: Scope
    created: float
    expires: float | None
    turn: bool
    dense: bool
    vector: bytes
    tokens: bytes
    traits: bytes
    late: bytes


_COLUMNS = (
    *("vectors", "seqs", "identity", "created", "expires", "turn", "dense", "alive", "token_end", "late_end"),
    *("speaker", "flags"),
)


class Index:
    """The rows read so far, in the order they were read, and which scopes they make up completely."""

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.seen = 0
        self._clear()

    def _clear(self) -> None:
        self.size = 0
        self.dead = 0
        self.vectors = np.empty((0, self.dims), dtype=np.float32)
        self.seqs = np.empty(0, dtype=np.int64)
        self.identity = np.empty(0, dtype=np.int32)
        self.created = np.empty(0, dtype=np.float64)
        self.expires = np.empty(0, dtype=np.float64)
        self.turn = np.empty(0, dtype=bool)
        self.dense = np.empty(0, dtype=bool)
        self.alive = np.empty(0, dtype=bool)
        self.token_end = np.empty(0, dtype=np.int64)
        self.tokens = np.empty(0, dtype=np.uint32)
        self.late_end = np.empty(0, dtype=np.int64)
        self.late = np.empty(0, dtype=np.int8)
        self.speaker = np.empty((0, 2), dtype=np.uint32)
        self.flags = np.empty(0, dtype=np.uint8)
        self.identities: dict[Scope, int] = {}
        self.wider: list[list[Scope]] = []  # by identity: the scopes it lies in
        self.members: dict[Scope, list[int]] = {}  # the same, by scope
        self.touched: dict[Scope, int] = {}  # by scope: when one of its rows last came or went
        self.clock = 0
        self.loaded: set[Scope] = set()
        self.views: dict[Scope, Any] = {}  # what is made of these for each scope, see `sqlite_view`
        self.view_bytes = 0

    clear = _clear

    @property
    def nbytes(self) -> int:
        """Bytes in use, without the room kept for growth."""
        return self.size * (self.dims * 4 + 78) + self.token_count * 4 + self.late_count + self.view_bytes

    @property
    def token_count(self) -> int:
        """How many tokens the rows hold together."""
        return int(self.token_end[self.size - 1]) if self.size else 0

    @property
    def late_count(self) -> int:
        """How many numbers the vectors of the rows' tokens are."""
        return int(self.late_end[self.size - 1]) if self.size else 0

    def holds(self, scope: Scope) -> bool:
        """Tell whether every row of a scope has been read, and is to be kept up to date."""
        return any(larger in self.loaded for larger in _wider(scope))

    def missing(self, seqs: Sequence[int]) -> NDArray[np.bool_]:
        """Tell which rows are not here yet."""
        return ~np.isin(np.asarray(seqs, dtype=np.int64), self.seqs[: self.size][self.alive[: self.size]])

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows; vectors are kept at length 1, so that a product is the cosine.

        Raises:
            ValueError: A vector is zero or not finite.
        """
        first, last = self.size, self.size + len(rows)
        matrix = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f4").reshape(len(rows), self.dims)
        tokens = np.frombuffer(b"".join(row.tokens for row in rows), dtype="<u4")
        late = np.frombuffer(b"".join(row.late for row in rows), dtype=np.int8)
        token_first, late_first = self.token_count, self.late_count
        self._reserve(last, token_first + len(tokens), late_first + len(late))
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not ((lengths > 0) & np.isfinite(lengths)).all():
            raise ValueError("a vector has no direction")
        self.vectors[first:last] = matrix / lengths
        self.tokens[token_first : token_first + len(tokens)] = tokens
        self.token_end[first:last] = token_first + np.cumsum([len(row.tokens) // 4 for row in rows])
        self.late[late_first : late_first + len(late)] = late
        self.late_end[first:last] = late_first + np.cumsum([len(row.late) for row in rows])
        noted = Noted.of([Traits.from_bytes(row.traits) for row in rows], [row.created for row in rows])
        self.speaker[first:last], self.flags[first:last], self.created[first:last] = noted
        self.seqs[first:last] = [row.seq for row in rows]
        self.expires[first:last] = [math.inf if row.expires is None else row.expires for row in rows]
        self.turn[first:last] = [row.turn for row in rows]
        self.dense[first:last] = [row.dense for row in rows]
        self.alive[first:last] = True
        for position, row in enumerate(rows, first):
            number = self.identities.get(row.scope)
            if number is None:
                number = self.identities[row.scope] = len(self.identities)
                self.wider.append(_wider(row.scope))
                for scope in self.wider[number]:
                    self.members.setdefault(scope, []).append(number)
            self.identity[position] = number
        self.size = last
        self._touch(self.identity[first:last])

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget rows; ones that were never read are ignored."""
        here = np.flatnonzero(self.alive[: self.size] & np.isin(self.seqs[: self.size], np.asarray(seqs)))
        if not len(here):
            return
        self.alive[here] = False
        self.dead += len(here)
        self._touch(self.identity[here])
        if self.dead > max(4096, self.size // 2):
            self._clear()

    def _touch(self, identities: NDArray[np.int32]) -> None:
        self.clock += 1
        for number in set(identities.tolist()):
            for scope in self.wider[number]:
                self.touched[scope] = self.clock

    def _reserve(self, rows: int, tokens: int, late: int) -> None:
        if rows > len(self.seqs):
            capacity = max(rows, int(len(self.seqs) * 1.5), 64)
            for name in _COLUMNS:
                setattr(self, name, _grown(getattr(self, name), self.size, capacity))
        if tokens > len(self.tokens):
            self.tokens = _grown(self.tokens, self.token_count, max(tokens, int(len(self.tokens) * 1.5), 1024))
        if late > len(self.late):
            self.late = _grown(self.late, self.late_count, max(late, int(len(self.late) * 1.5), 4096))


def _wider(scope: Scope) -> list[Scope]:
    """Return every scope that covers this one, itself included."""
    return [Scope(*ids) for ids in itertools.product(*((None,) if id is None else (id, None) for id in scope))]


def _grown(array: Any, used: int, capacity: int) -> Any:
    larger = np.empty((capacity, *array.shape[1:]), dtype=array.dtype)
    larger[:used] = array[:used]
    return larger
