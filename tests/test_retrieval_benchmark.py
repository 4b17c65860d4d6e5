"""The benchmark of retrieval reads what it says it reads, and counts right."""

from __future__ import annotations

import json
import math
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "retrieval"
sys.path.insert(0, str(FOLDER))

from conversations import Question, read, read_all, texts_of  # noqa: E402 - it lies beside the tests
from scoring import Answer, Asked, compared, interval, scored, table  # noqa: E402

DATA = sorted((FOLDER / "data").glob("*.jsonl"))
NOON = datetime(2024, 5, 8, 12, tzinfo=timezone.utc)
TOKENS = {f"t{number}": number for number in range(60)}


def question(*evidence: str, category: str = "fact") -> Question:
    return Question("Who?", frozenset(evidence), category, NOON)


def asked(*scores: float, category: str = "fact") -> Asked:
    return Asked(question("t1", category=category), (*scores, *[0.0] * (8 - len(scores))), 10, 1.0)


class TestScores:
    def test_recall_is_the_share_of_the_evidence_among_the_first(self) -> None:
        ranked = [f"t{number}" for number in range(50)]
        found = scored(question("t1", "t7", "t30", "t59"), Answer(ranked, [["t7"], ["t1", "t7"], ranked], 2.0), TOKENS)
        assert found.scores == (0.25, 0.5, 0.5, 0.75, 1 / 2, 0.25, 0.5, 0.75)
        assert (found.tokens, found.milliseconds) == (sum(range(10)), 2.0)

    def test_what_is_not_found_counts_nothing(self) -> None:
        found = scored(question("t1"), Answer([], [[], [], []], 0.0), TOKENS)
        assert found.scores == (0.0,) * 8

    def test_where_nothing_is_packed_there_is_no_share(self) -> None:
        found = scored(question("t1"), Answer(["t1"], [], 0.0), TOKENS)
        assert found.scores[:5] == (1.0,) * 5
        assert all(map(math.isnan, found.scores[5:]))
        assert list(table([found]))[1].split()[-3:] == ["–"] * 3


class TestTables:
    def test_what_cannot_be_answered_is_reported_apart(self) -> None:
        lines = list(table([asked(1.0), asked(0.0, category="time"), asked(1.0, category="adversarial")]))
        assert [line.split()[:3] for line in lines[1:-1]] == [
            ["answerable", "2", "0.500"],
            ["adversarial", "1", "1.000"],
            ["fact", "1", "1.000"],
            ["time", "1", "0.000"],
        ]
        assert lines[-1] == "10 tokens in the first ten; 1.00 ms CPU a search (median), 1.00 (95 %)"

    def test_pairs_are_compared_question_by_question(self) -> None:
        before = [asked(0.25), asked(0.75), asked(0.0, category="adversarial")]
        after = [asked(0.5), asked(1.0), asked(1.0, category="adversarial")]
        assert compared("again", before, after).split()[:3] == ["again", "+0.250", "±0.000"]

    def test_the_interval_is_that_of_the_mean_and_always_the_same(self) -> None:
        values = np.random.default_rng(1).normal(size=(400, 2))
        half = interval(values)
        assert half == pytest.approx(1.96 * values.std(axis=0) / 20, rel=0.1)
        assert (half == interval(values)).all()


class TestConversations:
    @pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
    def test_every_question_has_its_evidence_and_is_asked_later(self, path: Path) -> None:
        for one in read(path):
            times = {turn.id: turn.time for turn in one.turns}
            assert len(times) == len(one.turns)
            assert list(times.values()) == sorted(times.values())
            for each in one.questions:
                assert each.evidence
                assert each.evidence <= times.keys()
                assert each.asked >= max(times.values())

    def test_together_they_are_one_in_order_of_time(self) -> None:
        apart = read_all(DATA)
        (one,) = read_all(DATA, together=True)
        assert [turn.time for turn in one.turns] == sorted(turn.time for each in apart for turn in each.turns)
        assert set().union(*(each.evidence for each in one.questions)) <= {turn.id for turn in one.turns}
        assert len(one.questions) == sum(len(each.questions) for each in apart)
        assert set(texts_of([one])) == set(texts_of(apart))

    def test_locomo_is_read(self, tmp_path: Path) -> None:
        turns = [
            {"speaker": "Ann", "dia_id": "D1:1", "text": "Look!", "blip_caption": "a boat"},
            {"speaker": "Bob", "dia_id": "D1:2", "text": "Nice."},
        ]
        file = tmp_path / "locomo.json"
        sessions = [{"date_time": "1:56 pm on 8 May, 2023", "turns": turns}]
        asked = [
            {"question": "What?", "evidence": ["D1:1", "D9:9"], "category": 4},
            {"question": "Where?", "evidence": ["D9:9"], "category": 1},
        ]
        file.write_text(json.dumps([{"sample_id": "c1", "sessions": sessions, "qa": asked}]), encoding="utf-8")
        (one,) = read(file)
        assert [turn.text for turn in one.turns] == ["Ann: Look! [shares a boat]", "Bob: Nice."]
        last = datetime(2023, 5, 8, 13, 56, 1, tzinfo=timezone.utc)
        assert one.turns[1].time == last
        assert one.questions == [Question("What?", frozenset({"D1:1"}), "single-hop", last)]
