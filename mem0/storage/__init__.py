"""The SQLite file that the embedded vector store and the history stand on."""

from mem0.storage.database import Database, same_path
from mem0.storage.migrations import Migration, migrate

__all__ = ["Database", "Migration", "migrate", "same_path"]
