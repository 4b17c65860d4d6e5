"""Clients for asyncio, one for each event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable
from types import ModuleType
from typing import Any, Generic, TypeVar

Client = TypeVar("Client")


class AsyncClients(Generic[Client]):
    """A client for each event loop, because a connection belongs to the loop that opened it.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._held: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[None, None], Client]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def here(self) -> Client:
        """Return the client of the event loop that is running."""
        loop = asyncio.get_running_loop()
        with self._lock:
            held = self._held.get(loop)
            if held is None:
                for gone in [other for other in self._held if other.is_closed()]:
                    del self._held[gone]
                client = self._make()
                held = self._held[loop] = (_until_the_loop_ends(client), client)
                await anext(held[0])  # never waits: nothing does before its first yield
            return held[1]

    def close(self) -> None:
        """Have each client closed in its own event loop, where that is still running."""
        for loop, (holder, _) in list(self._held.items()):
            try:
                loop.call_soon_threadsafe(self._close_soon, loop, holder)
            except RuntimeError:  # the loop is closed, and closed its client before
                continue

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[0].aclose()

    def _close_soon(self, loop: asyncio.AbstractEventLoop, holder: AsyncGenerator[None, None]) -> None:
        # A coroutine around it: a task that is cancelled before it begins must leave the holder to the loop.
        task = loop.create_task(_closed(holder))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _until_the_loop_ends(client: Any) -> AsyncGenerator[None, None]:
    """Hold a client open for as long as its event loop lives.

    A loop that ends closes its unfinished generators (``asyncio.run`` sees to it), and so the client in the only
    place where that can be done; so does asyncio when the generator is collected.
    """
    try:
        yield
    finally:
        closing = client.close()
        if inspect.isawaitable(closing):  # a mock's is not
            await closing


async def _closed(holder: AsyncGenerator[None, None]) -> None:
    await holder.aclose()


def is_half_doubled(sdk: ModuleType, client: object, awaited_kind: object) -> bool:
    """Tell whether users put a double in place of an SDK's blocking class only, as code for one class does.

    The class for asyncio would then ask the vendor, which is what they meant to prevent.

    Args:
        sdk: The SDK.
        client: The blocking client.
        awaited_kind: The class for asyncio.
    """

    def is_the_sdks(kind: object) -> bool:
        return str(getattr(kind, "__module__", "")).partition(".")[0] == sdk.__name__

    return is_the_sdks(awaited_kind) and not is_the_sdks(type(client))
