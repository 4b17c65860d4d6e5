"""What the contracts check with: plain asserts, so that any test runner can run them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from mem0.configs.llms.base import BaseLlmConfig
from mem0.parts import has_coroutine


def refused(expected: type[Exception], what: str, call: Callable[[], Any]) -> None:
    """Check that a call raises an error of a class."""
    try:
        result = call()
    except expected:
        return
    except Exception as error:
        raise AssertionError(f"{what}: expected {expected.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"{what}: expected {expected.__name__}, but nothing was raised; the result is {result!r}")


def in_two_event_loops(provider: Any, ask: Callable[[], Awaitable[Any]]) -> Iterator[Any]:
    """Yield what a provider is asked for in one event loop after another; it is released at the end of each."""

    async def asked() -> Any:
        try:
            return await ask()
        finally:
            if hasattr(provider, "aclose"):
                await provider.aclose()

    for _ in range(2):
        yield asyncio.run(asked())


def check_options(provider: object) -> None:
    """Check that the class of a provider's options, where it has one, refuses what it does not know."""
    name, options = type(provider).__name__, getattr(type(provider), "options", None)
    if options is None:
        return
    a_model = isinstance(options, type) and issubclass(options, BaseModel)
    assert a_model, f"{name}.options is {options!r}; it is the class of the options, a pydantic model"
    assert options is BaseLlmConfig or options.model_config.get("extra") == "forbid", (
        f"{options.__name__} passes over keys that it does not know, and with them typing errors; give it "
        f'extra="forbid", as in class {options.__name__}(..., extra="forbid")'
    )


def check_coroutines(provider: object, *methods: str) -> None:
    """Check that those of these methods which a provider has can be awaited."""
    for method in methods:
        assert getattr(type(provider), method, None) is None or has_coroutine(provider, method), (
            f"{type(provider).__name__}.{method} cannot be awaited; write it with async def, or leave it out"
        )


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of two vectors, neither of them zero."""
    lengths = math.hypot(*left) * math.hypot(*right)
    return math.fsum(a * b for a, b in zip(left, right, strict=True)) / lengths
