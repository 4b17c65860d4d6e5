"""How a collection in Qdrant is built: found out, or made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from qdrant_client import models

from mem0.exceptions import StorageError
from mem0.types import SCOPE_KEYS, Embedder
from mem0.vector_stores.qdrant_filters import Filterable
from mem0.vector_stores.qdrant_keyword import KEYWORD
from mem0.wire.qdrant import Call, Calls, CollectionGoneError

# Where the record of the embedder is kept: in the collection's metadata, which servers have since 1.16.
_RECORD = "mem0"

FINGERPRINT = "_mem0.fingerprint"
TURN = "_mem0.turn"

# Filtered by, so indexed; `user_id` also says which points lie together.
_INDEXED = {**dict.fromkeys((*SCOPE_KEYS, FINGERPRINT), "keyword"), TURN: "bool"}


class Layout(NamedTuple):
    """How a collection is built.

    Attributes:
        size: Size of its vectors.
        dense: Name of the vector; mem0ai and this library use the one without a name.
        has_keyword: Whether it has our sparse vector.
        others: Names of sparse vectors that other programs keep in it.
        filterable: By which keys it can be filtered.
        record: What is recorded of the embedder.
    """

    size: int
    dense: str
    has_keyword: bool
    others: tuple[str, ...]
    filterable: Filterable
    record: Mapping[str, Any]

    @property
    def unindexed(self) -> list[str]:
        """What is filtered by and has no index."""
        return [key for key in _INDEXED if key not in self.filterable.indexes]


def found(name: str) -> Calls[Layout | None]:
    """Ask how a collection is built; ``None`` where there is none.

    Raises:
        StorageError: Memories cannot be kept in it.
    """
    try:
        info = yield Call("get_collection", {"collection_name": name})
    except CollectionGoneError:
        return None
    config = info.config
    vectors = config.params.vectors
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    if len(named) != 1:
        raise StorageError(
            f"Qdrant collection {name!r} has the vectors {sorted(named)}; memories are kept in one that has a single "
            "one: choose another collection_name"
        )
    ((dense, parameters),) = named.items()
    if parameters.distance != models.Distance.COSINE:
        raise StorageError(
            f"Qdrant collection {name!r} measures by {parameters.distance}, memories by cosine: choose another "
            "collection_name"
        )
    if parameters.multivector_config is not None:
        raise StorageError(
            f"Qdrant collection {name!r} holds several vectors for each point, memories have one: choose another "
            "collection_name"
        )
    record = (getattr(config, "metadata", None) or {}).get(_RECORD) or {}
    sparse = {*(config.params.sparse_vectors or {})}
    others = tuple(sorted(sparse - {KEYWORD}))
    return Layout(parameters.size, dense, KEYWORD in sparse, others, _filterable(info), record)


def _filterable(info: Any) -> Filterable:
    strict = getattr(info.config, "strict_mode_config", None)
    indexed_only = bool(strict and strict.enabled and strict.unindexed_filtering_retrieve is False)
    return Filterable({key: index.data_type.value for key, index in (info.payload_schema or {}).items()}, indexed_only)


def created(name: str, embedder: Embedder, *, on_disk: bool) -> Calls[None]:
    """Make a collection; where another process is faster, there is one all the same.

    Args:
        name: Its name.
        embedder: What makes its vectors, to be recorded.
        on_disk: Whether a server keeps the vectors on disk.
    """
    arguments = {
        "collection_name": name,
        "vectors_config": models.VectorParams(
            size=embedder.dims, distance=models.Distance.COSINE, on_disk=on_disk or None
        ),
        "sparse_vectors_config": {KEYWORD: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "metadata": {_RECORD: {"model": embedder.model, "provider": embedder.provider}},
    }
    try:
        yield Call("create_collection", arguments)
    except StorageError:
        if not (yield Call("collection_exists", {"collection_name": name})):
            raise


def indexed(name: str, layout: Layout) -> Calls[Layout]:
    """Have a server index what is filtered by; the engine inside a process has no indexes."""
    for key in layout.unindexed:
        schema: Any = models.PayloadSchemaType(_INDEXED[key])
        if key == "user_id":
            schema = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        yield Call(
            "create_payload_index", {"collection_name": name, "field_name": key, "field_schema": schema, "wait": True}
        )
    able = layout.filterable
    return layout._replace(filterable=able._replace(indexes={**_INDEXED, **able.indexes}))


def keyword_added(name: str) -> Calls[None]:
    """Give a collection the sparse vector of the keyword leg."""
    sparse = models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF))
    yield Call("create_vector_name", {"collection_name": name, "vector_name": KEYWORD, "vector_name_config": sparse})
