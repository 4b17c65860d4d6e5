"""The conversations that retrieval is measured on, from LoCoMo's file or a plain JSONL, in one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

_LOCOMO = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}

#: Questions whose evidence exists though their answer does not; they are reported apart.
UNANSWERABLE = frozenset({"adversarial"})


class Turn(NamedTuple):
    """One thing that was said.

    Attributes:
        id: Its name, once in its conversation.
        text: What was said, with the speaker's name before it where there are two people.
        role: ``user`` or ``assistant``.
        time: When.
    """

    id: str
    text: str
    role: str
    time: datetime


class Question(NamedTuple):
    """A question, and the turns that answer it."""

    text: str
    evidence: frozenset[str]
    category: str


class Conversation(NamedTuple):
    """What one user's memory holds, and what is asked of it."""

    id: str
    turns: list[Turn]
    questions: list[Question]


def read(path: Path) -> list[Conversation]:
    """Read a file of conversations.

    A ``.jsonl`` has one a line: ``{"id", "turns": [{"id", "role", "time", "text"}], "questions": [{"question",
    "evidence": [ids], "category"}]}``.  A ``.json`` is in the shape of LoCoMo (Maharana et al., "Evaluating Very
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


def _plain(found: Mapping[str, Any]) -> Conversation:
    turns = [
        Turn(turn["id"], turn["text"], turn["role"], datetime.fromisoformat(turn["time"])) for turn in found["turns"]
    ]
    questions = [Question(one["question"], frozenset(one["evidence"]), one["category"]) for one in found["questions"]]
    return Conversation(found["id"], turns, questions)


def _locomo(found: Mapping[str, Any]) -> Conversation:
    turns = list(_locomo_turns(found))
    known = {turn.id for turn in turns}
    questions = [
        Question(one["question"], frozenset(one["evidence"]) & known, _LOCOMO[one["category"]]) for one in found["qa"]
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
