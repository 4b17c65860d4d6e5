"""What can be read of an LLM's answer, and what cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0 import LLMResponseError
from mem0.llms.base import Reply, ToolCall
from mem0.memory.adding import replies
from mem0.memory.adding.replies import Item


def texts(reply: str) -> list[str]:
    return [item.text for item in replies.changes(Reply(reply)).items]


ONE = '{"memory": [{"event": "ADD", "text": "Likes tea"}]}'


@pytest.mark.parametrize(
    "reply",
    [
        ONE,
        f"  \n{ONE}\n",
        f"```json\n{ONE}\n```",
        f"```\n{ONE}```",
        f"```json\n{ONE}",
        f"Sure, here it is:\n```json\n{ONE}\n```\nAnything else?",
        f"Sure! {ONE} Anything else?",
        f'<think>maybe {{"memory": [{{"text": "wrong"}}]}} or {{x}}?</think>\n```json\n{ONE}\n```',
        f"<thinking>\n{{\n</thinking>{ONE}",
        f'I wonder {{"memory": ["wrong"]}}</think>{ONE}',
        f'You asked about {{"memory": ["wrong"]}}. My answer: {ONE}',
        '[{"event": "ADD", "text": "Likes tea"}]',
        '[{"text": "Likes tea"}]',
        '["Likes tea"]',
        '{"facts": ["Likes tea"]}',
        '{"facts": [{"fact": "Likes tea"}]}',
        '{"memories": [{"memory": "Likes tea"}]}',
        '{"memory": [{"data": "Likes tea"}]}',
        '{"memory": [{"content": " Likes tea\\n"}]}',
        '{"memory": [{"id": "0", "text": "Likes tea"}]}',
        '{"event": "add", "text": "Likes tea"}',
        '{"memory": "Likes tea"}',
        '{"memory": [], "facts": ["Likes tea"]}',
        '{"memory": [{"text": "Likes tea"},]}',
        '{"memory": [{"text": "Likes\ntea"}]}'.replace("\n", " "),
        '{"reason": "she said so", "memory": ["Likes tea"]}',
    ],
)
def test_all_of_these_say_the_same(reply: str) -> None:
    assert texts(reply) == ["Likes tea"]


def test_a_line_break_inside_a_text() -> None:
    assert texts('{"memory": [{"text": "one\ntwo"}]}') == ["one\ntwo"]


@pytest.mark.parametrize(
    "reply", ['{"memory": []}', "[]", '```json\n{"facts": []}\n```', '{"memory": [], "facts": []}']
)
def test_nothing_to_remember(reply: str) -> None:
    assert replies.changes(Reply(reply)) == ([], [])


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "{}",
        "null",
        "I'm sorry, I can't help with that.",
        "As discussed in [1], there is nothing.",
        '{"memory": [{"tex',
        '{"memory": ',
        '{"memory": {"text": 5}}',
        '{"memory": [5, null]}',
        '{"memory": [{"event": "ADD"}]}',
        "<think>they like tea",
        "[" * 100_000,
        '{"a":' * 100_000,
        "{" * 100_000,
        '{"memory": [' * 50_000,
    ],
)
def test_nothing_that_can_be_used(reply: str) -> None:
    with pytest.raises(LLMResponseError, match="nothing was stored") as caught:
        replies.changes(Reply(reply))
    assert caught.value.reply == reply
    assert caught.value.retryable
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "tail", [', {"text": "Has a d', ', {"text": ', ", {", ",", "", ', "Has a dog', "], ", "]", '}, {"event": "ADD", "t']
)
@pytest.mark.parametrize("start", ['{"memory": [', "[", '```json\n{"facts": [', 'Here: {"memory": ['])
def test_of_a_reply_that_was_cut_off_the_complete_items_count(start: str, tail: str) -> None:
    read = replies.changes(Reply(f'{start}{{"text": "Likes tea"}}, "Drinks it black"{tail}'))
    assert [item.text for item in read.items] == ["Likes tea", "Drinks it black"]
    whole = start == "[" and tail.startswith("]")
    assert ["cut off" in note["reason"] for note in read.rejected] == ([] if whole else [True])


def test_everything_an_item_can_say() -> None:
    entries = [
        {"event": "ADD", "text": "Likes tea", "message": 2, "quote": " I like tea "},
        {"event": "UPDATE", "id": 0, "text": "Likes coffee"},
        {"event": "delete", "memory_id": "1"},
        {"event": "NONE", "id": "2"},
        {"event": "ADD", "text": "x", "message": True, "quote": 5},
    ]
    assert replies.changes(Reply(json.dumps({"memory": entries}))) == (
        [
            Item("ADD", "Likes tea", None, 2, "I like tea"),
            Item("UPDATE", "Likes coffee", "0"),
            Item("DELETE", "", "1"),
            Item("NONE", "", "2"),
            Item("ADD", "x"),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"event": "MERGE", "text": "x"}, "event 'MERGE' is unknown; there are ADD, UPDATE, DELETE, NONE"),
        ({"event": "ADD", "text": "  "}, "ADD without a text"),
        ({"event": "UPDATE", "text": "x"}, "UPDATE without an id"),
        ({"event": "UPDATE", "id": "0"}, "UPDATE without a text"),
        ({"event": "DELETE"}, "DELETE without an id"),
        (5, "a change is an object or text, not int"),
        ([1], "a change is an object or text, not list"),
        ({"text": "x" * 1_000_001}, "a text of over 1000000 bytes"),
    ],
)
def test_what_is_unusable_is_told_and_the_rest_is_used(entry: Any, reason: str) -> None:
    read = replies.changes(Reply(json.dumps({"memory": [entry, "Likes tea"]})))
    assert [item.text for item in read.items] == ["Likes tea"]
    (rejected,) = read.rejected
    assert rejected["reason"] == reason
    assert len(str(rejected)) < 400


class TestTools:
    def test_calls_become_changes(self) -> None:
        calls = (
            ToolCall("add_memory", {"data": "Likes tea"}),
            ToolCall("update_memory", {"memory_id": "0", "data": "Likes coffee"}),
            ToolCall("delete_memory", {"memory_id": 1}),
        )
        assert replies.changes(Reply("I will.", calls)).items == [
            Item("ADD", "Likes tea"),
            Item("UPDATE", "Likes coffee", "0"),
            Item("DELETE", "", "1"),
        ]

    def test_what_cannot_be_called(self) -> None:
        calls = (ToolCall("add_memory", {"data": "x"}), ToolCall("drop_table", {}), ToolCall("add_memory", None))
        assert [note["reason"] for note in replies.changes(Reply("", calls)).rejected] == [
            "there is no tool 'drop_table'",
            "the arguments of add_memory are no JSON object",
        ]
        with pytest.raises(LLMResponseError):
            replies.changes(Reply("", calls[1:]))


class TestFacts:
    def test_bullets_are_as_good_as_json(self) -> None:
        assert replies.facts(Reply("Facts:\n- Likes tea\n* Has a dog\n 2. Lives in Porto\n")) == [
            "Likes tea",
            "Has a dog",
            "Lives in Porto",
        ]

    def test_prose_is_not(self) -> None:
        with pytest.raises(LLMResponseError):
            replies.facts(Reply("I'm sorry, I can't do that."))
        with pytest.raises(LLMResponseError):
            replies.changes(Reply("- Likes tea"))

    def test_nothing(self) -> None:
        assert replies.facts(Reply('{"facts": []}')) == []


def test_summaries() -> None:
    assert replies.summary(Reply("<think>hm</think>\n Goal: tea ")) == "Goal: tea"
    for reply in ("", "<think>hm</think>", "x" * 1_000_001):
        with pytest.raises(LLMResponseError):
            replies.summary(Reply(reply))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["memory", "facts", "event", "text", "id", "quote", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
_pieces = st.lists(
    st.text(max_size=10)
    | _json.map(json.dumps)
    | _json.map(lambda value: json.dumps(value)[:-1])
    | st.sampled_from(["```json\n", "```", "<think>", "</think>", '{"memory": [', "]}", "\ud800", "- "]),
    max_size=6,
).map("".join)


@given(_pieces)
def test_whatever_comes_back_there_is_one_error(reply: str) -> None:
    for read in (replies.changes, replies.facts, replies.summary):
        try:
            found = read(Reply(reply))
        except LLMResponseError:
            continue
        kept = found.items if isinstance(found, replies.Read) else found
        json.dumps(kept, ensure_ascii=False).encode()  # no file could hold a lone surrogate
