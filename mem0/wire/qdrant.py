"""Qdrant: its clients, embedded or for a server, and what their errors mean.

What is asked is written once, as generators that yield :class:`Call`; it is sent by the blocking client or by the one
for asyncio.  The embedded engine is not made for several threads, so only one at a time is in it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, field_validator
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from mem0.exceptions import (
    ClosedError,
    ConfigError,
    StorageError,
    StoragePermissionError,
    StorageUnavailableError,
    retryable_status,
)
from mem0.parts import is_coroutine_function
from mem0.text import without_login
from mem0.wire import qdrant_folders
from mem0.wire.connection import Secret
from mem0.wire.failures import hidden, in_brackets, shown_cause
from mem0.wire.loops import AsyncClients
from mem0.wire.retries import Patience

Answer = TypeVar("Answer")

_IN_MEMORY = ":memory:"

# What a gRPC server's codes are in HTTP's terms; the names are those of `grpc.StatusCode`.
_OF_GRPC = {
    "ABORTED": 503,
    "ALREADY_EXISTS": 409,
    "CANCELLED": 503,
    "DATA_LOSS": 422,
    "DEADLINE_EXCEEDED": 504,
    "FAILED_PRECONDITION": 400,
    "INTERNAL": 500,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "OUT_OF_RANGE": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAUTHENTICATED": 401,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 405,
    "UNKNOWN": 500,
}

# A collection that exists already, and a call that came to nothing: another try changes neither.
_NOT_AGAIN = (409,)


class QdrantConnection(BaseModel):
    """Which Qdrant is meant: a client, an address, a folder, or the memory of this process."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    places: ClassVar[tuple[str, ...]] = ("client", "url", "host", "path")
    of_server: ClassVar[tuple[str, ...]] = ("port", "grpc_port", "prefer_grpc", "https", "prefix", "api_key")

    client: Any = Field(default=None, description="A `QdrantClient` of your own, which stays yours to close.")
    url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="Address of a server, as `https://xyz.cloud.qdrant.io:6333`.",
    )
    host: str | None = Field(default=None, min_length=1, description="Name of a server, in place of `url`.")
    port: int | None = Field(default=None, ge=1, le=65535, description="Its REST port. Default: 6333.")
    grpc_port: int | None = Field(default=None, ge=1, le=65535, description="Its gRPC port. Default: 6334.")
    prefer_grpc: bool = Field(default=False, description="Speak gRPC where it can.")
    https: bool | None = Field(default=None, description="Whether to speak TLS. Default: where there is an `api_key`.")
    prefix: str | None = Field(default=None, min_length=1, description="Path in front of the API, behind a proxy.")
    api_key: Secret | None = Field(default=None, description="The key of the server.")
    path: str | None = Field(
        default=None,
        min_length=1,
        description="A folder, for the engine inside this process, or `:memory:`. Default, where no server is named: "
        "`qdrant` in `$MEM0_DIR`.",
    )
    timeout: int = Field(default=30, ge=1, description="Whole seconds that one request may take.")
    max_retries: int = Field(
        default=2, ge=0, le=10, description="How often a request is sent again after 429, 5xx or a lost connection."
    )

    @field_validator("path", mode="before")
    @classmethod
    def _text_of_path(cls, path: object) -> object:
        return os.path.expanduser(path) if isinstance(path, (str, os.PathLike)) else path

    @field_validator("host")
    @classmethod
    def _is_name(cls, host: str | None) -> str | None:
        if host is not None and ("/" in host or host.count(":") == 1):  # an address of IPv6 has more
            raise ValueError("this is no name of a server alone; give its port as port, or all of it as url")
        return host

    @field_validator("client")
    @classmethod
    def _is_client(cls, client: Any) -> Any:
        if client is None:
            return None
        asks = getattr(client, "get_collection", None)
        if not callable(asks) or isinstance(client, type) or is_coroutine_function(asks):
            raise ValueError("this is no QdrantClient; give one that blocks, AsyncMemory makes its own beside it")
        return client

    def secrets(self) -> list[str | None]:
        """Return what must not be told."""
        of_client = getattr(self.client, "init_options", None) or {}
        return [None if self.api_key is None else self.api_key.get_secret_value(), of_client.get("api_key")]


class Call(NamedTuple):
    """One call of the client: which method, with what."""

    method: str
    arguments: dict[str, Any]


Calls = Generator[Call, Any, Answer]


class CollectionGoneError(Exception):
    """The collection that was asked for is not there (any more)."""


_locks_of_clients: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_names_of_clients: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_clients_lock = threading.Lock()


class QdrantLine:
    """The clients for one Qdrant.

    Args:
        options: Which one.
        default_path: The folder, where neither a server nor a folder is named.

    Attributes:
        client: The blocking client.
        where: What tells this Qdrant from another.
        is_local: Whether it is the engine inside this process.
        awaits: Whether it can be awaited: a server behind the vendor's own client.

    Raises:
        ConfigError: More than one place is named, an address cannot be used, or a server's options come without a
            server.
        StorageError: The folder cannot be opened.
    """

    def __init__(self, options: QdrantConnection, default_path: str) -> None:
        self._options = options
        self._is_closed = False
        self._closing = threading.Lock()
        self._folder: str | None = None
        self._guard: AbstractContextManager[Any] = nullcontext()
        named = [place for place in options.places if getattr(options, place) is not None]
        if len(named) > 1:
            raise ConfigError(f"provider 'qdrant': {' and '.join(named)} name different places; give one")
        of_server = [option for option in options.of_server if getattr(options, option)]
        if of_server and options.url is None and options.host is None:
            where = f"in place of {named[0]}, or leave out what only a server has" if named else "too"
            raise ConfigError(
                f"provider 'qdrant': {' and '.join(of_server)}: no server is named; give url or host {where}"
            )
        self._process = os.getpid()
        if options.client is not None:
            self.client = options.client
        elif options.url is not None or options.host is not None:
            self.client = self._remote(QdrantClient)
        elif options.path == _IN_MEMORY:
            self.client = QdrantClient(location=_IN_MEMORY, force_disable_check_same_thread=True)
        else:
            self._folder = options.path or default_path
            folder = qdrant_folders.opened(self._folder)
            self.client, self._guard = folder.client, folder.lock
        self.where = _place_of(self.client)
        self.is_local = type(getattr(self.client, "_client", None)).__name__ == "QdrantLocal"
        self.awaits = not self.is_local and hasattr(self.client, "init_options")
        if self.is_local and self._folder is None:
            with _clients_lock:  # two stores on one client are to share its lock
                self._guard = _locks_of_clients.setdefault(self.client, threading.RLock())
        self._awaited: AsyncClients[Any] = AsyncClients(self._made_for_asyncio)

    def run(self, calls: Callable[[], Calls[Answer]]) -> Answer:
        """Carry out calls with the blocking client.

        Args:
            calls: Makes the generator; made anew, once, where the collection has gone meanwhile.
        """
        self._require_open()  # before the guard, which a fork may have inherited locked
        with self._guard:
            self._require_open()  # it may have been closed while this thread waited
            try:
                return self._driven(calls())
            except CollectionGoneError:
                with self._no_collections():
                    return self._driven(calls())

    async def arun(self, calls: Callable[[], Calls[Answer]]) -> Answer:
        """Do what :meth:`run` does, awaiting; for a server only."""
        self._require_open()
        client = await self._awaited.here()
        try:
            return await self._adriven(client, calls())
        except CollectionGoneError:
            with self._no_collections():
                return await self._adriven(client, calls())

    def close(self) -> None:
        """Close what was opened here; a second time does nothing."""
        if self.is_local and self._process != os.getpid():
            return  # this one is its fork, and the engine, and the lock of a folder, are the parent's
        with self._closing:  # only one of two threads may leave a shared folder
            was_closed, self._is_closed = self._is_closed, True
        if was_closed:
            return
        self._awaited.close()
        if self._folder is not None:
            qdrant_folders.left(self._folder)
        elif self._options.client is None:
            with self._guard:
                self.client.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    def _driven(self, calls: Calls[Answer]) -> Answer:
        step: Callable[[Any], Call] = calls.send
        answer: Any = None
        while True:
            try:
                call = step(answer)
            except StopIteration as stop:
                result: Answer = stop.value
                return result
            try:
                step, answer = calls.send, self._sent(call)
            except (CollectionGoneError, StorageError) as error:
                step, answer = calls.throw, error

    def _sent(self, call: Call) -> Any:
        patience = Patience(self._options.max_retries)
        while True:
            try:
                return getattr(self.client, call.method)(**call.arguments)
            except Exception as error:  # noqa: BLE001 - raised as ours, or the request is sent again
                time.sleep(self._pause_after(call, error, patience))
                self._require_open()

    async def _adriven(self, client: Any, calls: Calls[Answer]) -> Answer:
        step: Callable[[Any], Call] = calls.send
        answer: Any = None
        while True:
            try:
                call = step(answer)
            except StopIteration as stop:
                result: Answer = stop.value
                return result
            try:
                step, answer = calls.send, await self._asent(client, call)
            except (CollectionGoneError, StorageError) as error:
                step, answer = calls.throw, error

    async def _asent(self, client: Any, call: Call) -> Any:
        patience = Patience(self._options.max_retries)
        while True:
            try:
                return await getattr(client, call.method)(**call.arguments)
            except Exception as error:  # noqa: BLE001 - raised as ours, or the request is sent again
                await asyncio.sleep(self._pause_after(call, error, patience))
                self._require_open()

    def _remote(self, kind: type[Any]) -> Any:
        options = self._options
        given: dict[str, Any] = {
            name: getattr(options, name)
            for name in ("url", "host", "port", "grpc_port", "https", "prefix")
            if getattr(options, name) is not None
        }
        if options.api_key is not None:
            given["api_key"] = options.api_key.get_secret_value()
        try:
            # Without the look at the server's version, which would be a request before anything is asked for.
            return kind(prefer_grpc=options.prefer_grpc, timeout=options.timeout, check_compatibility=False, **given)
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"provider 'qdrant': url, host, port or prefix make no address ({type(error).__name__}); write "
                "url='https://host:6333'"
            ) from None  # the original may quote a password

    def _made_for_asyncio(self) -> Any:
        if self._options.client is not None:
            # The caller's own has looked at the server's version, which would keep the event loop waiting.
            return AsyncQdrantClient(**{**self._options.client.init_options, "check_compatibility": False})
        return self._remote(AsyncQdrantClient)

    def _require_open(self) -> None:
        if self._is_closed:
            raise ClosedError(f"the vector store 'qdrant' at {self.where} was closed; make a new one")
        if self.is_local and self._process != os.getpid():
            raise qdrant_folders.of_another_process(self._folder or _IN_MEMORY)  # this one is its fork

    @contextmanager
    def _no_collections(self) -> Iterator[None]:
        """Tell what it means that a server knows no collection, not even while it is asked for one."""
        try:
            yield
        except CollectionGoneError as error:
            raise StorageError(
                f"Qdrant at {self.where}: 404: {str(error)[:500]}: check that url, port and prefix lead to Qdrant"
            ) from error

    # -- errors -------------------------------------------------------------------------------------

    def _pause_after(self, call: Call, error: Exception, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error where none is to follow."""
        self._require_open()  # else whatever came of closing would be told as a lost connection
        status, said, unreached = _read(error)
        if self.is_local and isinstance(error, (sqlite3.Error, OSError)):
            raise qdrant_folders.failed(self.where, call.method, error) from error
        if status is None and not unreached and not isinstance(error, (ApiException, ValueError)):
            raise error
        secrets = self._options.secrets()

        def shown(text: str) -> str:
            return hidden(text, secrets)

        said = shown(said)
        if status == 404 and "ollection" in said:
            raise CollectionGoneError(said) from error
        passing = unreached or (retryable_status(status) and status not in _NOT_AGAIN)
        failed = self._told(call, status, said, passing)
        asked = getattr(error, "retry_after_s", None) or getattr(error, "headers", {}).get("retry-after")
        return patience.after(failed, shown_cause(error, shown), asked)

    def _told(self, call: Call, status: int | None, said: str, passing: bool) -> StorageError:
        where = f"Qdrant at {self.where}: {call.method}"
        if status in (401, 403):
            return StoragePermissionError(f"{where}: {status}, the key was refused: check api_key; nothing was stored")
        if passing:
            cause = (
                f"{status}, the server failed or is busy{in_brackets(said[:500])}" if status else f"no answer ({said})"
            )
            return StorageUnavailableError(f"{where}: {cause}: check that it runs, then try again; nothing was stored")
        if "ndex required" in said:
            said += "; this server filters by indexed keys only: make one with client.create_payload_index"
        return StorageError(f"{where}: {f'{status}, ' if status else ''}refused: {said[:500]}; nothing was stored")


def _read(error: Exception) -> tuple[int | None, str, bool]:
    """Return the HTTP status of an error, what it says, and whether there was no answer at all."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code, error.content.decode(errors="replace")[:500], False
    if isinstance(error, QdrantException):  # its only reasons: 429, and one whose Retry-After it cannot read
        return 429, str(error), False
    if isinstance(error, ResponseHandlingException):
        is_answer = type(error.source).__module__.startswith("pydantic")
        said = "what came back is not what Qdrant answers; check url and port" if is_answer else str(error.source)
        return None, said or type(error.source).__name__, not is_answer
    code = getattr(error, "code", None)
    if callable(code) and type(error).__module__.startswith("grpc"):
        name = str(getattr(code(), "name", ""))
        return _OF_GRPC.get(name), f"{name}: {getattr(error, 'details', lambda: '')()}", name not in _OF_GRPC
    if isinstance(error, ValueError) and "not found" in str(error):  # of the engine inside this process
        return 404, str(error), False
    return None, str(error), False


def _place_of(client: Any) -> str:
    """Return what tells a Qdrant from every other, however it was named.

    A folder by its path and a server by its address.  What is in memory, or stands behind a client of another kind,
    is told by a name that nothing else has.
    """
    inner = getattr(client, "_client", None)
    location = getattr(inner, "location", None)
    if isinstance(location, str) and location != _IN_MEMORY:
        return os.path.realpath(location)
    address = getattr(inner, "rest_uri", None)
    if isinstance(address, str):
        return without_login(address).rstrip("/")
    with _clients_lock:
        return _names_of_clients.setdefault(client, f"{location or type(client).__name__} {uuid.uuid4().hex[:12]}")
