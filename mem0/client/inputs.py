"""What callers give the hosted client, checked and made ready: ids, filters, messages, the key and the host."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from mem0.exceptions import ConfigError, ValidationError
from mem0.text import clean
from mem0.times import iso, moment

DEFAULT_HOST = "https://api.mem0.ai"

#: Keys of a filter that join others.
LOGICAL = ("AND", "OR", "NOT")
_VERSION_AT_THE_END = re.compile(r"/v[0-9]+$")


def address(host: str | None) -> str:
    """Return a host without the slash or version at its end: the paths name the version themselves.

    Raises:
        ConfigError: It is no address.
    """
    found = (host or DEFAULT_HOST).strip().rstrip("/")
    found = _VERSION_AT_THE_END.sub("", found).rstrip("/")
    try:
        parts = urlsplit(found)
        _ = parts.port  # read for its error
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s?#]", found)
    except ValueError:
        is_address = False
    if not is_address:
        # With an @ in it, it may hold a password; and where is unclear if it cannot be read.
        shown = "***" if "@" in found else found
        raise ConfigError(f"host={shown!r} is no address; write it as https://host:port, such as {DEFAULT_HOST}")
    return found


def authorization(api_key: object) -> dict[str, str]:
    """Return the headers that name the caller.

    Raises:
        ConfigError: There is no key, or it has characters that no header can hold; it is not shown.
    """
    key = api_key.strip() if isinstance(api_key, str) else ""
    if not key:
        raise ConfigError("the hosted service needs a key: set MEM0_API_KEY, or give api_key")
    if not key.isascii() or not key.isprintable():
        raise ConfigError("api_key has characters that no key has: check MEM0_API_KEY, or api_key")
    return {"Authorization": f"Token {key}", "Accept": "application/json"}


def messages(said: Any) -> list[Any]:
    """Return what was said as the service takes it: a list of messages."""
    parts = said if isinstance(said, (list, tuple)) else [] if said is None else [said]
    found: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            found += [{"role": "user", "content": part}] if part.strip() else []
        elif isinstance(part, Mapping):
            found.append(dict(part))
        else:
            raise ValidationError(f"messages: {type(part).__name__} is no message; give text or {{'role', 'content'}}")
    return found


def literal(name: str, value: object) -> str:
    """Return an id as text.

    Raises:
        ValidationError: It cannot be one.
    """
    text = str(value) if isinstance(value, (int, UUID)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        raise ValidationError(f"{name}={value!r}: an id is text, and not blank")
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text) or len(text.encode()) > 512:
        raise ValidationError(f"{name}={value!r}: an id has no control characters, and at most 512 bytes")
    return text


def segment(name: str, value: object) -> str:
    """Return an id as one segment of a path, which it cannot leave."""
    text = literal(name, value)
    if text in (".", ".."):
        # Percent-encoded too, these two mean folders to many a server and proxy.
        raise ValidationError(f"{name}={text!r}: this id cannot stand in a path")
    return quote(text, safe="")


def ids(given: Mapping[str, object]) -> dict[str, str]:
    """Return the ids that are given, as text."""
    return {name: literal(name, value) for name, value in given.items() if value is not None}


def filters(given: Any) -> dict[str, Any]:
    """Return filters as a dict; what they say is for the service to judge."""
    if given is not None and not isinstance(given, Mapping):
        raise ValidationError(f"filters={given!r}: give a dict, such as {{'user_id': 'alice'}}")
    return dict(given or {})


def agree(scope: Mapping[str, str], filters: Mapping[str, Any]) -> None:
    """Refuse an id that is given twice, with different values."""
    for name, value in scope.items():
        if name in filters and str(filters[name]) != value:
            raise ValidationError(f"{name}={value!r} and filters[{name!r}]={filters[name]!r} differ; give one")


def joined(scope: Mapping[str, str], filters: dict[str, Any]) -> dict[str, Any]:
    """Return filters that hold the scope too: the later versions of the service look nowhere else."""
    if scope and any(key in LOGICAL for key in filters):
        return {"AND": [*({name: value} for name, value in scope.items()), filters]}
    return {**scope, **filters}


def rows(memories: Any) -> list[Any]:
    """Return the rows of a batch; there must be one."""
    if isinstance(memories, (str, Mapping)) or not hasattr(memories, "__iter__"):
        raise ValidationError("memories: give a list")
    found = list(memories)
    if not found:
        raise ValidationError("memories: the list is empty")
    return found


def positive(name: str, value: object) -> int | None:
    """Return a count, which starts at one."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValidationError(f"{name}={value!r}: give a whole number from 1")
    return value


def timed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with ``timestamp`` as the service takes it, in Unix seconds."""
    when = options.get("timestamp")
    if not isinstance(when, date):
        return dict(options)
    return {**options, "timestamp": int(moment("timestamp", when).timestamp())}


def plain(verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of plain JSON values, without what is ``None``, and without what UTF-8 cannot hold."""
    try:
        text = json.dumps(
            {key: value for key, value in given.items() if value is not None},
            default=_written,
            ensure_ascii=False,
            allow_nan=False,
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{verb}: not everything given is JSON: {error}") from error
    copied: dict[str, Any] = json.loads(clean(text))
    return copied


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return iso(moment("value", value))
    if isinstance(value, (date, UUID)):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")
