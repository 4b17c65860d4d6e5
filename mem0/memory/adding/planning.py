"""From what an LLM wants to the changes of a commit; no I/O, so that each rule can be tested by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from mem0.languages import normalized
from mem0.memory import payloads
from mem0.memory.adding import prompts
from mem0.memory.adding.messages import Turn
from mem0.memory.adding.replies import Item
from mem0.times import moment, new_id
from mem0.types import Change, ChangeDict, Outcome, Record, Scope


@dataclass(frozen=True)
class Said:
    """What one call of ``add`` was told, whose it is, and when it was said.

    Attributes:
        turns: The messages.
        skipped: Parts that could not be read.
        identity: Whose memories these become.
        metadata: The user's own data, for each of them.
        created_at: When it was said.
        expiration_date: How long they hold.
        dry_run: Whether nothing is to be stored.
        wall: The wall clock, as it is stored.
        now: The same in Unix seconds.
    """

    turns: Sequence[Turn]
    skipped: Sequence[dict[str, Any]]
    identity: Scope
    metadata: Mapping[str, Any]
    created_at: str
    expiration_date: str | None
    dry_run: bool
    wall: str
    now: float

    @property
    def when(self) -> datetime:
        """When it was said."""
        return moment("created_at", self.created_at)

    def new(self, text: str, turn: Turn | None = None, actor_id: str | None = None) -> Change:
        """Return the change that adds a memory: a turn as it was said, or what was distilled."""
        payload = payloads.new_payload(
            text,
            self.identity,
            created_at=self.created_at,
            metadata=self.metadata,
            role=turn.role if turn else None,
            actor_id=turn.actor_id if turn else actor_id,
            expiration_date=self.expiration_date,
        )
        return Change("ADD", new_id(), payload)

    def superseding(self, row: Record, text: str, actor_id: str | None) -> dict[str, Any]:
        """Return the payload that replaces a memory."""
        return payloads.superseded(
            row.payload,
            text,
            self.metadata,
            self.wall,
            expiration_date=self.expiration_date,
            actor_id=actor_id,
        )


@dataclass(frozen=True)
class Step:
    """One change of a plan.

    Attributes:
        change: What the commit shall do.
        previous: The memory it was decided on, for UPDATE and DELETE.
        verified: Whether the words it rests on were said; ``None`` where none were quoted.
        other: For a DELETE: the memory that says already what the deleted one should have become.
        order: Where it stands in what users are told.
    """

    change: Change
    previous: Record | None = None
    verified: bool | None = None
    other: Record | None = None
    order: int = 0


class Spoken(NamedTuple):
    """A message, and its text in the form in which quotes are looked for."""

    turn: Turn
    plain: str


class Plan:
    """The changes of one ``add``, portion by portion: each memory is changed once at most.

    Attributes:
        steps: The changes.
        unchanged: Memories that say already what was said.
        rejected: What cannot be done, each with its ``reason``.
    """

    def __init__(self, said: Said) -> None:
        self.said = said
        self.steps: list[Step] = []
        self.unchanged: dict[str, Record] = {}
        self.rejected: list[dict[str, Any]] = []
        self._touched: set[str] = set()

    def take(self, items: Sequence[Item], rows: Sequence[Record], turns: Sequence[Turn]) -> None:
        """Add what the LLM wants, given the memories it was offered and the messages it was shown."""
        by_id = {row.id: row for row in rows} | {str(number): row for number, row in enumerate(rows)}
        spoken = [Spoken(turn, _plain(turn.text)) for turn in turns]
        for item in items:
            row = by_id.get(item.id) if item.id is not None else None
            if item.event == "ADD":
                self._write(item, None, spoken)
            elif item.event == "NONE":
                if row is not None:
                    self.unchanged[row.id] = row
            elif row is None:
                self._reject(item, "of a memory that was not offered")
            elif item.event == "DELETE":
                self._delete(item, row, spoken)
            else:
                self._write(item, row, spoken)

    def _delete(self, item: Item, row: Record, spoken: Sequence[Spoken]) -> None:
        if row.id in self._touched:
            self._reject(item, "of a memory that the same reply changed")
            return
        self._touched.add(row.id)
        _, verified = _source(item, spoken)
        self.steps.append(Step(Change("DELETE", row.id, version=payloads.version(row.payload)), row, verified))

    def _write(self, item: Item, row: Record | None, spoken: Sequence[Spoken]) -> None:
        if prompts.is_ours(item.text) and not any(_plain(item.text) in one.plain for one in spoken):
            self._reject(item, "of words that stand in the instructions, and that nobody said")
            return
        turn, verified = _source(item, spoken)
        actor = turn.actor_id if turn else None
        if row is not None and row.id in self._touched:
            row = None  # one memory that became two: the second is a memory of its own, so nothing is lost
        if row is None:
            change = self.said.new(item.text, actor_id=actor)
        else:
            # Of a message that is not known, the speaker is not known either; the old one stays then.
            payload = self.said.superseding(row, item.text, actor if turn else row.payload.get("actor_id"))
            if payloads.says_the_same(payload, row.payload):
                self.unchanged[row.id] = row
                return
            self._touched.add(row.id)
            change = Change("UPDATE", row.id, payload, version=payloads.version(row.payload))
        if item.quote is not None:
            change = replace(change, payload=payloads.with_source(change.payload, item.quote, verified=bool(verified)))
        self.steps.append(Step(change, row, verified))

    def _reject(self, item: Item, reason: str) -> None:
        known = {key: value for key, value in item._asdict().items() if value not in (None, "")}
        self.rejected.append({**known, "reason": f"{item.event} {reason}"})


def settle(plan: Plan, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> list[Step]:
    """Decide anew on steps whose memory is not what it was when they were decided on.

    Args:
        plan: Notes what is rejected.
        steps: The steps.
        outcomes: What became of each in store, or would.

    Returns:
        The steps as they are to be tried next; the same ones where nothing stood in the way.
    """
    settled: list[Step] = []
    for step, outcome in zip(steps, outcomes, strict=True):
        change = step.change
        if change.event == "UPDATE" and outcome.status == "duplicate":
            # Another memory says this already: the old one goes, or what no longer holds would stay.
            gone = Change("DELETE", change.id, version=change.version)
            settled.append(replace(step, change=gone, other=outcome.other))
        elif change.event == "UPDATE" and outcome.status == "missing":
            # What was said is still true, only there is nothing left to replace.
            added = plan.said.new(change.payload["data"], actor_id=change.payload.get("actor_id"))
            settled.append(
                replace(step, change=replace(added, vector=change.vector, tokens=change.tokens), previous=None)
            )
        elif change.event == "DELETE" and outcome.status == "missing":
            continue  # somebody else deleted it
        elif outcome.status == "stale":
            settled += _rebased(plan, step, outcome.previous)
        else:
            settled.append(step)
    return settled


def _rebased(plan: Plan, step: Step, row: Record | None) -> list[Step]:
    """Return a step as it is after its memory was changed by somebody else."""
    assert row is not None
    assert step.previous is not None
    change, version = step.change, payloads.version(row.payload)
    same = row.payload.get("data") == step.previous.payload.get("data")
    if change.event == "DELETE" and not same:
        plan.rejected.append(
            {"event": "DELETE", "memory_id": row.id, "reason": "DELETE of a memory that says something else by now"}
        )
        return []
    if change.event == "DELETE":
        return [replace(step, change=replace(change, version=version), previous=row)]
    # The later one replaces what the earlier one wrote; history has both.
    payload = plan.said.superseding(row, change.payload["data"], change.payload.get("actor_id"))
    payload = payloads.with_notes_of(payload, change.payload)
    return [replace(step, change=replace(change, payload=payload, version=version), previous=row)]


def told(plan: Plan, steps: Sequence[Step], outcomes: Sequence[Outcome]) -> list[ChangeDict]:
    """Return what users are told of a plan that was carried out."""
    results: list[ChangeDict] = []
    reported = {step.change.id for step in steps}
    for step, outcome in zip(steps, outcomes, strict=True):
        if outcome.other is not None:
            results.append(unchanged(outcome.other))
            continue
        before: str | None = outcome.previous.payload.get("data", "") if outcome.previous else None
        # Of a deleted memory there is only what it said.
        text: str = outcome.change.payload.get("data", before or "")
        result: ChangeDict = {"id": outcome.change.id, "memory": text, "event": outcome.change.event}
        if before is not None:
            result["previous_memory"] = before
        if step.verified is not None:
            result["verified"] = step.verified
        results.append(result)
        if step.other is not None:
            results.append(unchanged(step.other))
    results += [unchanged(row) for row in plan.unchanged.values() if row.id not in reported]
    return results


def unchanged(row: Record) -> ChangeDict:
    """Return what users are told of a memory that was there already."""
    return {"id": row.id, "memory": row.payload.get("data", ""), "event": "NONE"}


def _source(item: Item, spoken: Sequence[Spoken]) -> tuple[Turn | None, bool | None]:
    """Return the message a change rests on, and whether its quote was said; it may name a wrong one."""
    named = next((one.turn for one in spoken if one.turn.number == item.message), None)
    if item.quote is None:
        return named, None
    quote = _plain(item.quote)
    ordered = sorted(spoken, key=lambda one: one.turn is not named)  # first the one it names
    found = next((one.turn for one in ordered if quote and quote in one.plain), None)
    return found or named, found is not None


def _plain(text: str) -> str:
    return " ".join(normalized("NFKC", text).casefold().split()).strip(" \"'“”‘’„«»「」『』…")
