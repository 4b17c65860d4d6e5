"""The environment: what a package reads there while it is imported, and what must not be told of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the length of the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def keys() -> list[str]:
    """Return what variables hold that are named as keys and tokens are, for who cannot know which one was used."""
    return [value for name, value in os.environ.items() if name.endswith(("_API_KEY", "_ACCESS_KEY", "_TOKEN"))]
