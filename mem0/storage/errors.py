"""SQLite's errors, told apart and translated where they leave the storage room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from mem0.exceptions import (
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
)

_DAMAGED = "the file is damaged; restore a backup, or move it away and start anew"

# Python 3.10 has no `sqlite_errorcode`, so the texts decide: they are part of SQLite's stable interface
# (https://sqlite.org/rescode.html, sqlite3_errstr).
_CAUSES: tuple[tuple[str, type[StorageError], str], ...] = (
    ("is locked", StorageBusyError, "another process or thread kept the write lock; nothing was stored, try again"),
    ("locking protocol", StorageBusyError, "other processes kept the file busy; nothing was stored, try again"),
    ("is full", StorageFullError, "there is no room left; nothing was stored, free some space and try again"),
    ("readonly database", StoragePermissionError, "it may not be written; check the permissions of file and folder"),
    ("unable to open", StoragePermissionError, "it cannot be opened; check that the folder exists and may be written"),
    ("authorization denied", StoragePermissionError, "access was denied"),
    ("malformed", StorageCorruptError, _DAMAGED),
    ("not decode", StorageCorruptError, _DAMAGED),
    ("unsupported file format", StorageCorruptError, _DAMAGED),
    ("not a database", StorageCorruptError, "the file is damaged or no SQLite database; name another path"),
    ("disk I/O error", StorageError, "the disk could not be read or written; nothing was stored"),
)


def translate(error: sqlite3.Error, path: str) -> StorageError:
    """Return our error for one of SQLite's, naming the file, the cause and the remedy."""
    text = str(error).partition(" with text ")[0]  # what could not be decoded may be somebody's memory
    for words, kind, remedy in _CAUSES:
        if words in text:
            return kind(f"{path}: {text}: {remedy}")
    if type(error) is sqlite3.DatabaseError:  # of a damaged schema, Python 3.10 loses the text
        return StorageCorruptError(f"{path}: {text or 'unreadable'}: {_DAMAGED}")
    return StorageError(f"{path}: {text}; nothing was stored")


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Let SQLite's errors leave the block as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except UnicodeDecodeError as error:
        # Of a damaged schema, SQLite's message itself is not text.
        raise StorageCorruptError(f"{path}: {error.reason}: {_DAMAGED}") from error
