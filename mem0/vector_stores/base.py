"""What a vector store is: the nine verbs of the published interface, and what is made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mem0.exceptions import ValidationError
from mem0.filters import matches, parse_filters
from mem0.parts import Closing
from mem0.times import expires_at, said_at
from mem0.traits import About, Fading, Noted, Traits
from mem0.types import SCOPE_KEYS, Embedder, Record, Scope, own_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.types import Change, Damage, TokenVectors

Rows: TypeAlias = list[Record]  # inside the class `list` is a verb

# The most rows a store without a listing of its own is asked for at once.
_EVERYTHING = 1_000_000

# Of a vector longer or shorter than this, float32 cannot hold the square of the length.
_LONGEST, _SHORTEST = 1e15, 1e-15

UNKNOWN_SCRIPT = "the embedder does not know the script of the question"

#: The legs that look at neighbours, and those that compare word by word: a store without them says so of each.
NEIGHBOURING = ("near_dense", "near_keyword", "session_dense")
WORD_BY_WORD = ("late", "late_window")

TOKENS_NOT_KEPT = "only the embedded store keeps vectors of words"


@dataclass(frozen=True, slots=True)
class Query:
    """One search, in the terms a store needs.

    Attributes:
        scope: Whose memories.
        text: The question, for a keyword leg.
        vector: The question's vector; ``None`` when the embedder does not know its script.
        limit: How many rows the caller wants in the end.
        tokens: The vectors of the question's tokens, where the embedder makes them.
        periods: The periods that the question speaks of, as half-open spans of Unix seconds.
        fading: How what was said loses weight with time, if it does.
        filters: Further conditions, in the filter language.
        alive_at: Unix seconds: rows expired by then are left out; ``None`` keeps them.
    """

    scope: Scope
    text: str
    vector: NDArray[np.float32] | None
    limit: int
    filters: Mapping[str, Any] | None = None
    alive_at: float | None = None
    tokens: TokenVectors | None = None
    periods: Sequence[tuple[float, float]] = ()
    fading: Fading | None = None

    @property
    def about(self) -> About:
        """Whom and which time it is about."""
        return About.of(self.text, self.periods, self.fading)

    def accepts(self, payload: Mapping[str, Any]) -> bool:
        """Tell whether a row lies in the scope, is not expired, and matches the filters."""
        if not self.scope.covers(payload):
            return False
        end = expires_at(payload)
        if self.alive_at is not None and end is not None and end <= self.alive_at:
            return False
        return matches(parse_filters(self.filters), payload)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that may answer a query, with the score of each leg of the search.

    Attributes:
        keys: What :meth:`VectorStoreBase.fetch` takes to bring the rows.
        legs: By name, one absolute score (0-1) per row; NaN where a leg has nothing to say about it.
            A leg named ``similarity`` is no score but the raw cosine.
        skipped: By name, why a leg did not run.
    """

    keys: Sequence[Any] | NDArray[np.int64]
    legs: Mapping[str, NDArray[np.float32]]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def pick(self, positions: NDArray[np.int64]) -> list[Any]:
        """Return the keys at some positions."""
        keys = self.keys
        return [keys[at] for at in positions] if isinstance(keys, Sequence) else keys[positions].tolist()


class VectorStoreBase(Closing, ABC):
    """Stores vectors with payloads in named collections.

    The nine abstract verbs are the published interface.  Everything else has a default that is made
    of them, exact though slow, which a store replaces by what it does best.

    ``filters`` is the dict form of the filter language (:mod:`mem0.filters`).  What a store cannot do
    with it, it refuses with :class:`~mem0.exceptions.FilterError`; it never returns more than asked for.

    Attributes:
        transactional: Whether :meth:`apply` carries out all of its changes or none.
    """

    transactional = False

    @abstractmethod
    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        """Create a collection; one that exists already is left as it is."""

    @abstractmethod
    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        """Insert rows; a row whose id is there already is replaced."""

    @abstractmethod
    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        """Return the rows closest to a vector, best first; the score is ``max(0, cosine)``."""

    @abstractmethod
    def delete(self, name: str, vector_id: str) -> None:
        """Delete a row; an unknown id is no error."""

    @abstractmethod
    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        """Replace the vector, the payload, or both; what is ``None`` stays."""

    @abstractmethod
    def get(self, name: str, vector_id: str) -> Record | None:
        """Return a row with its vector, or ``None``, also where the collection does not exist."""

    @abstractmethod
    def list_cols(self) -> Sequence[str]:
        """Return the names of the collections."""

    @abstractmethod
    def delete_col(self, name: str) -> None:
        """Delete a collection and all its rows."""

    @abstractmethod
    def col_info(self, name: str) -> dict[str, Any] | None:
        """Return ``{"name", "vector_size", "count"}`` of a collection (and what else is known), or ``None``."""

    @property
    def awaits(self) -> bool:
        """Whether it can be awaited: then it has ``aget``, ``apage``, ``acandidates`` and ``afetch`` too."""
        return False

    @property
    def identity(self) -> str:
        """What tells this store from others that record their changes in the same history.

        Its place, for one that outlives the process (a path, a URL).  The default knows the class only.
        """
        return f"{type(self).__module__}.{type(self).__qualname__}"

    # -- made of the nine ---------------------------------------------------------------------------

    def list(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> Rows:
        """Return rows that match, newest first (``created_at``, then insertion where it is known).

        Args:
            name: The collection; one that does not exist has no rows.
            filters: The condition.
            limit: How many at most; ``None`` for all.
            offset: How many of the newest to pass over.
            alive_at: Unix seconds: rows expired by then are left out; ``None`` keeps them.
        """
        info = self.col_info(name)
        if info is None:
            return []
        # Any direction will do: every row of the scope is asked for, and what a store may not be able
        # to filter by is left to be looked at here.
        probe = [1.0] + [0.0] * (int(info["vector_size"]) - 1)
        ids = {key: value for key, value in (filters or {}).items() if key in SCOPE_KEYS and isinstance(value, str)}
        query = Query(Scope(), "", None, 0, filters, alive_at)
        rows = self.search(name, probe, _EVERYTHING, ids or None)
        found = [row._replace(score=None) for row in rows if query.accepts(row.payload)]
        found.sort(key=lambda row: said_at(row.payload), reverse=True)
        return found[offset:] if limit is None else found[offset : offset + limit]

    def count(self, name: str, filters: Mapping[str, Any] | None = None, *, alive_at: float | None = None) -> int:
        """Return how many rows match."""
        return len(self.list(name, filters, limit=None, alive_at=alive_at))

    def page(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> tuple[Rows, int]:
        """Return what :meth:`list` and :meth:`count` do, for a store that reads once for both."""
        return self.list(name, filters, limit, offset, alive_at=alive_at), self.count(name, filters, alive_at=alive_at)

    def get_each(self, name: str, vector_ids: Sequence[str]) -> Rows:
        """Return the rows with these ids, with their vectors; an unknown id has none."""
        return [row for row in (self.get(name, id) for id in vector_ids) if row is not None]

    def delete_each(self, name: str, vector_ids: Sequence[str]) -> dict[str, Exception]:
        """Delete rows, as many as can be, and return by id what went wrong with those that are still there."""
        left = {}
        for id in vector_ids:
            try:
                self.delete(name, id)
            except Exception as error:  # noqa: BLE001 - the caller gets it
                # A store may fail after it has deleted: what counts is whether the row is gone.
                if self.get(name, id) is not None:
                    left[id] = error
        return left

    def delete_where(self, name: str, filters: Mapping[str, Any]) -> int:
        """Delete the rows that match and return how many there were."""
        rows = self.list(name, filters, limit=None)
        for row in rows:
            self.delete(name, row.id)
        return len(rows)

    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> Rows:
        """Return the rows that hold one of these texts (see ``memory.payloads.fingerprint``).

        Args:
            name: The collection.
            fingerprints: By fingerprint, the identity whose memory it is.
        """
        found: dict[str, Record] = {}  # by id: one scope may lie in another
        for scope in set(fingerprints.values()):
            for row in self.list(name, scope.ids() or None, limit=None):
                if own_notes(row.payload).get("fingerprint") in fingerprints:
                    found[row.id] = row
        return [*found.values()]

    def candidates(self, name: str, query: Query) -> Candidates:
        """Return rows that may answer a query, with every leg this store has."""
        import numpy as np

        if self.col_info(name) is None:
            return Candidates([], {})
        skipped = {
            "keyword": f"{type(self).__name__} has no keyword search",
            **dict.fromkeys(NEIGHBOURING, f"{type(self).__name__} does not know neighbours"),
            **dict.fromkeys(WORD_BY_WORD, TOKENS_NOT_KEPT),
        }
        if query.vector is None:
            skipped["dense"] = UNKNOWN_SCRIPT
        rows: Rows = []
        wanted = query.limit
        while True:
            if query.vector is None:
                found = self.list(name, query.scope.ids() or None, limit=wanted)
            else:
                found = self.search(name, query.vector.tolist(), wanted, query.scope.ids() or None)
            rows = [row for row in found if query.accepts(row.payload)]
            if len(rows) >= query.limit or len(found) < wanted:
                break
            wanted *= 4
        scores = [row.score if is_understood(row.payload) else None for row in rows]
        dense = np.array([np.nan if score is None else score for score in scores], dtype=np.float32)
        return Candidates(rows, {"dense": dense, **circumstances(query, rows)}, skipped)

    def fetch(self, name: str, keys: Sequence[Any]) -> Sequence[Record | None]:
        """Return the rows of keys that :meth:`candidates` gave, in order; ``None`` for one gone since."""
        return list(keys)

    def embedder(self, name: str) -> Embedder | None:
        """Return what is recorded of the embedder that made a collection, or ``None``."""
        info = self.col_info(name)
        return Embedder(dims=int(info["vector_size"])) if info and info.get("vector_size") else None

    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        """Carry out changes that were decided on; a store with transactions does so wholly or not at all."""
        if embedder is not None and self.col_info(name) is None:
            self.create_col(name, embedder.dims)
        for change in changes:
            if change.event == "DELETE":
                self.delete(name, change.id)
            elif change.event == "UPDATE":
                vector = None if change.vector is None else change.vector.tolist()
                self.update(name, change.id, vector, change.payload)
            else:
                assert change.vector is not None
                self.insert(name, [change.vector.tolist()], [change.payload], [change.id])

    def inspect(self, name: str) -> tuple[Rows, Sequence[Damage]]:
        """Read every row, without vectors, and say what the store finds wrong inside itself; most know nothing."""
        return self.list(name, limit=None), ()

    def compact(self) -> bool:
        """Leave no trace of deleted rows on disk, and return whether that is certain."""
        return False


def circumstances(query: Query, rows: Sequence[Record]) -> dict[str, NDArray[np.float32]]:
    """Return the legs that look at who said what and when, for a store that has the rows at hand."""
    payloads = [row.payload for row in rows]
    return query.about.legs(Noted.of([Traits.of(one) for one in payloads], [said_at(one) for one in payloads]))


def is_understood(payload: Mapping[str, Any]) -> bool:
    """Tell whether the embedder knew the script of a memory, so that its vector means something."""
    return own_notes(payload).get("dense") is not False


def checked_vector(vector: Sequence[float] | NDArray[Any], size: int, what: str) -> NDArray[np.float32]:
    """Return a vector as a store may keep it or be asked with it: float32, of its size, with a direction.

    Args:
        vector: The vector.
        size: How many numbers the collection's vectors have.
        what: What to call it in the error, such as ``row 'x'``.

    Raises:
        ValidationError: It cannot be compared with the collection's vectors.
    """
    import numpy as np

    try:
        with np.errstate(all="ignore"):  # what does not fit becomes inf, and is refused below
            checked = np.asarray(vector, dtype=np.float32)
            length = float(np.linalg.norm(checked.astype(np.float64)))
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{what}: its vector is not a flat list of numbers: {error}") from error
    if checked.shape != (size,):
        raise ValidationError(f"{what}: its vector has shape {checked.shape}, the collection holds size {size}")
    if not _SHORTEST <= length <= _LONGEST:
        raise ValidationError(
            f"{what}: its vector is zero, has inf or NaN in it, or is too long or short for float32 "
            f"(length {length:g}); it has no direction to compare"
        )
    return checked
