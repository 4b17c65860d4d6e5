"""One history may serve several stores, all with a collection of the default name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mem0 import Memory
from mem0.history.base import Intent
from mem0.testing import DeterministicEmbedding, FailingVectorStore, memory


def opened(folder: Path, name: str) -> Memory:
    config = {"history_db_path": str(folder / "history.db")}
    return Memory(config, path=str(folder / name), embedder=DeterministicEmbedding())


def test_each_store_sees_and_forgets_its_own(tmp_path: Path) -> None:
    with opened(tmp_path, "a.db") as a, opened(tmp_path, "b.db") as b:
        (ours,) = a.add("A's secret", user_id="u")
        (theirs,) = b.add("B's secret", user_id="u")
        assert b.history(ours["id"]) == []
        assert b.delete_all(user_id="u", purge=True)["receipt"]["history_rows"] == 1
        b.reset(purge=True)
        assert [row["new_value"] for row in a.history(ours["id"])] == ["A's secret"]
        assert a.history(theirs["id"]) == []


def test_what_a_crash_left_is_undone_in_the_store_that_was_changed(tmp_path: Path) -> None:
    with opened(tmp_path, "a.db") as a:
        (kept,) = a.add("A's secret", user_id="u")
        record = a.vector_store.get("mem0", kept["id"])
        assert record is not None
        before = {"rows": [{"id": record.id, "payload": record.payload, "vector": list(record.vector or [])}]}
        a.db.put_intent(Intent("1", a._parts.committer.ledger, json.dumps(before)))
        a.vector_store.delete("mem0", kept["id"])  # and there it died
    with opened(tmp_path, "b.db") as b:
        b.add("B's own", user_id="u")
        assert [row["memory"] for row in b.get_all()] == ["B's own"]
    with opened(tmp_path, "a.db") as a:
        assert [row["memory"] for row in a.get_all()] == ["A's secret"]


def test_a_store_of_a_test_leaves_the_default_history_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEM0_DIR", str(tmp_path))
    with Memory(embedder=DeterministicEmbedding()) as real:
        (precious,) = real.add("precious", user_id="u")
        with FailingVectorStore() as store, Memory(embedder=DeterministicEmbedding(), vector_store=store) as fake:
            fake.add("other", user_id="u")
            assert fake.history(precious["id"]) == []
            fake.delete_all(user_id="u", purge=True)
            fake.reset(purge=True)
        assert len(real.history(precious["id"])) == 1


def test_stores_in_memory_are_all_different() -> None:
    with memory() as one, memory() as other:
        assert one.vector_store.identity != other.vector_store.identity
