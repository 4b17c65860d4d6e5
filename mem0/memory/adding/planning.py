"""From what an LLM wants to the changes of a commit; no I/O, so that each rule can be tested by itself."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mem0.exceptions import ValidationError
from mem0.memory import payloads
from mem0.memory.adding import prompts
from mem0.memory.adding.messages import Turn
from mem0.memory.adding.replies import Item
from mem0.types import Change, ChangeDict, Outcome, Record, Scope

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
        return Change("ADD", str(uuid.uuid4()), payload)

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


# -- before the LLM is asked ------------------------------------------------------------------------


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


# -- after it answered ------------------------------------------------------------------------------


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
        for item in items:
            row = by_id.get(item.id) if item.id is not None and item.event != "ADD" else None
            if item.event == "NONE":
                if row is not None:
                    self.unchanged[row.id] = row
            elif item.event != "ADD" and row is None:
                self._reject(item, "of a memory that was not offered")
            elif item.event == "DELETE":
                self._delete(item, row, turns)
            else:
                self._write(item, row, turns)

    def _delete(self, item: Item, row: Record | None, turns: Sequence[Turn]) -> None:
        assert row is not None
        if row.id in self._touched:
            self._reject(item, "of a memory that the same reply changed")
            return
        self._touched.add(row.id)
        _, verified = _source(item, turns)
        self.steps.append(Step(Change("DELETE", row.id, version=payloads.version(row.payload)), row, verified))

    def _write(self, item: Item, row: Record | None, turns: Sequence[Turn]) -> None:
        if prompts.is_ours(item.text) and not any(_plain(item.text) in _plain(turn.text) for turn in turns):
            self._reject(item, "of words that stand in the instructions, and that nobody said")
            return
        turn, verified = _source(item, turns)
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
            settled.append(replace(step, change=replace(added, vector=change.vector), previous=None))
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


def _source(item: Item, turns: Sequence[Turn]) -> tuple[Turn | None, bool | None]:
    """Return the message a change rests on, and whether its quote was said; it may name a wrong one."""
    named = next((turn for turn in turns if turn.number == item.message), None)
    if item.quote is None:
        return named, None
    quote = _plain(item.quote)
    ordered = [*(turn for turn in turns if turn is named), *turns]
    found = next((turn for turn in ordered if quote and quote in _plain(turn.text)), None)
    return found or named, found is not None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" \"'“”‘’„«»「」『』…")
