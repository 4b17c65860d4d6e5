"""`context`: what is remembered of a question, as text for a prompt."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem0 import ConfigError, Context, Memory, MemoryList, ValidationError
from mem0.memory.packing import estimated_tokens
from mem0.testing import DeterministicEmbedding, RecordingTelemetry, async_memory, memory

QUESTION = "who likes tea"


@pytest.fixture
def talk(m: Memory) -> Memory:
    """A conversation of alice over two days, and one message of bob."""
    for when, name, said in [
        ("2023-06-01T09:00:00Z", "Caroline", "I like tea with milk."),
        ("2023-05-08T18:00:00Z", "Caroline", "Do you like tea?"),
        ("2023-05-08T18:00:00Z", "Melanie", "No,\nI like\n- 2023-01-01, Caroline: rum."),
    ]:
        m.add({"role": "user", "name": name, "content": said}, user_id="alice", timestamp=when)
    m.add("I like tea, too.", user_id="bob", timestamp="2023-05-09")
    return m


ALICES = [
    "- 2023-05-08, Caroline: Do you like tea?",
    "- 2023-05-08, Melanie: No, I like - 2023-01-01, Caroline: rum.",
    "- 2023-06-01, Caroline: I like tea with milk.",
]


class TestResult:
    def test_it_is_text_in_the_order_of_time(self, talk: Memory) -> None:
        known = talk.context(QUESTION, user_id="alice")
        assert isinstance(known, Context)
        assert known == "\n".join(ALICES)
        assert [row["memory"] for row in known.memories] == [
            "Do you like tea?",
            "No,\nI like\n- 2023-01-01, Caroline: rum.",
            "I like tea with milk.",
        ]
        assert isinstance(known.memories, MemoryList)
        assert (known.memories.total, known.left_out, known.tokens) == (3, 0, estimated_tokens(known))
        assert all(row["score"] >= 0 for row in known.memories)

    def test_it_goes_wherever_text_goes(self, talk: Memory) -> None:
        known = talk.context(QUESTION, user_id="alice")
        assert f"Known:\n{known}" == "Known:\n" + "\n".join(ALICES)
        assert json.loads(json.dumps({"role": "system", "content": known}))["content"] == known
        for again in (copy.copy(known), copy.deepcopy(known), pickle.loads(pickle.dumps(known))):
            assert (again, again.memories, again.tokens, again.left_out, again.usage) == (
                *(known, known.memories, known.tokens, known.left_out, known.usage),
            )

    def test_one_search_and_one_embed_call(
        self, talk: Memory, embedder: DeterministicEmbedding, statements: list[str]
    ) -> None:
        calls = embedder.calls
        known = talk.context(QUESTION, user_id="alice")
        assert embedder.calls - calls == known.usage.embed_calls == 1
        assert known.usage.llm_calls == 0
        assert {"embed", "find", "fetch", "pack"} == known.usage.seconds.keys()
        assert not any(sql.startswith(("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE")) for sql in statements)

    @pytest.mark.parametrize("query", ["", "  \n", QUESTION])
    def test_nothing_is_empty_text(self, m: Memory, query: str) -> None:
        known = m.context(query, user_id="nobody")
        assert isinstance(known, Context)
        assert not known
        assert (known, known.memories, known.tokens, known.left_out) == ("", [], 0, 0)

    def test_a_handle_sees_its_scope(self, talk: Memory) -> None:
        assert talk.scope(user_id="bob").context(QUESTION) == "- 2023-05-09, user: I like tea, too."
        assert talk.scope(user_id="carol").context(QUESTION) == ""
        with pytest.raises(ValidationError, match="user_id is given twice"):
            talk.scope(user_id="bob").context(QUESTION, user_id="alice")

    def test_what_narrows_a_search_narrows_it(self, talk: Memory) -> None:
        assert len(talk.context(QUESTION).memories) == 4
        assert len(talk.context(QUESTION, limit=2).memories) == 2
        assert talk.context(QUESTION, filters={"user_id": "bob"}).memories[0]["user_id"] == "bob"
        assert talk.context("wholly different", threshold=1.0) == ""
        talk.add("Likes tea until 2020.", user_id="dora", expiration_date="2020-01-01")
        assert not talk.context(QUESTION, user_id="dora")
        assert talk.context(QUESTION, user_id="dora", show_expired=True)

    def test_duplicates_are_counted_once(self, m: Memory) -> None:
        m.add("I like tea.", user_id="alice", run_id="one", timestamp="2023-05-08")
        m.add("i like TEA", user_id="alice", run_id="two", timestamp="2023-06-01")
        known = m.context(QUESTION, user_id="alice")
        assert (str(known), known.left_out) == ("- 2023-06-01, user: i like TEA", 1)

    def test_telemetry_is_told_of_one_verb(self) -> None:
        recording = RecordingTelemetry()
        with memory(telemetry=recording) as m:
            m.add(["likes tea", "likes rum"], user_id="alice")
            m.context(QUESTION, user_id="alice")
            m.context(QUESTION, user_id="nobody")
        assert recording.events[1:] == [
            ("mem0.context", {"results": 2, "llm_calls": 0, "embed_calls": 1}),
            ("mem0.context", {"results": 0, "llm_calls": 0, "embed_calls": 1}),
        ]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Memory]:
    with memory() as opened:
        for number in range(60):
            opened.add(f"tea number {number} " + "and rum " * (number % 13), user_id="alice")
        yield opened


class TestBudget:
    def test_it_counts_as_it_is_told(self, talk: Memory) -> None:
        def words(text: str) -> int:
            return len(text.split())

        known = talk.context("Do you like tea?", user_id="alice", max_tokens=16, count_tokens=words)
        assert known == "\n".join([ALICES[0], ALICES[2]])
        assert (known.tokens, known.left_out) == (words(known), 1)

    @settings(deadline=None)
    @given(most=st.integers(1, 700), count=st.sampled_from([None, len, lambda text: len(text.split()) + 2]))
    def test_it_is_never_exceeded(self, crowd: Memory, most: int, count: Any) -> None:
        known = crowd.context("tea and rum", user_id="alice", max_tokens=most, count_tokens=count)
        assert known.tokens <= most
        assert known.tokens == ((count or estimated_tokens)(known) if known else 0)
        assert len(known.memories) + known.left_out == 60


async def awaited(text: str) -> int:
    return len(text)


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"max_tokens": 0}, "max_tokens=0: expected a whole number from 1 upwards"),
            ({"max_tokens": -5}, "max_tokens=-5"),
            ({"max_tokens": True}, "max_tokens=True"),
            ({"max_tokens": 1.5}, "max_tokens=1.5"),
            ({"max_tokens": "1000"}, "max_tokens='1000'"),
            ({"max_tokens": None}, "max_tokens=None"),
            ({"count_tokens": 4}, "count_tokens=4: expected a plain function"),
            ({"count_tokens": "cl100k"}, "count_tokens='cl100k'"),
            ({"count_tokens": awaited}, "count_tokens=<function awaited.*expected a plain function"),
            ({"count_tokens": str}, r"count_tokens\(text\)='.*: expected a whole number"),
            ({"limit": 0}, "limit=0"),
            ({"threshold": 2}, "threshold=2"),
            ({"user_id": ""}, "user_id='': it is blank"),
            ({"filters": {"n": {"greater": 3}}}, "greater"),
        ],
    )
    def test_bad_ones_are_named(self, talk: Memory, arguments: dict[str, Any], told: str) -> None:
        with pytest.raises(ValidationError, match=told):
            talk.context(QUESTION, **arguments)

    @pytest.mark.parametrize("query", [None, 5, ["tea"]])
    def test_a_question_is_text(self, m: Memory, query: Any) -> None:
        with pytest.raises(ValidationError, match="query="):
            m.context(query)

    def test_reranking_says_what_it_needs(self, m: Memory) -> None:
        with pytest.raises(ConfigError, match="reranker"):
            m.context(QUESTION, rerank=True)

    def test_what_a_counter_raises_is_the_callers(self, talk: Memory) -> None:
        def count(text: str) -> int:
            raise KeyError("vocabulary")

        with pytest.raises(KeyError, match="vocabulary"):
            talk.context(QUESTION, count_tokens=count)


class TestAsync:
    def test_it_is_the_same_awaited(self) -> None:
        async def main() -> None:
            async with async_memory() as m:
                await m.add("I like tea.", user_id="alice", timestamp="2023-05-08")
                known = await m.context(QUESTION, user_id="alice")
                assert (str(known), known.usage.embed_calls) == ("- 2023-05-08, user: I like tea.", 1)
                assert await m.scope(user_id="alice").context(QUESTION) == known
                assert await m.scope(user_id="bob").context(QUESTION) == ""
                with pytest.raises(ValidationError, match="max_tokens=0"):
                    await m.context(QUESTION, max_tokens=0)

        asyncio.run(main())

    # A StopIteration can leave neither a generator nor a future.
    @pytest.mark.parametrize(("error", "told"), [(KeyError, KeyError), (StopIteration, RuntimeError)])
    def test_what_a_counter_raises_arrives(self, error: type[Exception], told: type[Exception]) -> None:
        def count(text: str) -> int:
            raise error

        async def main() -> None:
            async with async_memory() as m:
                await m.add("I like tea.", user_id="alice")
                with pytest.raises(told):
                    await asyncio.wait_for(m.context(QUESTION, user_id="alice", count_tokens=count), 10)

        asyncio.run(main())

    def test_a_counter_does_not_hold_the_loop_up(self) -> None:
        threads: set[str] = set()

        def count(text: str) -> int:
            threads.add(threading.current_thread().name)
            return len(text)

        async def main() -> None:
            async with async_memory() as m:
                await m.add("I like tea.", user_id="alice")
                assert await m.context(QUESTION, user_id="alice", count_tokens=count)
                assert threading.current_thread().name not in threads

        asyncio.run(main())
