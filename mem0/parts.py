"""What every part of a memory has in common, and how a part's coroutines are found."""

from __future__ import annotations

import inspect
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


class Closing:
    """What may hold something: released by ``close()``, or at the end of ``with``."""

    def close(self) -> None:
        """Release what it holds; a second time does nothing."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def has_coroutine(part: object, name: str) -> bool:
    """Tell whether a part has a coroutine function of this name.

    Its class is asked, because a mock has every method.
    """
    return inspect.iscoroutinefunction(getattr(type(part), name, None))


def is_coroutine_function(function: object) -> bool:
    """Tell whether a function, or an object that is called like one, must be awaited."""
    return inspect.iscoroutinefunction(function) or has_coroutine(function, "__call__")
