"""OpenAI's shapes, for vendors that have others: messages that must be told otherwise, and answers of any shape."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from mem0.exceptions import LLMError, LLMResponseError
from mem0.llms.base import Message, read_arguments
from mem0.wire.connection import cleaned

Block = dict[str, Any]

# A conversation begins with the user; this stands there where it does not.
_OPENING = "Begin."

_JSON_ONLY = "Answer with one JSON object only: no other text, no code fence."
_FENCED = re.compile(r"\s*```\w*\s*\n?(.*?)\s*```\s*", re.DOTALL)
_DATA_URL = re.compile(r"data:([^;,]+)[^,]*;base64,")


def wants_json(response_format: Mapping[str, Any] | None) -> bool:
    """Tell whether the reply shall be JSON."""
    return (response_format or {}).get("type") in ("json_object", "json_schema")


def schema_of(response_format: Mapping[str, Any] | None) -> Any:
    """Return the JSON schema of the reply, if there is one."""
    schema = ((response_format or {}).get("json_schema") or {}).get("schema")
    check_json("response_format", schema)
    return schema


def json_instruction(response_format: Mapping[str, Any] | None) -> str:
    """Return how to ask for JSON in words, where the vendor has no mode for it."""
    schema = schema_of(response_format)
    return _JSON_ONLY + (f" It follows this JSON schema: {json.dumps(schema)}" if schema else "")


def unfenced(text: str) -> str:
    """Return JSON without the code fence that some models put around it all the same."""
    fenced = _FENCED.fullmatch(text)
    return fenced[1] if fenced else text


# -- what is asked ----------------------------------------------------------------------------------


class Turn(NamedTuple):
    """What one side says until the other does.

    Attributes:
        role: ``user`` or ``assistant``.
        blocks: What is said, in the vendor's shape.
    """

    role: str
    blocks: list[Block]


def conversation(
    messages: Sequence[Message], blocks_of: Callable[[Message], list[Block]]
) -> tuple[list[Block], list[Turn]]:
    """Return what the system says, and the turns: alternating, beginning with the user, none of them empty.

    Args:
        messages: In OpenAI's shape.
        blocks_of: Returns a message's blocks, in the vendor's shape.

    Raises:
        LLMError: A message has another shape.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    for message in cleaned(checked(messages)):
        blocks = blocks_of(message)
        if message["role"] in ("system", "developer"):
            system += blocks
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        if blocks and turns and turns[-1].role == role:
            turns[-1].blocks.extend(blocks)
        elif blocks:
            turns.append(Turn(role, blocks))
    if not turns or turns[0].role != "user":
        turns.insert(0, Turn("user", blocks_of({"role": "user", "content": _OPENING})))
    return system, turns


def checked(messages: Sequence[Message]) -> Sequence[Message]:
    """Return messages, each of which has the shape of OpenAI's.

    What a part of a type of its own holds is not looked at.

    Raises:
        LLMError: One has another shape; it says which, and what is wrong.
    """
    if not isinstance(messages, (list, tuple)):
        raise LLMError(f"messages: a list of dicts is wanted, not {type(messages).__name__}; nothing was sent")
    for at, message in enumerate(messages):
        problem = next(_problems(message), None)
        if problem is not None:
            raise LLMError(f"messages[{at}]{problem}; nothing was sent")
    return messages


def checked_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return tools, each of which is a function in OpenAI's shape, or whatever else the vendor has.

    Raises:
        LLMError: One is neither, or cannot be written as JSON; it says which.
    """
    found: list[dict[str, Any]] = []
    for at, tool in enumerate(tools):
        if not isinstance(tool, Mapping):
            raise LLMError(f"tools[{at}] is {type(tool).__name__}, and a dict is wanted; nothing was sent")
        function = tool.get("function")
        if "function" in tool and not (isinstance(function, Mapping) and isinstance(function.get("name"), str)):
            raise LLMError(f"tools[{at}] names no function; nothing was sent")
        found.append(cleaned(tool))
        check_json(f"tools[{at}]", found[-1])
    return found


def choice_of(tool_choice: Any) -> tuple[str, str | None]:
    """Return which tools are to be called: ``auto``, ``none``, ``required``, or ``function`` and the name of one.

    Raises:
        LLMError: It says none of these.
    """
    if tool_choice in (None, "", "auto", "none", "required", "any"):  # the last is what some vendors say for "required"
        return {"any": "required"}.get(tool_choice, tool_choice or "auto"), None
    function = tool_choice.get("function") if isinstance(tool_choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise LLMError(
            f"tool_choice={tool_choice!r}: expected 'auto', 'required', 'none', or "
            "{'type': 'function', 'function': {'name': ...}}; nothing was sent"
        )
    return "function", name


def check_json(what: str, value: Any) -> None:
    """Refuse what cannot be written as JSON, before an SDK trips over it.

    Raises:
        LLMError: It cannot.
    """
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise LLMError(f"{what} cannot be written as JSON ({error}); nothing was sent") from error


def _problems(message: Any) -> Iterator[str]:
    if not isinstance(message, Mapping):
        yield f" is {type(message).__name__}, and a dict is wanted"
        return
    if not isinstance(message.get("role"), str):
        yield " has no role"
    content, calls = message.get("content"), message.get("tool_calls") or ()
    if isinstance(content, (list, tuple)):
        yield from (f"['content'][{at}] {found}" for at, part in enumerate(content) for found in _part_problems(part))
    elif content is not None and not isinstance(content, str):
        yield f"['content'] is {type(content).__name__}; text or a list of parts is wanted"
    for at, call in enumerate(calls if isinstance(calls, (list, tuple)) else [calls]):
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            yield f"['tool_calls'][{at}] names no function"


def _part_problems(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        return
    if not isinstance(part, Mapping):
        yield f"is {type(part).__name__}, and text or a dict is wanted"
    elif part.get("type") == "text":
        if not isinstance(part.get("text"), str):
            yield "has the type 'text', and no text"
    elif part.get("type") == "image_url":
        given = part.get("image_url")
        if not isinstance(given.get("url") if isinstance(given, Mapping) else given, str):
            yield "has the type 'image_url', and no address"
    elif not isinstance(part.get("type"), str):
        yield "has no type"


def parts_of(message: Message) -> list[Block]:
    """Return the parts of a message's content, plain text among them as parts of the type ``text``."""
    content = message.get("content") or ()
    parts = [content] if isinstance(content, str) else content
    return [{"type": "text", "text": part} if isinstance(part, str) else dict(part) for part in parts]


class Call(NamedTuple):
    """A function that the LLM called, as a message tells it."""

    id: str
    name: str
    arguments: dict[str, Any]


def calls_of(message: Message) -> list[Call]:
    """Return the functions that a message of the LLM calls."""
    return [
        Call(
            str(call.get("id")),
            call["function"]["name"],
            cleaned(read_arguments(call["function"].get("arguments")) or {}),
        )
        for call in message.get("tool_calls") or ()
    ]


class Picture(NamedTuple):
    """A picture in a message.

    Attributes:
        url: Its address, or all of it as a data URL.
        kind: Its media type, where that is known from a data URL.
        base64: The picture itself, where it is in a data URL.
    """

    url: str
    kind: str | None = None
    base64: str | None = None

    def raw(self) -> bytes:
        """Return the picture itself.

        Raises:
            LLMError: Its data URL holds something else than base64.
        """
        try:
            return base64.b64decode(self.base64 or "", validate=True)
        except binascii.Error as error:
            raise LLMError(f"a picture's data URL is no base64 ({error}); nothing was sent") from error


def picture_of(part: Mapping[str, Any]) -> Picture:
    """Return the picture of a content part of the type ``image_url``."""
    given = part["image_url"]
    url = str(given.get("url") if isinstance(given, Mapping) else given)
    data = _DATA_URL.match(url)
    return Picture(url) if data is None else Picture(url, data[1], url[data.end() :])


# -- what is answered -------------------------------------------------------------------------------


@contextmanager
def reading(complaint: str) -> Iterator[None]:
    """Let what an answer lacks, or has in another shape than its vendor's, leave the block as our error.

    Args:
        complaint: Who answered, and what may help.

    Raises:
        LLMResponseError: It has another shape.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise LLMResponseError(f"{complaint}; nothing was stored", reply=None) from error


def called(name: Any, arguments: Any) -> dict[str, Any]:
    """Return a function that an answer calls, as :meth:`LLMBase.generate_response` returns it.

    Raises:
        TypeError: It has no name.
    """
    if not isinstance(name, str):
        raise TypeError(f"a function's name is text, not {type(name).__name__}")
    return {"name": name, "arguments": read_arguments(arguments)}


def used_up(named: str) -> LLMError:
    """Return the error for a reply that was cut off before it began.

    Args:
        named: Who was asked.
    """
    return LLMError(f"{named}: max_tokens were used up by thinking; raise it in the config; nothing was stored")
