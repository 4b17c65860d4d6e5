"""A memory for each test: in memory, with an embedder that needs no model and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults import Memories

from mem0 import Memory
from mem0.testing import DeterministicEmbedding, FrozenClock, memory


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock("2026-03-01T12:00:00Z")


@pytest.fixture
def embedder() -> DeterministicEmbedding:
    return DeterministicEmbedding()


@pytest.fixture
def m(clock: FrozenClock, embedder: DeterministicEmbedding) -> Iterator[Memory]:
    with memory(embedder=embedder, clock=clock) as opened:
        yield opened


@pytest.fixture
def statements(m: Memory) -> list[str]:
    """Every SQL statement the memory runs, as it runs."""
    seen: list[str] = []
    m.vector_store.database.on_connect(lambda connection: connection.set_trace_callback(seen.append))
    return seen


@pytest.fixture(scope="module")
def made() -> dict[str, Memories]:
    return {}


@pytest.fixture
def memories(kind: str, made: dict[str, Memories], tmp_path_factory: pytest.TempPathFactory) -> Memories:
    """Memories of one kind, in which things are to fail; the first is made once."""
    if kind not in made:
        made[kind] = Memories(kind, tmp_path_factory.mktemp(kind.replace(" ", "_")))
    return made[kind]
