"""What the contracts check with: plain asserts, so that any test runner can run them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def refused(expected: type[Exception], what: str, call: Callable[[], Any]) -> None:
    """Check that a call raises an error of a class."""
    try:
        result = call()
    except expected:
        return
    except Exception as error:
        raise AssertionError(f"{what}: expected {expected.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"{what}: expected {expected.__name__}, but nothing was raised; the result is {result!r}")


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine of two vectors, neither of them zero."""
    lengths = math.hypot(*left) * math.hypot(*right)
    return math.fsum(a * b for a, b in zip(left, right, strict=True)) / lengths
