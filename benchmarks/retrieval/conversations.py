"""The conversations that retrieval is measured on, from LoCoMo's file or a plain JSONL, in one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

_LOCOMO = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}

#: Questions whose evidence exists though their answer does not; they are reported apart.
UNANSWERABLE = frozenset({"adversarial"})


class Turn(NamedTuple):
    """One thing that was said, or a fact that an LLM made of what was said.

    Attributes:
        id: Its name, once in its conversation.
        text: What was said, with the speaker's name before it where there are two people.
        role: ``user`` or ``assistant``; ``None`` of a fact.
        time: When.
    """

    id: str
    text: str
    role: str | None
    time: datetime


class Question(NamedTuple):
    """A question, and the turns that answer it.

    Attributes:
        text: The question.
        evidence: The ids of the turns.
        category: What kind of question it is.
        asked: When it is asked: what "last week" is follows from it.
    """

    text: str
    evidence: frozenset[str]
    category: str
    asked: datetime


class Conversation(NamedTuple):
    """What one user's memory holds, and what is asked of it."""

    id: str
    turns: list[Turn]
    questions: list[Question]


def read(path: Path) -> list[Conversation]:
    """Read a file of conversations.

    A ``.jsonl`` has one a line: ``{"id", "turns": [{"id", "role", "time", "text"}], "questions": [{"question",
    "evidence": [ids], "category", "asked"?}]}``; without ``asked`` a question is asked at the time of the last turn,
    and a turn without ``role`` is a fact.  A ``.json`` is in the shape of LoCoMo (Maharana et al., "Evaluating Very
    Long-Term Conversational Memory of LLM Agents", 2024, https://github.com/snap-research/locomo), which is not part
    of this repository: ``[{"sample_id", "sessions": [{"date_time", "turns": [{"speaker", "dia_id", "text",
    "blip_caption"?}]}], "qa": [{"question", "evidence", "category"}]}]``.

    Args:
        path: The file.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [_plain(json.loads(line)) for line in text.splitlines()]
    return [_locomo(each) for each in json.loads(text)]


def read_all(paths: Sequence[Path], together: bool = False) -> list[Conversation]:
    """Read several files; ``together`` makes one conversation of all, as if they were one user's."""
    conversations = [conversation for path in paths for conversation in read(path)]
    return [_united(conversations)] if together else conversations


def texts_of(conversations: Sequence[Conversation]) -> list[str]:
    """Return every text there is to embed, once."""
    turns = (turn.text for one in conversations for turn in one.turns)
    questions = (question.text for one in conversations for question in one.questions)
    return list(dict.fromkeys([*turns, *questions]))


def _united(conversations: Sequence[Conversation]) -> Conversation:
    """Return conversations as one, in order of time."""
    turns = sorted(
        (turn._replace(id=f"{one.id} {turn.id}") for one in conversations for turn in one.turns),
        key=lambda turn: turn.time,
    )
    questions = [
        question._replace(evidence=frozenset(f"{one.id} {id}" for id in question.evidence))
        for one in conversations
        for question in one.questions
    ]
    return Conversation("together", turns, questions)


def _plain(found: Mapping[str, Any]) -> Conversation:
    turns = [
        Turn(turn["id"], turn["text"], turn.get("role"), datetime.fromisoformat(turn["time"]))
        for turn in found["turns"]
    ]
    last = turns[-1].time
    questions = [
        Question(
            one["question"],
            frozenset(one["evidence"]),
            one["category"],
            datetime.fromisoformat(one["asked"]) if "asked" in one else last,
        )
        for one in found["questions"]
    ]
    return Conversation(found["id"], turns, questions)


def _locomo(found: Mapping[str, Any]) -> Conversation:
    turns = list(_locomo_turns(found))
    known = {turn.id for turn in turns}
    last = turns[-1].time
    questions = [
        Question(one["question"], frozenset(one["evidence"]) & known, _LOCOMO[one["category"]], last)
        for one in found["qa"]
    ]
    return Conversation(found["sample_id"], turns, [question for question in questions if question.evidence])


def _locomo_turns(found: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turns; those of a session follow each other by a second."""
    for session in found["sessions"]:
        start = datetime.strptime(session["date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=timezone.utc)
        for number, turn in enumerate(session["turns"]):
            text = f"{turn['speaker']}: {turn['text']}"
            if turn.get("blip_caption"):
                text += f" [shares {turn['blip_caption']}]"
            yield Turn(turn["dia_id"], text, "user", start + timedelta(seconds=number))
