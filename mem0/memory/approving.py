"""What a hook is shown before something is written, and what becomes of its answer; no I/O."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mem0.exceptions import ConfigError
from mem0.memory import inputs, payloads
from mem0.types import SCOPE_KEYS, ProposedChange, Scope

# What a hook may change; everything else says what is proposed, and to whom it belongs.
_CHANGEABLE = ("memory", "metadata")


def proposed(
    event: str,
    *,
    id: str | None = None,
    memory: str | None = None,
    previous: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    scope: Scope | None = None,
) -> ProposedChange:
    """Return one change as a hook is shown it; what is not known is left out."""
    shown: dict[str, Any] = {"event": event, "id": id, "memory": memory}
    if previous is not None:
        shown["previous_memory"] = previous.get("data")
    shown["metadata"] = None if metadata is None else copy.deepcopy(dict(metadata))
    shown.update((scope or Scope()).ids())
    return cast(ProposedChange, {key: value for key, value in shown.items() if value is not None})


def own_metadata(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's metadata in a payload."""
    return {key: value for key, value in payload.items() if key not in payloads.RESERVED}


def approved(asked: Sequence[ProposedChange], answer: Any) -> list[ProposedChange | None]:
    """Return, for each change that was asked about, what is to be written of it; ``None`` where it was left out.

    Raises:
        ConfigError: The hook returned something else than some of the changes, or changed more than it may.
    """
    if not isinstance(answer, (list, tuple)):
        raise ConfigError(
            f"on_before_write returned {type(answer).__name__}: it returns the list of changes, without those that are "
            "not to be written"
        )
    by_id = {_key(change): change for change in answer if isinstance(change, Mapping)}
    strangers = len(answer) - len(by_id) or len(by_id.keys() - {_key(change) for change in asked})
    if strangers:
        raise ConfigError(
            "on_before_write returned a change that it was not asked about, or one twice; it can leave changes out, "
            f"and change their {' and '.join(_CHANGEABLE)}"
        )
    result: list[ProposedChange | None] = []
    for change in asked:
        found = by_id.get(_key(change))
        if found is not None:
            _check(change, found)
        result.append(None if found is None else cast(ProposedChange, dict(found)))
    return result


def _key(change: Mapping[str, Any]) -> tuple[Any, ...]:
    return (change.get("event"), change.get("id"), *(change.get(key) for key in SCOPE_KEYS))


def _check(asked: ProposedChange, found: Mapping[str, Any]) -> None:
    for key in {*asked, *found} - {*_CHANGEABLE}:
        if asked.get(key) != found.get(key):
            raise ConfigError(f"on_before_write changed {key!r}; it can change {' and '.join(_CHANGEABLE)} only")
    text = found.get("memory")
    if "memory" in asked and (not isinstance(text, str) or not text.strip()):
        raise ConfigError("on_before_write made a memory's text empty; leave the change out of the list instead")
    inputs.metadata(found.get("metadata"))
