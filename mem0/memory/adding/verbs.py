"""What ``add`` does, written once: verbatim, in one pass, in two, and as the summary of an agent's run.

Generators that yield the I/O they want, as in :mod:`mem0.memory.conductor`.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mem0.exceptions import LLMResponseError
from mem0.llms.base import Reply
from mem0.memory import approving, payloads, ranking
from mem0.memory.adding import prompts, replies
from mem0.memory.adding.asking import MOST_OFFERED, offered, picture_characters, portions, probes
from mem0.memory.adding.messages import Turn
from mem0.memory.adding.planning import Plan, Said, Step, settle, told
from mem0.memory.deciding import by_fingerprint, decide, marks_of
from mem0.memory.inputs import Reading
from mem0.memory.operations import Approve, Ask, Commit, Embed, Embedded, Fetch, Find, Holders, Recover, Verb
from mem0.types import ChangeDict, MemoryList, Outcome, ProposedChange, Record, Scope
from mem0.vector_stores.base import Query

Result = TypeVar("Result")

# How often a step is decided anew because its memory changed meanwhile; the next time it is rejected.
_RECONSIDERED = 1
_LOST = ("stale", "missing")


@dataclass(frozen=True)
class Guidance:
    """How the LLM is to be asked.

    Attributes:
        reading: Which memories it is offered, and may replace.
        instructions: What the application wants besides.
        merge_instructions: The same for the second of two passes.
        max_llm_chars: Characters of conversation that one call takes.
        max_llm_calls: Over how many calls a longer one may be split.
        vision: How closely it looks at pictures; ``None`` where it describes none.
    """

    reading: Reading
    instructions: Sequence[str]
    merge_instructions: Sequence[str]
    max_llm_chars: int
    max_llm_calls: int
    vision: str | None


def verbatim(said: Said) -> Verb[MemoryList[ChangeDict]]:
    """Keep every message as it is; what is there already is reported and not stored again."""
    plan = _plan(said, sees=False)
    turns = [turn for turn in said.turns if turn.text]
    return (yield from _carried_out(plan, [Step(said.new(turn.text, turn)) for turn in turns]))


def single_pass(said: Said, guidance: Guidance) -> Verb[MemoryList[ChangeDict]]:
    """Have an LLM say, in one call, which changes the conversation makes to the memories closest to it."""
    plan = _plan(said, sees=guidance.vision is not None)
    portioned = yield from _portioned(said, guidance)
    found = yield from _neighbourhoods([[turn.text for turn in turns] for turns in portioned], guidance.reading, said)
    for turns, rows in zip(portioned, found, strict=True):
        read = yield from _answered(
            prompts.single_pass(turns, rows, said.when, guidance.instructions), replies.changes, json_reply=True
        )
        plan.rejected += read.rejected
        plan.take(read.items, rows, turns)
    return (yield from _carried_out(plan, plan.steps))


def two_pass(said: Said, guidance: Guidance) -> Verb[MemoryList[ChangeDict]]:
    """Have an LLM note the facts of a conversation, then merge them into what is there by calling tools."""
    plan = _plan(said, sees=guidance.vision is not None)
    portioned = yield from _portioned(said, guidance)
    facts: list[str] = []
    for turns in portioned:
        facts += yield from _answered(
            prompts.extraction(turns, said.when, guidance.instructions), replies.facts, json_reply=True
        )
    if not facts:
        return (yield from _carried_out(plan, []))
    (rows,) = yield from _neighbourhoods([facts], guidance.reading, said)
    read = yield from _answered(
        prompts.merging(facts, rows, said.when, guidance.merge_instructions), replies.changes, tools=prompts.TOOLS
    )
    plan.rejected += read.rejected
    plan.take(read.items, rows, [turn for turns in portioned for turn in turns])
    return (yield from _carried_out(plan, plan.steps))


def procedure(said: Said, guidance: Guidance) -> Verb[MemoryList[ChangeDict]]:
    """Have an LLM write down what an agent did, and keep that as one memory."""
    plan = _plan(said, sees=guidance.vision is not None)
    summaries = []
    for turns in (yield from _portioned(said, guidance)):
        summaries.append(
            (yield from _answered(prompts.procedure(turns, said.when, guidance.instructions), replies.summary))
        )
    steps = [Step(said.new("\n\n".join(summaries)))] if summaries else []
    return (yield from _carried_out(plan, steps))


# -- asking the LLM ---------------------------------------------------------------------------------


def _plan(said: Said, sees: bool) -> Plan:
    """Return an empty plan that says already which parts of the messages are not read."""
    plan = Plan(said)
    plan.rejected += said.skipped
    if not sees:
        plan.rejected += [
            {"message": turn.number, "reason": "a picture is not read: no LLM with enable_vision takes part"}
            for turn in said.turns
            for _ in turn.images
        ]
    return plan


def _portioned(said: Said, guidance: Guidance) -> Verb[list[list[Turn]]]:
    """Return the conversation in portions for one call each, pictures described."""
    vision = guidance.vision
    turns = [turn._replace(images=()) if vision is None else turn for turn in said.turns]
    turns = [turn for turn in turns if turn.text or turn.images]
    if not turns:
        return []
    # Before anything is spent, with room for what will be said of the pictures.
    portioned = portions(turns, guidance.max_llm_chars, guidance.max_llm_calls)
    described: list[list[Turn]] = []
    for portion in portioned:
        described.append([])
        for turn in portion:
            described[-1].append((yield from _described(turn, vision, picture_characters(guidance.max_llm_chars))))
    return described


def _described(turn: Turn, vision: str | None, most: int) -> Verb[Turn]:
    texts = [turn.text] if turn.text else []
    for image in turn.images:
        seen = yield from _answered(prompts.description(image, vision), replies.summary)
        texts.append(f"[picture: {' '.join(seen.split())[:most]}]")
    return turn._replace(text="\n".join(texts), images=())


def _answered(
    messages: list[dict[str, Any]],
    read: Callable[[Reply], Result],
    *,
    json_reply: bool = False,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> Verb[Result]:
    """Ask, and once more where the reply cannot be used."""
    try:
        return read((yield Ask(messages, json_reply, tools)))
    except LLMResponseError as error:
        reply = error.reply or ""
    return read((yield Ask(prompts.again(messages, reply), json_reply, tools)))


def _neighbourhoods(texts: Sequence[Sequence[str]], reading: Reading, said: Said) -> Verb[list[list[Record]]]:
    """Return for each group of texts the memories closest to it, with one call of the embedder."""
    asked = [probes(group) for group in texts]
    every = [probe for group in asked for probe in group]
    if not every:
        return []
    yield Recover()
    embedded: Embedded = yield Embed(every, only_understood=True)
    found: list[list[Record]] = []
    at = 0
    for group in asked:
        ranked: list[list[Record]] = []
        for probe in group:
            query = Query(
                reading.scope,
                probe,
                limit=MOST_OFFERED,
                filters=reading.filters,
                alive_at=said.now,
                **embedded.asked(at),
            )
            candidates = yield Find(query)
            rows = yield Fetch(ranking.rank(candidates, MOST_OFFERED, None).keys)
            ranked.append([row for row in rows if row is not None])
            at += 1
        found.append(offered(ranked))
    return found


# -- storing ----------------------------------------------------------------------------------------


def _carried_out(plan: Plan, steps: list[Step]) -> Verb[MemoryList[ChangeDict]]:
    """Leave out what is there already, embed the rest at once, and commit all of it together."""
    steps = yield from _approved(plan, steps)
    steps, planned = yield from _decided(plan, steps)
    if not plan.said.dry_run:
        steps, planned = yield from _committed(plan, steps, planned)
    return MemoryList(told(plan, steps, planned), rejected=plan.rejected)


def _approved(plan: Plan, steps: list[Step]) -> Verb[list[Step]]:
    """Show the steps to the hook, and return them as it lets them through."""
    asked = [
        approving.proposed(
            step.change.event,
            id=step.change.id,
            memory=step.change.payload.get("data"),
            previous=step.previous.payload if step.previous else None,
            metadata=None if step.change.event == "DELETE" else approving.own_metadata(step.change.payload),
            scope=Scope.of(step.change.payload or (step.previous.payload if step.previous else {})),
        )
        for step in steps
    ]
    answer: list[ProposedChange | None] = yield Approve(asked)
    let_through = []
    for step, before, after in zip(steps, asked, answer, strict=True):
        if after is None:
            plan.rejected.append({**before, "reason": "on_before_write left it out"})
        elif step.change.event == "DELETE" or after == before:
            let_through.append(step)
        else:
            payload = payloads.approved(step.change.payload, after["memory"], after.get("metadata", {}))
            let_through.append(replace(step, change=replace(step.change, payload=payload)))
    return let_through


def _decided(plan: Plan, steps: list[Step]) -> Verb[tuple[list[Step], list[Outcome]]]:
    """Decide on the rows as they were offered, so that nothing is embedded in vain."""
    steps = [replace(step, order=order) for order, step in enumerate(steps)]
    marks = marks_of(step.change for step in steps)
    holders = by_fingerprint((yield Holders(marks))) if marks else {}
    rows = {step.previous.id: step.previous for step in steps if step.previous is not None}
    while True:
        planned = decide([step.change for step in steps], rows, holders, plan.said.now)
        settled = settle(plan, steps, planned)
        if _same(settled, steps):
            return steps, planned
        steps = settled


def _committed(plan: Plan, steps: list[Step], planned: list[Outcome]) -> Verb[tuple[list[Step], list[Outcome]]]:
    """Embed and commit what is not there yet; what changed under the plan is decided anew, once."""
    pairs = [*zip(steps, planned, strict=True)]
    known = [(step, outcome) for step, outcome in pairs if outcome.status != "applied"]
    trying = [step for step, outcome in pairs if outcome.status == "applied"]
    texts = [step.change.payload["data"] for step in trying if step.change.event != "DELETE"]
    embedded: Embedded | None = (yield Embed(texts)) if texts else None
    if embedded is not None:
        trying = _with_vectors(trying, embedded)
    done: list[Outcome] = []
    attempt = 0
    while trying:
        done = yield Commit([step.change for step in trying], embedded and embedded.embedder, whole=True)
        settled = settle(plan, trying, done) if attempt < _RECONSIDERED else _given_up(plan, trying, done)
        if _same(settled, trying):
            break
        trying, done, attempt = settled, [], attempt + 1
    fate = {step.change.id: outcome for step, outcome in zip(trying, done, strict=True)}
    every = [*((step, _as_committed(outcome, fate)) for step, outcome in known), *zip(trying, done, strict=True)]
    every.sort(key=lambda pair: pair[0].order)
    return [step for step, _ in every], [outcome for _, outcome in every]


def _given_up(plan: Plan, steps: list[Step], outcomes: list[Outcome]) -> list[Step]:
    """Return the steps without those whose memory changed once more."""
    pairs = [*zip(steps, outcomes, strict=True)]
    for step, outcome in pairs:
        if outcome.status in _LOST:
            reason = "the memory kept changing meanwhile"
            plan.rejected.append({"event": step.change.event, "memory_id": step.change.id, "reason": reason})
    left = [(step, outcome) for step, outcome in pairs if outcome.status not in _LOST]
    return settle(plan, [step for step, _ in left], [outcome for _, outcome in left])


def _same(some: list[Step], others: list[Step]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _with_vectors(steps: list[Step], embedded: Embedded) -> list[Step]:
    """Give each step that has a text its vector, in order."""
    places = itertools.count()
    made = []
    for step in steps:
        change = step.change
        if change.event != "DELETE":
            at = next(places)
            payload = payloads.with_notes(change.payload, understood=embedded.understood[at], cut=embedded.cut[at])
            step = replace(step, change=replace(change, payload=payload, **embedded.stored(at)))
        made.append(step)
    return made


def _as_committed(outcome: Outcome, committed: Mapping[str, Outcome]) -> Outcome:
    """Return what became of a planned change; one that repeats another of its call shares that one's fate."""
    first = committed.get(outcome.other.id) if outcome.other else None
    return outcome if first is None or first.other is None else replace(outcome, other=first.other)
