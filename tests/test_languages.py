"""Which language a text is in, and what of it is grammar."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0.languages import ENGLISH, OTHERS, folded, is_english, without_grammar


class TestFolded:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Café MÁLAGA", "cafe malaga"),
            ("Straße", "strasse"),
            ("Đặng Thị Hà, Łódź, Smørrebrød, cœur", "dang thi ha, lodz, smorrebrod, coeur"),
            ("İstanbul ısı", "istanbul isi"),
            ("Ελλάδα", "ελλαδα"),
            ("Ёлка", "елка"),
            ("Ｆｕｌｌ", "full"),
            ("が ぱ ヴ", "が ぱ ヴ"),
            ("ｶﾞ", "ガ"),
            ("한국어", "한국어"),
            ("ก่อน", "ก่อน"),
            ("مُحَمَّد", "محمد"),
            ("שָׁלוֹם בית־ספר", "שלום בית־ספר"),
            ("हिन्दी", "हिन्दी"),
        ],
    )
    def test_letters_keep_what_tells_them_apart(self, text: str, expected: str) -> None:
        assert folded(text) == unicodedata.normalize("NFC", expected)

    @given(st.text(st.characters(exclude_categories=("Cs",), min_codepoint=0x3040, max_codepoint=0xD7A3)))
    def test_syllables_and_characters_stay(self, text: str) -> None:
        assert folded(text) == unicodedata.normalize("NFKC", text).casefold()


class TestIsEnglish:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("I moved to Lisbon", True),
            ("Sounds great!", None),
            ("peanut allergy", None),
            ("C++ and C#", True),
            ("Who is Al?", True),
            ("Give me a recipe for pancakes", True),
            ("Is Anna in Rome?", True),
            ("", None),
            ("我喜欢猫", None),
            ("Ich bin umgezogen", False),
            ("Ich arbeite bei The North Face", False),
            ("Was hat er gesagt?", False),
            ("Haselnüsse", False),
            ("Haselnu\u0308sse", False),
            ("Je vis à Lyon", False),
            ("¿Dónde vive ella?", False),
            ("Где мой кот?", False),
        ],
    )
    def test_it_is_told_by_its_commonest_words(self, text: str, expected: bool | None) -> None:
        assert is_english(text, folded(text).replace("?", "").split()) is expected

    def test_the_words_are_as_texts_have_them(self) -> None:
        assert {"fur", "ou", "donde", "perche"} <= OTHERS
        assert all(word == folded(word) for word in ENGLISH | OTHERS)


class TestGrammar:
    @pytest.mark.parametrize(
        ("run", "left"),
        [
            ("你在喝什么茶", "  喝  茶"),
            ("目的", "目 "),
            ("猫はどこですか", "猫は    か"),
            ("りんごがある", "りんごが  "),
            ("会議", " 議"),
            ("책을", "책을"),
        ],
    )
    def test_it_leaves_a_space(self, run: str, left: str) -> None:
        assert without_grammar(run) == left

    @given(st.text())
    def test_nothing_moves(self, run: str) -> None:
        left = without_grammar(run)
        assert len(left) == len(run)
        assert all(kept in (" ", one) for kept, one in zip(left, run, strict=True))
