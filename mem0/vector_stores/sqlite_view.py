"""One scope's rows and the legs that score them: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mem0 import legs as weighed
from mem0 import text
from mem0.text import Question
from mem0.traits import About, Noted
from mem0.types import TOKEN_UNIT, Scope, TokenVectors
from mem0.vector_stores.neighbours import NEARNESS, Neighbours
from mem0.vector_stores.sqlite_index import Index

Floats = NDArray[np.float32]

# Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), with the idf that
# never turns negative (as Lucene has it), and the constants Trotman, Jia and Crane found best over many
# collections, "Towards an Efficient and Effective Search Engine" (2012).
_K1 = 0.9
_B = 0.4

# A long question is counted in blocks of so many words times rows, which take 50 MB.
_CELLS_AT_ONCE = 1 << 22

# So many of the best are compared word by word; of more, hardly any comes to the front.
_POOL = 200

# A gather costs more than multiplying all rows once this share of them is wanted.
_GATHER_BELOW = 0.25

# More than any sum of weighted legs.
_FIRST = 100


class Legs(NamedTuple):
    """Absolute scores of a scope's rows; NaN where a leg has nothing to say about a row."""

    seqs: NDArray[np.int64]
    similarity: Floats
    dense: Floats
    near_dense: Floats
    session_dense: Floats
    keyword: Floats
    near_keyword: Floats
    late: Floats
    late_window: Floats
    speaker: Floats
    time: Floats
    asks: Floats
    standing: Floats
    recency: Floats


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
        self.untold = bool((self.dense & (index.late_end[self.rows] == _starts(index.late_end, self.rows))).any())
        self.noted = Noted(index.speaker[self.rows], index.flags[self.rows], index.created[self.rows])
        # How many rows stand one behind the other from the first: those need no gathering.
        expected = np.arange(len(self.rows)) + (self.rows[0] if len(self.rows) else 0)
        breaks = np.flatnonzero(self.rows != expected)
        self.run = int(breaks[0]) if len(breaks) else len(self.rows)
        self._read_tokens(index)
        self.beside = Neighbours(self.seqs, index.identity[self.rows], self.noted.created, index.turn[self.rows])

    @classmethod
    def of(cls, index: Index, scope: Scope) -> View:
        """Return a scope's rows as they are now; the index must hold the scope."""
        known: View | None = index.views.get(scope)
        if known is not None and index.touched.get(scope, 0) <= known.made:
            return known
        view = index.views[scope] = cls(index, scope)
        index.view_bytes += view.nbytes - (known.nbytes if known else 0)
        return view

    @property
    def nbytes(self) -> int:
        """Bytes in use, with those of the arrays themselves."""
        return 2000 + len(self.rows) * 110 + len(self.tokens) * 10

    def _read_tokens(self, index: Index) -> None:
        starts, ends = _starts(index.token_end, self.rows), index.token_end[self.rows]
        lengths = ends - starts
        self.tokens = index.tokens[_spread(starts, ends)]
        self.low_halves = (self.tokens & 0xFFFF).astype(np.uint16)
        self.owner = np.repeat(np.arange(len(self.rows), dtype=np.int32), lengths)
        self.lengths = lengths.astype(np.float32)

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
        found = about.legs(self.noted)
        if question.words:
            found["keyword"] = self._bm25(question)
            found["near_keyword"] = self.beside.around(found["keyword"])
        if vector is not None:
            found["similarity"] = self._product(index, vector / np.linalg.norm(vector))
            # Rounding may leave the cosine of a text with itself a little above 1.
            known = np.where(self.dense, found["similarity"].clip(0, 1), np.float32(0))
            found["dense"] = np.where(self.dense, known, np.float32(np.nan))
            found["near_dense"] = self.beside.around(known)
            found["session_dense"] = self.beside.in_session(known)
            if words is not None and len(words.words):
                found |= self._compared(index, words, self._pool(found, keep))
        nothing = np.full(len(self.rows), np.nan, dtype=np.float32)
        columns: list[Any] = [self.seqs, *(found.get(name, nothing) for name in Legs._fields[1:])]
        return Legs(*columns if keep is None else [column[keep] for column in columns])

    def _pool(self, legs: dict[str, Floats], keep: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Return the rows worth comparing word by word: the best by the other legs, those to keep first."""
        count = len(self.rows)
        if count <= _POOL:
            return np.arange(count)
        likely = weighed.total(legs, weighed.COARSE, count)
        if keep is not None:
            likely[keep] += _FIRST
        return np.sort(np.argpartition(-likely, _POOL)[:_POOL])

    def _compared(self, index: Index, words: TokenVectors, pool: NDArray[np.int64]) -> dict[str, Floats]:
        """Return how well the words of the question are met in each of some rows, and in each with its neighbours.

        MaxSim of Khattab and Zaharia (2020): of each of the question's tokens the closest one in the row; here the
        mean of their squares, which brings unrelated ones close to 0, weighted by the idf of the token's word in the
        scope.  With its neighbours: of each token the closest one in any of them.

        Nothing where a text that the embedder understands was stored without the vectors of its tokens, as by an
        earlier version: beside those that have them it would be found far less than if none had.
        """
        size = words.vectors.shape[1]
        if self.untold or (index.late_end[: index.size] % size).any():  # some are of another size, of a model before
            return {}
        rows = self.rows[pool]
        ends = index.late_end[rows] // size
        starts = _starts(index.late_end, rows) // size
        told = ends > starts
        if not told.any():
            return {}
        vectors = index.late[: index.late_count].reshape(-1, size)[_spread(starts[told], ends[told])]
        asked = words.vectors.astype(np.float32) / np.float32(TOKEN_UNIT * TOKEN_UNIT)
        # One row more than the pool, of zeros, which stands for neighbours outside.
        met = np.zeros((len(pool) + 1, len(asked)), dtype=np.float32)
        lengths = (ends - starts)[told]
        closest = np.maximum.reduceat(vectors.astype(np.float32) @ asked.T, np.cumsum(lengths) - lengths, axis=0)
        met[:-1][told] = closest.clip(0, 1) ** 2
        place = np.full(len(self.rows) + 1, len(pool))
        place[pool] = np.arange(len(pool))
        window = met[:-1].copy()
        for near, nearness in zip(self.beside.near[:, pool], NEARNESS, strict=True):
            np.maximum(window, met[place[near]] * nearness, out=window)
        importance = self._importance(words.words)
        late = met[:-1] @ importance
        window = window @ importance
        found = {}
        for name, values in (("late", late), ("late_window", window)):
            found[name] = np.full(len(self.rows), np.nan, dtype=np.float32)
            found[name][pool] = values.clip(0, 1)
        return found

    def _importance(self, words: Sequence[str]) -> Floats:
        """Return what each token of a question counts, one in all: the idf of its word; single letters are no words."""
        known, place = np.unique(np.array([*map(_term_of, words)], dtype=np.uint32), return_inverse=True)
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


@lru_cache(maxsize=65536)
def _term_of(word: str) -> int:
    """Return the search term of a word, or of a piece of one, 0 where it has none; single letters are no words."""
    if len(word) == 1 and word.isascii() and not word.isdigit():
        return 0
    return next(iter(text.words(word)), 0)


def _starts(ends: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the entries of some rows start in an array that holds those of all, one row behind the other.

    Args:
        ends: Where those of each row end.
        rows: Which rows.
    """
    return np.where(rows > 0, ends[rows - 1], 0)


def _spread(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return every place from each start to its end, one range behind the other."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
