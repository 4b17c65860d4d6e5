"""From what was said to what is stored, and from what is stored to what users get back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from mem0.text import same_text
from mem0.types import RESERVED_KEYS, Change, MemoryDict, Record, Scope, own_notes

#: Keys that are not the user's metadata.
RESERVED = frozenset(RESERVED_KEYS)

# What mem0ai 2 derives from a text and keeps beside the user's metadata; only in its rows is it not the user's.
_DERIVED_BY_MEM0AI = "text_lemmatized"

_KNOWN_ABOUT = frozenset({"user_id", "agent_id", "run_id", "role", "actor_id", "expiration_date"})


def fingerprint(text: str, identity: Scope, role: str | None, actor_id: str | None = None) -> str:
    """Return what two memories of one identity share when they say the same.

    For a verbatim turn it counts too who says it: "yes" from the user and from the assistant are two turns, and so is
    what Ann and Bob both say.
    """
    said = [*identity, role, same_text(text), *([] if actor_id is None else [actor_id])]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()


def _fingerprint(text: str, payload: Mapping[str, Any], *, turn: bool) -> str:
    """Return the fingerprint of a payload with this text; of a fact it does not matter whose it is noted to be."""
    said_by = (payload.get("role"), payload.get("actor_id")) if turn else (None, None)
    return fingerprint(text, Scope.of(payload), *said_by)


def text_hash(text: str) -> str:
    """Return a text's ``hash`` (MD5, as in existing collections; it finds damage, it protects nothing)."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def new_payload(
    text: str,
    identity: Scope,
    *,
    created_at: str,
    metadata: Mapping[str, Any],
    role: str | None = None,
    actor_id: str | None = None,
    expiration_date: str | None = None,
) -> dict[str, Any]:
    """Return the payload of a new memory; one with a role is a verbatim turn."""
    about = {**identity.ids(), "role": role, "actor_id": actor_id, "expiration_date": expiration_date}
    turn = role is not None
    mark = fingerprint(text, identity, role, actor_id if turn else None)
    return {
        "data": text,
        "hash": text_hash(text),
        "created_at": created_at,
        "updated_at": created_at,
        **{key: value for key, value in about.items() if value is not None},
        **metadata,
        "_mem0": {"version": 1, "turn": turn, "fingerprint": mark},
    }


def patched(payload: Mapping[str, Any], text: str | None, metadata: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Return a payload with a new text (``None`` keeps it) and metadata laid over (``None`` removes a key)."""
    new = {**_without_derived(payload), **metadata}
    new = {key: value for key, value in new.items() if value is not None or key not in metadata}
    ours = dict(own_notes(payload))
    if text is not None:
        ours.pop("source", None)  # what somebody writes by hand rests on no message
        new["data"], new["hash"] = text, text_hash(text)
        ours["fingerprint"] = _fingerprint(text, payload, turn=bool(ours.get("turn")))
    new["updated_at"] = now
    new["_mem0"] = {**ours, "version": version(payload) + 1}
    return new


def superseded(
    payload: Mapping[str, Any],
    text: str,
    metadata: Mapping[str, Any],
    now: str,
    *,
    expiration_date: str | None,
    actor_id: str | None,
) -> dict[str, Any]:
    """Return the payload of a memory that an LLM replaced: distilled from now on, and nobody's own words."""
    new = patched(payload, text, metadata, now)
    new = {key: value for key, value in new.items() if key not in ("role", "actor_id")}
    about = {"expiration_date": expiration_date, "actor_id": actor_id}
    new |= {key: value for key, value in about.items() if value is not None}
    new["_mem0"] |= {"turn": False, "fingerprint": _fingerprint(text, payload, turn=False)}
    return new


def approved(payload: Mapping[str, Any], text: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload as a hook wants it: with this text and this metadata."""
    kept = {key: value for key, value in payload.items() if key in RESERVED}
    new = {**kept, **metadata}
    if text != payload.get("data"):
        ours = dict(own_notes(payload))
        ours.pop("source", None)  # the words it rests on may be what was taken out
        ours["fingerprint"] = _fingerprint(text, payload, turn=bool(ours.get("turn")))
        new |= {"data": text, "hash": text_hash(text), "_mem0": ours}
    return new


def says_the_same(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Tell whether two payloads of one memory have the same text, by the rule of duplicates."""
    return same_text(new["data"]) == same_text(str(old.get("data")))


def with_source(payload: Mapping[str, Any], quote: str, *, verified: bool) -> dict[str, Any]:
    """Return a payload with the words it rests on, and whether they were said."""
    return {**payload, "_mem0": {**payload["_mem0"], "source": {"quote": quote, "verified": verified}}}


def with_notes_of(payload: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with what is noted of another one that has the same text."""
    kept = {key: value for key, value in other["_mem0"].items() if key in ("source", "dense", "cut")}
    return {**payload, "_mem0": {**payload["_mem0"], **kept}}


def same_but_for_time(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Tell whether an update would change nothing."""
    written = ("updated_at", "_mem0")
    # As JSON, because to Python 1, 1.0 and True are equal.
    one, other = ({key: row[key] for key in row if key not in written} for row in (new, old))
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def with_notes(payload: Mapping[str, Any], *, understood: bool, cut: bool) -> dict[str, Any]:
    """Return a payload with what the embedder said of its text: only exceptions are noted."""
    ours = {key: value for key, value in payload["_mem0"].items() if key not in ("dense", "cut")}
    if not understood:
        ours["dense"] = False
    if cut:
        ours["cut"] = True
    return {**payload, "_mem0": ours}


def version(payload: Mapping[str, Any]) -> int:
    """Return how often a memory was written; rows of other programs count as written once.

    Of a row that another program changed since, a number that no count is: it tells its text from any other.
    """
    if notes_fit(payload):
        return int(own_notes(payload).get("version", 1))
    return -1 - int(text_hash(str(payload.get("data")))[:12], 16)


def notes_fit(payload: Mapping[str, Any]) -> bool:
    """Tell whether what is noted of a row is of the text that it has; another program may have changed that since."""
    ours = own_notes(payload)
    if "fingerprint" not in ours:
        return True
    text, turn = str(payload.get("data")), bool(ours.get("turn"))
    # Earlier versions left out who said a turn.
    nameless = {key: value for key, value in payload.items() if key != "actor_id"}
    return ours["fingerprint"] in (_fingerprint(text, payload, turn=turn), _fingerprint(text, nameless, turn=turn))


def fingerprint_of(change: Change) -> str | None:
    """Return the fingerprint a change would store."""
    return own_notes(change.payload).get("fingerprint")


def text_of(payload: Mapping[str, Any]) -> str | None:
    """Return what a row says; one that another program keeps in the collection may hold anything there."""
    text = payload.get("data")
    return text if isinstance(text, str) else None


def public(record: Record) -> MemoryDict:
    """Return a memory as users get it."""
    payload = _without_derived(record.payload)
    metadata: dict[str, Any] = {}
    memory: dict[str, Any] = {
        "id": record.id,
        "memory": text_of(payload) or "",
        "hash": payload.get("hash"),
        "metadata": metadata,
        "created_at": payload.get("created_at"),
        "updated_at": payload.get("updated_at"),
    }
    for key, value in payload.items():
        if key not in RESERVED:
            metadata[key] = value
        elif key in _KNOWN_ABOUT and value is not None:
            memory[key] = value
    return cast(MemoryDict, memory)


def _without_derived(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    if _DERIVED_BY_MEM0AI not in payload or ("_mem0" in payload and notes_fit(payload)):
        return payload
    return {key: value for key, value in payload.items() if key != _DERIVED_BY_MEM0AI}
