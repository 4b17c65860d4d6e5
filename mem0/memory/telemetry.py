"""What may watch a memory at work: it is told which verbs were called and how much they did, and nothing else.

Off unless an object is passed as ``Memory(telemetry=...)``.  No text, no id, no key and no path is ever told.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from mem0.types import Usage

logger = logging.getLogger("mem0.telemetry")


class TelemetryBase(ABC):
    """Is told of every verb that came to its end."""

    @abstractmethod
    def capture_event(self, event: str, facts: Mapping[str, int | str]) -> None:
        """Take note.

        Args:
            event: The verb, as ``mem0.add``.
            facts: ``results`` (how many there were), ``llm_calls`` and ``embed_calls``.
        """


def report(telemetry: TelemetryBase | None, verb: str, result: Any, usage: Usage) -> None:
    """Tell of a verb; whatever goes wrong there, the call it tells of stays as it was."""
    if telemetry is None:
        return
    facts = {
        "results": len(result) if isinstance(result, list) else int(result is not None),
        "llm_calls": usage.llm_calls,
        "embed_calls": usage.embed_calls,
    }
    try:
        telemetry.capture_event(f"mem0.{verb}", facts)
    except Exception as error:  # noqa: BLE001 - telemetry watches and never steers; the log has it
        logger.warning("telemetry failed at mem0.%s: %s", verb, type(error).__name__)
