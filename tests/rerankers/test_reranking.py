"""What `search` does with a reranker: any kind, blocking and awaited, and what is seen where it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import BaseModel

from mem0 import AsyncMemory, ConfigError, Memory, RerankError, StorageError
from mem0.exceptions import LLMError
from mem0.rerankers.base import RerankerBase, score_texts
from mem0.testing import FailingVectorStore, RerankerContract, async_memory, memory
from mem0.utils.factory import RerankerFactory

QUESTION = "who likes tea"
TEXTS = ["Alice likes tea", "Alice likes tea with milk", "Alice owns a dog"]
SCORES = {"Alice likes tea": 0.2, "Alice likes tea with milk": 0.9, "Alice owns a dog": 0.5}


def by_table(query: str, texts: Sequence[str]) -> list[float]:
    return [SCORES[text] for text in texts]


async def by_table_awaited(query: str, texts: Sequence[str]) -> list[float]:
    await asyncio.sleep(0)
    return by_table(query, texts)


class Words(RerankerBase):
    """The share of the question's words that a text has."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.closed = 0

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        self.asked.append((query, [*texts]))
        wanted = {*query.lower().rstrip("?").split()}
        return [len(wanted & {*text.lower().rstrip(".").split()}) / (len(wanted) or 1) for text in texts]

    def close(self) -> None:
        self.closed += 1


class AwaitedWords(Words):
    awaited = 0

    async def ascore(self, query: str, texts: Sequence[str]) -> list[float]:
        self.awaited += 1
        return self.score(query, texts)


class Duck:
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return by_table(query, texts)


class Called:
    def __call__(self, query: str, texts: Sequence[str]) -> Any:
        return np.array(by_table(query, texts), dtype=np.float32)


class CalledAwaited:
    async def __call__(self, query: str, texts: Sequence[str]) -> list[float]:
        return by_table(query, texts)


def filled(**arguments: Any) -> Memory:
    m = memory(**arguments)
    for text in TEXTS:
        m.add(text, user_id="alice")
    return m


def texts_of(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["memory"] for row in found]


RERANKED = ["Alice likes tea with milk", "Alice owns a dog", "Alice likes tea"]


class TestWords(RerankerContract):
    question, answer, other = "who likes tea", "Alice likes tea.", "The bus leaves at noon."

    def reranker(self) -> Words:
        return AwaitedWords()


class TestOrderAndScore:
    @pytest.mark.parametrize("reranker", [by_table, Duck(), Called()], ids=lambda each: type(each).__name__)
    def test_anything_that_scores(self, reranker: Any) -> None:
        with filled(reranker=reranker) as m:
            found = m.search(QUESTION, user_id="alice")
            assert texts_of(found) == RERANKED
            assert [row["score"] for row in found] == pytest.approx([0.9, 0.5, 0.2])
            assert found.total == 3
            assert found.rerank_error is None
            assert found.usage.rerank_calls == 1
            assert found.usage.seconds["rerank"] >= 0
            assert [type(row["score"]) for row in found] == [float] * 3

    @pytest.mark.parametrize(
        "reranker", [by_table, by_table_awaited, Duck(), Called(), CalledAwaited()], ids=lambda each: str(type(each))
    )
    def test_anything_that_scores_awaited(self, reranker: Any) -> None:
        async def found() -> Any:
            async with async_memory(reranker=reranker) as m:
                for text in TEXTS:
                    await m.add(text, user_id="alice")
                return await m.search(QUESTION, user_id="alice", rerank=True)

        assert texts_of(asyncio.run(found())) == RERANKED

    def test_its_own_coroutine_is_awaited(self) -> None:
        reranker = AwaitedWords()

        async def found() -> Any:
            async with async_memory(reranker=reranker) as m:
                await m.add("Alice likes tea", user_id="alice")
                return await m.search(QUESTION, user_id="alice")

        assert asyncio.run(found())[0]["score"] == pytest.approx(2 / 3)
        assert reranker.awaited == 1

    def test_it_is_used_where_there_is_one_unless_told_not_to(self) -> None:
        reranker = Words()
        with filled(reranker=reranker) as m:
            plain = m.search(QUESTION, user_id="alice", rerank=False)
            assert reranker.asked == []
            assert plain.usage.rerank_calls == 0
            m.search(QUESTION, user_id="alice")
            m.search(QUESTION, user_id="alice", rerank=True)
            assert len(reranker.asked) == 2
            m.reranker = None
            again = m.search(QUESTION, user_id="alice")
            assert [(row["memory"], row["score"]) for row in again] == [(row["memory"], row["score"]) for row in plain]

    def test_without_one_it_is_told_what_helps(self) -> None:
        with filled() as m, pytest.raises(ConfigError, match=r"rerank=True needs a reranker.*'reranker'.*reranker="):
            m.search(QUESTION, rerank=True)

    def test_what_stands_beyond_the_limit_can_come_to_the_front(self) -> None:
        last = "tea number 59"
        with memory(reranker=lambda query, texts: [float(text == last) for text in texts]) as m:
            m.add([f"tea number {number}" for number in range(60)], user_id="alice")
            usual = texts_of(m.search("tea", user_id="alice", limit=60, rerank=False))
            last = usual[49]
            assert texts_of(m.search("tea", user_id="alice", limit=1)) == [last]
            last = usual[50]  # beyond the 50 that are looked at
            assert texts_of(m.search("tea", user_id="alice", limit=1)) == usual[:1]
            assert texts_of(m.search("tea", user_id="alice", limit=55))[0] == last
            assert m.search("tea", user_id="alice", limit=1).total == 60

    def test_its_top_k_is_the_most_that_it_leaves(self) -> None:
        words = Words()
        words.top_k = 2
        with filled(reranker=words) as m:
            assert texts_of(m.search(QUESTION, user_id="alice")) == TEXTS[:2]
            assert len(words.asked[0][1]) == 3  # it is shown more
            assert texts_of(m.search(QUESTION, user_id="alice", limit=1)) == TEXTS[:1]
            assert len(m.search(QUESTION, user_id="alice", rerank=False)) == 3
            m.reranker = mock.Mock(score=by_table)  # which has every attribute
            assert texts_of(m.search(QUESTION, user_id="alice")) == RERANKED

    def test_equal_scores_keep_the_order(self) -> None:
        with filled(reranker=lambda query, texts: [0.5] * len(texts)) as m:
            assert texts_of(m.search(QUESTION, user_id="alice")) == texts_of(
                m.search(QUESTION, user_id="alice", rerank=False)
            )

    def test_threshold_acts_on_its_score(self) -> None:
        with filled(reranker=by_table) as m:
            assert texts_of(m.search(QUESTION, user_id="alice", threshold=0.5)) == RERANKED[:2]
            assert texts_of(m.search(QUESTION, user_id="alice", threshold=0.5, limit=1)) == RERANKED[:1]
            assert m.search(QUESTION, user_id="alice", threshold=0.95) == []

    def test_explain_shows_its_score_beside_the_legs(self) -> None:
        with filled(reranker=by_table) as m:
            for row in m.search(QUESTION, user_id="alice", explain=True):
                assert row["explain"]["rerank"] == row["score"] == SCORES[row["memory"]]
                assert "dense" in row["explain"]["legs"]
            for row in m.search(QUESTION, user_id="alice", explain=True, rerank=False):
                assert "rerank" not in row["explain"]
            assert all("explain" not in row for row in m.search(QUESTION, user_id="alice"))

    def test_nothing_found_asks_nobody(self) -> None:
        reranker = Words()
        with memory(reranker=reranker) as m:
            assert m.search(QUESTION) == []
            assert m.search("  ") == []
        assert reranker.asked == []

    def test_only_the_scopes_texts_are_shown_to_it(self) -> None:
        reranker = Words()
        with filled(reranker=reranker) as m:
            m.add("Bob likes tea", user_id="bob")
            m.scope(user_id="bob").search(QUESTION)
        assert reranker.asked == [(QUESTION, ["Bob likes tea"])]

    def test_context_uses_it_too(self) -> None:
        reranker = Words()
        with filled(reranker=reranker) as m:
            m.context(QUESTION, user_id="alice")
            assert len(reranker.asked) == 1


class Wrong(Exception):
    status_code = 503


def raising(error: BaseException) -> Callable[..., Any]:
    def reranker(query: str, texts: Sequence[str]) -> Any:
        raise error

    return reranker


class TestFailure:
    @pytest.mark.parametrize(
        ("reranker", "told", "retryable"),
        [
            (raising(ValueError("broken")), "failed: ValueError: broken", False),
            (raising(ConnectionError("gone")), "failed: ConnectionError", True),
            (raising(Wrong("busy")), "failed: Wrong: busy", True),
            (raising(LLMError("full", status=429, retryable=True)), "failed: LLMError: full", True),
            (raising(RerankError("mine", retryable=True)), "mine", True),
            (lambda query, texts: [0.5], r"returned 1 score\(s\) for 3 text\(s\)", False),
            (lambda query, texts: [0.5] * 4, r"returned 4 score\(s\)", False),
            (lambda query, texts: [0.5, float("nan"), 0.1], "the score nan", False),
            (lambda query, texts: [0.5, float("inf"), 0.1], "the score inf", False),
            (lambda query, texts: [0.5, 1.5, 0.1], "the score 1.5; scores are absolute, from 0 to 1", False),
            (lambda query, texts: [0.5, -0.1, 0.1], "the score -0.1", False),
            (lambda query, texts: [0.5, "0.1", 0.1], "returned str as a score", False),
            (lambda query, texts: [0.5, None, 0.1], "returned NoneType as a score", False),
            (lambda query, texts: [0.5, True, 0.1], "returned bool as a score", False),
            (lambda query, texts: 0.5, "returned float for 3", False),
            (lambda query, texts: None, "returned NoneType for 3", False),
            (lambda query, texts: "abc", "returned str for 3", False),
            (lambda query, texts: {0: 1, 1: 1, 2: 1}, "returned dict for 3", False),
            (lambda query: [0.5], "TypeError", False),
            (mock.MagicMock(), "MagicMock", False),
        ],
    )
    @pytest.mark.parametrize("rerank", [None, True])
    def test_the_order_is_kept_and_the_error_is_there(
        self,
        reranker: Any,
        told: str,
        retryable: bool,
        rerank: bool | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with filled() as m:
            wanted: dict[str, Any] = {"user_id": "alice", "threshold": 0.01, "limit": 2}
            usual = m.search(QUESTION, **wanted)
            m.reranker = reranker
            with caplog.at_level(logging.DEBUG, "mem0"):
                found = m.search(QUESTION, **wanted, rerank=rerank)
            assert found == usual
            assert found.total == usual.total
            error = found.rerank_error
            assert isinstance(error, RerankError)
            with pytest.raises(RerankError, match=told):
                raise error
            assert error.retryable is retryable
            assert found.usage.rerank_calls == 1
        (record,) = [record for record in caplog.records if "rerank" in record.message]
        assert record.levelno == logging.WARNING
        assert "rerank_error" in record.message

    def test_what_it_says_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with filled(reranker=raising(ValueError("cannot read 'Alice likes tea'"))) as m:
            assert m.search(QUESTION).rerank_error is not None
        assert "ValueError" in caplog.text
        assert "Alice" not in caplog.text

    def test_awaited_too(self) -> None:
        async def fails(query: str, texts: Sequence[str]) -> list[float]:
            raise TimeoutError("slow")

        async def found() -> Any:
            async with async_memory(reranker=fails) as m:
                for text in TEXTS:
                    await m.add(text, user_id="alice")
                return await m.search(QUESTION, user_id="alice")

        rows = asyncio.run(found())
        assert len(rows) == 3
        assert rows.rerank_error.retryable

    def test_what_is_no_exception_of_ours_to_judge_leaves(self) -> None:
        with filled(reranker=raising(KeyboardInterrupt())) as m, pytest.raises(KeyboardInterrupt):
            m.search(QUESTION)

    def test_a_store_that_fails_is_still_an_error(self) -> None:
        with FailingVectorStore(fail_on="fetch") as store, memory(vector_store=store, reranker=by_table) as m:
            m.add(TEXTS[0], user_id="alice")
            with pytest.raises(StorageError, match="fetch"):
                m.search(QUESTION)

    def test_arithmetic_in_32_bits_is_forgiven(self) -> None:
        assert score_texts(lambda query, texts: [1.0000001, -1e-9], "q", ["a", "b"]) == [1.0, 0.0]

    def test_of_no_texts_there_are_no_scores(self) -> None:
        assert score_texts(raising(ValueError()), "q", []) == []


class Configured(Words):
    """One without options."""


class TestParts:
    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        before = dict(RerankerFactory.providers)
        RerankerFactory.register("words", f"{__name__}:Configured")
        yield
        RerankerFactory.providers.clear()
        RerankerFactory.providers.update(before)

    def test_one_is_named_in_the_configuration_and_closed_with_the_memory(self) -> None:
        with filled(config={"reranker": {"provider": "words"}}) as m:
            reranker = m.reranker
            assert isinstance(reranker, Configured)
            assert m.search(QUESTION)[0]["score"] == pytest.approx(2 / 3)
        assert reranker.closed == 1

    def test_an_injected_one_goes_before_and_stays_its_owners(self) -> None:
        reranker = Words()
        with memory({"reranker": {"provider": "words"}}, reranker=reranker) as m:
            assert m.reranker is reranker
        assert reranker.closed == 0

    def test_it_can_be_replaced(self) -> None:
        with filled() as m:
            handle = m.scope(user_id="alice")
            m.reranker = by_table
            assert texts_of(handle.search(QUESTION)) == RERANKED

    def test_an_entry_point_is_enough(self) -> None:
        entry = EntryPoint("theirs", f"{__name__}:Configured", "mem0.rerankers")
        with mock.patch("mem0.utils.factory.metadata.entry_points", return_value=[entry]) as asked:
            assert isinstance(RerankerFactory.create("theirs"), Configured)
        asked.assert_called_with(group="mem0.rerankers")

    @pytest.mark.parametrize(
        ("reranker", "told"),
        [
            (5, r"reranker=<int>: expected an object with score\(query, texts\)"),
            (Words, "reranker=<the class Words>"),
            ({"provider": "cohere"}, "a provider and its options go into config"),
            ("cohere", "reranker=<str>"),
        ],
    )
    @pytest.mark.parametrize("kind", [Memory, AsyncMemory])
    def test_what_is_none_is_refused(self, reranker: Any, told: str, kind: Any) -> None:
        with pytest.raises(ConfigError, match=told):
            kind(path=":memory:", embedder=mock.Mock(), reranker=reranker)
        with memory() as m, pytest.raises(ConfigError, match=told):
            m.reranker = reranker

    @pytest.mark.parametrize("reranker", [by_table_awaited, CalledAwaited()])
    def test_what_must_be_awaited_is_refused_where_nothing_awaits(self, reranker: Any) -> None:
        with pytest.raises(ConfigError, match="only AsyncMemory can await it"):
            memory(reranker=reranker)
        with memory() as m, pytest.raises(ConfigError, match="only AsyncMemory"):
            m.reranker = reranker

    def test_a_score_that_does_not_block_has_another_name(self) -> None:
        class Odd:
            async def score(self, query: str, texts: Sequence[str]) -> list[float]:
                return []

        for made in (memory, async_memory):
            with pytest.raises(ConfigError, match="call it ascore, beside a score"):
                made(reranker=Odd())

    def test_a_class_of_ones_own_may_have_both(self) -> None:
        with memory(reranker=AwaitedWords()) as m:
            m.add("Alice likes tea", user_id="alice")
            assert m.search(QUESTION)[0]["score"] == pytest.approx(2 / 3)


class Relative(Words):
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        scores = super().score(query, texts)
        return [score / (max(scores) or 1) for score in scores]


class Short(Words):
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return super().score(query, texts)[:1]


class Backwards(Words):
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return super().score(query, texts)[::-1]


class SortsTheTexts(Words):
    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        scores = super().score(query, texts)
        texts.sort()  # type: ignore[attr-defined]
        return scores


class ClosesOnce(Words):
    def close(self) -> None:
        super().close()
        assert self.closed == 1


class AwaitedByNameOnly(Words):
    def ascore(self, query: str, texts: Sequence[str]) -> list[float]:
        return self.score(query, texts)


class AwaitedBackwards(Words):
    async def ascore(self, query: str, texts: Sequence[str]) -> list[float]:
        return self.score(query, texts)[::-1]


class LaxOptions(BaseModel):
    model: str = "any"


class TakesUnknownOptions(Words):
    options = LaxOptions


AWAITED = "test_it_can_be_awaited_from_one_event_loop_after_another"


@pytest.mark.parametrize(
    ("kind", "test", "told"),
    [
        (Relative, "test_scores_are_absolute", "are of the same texts"),
        (Short, "test_each_text_has_a_score_from_0_to_1", r"returned 1 score\(s\) for 2 text"),
        (Backwards, "test_the_answer_is_better", "the answer has"),
        (SortsTheTexts, "test_arguments_stay_as_they_are", "the texts were changed"),
        (ClosesOnce, "test_closing_twice_does_nothing", "2 == 1"),
        (AwaitedByNameOnly, AWAITED, "ascore cannot be awaited; write it with async def"),
        (AwaitedBackwards, AWAITED, "are of the same texts"),
        (TakesUnknownOptions, "test_unknown_options_are_refused", "LaxOptions passes over keys"),
    ],
)
def test_the_contract_notices(kind: type[Words], test: str, told: str) -> None:
    class Contract(RerankerContract):
        question, answer, other = "who likes tea", "the one who likes tea", "someone likes this"

        def reranker(self) -> Words:
            return kind()

    with pytest.raises((AssertionError, RerankError), match=told):
        getattr(Contract(), test)()
