"""What is noted of a memory, and what a question has to do with it."""

from __future__ import annotations

from typing import Any

import pytest

from mem0.traits import About, Fading, Noted, Traits


def of(text: str, role: str = "user", **payload: Any) -> Traits:
    return Traits.of({"data": text, "role": role, **payload})


def legs(question: str, *memories: Traits, created: float = 0.0, periods: Any = ()) -> dict[str, list[float]]:
    noted = Noted.of(memories, [created] * len(memories))
    return {name: values.tolist() for name, values in About.of(question, periods).legs(noted).items()}


@pytest.mark.parametrize(
    "traits",
    [
        Traits(),
        Traits((1, 2), by_user=True),
        Traits((1, 0), asks=True),
        Traits(standing=True),
        Traits((4294967295, 7), True, True, True),
    ],
)
def test_they_are_read_as_they_were_written(traits: Traits) -> None:
    assert Traits.from_bytes(traits.to_bytes()) == traits


@pytest.mark.parametrize("damaged", [b"", b"12345678", b"1234567890"])
def test_what_was_never_written_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="traits have 9 bytes"):
        Traits.from_bytes(damaged)


class TestSpeaker:
    def test_the_one_who_is_named(self) -> None:
        said = [of("Caroline: I paint."), of("Bob: I sing."), of("I paint."), of("I paint.", actor_id="Caroline")]
        assert legs("What does Caroline paint?", *said)["speaker"] == [1.0, 0.0, 0.0, 1.0]

    def test_the_name_in_the_text_goes_before_that_of_the_message(self) -> None:
        assert legs("What does Bob sing?", of("Bob: I sing.", actor_id="Caroline"))["speaker"] == [1.0]
        assert legs("What does Caroline sing?", of("Bob: I sing.", actor_id="Caroline"))["speaker"] == [0.0]

    def test_the_user_in_the_first_person(self) -> None:
        assert legs("What do I paint?", of("Flowers."), of("Flowers.", "assistant"))["speaker"] == [1.0, 0.0]


class TestTime:
    def test_within_a_period(self) -> None:
        assert legs("?", Traits(), created=5.0, periods=[(0, 5), (5, 6)])["time"] == [1.0]
        assert legs("?", Traits(), created=6.0, periods=[(0, 5), (5, 6)])["time"] == [0.0]

    def test_without_one_it_does_not_apply(self) -> None:
        assert "time" not in legs("?", Traits())


class TestRecency:
    @pytest.mark.parametrize(("age", "left"), [(0, 1.0), (-5, 1.0), (10, 0.5), (20, 0.25), (1e12, 0.0)])
    def test_half_of_it_after_each_half_life(self, age: float, left: float) -> None:
        noted = Noted.of([Traits()], [100.0 - age])
        found = About.of("?", fading=Fading(100.0, 10.0)).legs(noted)
        assert found["recency"].tolist() == pytest.approx([left])

    def test_unless_asked_for_age_has_no_weight(self) -> None:
        assert "recency" not in legs("?", Traits())


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Any luck?", True),
        ("Wirklich?  ", True),
        ("真的吗？", True),
        ("I moved to Lisbon.", False),
        ("Why not? Because.", False),
        ("I moved to Lisbon last week. " * 10 + "And you?", False),
        ("a" * 158 + "?", True),
        ("a" * 159 + "?", False),
        ("?", True),
        ("", False),
    ],
)
def test_what_only_asks(text: str, asks: bool) -> None:
    assert of(text).asks is asks
    assert legs("Lisbon", of(text))["asks"] == [float(asks)]


class TestStanding:
    @pytest.mark.parametrize(
        "text",
        [
            "Always use metric units, please.",
            "Please don't suggest meat.",
            "I'd rather have short answers.",
            "I'm allergic to peanuts, what can I cook?",
            "Whenever I ask for code, add type hints.",
            "Bitte nur auf Deutsch antworten.",
            "Ich mag keine Tomaten.",
            "以后请用公制单位。",
            "我不喜欢吃辣。",
        ],
    )
    @pytest.mark.parametrize(
        "request_",
        [
            "Write a recipe for tonight.",
            "Can you plan my week?",
            "What should I cook?",
            "Schreib mir ein Rezept",
            "帮我写一封信",
        ],
    )
    def test_a_request_is_done_by_rules_and_preferences(self, text: str, request_: str) -> None:
        assert legs(request_, of(text))["standing"] == [1.0]

    def test_a_question_is_not_a_request(self) -> None:
        for question in ("What did I cook in May?", "When did Ann move?", "Wann war das?", "我去年去了哪里？"):
            assert "standing" not in legs(question, of("Always use metric units."))

    def test_only_the_user_makes_rules(self) -> None:
        assert not of("You should always stir it.", "assistant").standing

    def test_what_happened_is_no_rule(self) -> None:
        assert not of("We cooked in Lisbon yesterday.").standing


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
