"""A vector store that does what another one does, until it is told to fail."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple, TypeVar

from mem0.exceptions import ConfigError
from mem0.types import Change, Damage, Embedder, Record, Scope
from mem0.vector_stores.base import Candidates, Query, Rows, VectorStoreBase

Method = TypeVar("Method", bound=Callable[..., Any])


class StoreCall(NamedTuple):
    """One call of a vector store.

    Attributes:
        verb: The method's name.
        arguments: What it was given, by the names of the parameters.
    """

    verb: str
    arguments: dict[str, Any]


def _watched(method: Method) -> Method:
    """Have a verb recorded, and made to fail where that was asked for."""
    parameters = signature(method)

    @functools.wraps(method)
    def verb(self: FailingVectorStore, *args: Any, **kwargs: Any) -> Any:
        bound = parameters.bind(self, *args, **kwargs)
        bound.apply_defaults()
        call = StoreCall(method.__name__, {key: value for key, value in bound.arguments.items() if key != "self"})
        fails = self._record(call)
        if fails and not self.after:
            raise self._failure(call)
        result = method(self, *args, **kwargs)
        if fails:
            raise self._failure(call)
        return result

    return verb  # type: ignore[return-value]


class FailingVectorStore(VectorStoreBase):
    """Wraps a vector store, records every call, and raises where it is told to.

        store = FailingVectorStore(fail_on="apply")               # every write fails
        store = FailingVectorStore(fail_on={"insert": 2})         # the second row is refused, half-way
        store = FailingVectorStore(fail_on=lambda call: call.arguments.get("vector_id") == "x")
        store.fail_on = None                                      # from here on it works

    The verbs a :class:`~mem0.Memory` uses: ``add`` asks ``with_fingerprint``, then ``apply``; ``search``
    asks ``candidates``, then ``fetch``; ``get_all`` asks ``list`` and ``count``; ``update`` asks ``get``,
    ``with_fingerprint``, then ``apply``; ``delete`` asks ``get``, then ``delete`` (``apply`` of a
    transactional store).  ``apply`` of a store without transactions calls ``insert``, ``update`` and
    ``delete``, and whatever fails there is undone by the memory.

    Args:
        store: The store that does the work; closed with this one.  Default: SQLite, in memory.
        fail_on: When to raise: a verb (at every call of it), a dict of verbs and which of their calls
            (1 is the next one), a function that is asked about every call, or ``None`` for never.
        error: What to raise: an exception, or a class of them.  The default is foreign, as errors of
            real stores are; a memory turns it into :class:`~mem0.StorageError`.
        after: Whether the store carries the call out before it fails, as when only the answer is lost.
        transactional: Whether ``apply`` is handed to the wrapped store as a whole.  By default it is not,
            so that it can fail half-way.

    Attributes:
        calls: Every call so far, failed ones included, as :class:`StoreCall`; may be cleared.

    Raises:
        ConfigError: ``fail_on`` names no verb of a vector store.
    """

    def __init__(
        self,
        store: VectorStoreBase | None = None,
        *,
        fail_on: str | Mapping[str, int] | Callable[[StoreCall], bool] | None = None,
        error: BaseException | type[BaseException] = ConnectionError,
        after: bool = False,
        transactional: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self.fail_on = fail_on
        self.error = error
        self.after = after
        self.calls: list[StoreCall] = []
        if store is None:
            from mem0.vector_stores.sqlite import SQLiteVectorStore

            store = SQLiteVectorStore()
        self.store = store
        self.transactional = transactional and store.transactional

    def __repr__(self) -> str:
        return f"FailingVectorStore({self.store!r})"

    @property
    def identity(self) -> str:
        return self.store.identity

    @property
    def fail_on(self) -> str | Mapping[str, int] | Callable[[StoreCall], bool] | None:
        """When to raise; to set it starts counting calls anew."""
        return self._fail_on

    @fail_on.setter
    def fail_on(self, fail_on: str | Mapping[str, int] | Callable[[StoreCall], bool] | None) -> None:
        named = [fail_on] if isinstance(fail_on, str) else [*fail_on] if isinstance(fail_on, Mapping) else []
        unknown = [verb for verb in named if verb not in _VERBS]
        if unknown:
            raise ConfigError(f"fail_on names {unknown[0]!r}, which is no verb of a store: {', '.join(_VERBS)}")
        with self._lock:
            self._fail_on = fail_on
            self._counts: Counter[str] = Counter()

    def _record(self, call: StoreCall) -> bool:
        """Note a call and tell whether it shall fail."""
        with self._lock:
            self.calls.append(call)
            self._counts[call.verb] += 1
            count, fail_on = self._counts[call.verb], self._fail_on
        if fail_on is None or isinstance(fail_on, str):
            return fail_on == call.verb
        return fail_on.get(call.verb) == count if isinstance(fail_on, Mapping) else fail_on(call)

    def _failure(self, call: StoreCall) -> BaseException:
        return self.error(f"{call.verb} fails on purpose") if isinstance(self.error, type) else self.error

    # -- the verbs ----------------------------------------------------------------------------------

    @_watched
    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        self.store.create_col(name, vector_size, distance)

    @_watched
    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.store.insert(name, vectors, payloads, ids)

    @_watched
    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        return self.store.search(name, query, limit, filters)

    @_watched
    def delete(self, name: str, vector_id: str) -> None:
        self.store.delete(name, vector_id)

    @_watched
    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        self.store.update(name, vector_id, vector, payload)

    @_watched
    def get(self, name: str, vector_id: str) -> Record | None:
        return self.store.get(name, vector_id)

    @_watched
    def list_cols(self) -> Sequence[str]:
        return self.store.list_cols()

    @_watched
    def delete_col(self, name: str) -> None:
        self.store.delete_col(name)

    @_watched
    def col_info(self, name: str) -> dict[str, Any] | None:
        return self.store.col_info(name)

    @_watched
    def list(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> Rows:
        return self.store.list(name, filters, limit, offset, alive_at=alive_at)

    @_watched
    def count(self, name: str, filters: Mapping[str, Any] | None = None, *, alive_at: float | None = None) -> int:
        return self.store.count(name, filters, alive_at=alive_at)

    @_watched
    def delete_where(self, name: str, filters: Mapping[str, Any]) -> int:
        return self.store.delete_where(name, filters)

    @_watched
    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> Rows:
        return self.store.with_fingerprint(name, fingerprints)

    @_watched
    def candidates(self, name: str, query: Query) -> Candidates:
        return self.store.candidates(name, query)

    @_watched
    def fetch(self, name: str, keys: Sequence[Any]) -> Sequence[Record | None]:
        return self.store.fetch(name, keys)

    @_watched
    def embedder(self, name: str) -> Embedder | None:
        return self.store.embedder(name)

    @_watched
    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        if self.transactional:
            self.store.apply(name, changes, embedder)
        else:
            super().apply(name, changes, embedder)

    @_watched
    def inspect(self, name: str) -> tuple[Rows, Sequence[Damage]]:
        return self.store.inspect(name)

    @_watched
    def compact(self) -> bool:
        return self.store.compact()

    def close(self) -> None:
        self.store.close()


_VERBS = [name for name, member in vars(FailingVectorStore).items() if hasattr(member, "__wrapped__")]
