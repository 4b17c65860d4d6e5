"""Whether a request is sent again, and after how long: one rule, for SDKs that do not do so themselves."""

from __future__ import annotations

import math
import random

from mem0.exceptions import Mem0Error

_FIRST = 0.5
_LONGEST = 8.0

# Seconds; where a server asks for more, the call fails at once, and when to come again is the caller's to decide.
_LONGEST_ASKED = 60.0


class Patience:
    """How often one request is sent again, and after which pauses.

    They double, and vary by a quarter, so that many who failed together do not come again together; where the server
    says when to come again, that counts.

    Args:
        retries: How many attempts may follow the first.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._made = 0

    def after(self, failed: Mem0Error, cause: Exception | None, retry_after: str | float | None = None) -> float:
        """Return the seconds to wait before another try.

        Args:
            failed: What came of the last one.
            cause: What that came of, as far as it may be shown.
            retry_after: What the answer says of when to come again.

        Raises:
            Mem0Error: No other try is to follow; it is the one that was given.
        """
        asked = seconds_asked(retry_after)
        if not failed.retryable or self._made == self._retries or asked > _LONGEST_ASKED:
            raise failed from cause
        pause = min(_FIRST * 2.0**self._made, _LONGEST) * random.uniform(0.75, 1.0)
        self._made += 1
        return max(pause, asked)


def seconds_asked(text: str | float | None) -> float:
    """Return what a ``Retry-After`` asks for; none where it is no number, such as a date."""
    try:
        seconds = float(text or 0)
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(seconds) else seconds
