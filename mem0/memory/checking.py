"""What a store and its history say of each other, and what puts it right; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mem0.memory import payloads
from mem0.types import CheckReport, Damage, Finding, HistoryRow, Record, Scope

# What is found where other programs write into the collection; nothing is to be done about it.
_OF_OTHERS = "unrecorded"

#: What is no damage: that, and what an earlier version stored without the vectors of its words.
HARMLESS = (_OF_OTHERS, "words")


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything a check looks at, read at one time.

    Attributes:
        rows: Every memory in the store, without vectors.
        damage: What the store finds wrong inside itself.
        latest: By memory, the last thing its history says.
    """

    rows: Sequence[Record]
    damage: Sequence[Damage]
    latest: Mapping[str, HistoryRow]


@dataclass(slots=True)
class Repairs:
    """What is to be written so that store and history are whole, and agree.

    Attributes:
        texts: By memory, the payload of a row that is to be embedded and stored.
        deleted: Memories that the history says were deleted.
        recorded: What the history lacks.
        mended: Which findings that puts right.
    """

    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    recorded: list[tuple[Record, HistoryRow]] = field(default_factory=list)
    mended: list[Finding] = field(default_factory=list)


def findings_of(survey: Survey) -> list[Finding]:
    """Return everything that is wrong, or that only one side knows."""
    found = [Finding(damage.kind, damage.memory_id, damage.detail) for damage in survey.damage]
    there = {row.id for row in survey.rows}
    for row in survey.rows:
        if not _is_whole(row.payload):
            found.append(Finding("text", row.id, "its text is not the one that its hash was made of"))
            continue
        last = survey.latest.get(row.id)
        if last is None:
            found.append(Finding(_OF_OTHERS, row.id, "the history does not know it: another program wrote it"))
        elif last.event == "DELETE":
            found.append(Finding("undeleted", row.id, "the history says that it was deleted"))
        elif last.new_value != row.payload.get("data"):
            found.append(Finding("behind", row.id, "the history says another text than the store"))
    unreadable = {damage.memory_id for damage in survey.damage if damage.kind == "payload"}
    for memory_id, last in survey.latest.items():
        if last.event != "DELETE" and memory_id not in there and memory_id not in unreadable:
            found.append(Finding("lost", memory_id, "the history has it, and the store has not"))
    return found


def repairs_of(survey: Survey, findings: Iterable[Finding]) -> Repairs:
    """Return what puts findings right, as far as it is known what is right.

    A memory whose text fits its hash is believed before the history; one whose text does not is taken from the
    history.  Rows that the history does not know are left as they are.
    """
    repairs = Repairs()
    rows = {row.id: row for row in survey.rows}
    for finding in findings:
        memory_id = finding.memory_id
        row = rows.get(memory_id or "")
        last = survey.latest.get(memory_id or "")
        if memory_id is None or finding.kind == _OF_OTHERS:
            continue
        if finding.kind == "undeleted":
            repairs.deleted.append(memory_id)
        elif finding.kind == "behind" and row is not None and last is not None:
            repairs.recorded.append((row, last))
        elif row is not None and _is_whole(row.payload):  # only what is made of the text is damaged
            repairs.texts[memory_id] = row.payload
        elif last is not None and last.event != "DELETE" and last.new_value is not None:
            repairs.texts[memory_id] = restored(last)
        else:
            continue
        repairs.mended.append(finding)
    return repairs


def restored(last: HistoryRow) -> dict[str, Any]:
    """Return the payload of a memory as its history knows it; older layouts know its text, time and scope."""
    text = str(last.new_value)
    if last.payload is not None:
        return {**last.payload, "data": text}
    return payloads.new_payload(text, last.scope, created_at=last.timestamp, metadata={})


def current(latest: Mapping[str, HistoryRow]) -> dict[str, HistoryRow]:
    """Return, by memory, the last word of the history on those that are not deleted."""
    return {id: row for id, row in latest.items() if row.event != "DELETE" and row.new_value is not None}


def report(survey: Survey, findings: Sequence[Finding], mended: Sequence[Finding] = ()) -> CheckReport:
    """Return what users are told of a check."""
    return CheckReport(
        memories=len(survey.rows),
        recorded=len(survey.latest),
        findings=tuple(finding._replace(repaired=finding in mended) for finding in findings),
        ok=all(finding.kind in HARMLESS or finding in mended for finding in findings),
    )


def catching_up(row: Record, last: HistoryRow, id: str, timestamp: str) -> HistoryRow:
    """Return the row that brings a history up to what the store says."""
    text = row.payload.get("data")
    return HistoryRow(
        id,
        row.id,
        last.new_value,
        text,
        "UPDATE",
        timestamp,
        0,
        last.collection,
        Scope.of(row.payload),
        {key: value for key, value in row.payload.items() if key != "data"},
    )


def _is_whole(payload: Mapping[str, Any]) -> bool:
    """Tell whether a text fits its hash; a row without one cannot tell."""
    noted, text = payload.get("hash"), payload.get("data")
    return noted is None or (isinstance(text, str) and payloads.text_hash(text) == noted)
