"""OpenAI's shapes, for vendors that have others: JSON replies that must be asked for in words, and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

#: A conversation begins with the user; this stands there where it does not.
OPENING = "Begin."

_JSON_ONLY = "Answer with one JSON object only: no other text, no code fence."
_FENCED = re.compile(r"\s*```\w*\s*\n?(.*?)\s*```\s*", re.DOTALL)
_DATA_URL = re.compile(r"data:([^;,]+)[^,]*;base64,")


def wants_json(response_format: Mapping[str, Any] | None) -> bool:
    """Tell whether the reply shall be JSON."""
    return (response_format or {}).get("type") in ("json_object", "json_schema")


def schema_of(response_format: Mapping[str, Any] | None) -> Any:
    """Return the JSON schema of the reply, if there is one."""
    return ((response_format or {}).get("json_schema") or {}).get("schema")


def json_instruction(response_format: Mapping[str, Any] | None) -> str:
    """Return how to ask for JSON in words, where the vendor has no mode for it."""
    schema = schema_of(response_format)
    return _JSON_ONLY + (f" It follows this JSON schema: {json.dumps(schema)}" if schema else "")


def unfenced(text: str) -> str:
    """Return JSON without the code fence that some models put around it all the same."""
    fenced = _FENCED.fullmatch(text)
    return fenced[1] if fenced else text


class Picture(NamedTuple):
    """A picture in a message.

    Attributes:
        url: Its address, or all of it as a data URL.
        kind: Its media type, where that is known from a data URL.
        base64: The picture itself, where it is in a data URL.
    """

    url: str
    kind: str | None = None
    base64: str | None = None


def picture_of(part: Mapping[str, Any]) -> Picture:
    """Return the picture of a content part of the type ``image_url``."""
    given = part["image_url"]
    url = str(given.get("url") if isinstance(given, Mapping) else given)
    data = _DATA_URL.match(url)
    return Picture(url) if data is None else Picture(url, data[1], url[data.end() :])
