"""How much an LLM is asked at once: the conversation in portions, and the memories it is offered with each."""

from __future__ import annotations

from collections.abc import Sequence

from mem0.exceptions import ValidationError
from mem0.memory.adding import prompts
from mem0.memory.adding.messages import Turn
from mem0.types import Record

# Memories the LLM is shown: at most so many, so long together; a longer one it could not rewrite whole.
MOST_OFFERED = 20
_LONGEST_OFFERED = 4_000
_CHARACTERS_OFFERED = 20_000

# With how many texts memories are looked for, and how much of each is looked at.
_PROBES = 4
_PROBE_CHARACTERS = 2_000

# What the description of a picture takes of a prompt at most, and of a small prompt at most this share.
_IMAGE_CHARACTERS = 4_000
_IMAGE_SHARE = 4


def portions(turns: Sequence[Turn], most_characters: int, most_calls: int) -> list[list[Turn]]:
    """Split a conversation into what one call of the LLM takes.

    Raises:
        ValidationError: It takes more calls than are allowed.
    """
    portioned: list[list[Turn]] = [[]]
    room = most_characters
    total = 0
    for turn in turns:
        for piece in _pieces(turn, most_characters):
            size = _size(piece, most_characters)
            total += size
            if size > room and portioned[-1]:
                portioned.append([])
                room = most_characters
            portioned[-1].append(piece)
            room -= size
    if len(portioned) > most_calls:
        raise ValidationError(
            f"messages: {total} characters for the LLM, and one call takes {most_characters} (max_llm_chars); that is "
            f"{len(portioned)} calls, and {most_calls} {'is' if most_calls == 1 else 'are'} allowed (max_llm_calls): "
            "raise one of the two in the configuration, or add it in several calls"
        )
    return portioned


def picture_characters(most: int) -> int:
    """Return how long the description of a picture may be, where one call takes so many characters."""
    return min(_IMAGE_CHARACTERS, most // _IMAGE_SHARE)


def _size(turn: Turn, most: int) -> int:
    return prompts.length(turn) + picture_characters(most) * len(turn.images)


def _pieces(turn: Turn, most: int) -> list[Turn]:
    """Cut a message that is longer than one call takes: between its words, where there are any, and its pictures."""
    if _size(turn, most) <= most:
        return [turn]
    pieces = []
    text = turn.text
    while text:
        end = min(len(text), most)  # as JSON a text is no shorter
        while end > 1 and (size := _size(turn._replace(text=text[:end], images=()), most)) > most:
            end = max(1, end * most // size - 1)
        if end < len(text):
            space = max(text.rfind(" ", end // 2, end), text.rfind("\n", end // 2, end))
            end = space + 1 if space > 0 else end
        pieces.append(turn._replace(text=text[:end], images=()))
        text = text[end:]
    return [*pieces, *(turn._replace(text="", images=(image,)) for image in turn.images)]


def probes(texts: Sequence[str]) -> list[str]:
    """Return a few texts that look for what is already remembered of a conversation."""
    count = min(len(texts), _PROBES)
    groups = [texts[len(texts) * at // count : len(texts) * (at + 1) // count] for at in range(count)]
    return [probe for group in groups if (probe := "\n".join(group)[:_PROBE_CHARACTERS]).strip()]


def offered(found: Sequence[Sequence[Record]]) -> list[Record]:
    """Unite what several probes found, best first, to what the LLM is shown."""
    chosen: dict[str, Record] = {}
    room = _CHARACTERS_OFFERED
    for rank in range(max(map(len, found), default=0)):
        for rows in found:
            row = rows[rank] if rank < len(rows) else None
            text = row.payload.get("data") if row else None
            if row is None or row.id in chosen or not isinstance(text, str) or not text.strip():
                continue
            if len(chosen) < MOST_OFFERED and len(text) <= min(room, _LONGEST_OFFERED):
                chosen[row.id] = row
                room -= len(text)
    return [*chosen.values()]
