"""The published place of the history class."""

from mem0.history.sqlite import SQLiteManager

__all__ = ["SQLiteManager"]
