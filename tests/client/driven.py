"""Either client of the hosted service, its verbs called alike."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from mem0.client.main import AsyncMemoryClient, MemoryClient

BOTH = {"blocking": MemoryClient, "awaited": AsyncMemoryClient}


class Driven:
    """Either client, its verbs called alike."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.itself: Any = self.run(lambda: BOTH[kind](**options))

    def run(self, make: Callable[[], Any]) -> Any:
        async def inside() -> Any:
            made = make()
            if inspect.isasyncgen(made):
                return [row async for row in made]
            return await made if inspect.isawaitable(made) else made

        return self.loop.run_until_complete(inside())

    def __getattr__(self, verb: str) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            answer = self.run(lambda: getattr(self.itself, verb)(*arguments, **named))
            return list(answer) if inspect.isgenerator(answer) else answer

        return called
