"""Anthropic's API: how it is reached.

A key is the only credential: ``api_key``, else ``ANTHROPIC_API_KEY``.  What else the SDK would find
(``ANTHROPIC_AUTH_TOKEN``, profiles and credential files in the home folder) is not used, because a login left
behind by another tool must not decide who pays.  ``ANTHROPIC_BASE_URL`` counts where ``base_url`` is not given.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mem0.wire.connection import Connection
from mem0.wire.failures import Vendor


class AnthropicConnection(Connection):
    """Options of whatever talks to Anthropic, or to a server that speaks as it does."""

    vendor: ClassVar[Vendor] = Vendor(
        "anthropic",
        "Anthropic",
        key="ANTHROPIC_API_KEY",
        ending="before /v1, which is added",
        model="claude-sonnet-5-5",
        url="ANTHROPIC_BASE_URL",
    )
    added_path: ClassVar[str] = "/v1"

    def arguments(self) -> dict[str, Any]:
        # It sends nothing again itself: it would wait for as long as a server asks, up to 49 days.
        given = {**super().arguments(), "max_retries": 0}
        given["api_key"] = self.key_or("ANTHROPIC_API_KEY")  # with a key the SDK looks for nothing else
        return given

    def settle(self, client: Any) -> None:
        super().settle(client)
        client.auth_token = None  # versions before 1 take ANTHROPIC_AUTH_TOKEN even beside a key
