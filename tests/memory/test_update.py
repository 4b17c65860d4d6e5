"""What `update` changes, what it keeps, and what it refuses."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from mem0 import (
    DuplicateMemoryError,
    EmbeddingError,
    Memory,
    MemoryDict,
    MemoryNotFoundError,
    StorageError,
    ValidationError,
)
from mem0.testing import DeterministicEmbedding, FailingVectorStore, FrozenClock, async_memory, memory


@pytest.fixture
def tea(m: Memory, clock: FrozenClock) -> MemoryDict:
    (added,) = m.add(
        {"role": "assistant", "content": "Alice likes tea", "name": "Al"},
        user_id="alice",
        run_id="monday",
        metadata={"topic": "food", "stars": 5},
        expiration_date="2030-01-01",
    )
    clock.advance(3600)
    row = m.get(added["id"])
    assert row is not None
    return row


class TestCallForms:
    @pytest.mark.parametrize(
        "call",
        [
            lambda m, id: m.update(id, "Alice likes coffee"),
            lambda m, id: m.update(memory_id=id, data="Alice likes coffee"),
            lambda m, id: m.update(id, text="Alice likes coffee"),
            lambda m, id: m.update(id, "Alice likes coffee", None),
            lambda m, id: m.update(id, "Alice likes coffee", metadata={}),
            lambda m, id: m.update(id, data="Alice likes coffee", text="Alice likes coffee"),
        ],
    )
    def test_a_new_text_keeps_everything_else(self, m: Memory, tea: MemoryDict, call: Any) -> None:
        updated = call(m, tea["id"])
        assert updated == {
            **tea,
            "memory": "Alice likes coffee",
            "hash": updated["hash"],
            "updated_at": "2026-03-01T13:00:00.000000+00:00",
        }
        assert updated["hash"] != tea["hash"]
        assert m.get(tea["id"]) == updated
        assert (updated["role"], updated["actor_id"], updated["user_id"]) == ("assistant", "Al", "alice")

    def test_search_finds_the_new_text_and_not_the_old(self, m: Memory, tea: MemoryDict) -> None:
        m.search("tea", user_id="alice")  # what is cached must follow
        m.update(tea["id"], "Alice rides horses")
        assert m.search("horses", user_id="alice", threshold=0.1)[0]["id"] == tea["id"]
        assert m.search("tea", user_id="alice", threshold=0.1) == []

    def test_history_shows_both(self, m: Memory, tea: MemoryDict) -> None:
        m.update(tea["id"], "Alice likes coffee")
        first, second = m.history(tea["id"])
        assert (first["event"], first["prev_value"], first["new_value"]) == ("ADD", None, "Alice likes tea")
        assert (second["event"], second["prev_value"], second["new_value"], second["is_deleted"]) == (
            "UPDATE",
            "Alice likes tea",
            "Alice likes coffee",
            0,
        )
        assert second["timestamp"] == "2026-03-01T13:00:00.000000+00:00"
        assert list(second) == ["id", "memory_id", "prev_value", "new_value", "event", "timestamp", "is_deleted"]

    def test_unknown_keywords_are_type_errors(self, m: Memory, tea: MemoryDict) -> None:
        with pytest.raises(TypeError, match="user_id"):
            m.update(tea["id"], "x", user_id="bob")  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({}, "nothing to change"),
            ({"data": ""}, "data=''"),
            ({"data": "  "}, "not blank"),
            ({"data": 5}, "data=5"),
            ({"data": {"data": "x"}}, "data="),
            ({"data": "a", "text": "b"}, "two names of one argument"),
            ({"metadata": []}, "metadata"),
            ({"metadata": {"user_id": "bob"}}, "user_id"),
            ({"metadata": {"data": "x"}}, "data"),
            ({"metadata": {"when": object()}}, "when"),
            ({"data": "x" * 1_000_001}, "bytes"),
        ],
    )
    def test_bad_arguments_are_named_and_change_nothing(
        self, m: Memory, tea: MemoryDict, arguments: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(ValidationError, match=told):
            m.update(tea["id"], **arguments)
        assert m.get(tea["id"]) == tea

    def test_arguments_stay_the_callers(self, m: Memory, tea: MemoryDict) -> None:
        metadata: dict[str, Any] = {"stars": None, "tags": ["a"]}
        before = copy.deepcopy(metadata)
        m.update(tea["id"], metadata=metadata)
        assert metadata == before


class TestMetadata:
    def test_it_is_laid_over_and_none_removes(
        self, m: Memory, tea: MemoryDict, embedder: DeterministicEmbedding
    ) -> None:
        calls = embedder.calls
        updated = m.update(tea["id"], metadata={"stars": None, "topic": "drinks", "new": [1]})
        assert updated["metadata"] == {"topic": "drinks", "new": [1]}
        assert updated["memory"] == tea["memory"]
        assert embedder.calls == calls
        assert m.search("tea", filters={"topic": "drinks"})[0]["id"] == tea["id"]
        assert m.search("tea", filters={"topic": "food"}) == []
        assert m.search("tea", filters={"stars": "*"}) == []

    def test_removing_a_key_that_is_not_there(self, m: Memory, tea: MemoryDict) -> None:
        assert m.update(tea["id"], metadata={"unknown": None}) == tea

    @pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ([1], [True])])
    def test_what_python_calls_equal_is_not_the_same(self, m: Memory, old: Any, new: Any) -> None:
        (added,) = m.add("counts", metadata={"n": old})
        updated = m.update(added["id"], metadata={"n": new})
        assert repr(updated["metadata"]["n"]) == repr(new)
        assert repr(m.get_all()[0]["metadata"]["n"]) == repr(new)

    def test_text_and_metadata_at_once_are_one_event(self, m: Memory, tea: MemoryDict) -> None:
        m.update(tea["id"], "Alice likes coffee", {"stars": 1})
        row = m.get(tea["id"])
        assert row is not None
        assert (row["memory"], row["metadata"]["stars"]) == ("Alice likes coffee", 1)
        assert len(m.history(tea["id"])) == 2


class TestNoChange:
    @pytest.mark.parametrize(
        "same", [{"data": "Alice likes tea"}, {"metadata": {"stars": 5}}, {"data": "Alice likes tea", "metadata": {}}]
    )
    def test_it_costs_nothing_and_leaves_no_trace(
        self,
        m: Memory,
        tea: MemoryDict,
        embedder: DeterministicEmbedding,
        statements: list[str],
        same: dict[str, Any],
    ) -> None:
        calls = embedder.calls
        assert m.update(tea["id"], **same) == tea
        assert embedder.calls == calls
        assert not any(sql.startswith(("INSERT", "UPDATE", "DELETE", "REPLACE")) for sql in statements)
        assert len(m.history(tea["id"])) == 1

    def test_a_change_of_case_is_a_change(self, m: Memory, tea: MemoryDict) -> None:
        assert m.update(tea["id"], "ALICE LIKES TEA!")["memory"] == "ALICE LIKES TEA!"


class TestRefused:
    def test_an_unknown_id(self, m: Memory) -> None:
        with pytest.raises(MemoryNotFoundError, match="'nobody'"):
            m.update("nobody", "x")
        with pytest.raises(ValueError, match="'nobody'"):
            m.update("nobody", metadata={"n": 1})

    def test_a_deleted_one(self, m: Memory, tea: MemoryDict) -> None:
        m.delete(tea["id"])
        with pytest.raises(MemoryNotFoundError):
            m.update(tea["id"], "x")

    def test_the_text_of_another_memory(self, m: Memory, tea: MemoryDict, clock: FrozenClock) -> None:
        message = {"role": "assistant", "content": "Alice owns a dog", "name": "Al"}
        (other,) = m.add(message, user_id="alice", run_id="monday", expiration_date="2031-01-01")
        with pytest.raises(DuplicateMemoryError, match=other["id"]):
            m.update(tea["id"], "alice owns a dog.", {"stars": 1})
        assert m.get(tea["id"]) == tea
        assert len(m.history(tea["id"])) == 1

    def test_what_somebody_else_says_is_another_memory(self, m: Memory, tea: MemoryDict) -> None:
        m.add({"role": "assistant", "content": "Alice owns a dog", "name": "Bo"}, user_id="alice", run_id="monday")
        assert m.update(tea["id"], "Alice owns a dog")["memory"] == "Alice owns a dog"

    def test_the_text_of_another_memory_that_differs_from_its_own_in_signs_only(self, m: Memory) -> None:
        (ending,) = m.add("It rains.", user_id="alice", expiration_date="2031-01-01")
        (lasting,) = m.add("it rains", user_id="alice")
        with pytest.raises(DuplicateMemoryError, match=lasting["id"]):
            m.update(ending["id"], "it rains")
        assert m.update(ending["id"], "It rains.", {"stars": 1})["metadata"] == {"stars": 1}

    def test_the_same_text_of_another_identity_is_no_matter(self, m: Memory, tea: MemoryDict) -> None:
        m.add({"role": "assistant", "content": "Alice owns a dog"}, user_id="alice")
        assert m.update(tea["id"], "Alice owns a dog")["memory"] == "Alice owns a dog"

    def test_the_old_text_is_free_again(self, m: Memory, tea: MemoryDict) -> None:
        m.update(tea["id"], "Alice likes coffee")
        again = {"role": "assistant", "content": "Alice likes tea"}
        assert m.add(again, user_id="alice", run_id="monday")[0]["event"] == "ADD"


class TestInBetween:
    """The row is read, the text embedded, then written: somebody else may come in between."""

    class Interrupted(DeterministicEmbedding):
        interruption: Any = None
        times = 1

        def embed_batch(self, texts: Any) -> Any:
            if self.interruption and self.times:
                self.times -= 1
                self.interruption()
            return super().embed_batch(texts)

    def test_a_change_in_between_is_built_upon(self) -> None:
        embedder = self.Interrupted()
        with memory(embedder=embedder) as m:
            (added,) = m.add("likes tea", metadata={"n": 1})
            embedder.interruption = lambda: m.update(added["id"], metadata={"n": 2})
            assert m.update(added["id"], "likes coffee")["metadata"] == {"n": 2}
            assert len(m.history(added["id"])) == 3

    def test_a_text_that_is_changed_in_between_is_written_anew(self) -> None:
        embedder = self.Interrupted()
        with memory(embedder=embedder) as m:
            (added,) = m.add("likes tea")
            embedder.interruption = lambda: m.update(added["id"], "likes water")
            assert m.update(added["id"], "likes coffee")["memory"] == "likes coffee"
            values = [row["new_value"] for row in m.history(added["id"])]
            assert values == ["likes tea", "likes water", "likes coffee"]

    def test_many_at_once_are_all_kept(self) -> None:
        async def main() -> None:
            async with async_memory() as m:
                (added,) = await m.add("likes tea")
                await asyncio.gather(*(m.update(added["id"], metadata={f"n{number}": number}) for number in range(30)))
                row = await m.get(added["id"])
                assert row is not None
                assert row["metadata"] == {f"n{number}": number for number in range(30)}
                await asyncio.gather(*(m.update(added["id"], f"likes tea no. {number}") for number in range(10)))
                assert len(await m.history(added["id"])) == 41

        asyncio.run(main())

    def test_a_deletion_in_between(self) -> None:
        embedder = self.Interrupted()
        with memory(embedder=embedder) as m:
            (added,) = m.add("likes tea")
            embedder.interruption = lambda: m.delete(added["id"])
            with pytest.raises(MemoryNotFoundError):
                m.update(added["id"], "likes coffee")
            assert m.get_all().total == 0


class TestFailures:
    def test_an_embedder_that_fails(self, m: Memory, tea: MemoryDict) -> None:
        class Broken:
            def embed(self, text: str) -> list[float]:
                raise RuntimeError("no")

        m.embedding_model = Broken()
        with pytest.raises(EmbeddingError):
            m.update(tea["id"], "Alice likes coffee", {"stars": 1})
        assert m.get(tea["id"]) == tea
        assert len(m.history(tea["id"])) == 1

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("verb", ["apply", "update"])
    def test_a_store_that_refuses(self, verb: str, after: bool) -> None:
        with FailingVectorStore(after=after) as store, memory(vector_store=store) as m:
            (added,) = m.add("likes tea", metadata={"n": 1})
            before = m.get(added["id"])
            store.fail_on = {verb: 1}
            with pytest.raises(StorageError, match="on purpose"):
                m.update(added["id"], "likes coffee", {"n": 2})
            store.fail_on = None
            assert m.get(added["id"]) == before
            assert len(m.history(added["id"])) == 1
            assert m.search("likes tea", threshold=0.9)[0]["id"] == added["id"]
