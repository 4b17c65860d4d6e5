"""Messages in the shapes that chat APIs use, and what is kept of them."""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

import pytest

from mem0 import ValidationError
from mem0.memory.adding.messages import Turn, heard


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


class TestTurns:
    @pytest.mark.parametrize(
        ("messages", "texts"),
        [
            ("hello", ["hello"]),
            (user("hello"), ["hello"]),
            (MappingProxyType(user("hello")), ["hello"]),
            (["a", "b"], ["a", "b"]),
            (["a", user("b")], ["a", "b"]),
            ((user("a"), "b"), ["a", "b"]),
            (user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), ["a\nb"]),
            (user([{"type": "input_text", "text": "a"}, "b"]), ["a\nb"]),
            (
                user([{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "a cat"}]),
                ["a cat"],
            ),
            (user([{"type": "image_url", "image_url": {"url": "data:"}}]), [""]),
            (user({"type": "image_url", "image_url": {"url": "data:"}}), [""]),
            (user([{"type": "input_audio", "input_audio": {"data": "UklG"}}]), []),
            (user({"type": "text", "text": "a"}), ["a"]),
            (user([{"type": "text", "text": None}, {"type": "text", "text": ""}]), []),
            (user([{"type": "refusal", "refusal": "I can't"}]), []),
            (user([]), []),
            (user(None), []),
            ({"role": "user"}, []),
            ({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, []),
            ({"role": "assistant", "content": "on it", "tool_calls": [{"id": "1"}]}, ["on it"]),
            ({"role": "tool", "tool_call_id": "1", "content": "42"}, ["42"]),
            ({"role": "function", "name": "f", "content": "42"}, ["42"]),
            ({"role": "system", "content": "be kind"}, []),
            ({"role": "developer", "content": "be kind"}, []),
            ("", []),
            (" \n\u3000", []),
            ([], []),
            (["", "a", " "], ["a"]),
        ],
    )
    def test_texts(self, messages: Any, texts: list[str]) -> None:
        before = copy.deepcopy(messages) if not isinstance(messages, MappingProxyType) else None
        assert [turn.text for turn in heard(messages).turns] == texts
        if before is not None:
            assert messages == before

    @pytest.mark.parametrize(
        ("part", "url"),
        [
            ({"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}}, "https://h/a.png"),
            ({"type": "input_image", "image_url": "https://h/a.png"}, "https://h/a.png"),
            ({"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}, "https://h/a.png"),
            (
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                "data:image/png;base64,iVBO",
            ),
        ],
    )
    def test_pictures_of_several_vendors(self, part: dict[str, Any], url: str) -> None:
        (turn,) = heard(user([part, "a cat"])).turns
        assert (turn.text, [image["type"] for image in turn.images]) == ("a cat", ["image_url"])
        assert turn.images[0]["image_url"]["url"] == url

    @pytest.mark.parametrize("key", ["role", "name"])
    def test_a_name_is_no_place_for_a_book(self, key: str) -> None:
        assert heard(user("x") | {key: "a" * 512}).turns
        with pytest.raises(ValidationError, match=rf"messages\[0\]\['{key}'\]: over 512 bytes"):
            heard(user("x") | {key: "ä" * 257})

    def test_what_cannot_be_read_is_listed(self) -> None:
        found = heard([user("a"), user([{"type": "input_audio"}, {"type": "text", "text": ""}])])
        assert found.skipped == [{"message": 1, "part": 0, "reason": "a part of type 'input_audio' is not read"}]

    def test_role_and_name(self) -> None:
        assert heard("hello").turns == [Turn("hello", "user", None)]
        assert heard({"role": "narrator", "content": "dusk", "name": "Li"}).turns == [Turn("dusk", "narrator", "Li")]
        assert heard({"role": "user", "content": "x", "name": ""}).turns[0].actor_id is None

    @pytest.mark.parametrize(
        ("messages", "told"),
        [
            (5, "not int"),
            (b"hello", "not bytes"),
            ({"a", "b"}, "not set"),
            ((text for text in "ab"), "not generator"),
            ([5], r"messages\[0\]: .* not int"),
            (["a", None], r"messages\[1\]: .* not NoneType"),
            ([["a"]], r"messages\[0\]: .* not list"),
            ({}, r"messages\[0\]\['role'\] is None"),
            ({"content": "hello"}, r"\['role'\] is None"),
            ({"role": " ", "content": "hello"}, r"\['role'\] is ' '"),
            ({"role": 1, "content": "hello"}, r"\['role'\] is 1"),
            ({"role": "user", "content": "hello", "name": 5}, r"\['name'\] is 5"),
            (user(5), r"\['content'\]: .* not int"),
            (user([5]), r"\['content'\]\[0\]: .* not int"),
            (user([{"type": "text", "text": 5}]), r"\['content'\]\[0\]\['text'\] is int"),
            ("x" * 1_000_001, "1000001 bytes, 1000000 are allowed"),
            (["x"] * 10_001, "10001 in one call, 10000 are allowed"),
        ],
    )
    def test_refused(self, messages: Any, told: str) -> None:
        with pytest.raises(ValidationError, match=told):
            heard(messages)
