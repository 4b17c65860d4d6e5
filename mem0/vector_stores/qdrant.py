"""Qdrant as a vector store: in memory, in a folder, or on a server.

One collection holds a memory's vector, its sparse vector for the keyword leg (:mod:`qdrant_keyword`), and its flat
payload, as collections of mem0ai have it: those open as they are, without a keyword leg until
:meth:`Qdrant.add_keyword_leg` is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from mem0.wire.environment import environment

# See `mem0.embeddings.onnx`: where FastEmbed is installed, Qdrant's client imports it, and with it onnxruntime.
with environment("ORT_DISABLE_TELEMETRY", "1"):
    from qdrant_client import models

from mem0.configs.base import OF_ANY_STORE, data_folder
from mem0.configs.options import options_from
from mem0.exceptions import ConfigError, StorageError, ValidationError
from mem0.filters import parse_filters
from mem0.times import new_id, said_at
from mem0.types import Embedder, Record, Scope, own_notes
from mem0.vector_stores import qdrant_layout as layouts
from mem0.vector_stores import qdrant_points as points
from mem0.vector_stores.base import Candidates, Query, Rows, VectorStoreBase, checked_vector
from mem0.vector_stores.qdrant_filters import Pushed, pushed
from mem0.vector_stores.qdrant_layout import Layout
from mem0.vector_stores.qdrant_search import PAGE, candidates, nearest, scrolled
from mem0.wire.qdrant import Call, Calls, QdrantConnection, QdrantLine

if TYPE_CHECKING:
    from mem0.types import Change

Answer = TypeVar("Answer")

# More points than the engine inside a process can hold.
_ALL = 2**31

# Seconds for which it is believed that a collection is built as it was found: others may build it anew.
_LAYOUT_HOLDS = 30.0


class QdrantConfig(QdrantConnection):
    """Options of :class:`Qdrant`."""

    beside: ClassVar[tuple[str, ...]] = OF_ANY_STORE

    on_disk: bool = Field(default=False, description="Have a server keep the vectors of new collections on disk.")


class Qdrant(VectorStoreBase):
    """Keeps memories in Qdrant.

    A folder is opened, never erased; it is open in one process at a time (those of one process share it), the engine
    loads all of it into memory, and it is pickled: open none that you do not trust.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords: ``client=``, ``url=``, ``host=``, ``port=``, ``path=``, ``api_key=``.

    Raises:
        ConfigError: An option is unknown or unusable, or several places are named.
        StorageError: The folder cannot be opened.
    """

    options: ClassVar[type[QdrantConfig]] = QdrantConfig

    def __init__(self, config: QdrantConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = options_from(QdrantConfig, config, options, "vector_store 'qdrant' config")
        self._line = QdrantLine(self.config, str(data_folder() / "qdrant"))
        self._layouts: dict[str, tuple[float, Layout]] = {}
        self.client = self._line.client

    def __repr__(self) -> str:
        return f"Qdrant({self._line.where!r})"

    @property
    def identity(self) -> str:
        return f"qdrant {self._line.where}"

    @property
    def awaits(self) -> bool:
        return self._line.awaits

    # -- collections --------------------------------------------------------------------------------

    def create_col(self, name: str, vector_size: int, distance: str = "cosine") -> None:
        if distance != "cosine":
            raise ConfigError(f"create_col(distance={distance!r}): scores are cosines here; leave it out")
        self._line.run(lambda: self._create(name, Embedder(vector_size)))

    def list_cols(self) -> list[str]:
        def calls() -> Calls[list[str]]:
            found = yield Call("get_collections", {})
            return [collection.name for collection in found.collections]

        return self._line.run(calls)

    def delete_col(self, name: str) -> None:
        def calls() -> Calls[None]:
            self._layouts.pop(name, None)
            yield Call("delete_collection", {"collection_name": name})

        self._run(name, calls)

    def col_info(self, name: str) -> dict[str, Any] | None:
        def calls() -> Calls[dict[str, Any] | None]:
            layout = yield from self._layout(name)
            if layout is None:
                return None
            count = yield Call("count", {"collection_name": name, "exact": True})
            return {
                "name": name,
                "vector_size": layout.size,
                "count": count.count,
                "keyword": layout.has_keyword,
                "place": self._line.where,
            }

        return self._run(name, calls)

    def embedder(self, name: str) -> Embedder | None:
        def calls() -> Calls[Embedder | None]:
            layout = yield from self._layout(name, anew=True)
            if layout is None:
                return None
            return Embedder(layout.size, layout.record.get("model"), layout.record.get("provider"))

        return self._run(name, calls)

    def add_keyword_leg(self, name: str) -> int:
        """Give a collection that another program, or another version of this library, made the keyword leg.

        Nothing else of it changes.  It can be called again after a failure; a server needs Qdrant 1.18.

        Returns:
            How many memories now have it.

        Raises:
            StorageError: The server cannot do it, or there is no such collection.
        """

        def calls() -> Calls[int]:
            layout = yield from self._layout(name, anew=True)
            if layout is None:
                raise StorageError(f"Qdrant at {self._line.where} has no collection {name!r}")
            if not layout.has_keyword:
                if not hasattr(self.client, "create_vector_name"):
                    raise StorageError("add_keyword_leg needs a newer qdrant-client: pip install -U qdrant-client")
                yield from layouts.keyword_added(name)
                self._layouts.pop(name, None)
            done = 0
            for batch in points.requests(points.with_keywords((yield from self._scrolled(name, None)))):
                yield Call("update_vectors", {"collection_name": name, "points": batch, "wait": True})
                done += len(batch)
            return done

        return self._run(name, calls)

    # -- writing ------------------------------------------------------------------------------------

    def insert(
        self,
        name: str,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[dict[str, Any]] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        payloads = [{} for _ in vectors] if payloads is None else payloads
        ids = [new_id() for _ in vectors] if ids is None else ids
        if not len(vectors) == len(payloads) == len(ids):
            raise ValidationError(f"{len(vectors)} vectors, {len(payloads)} payloads and {len(ids)} ids do not match")
        rows = [*zip(ids, vectors, payloads, strict=True)]

        def calls() -> Calls[None]:
            layout = yield from self._known(name)
            yield from self._operate(name, [points.point(layout, *row) for row in rows])

        self._run(name, calls)

    def update(
        self,
        name: str,
        vector_id: str,
        vector: Sequence[float] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        def calls() -> Calls[None]:
            layout = yield from self._known(name)
            yield from self._operate(name, points.updating(layout, vector_id, vector, payload))

        self._run(name, calls)

    def delete(self, name: str, vector_id: str) -> None:
        def calls() -> Calls[None]:
            if (yield from self._layout(name)) is not None and points.is_id(vector_id):
                yield from self._operate(name, points.deleting([vector_id]))

        self._run(name, calls)

    def delete_each(self, name: str, vector_ids: Sequence[str]) -> dict[str, Exception]:
        def calls() -> Calls[None]:
            if (yield from self._layout(name)) is not None:
                yield from self._operate(name, points.deleting([*filter(points.is_id, vector_ids)]))

        try:
            self._run(name, calls)
        except StorageError as error:
            return {row.id: error for row in self.get_each(name, vector_ids)}
        return {}

    def get_each(self, name: str, vector_ids: Sequence[str]) -> Rows:
        def calls() -> Calls[Rows]:
            layout = yield from self._layout(name)
            if layout is None:
                return []
            return (yield from _retrieved(name, layout, [*filter(points.is_id, vector_ids)]))

        return self._run(name, calls)

    def delete_where(self, name: str, filters: Mapping[str, Any]) -> int:
        def calls() -> Calls[int]:
            layout = yield from self._layout(name)
            if layout is None:
                return 0
            found = yield from self._scrolled(name, pushed(parse_filters(filters), layout.filterable), filters)
            yield from self._operate(name, points.deleting([row.id for row in found]))
            return len(found)

        return self._run(name, calls)

    def apply(self, name: str, changes: Sequence[Change], embedder: Embedder | None) -> None:
        def calls() -> Calls[None]:
            if embedder is not None:
                yield from self._create(name, embedder)
            if not changes:
                return
            layout = yield from self._known(name)
            operations: list[Any] = []
            for change in changes:
                if change.event == "DELETE":
                    operations += points.deleting([change.id])
                elif change.event == "UPDATE":
                    operations += points.updating(layout, change.id, change.vector, change.payload)
                else:
                    operations.append(points.point(layout, change.id, change.vector, change.payload))
            yield from self._operate(name, operations)

        self._run(name, calls)

    # -- reading ------------------------------------------------------------------------------------

    def get(self, name: str, vector_id: str) -> Record | None:
        return self._run(name, lambda: self._get(name, vector_id))

    async def aget(self, name: str, vector_id: str) -> Record | None:
        """Do what :meth:`get` does, awaiting."""
        return await self._arun(name, lambda: self._get(name, vector_id))

    def search(
        self, name: str, query: Sequence[float], limit: int = 5, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        condition = parse_filters(filters)

        def calls() -> Calls[Rows]:
            layout = yield from self._layout(name)
            if layout is None:
                return []
            vector = checked_vector(query, layout.size, "the query")
            push = pushed(condition, layout.filterable)
            return (yield from nearest(name, layout, vector, limit, push, condition))

        return self._run(name, calls)

    def list(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> Rows:
        rows, _ = self._run(name, lambda: self._paged(name, filters, limit, offset, alive_at))
        return rows

    def page(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> tuple[Rows, int]:
        return self._run(name, lambda: self._paged(name, filters, limit, offset, alive_at))

    async def apage(
        self,
        name: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        alive_at: float | None = None,
    ) -> tuple[Rows, int]:
        """Do what :meth:`page` does, awaiting."""
        return await self._arun(name, lambda: self._paged(name, filters, limit, offset, alive_at))

    def count(self, name: str, filters: Mapping[str, Any] | None = None, *, alive_at: float | None = None) -> int:
        return self._run(name, lambda: self._counted(name, filters, alive_at))

    def with_fingerprint(self, name: str, fingerprints: Mapping[str, Scope]) -> Rows:
        def held(row: Record) -> bool:
            scope = fingerprints.get(own_notes(row.payload).get("fingerprint", ""))
            return scope is not None and scope.covers(row.payload)

        def calls() -> Calls[Rows]:
            layout = yield from self._layout(name)
            if layout is None:
                return []
            holding = models.FieldCondition(key=layouts.FINGERPRINT, match=models.MatchAny(any=[*fingerprints]))
            # Where it is not indexed yet, as in a collection of others, a strict server lets nobody ask for it.
            can_ask = layout.filterable.by(layouts.FINGERPRINT, "keyword")
            push = Pushed(models.Filter(must=[holding]) if can_ask else None, says_all=False)
            found = yield from self._scrolled(name, push)
            return [row for row in found if held(row)]

        return self._run(name, calls)

    def candidates(self, name: str, query: Query) -> Candidates:
        return self._run(name, lambda: self._candidates(name, query))

    async def afetch(self, name: str, keys: Sequence[Any]) -> Sequence[Record | None]:
        """Do what :meth:`fetch` does: a candidate is its own row."""
        return self.fetch(name, keys)

    async def acandidates(self, name: str, query: Query) -> Candidates:
        """Do what :meth:`candidates` does, awaiting."""
        return await self._arun(name, lambda: self._candidates(name, query))

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    # -- what is asked, written once ----------------------------------------------------------------

    def _run(self, name: str, calls: Callable[[], Calls[Answer]]) -> Answer:
        return self._line.run(self._forgetting(name, calls))

    def _arun(self, name: str, calls: Callable[[], Calls[Answer]]) -> Coroutine[Any, Any, Answer]:
        return self._line.arun(self._forgetting(name, calls))

    def _forgetting(self, name: str, calls: Callable[[], Calls[Answer]]) -> Callable[[], Calls[Answer]]:
        """Have a second beginning look anew at how the collection is built: somebody may have deleted it."""
        begun: list[bool] = []

        def begin() -> Calls[Answer]:
            if begun:
                self._layouts.pop(name, None)
            begun.append(True)
            return calls()

        return begin

    def _layout(self, name: str, *, anew: bool = False) -> Calls[Layout | None]:
        """Ask how a collection is built; ``None`` where there is none.

        Args:
            name: The collection.
            anew: Whether what was found out before does not count: others may have made it anew.
        """
        since, known = self._layouts.get(name, (0.0, None))
        if known is not None and not anew and time.monotonic() - since < _LAYOUT_HOLDS:
            return known
        layout = yield from layouts.found(name)
        if layout is None:
            self._layouts.pop(name, None)
        else:
            self._layouts[name] = (time.monotonic(), layout)
        return layout

    def _known(self, name: str) -> Calls[Layout]:
        layout = yield from self._layout(name)
        if layout is None:
            raise StorageError(f"Qdrant at {self._line.where} has no collection {name!r}; create_col() makes it")
        if layout.unindexed and not self._line.is_local:
            layout = yield from layouts.indexed(name, layout)
            self._layouts[name] = (time.monotonic(), layout)
        return layout

    def _create(self, name: str, embedder: Embedder) -> Calls[Layout]:
        if (yield from self._layout(name)) is None:
            yield from layouts.created(name, embedder, on_disk=self.config.on_disk)
        return (yield from self._known(name))

    def _scrolled(
        self,
        name: str,
        push: Pushed | None,
        filters: Mapping[str, Any] | None = None,
        alive_at: float | None = None,
    ) -> Calls[Rows]:
        # The engine inside this process looks at every point for every page, and has no answer to carry anywhere.
        page = _ALL if self._line.is_local else PAGE
        return scrolled(name, push, filters, alive_at, page=page)

    def _operate(self, name: str, operations: Sequence[Any]) -> Calls[None]:
        """Carry out operations in order, many in one request; a point is one that puts it in."""
        for batch in points.requests(operations):
            arguments = {"collection_name": name, "update_operations": points.joined(batch), "wait": True}
            yield Call("batch_update_points", arguments)

    def _get(self, name: str, id: str) -> Calls[Record | None]:
        layout = yield from self._layout(name)
        if layout is None or not points.is_id(id):
            return None
        found = yield from _retrieved(name, layout, [id])
        return found[0] if found else None

    def _candidates(self, name: str, query: Query) -> Calls[Candidates]:
        layout = yield from self._layout(name)
        if layout is None:
            return Candidates([], {})
        return (yield from candidates(name, layout, query))

    def _paged(
        self, name: str, filters: Mapping[str, Any] | None, limit: int | None, offset: int, alive_at: float | None
    ) -> Calls[tuple[Rows, int]]:
        condition = parse_filters(filters)
        layout = yield from self._layout(name)
        if layout is None:
            return [], 0
        found = yield from self._scrolled(name, pushed(condition, layout.filterable), filters, alive_at)
        # Ids of memories are in order of insertion, as far as a clock can tell.
        found.sort(key=lambda row: (said_at(row.payload), row.id), reverse=True)
        return found[offset:] if limit is None else found[offset : offset + limit], len(found)

    def _counted(self, name: str, filters: Mapping[str, Any] | None, alive_at: float | None) -> Calls[int]:
        condition = parse_filters(filters)
        layout = yield from self._layout(name)
        if layout is None:
            return 0
        push = pushed(condition, layout.filterable)
        if push.says_all and alive_at is None:
            counted = yield Call("count", {"collection_name": name, "count_filter": push.filter, "exact": True})
            return int(counted.count)
        return len((yield from self._scrolled(name, push, filters, alive_at)))


def _retrieved(name: str, layout: Layout, ids: Sequence[str]) -> Calls[Rows]:
    found: Rows = []
    for start in range(0, len(ids), points.MOST):
        page = points.native(ids[start : start + points.MOST])
        arguments = {"collection_name": name, "ids": page, "with_payload": True, "with_vectors": True}
        found += [points.record(one, layout) for one in (yield Call("retrieve", arguments))]
    return found
