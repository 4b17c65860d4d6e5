"""What callers hand over, checked and brought into one form before anything is read, written or spent."""

from __future__ import annotations

import inspect
import json
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mem0.exceptions import FilterError, ValidationError
from mem0.filters import GROUPS, parse_filters
from mem0.memory.threshold import Threshold
from mem0.text import clean, quoted
from mem0.types import RESERVED_KEYS, SCOPE_KEYS, Scope

#: Limits of one call; beyond them a :class:`~mem0.exceptions.ValidationError` says so.
MAX_ID_BYTES = 512
MAX_MESSAGE_BYTES = 1_000_000
MAX_METADATA_BYTES = 64_000
MAX_METADATA_DEPTH = 20
MAX_PROMPT_CHARACTERS = 20_000

#: How many results there are at most where nothing else is asked for.
DEFAULT_LIMIT = 100

#: What ``memory_type`` may be.
PROCEDURAL = "procedural_memory"


class Reading(NamedTuple):
    """Which memories a verb reads."""

    scope: Scope
    filters: dict[str, Any] | None


# -- scope ------------------------------------------------------------------------------------------


def scope_id(field: str, value: object) -> str | None:
    """Return a scope id as text; ``None`` stays ``None``.

    Raises:
        ValidationError: It is no text, int or UUID, is blank, too long, or holds control characters.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 8 * MAX_ID_BYTES:
        value = int.__repr__(value)  # an enumeration's member would call itself by its name
    elif isinstance(value, uuid.UUID):
        value = str(value)
    if not isinstance(value, str):
        raise ValidationError(
            f"{field}={quoted(value)}: an id is text (an int or UUID becomes text), not {kind_of(value)}"
        )
    problem = None
    if not value.strip():
        problem = "it is blank"
    elif any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
        problem = "it holds control characters"
    elif clean(value) != value:
        problem = "it holds a lone surrogate, which is not valid Unicode"
    elif len(value.encode()) > MAX_ID_BYTES:
        problem = f"it has {len(value.encode())} bytes, {MAX_ID_BYTES} are allowed"
    if problem:
        raise ValidationError(
            f"{field}={value[:80]!r}: {problem}; ids are stored as they are, so none is altered to fit"
        )
    return str.__str__(value)


def scope_of(bound: Scope, given: Mapping[str, object]) -> Scope:
    """Return the scope of a call: the handle's own ids and those given, which may not contradict."""
    return _merged(
        bound, "the scope handle", {key: scope_id(key, given.get(key)) for key in SCOPE_KEYS}, "the argument"
    )


def reading(bound: Scope, given: Mapping[str, object], filters: Mapping[str, Any] | None) -> Reading:
    """Return what a reading verb reads; scope ids at the top of ``filters`` belong to the scope.

    Raises:
        ValidationError: An id is unusable, or given twice with different values.
        FilterError: The filters are not in the filter language.
    """
    scope = scope_of(bound, given)
    rest: Any = filters
    inside: dict[str, str | None] = {}
    if isinstance(filters, Mapping):
        rest = dict(filters)
        for key in SCOPE_KEYS:
            value = rest.get(key)
            if isinstance(value, Mapping):
                if set(value) != {"eq"}:
                    continue
                value = value["eq"]
            if value is not None:
                inside[key] = scope_id(f"filters[{key!r}]", value)
                del rest[key]
            elif key in rest:
                # Read as "any", a missing id would open the whole collection; as a filter it finds nothing.
                raise FilterError(f"filters[{key!r}] is None: no memory has such an id; leave it out to match any")
    parse_filters(rest)
    return Reading(_merged(scope, "the argument or scope handle", inside, "filters"), rest or None)


def _merged(first: Scope, first_source: str, second: Mapping[str, str | None], second_source: str) -> Scope:
    ids = first.ids()
    for key, value in second.items():
        if value is None:
            continue
        if ids.setdefault(key, value) != value:
            raise ValidationError(
                f"{key} is given twice: {ids[key]!r} by {first_source} and {value!r} by {second_source}; give one"
            )
    return Scope(**ids)


# -- texts ------------------------------------------------------------------------------------------


def new_text(data: object, text: object) -> str | None:
    """Return the new text of an update, which may be given under either name; ``None`` when neither is.

    Raises:
        ValidationError: It is no text, blank, too long, or given twice.
    """
    if data is not None and text is not None and data != text:
        raise ValidationError("data and text are two names of one argument and were given different values; give one")
    given = text if data is None else data
    if given is None:
        return None
    if not isinstance(given, str):
        raise ValidationError(f"data={quoted(given)}: expected text, not {kind_of(given)}")
    if not given.strip():
        raise ValidationError(f"data={quoted(given)}: a memory's text is not blank; delete(memory_id) removes it")
    if len(given.encode(errors="replace")) > MAX_MESSAGE_BYTES:
        raise ValidationError(f"data: over {MAX_MESSAGE_BYTES} bytes; split the text")
    return clean(given)


# -- metadata ---------------------------------------------------------------------------------------


def metadata(given: object) -> dict[str, Any]:
    """Return a copy of the user's metadata, which is JSON and keeps off our keys.

    Raises:
        ValidationError: It is no dict, has a reserved key, holds what JSON cannot, or is too large.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValidationError(f"metadata: expected a dict, not {kind_of(given)}")
    for key in given:
        if key in RESERVED_KEYS:
            hint = f"pass {key}= instead" if key in SCOPE_KEYS or key == "expiration_date" else "choose another name"
            raise ValidationError(f"metadata[{key!r}]: the library keeps this key for itself; {hint}")
        if key in GROUPS:
            raise ValidationError(f"metadata[{key!r}]: filters use this word to join conditions; choose another name")
    copied: dict[str, Any] = _json_value("metadata", given, 0)
    size = len(json.dumps(copied))
    if size > MAX_METADATA_BYTES:
        raise ValidationError(f"metadata: {size} bytes as JSON, {MAX_METADATA_BYTES} are allowed")
    return copied


def _json_value(field: str, value: object, depth: int) -> Any:
    if depth > MAX_METADATA_DEPTH:
        raise ValidationError(f"{field[:80]}: nested deeper than {MAX_METADATA_DEPTH} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not key.strip() or clean(key) != key:
                raise ValidationError(f"{field}: the key {quoted(key)} is not text, blank, or not valid Unicode")
        return {key: _json_value(f"{field}[{key!r}]", member, depth + 1) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(f"{field}[{number}]", member, depth + 1) for number, member in enumerate(value)]
    if isinstance(value, str):
        if clean(value) != value:
            raise ValidationError(f"{field}: it holds a lone surrogate, which is not valid Unicode")
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise ValidationError(
        f"{field}={quoted(value)}: {kind_of(value)} is not stored; JSON has text, finite numbers of 64 bits, true, "
        "false, "
        "null, lists and dicts (write a date as .isoformat())"
    )


def guidance(prompt: object) -> list[str]:
    """Return what one call wants of the LLM besides, as lines of its prompt.

    Raises:
        ValidationError: It is no text, or too long.
    """
    if prompt is None:
        return []
    if not isinstance(prompt, str):
        raise ValidationError(f"prompt={quoted(prompt)}: expected text, not {kind_of(prompt)}")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise ValidationError(f"prompt: {len(prompt)} characters, {MAX_PROMPT_CHARACTERS} are allowed")
    return [clean(prompt)] if prompt.strip() else []


def typed(memory_type: object, metadata: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the metadata of a memory of a type, which is found again by ``filters={"memory_type": ...}``.

    Raises:
        ValidationError: There is no such type, it lacks its agent, or ``metadata`` names another one.
    """
    if memory_type is None:
        return dict(metadata)
    if memory_type != PROCEDURAL:
        raise ValidationError(f"memory_type={quoted(memory_type)}: there is {PROCEDURAL!r}; leave it out for facts")
    if scope.agent_id is None:
        raise ValidationError(f"memory_type={PROCEDURAL!r} tells what an agent did: pass its agent_id")
    if metadata.get("memory_type", memory_type) != memory_type:
        raise ValidationError(
            f"memory_type={quoted(memory_type)} and metadata['memory_type']={quoted(metadata['memory_type'])} differ; "
            "give one"
        )
    return {**metadata, "memory_type": memory_type}


# -- small things -----------------------------------------------------------------------------------


def whole(field: str, value: object, *, least: int) -> int:
    """Return a whole number that is not below a bound."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValidationError(f"{field}={quoted(value)}: expected a whole number from {least} upwards")
    return value


def limit_of(limit: int, top_k: int | None) -> int:
    """Return how many results are wanted, which may be given under either name."""
    if top_k is None:
        return whole("limit", limit, least=1)
    if limit not in (DEFAULT_LIMIT, top_k):
        raise ValidationError(f"limit={quoted(limit)} and top_k={quoted(top_k)} mean the same; give one")
    return whole("top_k", top_k, least=1)


def counter_of(value: object, default: Callable[[str], int]) -> Callable[[str], int]:
    """Return what counts the tokens of a text."""
    if value is None:
        return default
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise ValidationError(
            f"count_tokens={quoted(value)}: expected a plain function that returns how many tokens a text has, such as "
            "lambda text: len(tokenizer.encode(text)), or None for an estimate"
        )
    return value


def threshold_of(value: object) -> Threshold:
    """Return a lower bound of the score, 0-1, ``"auto"``, or ``None``."""
    if value is None:
        return None
    if isinstance(value, str) and value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValidationError(
            f"threshold={quoted(value)}: expected a number from 0 to 1, the range of score, or 'auto', which returns "
            "nothing where nothing is convincing"
        )
    return float(value)


def memory_id(value: object) -> str:
    """Return a memory's id as text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValidationError(
            f"memory_id={quoted(value)}: expected the 'id' of a memory, as add() and search() return it"
        )
    return clean(value)


def kind_of(value: object) -> str:
    """Return what a value is, for an error."""
    return type(value).__name__
