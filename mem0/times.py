"""Points in time: read from what users give, written as ISO-8601 in UTC."""

from __future__ import annotations

import math
import re
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

from mem0.exceptions import ValidationError
from mem0.text import quoted

Moment = datetime | date | str | int | float

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# ISO-8601 with and without separators.  Not `datetime.fromisoformat`: what that takes differs between
# Python 3.10, which does not know the "Z" of JSON APIs or a fraction of one digit, and later ones.
_ISO = re.compile(
    r"(\d{4})(-?)(\d\d)\2(\d\d)"
    r"(?:[Tt ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?\s?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)
_BARE_DATE = re.compile(r"\d{4}-?\d\d-?\d\d", re.ASCII)


def moment(field: str, value: object) -> datetime:
    """Return an aware UTC datetime.

    Args:
        field: The argument's name, for the error.
        value: A datetime, a date (its first moment), ISO-8601 text, or Unix seconds; naive means UTC.

    Raises:
        ValidationError: It is none of these.
    """
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, date):
            found = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
        elif isinstance(value, str):
            found = _read(value.strip())
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            found = _EPOCH + timedelta(seconds=value)
        else:
            raise ValueError("not a point in time")
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ValidationError(
            f"{field}={quoted(value)}: {error}; give a datetime, ISO-8601 text such as '2026-01-31T18:00:00+01:00', "
            "or Unix seconds"
        ) from error


def _read(text: str) -> datetime:
    """Return the point in time that ISO-8601 text names, naive where it names no offset."""
    parts = _ISO.fullmatch(text)
    if parts is None:
        raise ValueError("not ISO-8601")
    year, _, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes = parts.groups()
    zone = timezone.utc if zulu else None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "")[:6].ljust(6, "0")),
        tzinfo=zone,
    )


def iso(when: datetime) -> str:
    """Return ISO-8601 text in UTC, always with microseconds, so that texts sort as times do."""
    return when.astimezone(timezone.utc).isoformat(timespec="microseconds")


def stored_form(field: str, value: object) -> object:
    """Return a point in time as it is stored, so that the texts compare; all else stays as it is.

    A bare date stays one too: it stands before every moment of its day.
    """
    if isinstance(value, str) and not _BARE_DATE.fullmatch(value.strip()):
        try:
            return iso(moment(field, value))
        except ValidationError:
            return value  # a beginning, such as "2026-01", which texts can be compared with
    if isinstance(value, datetime):
        return iso(moment(field, value))
    return value.isoformat() if isinstance(value, date) else value


def expiration(value: object) -> str:
    """Return an ``expiration_date`` as it is stored: a bare date stays one, all else becomes UTC.

    Raises:
        ValidationError: It is no point in time.
    """
    if isinstance(value, str) and _BARE_DATE.fullmatch(value.strip()):
        return moment("expiration_date", value).date().isoformat()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return iso(moment("expiration_date", value))


def expires_at(payload: Mapping[str, Any]) -> float | None:
    """Return when a stored memory expires, in Unix seconds; a bare date ends with that day in UTC.

    ``None`` where it does not, or where another program wrote a date that cannot be read: what may
    still be wanted is kept.
    """
    stored = payload.get("expiration_date")
    if not isinstance(stored, str):
        return None
    try:
        when = moment("expiration_date", stored)
        return (when + timedelta(days=1) if len(stored) == 10 else when).timestamp()
    except (ValidationError, OverflowError):
        return None


def said_at(payload: Mapping[str, Any]) -> float:
    """Return a stored memory's ``created_at`` in Unix seconds; 0 where it has none that can be read."""
    try:
        return moment("created_at", payload["created_at"]).timestamp()
    except (KeyError, ValidationError):
        return 0.0


_last_id = 0
_id_lock = threading.Lock()


def new_id() -> str:
    """Return a new id: a UUID of version 7, so that ids sort as they were made (RFC 9562, section 5.7).

    Those of one process are in strict order; those of several, as well as their clocks agree.
    """
    global _last_id
    with _id_lock:
        # 48 bits of milliseconds and 12 of their fraction, counted on where the clock stands still or goes back.
        _last_id = max(_last_id + 1, (time.time_ns() << 12) // 1_000_000)
        moment, fraction = _last_id >> 12, _last_id & 0xFFF
    return str(uuid.UUID(int=moment << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)))
