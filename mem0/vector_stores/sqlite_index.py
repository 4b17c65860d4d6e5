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

from mem0 import text
from mem0.text import Question
from mem0.traits import About, Traits
from mem0.types import Scope, TokenVectors

Floats = NDArray[np.float32]

# Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with the idf that
# never turns negative (as Lucene has it), and the constants Trotman, Jia and Crane found best over many
# collections, "Towards an Efficient and Effective Search Engine" (2012).
_K1 = 0.9
_B = 0.4

# Turns further apart than this do not belong to one conversation.
_LARGEST_GAP = 24 * 3600.0

# A long question is counted in blocks of so many words times rows, which take 50 MB.
_CELLS_AT_ONCE = 1 << 22

# So many of the best by words and by the text's own vector are compared word by word; more find nothing more.
_POOL = 200

# What the turns before and after add to a turn: half of it is said there, the further away the less.
_NEARNESS = np.array([0.8, 0.9, 0.9, 0.8], dtype=np.float32)

# A longer silence ends a conversation.
_LONGEST_SILENCE = 3 * 3600.0

# A gather costs more than multiplying all rows once this share of them is wanted.
_GATHER_BELOW = 0.25


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


class Legs(NamedTuple):
    """Absolute scores of a scope's rows; NaN where a leg has nothing to say about a row."""

    seqs: NDArray[np.int64]
    similarity: Floats
    dense: Floats
    late: Floats
    keyword: Floats
    near_late: Floats
    near_keyword: Floats
    session_late: Floats
    speaker: Floats
    time: Floats


_COLUMNS = (
    *("vectors", "seqs", "identity", "created", "expires", "turn", "dense", "alive", "token_end", "late_end"),
    *("speaker", "by_user"),
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
        self.by_user = np.empty(0, dtype=bool)
        self.identities: dict[Scope, int] = {}
        self.wider: list[list[Scope]] = []  # by identity: the scopes it lies in
        self.members: dict[Scope, list[int]] = {}  # the same, by scope
        self.touched: dict[Scope, int] = {}  # by scope: when one of its rows last came or went
        self.clock = 0
        self.loaded: set[Scope] = set()
        self.views: dict[Scope, View] = {}
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
            ValueError: A vector or its tokens are not what was stored.
        """
        first, last = self.size, self.size + len(rows)
        matrix = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f4").reshape(len(rows), self.dims)
        tokens = np.frombuffer(b"".join(row.tokens for row in rows), dtype="<u4")
        late = np.frombuffer(b"".join(row.late for row in rows), dtype=np.int8)
        token_first, late_first = self.token_count, self.late_count
        self._reserve(last, token_first + len(tokens), late_first + len(late))
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not ((lengths > 0) & np.isfinite(lengths)).all():
            raise ValueError("it has no direction")
        self.vectors[first:last] = matrix / lengths
        self.tokens[token_first : token_first + len(tokens)] = tokens
        self.token_end[first:last] = token_first + np.cumsum([len(row.tokens) // 4 for row in rows])
        self.late[late_first : late_first + len(late)] = late
        self.late_end[first:last] = late_first + np.cumsum([len(row.late) for row in rows])
        traits = [Traits.from_bytes(row.traits) for row in rows]
        self.speaker[first:last] = np.array([one.speaker for one in traits], dtype=np.uint32).reshape(-1, 2)
        self.by_user[first:last] = [one.by_user for one in traits]
        self.seqs[first:last] = [row.seq for row in rows]
        self.created[first:last] = [row.created for row in rows]
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

    def view(self, scope: Scope) -> View:
        """Return the scope's rows as they are now; the scope must be held."""
        known = self.views.get(scope)
        if known is not None and self.touched.get(scope, 0) <= known.made:
            return known
        view = self.views[scope] = View(self, scope)
        self.view_bytes += view.nbytes - (known.nbytes if known else 0)
        return view

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


def _lengths(ends: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many entries each row has in an array that holds those of all rows, one behind the other.

    Args:
        ends: Where those of each row end.
        rows: Which rows.
    """
    lengths: NDArray[np.int64] = ends[rows] - _starts(ends, rows)
    return lengths


def _starts(ends: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(rows > 0, ends[rows - 1], 0)


def _places(ends: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the entries of some rows stand, one row behind the other, and how many each has."""
    lengths = _lengths(ends, rows)
    before = np.cumsum(lengths) - lengths
    return np.repeat(_starts(ends, rows) - before, lengths) + np.arange(int(lengths.sum())), lengths


class View:
    """One scope's rows: where they are in the index, their words, and which turns stand side by side."""

    def __init__(self, index: Index, scope: Scope) -> None:
        self.made = index.clock
        member = np.zeros(len(index.identities), dtype=bool)
        member[index.members.get(scope, [])] = True
        self.rows = np.flatnonzero(index.alive[: index.size] & member[index.identity[: index.size]])
        self.seqs = index.seqs[self.rows]
        if (np.diff(self.seqs) < 0).any():
            # Rows that changed, and those of a scope read later, stand behind others: which of two that are
            # equally good comes first must not depend on what was read when.
            order = np.argsort(self.seqs)
            self.rows, self.seqs = self.rows[order], self.seqs[order]
        self.expires = index.expires[self.rows]
        self.dense = index.dense[self.rows]
        self.speaker = index.speaker[self.rows]
        self.created = index.created[self.rows]
        self.by_user = index.by_user[self.rows]
        # How many rows stand one behind the other from the first: those need no gathering.
        expected = np.arange(len(self.rows)) + (self.rows[0] if len(self.rows) else 0)
        breaks = np.flatnonzero(self.rows != expected)
        self.run = int(breaks[0]) if len(breaks) else len(self.rows)
        self._read_tokens(index)
        self._read_neighbours(index)

    @property
    def nbytes(self) -> int:
        """Bytes in use, with those of the arrays themselves."""
        return 2000 + len(self.rows) * 100 + len(self.tokens) * 10

    def _read_tokens(self, index: Index) -> None:
        places, lengths = _places(index.token_end, self.rows)
        self.tokens = index.tokens[places]
        self.low_halves = (self.tokens & 0xFFFF).astype(np.uint16)
        self.owner = np.repeat(np.arange(len(self.rows), dtype=np.int32), lengths)
        self.lengths = lengths.astype(np.float32)

    def _read_neighbours(self, index: Index) -> None:
        """Note for each turn which rows come before and after it; -1 where none does."""
        count = len(self.rows)
        identity, created = index.identity[self.rows], index.created[self.rows]
        order = np.lexsort((self.seqs, identity))
        order = order[index.turn[self.rows][order]]
        left, right = order[:-1], order[1:]
        linked = (identity[left] == identity[right]) & (np.abs(created[left] - created[right]) <= _LARGEST_GAP)
        # One slot more than rows, which holds "none", so that "the one before the one before" is a look-up too.
        before, after = np.full(count + 1, -1), np.full(count + 1, -1)
        before[right[linked]] = left[linked]
        after[left[linked]] = right[linked]
        self.near = np.stack([before[before], before, after, after[after]])[:, :count]
        # A memory that is no turn is a conversation of its own.
        self.session = np.arange(count)
        silent = ~(linked & (np.abs(created[left] - created[right]) <= _LONGEST_SILENCE))
        if len(order):
            self.session[order] = order[
                np.maximum.accumulate(np.where(np.append(True, silent), np.arange(len(order)), 0))
            ]

    # -- legs ---------------------------------------------------------------------------------------

    def legs(
        self,
        index: Index,
        vector: Floats | None,
        question: Question,
        keep: NDArray[np.bool_] | None,
        about: About,
        words: TokenVectors | None = None,
    ) -> Legs:
        """Score every row of the scope, and of these return the ones to keep.

        Args:
            index: The index this view belongs to.
            vector: The question's vector, of any length, or ``None``.
            question: The question's words.
            keep: Which rows may be returned; the others still count as neighbours.
            about: Whom and which time it is about.
            words: The vectors of the question's tokens.
        """
        nothing = np.full(len(self.rows), np.nan, dtype=np.float32)
        similarity = dense = late = keyword = near_late = near_keyword = session_late = nothing
        if question.words:
            keyword = self._bm25(question)
            near_keyword = self._around(keyword)
        if vector is not None:
            similarity = self._product(index, vector / np.linalg.norm(vector))
            # Rounding may leave the cosine of a text with itself a little above 1.
            known = np.where(self.dense, similarity.clip(0, 1), np.float32(0))
            dense = np.where(self.dense, known, np.float32(np.nan))
            if words is not None and len(words.words):
                late = self._late(index, words, known, keyword, near_keyword)
            if not np.isnan(late).all():
                # What is outside the pool, or was stored without its tokens, is judged by its vector as a whole.
                late = np.where(np.isnan(late), known, late)
                near_late, session_late = self._around(late), self._in_session(late)
        time = about.time_leg(self.created)
        found = Legs(
            *(self.seqs, similarity, dense, late, keyword, near_late, near_keyword, session_late),
            *(about.speaker_leg(self.speaker, self.by_user), nothing if time is None else time),
        )
        if keep is None:
            return found
        kept: list[Any] = [column[keep] for column in found]
        return Legs(*kept)

    def _late(self, index: Index, words: TokenVectors, dense: Floats, keyword: Floats, near_keyword: Floats) -> Floats:
        """Return, for the rows most likely to be wanted, how well every word of the question is met in them.

        MaxSim of Khattab and Zaharia (2020): of each of the question's tokens the closest one in the row; here their
        mean, weighted by the idf of the token's word in the scope.
        """
        found = np.full(len(self.rows), np.nan, dtype=np.float32)
        pool = self._pool(dense, keyword, near_keyword)
        size = words.vectors.shape[1]
        lengths = _lengths(index.late_end, self.rows[pool])
        pool = pool[(lengths > 0) & (lengths % size == 0)]
        if not len(pool):
            return found
        places, lengths = _places(index.late_end, self.rows[pool])
        vectors = index.late[places].reshape(-1, size).astype(np.float32)
        asked = words.vectors.astype(np.float32)
        # Rounding to 8 bits leaves lengths a little off 1.
        asked /= np.linalg.norm(asked, axis=1, keepdims=True).clip(1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1)
        closest = np.maximum.reduceat(vectors @ asked.T, (np.cumsum(lengths) - lengths) // size, axis=0)
        found[pool] = (closest @ self._importance(words.words)).clip(0, 1)
        return found

    def _pool(self, dense: Floats, keyword: Floats, near_keyword: Floats) -> NDArray[np.int64]:
        """Return the rows worth comparing word by word."""
        if len(self.rows) <= _POOL:
            return np.arange(len(self.rows))
        likely = np.nan_to_num(keyword) + np.float32(0.5) * np.nan_to_num(near_keyword) + dense
        return np.sort(np.argpartition(-likely, _POOL)[:_POOL])

    def _importance(self, words: Sequence[str]) -> Floats:
        """Return what each token of a question counts, one in all: the idf of its word; single letters are no words."""
        hashes = [
            (text.words(word) or [0])[0] if len(word) > 1 or not word.isascii() or word.isdigit() else 0
            for word in words
        ]
        known, place = np.unique(np.array(hashes, dtype=np.uint32), return_inverse=True)
        counts = np.where(known == 0, np.float32(0), self._idf(self._times(known)))[place]
        total = counts.sum()
        return counts / total if total > 0 else np.full(len(words), 1 / len(words), dtype=np.float32)

    def _product(self, index: Index, vector: Floats) -> Floats:
        run, rest = self.rows[: self.run], self.rows[self.run :]
        first = int(run[0]) if len(run) else 0
        if len(rest) > _GATHER_BELOW * index.size:
            found: Floats = (index.vectors[: index.size] @ vector)[self.rows]
            return found
        head = index.vectors[first : first + len(run)] @ vector
        return np.concatenate((head, index.vectors[rest] @ vector)) if len(rest) else head

    def _around(self, scores: Floats) -> Floats:
        """Return the best of what is said just before and after each turn, less by how far away it is."""
        padded = np.append(scores, np.float32(0))
        best: Floats = (padded[self.near] * _NEARNESS[:, None]).max(axis=0)
        return best

    def _in_session(self, scores: Floats) -> Floats:
        """Return the best of what is said in each turn's conversation."""
        best = np.zeros(len(scores), dtype=np.float32)
        np.maximum.at(best, self.session, scores)
        return best[self.session]

    def _bm25(self, question: Question) -> Floats:
        """Return BM25 against what the question itself would score as a document of this scope."""
        count = len(self.rows)
        average = max(float(self.lengths.mean()), 1.0) if count else 1.0
        norm = np.float32(_K1) * (1 - _B + _B / average * self.lengths)
        own_norm = _K1 * (1 - _B + _B * question.length / average)
        words, own_times = np.unique(np.array(question.words, dtype=np.uint32), return_counts=True)
        scores = np.zeros(count, dtype=np.float32)
        perfect = 0.0
        at_once = max(_CELLS_AT_ONCE // max(count, 1), 1)
        for first in range(0, len(words), at_once):
            some, own = words[first : first + at_once], own_times[first : first + at_once]
            times = self._times(some)
            idf = self._idf(times)
            scores += idf @ (times / (times + norm))
            perfect += float((idf * own / (own + own_norm)).sum())
        best: Floats = np.minimum(scores / np.float32(perfect), 1).astype(np.float32)
        return best

    def _idf(self, times: Floats) -> Floats:
        """Return how rare each word is among the rows, given how often each of them holds it."""
        holding = np.count_nonzero(times, axis=1)
        rarity: Floats = np.log1p((len(self.rows) - holding + 0.5) / (holding + 0.5)).astype(np.float32)
        return rarity

    def _times(self, words: NDArray[np.uint32]) -> Floats:
        """Return how often each row holds each word: a line for each word, which must be sorted."""
        count = len(self.rows)
        # A table of the words' low halves finds the few tokens that can be meant, in one pass for all words.
        table = np.zeros(1 << 16, dtype=bool)
        table[words & 0xFFFF] = True
        hits = np.flatnonzero(table.take(self.low_halves))  # `take` is twice as fast as indexing here
        found = self.tokens[hits]
        number = np.searchsorted(words, found).clip(max=len(words) - 1)
        meant = words[number] == found
        times = np.bincount(number[meant] * count + self.owner[hits[meant]], minlength=len(words) * count)
        return times.reshape(len(words), count).astype(np.float32)
