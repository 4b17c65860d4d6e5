"""What a history is: who said what when, kept after the memory itself has changed or gone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from mem0.exceptions import StorageError
from mem0.parts import Closing
from mem0.types import HistoryRow, Scope


@dataclass(frozen=True, slots=True)
class Intent:
    """A commit to a store that shares no transaction with the history, written down before it starts.

    Attributes:
        id: Its own id.
        collection: The collection it changes.
        content: How to undo it, as JSON text.
    """

    id: str
    collection: str
    content: str


class HistoryBase(Closing, ABC):
    """Append-only record of every change, and the journal of commits that are under way."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep the other writers of this process out until the block ends, over several transactions.

        Those of other processes need not be kept out, only tend not to come between.
        """
        return nullcontext()

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """Open one transaction, alone among all processes; every method called inside joins it."""

    @abstractmethod
    def append(self, rows: Sequence[HistoryRow]) -> None:
        """Add rows; one whose id is there already is left as it is."""

    @abstractmethod
    def rows(self, memory_id: str, collection: str | None = None) -> list[HistoryRow]:
        """Return a memory's rows, oldest first."""

    def latest(self, collection: str) -> list[HistoryRow]:
        """Return the last row of every memory of a collection, deleted ones included.

        Raises:
            StorageError: This history cannot tell; then there is no checking it, and no rebuilding from it.
        """
        raise StorageError(f"{type(self).__name__} has no latest(): memories cannot be checked against it")

    def collections(self) -> list[str]:
        """Return the names of the collections it has rows of."""
        return []

    def rename(self, collection: str, name: str) -> None:
        """Keep the rows of a collection under another name.

        Raises:
            StorageError: This history cannot.
        """
        raise StorageError(f"{type(self).__name__} has no rename(): collection {collection!r} cannot become {name!r}")

    @abstractmethod
    def forget(
        self,
        collection: str,
        *,
        scope: Scope | None = None,
        memory_ids: Sequence[str] = (),
        keep: Sequence[str] = (),
    ) -> int:
        """Delete rows for good, by scope and by memory, and return how many there were.

        Args:
            collection: Whose rows.
            scope: All rows recorded in this scope.
            memory_ids: All rows of these memories.
            keep: Memories of the scope whose rows stay.
        """

    @abstractmethod
    def clear(self, collection: str, *, unclaimed: bool = False) -> int:
        """Delete all rows of a collection and return how many there were.

        Args:
            collection: Whose rows.
            unclaimed: Also the rows taken over from an older layout, which name no collection.
        """

    @abstractmethod
    def intents(self, collection: str) -> list[Intent]:
        """Return the commits written down and not finished, oldest first."""

    @abstractmethod
    def put_intent(self, intent: Intent) -> None:
        """Write down a commit."""

    @abstractmethod
    def drop_intent(self, id: str) -> bool:
        """Strike out a commit and return whether it was still written down."""

    @abstractmethod
    def compact(self) -> bool:
        """Leave no trace of deleted rows on disk, and return whether that is certain."""

    @abstractmethod
    def close(self) -> None:
        """Release what the history holds; a second time does nothing."""
