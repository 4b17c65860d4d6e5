"""What a threshold leaves out, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plain_store import PlainStore

from mem0 import AsyncMemory, Memory, ValidationError
from mem0.memory.threshold import cut
from mem0.testing import FrozenClock, memory
from mem0.vector_stores.base import Candidates

TURNS = [
    "Caroline: I moved to Lisbon last spring, and the flat has a view of the river.",
    "Melanie: Lovely! I am still in Hamburg, with my two cats.",
    "Caroline: I work in a bakery now and start at four in the morning.",
    "Melanie: I could never do that. I paint in the evenings, mostly landscapes.",
    "Caroline: My sister is allergic to peanuts, so the bakery has none.",
    "Melanie: We drove to the sea on Sunday and the car broke down.",
]
ANSWERED = {
    "Where does Caroline work?": "bakery",
    "What does Melanie paint?": "landscapes",
    "Who is allergic to peanuts?": "sister",
}
OFF_TOPIC = ["How do I reverse a linked list in C?", "Who won the world cup in 1998?", "What is quantum entanglement?"]


@pytest.fixture(scope="module")
def bundled() -> Iterator[Memory]:
    """A memory with the real embedder, one with vectors of words and one without."""
    with memory({"embedder": {"provider": "onnx"}}) as m:
        m.add(TURNS, user_id="en", infer=False)
        m.add(["我喜欢喝绿茶。", "我的猫叫小白。", "我住在上海。"], user_id="zh", infer=False)
        yield m


@pytest.fixture(scope="module")
def whole() -> Iterator[Memory]:
    """The same, where texts are judged by their vectors as a whole."""
    with memory({"embedder": {"provider": "onnx", "config": {"late_interaction": False}}}) as m:
        m.add(TURNS, user_id="en", infer=False)
        yield m


@pytest.fixture(params=["bundled", "whole"])
def filled(request: pytest.FixtureRequest) -> Memory:
    found: Memory = request.getfixturevalue(request.param)
    return found


class TestAuto:
    @pytest.mark.parametrize("question", OFF_TOPIC)
    def test_a_question_off_the_topic_finds_nothing(self, filled: Memory, question: str) -> None:
        found = filled.search(question, user_id="en", threshold="auto", explain=True)
        assert found == []
        assert found.total == len(TURNS)
        assert {one["memory"] for one in found.dropped} == set(TURNS)
        assert all("nothing is convincing" in one["reason"] for one in found.dropped)

    @pytest.mark.parametrize("question", ANSWERED)
    def test_a_question_with_an_answer_finds_it(self, filled: Memory, question: str) -> None:
        found = filled.search(question, user_id="en", threshold="auto")
        assert ANSWERED[question] in found[0]["memory"]
        assert found.dropped == []  # only told where it is asked for

    def test_what_does_not_come_near_the_best_is_left_out(self, filled: Memory) -> None:
        question = "My sister is allergic to peanuts, so the bakery has none."
        found = filled.search(question, user_id="en", threshold="auto", explain=True)
        assert 0 < len(found) < len(TURNS)
        assert len(found) + len(found.dropped) == len(TURNS)
        assert all("of the best" in one["reason"] for one in found.dropped)

    def test_by_words_alone(self, bundled: Memory) -> None:
        assert bundled.search("谁赢了世界杯足球赛？", user_id="zh", threshold="auto") == []
        assert bundled.search("猫叫什么名字？", user_id="zh", threshold="auto")[0]["memory"] == "我的猫叫小白。"

    def test_nothing_for_a_prompt(self, bundled: Memory) -> None:
        context = bundled.context(OFF_TOPIC[0], user_id="en", max_tokens=500, threshold="auto")
        assert context == ""
        assert context.memories == []

    def test_in_a_store_that_knows_vectors_only(self, tmp_path: Path) -> None:
        with memory({"embedder": {"provider": "onnx"}}, vector_store=PlainStore(tmp_path / "store")) as m:
            m.add(TURNS, user_id="en", infer=False)
            assert m.search(OFF_TOPIC[0], user_id="en", threshold="auto") == []
            assert m.search("Where does Caroline work?", user_id="en", threshold="auto")

    def test_awaited(self) -> None:
        async def asked() -> None:
            async with AsyncMemory({"embedder": {"provider": "onnx"}}, path=":memory:") as m:
                await m.add(TURNS, user_id="en", infer=False)
                handle = m.scope(user_id="en")
                assert await handle.search(OFF_TOPIC[0], threshold="auto") == []
                assert await handle.search("Where does Caroline work?", threshold="auto")

        asyncio.run(asked())

    def test_before_a_reranker_which_is_not_asked_for_nothing(self) -> None:
        asked: list[str] = []

        def reranker(query: str, texts: list[str]) -> list[float]:
            asked.append(query)
            return [0.5] * len(texts)

        with memory({"embedder": {"provider": "onnx"}}, reranker=reranker) as m:
            m.add(TURNS, user_id="en", infer=False)
            assert m.search(OFF_TOPIC[0], user_id="en", threshold="auto") == []
            assert asked == []
            assert m.search("Where does Caroline work?", user_id="en", threshold="auto")[0]["score"] == 0.5

    def test_where_there_is_nothing(self, bundled: Memory) -> None:
        assert bundled.search("tea", user_id="nobody", threshold="auto", explain=True).dropped == []


class TestConvincing:
    """By the numbers of the legs, each so close to what is wanted that nothing else can decide."""

    @pytest.mark.parametrize(
        ("count", "least"),
        [(100, 0.33), (200, 0.36), (6400, 0.51), (20, 0.2603), (1, 0.2603)],  # as 20: nobody has so little to compare
    )
    def test_the_more_there_are_the_closer_the_best_vector_has_to_be(self, count: int, least: float) -> None:
        assert kept(dense=[least + 0.001, *[0.0] * (count - 1)]) == [0]
        assert kept(dense=[least - 0.001, *[0.0] * (count - 1)]) == []

    def test_beside_words_less_is_enough(self) -> None:
        # Of vector and words the first half: 0.7 d / 1.6, and with the closest vector (0.4375 d + 0.6 d) / 1.6.
        for dense, found in [(0.39, [0]), (0.38, [])]:
            assert kept(dense=[dense, *[0.0] * 99], keyword=[0.0] * 100) == found

    def test_word_by_word_more_is_wanted(self) -> None:
        counts = {"late": 0.31, "late_window": 0.31, "dense": 0.31, "session_dense": 0.31}
        assert kept(**{name: [value, *[0.0] * 99] for name, value in counts.items()}) == [0]
        assert kept(**{name: [value - 0.02, *[0.0] * 99] for name, value in counts.items()}) == []

    def test_others_have_to_come_near_the_best(self) -> None:
        assert kept(dense=[0.9, 0.55, 0.53, *[0.0] * 97]) == [0, 1]

    def test_of_words_alone_less_near(self) -> None:
        assert kept(dense=[float("nan")] * 4, keyword=[0.9, 0.19, 0.17, 0.0]) == [0, 1]
        assert kept(keyword=[0.046, 0.0]) == [0]
        assert kept(keyword=[0.044, 0.0]) == []


def kept(**legs: list[float]) -> list[int]:
    """Return which of some candidates are convincing, from what the legs say of each."""
    columns = {name: np.array(values, dtype=np.float32) for name, values in legs.items()}
    count = len(next(iter(columns.values())))
    found: list[int] = np.flatnonzero(cut(Candidates(range(count), columns), np.zeros(count), "auto").kept).tolist()
    return found


class TestNumber:
    def test_what_is_below_is_told_with_its_score(self, bundled: Memory) -> None:
        found = bundled.search("Who is allergic to peanuts?", user_id="en", threshold=0.4, explain=True)
        assert all(row["score"] >= 0.4 for row in found)
        assert found.dropped
        for one in found.dropped:
            assert one["score"] < 0.4
            assert one["reason"] == f"its score {one['score']:.3f} is below the threshold 0.4"

    def test_what_has_just_enough_stays(self) -> None:
        scores = np.array([0.25, 0.5, 0.75], dtype=np.float32)
        assert cut(Candidates([0, 1, 2], {}), scores, 0.5).kept.tolist() == [False, True, True]

    def test_no_more_are_told_than_would_have_been_returned(self, bundled: Memory) -> None:
        found = bundled.search("peanuts", user_id="en", threshold=1.0, limit=2, explain=True)
        assert (found, len(found.dropped)) == ([], 2)

    def test_of_a_reranker(self) -> None:
        with memory(reranker=lambda query, texts: [0.9 if "bakery" in text else 0.1 for text in texts]) as m:
            m.add(TURNS, user_id="en", infer=False)
            found = m.search("work", user_id="en", threshold=0.5, explain=True)
            assert {row["score"] for row in found} == {0.9}
            assert {one["reason"] for one in found.dropped} == {"its score 0.100 is below the threshold 0.5"}


@pytest.mark.parametrize("threshold", ["Auto", "", "0.5", True, -0.1, 1.1, float("nan"), []])
def test_any_other_is_refused(bundled: Memory, threshold: object) -> None:
    with pytest.raises(ValidationError, match=r"threshold=.*number from 0 to 1, .*'auto'"):
        bundled.search("tea", user_id="en", threshold=threshold)  # type: ignore[arg-type]


class TestRecency:
    def test_of_two_that_say_the_same_the_newer_stands_further_ahead(self) -> None:
        clock = FrozenClock("2026-06-01")
        with memory({"recency_half_life": 7}, clock=clock) as m:
            m.add("I drink tea in the morning", user_id="a", infer=False, timestamp="2026-05-30")
            m.add("I drink tea in the evening", user_id="a", infer=False, timestamp="2025-05-30")
            found = m.search("tea", user_id="a", explain=True)
            assert [row["memory"][-7:] for row in found] == ["morning", "evening"]
            assert found[0]["explain"]["legs"]["recency"] == pytest.approx(0.5 ** (2 / 7), abs=1e-4)
            assert found[0]["score"] == found[1]["score"]
            m.config.recency_half_life = None  # read at each call
            assert m.search("tea", user_id="a", explain=True)[0]["explain"]["legs"]["recency"] is None

    @pytest.mark.parametrize("half_life", [0, -1, float("inf"), float("nan"), "a week"])
    def test_a_half_life_is_a_number_of_days(self, half_life: object) -> None:
        with pytest.raises(ValueError, match="recency_half_life"):
            memory({"recency_half_life": half_life})
