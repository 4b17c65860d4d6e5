"""From what an LLM wants to the changes of a commit: each rule by itself, without a store or an LLM."""

from __future__ import annotations

from typing import Any

import pytest

from mem0 import ValidationError
from mem0.memory.adding import prompts
from mem0.memory.adding.asking import MOST_OFFERED, offered, picture_characters, portions, probes
from mem0.memory.adding.messages import Turn
from mem0.memory.adding.planning import Plan, Said, settle, told
from mem0.memory.adding.replies import Item
from mem0.types import Outcome, Record, Scope

WALL = "2026-03-01T12:00:00.000000+00:00"
TURNS = [Turn("I like tea", "user", "Ana", 0), Turn("„And C++“, I said", "user", None, 1)]


def said(**changed: Any) -> Said:
    fields: dict[str, Any] = {
        "turns": TURNS,
        "skipped": [],
        "identity": Scope(user_id="alice"),
        "metadata": {},
        "created_at": WALL,
        "expiration_date": None,
        "dry_run": False,
        "wall": WALL,
        "now": 0.0,
    }
    return Said(**{**fields, **changed})


def row(id: str, text: str) -> Record:
    return Record(id, said().new(text).payload)


def planned(*items: Item, rows: tuple[str, ...] = ("tea", "coffee")) -> Plan:
    plan = Plan(said())
    plan.take(items, [row(f"id-{text}", text) for text in rows], TURNS)
    return plan


def steps(plan: Plan) -> list[tuple[str, str | None, str | None]]:
    """Return of each step what it does, to which memory there is, and the new text."""
    return [
        (step.change.event, step.previous.id if step.previous else None, step.change.payload.get("data"))
        for step in plan.steps
    ]


def reasons(plan: Plan) -> list[str]:
    return [note["reason"] for note in plan.rejected]


class TestPlan:
    def test_each_event(self) -> None:
        plan = planned(Item("ADD", "milk"), Item("UPDATE", "green tea", "0"), Item("DELETE", "", "1"), Item("NONE"))
        assert steps(plan) == [
            ("ADD", None, "milk"),
            ("UPDATE", "id-tea", "green tea"),
            ("DELETE", "id-coffee", None),
        ]
        assert (plan.rejected, plan.unchanged) == ([], {})
        assert [step.change.version for step in plan.steps] == [None, 1, 1]

    def test_what_stands_already_is_reported_by_its_id(self) -> None:
        plan = planned(Item("NONE", "", "0"), Item("UPDATE", "COFFEE.", "1"), Item("NONE", "", "7"))
        assert (steps(plan), [*plan.unchanged], plan.rejected) == ([], ["id-tea", "id-coffee"], [])

    @pytest.mark.parametrize("event", ["UPDATE", "DELETE"])
    @pytest.mark.parametrize("id", ["2", "-1", "00", "0.0", "id-milk", "٠", ""])
    def test_only_what_was_offered(self, event: str, id: str) -> None:
        plan = planned(Item(event, "x", id))
        assert (steps(plan), reasons(plan)) == ([], [f"{event} of a memory that was not offered"])

    def test_the_id_of_an_add_means_nothing(self) -> None:
        assert steps(planned(Item("ADD", "milk", "0"))) == [("ADD", None, "milk")]

    @pytest.mark.parametrize(
        ("second", "wanted", "told"),
        [
            (Item("UPDATE", "black tea", "0"), [("ADD", None, "black tea")], []),
            (Item("UPDATE", "black tea", "id-tea"), [("ADD", None, "black tea")], []),
            (Item("DELETE", "", "0"), [], ["DELETE of a memory that the same reply changed"]),
        ],
    )
    @pytest.mark.parametrize("first", [Item("UPDATE", "green tea", "0"), Item("DELETE", "", "id-tea")])
    def test_a_memory_is_changed_once(self, first: Item, second: Item, wanted: list[Any], told: list[str]) -> None:
        plan = planned(first, second)
        assert (steps(plan)[1:], reasons(plan)) == (wanted, told)

    def test_a_memory_is_changed_once_over_several_replies(self) -> None:
        plan = planned(Item("UPDATE", "green tea", "0"))
        plan.take([Item("DELETE", "", "0"), Item("UPDATE", "x", "0")], [row("id-tea", "tea")], TURNS)
        assert [step[:2] for step in steps(plan)] == [("UPDATE", "id-tea"), ("ADD", None)]
        assert len(plan.rejected) == 1

    def test_a_number_means_the_memory_of_its_own_reply(self) -> None:
        plan = planned(Item("DELETE", "", "0"))
        plan.take([Item("DELETE", "", "0")], [row("id-milk", "milk")], TURNS)
        assert [step.change.id for step in plan.steps] == ["id-tea", "id-milk"]

    @pytest.mark.parametrize(
        ("quote", "message", "verified", "actor"),
        [
            (None, None, None, None),
            (None, 0, None, "Ana"),
            ("I like tea", 0, True, "Ana"),
            ("i  LIKE\ntea", 1, True, "Ana"),  # the wrong message is named
            ("“and C++”", 1, True, None),
            ("and C", 1, True, None),
            ("I hate tea", 0, False, "Ana"),
            ("…", 0, False, "Ana"),
            ("likes tea", 99, False, None),
        ],
    )
    def test_quotes(self, quote: str | None, message: int | None, verified: bool | None, actor: str | None) -> None:
        (step,) = planned(Item("ADD", "x", None, message, quote)).steps
        assert (step.verified, step.change.payload.get("actor_id")) == (verified, actor)

    @pytest.mark.parametrize("text", ["<new fact>", "Draw no conclusions; what was doubtful stays doubtful."])
    def test_words_of_the_prompt(self, text: str) -> None:
        assert prompts.is_ours(text)
        for item in (Item("ADD", text), Item("UPDATE", text, "0")):
            plan = planned(item)
            assert (steps(plan), "stand in the instructions" in reasons(plan)[0]) == ([], True)
        plan = Plan(said())
        plan.take([Item("ADD", text)], [], [Turn(f"They told me: {text}", "user")])
        assert len(plan.steps) == 1


class TestSettle:
    def settled(self, status: str, *, item: Item, other: Record | None = None, present: Record | None = None) -> Any:
        plan = planned(item)
        (step,) = plan.steps
        outcome = Outcome(step.change, status, previous=present, other=other)
        return plan, step, settle(plan, [step], [outcome])

    def test_what_can_be_done_stays_the_same_object(self) -> None:
        for status in ("applied", "withheld"):
            _, step, (settled,) = self.settled(status, item=Item("UPDATE", "milk", "0"))
            assert settled is step

    def test_an_update_to_what_another_memory_says_deletes_the_old_one(self) -> None:
        coffee = row("id-coffee", "coffee")
        plan, step, (settled,) = self.settled("duplicate", item=Item("UPDATE", "coffee", "0"), other=coffee)
        assert (settled.change.event, settled.change.id, settled.change.version) == ("DELETE", "id-tea", 1)
        outcome = Outcome(settled.change, previous=step.previous)
        assert [(one["event"], one["id"]) for one in told(plan, [settled], [outcome])] == [
            ("DELETE", "id-tea"),
            ("NONE", "id-coffee"),
        ]

    def test_an_update_of_what_is_gone_adds(self) -> None:
        _, step, (settled,) = self.settled("missing", item=Item("UPDATE", "milk", "0", 0))
        change = settled.change
        assert (change.event, change.payload["data"]) == ("ADD", "milk")
        assert (change.id != step.change.id, settled.previous) == (True, None)

    def test_a_deletion_of_what_is_gone_is_done(self) -> None:
        plan, _, settled = self.settled("missing", item=Item("DELETE", "", "0"))
        assert (settled, plan.rejected) == ([], [])

    @pytest.mark.parametrize(("text", "left"), [("tea", 1), ("rum", 0)])
    def test_a_deletion_of_what_changed(self, text: str, left: int) -> None:
        present = row("id-tea", text)
        present.payload["_mem0"]["version"] = 5
        plan, _, settled = self.settled("stale", item=Item("DELETE", "", "0"), present=present)
        assert [step.change.version for step in settled] == [5] * left
        assert len(plan.rejected) == 1 - left

    def test_an_update_of_what_changed_builds_on_what_is_there(self) -> None:
        present = row("id-tea", "rum")
        present.payload.update(note="new", _mem0={**present.payload["_mem0"], "version": 5})
        item = Item("UPDATE", "milk", "0", 0, "I like tea")
        _, _, (settled,) = self.settled("stale", item=item, present=present)
        payload = settled.change.payload
        assert (payload["data"], payload["note"], settled.change.version) == ("milk", "new", 5)
        assert payload["_mem0"]["version"] == 6
        assert payload["_mem0"]["source"] == {"quote": "I like tea", "verified": True}
        assert settled.previous is present


class TestOffered:
    def test_best_first_and_each_once(self) -> None:
        a, b, c = (row(text, text) for text in "abc")
        assert [found.id for found in offered([[a, b], [b, c]])] == ["a", "b", "c"]
        assert offered([]) == offered([[], []]) == []

    def test_not_too_many_and_not_too_long(self) -> None:
        rows = [row(str(number), "x" * 10) for number in range(50)]
        assert len(offered([rows])) == MOST_OFFERED
        long = [row(str(number), "x" * 3_900) for number in range(9)]
        assert len(offered([[row("whole book", "x" * 4_001), *long]])) == 5

    @pytest.mark.parametrize("payload", [{}, {"data": None}, {"data": 5}, {"data": " "}])
    def test_rows_of_other_programs_without_a_text(self, payload: dict[str, Any]) -> None:
        assert offered([[Record("x", payload)]]) == []

    @pytest.mark.parametrize(("count", "wanted"), [(0, 0), (1, 1), (3, 3), (4, 4), (5, 4), (10_000, 4)])
    def test_probes_are_few_and_cover_everything(self, count: int, wanted: int) -> None:
        found = probes([f"m{number}" for number in range(count)])
        assert len(found) == wanted
        assert all(len(probe) <= 2_000 for probe in found)
        if 0 < count < 100:
            assert "\n".join(found).split("\n") == [f"m{number}" for number in range(count)]

    def test_blank_texts_are_no_probes(self) -> None:
        assert probes([" ", "\n"]) == []


class TestPortions:
    @pytest.mark.parametrize(
        "text", ["word " * 3_000, "x" * 9_999, '"\n' * 2_000, "喜欢茶" * 2_000, "a " + "b" * 5_000]
    )
    def test_nothing_is_lost_and_each_fits(self, text: str) -> None:
        turns = [Turn("first", "user", "Ana", 0), Turn(text, "user", None, 1), Turn("last", "assistant", None, 2)]
        portioned = portions(turns, 1_000, 99)
        assert len(portioned) > 1
        for number, turn in enumerate(turns):
            assert (
                "".join(piece.text for portion in portioned for piece in portion if piece.number == number) == turn.text
            )
        assert max(sum(map(prompts.length, portion)) for portion in portioned) <= 1_000

    def test_words_stay_whole(self) -> None:
        pieces = [piece.text for portion in portions([Turn("word " * 900, "user")], 1_000, 99) for piece in portion]
        assert {word for piece in pieces for word in piece.split()} == {"word"}

    def test_a_picture_takes_room_for_what_will_be_said_of_it(self) -> None:
        turns = [Turn("x", "user", None, number, ({},)) for number in range(3)]
        assert [len(portion) for portion in portions(turns, 10_000, 9)] == [3]
        turns = [Turn("x" * 4_000, "user", None, number, ({},)) for number in range(3)]
        assert picture_characters(10_000) == 2_500
        assert [len(portion) for portion in portions(turns, 10_000, 9)] == [1, 1, 1]

    def test_a_message_of_many_pictures_is_cut_between_them(self) -> None:
        images = tuple({"n": number} for number in range(100))
        with pytest.raises(ValidationError, match="5 calls, and 1 is allowed"):
            portions([Turn("look", "user", None, 0, images)], 100_000, 1)
        portioned = portions([Turn("look", "user", "Ana", 7, images)], 100_000, 5)
        pieces = [piece for portion in portioned for piece in portion]
        assert [image for piece in pieces for image in piece.images] == list(images)
        assert [piece.text for piece in pieces] == ["look", *[""] * 100]
        assert {(piece.number, piece.actor_id) for piece in pieces} == {(7, "Ana")}

    def test_too_many_calls(self) -> None:
        turns = [Turn("x" * 800, "user", None, number) for number in range(3)]
        assert len(portions(turns, 1_000, 3)) == 3
        with pytest.raises(ValidationError, match="that is 3 calls, and 2 are allowed"):
            portions(turns, 1_000, 2)

    @pytest.mark.parametrize("character", ["x", '"', "茶"])
    def test_the_longest_message_in_the_smallest_portions(
        self, character: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        measured: list[int] = []
        length = prompts.length
        monkeypatch.setattr(prompts, "length", lambda turn: measured.append(len(turn.text)) or length(turn))
        text = character * (1_000_000 // len(character.encode()))
        with pytest.raises(ValidationError, match="1 is allowed"):
            portions([Turn(text, "user")], 1_000, 1)
        # A few times over, and not once for each of a thousand pieces.
        assert sum(measured) < 10 * len(text)
