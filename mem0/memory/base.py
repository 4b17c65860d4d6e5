"""The published interface of a memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class MemoryBase(ABC):
    """What every memory can do."""

    @abstractmethod
    def get(self, memory_id: str) -> Any:
        """Return a memory by its id."""

    @abstractmethod
    def get_all(self) -> Any:
        """Return all memories."""

    @abstractmethod
    def update(self, memory_id: str, data: Any) -> Any:
        """Change a memory by its id."""

    @abstractmethod
    def delete(self, memory_id: str) -> Any:
        """Delete a memory by its id."""

    @abstractmethod
    def history(self, memory_id: str) -> Any:
        """Return the changes of a memory by its id."""
