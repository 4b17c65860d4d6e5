"""Checking a memory and putting it right, written once: generators, as in :mod:`mem0.memory.conductor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mem0.exceptions import ConfigError
from mem0.memory import checking, payloads
from mem0.memory.checking import Survey
from mem0.memory.operations import Adopt, Embed, Embedded, Inspect, Ledgers, Mend, Recover, Verb
from mem0.times import new_id
from mem0.types import Change, CheckReport, RebuildReport

# Memories that are embedded and stored at once; what was stored before an interruption need not be again.
_AT_ONCE = 64


def check(*, repair: bool, timestamp: str) -> Verb[CheckReport]:
    """Hold the store against itself and against the history, and put right what can be."""
    yield Recover()
    before: Survey = yield Inspect()
    findings = checking.findings_of(before)
    if not repair:
        return checking.report(before, findings)
    repairs = checking.repairs_of(before, findings)
    yield from _stored_anew(repairs.texts)
    recorded = [checking.catching_up(row, last, new_id(), timestamp) for row, last in repairs.recorded]
    deleted = [Change("DELETE", memory_id) for memory_id in repairs.deleted]
    if recorded or deleted:
        yield Mend(deleted, recorded, None)
    after: Survey = yield Inspect()  # what was put right is what is not found again
    left = {(finding.kind, finding.memory_id) for finding in checking.findings_of(after)}
    mended = [finding for finding in findings if (finding.kind, finding.memory_id) not in left]
    return checking.report(after, findings, mended)


def rebuild(*, ledger: str | None) -> Verb[RebuildReport]:
    """Store what the history says is current and the store has not, or has otherwise."""
    yield Recover()
    own, known = yield Ledgers()
    source = _source(own, known, ledger)
    if source not in (None, own):
        yield Adopt(source)
    survey: Survey = yield Inspect()
    wanted = checking.current(survey.latest)
    texts = {row.id: row.payload.get("data") for row in survey.rows}
    missing = {
        memory_id: checking.restored(last)
        for memory_id, last in wanted.items()
        if texts.get(memory_id) != last.new_value
    }
    yield from _stored_anew(missing)
    unknown = tuple(row.id for row in survey.rows if row.id not in survey.latest)
    return RebuildReport(len(wanted), len(missing), unknown)


def _source(own: str, known: list[str], ledger: str | None) -> str | None:
    """Return under which name the history has what is to be rebuilt."""
    if ledger is not None:
        if ledger != own and ledger not in known:
            raise ConfigError(f"ledger={ledger!r}: the history has no such name; it has: {', '.join(known) or 'none'}")
        return ledger
    if own in known or not known:
        return own if own in known else None
    if len(known) > 1:
        raise ConfigError(
            f"the history has nothing of this store, and several others of this collection: name one as ledger=: "
            f"{', '.join(known)}"
        )
    return known[0]


def _stored_anew(texts: Mapping[str, dict[str, Any]]) -> Verb[None]:
    """Embed and store memories as they are, some at a time."""
    every = list(texts.items())
    for start in range(0, len(every), _AT_ONCE):
        some = every[start : start + _AT_ONCE]
        embedded: Embedded = yield Embed([str(payload["data"]) for _, payload in some])
        changes = []
        for at, (memory_id, payload) in enumerate(some):
            if "_mem0" in payload:
                payload = payloads.with_notes(payload, understood=embedded.understood[at], cut=embedded.cut[at])
            changes.append(Change("ADD", memory_id, payload, **embedded.stored(at)))
        yield Mend(changes, [], embedded.embedder)
