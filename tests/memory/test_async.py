"""`AsyncMemory` is `Memory`, awaited: the same verbs, the same results, and an event loop that stays free."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from mem0 import AsyncMemory, ClosedError, EmbeddingError, Memory, MemoryBase, MemoryList, ValidationError
from mem0.testing import DeterministicEmbedding, FailingVectorStore, StoreCall, async_memory, memory

Main = Callable[[], Coroutine[Any, Any, None]]

VERBS = ["add", "context", "delete", "delete_all", "get", "get_all", "history", "reset", "search", "update", "close"]


class Gate(DeterministicEmbedding):
    """Waits inside its call until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()

    def embed_batch(self, texts: Any) -> Any:
        self.entered.set()
        assert self.open.wait(10)
        return super().embed_batch(texts)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()  # or a failed test would wait for its thread


async def until(event: threading.Event) -> None:
    deadline = time.monotonic() + 10
    while not event.is_set():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


class TestParity:
    def test_the_verbs_are_the_same(self) -> None:
        def public(memory_class: type) -> set[str]:
            return {name for name in dir(memory_class) if not name.startswith("_")}

        assert public(Memory) == public(AsyncMemory)
        assert {*VERBS, "scope", "from_config"} <= public(Memory)

    @pytest.mark.parametrize("verb", VERBS)
    def test_names_defaults_and_annotations_are_the_same(self, verb: str) -> None:
        blocking, awaited = getattr(Memory, verb), getattr(AsyncMemory, verb)
        assert inspect.iscoroutinefunction(awaited)
        assert not inspect.iscoroutinefunction(blocking)
        assert inspect.signature(blocking) == inspect.signature(awaited)
        assert blocking.__annotations__ == awaited.__annotations__

    def test_they_are_built_alike(self) -> None:
        assert inspect.signature(Memory) == inspect.signature(AsyncMemory)
        assert Memory.from_config.__func__ is AsyncMemory.from_config.__func__  # type: ignore[attr-defined]
        assert Memory.scope is AsyncMemory.scope

    def test_both_are_the_published_base(self) -> None:
        assert issubclass(Memory, MemoryBase)
        assert issubclass(AsyncMemory, MemoryBase)
        assert MemoryBase.__abstractmethods__ == {"get", "get_all", "update", "delete", "history"}
        assert {name for name in vars(MemoryBase) if not name.startswith("_")} == MemoryBase.__abstractmethods__

    @pytest.mark.parametrize(
        ("verb", "parameters"),
        [
            ("add", ["messages", "user_id", "agent_id", "run_id", "metadata", "filters", "prompt"]),
            ("search", ["query", "user_id", "agent_id", "run_id", "limit", "filters"]),
            ("get_all", ["user_id", "agent_id", "run_id", "limit"]),
            ("get", ["memory_id"]),
            ("update", ["memory_id", "data", "metadata"]),
            ("delete", ["memory_id"]),
            ("delete_all", ["user_id", "agent_id", "run_id"]),
            ("history", ["memory_id"]),
            ("reset", []),
        ],
    )
    def test_the_published_order_of_positional_arguments(self, verb: str, parameters: list[str]) -> None:
        signature = inspect.signature(getattr(Memory, verb))
        positional = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        assert positional[1 : len(parameters) + 1] == parameters
        if "limit" in parameters:
            assert signature.parameters["limit"].default == 100


def test_every_verb_gives_what_memory_gives() -> None:
    async def main() -> None:
        with memory() as blocking:
            async with async_memory() as awaited:
                assert without_ids(
                    await awaited.add(["likes tea", "owns a dog"], user_id="alice", metadata={"n": 1})
                ) == (without_ids(blocking.add(["likes tea", "owns a dog"], user_id="alice", metadata={"n": 1})))
                mine, theirs = await awaited.get_all("alice"), blocking.get_all("alice")
                assert isinstance(mine, MemoryList)
                assert without_ids(mine) == without_ids(theirs)
                assert mine.total == theirs.total == 2
                assert without_ids(await awaited.search("tea", "alice", explain=True)) == (
                    without_ids(blocking.search("tea", "alice", explain=True))
                )
                one, other = mine[0]["id"], theirs[0]["id"]
                assert without_ids([await awaited.get(one)]) == without_ids([blocking.get(other)])
                assert without_ids([await awaited.update(one, "owns a cat", {"n": None})]) == (
                    without_ids([blocking.update(other, "owns a cat", {"n": None})])
                )
                assert await awaited.delete(one) == blocking.delete(other)
                assert without_ids(await awaited.history(one)) == without_ids(blocking.history(other))
                assert await awaited.delete_all("alice", purge=True) == blocking.delete_all("alice", purge=True)
                assert await awaited.reset() == blocking.reset()
                with pytest.raises(ValidationError):
                    await awaited.delete_all()
                with pytest.raises(TypeError):
                    await awaited.search("x", k=1)  # type: ignore[call-arg]

    asyncio.run(main())


def without_ids(rows: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in ("id", "memory_id")} for row in rows]


def test_from_config_and_usage() -> None:
    async def main() -> None:
        m = AsyncMemory.from_config({"path": ":memory:"})
        m.embedding_model = DeterministicEmbedding()
        added = await m.add("likes tea")
        assert (added.usage.embed_calls, (await m.search("tea")).usage.embed_calls) == (1, 1)
        await m.close()
        with pytest.raises(ClosedError):
            await m.get_all()

    asyncio.run(main())


def test_from_config_may_be_awaited_as_it_was_published() -> None:
    async def main() -> None:
        async with await AsyncMemory.from_config(config_dict={"path": ":memory:"}) as m:
            assert isinstance(m, AsyncMemory)
            assert await m is m

    asyncio.run(main())


def test_the_loop_is_free_while_the_embedder_works(gate: Gate) -> None:
    async def main() -> None:
        async with async_memory(embedder=gate) as m:
            adding = asyncio.create_task(m.add("likes tea"))
            # If the call blocked the loop, this task would never run to open the gate.
            await until(gate.entered)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not adding.done()
            gate.open.set()
            assert (await adding)[0]["event"] == "ADD"

    asyncio.run(main())


def test_cancelled_while_embedding_nothing_is_stored(gate: Gate) -> None:
    async def main() -> None:
        async with async_memory(embedder=gate) as m:
            adding = asyncio.create_task(m.add(["likes tea", "owns a dog"]))
            await until(gate.entered)
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
            gate.open.set()
            await asyncio.sleep(0.05)
            assert (await m.get_all()).total == 0
            assert [row["event"] for row in await m.add(["likes tea", "owns a dog"])] == ["ADD", "ADD"]

    asyncio.run(main())


def test_cancelled_while_committing_all_is_stored_or_nothing() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold(call: StoreCall) -> bool:
        if call.verb == "apply":
            entered.set()
            assert leave.wait(10)
        return False

    async def main() -> None:
        with FailingVectorStore(fail_on=hold) as store:
            async with async_memory(vector_store=store) as m:
                adding = asyncio.create_task(m.add(["likes tea", "owns a dog"]))
                await until(entered)
                adding.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await adding
                leave.set()
                # The next write waits for the first one to end.
                await m.add("likes rum")
                stored = {row["memory"]: row["id"] for row in await m.get_all()}
                assert stored.keys() in ({"likes rum"}, {"likes tea", "owns a dog", "likes rum"})
                for id in stored.values():
                    assert [row["event"] for row in await m.history(id)] == ["ADD"]

    asyncio.run(main())


def test_many_at_once() -> None:
    async def main() -> None:
        async with async_memory() as m:
            calls = [m.add(f"fact number {number}", user_id=f"user {number % 7}") for number in range(200)]
            results = await asyncio.gather(*calls, *(m.search("fact", user_id="user 1") for _ in range(20)))
            assert all(result[0]["event"] == "ADD" for result in results[:200])
            everything = await m.get_all(limit=300)
            assert {row["memory"] for row in everything} == {f"fact number {number}" for number in range(200)}

    asyncio.run(main())


def test_the_same_many_at_once_is_one_memory() -> None:
    async def main() -> None:
        async with async_memory() as m:
            results = await asyncio.gather(*(m.add("likes tea", user_id="alice") for _ in range(30)))
            (row,) = await m.get_all()
            assert sorted(result[0]["event"] for result in results) == ["ADD"] + ["NONE"] * 29
            assert {result[0]["id"] for result in results} == {row["id"]}
            assert len(await m.history(row["id"])) == 1

    asyncio.run(main())


def test_errors_arrive_where_the_call_is_awaited() -> None:
    class Broken:
        def embed(self, text: str) -> list[float]:
            raise RuntimeError("no")

    async def main() -> None:
        async with async_memory(embedder=Broken()) as m:
            with pytest.raises(EmbeddingError) as caught:
                await m.add("likes tea")
            assert isinstance(caught.value.__cause__, RuntimeError)

    asyncio.run(main())


def test_a_handle_of_a_closed_memory_is_closed_too() -> None:
    async def main() -> None:
        m = async_memory()
        alice = m.scope(user_id="alice")
        await m.close()
        await m.close()
        for verb in (alice.get_all(), alice.add("x"), m.search("x"), m.history("x"), m.reset()):
            with pytest.raises(ClosedError):
                await verb

    asyncio.run(main())


class TestNativeCoroutines:
    """An embedder that can be awaited is awaited, in the loop's own thread."""

    class Embedder:
        def __init__(self) -> None:
            self.threads: list[str] = []

        def embed(self, text: str) -> list[float]:
            raise AssertionError("the coroutine is there")

        async def aembed(self, text: str) -> list[float]:
            await asyncio.sleep(0)
            self.threads.append(threading.current_thread().name)
            return [1.0, float(len(text))]

    class Batching(Embedder):
        async def aembed_batch(self, texts: list[str]) -> list[list[float]]:
            return [await self.aembed(text) for text in texts]

    @pytest.mark.parametrize("kind", [Embedder, Batching])
    def test_it_is_used(self, kind: Any) -> None:
        async def main() -> None:
            embedder = kind()
            async with async_memory(embedder=embedder) as m:
                added = await m.add(["likes tea", "owns a dog"])
                assert [row["event"] for row in added] == ["ADD", "ADD"]
                assert (await m.search("likes tea"))[0]["memory"] == "likes tea"
                assert embedder.threads == [threading.current_thread().name] * 3

        asyncio.run(main())

    def test_its_errors_are_ours(self) -> None:
        class Broken(self.Embedder):  # type: ignore[name-defined, misc]
            async def aembed(self, text: str) -> list[float]:
                raise TimeoutError("no answer")

        async def main() -> None:
            async with async_memory(embedder=Broken()) as m:
                with pytest.raises(EmbeddingError, match="TimeoutError: no answer"):
                    await m.add("likes tea")
                assert (await m.get_all()).total == 0

        asyncio.run(main())

    def test_cancelled_it_is_cancelled_at_once(self) -> None:
        class Endless(self.Embedder):  # type: ignore[name-defined, misc]
            async def aembed(self, text: str) -> list[float]:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.threads.append("cancelled")
                    raise
                return [1.0]

        async def main() -> None:
            embedder = Endless()
            async with async_memory(embedder=embedder) as m:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(m.add("likes tea"), 0.05)
                assert embedder.threads == ["cancelled"]
                assert (await m.get_all()).total == 0

        asyncio.run(main())
