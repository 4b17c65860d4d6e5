"""Every embedder and vector store of the library passes its contract, and so does a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dict_store import DictStore

from mem0 import FilterError
from mem0.embeddings.onnx import OnnxEmbedding
from mem0.filters import parse_filters
from mem0.testing import (
    DeterministicEmbedding,
    EmbedderContract,
    FailingVectorStore,
    VectorStoreContract,
)
from mem0.vector_stores.base import VectorStoreBase
from mem0.vector_stores.sqlite import SQLiteVectorStore


class PlainDictStore(DictStore):
    """A store that filters by equality of ids only, and refuses everything else."""

    def parsed(self, filters: Mapping[str, Any] | None) -> Any:
        for key, value in (filters or {}).items():
            if not isinstance(value, str) or (value == "*" and key not in ("user_id", "agent_id", "run_id")):
                raise FilterError(f"filters[{key!r}]: this store compares text only")
            if key in ("AND", "OR", "NOT"):
                raise FilterError(f"filters[{key!r}]: this store has no groups")
        return parse_filters(filters)


class TestDictStore(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return DictStore()


class TestPlainDictStore(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return PlainDictStore()


class TestSQLiteInMemory(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return SQLiteVectorStore({"path": ":memory:"})


class TestSQLiteFile(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.files = (tmp_path / f"{number}.db" for number in range(100))

    def store(self) -> VectorStoreBase:
        return SQLiteVectorStore({"path": str(next(self.files))})

    def reopened(self, store: VectorStoreBase) -> VectorStoreBase:
        store.close()
        return SQLiteVectorStore({"path": store.database.path})


class TestFailingStoreThatDoesNotFail(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return FailingVectorStore()


class TestTransactionalFailingStoreThatDoesNotFail(VectorStoreContract):
    def store(self) -> VectorStoreBase:
        return FailingVectorStore(transactional=True)


class TestDeterministicEmbedding(EmbedderContract):
    def embedder(self) -> DeterministicEmbedding:
        return DeterministicEmbedding()


class TestOnnxEmbedding(EmbedderContract):
    agreement = 0.98  # the activations of a batch are quantised together

    def embedder(self) -> OnnxEmbedding:
        return OnnxEmbedding()
