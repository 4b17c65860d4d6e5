"""Folders of Qdrant's engine that are open in this process.

The engine is not made for several threads, nor a folder for several processes, so all who name one share a client and
its lock.
"""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient

from mem0.exceptions import StorageBusyError, StorageError, StoragePermissionError


@dataclass
class Folder:
    """A folder that is open in this process; all who name it share one client and one lock."""

    client: QdrantClient
    lock: Any = field(default_factory=threading.RLock)
    users: int = 0
    process: int = field(default_factory=os.getpid)


_folders: dict[str, Folder] = {}
_lock = threading.Lock()


def opened(path: str) -> Folder:
    """Open a folder, or share it with who has it open in this process.

    Raises:
        StorageError: It is open in another process, or cannot be opened.
    """
    place = os.path.realpath(path)
    with _lock:
        folder = _folders.get(place)
        if folder is not None and folder.process != os.getpid():
            raise of_another_process(path)
        if folder is None:
            try:
                Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
                _mend_unborn(Path(place))
                # Its threads are kept apart by our lock, and then SQLite's own check is in the way.
                client = QdrantClient(path=place, force_disable_check_same_thread=True)
            except Exception as error:  # of a damaged folder, the engine raises whatever its reading ends in
                raise _not_opened(path, error) from error
            folder = _folders[place] = Folder(client)
        folder.users += 1
        return folder


def _mend_unborn(folder: Path) -> None:
    """Remove the empty list of collections that a process leaves which is killed while it makes a new folder.

    The engine could not be opened with it, and there is nothing else in the folder yet.
    """
    listed = folder / "meta.json"
    if listed.is_file() and not listed.stat().st_size and not (folder / "collection").exists():
        listed.unlink()


def left(path: str) -> None:
    """Leave a folder; the last one who does closes it."""
    place = os.path.realpath(path)
    with _lock:
        folder = _folders[place]
        folder.users -= 1
        if not folder.users:
            del _folders[place]
            with folder.lock:
                folder.client.close()


@atexit.register
def _leave_all() -> None:
    # The engine's own `__del__` comes when the interpreter can import no more, and needs to.
    for folder in _folders.values():
        if folder.process == os.getpid():
            folder.client.close()


def of_another_process(path: str) -> StorageBusyError:
    """Return the error for a folder that another process has."""
    return StorageBusyError(
        f"Qdrant folder {path!r} is open in another process, and it can be open in one only; close it there, or "
        "run a Qdrant server and name it with url"
    )


def _not_opened(path: str, error: Exception) -> StorageError:
    if "already accessed" in str(error):
        return of_another_process(path)
    if isinstance(error, PermissionError):
        return StoragePermissionError(f"Qdrant folder {path!r} cannot be read and written: {error}; check its owner")
    return StorageError(
        f"Qdrant folder {path!r} cannot be opened: {type(error).__name__}: {error}; it was left as it is: restore a "
        "backup of it, or name another folder with path"
    )


def failed(path: str, verb: str, error: Exception) -> StorageError:
    """Return the error for a call that the engine could not carry out."""
    return StorageError(
        f"Qdrant folder {path!r}: {verb} failed: {type(error).__name__}: {error}; check that its disk has room "
        "and that nothing else writes there"
    )
