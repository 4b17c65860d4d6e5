"""One SQLite file (or memory): connections, the write lock, and the one transaction a commit is."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from mem0.exceptions import (
    ClosedError,
    ConfigError,
    StorageBusyError,
    StorageCorruptError,
    StorageFullError,
    StoragePermissionError,
)
from mem0.parts import Closing
from mem0.storage.errors import translated

MEMORY = ":memory:"

# Seconds between two looks at a lock that another process holds.  SQLite's own waiting looks every 0.1 s
# only, and comes too late for ever where other processes write without a pause.
_LOOK_AGAIN = (0.0005, 0.002)

# At most so many seconds are left to other processes before the next thread of this one writes.
_LONGEST_GAP = 0.01


class _Connection(sqlite3.Connection):
    prepared = 0  # how many of the database's preparations it has had


class _Queue:
    """Where the writers of one file and process wait, before the first of them asks for SQLite's lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.last_took = 0.0  # seconds, of the last transaction


_queues: WeakValueDictionary[str, _Queue] = WeakValueDictionary()
_queues_guard = threading.Lock()
_databases: WeakSet[Database] = WeakSet()


class Database(Closing):
    """Connections to one SQLite file in WAL mode, opened as they are needed.

    Readers never wait for a writer.  Inside :meth:`transaction`, every :meth:`read` and
    :meth:`transaction` of the same thread joins it, so that a vector store and a history which stand
    on the same file commit together.

    Args:
        path: The file, created with its folder (0600, 0700) where missing, or ``":memory:"``.
        busy_timeout: Seconds to wait for the write lock before :class:`StorageBusyError`.

    Raises:
        StorageError: The file cannot be opened; the subclass says why.
    """

    def __init__(self, path: str | os.PathLike[str] = MEMORY, *, busy_timeout: float = 10.0) -> None:
        self.path = os.fspath(path)
        self.busy_timeout = busy_timeout
        self.in_memory = self.path == MEMORY
        self._closed = False
        self._in_wal_mode = False
        self._idle: list[_Connection] = []
        self._preparations: list[Callable[[sqlite3.Connection], None]] = []
        if "\0" in self.path:
            raise ConfigError(f"path={self.path!r}: a path holds no NUL character")
        if not self.in_memory:
            self.path = str(Path(self.path).expanduser().absolute())
            _create_file(self.path)
        self._make_locks()
        with translated(self.path):
            self._idle.append(self._connect())
        _databases.add(self)

    def _make_locks(self) -> None:
        self._local = threading.local()
        self._guard = threading.Lock()
        # A database in memory has one connection: who uses it is alone, reading or writing.
        self._queue = _Queue()
        if not self.in_memory:
            with _queues_guard:
                self._queue = _queues.setdefault(os.path.realpath(self.path), self._queue)

    def __repr__(self) -> str:
        return f"Database({self.path!r})"

    def on_connect(self, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """Have every connection prepared (for SQL functions, say) before it is next used."""
        self._preparations.append(prepare)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection on which everything that is read belongs to one moment."""
        joined = getattr(self._local, "connection", None)
        if joined is not None:
            with translated(self.path):
                yield joined
            return
        with translated(self.path), self._borrowed() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes are stored together when the block ends, or not at all."""
        joined = getattr(self._local, "connection", None)
        if joined is not None:
            with translated(self.path):
                yield joined
            return
        deadline = time.monotonic() + self.busy_timeout
        with translated(self.path), self._first_in_queue(deadline), self._borrowed() as connection:
            self._begin(connection, deadline)
            began = time.monotonic()
            self._local.connection = connection
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                self._local.connection = None
                self._queue.last_took = time.monotonic() - began

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the other writers of this process out until the block ends, over several transactions."""
        with self._first_in_queue(time.monotonic() + self.busy_timeout):
            yield

    def compact(self) -> bool:
        """Rewrite the file without free pages and empty the write-ahead log, so that no deleted text stays.

        Returns:
            Whether that could be done: another process that reads or writes can prevent it, and so can
            a full disk.
        """
        if self.in_memory:
            return True
        deadline = time.monotonic() + self.busy_timeout
        try:
            with translated(self.path), self._borrowed() as connection:
                with self._first_in_queue(deadline):
                    self._patiently(connection, deadline, lambda: connection.execute("VACUUM"))

                def empty_log() -> None:
                    # Between two looks the queue is free: a reader who stays must not keep writers out.
                    with self._first_in_queue(deadline):
                        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if busy:
                        raise sqlite3.OperationalError("database is locked")

                self._patiently(connection, deadline, empty_log)
        except (StorageBusyError, StorageFullError):
            return False  # the rows are gone; what the caller learns is that their text may still be there
        return True

    def decoded(self, stored: str) -> Any:
        """Return what is stored as JSON text.

        Raises:
            StorageCorruptError: It is none.
        """
        try:
            return json.loads(stored)
        except ValueError as error:
            raise StorageCorruptError(
                f"{self.path}: a payload is damaged ({error}); restore a backup, or move the file away"
            ) from error

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        if self.in_memory:
            with self._queue.lock:
                self._closed = True
                self._close_idle()
            return
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            self._close_one(connection)

    def _close_one(self, connection: _Connection) -> None:
        # One at a time: the last to close empties the log into the file and removes it, and of two that close at
        # the same moment each takes the other for one that stays.
        with self._guard:
            connection.close()

    # -- connections --------------------------------------------------------------------------------

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(
            self.path, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        with self._queue.lock if self.in_memory else nullcontext():
            connection = self._take()
            try:
                yield self._prepared(connection)
            finally:
                self._give_back(connection)

    def _prepared(self, connection: _Connection) -> _Connection:
        for prepare in self._preparations[connection.prepared :]:
            prepare(connection)
            connection.prepared += 1
        return connection

    def _take(self) -> _Connection:
        with self._guard:
            if self._closed:
                raise ClosedError(f"{self.path}: the database was closed; build a new Memory")
            if self.in_memory:
                return self._idle[0]
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: _Connection) -> None:
        # Here and nowhere else, because what failed may have been the statement that ends the transaction.
        try:
            connection.rollback()
        except BaseException:
            if not self.in_memory:
                self._close_one(connection)
            raise
        if self.in_memory:
            return
        with self._guard:
            if not self._closed:
                self._idle.append(connection)
                return
        self._close_one(connection)

    # -- waiting for others -------------------------------------------------------------------------

    @contextmanager
    def _first_in_queue(self, deadline: float) -> Iterator[None]:
        """Keep the other writers of this process out; who is in the queue already does not wait again."""
        queue = self._queue
        if not queue.lock.acquire(blocking=False):
            if not queue.lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
                raise StorageBusyError(
                    f"{self.path}: another thread kept the write lock for over {self.busy_timeout:g} s; "
                    "nothing was stored, try again or raise busy_timeout"
                )
            if not self.in_memory:
                # The other processes only look now and then: threads that take turns without a gap
                # would keep them out for good.
                time.sleep(min(queue.last_took / 10, _LONGEST_GAP))
        try:
            yield
        finally:
            queue.lock.release()

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        if self.in_memory:
            connection.execute("BEGIN IMMEDIATE")
            return

        def begin() -> None:
            # With the first write and not before: a file that is refused when it is opened stays as it is.
            if not self._in_wal_mode:
                (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
                if mode != "wal":
                    raise sqlite3.OperationalError(f"write-ahead logging is not possible here (mode {mode!r})")
                self._in_wal_mode = True
            connection.execute("BEGIN IMMEDIATE")

        self._patiently(connection, deadline, begin)

    def _patiently(self, connection: sqlite3.Connection, deadline: float, step: Callable[[], object]) -> None:
        """Try a step until no other process is in its way."""
        connection.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    step()
                    return
                except sqlite3.OperationalError as error:
                    if "is locked" not in str(error) or time.monotonic() > deadline:
                        raise
                time.sleep(random.uniform(*_LOOK_AGAIN))
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(self.busy_timeout * 1000)}")


def _before_fork() -> None:
    # A child that inherits an open connection believes it holds locks that are the parent's alone, and
    # would write to files that the parent deletes when it closes.  Both open new ones.
    for database in list(_databases):
        if not database.in_memory:
            database._close_idle()


def _after_fork() -> None:
    # What another thread held at the fork would stay held in the child for ever.
    global _queues_guard
    _queues_guard = threading.Lock()
    _queues.clear()
    for database in list(_databases):
        database._make_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def same_path(one: str, other: str) -> bool:
    """Tell whether two paths name one file; what is kept in memory is never the same."""
    if MEMORY in (one, other):
        return False
    return os.path.realpath(os.path.expanduser(one)) == os.path.realpath(os.path.expanduser(other))


def _create_file(path: str) -> None:
    """Create file and folder for their owner only; an existing file is left as it is."""
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoragePermissionError(
            f"{path}: {error.strerror}: the file cannot be created or written; "
            "name another one with path=, or check the permissions of file and folder"
        ) from error
