"""What an LLM answered, read as tolerantly as can be done without guessing.

Fences, think blocks, prose around, bare lists, strings instead of objects, a tail that was cut off: what can be
read is used.  What cannot is reported, and a reply with nothing in it to use is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mem0.exceptions import LLMResponseError
from mem0.llms.base import Reply, ToolCall
from mem0.memory.inputs import MAX_MESSAGE_BYTES
from mem0.text import clean

_THOUGHT = re.compile(r"<(/?)(think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BULLET = re.compile(r"^[^\S\n]*(?:[-*•]|\d+[.)])[^\S\n]+(\S.*)$", re.MULTILINE)
_START = re.compile(r"[{\[]")
_LIST_START = re.compile(r'\{\s*"(?:memory|memories|facts)"\s*:\s*\[|\[')
_BETWEEN = re.compile(r"[\s,]*")

_LISTS = ("memory", "memories", "facts")
_TEXTS = ("text", "memory", "fact", "data", "content")
_IDS = ("id", "memory_id")
_EVENTS = ("ADD", "UPDATE", "DELETE", "NONE")
_TOOLS = {"add_memory": "ADD", "update_memory": "UPDATE", "delete_memory": "DELETE"}

# Replies are short; a hostile one of nothing but brackets is not tried at each of them.
_MOST_STARTS = 200

_decoder = json.JSONDecoder(strict=False)  # line breaks inside texts are common, and harmless


class Item(NamedTuple):
    """One change that an LLM wants.

    Attributes:
        event: ``ADD``, ``UPDATE``, ``DELETE`` or ``NONE``.
        text: The memory's text, for ADD and UPDATE.
        id: Which memory, as the LLM wrote it.
        message: The number of the message it rests on.
        quote: Words of that message.
    """

    event: str
    text: str = ""
    id: str | None = None
    message: int | None = None
    quote: str | None = None


class Read(NamedTuple):
    """What could be read of a reply.

    Attributes:
        items: The changes.
        rejected: What could not be used, each with its ``reason``.
    """

    items: list[Item]
    rejected: list[dict[str, Any]]


def changes(reply: Reply) -> Read:
    """Read the changes an LLM wants, from its calls of tools or its text.

    Raises:
        LLMResponseError: There is nothing to use in it.
    """
    if reply.tool_calls:
        return _checked(map(_of_call, reply.tool_calls), reply, cut=False)
    return _from_text(reply)


def facts(reply: Reply) -> list[str]:
    """Read the facts of the first of two passes; here a list of bullets is as good as JSON.

    Raises:
        LLMResponseError: There is nothing to use in it.
    """
    try:
        return [item.text for item in _from_text(reply).items if item.event in ("ADD", "UPDATE")]
    except LLMResponseError:
        bullets = [clean(found).strip() for found in _BULLET.findall(without_thoughts(reply.text))]
        if not bullets:
            raise
        return bullets


def summary(reply: Reply) -> str:
    """Read plain text.

    Raises:
        LLMResponseError: There is none.
    """
    text = clean(without_thoughts(reply.text)).strip()
    if not text:
        raise _unusable("is empty", reply)
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise _unusable(f"is longer than {MAX_MESSAGE_BYTES} bytes", reply)
    return text


def without_thoughts(text: str) -> str:
    """Drop what a model thought aloud, also where it only marked the end."""
    marks = [*_THOUGHT.finditer(text)]
    last_end = {mark[2].lower(): mark.start() for mark in marks if mark[1]}
    kept: list[str] = []
    at, thought = 0, ""
    # By hand, because a regular expression would look for the end of each of many beginnings anew.
    for mark in marks:
        name = mark[2].lower()
        if thought:
            if mark[1] and name == thought:
                at, thought = mark.end(), ""
        elif mark[1]:
            kept, at = [], mark.end()
        elif last_end.get(name, -1) > mark.start():
            kept.append(text[at : mark.start()])
            thought = name
    return "".join([*kept, text[at:]])


def _from_text(reply: Reply) -> Read:
    found = _listed(reply.text)
    if found is None:
        raise _unusable("holds no list of memories" if reply.text.strip() else "is empty", reply)
    entries, cut = found
    return _checked(map(_of_entry, entries), reply, cut=cut)


def _checked(read: Iterable[Item | dict[str, Any]], reply: Reply, *, cut: bool) -> Read:
    items: list[Item] = []
    rejected: list[dict[str, Any]] = []
    for one in read:
        if isinstance(one, Item):
            items.append(one)
        else:
            rejected.append(one)
    if rejected and not items:
        raise _unusable(f"has nothing that can be used ({rejected[0]['reason']})", reply)
    if cut:
        rejected.append({"reason": "the reply is no complete JSON, as if it was cut off; its complete items were used"})
    return Read(items, rejected)


def _unusable(why: str, reply: Reply) -> LLMResponseError:
    return LLMResponseError(
        f"the LLM's reply {why}; nothing was stored: try again, or use a model that answers in JSON",
        reply=reply.text,
    )


# -- items ------------------------------------------------------------------------------------------


def _of_entry(entry: Any) -> Item | dict[str, Any]:
    if isinstance(entry, str):
        entry = {"text": entry}
    if not isinstance(entry, Mapping):
        return _rejected(entry, f"a change is an object or text, not {type(entry).__name__}")
    event = str(entry.get("event") or "ADD").strip().upper()
    if event not in _EVENTS:
        return _rejected(entry, f"event {event[:40]!r} is unknown; there are {', '.join(_EVENTS)}")
    text = clean(next((entry[key] for key in _TEXTS if isinstance(entry.get(key), str)), "")).strip()
    given = next((entry[key] for key in _IDS if isinstance(entry.get(key), (str, int))), None)
    id = None if given is None else str(given).strip()
    if event in ("ADD", "UPDATE") and not text:
        return _rejected(entry, f"{event} without a text")
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        return _rejected({"event": event}, f"a text of over {MAX_MESSAGE_BYTES} bytes")
    if event in ("UPDATE", "DELETE") and not id:
        return _rejected(entry, f"{event} without an id")
    message, quote = entry.get("message"), entry.get("quote")
    return Item(
        event,
        text,
        id,
        message if isinstance(message, int) and not isinstance(message, bool) else None,
        clean(quote).strip() if isinstance(quote, str) and quote.strip() else None,
    )


def _of_call(call: ToolCall) -> Item | dict[str, Any]:
    event = _TOOLS.get(call.name)
    if event is None:
        return _rejected({"tool": call.name}, f"there is no tool {call.name[:40]!r}")
    if call.arguments is None:
        return _rejected({"tool": call.name}, f"the arguments of {call.name} are no JSON object")
    return _of_entry({**call.arguments, "event": event})


def _rejected(entry: Any, reason: str) -> dict[str, Any]:
    return {**(entry if isinstance(entry, Mapping) else {"item": entry}), "reason": reason}


# -- JSON in whatever is around it ------------------------------------------------------------------


def _listed(text: str) -> tuple[Sequence[Any], bool] | None:
    """Return the entries of a reply and whether its tail is missing; ``None`` where there is no list."""
    for candidate in _candidates(text):
        found = None
        # The last one counts: before it a model may repeat what it was shown.
        for value, cut in _values(candidate):
            entries = _entries(value)
            if entries is not None:
                found = entries, cut
        if found is not None:
            return found
    return None


def _candidates(text: str) -> Iterator[str]:
    """Yield where the JSON may be, most certain first."""
    try:
        whole = text.strip()
        json.loads(whole, strict=False)
        yield whole
    except (ValueError, RecursionError):
        pass
    text = without_thoughts(text)
    yield from reversed(_FENCE.findall(text))
    yield text


def _values(text: str) -> Iterator[tuple[Any, bool]]:
    """Yield the JSON values in a text, and of a list that breaks off its complete items."""
    at = 0
    for _ in range(_MOST_STARTS):
        start = _START.search(text, at)
        if start is None:
            return
        try:
            value, at = _decoder.raw_decode(text, start.start())
            yield value, False
        except (ValueError, RecursionError):
            items, at = _complete_items(text, start.start())
            if items:
                yield items, True


def _complete_items(text: str, at: int) -> tuple[list[Any], int]:
    """Return the items of a list that cannot be read as a whole, and where to go on."""
    start = _LIST_START.match(text, at)
    if start is None:
        return [], at + 1
    items: list[Any] = []
    at = start.end()
    while True:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        try:
            item, at = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return items, at if items else start.start() + 1
        items.append(item)


def _entries(value: Any) -> Sequence[Any] | None:
    """Return the entries of a list of memories in any of its shapes, or ``None``."""
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping):
        return None
    lists: list[list[Any]] = [value[key] for key in _LISTS if isinstance(value.get(key), list)]
    if lists:
        return next((found for found in lists if found), lists[0])
    if isinstance(value.get("event"), str) or any(isinstance(value.get(key), str) for key in (*_TEXTS, *_LISTS)):
        return [value]
    return None
