"""The memory that says it comes before its neighbours, also among few."""

from __future__ import annotations

import numpy as np
import pytest

from mem0 import Memory
from mem0.memory.ranking import rank
from mem0.vector_stores.base import Candidates

CASES = [
    (["A big dog barked", "The dog ran", "My dog sleeps", "No dog today", "Dog"], "dog", "Dog", 1),
    (
        [
            "Anna is a nurse",
            "Where does Anna work? At the city hospital",
            "Anna has two cats",
            "Anna likes the sea",
        ],
        "Where does Anna work?",
        "Where does Anna work? At the city hospital",
        1,
    ),
    (
        [
            "Tom's birthday party was loud",
            "Her birthday cake had cherries",
            "A birthday card came late",
            "They sang at the birthday",
            "My birthday is on 3 March",
        ],
        "When is my birthday?",
        "My birthday is on 3 March",
        3,
    ),
    (
        ["Sushi is my favourite", "ok", "Sushi again tonight", "We had sushi in Porto"],
        "sushi",
        "Sushi is my favourite",
        3,  # all three say it, and the other two stand closer together
    ),
]


@pytest.mark.parametrize(("facts", "question", "right", "place"), CASES)
def test_the_right_one_is_near_the_top(facts: list[str], question: str, right: str, place: int) -> None:
    with Memory(path=":memory:") as m:
        for fact in facts:
            m.add(fact, user_id="u")
        found = [row["memory"] for row in m.search(question, user_id="u")]
        assert found.index(right) < place, found


def test_a_turn_without_a_word_in_common_stands_behind_those_that_have_it() -> None:
    facts, question, _, _ = CASES[3]
    with Memory(path=":memory:") as m:
        for fact in facts:
            m.add(fact, user_id="u")
        assert m.search(question, user_id="u")[-1]["memory"] == "ok"


def test_an_answer_is_found_by_the_question_before_it() -> None:
    with Memory(path=":memory:") as m:
        m.add("How long was the flight to Tokyo?", user_id="u")
        m.add("Eleven hours and a bit", user_id="u")
        for number in range(20):
            m.add(f"Something else entirely, number {number}", user_id="u", timestamp=1_000_000 + number)
        found = [row["memory"] for row in m.search("flight to Tokyo", user_id="u", limit=2)]
        assert found == ["How long was the flight to Tokyo?", "Eleven hours and a bit"]


def test_where_words_decide_alone_a_neighbour_counts_half() -> None:
    legs = {"keyword": np.array([0.4, 0.1]), "near_keyword": np.array([0.1, 0.6])}
    heard = Candidates(["itself", "beside"], {**legs, "dense": np.array([0.2, 0.2])})
    alone = Candidates(["itself", "beside"], {**legs, "dense": np.array([np.nan, np.nan])})
    assert rank(heard, 2, None).keys == ["beside", "itself"]
    assert rank(alone, 2, None).keys == ["itself", "beside"]
