"""How the legs of a search become one order, and one measure of how well a text fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mem0 import legs

NAN = float("nan")


def columns(**values: Sequence[float]) -> Mapping[str, legs.Floats]:
    return {name: np.array(column, dtype=np.float32) for name, column in values.items()}


def best_first(**values: Sequence[float]) -> list[int]:
    found = columns(**values)
    ordered: list[int] = np.argsort(-legs.order(found, len(next(iter(found.values()))))).tolist()
    return ordered


def test_which_weights_count_is_told_by_the_legs_that_ran() -> None:
    assert legs.weights(columns(late=[NAN, 0.1], dense=[0.5, 0.5])) is legs.FINE
    assert legs.weights(columns(late=[NAN, NAN], dense=[NAN, 0.5])) is legs.COARSE
    assert legs.weights(columns(dense=[NAN], keyword=[0.5])) is legs.WORDS_ALONE


def test_those_that_were_compared_word_by_word_stand_before_the_rest() -> None:
    everything = {name: [0.0, 1.0, 0.9] for name in legs.COARSE}
    assert best_first(**everything, late=[0.01, NAN, NAN]) == [0, 1, 2]


def test_a_silent_leg_adds_nothing() -> None:
    assert best_first(dense=[0.2, NAN, 0.1], keyword=[0.0, 0.5, NAN]) == [1, 0, 2]


@pytest.mark.parametrize("more", [{}, {"late": [0.5, 0.5]}])
def test_of_two_that_are_equal_the_one_that_asks_stands_behind(more: Mapping[str, Sequence[float]]) -> None:
    assert best_first(dense=[0.5, 0.5], asks=[1.0, 0.0], **more) == [1, 0]


def test_how_well_a_text_fits_is_a_share_of_what_the_legs_that_ran_could_say() -> None:
    found = columns(dense=[1.0, 0.5, NAN], keyword=[NAN] * 3, speaker=[1.0] * 3, asks=[1.0] * 3)
    assert legs.relevance(found, legs.COARSE, 3).tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert legs.relevance(columns(speaker=[1.0]), legs.COARSE, 1).tolist() == [0.0]
