"""Telemetry that keeps what it is told."""

from __future__ import annotations

from collections.abc import Mapping

from mem0.memory.telemetry import TelemetryBase


class RecordingTelemetry(TelemetryBase):
    """Notes every event; pass it as ``Memory(telemetry=...)`` and look at what would have been told.

    Attributes:
        events: The events so far, each with its facts; may be cleared.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, int | str]]] = []

    def __repr__(self) -> str:
        return f"RecordingTelemetry({len(self.events)} events)"

    def capture_event(self, event: str, facts: Mapping[str, int | str]) -> None:
        self.events.append((event, dict(facts)))
