"""How long to wait before a request is sent again, for SDKs that never do so themselves."""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST = 0.5
_LONGEST = 8.0


def pauses(retries: int) -> Iterator[float | None]:
    """Yield, for each attempt, the seconds to wait if it fails; ``None`` for the last one.

    They double, and vary by a quarter, so that many who failed together do not come again together.

    Args:
        retries: How many attempts may follow the first.
    """
    for number in range(retries):
        yield min(_FIRST * 2**number, _LONGEST) * random.uniform(0.75, 1.0)
    yield None
