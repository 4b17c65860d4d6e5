"""Changing store and history together: decided, carried out and recorded as one thing, or not at all.

Where both stand on the same file, that is one transaction.  Otherwise the history keeps a journal:
how to undo a commit is written down before the store is touched, and struck out in the transaction
that records it.  What a crash leaves behind is undone by whoever commits or opens next; the call that
was cut off had not been acknowledged.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from mem0.exceptions import ConflictError, EmbedderMismatchError, Mem0Error, StorageError
from mem0.history.base import HistoryBase, Intent
from mem0.memory.checking import Survey
from mem0.memory.deciding import by_fingerprint, decide, marks_of
from mem0.memory.payloads import text_of
from mem0.types import Change, Embedder, HistoryRow, Outcome, Record, Scope

if TYPE_CHECKING:
    from mem0.vector_stores.base import VectorStoreBase

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

# How often a commit starts anew because another process undid its intent in between.
_ATTEMPTS = 20


def require_same_embedder(collection: str, recorded: Embedder | None, found: Embedder) -> None:
    """Compare an embedder with the one a collection was made by; where there is none yet, any will do.

    Raises:
        EmbedderMismatchError: They differ in size, or in model where both are known.
    """
    if recorded is None:
        return
    models_differ = bool(recorded.model and found.model) and recorded.model not in (found.model, found.configured)
    if recorded.dims != found.dims or models_differ:
        raise EmbedderMismatchError(
            f"collection {collection!r} was made by {_described(recorded)}, "
            f"the embedder in use is {_described(found)}; name the first one again in embedder=, "
            "or keep these memories in another collection_name or path"
        )


def _described(embedder: Embedder) -> str:
    return f"{embedder.model or 'an unnamed model'} of size {embedder.dims}"


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
    def ledger(self) -> str:
        """Under which name the history keeps this collection.

        A history may serve several stores, and each has a collection of the default name.
        """
        return self.collection if self.shares_file else f"{self.collection} in {self.store.identity}"

    @property
    def shares_file(self) -> bool:
        """Whether store and history stand on the same database, so that one transaction is enough."""
        database = getattr(self.store, "database", None)
        return database is not None and database is getattr(self.history, "database", None)

    def holders(self, fingerprints: Mapping[str, Scope]) -> list[Record]:
        """Return the rows that hold one of these texts, but none of a commit that may still be undone."""
        with self._translated():
            if self.shares_file:
                return self.store.with_fingerprint(self.collection, fingerprints)
            with self.history.transaction():
                self._settle()
                return self.store.with_fingerprint(self.collection, fingerprints)

    def commit(
        self,
        changes: Sequence[Change],
        embedder: Embedder | None,
        timestamp: str,
        now: float,
        *,
        whole: bool = False,
    ) -> list[Outcome]:
        """Carry out changes and record them.

        Args:
            changes: What to do.
            embedder: What made the vectors; recorded with the collection's first one.
            timestamp: Wall clock of the write, for the history.
            now: The same in Unix seconds.
            whole: Carry out none where a memory to be changed is gone or has changed, or where one would
                become what another one says; those that could have been done come back as ``withheld``.

        Returns:
            What became of each change, in order.

        Raises:
            StorageError: Store or history refused; neither keeps anything of it.
        """

        def carry_out(outcomes: list[Outcome]) -> list[Outcome]:
            if embedder is not None:
                # Asked again here: another process may have made the collection since the text was embedded.
                require_same_embedder(self.collection, self.store.embedder(self.collection), embedder)
            # Last, so that a history which cannot be written leaves the store untouched.
            self.history.append(self._rows(outcomes, timestamp))
            self.store.apply(self.collection, _applied(outcomes), embedder)
            return outcomes

        return self._atomically(lambda: self._decided(changes, now, whole), carry_out)

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
                left = self.store.delete_each(self.collection, [outcome.change.id for outcome in planned])
                outcomes = [
                    replace(outcome, status="failed", error=left[outcome.change.id])
                    if outcome.change.id in left
                    else outcome
                    for outcome in planned
                ]
                removed = self._record_deletions(outcomes, target, timestamp, purge)
            return outcomes, removed

        return self._atomically(lambda: self._to_delete(target), carry_out)

    def reset(self, *, purge: bool) -> tuple[int, int]:
        """Delete the collection and its history; return how many memories and rows of history there were."""
        with self._translated(), self.history.lock():
            if self.shares_file:
                with self.history.transaction():
                    return self._clear(purge)
            with self.history.transaction():
                self.history.put_intent(Intent(str(uuid.uuid4()), self.ledger, self._before_reset(purge)))
            try:
                with self._translated("a collection that is gone takes its history along"), self.history.transaction():
                    for pending in self.history.intents(self.ledger):
                        self.history.drop_intent(pending.id)
                    return self._clear(purge)
            except BaseException as error:
                self._give_up(error)
                raise

    def recover(self) -> list[str]:
        """Undo what a crash left half done; nothing to do where one transaction is enough.

        Returns:
            The ids of the intents that were undone.
        """
        if self.shares_file:
            return []
        with self._translated():
            if not self.history.intents(self.ledger):
                return []
            with self.history.transaction():
                return self._settle()

    def survey(self) -> Survey:
        """Read everything that store and history know, at one time; writers wait for it."""
        with self._translated(), self.history.transaction():
            if not self.shares_file:
                self._settle()
            rows, damage = self.store.inspect(self.collection)
            return Survey(rows, damage, {row.memory_id: row for row in self.history.latest(self.ledger)})

    def mend(self, changes: Sequence[Change], recorded: Sequence[HistoryRow], embedder: Embedder | None) -> None:
        """Write what puts a store or a history right; it can be repeated, so it needs no journal.

        Args:
            changes: Rows to be stored as they are, or deleted; nothing is recorded of them.
            recorded: What the history lacks.
            embedder: What made the vectors.
        """
        with self._translated(), self.history.lock(), self.history.transaction():
            if not self.shares_file:
                self._settle()
            if embedder is not None:
                require_same_embedder(self.collection, self.store.embedder(self.collection), embedder)
            self.history.append([replace(row, collection=self.ledger) for row in recorded])
            self.store.apply(self.collection, changes, embedder)

    # -- deciding and recording ---------------------------------------------------------------------

    def _decided(self, changes: Sequence[Change], now: float, whole: bool) -> list[Outcome]:
        named = [self.store.get(self.collection, change.id) for change in changes if change.event != "ADD"]
        current = {row.id: row for row in named if row is not None}
        changes = [_patched(change, current.get(change.id)) for change in changes]
        marks = marks_of(changes)
        holders = by_fingerprint(self.store.with_fingerprint(self.collection, marks) if marks else ())
        outcomes = decide(changes, current, holders, now)
        if whole and any(_stands_in_the_way(outcome) for outcome in outcomes):
            return [replace(one, status="withheld") if one.status == "applied" else one for one in outcomes]
        return outcomes

    def _rows(self, outcomes: Sequence[Outcome], timestamp: str) -> list[HistoryRow]:
        rows = []
        for outcome in _succeeded(outcomes):
            change, previous = outcome.change, outcome.previous
            payload = change.payload or (previous.payload if previous else {})
            rows.append(
                HistoryRow(
                    id=str(uuid.uuid4()),
                    memory_id=change.id,
                    prev_value=text_of(previous.payload) if previous else None,
                    new_value=change.payload.get("data"),
                    event=change.event,
                    timestamp=timestamp,
                    is_deleted=int(change.event == "DELETE"),
                    collection=self.ledger,
                    scope=Scope.of(payload),
                    payload=None if change.event == "DELETE" else _beside_the_text(change.payload),
                )
            )
        return rows

    # -- one transaction, or the journal ------------------------------------------------------------

    def _atomically(self, plan: Callable[[], list[Outcome]], carry_out: Callable[[list[Outcome]], Result]) -> Result:
        """Plan and carry out a commit so that nothing of it stays unless all of it does."""
        if self.shares_file:
            with self._translated(), self.history.transaction():
                return carry_out(plan())
        with self._translated(), self.history.lock():
            for _ in range(_ATTEMPTS):
                with self.history.transaction():
                    # Together with the plan, which must not rest on what is undone later.
                    self._settle()
                    outcomes = plan()
                    if not _applied(outcomes):
                        return carry_out(outcomes)
                    made_it = self.store.embedder(self.collection) is None
                    intent = Intent(str(uuid.uuid4()), self.ledger, _before(outcomes, made_it=made_it))
                    self.history.put_intent(intent)
                is_carried_out = False
                try:
                    with self._translated(), self.history.transaction():
                        if self.history.drop_intent(intent.id):
                            result = carry_out(outcomes)
                            is_carried_out = True
                            return result
                        # Another process came between, took this commit for dead and undid it before it began.
                except BaseException as error:
                    undone = self._give_up(error)
                    if is_carried_out and isinstance(error, Exception) and intent.id not in undone:
                        # What failed is the end of the transaction, and it is not to be seen whether it ended.
                        raise StorageError(
                            f"{type(self.history).__name__} did not say whether it committed "
                            f"({error.__cause__ or error}): "
                            "this may be stored or not; call again, what is there already is not stored twice"
                        ) from error
                    raise
        raise ConflictError(f"collection {self.collection!r}: other processes kept undoing this commit; try again")

    @contextmanager
    def _translated(self, consequence: str = "nothing was stored") -> Iterator[None]:
        """Let foreign errors leave the block as ours."""
        try:
            yield
        except Mem0Error:
            raise
        except Exception as error:
            parts = type(self.store).__name__, type(self.history).__name__
            raise StorageError(
                f"{' or '.join(parts)} failed ({type(error).__name__}: {error}); {consequence}"
            ) from error

    def _give_up(self, error: BaseException) -> list[str]:
        """Undo a commit that failed, and return what was undone; where that fails too, say so."""
        try:
            return self.recover()
        except Exception as undoing:
            if not isinstance(error, Exception):
                # Ctrl-C stays what it is; what is written down is undone before the next commit.
                logger.warning("an interrupted commit could not be undone yet (%s)", type(undoing).__name__)
                raise error from undoing
            raise StorageError(
                f"{error}; what was done of it could not be undone ({undoing}), "
                "that is written down and done before the next commit"
            ) from error

    def _settle(self) -> list[str]:
        """Undo what is written down and not finished: whoever wrote it would be holding the lock now.

        Returns:
            The ids of these intents.
        """
        pending = self.history.intents(self.ledger)
        for intent in reversed(pending):
            content = json.loads(intent.content)
            info = self.store.col_info(self.collection)
            if "reset" in content:
                # A collection cannot be brought back, so a reset that began is finished.  Where nothing is
                # missing it did not begin, and its caller, who was told so, shall not find it done later.
                if info is None or info["count"] < content["reset"]:
                    self._clear(content["unclaimed"])
            elif info is not None:  # else somebody deleted the collection, and there is nothing to put right
                for row in content["rows"]:
                    self._restore(row)
                if content.get("made_it") and not (self.store.col_info(self.collection) or info)["count"]:
                    # It came with this commit, and would hold later ones to this embedder.
                    self.store.delete_col(self.collection)
            self.history.drop_intent(intent.id)
        return [intent.id for intent in pending]

    def _restore(self, before: Mapping[str, Any]) -> None:
        """Bring a row back to what it was; a commit that never began leaves nothing to do.

        Args:
            before: The row as :func:`_noted` has it; a journal written by an earlier version has no ``tokens``.
        """
        id, payload = before["id"], before["payload"]
        present = self.store.get(self.collection, id)
        if payload is None:
            if present is not None:
                self.store.delete(self.collection, id)
        elif present is not None and before.items() <= _noted(present).items():
            return
        elif before.get("tokens") is not None:
            import numpy as np

            # `insert` and `update` take no vectors of tokens.
            tokens = np.frombuffer(bytes.fromhex(before["tokens"]), dtype=np.int8)
            change = Change("UPDATE" if present else "ADD", id, payload, np.array(before["vector"]), tokens)
            self.store.apply(self.collection, [change], None)
        elif present is None:
            self.store.insert(self.collection, [before["vector"]], [payload], [id])
        else:
            self.store.update(self.collection, id, before["vector"], payload)

    def _before_reset(self, unclaimed: bool) -> str:
        """Return, as JSON, what tells a reset that began from one that did not."""
        info = self.store.col_info(self.collection)
        return json.dumps({"reset": info["count"] if info else 0, "unclaimed": unclaimed})

    def _clear(self, unclaimed: bool) -> tuple[int, int]:
        info = self.store.col_info(self.collection)
        if info:
            self.store.delete_col(self.collection)
        return int(info["count"]) if info else 0, self.history.clear(self.ledger, unclaimed=unclaimed)

    # -- deleting -----------------------------------------------------------------------------------

    def _to_delete(self, target: str | Scope) -> list[Outcome]:
        if isinstance(target, str):
            rows = [self.store.get(self.collection, target)]
        else:
            listed = self.store.list(self.collection, target.ids(), limit=None)
            rows = [row for row in listed if target.covers(row.payload)]
            if not self.shares_file:
                # The journal needs the vectors too, to bring the rows back.
                whole = {row.id: row for row in self.store.get_each(self.collection, [row.id for row in rows if row])}
                rows = [whole.get(row.id, row) for row in rows if row is not None]
        return [Outcome(Change("DELETE", row.id), previous=row) for row in rows if row is not None]

    def _record_deletions(self, outcomes: list[Outcome], target: str | Scope, timestamp: str, purge: bool) -> int:
        """Record the deletions, or with ``purge`` remove the history of everything that is gone."""
        if not purge:
            self.history.append(self._rows(outcomes, timestamp))
            return 0
        kept = [outcome.change.id for outcome in outcomes if outcome.status == "failed"]
        if isinstance(target, str):
            return 0 if kept else self.history.forget(self.ledger, memory_ids=[target])
        gone = [outcome.change.id for outcome in _succeeded(outcomes)]
        return self.history.forget(self.ledger, scope=target, memory_ids=gone, keep=kept)


def _beside_the_text(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != "data"}


def _patched(change: Change, present: Record | None) -> Change:
    if change.patch is None or present is None:
        return change
    payload = change.patch(present.payload)
    if payload is None:
        return replace(change, event="NONE", patch=None)
    return replace(change, payload=payload, patch=None)


def _stands_in_the_way(outcome: Outcome) -> bool:
    """Tell whether a change must be decided anew; an ADD of what is there already is settled as it is."""
    return outcome.status != "applied" and outcome.change.event != "ADD"


def _succeeded(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.status == "applied"]


def _applied(outcomes: Sequence[Outcome]) -> list[Change]:
    return [outcome.change for outcome in _succeeded(outcomes)]


def _before(outcomes: Sequence[Outcome], *, made_it: bool) -> str:
    """Return, as JSON, the rows a commit touches as they are before it; ``null`` where there is none yet.

    Args:
        outcomes: What the commit does.
        made_it: Whether there is no collection before it.
    """
    rows: dict[str, Record | None] = {}
    for outcome in _succeeded(outcomes):
        rows.setdefault(outcome.change.id, outcome.previous)
    return json.dumps(
        {
            "made_it": made_it,
            "rows": [{"id": id, "payload": None} if row is None else _noted(row) for id, row in rows.items()],
        }
    )


def _noted(row: Record) -> dict[str, Any]:
    """Return a row as the journal has it."""
    return {
        "id": row.id,
        "payload": row.payload,
        "vector": None if row.vector is None else [float(number) for number in row.vector],
        "tokens": None if row.tokens is None else row.tokens.hex(),
    }
