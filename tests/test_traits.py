"""Whom a question is about."""

from __future__ import annotations

import pytest

from mem0.traits import About, Traits


@pytest.mark.parametrize(
    "question",
    [
        "Where do I live?",
        "Wo wohne ich?",
        "Où est mon chat ?",
        "J’habite où ?",
        "¿Dónde vivo yo?",
        "Onde fica minha casa?",
        "我住在哪里",
        "私はどこに住んでいますか",
        "僕の犬の名前は？",
        "내가 어디 살아?",
        "저는 몇 살이에요?",
        "ผมอยู่ที่ไหน",
    ],
)
def test_who_says_i_is_about_the_user(question: str) -> None:
    assert About.of(question).first_person


@pytest.mark.parametrize(
    "question",
    ["Where does Mia live?", "Wo wohnt er?", "私人物品", "내일 뭐 해?", "안내소는 어디야?", "Who is J. Smith?"],
)
def test_other_words_are_not_i(question: str) -> None:
    assert not About.of(question).first_person


@pytest.mark.parametrize("question", ["What does Jörg do?", "Was macht JORG?", "What is Jorg's job?", "Jörgs Beruf"])
def test_a_speaker_is_known_in_every_language(question: str) -> None:
    (first, second) = Traits.of({"data": "Jörg: Hallo zusammen"}).speaker
    assert first in About.of(question).terms
    assert second == 0
