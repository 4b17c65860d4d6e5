"""Long-term memory for AI agents, inside your process.

from mem0 import Memory

m = Memory()
m.add("I moved to Lisbon and I'm allergic to peanuts.", user_id="alice")
m.search("what can't she eat?", user_id="alice")
"""

from mem0._version import __version__
from mem0.configs.base import MemoryConfig, MemoryItem
from mem0.exceptions import (
    ClosedError,
    ConfigError,
    ConflictError,
    DuplicateMemoryError,
    EmbedderMismatchError,
    EmbeddingError,
    FilterError,
    LLMError,
    LLMResponseError,
    Mem0Error,
    MemoryNotFoundError,
    MissingDependencyError,
    ProviderError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
    StorageVersionError,
    ValidationError,
)
from mem0.memory.base import MemoryBase
from mem0.memory.main import AsyncMemory, Memory
from mem0.types import ChangeDict, DeletionDict, HistoryDict, MemoryDict, MemoryList, Receipt, Usage

__all__ = [
    "AsyncMemory",
    "ChangeDict",
    "ClosedError",
    "ConfigError",
    "ConflictError",
    "DeletionDict",
    "DuplicateMemoryError",
    "EmbedderMismatchError",
    "EmbeddingError",
    "FilterError",
    "HistoryDict",
    "LLMError",
    "LLMResponseError",
    "Mem0Error",
    "Memory",
    "MemoryBase",
    "MemoryConfig",
    "MemoryDict",
    "MemoryItem",
    "MemoryList",
    "MemoryNotFoundError",
    "MissingDependencyError",
    "ProviderError",
    "Receipt",
    "StorageBusyError",
    "StorageCorruptError",
    "StorageError",
    "StorageFullError",
    "StoragePermissionError",
    "StorageVersionError",
    "Usage",
    "ValidationError",
    "__version__",
]
