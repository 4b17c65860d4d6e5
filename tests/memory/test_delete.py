"""`delete`, `delete_all`, `reset` and what they leave: nothing that was asked away, and everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mem0 import Memory, MemoryNotFoundError, StorageError, ValidationError
from mem0.testing import DeterministicEmbedding, FailingVectorStore, FrozenClock, memory


@pytest.fixture
def filled(m: Memory) -> Memory:
    m.add(["likes tea", "owns a dog"], user_id="alice")
    m.add("likes milk", user_id="alice", agent_id="planner")
    m.add("likes rum", user_id="bob")
    return m


def texts(m: Memory) -> list[str]:
    return sorted(row["memory"] for row in m.get_all())


class TestDelete:
    def test_it_is_gone_and_its_history_stays(self, m: Memory, clock: FrozenClock) -> None:
        (added,) = m.add("likes tea", user_id="alice")
        clock.advance(60)
        assert m.delete(added["id"]) == {"message": "Memory deleted", "deleted": 1, "failed": []}
        assert (m.get(added["id"]), m.get_all(), m.search("tea")) == (None, [], [])
        first, last = m.history(added["id"])
        assert (last["event"], last["prev_value"], last["new_value"]) == ("DELETE", "likes tea", None)
        assert (last["is_deleted"], first["is_deleted"]) == (1, 0)
        assert last["timestamp"] > first["timestamp"]

    @pytest.mark.parametrize("purge", [False, True])
    def test_an_unknown_id(self, filled: Memory, purge: bool) -> None:
        with pytest.raises(MemoryNotFoundError, match="'nobody'"):
            filled.delete("nobody", purge=purge)
        with pytest.raises(ValueError, match="'%'"):
            filled.delete("%", purge=purge)
        assert filled.get_all().total == 4

    def test_twice(self, m: Memory) -> None:
        (added,) = m.add("likes tea")
        m.delete(added["id"])
        with pytest.raises(MemoryNotFoundError):
            m.delete(added["id"])

    def test_purge_takes_the_history_and_says_so(self, m: Memory) -> None:
        (added,) = m.add("likes tea")
        m.update(added["id"], "likes coffee")
        result = m.delete(added["id"], purge=True)
        assert result["receipt"] == {"memories": 1, "history_rows": 2, "complete": True}
        assert m.history(added["id"]) == []

    def test_purge_of_what_was_deleted_before(self, m: Memory) -> None:
        (added,) = m.add("likes tea")
        m.delete(added["id"])
        result = m.delete(added["id"], purge=True)
        assert (result["deleted"], result["receipt"]["history_rows"]) == (0, 2)
        assert m.history(added["id"]) == []

    def test_it_embeds_nothing(self, filled: Memory, embedder: DeterministicEmbedding) -> None:
        calls = embedder.calls
        filled.delete(filled.get_all()[0]["id"])
        filled.delete_all(user_id="alice")
        assert embedder.calls == calls

    @pytest.mark.parametrize("transactional", [False, True])
    @pytest.mark.parametrize("after", [False, True])
    def test_a_store_that_refuses(self, transactional: bool, after: bool) -> None:
        with FailingVectorStore(transactional=transactional, after=after) as store, memory(vector_store=store) as m:
            (added,) = m.add("likes tea")
            store.fail_on = {"apply" if transactional else "delete": 1}
            events = ["ADD"]
            try:
                m.delete(added["id"])
                events.append("DELETE")
            except StorageError:
                pass
            store.fail_on = None
            # Whether it could be done or not: what the caller was told, the store and the history agree.
            assert [row["event"] for row in m.history(added["id"])] == events
            assert (m.get(added["id"]) is None) is ("DELETE" in events)
            assert after or events == ["ADD"]


class TestDeleteAll:
    @pytest.mark.parametrize(
        ("call", "left", "deleted"),
        [
            (lambda m: m.delete_all(user_id="alice"), ["likes rum"], 3),
            (lambda m: m.delete_all("alice"), ["likes rum"], 3),
            (lambda m: m.delete_all("alice", "planner"), ["likes rum", "likes tea", "owns a dog"], 1),
            (lambda m: m.delete_all(agent_id="planner"), ["likes rum", "likes tea", "owns a dog"], 1),
            (lambda m: m.delete_all(run_id="unknown"), ["likes milk", "likes rum", "likes tea", "owns a dog"], 0),
            (lambda m: m.delete_all(user_id="*"), ["likes milk", "likes rum", "likes tea", "owns a dog"], 0),
            (lambda m: m.delete_all(user_id="%"), ["likes milk", "likes rum", "likes tea", "owns a dog"], 0),
        ],
    )
    def test_the_scope_and_nothing_else(self, filled: Memory, call: Any, left: list[str], deleted: int) -> None:
        before = {row["id"] for row in filled.get_all()}
        assert call(filled) == {"message": "Memories deleted", "deleted": deleted, "failed": []}
        assert texts(filled) == left
        gone = before - {row["id"] for row in filled.get_all()}
        assert all(filled.history(id)[-1]["event"] == "DELETE" for id in gone)

    @pytest.mark.parametrize("scope", [{}, {"user_id": None}, {"user_id": ""}, {"user_id": " "}, {"user_id": []}])
    def test_without_a_scope_nothing_is_touched(self, filled: Memory, scope: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            filled.delete_all(**scope)
        with pytest.raises(ValueError, match="user_id"):
            filled.delete_all(**scope, purge=True)
        assert filled.get_all().total == 4

    def test_filters_are_no_scope(self, filled: Memory) -> None:
        with pytest.raises(TypeError, match="filters"):
            filled.delete_all(filters={"user_id": "alice"})  # type: ignore[call-arg]
        assert filled.get_all().total == 4

    def test_expired_memories_go_too(self, m: Memory, clock: FrozenClock) -> None:
        m.add("is on holiday", user_id="alice", expiration_date="2026-03-02")
        clock.advance(days=9)
        assert m.delete_all(user_id="alice")["deleted"] == 1
        assert m.get_all(show_expired=True) == []

    def test_purge_counts_what_it_removed(self, filled: Memory) -> None:
        filled.update(filled.get_all(user_id="alice")[0]["id"], "likes oat milk")
        filled.delete(filled.get_all(user_id="alice")[1]["id"])
        result = filled.delete_all(user_id="alice", purge=True)
        # Three were added, one of them changed, one deleted: five rows of history.
        assert result["receipt"] == {"memories": 2, "history_rows": 5, "complete": True}

    def test_many(self, m: Memory) -> None:
        m.add([f"fact number {number}" for number in range(1200)], user_id="alice")
        m.add("likes rum", user_id="bob")
        assert m.delete_all(user_id="alice")["deleted"] == 1200
        assert texts(m) == ["likes rum"]


class TestReset:
    def test_everything_in_the_collection_goes_with_its_history(self, filled: Memory) -> None:
        ids = [row["id"] for row in filled.get_all()]
        assert filled.reset() == {"message": "Collection reset", "deleted": 4, "failed": []}
        assert (filled.get_all().total, filled.search("tea")) == (0, [])
        assert [filled.history(id) for id in ids] == [[]] * 4

    def test_and_the_memory_is_as_good_as_new(self, filled: Memory) -> None:
        filled.reset()
        filled.embedding_model = DeterministicEmbedding(16, "another")
        assert filled.add("likes tea", user_id="alice")[0]["event"] == "ADD"
        assert filled.search("tea", user_id="alice")[0]["memory"] == "likes tea"

    def test_another_collection_in_the_file_stays(self, tmp_path: Path) -> None:
        path = str(tmp_path / "shared.db")
        with memory(path=path) as one, memory({"collection_name": "other"}, path=path) as other:
            one.add("likes tea")
            (kept,) = other.add("likes rum")
            assert one.get(kept["id"]) is None
            assert one.history(kept["id"]) == []
            assert one.reset(purge=True)["receipt"] == {"memories": 1, "history_rows": 1, "complete": True}
            assert [row["memory"] for row in other.get_all()] == ["likes rum"]
            assert len(other.history(kept["id"])) == 1

    def test_of_nothing(self, m: Memory) -> None:
        assert m.reset()["deleted"] == 0
