"""Long-term memory for AI agents, inside your process.

from mem0 import Memory

m = Memory()
m.add("I moved to Lisbon and I'm allergic to peanuts.", user_id="alice")
m.search("what can't she eat?", user_id="alice")
"""

from typing import TYPE_CHECKING, Any

from mem0._version import __version__
from mem0.configs.base import MemoryConfig, MemoryItem
from mem0.exceptions import (
    APIError,
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
    RerankError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
    StorageUnavailableError,
    StorageVersionError,
    ValidationError,
    WriteVetoedError,
)
from mem0.memory.base import MemoryBase
from mem0.memory.main import AsyncMemory, Memory
from mem0.types import (
    ChangeDict,
    CheckReport,
    Context,
    DeletionDict,
    Finding,
    HistoryDict,
    MemoryDict,
    MemoryList,
    ProposedChange,
    RebuildReport,
    Receipt,
    Usage,
)

if TYPE_CHECKING:
    from mem0.client.main import AsyncMemoryClient, MemoryClient

__all__ = [
    "APIError",
    "AsyncMemory",
    "AsyncMemoryClient",
    "ChangeDict",
    "CheckReport",
    "ClosedError",
    "ConfigError",
    "ConflictError",
    "Context",
    "DeletionDict",
    "DuplicateMemoryError",
    "EmbedderMismatchError",
    "EmbeddingError",
    "FilterError",
    "Finding",
    "HistoryDict",
    "LLMError",
    "LLMResponseError",
    "Mem0Error",
    "Memory",
    "MemoryBase",
    "MemoryClient",
    "MemoryConfig",
    "MemoryDict",
    "MemoryItem",
    "MemoryList",
    "MemoryNotFoundError",
    "MissingDependencyError",
    "ProposedChange",
    "ProviderError",
    "RebuildReport",
    "Receipt",
    "RerankError",
    "StorageBusyError",
    "StorageCorruptError",
    "StorageError",
    "StorageFullError",
    "StoragePermissionError",
    "StorageUnavailableError",
    "StorageVersionError",
    "Usage",
    "ValidationError",
    "WriteVetoedError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # The clients of the hosted service stand on httpx, which whoever keeps memories in this process need not load.
    if name in ("AsyncMemoryClient", "MemoryClient"):
        from mem0.client import main

        return getattr(main, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
