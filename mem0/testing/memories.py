"""A memory for tests, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mem0.configs.base import MemoryConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.history.base import HistoryBase
from mem0.llms.base import LLMBase
from mem0.memory.main import AsyncMemory, Memory
from mem0.memory.telemetry import TelemetryBase
from mem0.rerankers.base import RerankerBase
from mem0.testing.clock import FrozenClock
from mem0.testing.embedder import DeterministicEmbedding
from mem0.vector_stores.base import VectorStoreBase


def memory(
    config: MemoryConfig | Mapping[str, Any] | None = None,
    *,
    llm: LLMBase | Any | None = None,
    embedder: EmbeddingBase | Any | None = None,
    vector_store: VectorStoreBase | None = None,
    history: HistoryBase | None = None,
    telemetry: TelemetryBase | None = None,
    path: str | None = None,
    clock: Callable[[], datetime] | None = None,
    reranker: RerankerBase | Any | None = None,
) -> Memory:
    """Return a :class:`~mem0.Memory` that leaves nothing behind; close it, or use it in a ``with``.

    The arguments are those of :class:`~mem0.Memory`.  What is not given differs from there:

    Args:
        config: A configuration; what is named in it counts as given.
        llm: Default: none, so that ``add`` keeps what it is told verbatim.
        embedder: Default: a :class:`DeterministicEmbedding`, found again as ``m.embedding_model``.
        vector_store: Default: SQLite, at ``path``.
        history: Default: beside the memories.
        telemetry: Default: none.
        path: Default: ``":memory:"``.
        clock: Default: a :class:`FrozenClock`, standing at the first moment of 2026.  To move it, pass
            one of your own.
        reranker: Default: none.
    """
    return Memory(**_arguments(config, llm, embedder, vector_store, history, telemetry, path, clock, reranker))


def async_memory(
    config: MemoryConfig | Mapping[str, Any] | None = None,
    *,
    llm: LLMBase | Any | None = None,
    embedder: EmbeddingBase | Any | None = None,
    vector_store: VectorStoreBase | None = None,
    history: HistoryBase | None = None,
    telemetry: TelemetryBase | None = None,
    path: str | None = None,
    clock: Callable[[], datetime] | None = None,
    reranker: RerankerBase | Any | None = None,
) -> AsyncMemory:
    """Return an :class:`~mem0.AsyncMemory` made as :func:`memory` makes its own."""
    return AsyncMemory(**_arguments(config, llm, embedder, vector_store, history, telemetry, path, clock, reranker))


def _arguments(
    config: MemoryConfig | Mapping[str, Any] | None,
    llm: Any | None,
    embedder: Any | None,
    vector_store: VectorStoreBase | None,
    history: HistoryBase | None,
    telemetry: TelemetryBase | None,
    path: str | None,
    clock: Callable[[], datetime] | None,
    reranker: Any | None,
) -> dict[str, Any]:
    settings = MemoryConfig.of(config)
    if embedder is None and settings.embedder is None:
        embedder = DeterministicEmbedding()
    if path is None and settings.path is None:
        path = ":memory:"
    return {
        "config": settings,
        "llm": llm,
        "embedder": embedder,
        "vector_store": vector_store,
        "history": history,
        "telemetry": telemetry or False,  # a variable of the environment switches nothing on in a test
        "path": path,
        "clock": clock or FrozenClock(),
        "reranker": reranker,
    }
