"""What goes into one request, where there is too much for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], most: int, most_bytes: int, size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield items in batches, each within what one request may hold; an item is never divided.

    Args:
        items: What is to be sent.
        most: How many of them one request takes.
        most_bytes: How many bytes.
        size: Returns the bytes of one.
    """
    batch: list[Item] = []
    held = 0
    for item in items:
        more = size(item)
        if batch and (len(batch) == most or held + more > most_bytes):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += more
    if batch:
        yield batch


def bytes_of(text: str) -> int:
    """Return the size of a text."""
    return len(text.encode())
