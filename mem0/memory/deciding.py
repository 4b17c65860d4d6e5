"""What shall become of changes, given the rows as they are; no I/O, and asked by whoever plans or commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mem0.memory.payloads import fingerprint_of, notes_fit, version
from mem0.times import expires_at
from mem0.types import Change, Outcome, Record, Scope


def decide(
    changes: Sequence[Change], current: Mapping[str, Record], holders: Mapping[str, Sequence[Record]], now: float
) -> list[Outcome]:
    """Return what shall become of each change, given the rows as they are.

    Args:
        changes: The changes, in order; an earlier one counts for those after it.
        current: By id, the rows that UPDATEs and DELETEs name.
        holders: By fingerprint, the rows that hold the text already.
        now: Unix seconds; an expired row holds no text.
    """
    outcomes = []
    # What these rows say now is no reason to leave anything out: it is about to go, wherever in the list.
    changing = {change.id for change in changes if change.event != "ADD" and _is_current(change, current)}
    added: dict[str, Record] = {}
    after: dict[str, Record | None] = {}  # by id, what the changes so far make of the rows they touch
    for change in changes:
        present = after[change.id] if change.id in after else current.get(change.id)
        if change.event != "ADD":
            if present is None:
                outcomes.append(Outcome(change, "missing"))
                continue
            if not _holds(change, present):
                outcomes.append(Outcome(change, "stale", previous=present))
                continue
            if change.event == "NONE":
                outcomes.append(Outcome(change, "unchanged", previous=present))
                continue
        mark = fingerprint_of(change)
        other = None
        # A memory that keeps its text does not become what another one says, though there may be one: of two that say
        # the same, each may hold for a time of its own.
        keeps_text = (
            change.event == "UPDATE"
            and present is not None
            and present.payload.get("data") == change.payload.get("data")
        )
        if mark is not None and not keeps_text:
            same = [row for row in holders.get(mark, ()) if row.id not in changing]
            same += [row for row in (added.get(mark),) if row is not None and after[row.id] is row]
            other = next((row for row in same if row.id != change.id and _outlasts(row, change, now)), None)
        if other is not None:
            outcomes.append(Outcome(change, "duplicate", previous=present, other=other))
            continue
        row = None if change.event == "DELETE" else Record(change.id, change.payload)
        after[change.id] = row
        if mark is not None and row is not None:
            added[mark] = row
        outcomes.append(Outcome(change, previous=present))
    return outcomes


def _is_current(change: Change, current: Mapping[str, Record]) -> bool:
    row = current.get(change.id)
    return row is not None and _holds(change, row)


def _holds(change: Change, row: Record) -> bool:
    """Tell whether a row has the version a change was decided on."""
    return change.version is None or version(row.payload) == change.version


def marks_of(changes: Iterable[Change]) -> dict[str, Scope]:
    """Return the fingerprints that changes would store, each with the identity whose memory it is."""
    return {mark: Scope.of(change.payload) for change in changes if (mark := fingerprint_of(change)) is not None}


def by_fingerprint(rows: Iterable[Record]) -> dict[str, list[Record]]:
    """Return rows by the text they hold, as :func:`decide` wants them; a fingerprint of another text is none."""
    found: dict[str, list[Record]] = {}
    for row in filter(lambda row: notes_fit(row.payload), rows):
        found.setdefault(row.payload["_mem0"]["fingerprint"], []).append(row)
    return found


def _outlasts(row: Record, change: Change, now: float) -> bool:
    """Tell whether a row can stand for a change: one that ends earlier would take the memory with it."""
    end, wanted = expires_at(row.payload), expires_at(change.payload)
    return end is None or (end > now and wanted is not None and wanted <= end)
