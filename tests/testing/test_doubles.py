"""The doubles do what their docstrings say, alone and inside a memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import mem0
import mem0.testing
from mem0 import ConfigError, MemoryConfig, StorageError, ValidationError
from mem0.history.sqlite import SQLiteManager
from mem0.testing import DeterministicEmbedding, FailingVectorStore, FrozenClock, StoreCall, async_memory, memory
from mem0.testing.contracts.checks import cosine

# --- the embedder ----------------------------------------------------------------------------------------------------


def test_vectors_are_the_same_everywhere() -> None:
    assert DeterministicEmbedding(dims=8).embed("The cat, the CAT!") == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0]


def test_vectors_do_not_depend_on_the_process() -> None:
    code = "from mem0.testing import DeterministicEmbedding as E; print(E().embed('猫 on the sofa \\ud800'))"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(mem0.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs == [f"{DeterministicEmbedding().embed(chr(0x732B) + ' on the sofa ' + chr(0xD800))}\n"] * 2


def test_shared_words_make_texts_close() -> None:
    embedder = DeterministicEmbedding()
    question = embedder.embed("What does Alice drink?")
    near, far = embedder.embed("Alice likes to drink tea."), embedder.embed("Bob moved to Porto.")
    assert cosine(question, near) > cosine(question, far)
    assert cosine(embedder.embed("我的猫叫小雨"), embedder.embed("小雨是猫")) > 0.5


def test_calls_and_texts_are_counted() -> None:
    embedder = DeterministicEmbedding()
    embedder.embed("one")
    embedder.embed_batch(["two", "three"])
    assert (embedder.calls, embedder.texts) == (2, ["one", "two", "three"])


def test_calls_are_counted_across_threads() -> None:
    embedder = DeterministicEmbedding()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(embedder.embed, map(str, range(400))))
    assert (embedder.calls, len(embedder.texts)) == (400, 400)


def test_dims_and_model_are_free() -> None:
    embedder = DeterministicEmbedding(dims=3, model="small")
    assert (len(embedder.embed("anything")), embedder.dims, embedder.model) == (3, 3, "small")
    with pytest.raises(ConfigError, match="dims=0"):
        DeterministicEmbedding(dims=0)


# --- the clock -------------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_until_it_is_moved() -> None:
    clock = FrozenClock("2026-03-01T12:00:00+01:00")
    assert clock() == clock() == datetime(2026, 3, 1, 11, tzinfo=timezone.utc)
    assert clock().tzinfo is timezone.utc
    assert clock.advance(90) == datetime(2026, 3, 1, 11, 1, 30, tzinfo=timezone.utc)
    clock.advance(minutes=1, hours=1, days=1)
    assert clock() == datetime(2026, 3, 2, 12, 2, 30, tzinfo=timezone.utc)
    clock.advance(seconds=-30)
    assert clock() == datetime(2026, 3, 2, 12, 2, tzinfo=timezone.utc)
    assert clock.set(datetime(2030, 1, 1)) == clock() == datetime(2030, 1, 1, tzinfo=timezone.utc)  # naive is UTC
    with pytest.raises(ValidationError, match="start='yesterday'"):
        FrozenClock("yesterday")


# --- memory() --------------------------------------------------------------------------------------------------------


def test_memory_is_complete_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "mem0"))
    clock = FrozenClock()
    with memory(clock=clock) as m:
        (added,) = m.add("I'm allergic to peanuts.", user_id="alice")
        m.add("The report is due on Friday.", user_id="alice")
        clock.advance(days=1)
        m.update(added["id"], "I'm allergic to peanuts and walnuts.")
        best = m.search("What is she allergic to?", user_id="alice")[0]
        assert best["memory"] == "I'm allergic to peanuts and walnuts."
        assert best["created_at"] == "2026-01-01T00:00:00.000000+00:00"
        assert best["updated_at"] == "2026-01-02T00:00:00.000000+00:00"
        assert [row["event"] for row in m.history(added["id"])] == ["ADD", "UPDATE"]
        assert isinstance(m.embedding_model, DeterministicEmbedding)
        assert m.embedding_model.calls == 4
    assert not (tmp_path / "mem0").exists()


def test_memories_are_separate() -> None:
    with memory() as first, memory() as second:
        first.add("I like tea.", user_id="alice")
        assert second.get_all(user_id="alice") == []


def test_async_memory_is_made_alike() -> None:
    async def scenario() -> list[str | None]:
        async with async_memory(clock=FrozenClock("2026-05-01")) as m:
            await m.add("I like tea.", user_id="alice")
            return [found["created_at"] for found in await m.search("tea", user_id="alice")]

    assert asyncio.run(scenario()) == ["2026-05-01T00:00:00.000000+00:00"]


def test_what_is_given_is_used(tmp_path: Path) -> None:
    embedder, path = DeterministicEmbedding(dims=16), str(tmp_path / "mine.db")
    for config in ({"collection_name": "mine", "path": path}, MemoryConfig(collection_name="mine", path=path)):
        with memory(config, embedder=embedder) as m:
            assert m.collection_name == "mine"
            assert m.embedding_model is embedder
            m.add("I like tea.", user_id="alice")
    with memory({"collection_name": "mine"}, embedder=embedder, path=path) as m:
        assert m.get_all(user_id="alice").total == 1


def test_a_named_embedder_is_not_replaced() -> None:
    with memory({"embedder": {"provider": "onnx"}}) as m:
        assert type(m.embedding_model).__name__ == "OnnxEmbedding"


# --- the failing store -----------------------------------------------------------------------------------------------


def test_calls_are_recorded_by_name() -> None:
    with FailingVectorStore() as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]], ids=["a"])
        store.search("c", [1.0, 0.0], limit=3)
        assert store.calls[0] == StoreCall("create_col", {"name": "c", "vector_size": 2, "distance": "cosine"})
        assert [call.verb for call in store.calls] == ["create_col", "insert", "search"]
        assert store.calls[2].arguments["limit"] == 3


def test_a_verb_fails_always_or_at_one_call() -> None:
    with FailingVectorStore(fail_on="get") as store:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="get fails on purpose"):
                store.get("c", "a")
        store.fail_on = {"get": 2}  # counted from here on
        assert store.get("c", "a") is None
        with pytest.raises(ConnectionError):
            store.get("c", "a")
        assert store.get("c", "a") is None
        store.fail_on = None
        assert store.get("c", "a") is None
        assert len(store.calls) == 6


def test_a_function_decides() -> None:
    with FailingVectorStore(fail_on=lambda call: call.arguments.get("vector_id") == "x") as store:
        assert store.get("c", "a") is None
        with pytest.raises(ConnectionError):
            store.get("c", "x")


def test_the_error_is_free() -> None:
    for error in (TimeoutError, TimeoutError("too slow")):
        with FailingVectorStore(fail_on="list_cols", error=error) as store, pytest.raises(TimeoutError):
            store.list_cols()


def test_it_can_fail_after_it_was_done() -> None:
    with FailingVectorStore(fail_on="create_col", after=True) as store:
        with pytest.raises(ConnectionError):
            store.create_col("c", 2)
        assert store.list_cols() == ["c"]


def test_a_verb_that_does_not_exist_is_refused() -> None:
    for fail_on in ("serach", {"add": 1}, "close"):
        with pytest.raises(ConfigError, match="is no verb of a store: create_col, "):
            FailingVectorStore(fail_on=fail_on).close()


def test_every_verb_is_watched() -> None:
    verbs = {name for name, member in vars(mem0.testing.FailingVectorStore).items() if hasattr(member, "__wrapped__")}
    public = {name for name in dir(mem0.vector_stores.base.VectorStoreBase) if not name.startswith("_")}
    made_of_others = {"delete_each", "get_each", "page"}
    assert verbs == public - made_of_others - {"awaits", "close", "transactional", "identity"}


WRITES: list[tuple[Callable[[Any, str], Any], str]] = [
    (lambda m, id: m.add(["I like coffee.", "I like water."], user_id="alice"), "insert"),
    (lambda m, id: m.add("I like coffee.", user_id="alice"), "apply"),
    (lambda m, id: m.update(id, "I like coffee."), "update"),
    (lambda m, id: m.delete(id), "delete"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("write", "verb"), WRITES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_refused_write_leaves_a_memory_as_it_was(write: Callable[[Any, str], Any], verb: str, after: bool) -> None:
    with FailingVectorStore(after=after) as store, SQLiteManager() as history:
        m = memory(vector_store=store, history=history)
        (added,) = m.add("I like tea.", user_id="alice")
        store.fail_on = {verb: 2 if verb == "insert" else 1}
        if verb == "delete" and after:
            write(m, added["id"])  # the store's answer was lost, but the row is gone, and that is what counts
            assert m.get_all(user_id="alice") == []
            assert [row["event"] for row in m.history(added["id"])] == ["ADD", "DELETE"]
        else:
            with pytest.raises(StorageError):
                write(m, added["id"])
            assert [found["memory"] for found in m.get_all(user_id="alice")] == ["I like tea."]
            assert [row["event"] for row in m.history(added["id"])] == ["ADD"]
        store.fail_on = None
        m.add("I like water.", user_id="alice")
        assert "I like water." in [found["memory"] for found in m.get_all(user_id="alice")]
        m.close()


def test_a_refused_search_raises() -> None:
    with FailingVectorStore(fail_on="candidates") as store, memory(vector_store=store) as m:
        m.add("I like tea.", user_id="alice")
        with pytest.raises(StorageError, match="candidates fails on purpose"):
            m.search("tea", user_id="alice")


def test_in_one_transaction_nothing_is_half_done() -> None:
    with FailingVectorStore(transactional=True, fail_on="apply") as store, memory(vector_store=store) as m:
        with pytest.raises(StorageError):
            m.add(["I like coffee.", "I like water."], user_id="alice")
        assert m.get_all(user_id="alice") == []
        assert "insert" not in [call.verb for call in store.calls]


# --- importing -------------------------------------------------------------------------------------------------------


def test_it_needs_neither_pytest_nor_numpy_to_be_imported() -> None:
    code = (
        "import mem0.testing, sys\n"
        "heavy = {'pytest', '_pytest', 'hypothesis', 'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    env = {"PYTHONPATH": str(Path(mem0.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
