"""What each verb does, written once: generators that yield the I/O they want and return the result.

``add`` has a room of its own, :mod:`mem0.memory.adding`.

Nothing here touches the world.  :mod:`mem0.memory.runners` drives these, blocking or awaiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mem0.exceptions import (
    ConflictError,
    DuplicateMemoryError,
    MemoryNotFoundError,
    StorageError,
    WriteVetoedError,
)
from mem0.history.sqlite import as_dict
from mem0.memory import approving, inputs, payloads, ranking
from mem0.memory.operations import (
    Approve,
    Commit,
    Compact,
    Delete,
    Embed,
    Embedded,
    Fetch,
    Find,
    Get,
    List,
    Pack,
    ReadHistory,
    Recover,
    Rerank,
    Reranked,
    Reset,
    Verb,
)
from mem0.memory.threshold import Threshold, below
from mem0.text import clean
from mem0.traits import Fading
from mem0.types import (
    Change,
    Context,
    DeletionDict,
    HistoryDict,
    MemoryDict,
    MemoryList,
    ProposedChange,
    Record,
    Scope,
)
from mem0.vector_stores.base import Candidates, Query

logger = logging.getLogger(__name__)

# How often an update is decided anew when the memory changed under it.
_ATTEMPTS = 5

# How many candidates a reranker is given at least: what it is to bring to the front may stand far down.
_RERANKED = 50


def search(
    query: str,
    reading: inputs.Reading,
    *,
    limit: int,
    threshold: Threshold,
    explain: bool,
    periods: Sequence[tuple[float, float]],
    fading: Fading | None,
    alive_at: float | None,
    reranks: bool = False,
) -> Verb[MemoryList[MemoryDict]]:
    """Find the memories that answer a question, best first."""
    question = clean(query)
    if not question.strip():
        return MemoryList()
    embedded: Embedded = yield Embed([question], only_understood=True)
    wide = max(limit, _RERANKED) if reranks else limit
    candidates = yield Find(
        Query(
            reading.scope,
            question,
            limit=wide,
            filters=reading.filters,
            alive_at=alive_at,
            periods=periods,
            fading=fading,
            **embedded.asked(0),
        )
    )
    failed = None
    if reranks:
        # What a number cuts is the reranker's score, which is not there yet.
        before = None if isinstance(threshold, float) else threshold
        found = yield from _fetched(candidates, ranking.rank(candidates, wide, before, explain=explain), explain)
        if not found:
            return found
        answer: Reranked = yield Rerank(question, [memory["memory"] for memory in found])
        failed = answer.error
        if failed is None:
            return _reranked(found, answer.scores, limit, threshold, explain)
        # Told with the result, whose order is the usual one.  What the error says may hold text of memories.
        reason = type(failed.__cause__ or failed).__name__
        logger.warning("reranking failed (%s): a search has the order without; see its .rerank_error", reason)
    found = yield from _fetched(candidates, ranking.rank(candidates, limit, threshold, explain=explain), explain)
    found.rerank_error = failed
    return found


def _fetched(candidates: Candidates, ranked: ranking.Ranked, explain: bool) -> Verb[MemoryList[MemoryDict]]:
    """Return the best candidates as users get them."""
    found: MemoryList[MemoryDict] = MemoryList((), total=ranked.total)
    explainer = ranking.Explainer(candidates) if explain else None
    rows: list[Record | None] = yield Fetch(ranked.keys)
    for row, position, score in zip(rows, ranked.positions, ranked.scores, strict=True):
        if row is None:
            continue  # deleted since it was found
        memory = payloads.public(row)
        memory["score"] = score
        if explainer is not None:
            memory["explain"] = explainer.of(position, row.payload)
        found.append(memory)
    if ranked.left_out:
        left: list[Record | None] = yield Fetch([one.key for one in ranked.left_out])
        found.dropped = [
            _dropped(row.id, row.payload.get("data"), one.score, one.reason)
            for row, one in zip(left, ranked.left_out, strict=True)
            if row is not None
        ]
    return found


def _reranked(
    found: MemoryList[MemoryDict], scores: Sequence[float], limit: int, threshold: Threshold, explain: bool
) -> MemoryList[MemoryDict]:
    """Return memories by the reranker's score, which becomes theirs; equal ones stay in rank order."""
    for memory, score in zip(found, scores, strict=True):
        memory["score"] = score
        if explain:
            memory["explain"]["rerank"] = score
    best = sorted(found, key=lambda memory: -memory["score"])
    result = MemoryList(best[:limit], total=found.total)
    result.dropped = found.dropped
    if isinstance(threshold, float):
        result[:] = [memory for memory in best if memory["score"] >= threshold][:limit]
        if explain:
            result.dropped = [
                _dropped(one["id"], one["memory"], one["score"], below(one["score"], threshold))
                for one in best[:limit]
                if one["score"] < threshold
            ]
    return result


def _dropped(id: str, memory: Any, score: float, reason: str) -> dict[str, Any]:
    """Return what is told of a memory that a threshold leaves out."""
    return {"id": id, "memory": memory, "score": score, "reason": reason}


def context(
    searching: Verb[MemoryList[MemoryDict]], *, max_tokens: int, count_tokens: Callable[[str], int]
) -> Verb[Context]:
    """Pack what a search finds into a text for a prompt."""
    found = yield from searching
    if not found:
        return Context("", found)
    return (yield Pack(found, max_tokens, count_tokens))  # type: ignore[no-any-return]


def get_all(
    reading: inputs.Reading, *, limit: int, offset: int, alive_at: float | None
) -> Verb[MemoryList[MemoryDict]]:
    """List memories, newest first."""
    filters: dict[str, Any] = dict(reading.scope.ids())
    if reading.filters:
        filters["AND"] = [reading.filters]
    rows, total = yield List(filters or None, limit, offset, alive_at)
    return MemoryList(map(payloads.public, rows), total=total)


def get(memory_id: str, scope: Scope) -> Verb[MemoryDict | None]:
    """Return one memory of the scope, or ``None``."""
    row = yield Get(memory_id)
    return payloads.public(row) if row is not None and scope.covers(row.payload) else None


def update(
    memory_id: str, scope: Scope, *, text: str | None, metadata: Mapping[str, Any], now: str
) -> Verb[MemoryDict]:
    """Change a memory's text, metadata, or both."""
    yield Recover()
    embedded: Any = None
    is_approved = False
    for _ in range(_ATTEMPTS):
        row: Record = yield from _present(memory_id, scope)
        if not is_approved:
            text, metadata = yield from _update_approved(row, text, metadata)
            is_approved = True
        same_text = text is None or text == row.payload.get("data")
        if not same_text and embedded is None:
            embedded = yield Embed([str(text)])

        if same_text:
            # No vector is made anew, so a text that was named must still be the row's when the commit finds it.
            version = None if text is None else payloads.version(row.payload)
            change = Change("UPDATE", memory_id, version=version, patch=partial(_annotated, metadata=metadata, now=now))
        else:
            patch = partial(_rewritten, text=str(text), metadata=metadata, now=now, embedded=embedded)
            change = Change("UPDATE", memory_id, patch=patch, **embedded.stored(0))
        (outcome,) = yield Commit([change], None if same_text else embedded.embedder)
        if outcome.status == "missing":
            raise _not_found(memory_id)
        if outcome.status == "unchanged":
            return payloads.public(outcome.previous)
        if outcome.status == "duplicate":
            raise DuplicateMemoryError(
                f"memory {outcome.other.id!r} already says this; memory {memory_id!r} was left as it is: "
                "delete one of them, or choose another text"
            )
        if outcome.status == "applied":
            return payloads.public(Record(memory_id, outcome.change.payload))
    raise ConflictError(f"memory {memory_id!r} kept changing while it was being updated; nothing was stored, try again")


def delete(memory_id: str, scope: Scope, *, purge: bool) -> Verb[DeletionDict]:
    """Delete one memory; with ``purge`` also one that was deleted before, from the history."""
    yield Recover()
    row = yield Get(memory_id)
    if row is None and purge:
        # Of a memory that is gone, the history says whose it was.
        history = yield ReadHistory(memory_id)
        known = bool(history) and all(scope.covers(entry.scope) for entry in history)
    else:
        known = row is not None and scope.covers(row.payload)
    if not known:
        raise _not_found(memory_id)
    yield from _approved(approving.proposed("DELETE", id=memory_id, previous=row.payload if row else None, scope=scope))
    outcomes, removed = yield Delete(memory_id, purge)
    if not outcomes and not removed:
        raise _not_found(memory_id)
    for outcome in outcomes:
        if outcome.status == "failed":
            raise StorageError(
                f"memory {memory_id!r} could not be deleted, it is still there: {outcome.error}"
            ) from outcome.error
    return (yield from _deletion("Memory deleted", len(outcomes), [], removed, purge))


def delete_all(scope: Scope, *, purge: bool) -> Verb[DeletionDict]:
    """Delete all memories of a scope."""
    yield from _approved(approving.proposed("DELETE_ALL", scope=scope))
    outcomes, removed = yield Delete(scope, purge)
    failed = [outcome.change.id for outcome in outcomes if outcome.status == "failed"]
    return (yield from _deletion("Memories deleted", len(outcomes) - len(failed), failed, removed, purge))


def reset(*, purge: bool) -> Verb[DeletionDict]:
    """Delete everything in the collection, and its history."""
    yield from _approved(approving.proposed("RESET"))
    deleted, removed = yield Reset(purge)
    return (yield from _deletion("Collection reset", deleted, [], removed, purge))


def history(memory_id: str, scope: Scope) -> Verb[list[HistoryDict]]:
    """Return a memory's changes, oldest first; of a stranger's, none."""
    rows = yield ReadHistory(memory_id)
    return [as_dict(row) for row in rows if scope.covers(row.scope)]


# -- what several verbs do --------------------------------------------------------------------------


def _approved(change: ProposedChange) -> Verb[ProposedChange]:
    """Show the only change of a call to the hook, and return it as it lets it through."""
    (answer,) = yield Approve([change])
    if answer is None:
        raise WriteVetoedError(f"{change['event']}: on_before_write left it out; nothing was written")
    return answer  # type: ignore[no-any-return]


def _update_approved(
    row: Record, text: str | None, metadata: Mapping[str, Any]
) -> Verb[tuple[str | None, Mapping[str, Any]]]:
    """Return the text and the metadata of an update as the hook lets them through."""
    asked = approving.proposed(
        "UPDATE",
        id=row.id,
        memory=str(row.payload.get("data", "")) if text is None else text,
        previous=row.payload,
        metadata=metadata,
        scope=Scope.of(row.payload),
    )
    answer = yield from _approved(asked)
    changed = answer["memory"] != asked["memory"]
    return (answer["memory"] if changed else text), answer.get("metadata", {})


def _present(memory_id: str, scope: Scope) -> Verb[Record]:
    row = yield Get(memory_id)
    if row is None or not scope.covers(row.payload):
        raise _not_found(memory_id)
    return row  # type: ignore[no-any-return]


def _annotated(payload: Mapping[str, Any], *, metadata: Mapping[str, Any], now: str) -> dict[str, Any] | None:
    new = payloads.patched(payload, None, metadata, now)
    return None if payloads.same_but_for_time(new, payload) else new


def _rewritten(
    payload: Mapping[str, Any], *, text: str, metadata: Mapping[str, Any], now: str, embedded: Embedded
) -> dict[str, Any]:
    new = payloads.patched(payload, text, metadata, now)
    return payloads.with_notes(new, understood=embedded.understood[0], cut=embedded.cut[0])


def _deletion(message: str, deleted: int, failed: list[str], removed: int, purge: bool) -> Verb[DeletionDict]:
    result: DeletionDict = {"message": message, "deleted": deleted, "failed": failed}
    if purge:
        try:
            complete = (yield Compact()) and not failed
        except StorageError as error:
            # The memories are gone: an error would have the caller try again, and be told that there are none.
            logger.warning("what was purged may still be in free pages, until a later purge (%s)", error)
            complete = False
        result["receipt"] = {"memories": deleted, "history_rows": removed, "complete": complete}
    return result


def _not_found(memory_id: str) -> MemoryNotFoundError:
    return MemoryNotFoundError(f"memory_id={memory_id!r}: no such memory here; it may be deleted, or of another scope")
