"""Every error this library raises on purpose, as one tree.

A message names the field, the value, the cause and the remedy, and never holds a secret.  Errors of
other libraries are translated where they cross into ours, with ``raise ... from``.

    Mem0Error
    ├── ConfigError (ValueError)            how the library was set up
    │   ├── EmbedderMismatchError           a collection made by another embedder
    │   └── MissingDependencyError (ImportError)
    ├── ValidationError (ValueError)        what a verb was given
    │   ├── FilterError                     a filter that cannot be understood
    │   ├── DuplicateMemoryError            an update into another memory's text
    │   ├── WriteVetoedError                on_before_write left it out
    │   └── MemoryNotFoundError             an id that names nothing (in this scope)
    ├── ClosedError                         used after close()
    ├── ProviderError                       a model or a service refused or failed
    │   ├── APIError                        the hosted service refused, failed, or was not reached
    │   ├── EmbeddingError                  the embedder failed or answered nonsense
    │   ├── LLMError                        the LLM refused or failed
    │   │   └── LLMResponseError            its reply could not be used
    │   └── RerankError                     the reranker failed or answered nonsense
    ├── ConflictError                       a memory changed while it was being changed
    └── StorageError                        the store or the history could not be read or written
        ├── StorageBusyError                somebody else holds the write lock
        ├── StorageUnavailableError         the store's server cannot be reached, or failed
        ├── StorageFullError                no room left
        ├── StorageCorruptError             the file is not what it should be
        ├── StoragePermissionError (PermissionError)
        └── StorageVersionError             written by a newer version of this library
"""

from __future__ import annotations


class Mem0Error(Exception):
    """Base of every error this library raises on purpose.

    Attributes:
        retryable: Whether the same call may succeed when it is tried again.
    """

    retryable: bool = False


class ConfigError(Mem0Error, ValueError):
    """The configuration names something unknown, contradictory or unusable."""


class EmbedderMismatchError(ConfigError):
    """The collection holds vectors of another model or size than the embedder in use."""


class MissingDependencyError(ConfigError, ImportError):
    """A provider needs a package that is not installed; the message names it."""


class ValidationError(Mem0Error, ValueError):
    """An argument of a verb cannot be accepted; nothing was read or written."""


class FilterError(ValidationError):
    """A filter is not part of the filter language."""


class DuplicateMemoryError(ValidationError):
    """An update would give a memory the text of another one in the same scope."""


class WriteVetoedError(ValidationError):
    """The hook ``on_before_write`` left out the one change that a call was to make; nothing was written."""


class MemoryNotFoundError(ValidationError):
    """No memory with this id exists, or it lies outside the scope that was asked for."""


class ClosedError(Mem0Error):
    """The object was used after ``close()``, or an ``AsyncMemoryClient`` in another event loop than its own."""


class ProviderError(Mem0Error):
    """Base of what goes wrong with a model or a service, whoever provides it.

    Attributes:
        status: The HTTP status the provider answered with, where it did.
    """

    def __init__(self, message: str, *, status: int | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable


class APIError(ProviderError):
    """The hosted service refused a request, failed, or could not be reached.

    Attributes:
        status: The HTTP status it answered with; ``None`` where no answer came.
        body: What it answered: JSON where it was JSON, else text; ``None`` where no answer came.
    """

    def __init__(
        self, message: str, *, status: int | None = None, body: object = None, retryable: bool = False
    ) -> None:
        super().__init__(message, status=status, retryable=retryable)
        self.body = body


class EmbeddingError(ProviderError):
    """The embedder failed, or returned vectors that cannot be used; nothing was stored."""


class LLMError(ProviderError):
    """The LLM could not be asked, refused, or failed; nothing was stored."""


class LLMResponseError(LLMError):
    """The LLM answered, and nothing in its reply could be used; nothing was stored.

    Not the same as "nothing to remember", which is an empty result.

    Attributes:
        reply: What it answered, for those who want to look; never part of the message.
    """

    def __init__(self, message: str, *, reply: str | None) -> None:
        super().__init__(message, retryable=True)
        self.reply = reply


class RerankError(ProviderError):
    """The reranker failed, or returned scores that cannot be used.

    ``search`` does not raise it: its result stands in the order without a reranker, and has it as ``.rerank_error``.
    """


class ConflictError(Mem0Error):
    """A memory changed between being read and being written; nothing was stored."""

    retryable = True


class StorageError(Mem0Error):
    """A store or the history could not be read or written; the message names it."""


class StorageBusyError(StorageError):
    """The write lock was not free within ``busy_timeout``; nothing was stored, a retry can help."""

    retryable = True


class StorageUnavailableError(StorageError):
    """The store's server could not be reached in time, or failed; nothing was stored, a retry can help."""

    retryable = True


class StorageFullError(StorageError):
    """The disk or the file's size limit is exhausted; nothing was stored."""


class StorageCorruptError(StorageError):
    """The file is damaged, or is not a database of this library."""


class StoragePermissionError(StorageError, PermissionError):
    """The file or its folder cannot be read or written by this user."""


class StorageVersionError(StorageError):
    """The file was written by a newer version of this library; it was left unchanged."""


def judged(error: BaseException) -> tuple[int | None, bool]:
    """Return the HTTP status that another library's error carries, and whether the same call may succeed later."""
    status = None
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if status is None and isinstance(value, int) and 100 <= value < 600:
                status = value
    if status is None:
        return None, isinstance(error, (ConnectionError, TimeoutError))
    return status, retryable_status(status)


def retryable_status(status: int | None) -> bool:
    """Tell whether a request that was answered with this HTTP status may succeed when it is sent again."""
    if status in (501, 505):  # what the server says it cannot do, now or later
        return False
    return status is not None and (status in (408, 409, 425, 429) or status >= 500)
