"""What is taken of memories that were found, in which order and form, within how many tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mem0
from mem0 import Context, MemoryList, ValidationError
from mem0.memory.packing import estimated_tokens, packed

LINE = re.compile(r"- (\d{4}-\d\d-\d\d|undated)(, .+?)?: \S.*")


def row(text: Any, when: Any = "2023-05-08T10:00:00+00:00", **rest: Any) -> dict[str, Any]:
    return {"id": f"{text!s:.8}", "memory": text, "created_at": when, **rest}


def turn(text: str, speaker: str = "Caroline", when: str = "2023-05-08T10:00:00+00:00", **rest: Any) -> dict[str, Any]:
    return row(text, when, role="user", actor_id=speaker, **rest)


def pack(*rows: dict[str, Any], most: int = 1000, count: Callable[[str], int] = len) -> Context:
    return packed(MemoryList(rows), most, count)  # type: ignore[arg-type]


class TestForm:
    def test_a_line_has_its_date_and_the_speaker_of_a_turn(self) -> None:
        found = pack(turn("I moved to Lisbon."), row("Caroline lives in Lisbon since May.", actor_id="Caroline"))
        assert found.split("\n") == [
            "- 2023-05-08: Caroline lives in Lisbon since May.",
            "- 2023-05-08, Caroline: I moved to Lisbon.",
        ]
        assert (found.tokens, found.left_out) == (len(found), 0)

    def test_without_a_name_the_role_is_the_speaker(self) -> None:
        assert pack(row("Hello.", role="assistant")) == "- 2023-05-08, assistant: Hello."

    @pytest.mark.parametrize("text", ["Caroline: I moved.", "caroline:I moved.", "I moved."])
    def test_the_speaker_stands_there_once(self, text: str) -> None:
        assert pack(turn(text)) == "- 2023-05-08, Caroline: I moved."

    def test_a_text_that_begins_with_the_word_of_a_role_is_not_signed_by_it(self) -> None:
        assert pack(row("User interfaces bore me.", role="user")) == "- 2023-05-08, user: User interfaces bore me."

    @pytest.mark.parametrize("when", [None, "yesterday", "", [], "9999-99-99"])
    def test_what_has_no_date_says_so_and_comes_first(self, when: Any) -> None:
        found = pack(row("tea"), row("2023-05-09, Bob: I owe Alice money", when))
        assert found == "- undated: 2023-05-09, Bob: I owe Alice money\n- 2023-05-08: tea"

    def test_dates_are_those_of_utc(self) -> None:
        assert pack(row("tea", "2023-05-08T23:30:00-07:00")).startswith("- 2023-05-09: ")

    @pytest.mark.parametrize(
        "separator", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\n\n \t"]
    )
    def test_a_memory_cannot_be_two_lines(self, separator: str) -> None:
        found = pack(turn(f"tea{separator}- 2023-05-09, Bob: rum", speaker=f"Caro{separator}line"))
        assert found.splitlines() == ["- 2023-05-08, Caro line: tea - 2023-05-09, Bob: rum"]

    def test_controls_are_spaces_and_half_characters_are_replaced(self) -> None:
        assert pack(row("a\x00b\x1b[2Jc\ud800")) == "- 2023-05-08: a b [2Jc\ufffd"

    def test_what_turns_the_direction_of_text_is_taken_out_and_letters_stay_as_they_are(self) -> None:
        assert pack(turn("\u202eaet\u202c ekil I", speaker="\u2066Bob\u2069")) == "- 2023-05-08, Bob: aet ekil I"
        for text in ("אני אוהב תה", "می\u200cخواهم", "👩\u200d👩\u200d👧", "\u200fא"):
            assert pack(turn(text)) == f"- 2023-05-08, Caroline: {text}"

    @pytest.mark.parametrize(
        ("name", "shown"), [("Melanie: I owe you", "Melanie I owe you"), ("Bob： a", "Bob a"), ("agent:1", "agent:1")]
    )
    def test_a_name_cannot_pose_as_another_speaker(self, name: str, shown: str) -> None:
        assert pack(turn("tea", speaker=name)) == f"- 2023-05-08, {shown}: tea"

    @pytest.mark.parametrize("blank", ["", "  \n", None])
    def test_what_has_no_text_is_left_out(self, blank: Any) -> None:
        assert (pack(row(blank)), pack(row(blank)).left_out) == ("", 1)


class TestOrder:
    def test_lines_stand_in_the_order_of_time_and_memories_in_that_of_lines(self) -> None:
        found = pack(row("rank one", "2024-01-01"), row("rank two", "2022-01-01"), row("rank three", "2023-01-01"))
        assert [memory["memory"] for memory in found.memories] == ["rank two", "rank three", "rank one"]
        assert [line[-3:] for line in found.split("\n")] == ["two", "ree", "one"]

    def test_within_one_moment_in_the_order_of_storing(self) -> None:
        found = pack({**row("second"), "id": "02"}, {**row("first"), "id": "01"})
        assert [memory["memory"] for memory in found.memories] == ["first", "second"]

    def test_a_zone_does_not_change_the_order(self) -> None:
        found = pack(row("later", "2023-05-08T23:30:00-07:00"), row("earlier", "2023-05-09T01:00:00+00:00"))
        assert [memory["memory"] for memory in found.memories] == ["earlier", "later"]


class TestDuplicates:
    def test_the_same_text_is_counted_once_and_the_better_ranked_stands(self) -> None:
        found = pack({**row("Likes tea."), "id": "best"}, {**row("likes  TEA"), "id": "other"})
        assert ([memory["id"] for memory in found.memories], found.left_out) == (["best"], 1)

    @pytest.mark.parametrize("first", [0, 1])
    def test_of_equal_turns_the_later_stands(self, first: int) -> None:
        turns = [turn("I ran.", when="2023-05-08"), turn("i ran", when="2023-06-01")]
        found = pack(turns[first], turns[1 - first])
        assert (str(found), found.left_out) == ("- 2023-06-01, Caroline: i ran", 1)

    @pytest.mark.parametrize("first", [0, 1])
    def test_of_a_text_and_a_part_of_it_the_whole_stands(self, first: int) -> None:
        rows = [row("Likes tea."), row("She likes tea, and milk in it.")]
        found = pack(rows[first], rows[1 - first])
        assert (str(found), found.left_out) == ("- 2023-05-08: She likes tea, and milk in it.", 1)

    def test_one_text_may_stand_for_several(self) -> None:
        found = pack(row("likes tea"), row("has a dog"), row("owns rum"), row("She likes tea and has a dog"))
        assert [memory["memory"] for memory in found.memories] == ["She likes tea and has a dog", "owns rum"]
        assert found.left_out == 2

    def test_words_are_whole(self) -> None:
        assert pack(row("I like tea"), row("I like teaching")).left_out == 0
        assert pack(row("茶"), row("我喜欢茶叶")).left_out == 1
        assert pack(row("item 5"), row("it has item 5.")).left_out == 1
        assert pack(row("C"), row("I write C++")).left_out == 1
        assert pack(row("a_b"), row("what a_b_c is")).left_out == 1
        assert pack(row("tea"), row("𝔸tea")).left_out == 0

    @pytest.mark.parametrize("texts", [("a" * 400_000, "a" * 200_000), ("ab" * 200_000, "b" + "ab" * 100_000)])
    def test_hostile_texts_are_compared_as_fast_as_others(self, texts: tuple[str, str]) -> None:
        began = time.process_time()
        assert pack(*map(row, texts), most=10**7).left_out == 0
        assert time.process_time() - began < 2  # some hundredths of a second

    def test_two_speakers_who_say_the_same_say_two_things(self) -> None:
        assert pack(turn("Yes."), turn("Yes.", speaker="Bob")).left_out == 0

    def test_a_part_stays_where_the_whole_does_not_fit(self) -> None:
        found = pack(row("likes tea"), row(f"likes tea {'and rum ' * 50}"), most=40)
        assert (str(found), found.left_out) == ("- 2023-05-08: likes tea", 1)


class TestBudget:
    def test_what_does_not_fit_is_passed_over_and_smaller_ones_follow(self) -> None:
        found = pack(row("tea"), row("x" * 100), row("rum"), most=len("- 2023-05-08: tea") * 2 + 1)
        assert (str(found), found.left_out) == ("- 2023-05-08: rum\n- 2023-05-08: tea", 1)
        assert found.tokens == 35

    def test_a_long_one_does_not_push_out_several_short_ones_that_are_nearly_as_good(self) -> None:
        best = [row(f"best {'x' * 40} {number}") for number in range(3)]
        short = [row(f"short {number}") for number in range(4)]
        most = len(pack(*best, *short))
        found = pack(*best, row("long " + "y" * 60), *short, most=most)
        assert "long" not in found
        assert (len(found.memories), found.tokens) == (7, most)

    def test_the_three_best_are_taken_whatever_their_length(self) -> None:
        best = [row(f"best {'x' * 40} {number}") for number in range(3)]
        short = [row(f"short {number}") for number in range(20)]
        assert pack(*best, *short, most=len(pack(*best))).count("best") == 3

    @pytest.mark.parametrize(("fifth", "taken"), [(60, "fifth"), (100, "tenth")])
    def test_of_two_others_place_times_length_decides(self, fifth: int, taken: str) -> None:
        rows = [row(f"{number} " + "x" * 200) for number in range(10)]
        rows[4], rows[9] = row("fifth " + "y" * fifth), row("tenth " + "y" * 30)
        found = pack(*rows, most=len(pack(*rows[:3], rows[4])))
        assert [memory["id"][:5] for memory in found.memories if memory["id"][1] != " "] == [taken]

    def test_among_short_ones_the_rank_decides(self) -> None:
        rows = [row(f"{number} " + "x" * (30 - number)) for number in range(30)]
        found = pack(*rows, most=1000)
        assert sorted(int(memory["memory"].split()[0]) for memory in found.memories) == list(range(len(found.memories)))

    def test_the_longer_than_the_budget_is_passed_over(self) -> None:
        assert pack(row("tea " * 5000), row("rum"), most=30) == "- 2023-05-08: rum"

    @pytest.mark.parametrize(
        ("text", "most", "kept"),
        [
            ("I moved to Lisbon in May", 26, "- 2023-05-08: I moved to…"),
            ("I moved to Lisbon in May", 25, "- 2023-05-08: I moved to…"),
            ("I moved to Lisbon in May", 24, "- 2023-05-08: I moved…"),
            ("I moved to Lisbon in May", 15, ""),
            ("Incomprehensibilities", 30, ""),
            ("我喜欢喝茶和咖啡", 18, "- 2023-05-08: 我喜欢…"),
            ("น้ำชา", 17, "- 2023-05-08: น้…"),
            ("น้ำชา", 16, ""),
        ],
    )
    def test_where_nothing_fits_the_best_is_cut_at_a_word(self, text: str, most: int, kept: str) -> None:
        found = pack(row(text), most=most)
        assert (str(found), found.tokens, found.left_out) == (kept, len(kept), int(not kept))
        assert [memory["memory"] for memory in found.memories] == [text][: len(found.memories)]

    def test_the_best_that_can_be_cut_is_cut(self) -> None:
        found = pack(row("x" * 100), row("tea and rum and milk"), row("more and more of it"), most=20)
        assert (str(found), found.left_out) == ("- 2023-05-08: tea…", 2)

    def test_a_huge_memory_is_not_counted_again_and_again(self) -> None:
        counted = 0

        def count(text: str) -> int:
            nonlocal counted
            counted += len(text)
            return len(text)

        assert len(pack(row("tea " * 100_000), most=100, count=count)) <= 100
        assert counted < 410_000

    def test_the_whole_is_not_counted_for_each(self) -> None:
        counted = 0

        def count(text: str) -> int:
            nonlocal counted
            counted += len(text)
            return len(text)

        rows = [row(f"{number:04} {'x' * (number % 37)}") for number in range(2000)]
        assert pack(*rows, most=20_000, count=count).tokens <= 20_000
        assert counted < 20 * sum(len(each["memory"]) for each in rows)

    @given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(16, 300))
    def test_nothing_that_would_fit_is_left_out(self, sizes: list[int], most: int) -> None:
        rows = [row(f"{number:02}{'x' * size}") for number, size in enumerate(sizes)]
        found = pack(*rows, most=most)
        spare = most - found.tokens
        taken = [memory["memory"] for memory in found.memories]
        assert all(len(f"\n- 2023-05-08: {each['memory']}") > spare for each in rows if each["memory"] not in taken)

    @given(
        st.lists(
            st.builds(
                row,
                st.text(st.characters(exclude_categories=()), max_size=40)
                | st.lists(st.sampled_from(["tea", "rum", "喜欢", "\n", "- 2023-05-09: x", "Bob:", "a" * 60])).map(
                    " ".join
                ),
                st.sampled_from(["2023-05-08", "2024-01-01T10:00:00Z", None, "?"]),
                role=st.sampled_from([None, "user", "assistant"]),
                actor_id=st.sampled_from([None, "Bob", "A\nB", "", 7]),
            ),
            max_size=12,
        ),
        st.integers(1, 120),
        st.sampled_from(
            [
                len,
                estimated_tokens,
                lambda text: len(text.split()),
                lambda text: len(text.split()) + 2,  # counts what stands around every text
                lambda text: len(text.encode(errors="replace")) ** 2 // 50,  # the whole is more than its parts
                lambda text: 0,
            ]
        ),
    )
    def test_the_budget_is_kept_whatever_is_packed(
        self, rows: list[dict[str, Any]], most: int, count: Callable[[str], int]
    ) -> None:
        found = pack(*rows, most=most, count=count)
        assert found.tokens <= most
        assert found.tokens == (count(found) if found else 0)
        assert len(found.memories) + found.left_out == len(rows)
        lines = found.splitlines()
        assert len(lines) == len(found.memories)
        assert all(LINE.fullmatch(line) for line in lines)
        assert all(memory in rows for memory in found.memories)


class TestCounter:
    @pytest.mark.parametrize("wrong", [None, 1.5, "3", -1, True])
    def test_what_is_no_number_of_tokens_is_named(self, wrong: Any) -> None:
        with pytest.raises(ValidationError, match=re.escape(f"count_tokens(text)={wrong!r}: expected a whole number")):
            pack(row("tea"), count=lambda text: wrong)

    def test_what_it_raises_is_the_callers(self) -> None:
        def count(text: str) -> int:
            raise KeyError("vocabulary")

        with pytest.raises(KeyError, match="vocabulary"):
            pack(row("tea"), count=count)


class TestEstimate:
    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("", 0),
            ("tea", 1),
            ("Likes tea", 3),
            ("我喜欢喝茶", 5),
            ("ชา", 2),
            ("茶 tea", 2),
            ("2023-05-08", 5),
            ("чай", 2),
        ],
    )
    def test_it_is_what_it_says(self, text: str, tokens: int) -> None:
        assert estimated_tokens(text) == tokens

    def test_it_does_not_underestimate_ordinary_english(self) -> None:
        """Held against the bundled WordPiece on the prose of the documentation, which is dense with names and signs."""
        tokenizers = pytest.importorskip("tokenizers")
        tokenizer = tokenizers.Tokenizer.from_file(str(Path(mem0.__file__).parent / "embeddings/minilm/tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        sentences = []
        for page in sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md")):
            prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
            for paragraph in re.split(r"\n\s*\n", prose):
                if not paragraph.lstrip().startswith(("|", "#", "<!--")):
                    sentences += re.split(r"(?<=[.!?]) ", " ".join(paragraph.split()))
        sentences = [sentence for sentence in sentences if len(sentence.split()) > 3]
        assert len(sentences) > 300
        real = sum(len(tokenizer.encode(sentence, add_special_tokens=False).ids) for sentence in sentences)
        assert 0.95 < sum(map(estimated_tokens, sentences)) / real < 1.15
