"""How long to wait before a request is sent again, for SDKs that never do so themselves."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

_FIRST = 0.5
_LONGEST = 8.0

#: Seconds; where a server asks for more, the call fails at once, and when to come again is the caller's to decide.
LONGEST_PAUSE = 60.0


def pauses(retries: int) -> Iterator[float | None]:
    """Yield, for each attempt, the seconds to wait if it fails; ``None`` for the last one.

    They double, and vary by a quarter, so that many who failed together do not come again together.

    Args:
        retries: How many attempts may follow the first.
    """
    for number in range(retries):
        yield min(_FIRST * 2**number, _LONGEST) * random.uniform(0.75, 1.0)
    yield None


def seconds_asked(text: str | None) -> float:
    """Return what a ``Retry-After`` asks for; none where it is no number, such as a date."""
    try:
        seconds = float(text or 0)
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(seconds) else seconds
