"""What `search` finds, how it is scored, and what it says about how it was found."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mem0 import ConfigError, EmbeddingError, FilterError, Memory, StorageError, ValidationError
from mem0.memory.ranking import Explainer
from mem0.testing import DeterministicEmbedding, FailingVectorStore, FrozenClock, memory
from mem0.vector_stores.base import Candidates

QUESTION = "who likes tea"


def ids(found: list[Any]) -> list[str]:
    return [row["id"] for row in found]


@pytest.fixture
def alices(m: Memory) -> list[str]:
    """Three memories of alice (the second with an agent), one of bob."""
    added = [
        m.add("Alice likes tea", user_id="alice", metadata={"topic": "food", "stars": 5}),
        m.add("Alice likes tea with milk", user_id="alice", agent_id="planner", metadata={"topic": "food", "stars": 3}),
        m.add("Alice owns a dog", user_id="alice", run_id="monday", metadata={"topic": "pets"}),
        m.add("Bob likes tea", user_id="bob"),
    ]
    return [result[0]["id"] for result in added]


class TestCallForms:
    @pytest.mark.parametrize(
        "call",
        [
            lambda m: m.search(QUESTION, user_id="alice"),
            lambda m: m.search(QUESTION, "alice"),
            lambda m: m.search(query=QUESTION, user_id="alice", limit=100),
            lambda m: m.search(QUESTION, "alice", None, None, 100, None),
            lambda m: m.search(QUESTION, filters={"user_id": "alice"}),
            lambda m: m.search(QUESTION, filters={"user_id": {"eq": "alice"}}),
            lambda m: m.search(QUESTION, user_id="alice", filters={"user_id": "alice"}),
            lambda m: m.search(QUESTION, filters={"AND": [{"user_id": "alice"}]}),
            lambda m: m.search(QUESTION, user_id="alice", top_k=100, rerank=False, threshold=0, explain=False),
        ],
    )
    def test_every_form_finds_the_same(self, m: Memory, alices: list[str], call: Any) -> None:
        found = call(m)
        assert sorted(ids(found)) == sorted(alices[:3])
        assert found[0]["id"] == alices[0]
        assert found["results"] == found
        assert found.total == 3

    @pytest.mark.parametrize("wanted", [{"limit": 1}, {"top_k": 1}, {"limit": 1, "top_k": 1}])
    def test_limit_and_top_k(self, m: Memory, alices: list[str], wanted: dict[str, int]) -> None:
        assert ids(m.search(QUESTION, user_id="alice", **wanted)) == [alices[0]]

    def test_a_hundred_by_default(self, m: Memory) -> None:
        m.add([f"tea number {number}" for number in range(120)], user_id="alice")
        assert len(m.search("tea", user_id="alice")) == 100
        assert len(m.search("tea", user_id="alice", limit=110)) == 110
        assert m.search("tea", user_id="alice", limit=1).total == 120

    def test_unknown_keywords_are_type_errors(self, m: Memory) -> None:
        with pytest.raises(TypeError, match="k"):
            m.search(QUESTION, k=5)  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"limit": 0}, "limit=0"),
            ({"limit": -1}, "limit=-1"),
            ({"limit": True}, "limit=True"),
            ({"limit": 2.0}, "limit=2.0"),
            ({"top_k": 0}, "top_k=0"),
            ({"limit": 5, "top_k": 6}, "limit=5 and top_k=6"),
            ({"threshold": 1.5}, "threshold=1.5"),
            ({"threshold": "high"}, "threshold='high'"),
            ({"threshold": float("nan")}, "threshold=nan"),
            ({"user_id": "bob", "filters": {"user_id": "alice"}}, "user_id is given twice: 'bob'.*'alice'"),
            ({"filters": {"user_id": True}}, r"filters\['user_id'\]=True"),
            ({"filters": {"user_id": None}}, r"filters\['user_id'\] is None"),
            ({"filters": {"user_id": ["alice"]}}, r"filters\['user_id'\]"),
            ({"filters": {"user_id": " "}}, "blank"),
            ({"filters": "user_id"}, "filters"),
            ({"filters": {"n": {"greater": 3}}}, "greater"),
            ({"user_id": ""}, "user_id='': it is blank"),
        ],
    )
    def test_bad_arguments_are_named(self, m: Memory, arguments: dict[str, Any], told: str) -> None:
        with pytest.raises(ValidationError, match=told):
            m.search(QUESTION, **arguments)

    @pytest.mark.parametrize("query", [None, 5, ["tea"], b"tea"])
    def test_a_question_is_text(self, m: Memory, query: Any) -> None:
        with pytest.raises(ValidationError, match="query="):
            m.search(query)

    def test_reranking_says_what_it_needs(self, m: Memory) -> None:
        with pytest.raises(ConfigError, match="reranker"):
            m.search(QUESTION, rerank=True)

    def test_arguments_stay_the_callers(self, m: Memory, alices: list[str]) -> None:
        filters = {"user_id": "alice", "OR": [{"stars": {"in": [3, 5]}}]}
        before = copy.deepcopy(filters)
        assert ids(m.search(QUESTION, filters=filters)) == alices[:2]
        assert filters == before


class TestScopeAndFilters:
    @pytest.mark.parametrize(
        ("scope", "which"),
        [
            ({}, [0, 1, 2, 3]),
            ({"user_id": "alice"}, [0, 1, 2]),
            ({"agent_id": "planner"}, [1]),
            ({"user_id": "alice", "agent_id": "planner"}, [1]),
            ({"user_id": "bob", "agent_id": "planner"}, []),
            ({"run_id": "monday"}, [2]),
            ({"user_id": "carol"}, []),
        ],
    )
    def test_every_id_given_must_be_equal(
        self, m: Memory, alices: list[str], scope: dict[str, str], which: list[int]
    ) -> None:
        assert sorted(ids(m.search(QUESTION, **scope))) == sorted(alices[at] for at in which)
        assert sorted(ids(m.search(QUESTION, filters=scope))) == sorted(alices[at] for at in which)

    @pytest.mark.parametrize(
        ("filters", "which"),
        [
            ({"topic": "food"}, [0, 1]),
            ({"topic": "*"}, [0, 1, 2]),
            ({"stars": {"gte": 4}}, [0]),
            ({"stars": {"gt": 3, "lte": 5}}, [0]),
            ({"stars": {"ne": 5}}, [1, 2, 3]),
            ({"topic": {"in": ["pets", "cars"]}}, [2]),
            ({"topic": {"nin": ["food"]}}, [2, 3]),
            ({"topic": {"contains": "oo"}}, [0, 1]),
            ({"topic": {"icontains": "PET"}}, [2]),
            ({"NOT": [{"topic": "food"}, {"user_id": "bob"}]}, [2]),
            ({"OR": [{"topic": "pets"}, {"user_id": "bob"}]}, [2, 3]),
            ({"user_id": {"ne": "alice"}}, [3]),
            ({"user_id": {"in": ["alice", "bob"]}, "topic": "pets"}, [2]),
            ({"user_id": "*"}, []),
            ({}, [0, 1, 2, 3]),
        ],
    )
    def test_the_filter_language(self, m: Memory, alices: list[str], filters: dict[str, Any], which: list[int]) -> None:
        assert sorted(ids(m.search(QUESTION, filters=filters))) == sorted(alices[at] for at in which)

    def test_filters_and_scope_both_hold(self, m: Memory, alices: list[str]) -> None:
        assert m.search(QUESTION, user_id="alice", filters={"user_id": {"ne": "alice"}}) == []
        assert m.search(QUESTION, user_id="alice", filters={"OR": [{"user_id": "bob"}]}) == []
        assert ids(m.search(QUESTION, user_id="bob", filters={"topic": {"ne": "food"}})) == [alices[3]]

    def test_a_filter_that_cannot_be_understood_is_a_filter_error(self, m: Memory) -> None:
        with pytest.raises(FilterError, match=r"did you mean 'gte'\?"):
            m.search(QUESTION, filters={"stars": {"gtee": 3}})


class TestScores:
    def test_a_memory_found_has_all_of_a_memory_and_its_score(self, m: Memory, alices: list[str]) -> None:
        found = m.search(QUESTION, user_id="alice")[0]
        assert 0 < found.pop("score") <= 1
        assert found == m.get(alices[0])

    def test_the_score_does_not_depend_on_other_candidates(self, clock: FrozenClock) -> None:
        with memory(clock=clock) as alone, memory(clock=clock) as crowd:
            alone.add("Alice likes tea", user_id="alice")
            crowd.add("Alice likes tea", user_id="alice")
            crowd.add(["dogs bark", "cats purr", "tea tea tea", "who likes tea"], user_id="bob")
            score = alone.search(QUESTION, user_id="alice")[0]["score"]
            assert crowd.search(QUESTION, user_id="alice")[0]["score"] == pytest.approx(score, abs=1e-6)

    def test_threshold_acts_on_the_score_before_the_limit(self, m: Memory) -> None:
        m.add("the cat sleeps all day", user_id="alice")
        m.add("nothing of the kind", user_id="alice")
        m.add("the cat sleeps all day!", user_id="alice", agent_id="other")
        assert [row["score"] >= 0.99 for row in m.search("the cat sleeps all day", threshold=0.9)] == [True, True]
        assert len(m.search("the cat sleeps all day", threshold=0.9, limit=1)) == 1
        assert len(m.search("the cat sleeps all day", threshold=0)) == len(m.search("the cat sleeps all day")) == 3
        assert m.search("wholly different words", threshold=1.0) == []

    def test_scores_are_plain_numbers_from_0_to_1(self, m: Memory, alices: list[str]) -> None:
        scores = [row["score"] for row in m.search("tea dog alice bob unknown words")]
        assert all(type(score) is float and 0 <= score <= 1 for score in scores)


class TestCost:
    def test_one_embed_call_and_no_commit(
        self, m: Memory, alices: list[str], embedder: DeterministicEmbedding, statements: list[str]
    ) -> None:
        calls = embedder.calls
        found = m.search(QUESTION, user_id="alice")
        assert embedder.calls - calls == found.usage.embed_calls == 1
        assert found.usage.llm_calls == 0
        assert {"embed", "find", "fetch"} <= found.usage.seconds.keys()
        assert not any(sql.startswith(("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE")) for sql in statements)

    @pytest.mark.parametrize("query", ["", "  ", "\n\u3000"])
    def test_a_blank_question_finds_nothing_and_costs_nothing(
        self, m: Memory, alices: list[str], embedder: DeterministicEmbedding, query: str
    ) -> None:
        calls = embedder.calls
        found = m.search(query, user_id="alice")
        assert (found, found.total, embedder.calls) == ([], 0, calls)

    def test_before_anything_was_added(self, m: Memory) -> None:
        assert m.search(QUESTION, user_id="alice") == []


class TestFailures:
    def test_an_embedder_that_fails(self, m: Memory, alices: list[str]) -> None:
        class Broken:
            def embed(self, text: str) -> list[float]:
                raise TimeoutError("no answer")

        m.embedding_model = Broken()
        with pytest.raises(EmbeddingError, match="TimeoutError: no answer"):
            m.search(QUESTION)

    @pytest.mark.parametrize("verb", ["candidates", "fetch"])
    def test_a_store_that_fails(self, verb: str) -> None:
        with FailingVectorStore() as store, memory(vector_store=store) as m:
            m.add("likes tea")
            store.fail_on = verb
            with pytest.raises(StorageError, match=f"{verb} fails on purpose"):
                m.search(QUESTION)


class TestExplain:
    def test_each_leg_has_its_score(self, m: Memory, alices: list[str]) -> None:
        best = m.search(QUESTION, user_id="alice", explain=True)[0]
        told = best["explain"]
        assert told["legs"]["keyword"] > 0
        assert told["legs"]["dense"] > 0
        assert told["found_by"] in told["legs"]
        assert told["cut"] is False
        assert "explain" not in m.search(QUESTION, user_id="alice")[0]

    def test_a_question_without_words_has_no_keyword_leg(self, m: Memory, alices: list[str]) -> None:
        (found, *_) = m.search("?!", user_id="alice", explain=True)
        assert found["explain"]["skipped"]["keyword"] == "the question has no words"

    def test_an_embedder_without_vectors_of_words_is_told(self, m: Memory, alices: list[str]) -> None:
        told = m.search(QUESTION, user_id="alice", explain=True)[0]["explain"]
        assert told["skipped"] == dict.fromkeys(("late", "late_window"), "the embedder makes no vectors of words")


def test_nothing_is_found_by_not_being_a_question() -> None:
    dense, asks = np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 1.0]], dtype=np.float32)
    assert Explainer(Candidates(["a", "b", "c"], {"dense": dense, "asks": asks})).of(1, {})["found_by"] is None


FACT = "Her grandmother's recipe needs seventeen quinces."


@pytest.fixture(scope="module")
def bundled() -> Iterator[Memory]:
    chatter = random.Random(5)
    words = ["weather", "trains", "garden", "friend", "town", "talked", "about", "the", "and", "in", "a"]
    with Memory(path=":memory:") as opened:
        opened.add("My cat is called Xiaoyu", user_id="en")
        opened.add("我的猫叫小雨", user_id="zh")
        opened.add("我每天早上喝绿茶", user_id="zh")
        opened.add("Mein Hund heißt Wölkchen und mag keinen Schnee", user_id="de")
        opened.add("🐈🐈", user_id="emoji")
        long = " ".join(chatter.choice(words) for _ in range(2000))
        opened.add(f"{long}. {FACT}", user_id="long")
        opened.add("The garden party is on Sunday", user_id="long")
        yield opened


class TestBundledEmbedder:
    """What needs the real model: the scripts it knows, and texts longer than it reads."""

    def test_chinese_is_found_by_keyword_and_the_dense_leg_says_why_not(self, bundled: Memory) -> None:
        found = bundled.search("猫叫什么", user_id="zh", explain=True)
        assert found[0]["memory"] == "我的猫叫小雨"
        assert found[0]["explain"]["skipped"].keys() == {"dense"}
        assert found[0]["explain"]["found_by"] == "keyword"
        assert found[0]["explain"]["legs"]["dense"] is None
        assert "script" in found[0]["explain"]["skipped"]["dense"]
        assert found.usage.embed_calls == 0

    def test_a_german_word_is_found(self, bundled: Memory) -> None:
        assert bundled.search("Wie heißt der Hund?", user_id="de")[0]["score"] > 0.3

    def test_a_question_of_emoji_only_finds_without_words_or_meaning(self, bundled: Memory) -> None:
        found = bundled.search("🐈", user_id="en", explain=True)
        assert {"dense", "keyword"} == found[0]["explain"]["skipped"].keys()
        assert found[0]["score"] == 0
        assert found[0]["explain"]["found_by"] is None

    def test_a_memory_in_another_script_gets_no_dense_score(self, bundled: Memory) -> None:
        found = bundled.search("green tea every morning", user_id="zh", explain=True)
        assert all(row["explain"]["legs"]["dense"] is None for row in found)

    def test_a_fact_at_the_end_of_a_long_text_is_found_by_keyword(self, bundled: Memory) -> None:
        found = bundled.search(
            "how many quinces does the recipe of her grandmother need?", user_id="long", explain=True
        )
        assert FACT in found[0]["memory"]
        assert found[0]["explain"]["skipped"] == {}
        assert found[0]["explain"]["cut"] is True
        assert found[0]["explain"]["legs"]["keyword"] > found[1]["explain"]["legs"]["keyword"]
        assert found[1]["explain"]["cut"] is False

    def test_meaning_without_a_common_word_is_found(self, bundled: Memory) -> None:
        found = bundled.search("pets", user_id="en", explain=True)
        assert found[0]["explain"]["found_by"] in ("late", "late_window", "dense")
        assert found[0]["explain"]["legs"]["keyword"] == 0
