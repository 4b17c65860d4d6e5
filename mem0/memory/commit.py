"""Changing store and history together: decided, carried out and recorded as one thing, or not at all.

Where both stand on the same file, that is one transaction.  Otherwise the history keeps a journal:
how to undo a commit is written down before the store is touched, and struck out in the transaction
that records it.  What a crash leaves behind is undone by whoever commits or opens next; the call that
was cut off had not been acknowledged.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mem0.exceptions import ConflictError, Mem0Error, StorageError
from mem0.history.base import HistoryBase, Intent
from mem0.memory.payloads import fingerprint_of, version
from mem0.times import expires_at
from mem0.types import Change, Embedder, HistoryRow, Outcome, Record, Scope

if TYPE_CHECKING:
    from mem0.vector_stores.base import VectorStoreBase

Result = TypeVar("Result")

# How often a commit starts anew because another process undid its intent in between.
_ATTEMPTS = 5


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
    added: dict[str, Record] = {}
    for change in changes:
        present = current.get(change.id)
        if change.event != "ADD":
            if present is None:
                outcomes.append(Outcome(change, "missing"))
                continue
            if change.version is not None and version(present.payload) != change.version:
                outcomes.append(Outcome(change, "stale", previous=present))
                continue
        mark = fingerprint_of(change)
        other = None
        if mark is not None:
            same = [*holders.get(mark, ()), *([added[mark]] if mark in added else [])]
            other = next((row for row in same if row.id != change.id and _outlasts(row, change, now)), None)
        if other is not None:
            outcomes.append(Outcome(change, "duplicate", previous=present, other=other))
            continue
        if mark is not None:
            added[mark] = Record(change.id, change.payload)
        outcomes.append(Outcome(change, previous=present))
    return outcomes


def by_fingerprint(rows: Iterable[Record]) -> dict[str, list[Record]]:
    """Return rows by the text they hold, as :func:`decide` wants them."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row.payload["_mem0"]["fingerprint"], []).append(row)
    return found


def _outlasts(row: Record, change: Change, now: float) -> bool:
    """Tell whether a row can stand for a change: one that ends earlier would take the memory with it."""
    end, wanted = expires_at(row.payload), expires_at(change.payload)
    return end is None or (end > now and wanted is not None and wanted <= end)


@dataclass(frozen=True, slots=True)
class Committer:
    """Carries out changes of one collection in a store and its history.

    Attributes:
        store: The vector store.
        history: The history.
        collection: The collection's name.
    """

    store: VectorStoreBase
    history: HistoryBase
    collection: str

    @property
    def shares_file(self) -> bool:
        """Whether store and history stand on the same database, so that one transaction is enough."""
        database = getattr(self.store, "database", None)
        return database is not None and database is getattr(self.history, "database", None)

    def commit(self, changes: Sequence[Change], embedder: Embedder | None, timestamp: str, now: float) -> list[Outcome]:
        """Carry out changes and record them.

        Args:
            changes: What to do.
            embedder: What made the vectors; recorded with the collection's first one.
            timestamp: Wall clock of the write, for the history.
            now: The same in Unix seconds.

        Returns:
            What became of each change, in order.

        Raises:
            StorageError: Store or history refused; neither keeps anything of it.
        """

        def carry_out(outcomes: list[Outcome]) -> list[Outcome]:
            # Last, so that a history which cannot be written leaves the store untouched.
            self.history.append(self._rows(outcomes, timestamp))
            self.store.apply(self.collection, _applied(outcomes), embedder)
            return outcomes

        return self._atomically(lambda: self._decided(changes, now), carry_out)

    def delete(self, target: str | Scope, timestamp: str, *, purge: bool) -> tuple[list[Outcome], int]:
        """Delete one memory by its id, or all of a scope.

        A store with transactions deletes all or none.  Of another, those that could not be deleted come
        back as ``failed``, and the others are gone.

        Args:
            target: The id, or the scope.
            timestamp: Wall clock of the write, for the history.
            purge: Also remove their history, and that of memories of the target deleted earlier.

        Returns:
            What became of each memory there was, and how many rows of history were removed.
        """

        def carry_out(planned: list[Outcome]) -> tuple[list[Outcome], int]:
            if self.store.transactional:
                outcomes = planned
                removed = self._record_deletions(outcomes, target, timestamp, purge)
                self.store.apply(self.collection, _applied(outcomes), None)
            else:
                outcomes = [self._deleted(outcome) for outcome in planned]
                removed = self._record_deletions(outcomes, target, timestamp, purge)
            return outcomes, removed

        return self._atomically(lambda: self._to_delete(target), carry_out)

    def reset(self, *, purge: bool) -> tuple[int, int]:
        """Delete the collection and its history; return how many memories and rows of history there were."""
        with self.history.transaction():
            info = self.store.col_info(self.collection)
            if info:
                self.store.delete_col(self.collection)
            for intent in self.history.intents(self.collection):
                self.history.drop_intent(intent.id)
            return int(info["count"]) if info else 0, self.history.clear(self.collection, unclaimed=purge)

    def recover(self) -> None:
        """Undo what a crash left half done; nothing to do where one transaction is enough."""
        if self.shares_file or not self.history.intents(self.collection):
            return
        with self.history.transaction():
            for intent in self.history.intents(self.collection):
                self._undo(intent)
                self.history.drop_intent(intent.id)

    # -- deciding and recording ---------------------------------------------------------------------

    def _decided(self, changes: Sequence[Change], now: float) -> list[Outcome]:
        marks = {mark: Scope.of(change.payload) for change in changes if (mark := fingerprint_of(change)) is not None}
        holders = by_fingerprint(self.store.with_fingerprint(self.collection, marks) if marks else ())
        named = [self.store.get(self.collection, change.id) for change in changes if change.event != "ADD"]
        return decide(changes, {row.id: row for row in named if row is not None}, holders, now)

    def _rows(self, outcomes: Sequence[Outcome], timestamp: str) -> list[HistoryRow]:
        rows = []
        for outcome in _succeeded(outcomes):
            change, previous = outcome.change, outcome.previous
            payload = change.payload or (previous.payload if previous else {})
            rows.append(
                HistoryRow(
                    id=str(uuid.uuid4()),
                    memory_id=change.id,
                    prev_value=previous.payload.get("data") if previous else None,
                    new_value=change.payload.get("data"),
                    event=change.event,
                    timestamp=timestamp,
                    is_deleted=int(change.event == "DELETE"),
                    collection=self.collection,
                    scope=Scope.of(payload),
                )
            )
        return rows

    # -- one transaction, or the journal ------------------------------------------------------------

    def _atomically(self, plan: Callable[[], list[Outcome]], carry_out: Callable[[list[Outcome]], Result]) -> Result:
        """Plan and carry out a commit so that nothing of it stays unless all of it does."""
        if self.shares_file:
            with self.history.transaction():
                return carry_out(plan())
        for _ in range(_ATTEMPTS):
            self.recover()
            with self.history.transaction():
                outcomes = plan()
                if not _applied(outcomes):
                    return carry_out(outcomes)
                intent = Intent(str(uuid.uuid4()), self.collection, _before(outcomes))
                self.history.put_intent(intent)
            try:
                # Holding the history's lock keeps every other writer of this collection out.
                with self.history.transaction():
                    if not self.history.drop_intent(intent.id):
                        continue  # another process took this one for dead and undid it before it began
                    return carry_out(outcomes)
            except BaseException as error:
                self._give_up(error)
                raise
        raise ConflictError(f"collection {self.collection!r}: other processes kept undoing this commit; try again")

    def _give_up(self, error: BaseException) -> None:
        """Undo a commit that failed, and say what the caller must know beyond the error itself."""
        store = f"vector store {type(self.store).__name__}"
        try:
            self.recover()
        except Exception as undoing:  # noqa: BLE001 - both failures are told
            raise StorageError(
                f"{store} refused a commit ({error}) and could not undo its part of it ({undoing}); "
                "that is written down and done before the next commit"
            ) from error
        if isinstance(error, Exception) and not isinstance(error, Mem0Error):
            raise StorageError(f"{store} refused a commit: {error}; nothing was stored") from error

    def _undo(self, intent: Intent) -> None:
        for row in json.loads(intent.content):
            if row["payload"] is None:
                if self.store.col_info(self.collection) is not None:
                    self.store.delete(self.collection, row["id"])
            elif self.store.get(self.collection, row["id"]) is None:
                self.store.insert(self.collection, [row["vector"]], [row["payload"]], [row["id"]])
            else:
                self.store.update(self.collection, row["id"], row["vector"], row["payload"])

    # -- deleting -----------------------------------------------------------------------------------

    def _to_delete(self, target: str | Scope) -> list[Outcome]:
        if isinstance(target, str):
            rows = [self.store.get(self.collection, target)]
        else:
            listed = self.store.list(self.collection, target.ids(), limit=None)
            rows = [row for row in listed if target.covers(row.payload)]
            if not self.shares_file:
                # The journal needs the vectors too, to bring the rows back.
                rows = [self.store.get(self.collection, row.id) for row in rows if row is not None]
        return [Outcome(Change("DELETE", row.id), previous=row) for row in rows if row is not None]

    def _deleted(self, outcome: Outcome) -> Outcome:
        try:
            self.store.delete(self.collection, outcome.change.id)
        except Exception:  # noqa: BLE001 - the caller gets the id among `failed`
            return replace(outcome, status="failed")
        return outcome

    def _record_deletions(self, outcomes: list[Outcome], target: str | Scope, timestamp: str, purge: bool) -> int:
        """Record the deletions, or with ``purge`` remove the history of everything that is gone."""
        if not purge:
            self.history.append(self._rows(outcomes, timestamp))
            return 0
        kept = [outcome.change.id for outcome in outcomes if outcome.status == "failed"]
        if isinstance(target, str):
            return 0 if kept else self.history.forget(self.collection, memory_ids=[target])
        gone = [outcome.change.id for outcome in _succeeded(outcomes)]
        return self.history.forget(self.collection, scope=target, memory_ids=gone, keep=kept)


def _succeeded(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.status == "applied"]


def _applied(outcomes: Sequence[Outcome]) -> list[Change]:
    return [outcome.change for outcome in _succeeded(outcomes)]


def _before(outcomes: Sequence[Outcome]) -> str:
    """Return, as JSON, the rows a commit touches as they are before it; ``null`` where there is none yet."""
    rows = [(outcome.change.id, outcome.previous) for outcome in _succeeded(outcomes)]
    return json.dumps(
        [
            {
                "id": id,
                "payload": None if row is None else row.payload,
                "vector": None if row is None or row.vector is None else list(row.vector),
            }
            for id, row in rows
        ]
    )
