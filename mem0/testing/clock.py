"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import datetime, timedelta

from mem0.times import Moment, moment


class FrozenClock:
    """A clock for ``Memory(clock=...)``: calling it returns the time, an aware datetime in UTC.

    Args:
        start: The time it shows; a datetime, a date, ISO-8601 text or Unix seconds, naive meaning UTC.

    Raises:
        ValidationError: ``start`` is no point in time.
    """

    def __init__(self, start: Moment = "2026-01-01T00:00:00Z") -> None:
        self._now = moment("start", start)

    def __call__(self) -> datetime:
        """Return the time."""
        return self._now

    def __repr__(self) -> str:
        return f"FrozenClock({self._now.isoformat()!r})"

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> datetime:
        """Move on by so much (back, if it is negative) and return the new time."""
        self._now += timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        return self._now

    def set(self, now: Moment) -> datetime:
        """Show another time, given as the first one was, and return it.

        Raises:
            ValidationError: ``now`` is no point in time.
        """
        self._now = moment("now", now)
        return self._now
