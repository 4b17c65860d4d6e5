"""What callers give the hosted client, checked and made ready: ids, filters, messages, the key and the host."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from mem0.exceptions import ConfigError, ValidationError
from mem0.text import clean
from mem0.times import iso, moment

DEFAULT_HOST = "https://api.mem0.ai"

#: What names whose memories are meant.
ENTITY_KEYS = ("user_id", "agent_id", "app_id", "run_id")
#: What ``None`` clears; everything else that is ``None`` is left out.
CLEARED_BY_NONE = ("expiration_date",)

#: Keys of a filter that join others.
LOGICAL = ("AND", "OR", "NOT")
MOST_RETRIES = 10
#: Seconds; a day.  What is much longer, no socket can wait.
LONGEST_TIMEOUT = 86_400
_VERSION_AT_THE_END = re.compile(r"/v[0-9]+$")


def address(host: object) -> str:
    """Return a host without the slash or version at its end: the paths name the version themselves.

    Raises:
        ConfigError: It is no address.
    """
    if host and not isinstance(host, str):
        raise ConfigError(f"host: {type(host).__name__} is no address; write it as text, such as {DEFAULT_HOST}")
    found = str(host or DEFAULT_HOST).strip().rstrip("/")
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
    if "@" in parts.netloc:
        raise ConfigError(
            "host='***' holds a login, which would be sent in place of the key: leave it out; "
            "if a login is what the server wants, give client=httpx.Client(auth=...)"
        )
    return found


def authorization(api_key: object) -> dict[str, str]:
    """Return the headers that name the caller.

    Raises:
        ConfigError: There is no key, or it has characters that no header can hold; it is not shown.
    """
    if api_key is not None and not isinstance(api_key, str):
        raise ConfigError(f"api_key: {type(api_key).__name__} is no text; give the key as text")
    key = (api_key or "").strip()
    if not key:
        raise ConfigError("the hosted service needs a key: set MEM0_API_KEY, or give api_key")
    if not key.isascii() or not key.isprintable():
        raise ConfigError("api_key has characters that no key has: check MEM0_API_KEY, or api_key")
    return {"Authorization": f"Token {key}", "Accept": "application/json"}


def account(name: str, value: object) -> str | None:
    """Return the id of an organisation or project.

    Raises:
        ConfigError: It is no text.
    """
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise ConfigError(f"{name}={value!r}: give its id as text; an HTTP client of your own is given as client=")


def retries(value: object) -> int:
    """Return how often a request is sent again at most.

    Raises:
        ConfigError: It is no number, or none that makes sense.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_RETRIES:
        return value
    raise ConfigError(f"max_retries={value!r}: give a whole number from 0 to {MOST_RETRIES}")


def seconds(value: object) -> float:
    """Return how long to wait for a connection or a part of an answer.

    Raises:
        ConfigError: It is no number, or none that makes sense.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_TIMEOUT:
        return value
    raise ConfigError(
        f"timeout={value!r}: give seconds, more than 0 and at most {LONGEST_TIMEOUT}; an httpx.Timeout; "
        "or None for no limit"
    )


def merged(options: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call together with those that came as ``options``.

    Raises:
        ValidationError: ``options`` cannot be read, or says otherwise than the call itself.
    """
    found = {} if options is None else _opened(options)
    if found is None:
        raise ValidationError(
            f"options: {type(options).__name__} holds none; give a dict, such as {{'top_k': 5}}, or a pydantic model; "
            "version and the like go by name"
        )
    told = {name: value for name, value in given.items() if value is not None or name in CLEARED_BY_NONE}
    for name, value in told.items():
        if name in found and found[name] != value:
            raise ValidationError(f"{name}={value!r} and options with {name}={found[name]!r} differ; give one")
    return {**found, **told}


def amended(text: object, options: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an update, whose text may be its ``options`` instead."""
    if text is None or isinstance(text, str):
        return merged(options, {"text": text, **given})
    found = _opened(text)
    if found is None or options is not None:
        raise ValidationError(f"text: {type(text).__name__} is no text; options can stand here, given once")
    return merged(found, given)


def _opened(options: object) -> dict[str, Any] | None:
    """Return what a dict holds, or what was set of a pydantic model; ``None`` for anything else."""
    if isinstance(options, Mapping):
        return dict(options)
    dump = None if isinstance(options, type) else getattr(options, "model_dump", None)
    return dict(dump(exclude_unset=True)) if callable(dump) else None


def parted(given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the ids of a call as text, and its other arguments."""
    return (
        ids({name: given.get(name) for name in ENTITY_KEYS}),
        {name: value for name, value in given.items() if name not in ENTITY_KEYS},
    )


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
    """Return the ids that are given, as text.

    Raises:
        ValidationError: One cannot be an id, or would be read by the service as "whoever it is".
    """
    found = {name: literal(name, value) for name, value in given.items() if value is not None}
    for name, value in found.items():
        if value.strip() == "*":
            raise ValidationError(
                f"{name}={value!r}: an id is a literal here, and the service takes this one for everybody; "
                f"to delete everything there is reset(), to read across ids give filters={{{name!r}: '*'}}"
            )
    return found


def filters(given: Any) -> dict[str, Any]:
    """Return filters as a dict; what they say is for the service to judge.

    Raises:
        ValidationError: They are none, or hold ``None`` as an id, which the service might read as "whoever it is".
    """
    if given is not None and not isinstance(given, Mapping):
        raise ValidationError(f"filters={given!r}: give a dict, such as {{'user_id': 'alice'}}")
    found = dict(given or {})
    for name in ENTITY_KEYS:
        if name in found and found[name] is None:
            raise ValidationError(f"filters[{name!r}] is None, which names nobody: give an id, or leave it out")
    return found


def is_id(name: str, value: object) -> bool:
    """Tell whether what a filter says is the same as an id that is given as an argument."""
    return name in ENTITY_KEYS and isinstance(value, (str, int, UUID)) and str(value).strip() != "*"


def widened(verb: str, scope: Mapping[str, str], given: Any) -> dict[str, str]:
    """Return a scope and the ids in filters, for a verb whose filters can hold nothing else.

    Raises:
        ValidationError: They hold something else, or another id than the scope.
    """
    within = filters(given)
    others = [key for key in within if key not in ENTITY_KEYS]
    if others:
        raise ValidationError(f"{verb}: filters with {others[0]!r}: these can hold only {', '.join(ENTITY_KEYS)}")
    found = ids(within)
    agree(scope, found)
    return {**found, **scope}


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


def changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to change of a memory as the service takes it.

    Raises:
        ValidationError: The text is given twice.
    """
    found = {name: value for name, value in timed(given).items() if value is not None or name in CLEARED_BY_NONE}
    if "data" in found:
        if "text" in found:
            raise ValidationError("text and data mean the same; give one")
        found["text"] = found.pop("data")
    return found


def plain(verb: str, given: Mapping[str, Any], cleared: Sequence[str] = ()) -> dict[str, Any]:
    """Return a copy of plain JSON values, without what UTF-8 cannot hold.

    Args:
        verb: Of which call, for the error.
        given: What is to be sent.
        cleared: What is sent even if it is ``None``; nothing else that is ``None`` is.
    """
    try:
        text = json.dumps(
            {key: value for key, value in given.items() if value is not None or key in cleared},
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
