"""What an endpoint turns out not to take: learned from its refusals, and left out from then on."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from mem0.wire.sdk import code_of, said_of

logger = logging.getLogger("mem0.wire")

# Options that a request can do without, and what some models call them instead.
_DISPENSABLE: Mapping[str, str | None] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": None,
    "temperature": None,
    "top_p": None,
    "response_format": None,
    "tool_choice": None,
    "dimensions": None,
    "encoding_format": None,
}
_UNSUPPORTED_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")
_UNSUPPORTED = re.compile(
    r"(?:not|n't) support|unsupported|not (?:permitted|allowed)|cannot both"
    r"|(?:unrecognized|unknown)\W+(?:request\W+)?(?:argument|field|parameter|option)"
    r"|response_format\S* must be",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(" + "|".join(_DISPENSABLE) + r")\b")


class Dispensed:
    """Which options an endpoint was found not to take.

    Names of models say nothing reliable about it, so it is learned from what the endpoint answers: the first
    request is sent again without the option, later ones leave it out.
    """

    def __init__(self) -> None:
        self._replaced: dict[str, dict[str, str | None]] = {}

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as its model takes it."""
        replaced = self._replaced.get(request["model"], {})
        sent: dict[str, Any] = {}
        for name, value in request.items():
            known: str | None = name
            while known in replaced:
                known = replaced[known]
            if known is not None:
                sent[known] = value
        return sent

    def learn(self, error: Exception, sent: Mapping[str, Any]) -> None:
        """Note the option that a request was refused for; raise the error where it is none of those.

        What was learned is not sent again, so a caller that tries again comes to an end.
        """
        name = _refused(error, sent)
        if name is None:
            raise error
        self._replaced.setdefault(sent["model"], {})[name] = _DISPENSABLE[name]
        logger.warning("model %r does not take %s; it is left out from now on", sent["model"], name)


def _refused(error: Exception, sent: Mapping[str, Any]) -> str | None:
    """Return the option that an endpoint says it does not take."""
    if getattr(error, "status_code", None) not in (400, 422):
        return None
    said = str(error)
    if code_of(error) not in _UNSUPPORTED_CODES and not _UNSUPPORTED.search(said):
        return None
    parameter = getattr(error, "param", None) or said_of(error).get("param")
    named = [parameter] if parameter else _NAMED.findall(said)
    return next((name for name in named if name in _DISPENSABLE and name in sent and _may_go(sent[name])), None)


def _may_go(value: Any) -> bool:
    """Tell whether a request says the same without an option's value: not where it is a schema of the caller's."""
    return not (isinstance(value, Mapping) and value.get("type") == "json_schema")
