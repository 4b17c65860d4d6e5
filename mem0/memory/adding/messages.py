"""What ``add`` was told, as messages in any of the shapes that chat APIs use, brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mem0.exceptions import ValidationError
from mem0.memory.inputs import MAX_ID_BYTES, MAX_MESSAGE_BYTES, kind_of
from mem0.text import clean, quoted

#: Limit of one call; beyond it a :class:`~mem0.exceptions.ValidationError` says so.
MAX_MESSAGES = 10_000

_UNSTORED_ROLES = ("system", "developer")


class Turn(NamedTuple):
    """One message worth keeping.

    Attributes:
        text: Its text; empty where it has only pictures.
        role: Who spoke, as ``user`` or ``assistant``.
        actor_id: The speaker's name, where it was given.
        number: Where it stands among the messages of its call.
        images: Its pictures, as content parts of OpenAI's chat API.
    """

    text: str
    role: str
    actor_id: str | None = None
    number: int = 0
    images: tuple[dict[str, Any], ...] = ()


class Heard(NamedTuple):
    """What a call was told.

    Attributes:
        turns: The messages worth keeping.
        skipped: Parts of messages that cannot be read, each with its ``reason``.
    """

    turns: list[Turn]
    skipped: list[dict[str, Any]]


def heard(messages: object) -> Heard:
    """Return the messages worth keeping: text, one message dict, or a list of either.

    System messages and messages with neither text nor picture (only tool calls) are left out.

    Raises:
        ValidationError: It has another shape, or is beyond a limit.
    """
    if isinstance(messages, (str, Mapping)):
        messages = [messages]
    if not isinstance(messages, Sequence) or isinstance(messages, (bytes, bytearray)):
        raise ValidationError(
            f"messages: expected text, a message dict, or a list of them, not {kind_of(messages)}; "
            "a message is {'role': 'user', 'content': 'text'}"
        )
    if len(messages) > MAX_MESSAGES:
        raise ValidationError(f"messages: {len(messages)} in one call, {MAX_MESSAGES} are allowed; split them")
    found = Heard([], [])
    for number, message in enumerate(messages):
        turn, skipped = _turn(number, message)
        found.skipped.extend(skipped)
        if turn is not None and (turn.text or turn.images):
            found.turns.append(turn)
    return found


def _turn(number: int, message: object) -> tuple[Turn | None, list[dict[str, Any]]]:
    field = f"messages[{number}]"
    if isinstance(message, str):
        message = {"role": "user", "content": message}
    if not isinstance(message, Mapping):
        raise ValidationError(f"{field}: expected text or a message dict, not {kind_of(message)}")
    role = message.get("role")
    if not isinstance(role, str) or not role.strip():
        raise ValidationError(f"{field}['role'] is {quoted(role)}; it is text such as 'user' or 'assistant'")
    name = message.get("name")
    if name is not None and not isinstance(name, str):
        raise ValidationError(f"{field}['name'] is {quoted(name)}; it is text, or left out")
    for key, value in (("role", role), ("name", name)):
        # They stand in the prompt beside the text, and a speaker's name is kept as an id.
        if value and len(value.encode(errors="replace")) > MAX_ID_BYTES:
            raise ValidationError(f"{field}[{key!r}]: over {MAX_ID_BYTES} bytes; it is a word, or a name")
    content, images, skipped = _content(number, message.get("content"))
    text = clean(content)
    if role in _UNSTORED_ROLES:
        return None, []
    if not text.strip():
        text = ""
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise ValidationError(f"{field}: {len(text.encode())} bytes, {MAX_MESSAGE_BYTES} are allowed; split the text")
    return Turn(text, clean(role), clean(name) if name else None, number, tuple(images)), skipped


def _content(number: int, content: object) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the text of a message, its pictures, and the parts that are neither."""
    field = f"messages[{number}]['content']"
    if content is None:
        return "", [], []
    if isinstance(content, str):
        return content, [], []
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, Sequence):
        raise ValidationError(f"{field}: expected text, a list of content parts, or None, not {kind_of(content)}")
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for place, part in enumerate(content):
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, Mapping):
            raise ValidationError(f"{field}[{place}]: expected a content part, not {kind_of(part)}")
        text = part.get("text") or ""
        if not isinstance(text, str):
            raise ValidationError(f"{field}[{place}]['text'] is {kind_of(text)}, not text")
        image = _image(part)
        if image is not None:
            images.append(image)
        elif not text and "text" not in part:
            kind = quoted(part.get("type"))[:40]
            skipped.append({"message": number, "part": place, "reason": f"a part of type {kind} is not read"})
        texts.append(text)
    return "\n".join(text for text in texts if text), images, skipped


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a picture as a content part of OpenAI's chat API, from that or another vendor's form."""
    url = part.get("image_url")
    if isinstance(url, str):
        return {"type": "image_url", "image_url": {"url": url}}
    if isinstance(url, Mapping) and isinstance(url.get("url"), str):
        return {"type": "image_url", "image_url": dict(url)}
    source = part.get("source")
    if part.get("type") != "image" or not isinstance(source, Mapping):
        return None
    if isinstance(source.get("url"), str):
        return {"type": "image_url", "image_url": {"url": source["url"]}}
    data = f"data:{source.get('media_type')};base64,{source.get('data')}"
    return {"type": "image_url", "image_url": {"url": data}}
