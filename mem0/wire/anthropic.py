"""Anthropic's API: how it is reached.

A key is the only credential: ``api_key``, else ``ANTHROPIC_API_KEY``.  What else the SDK would find
(``ANTHROPIC_AUTH_TOKEN``, profiles and credential files in the home folder) is not used, because a login left
behind by another tool must not decide who pays.  ``ANTHROPIC_BASE_URL`` counts where ``base_url`` is not given.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import anthropic

from mem0.wire.connection import Connection
from mem0.wire.failures import Vendor
from mem0.wire.retries import LONGEST_PAUSE, pauses, seconds_asked
from mem0.wire.sdk import failure_of

#: What the SDK raises for a request that may be worth another try.
FAILED = (anthropic.APIError, json.JSONDecodeError)


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


class Patience:
    """How often one request is sent again, and after which pauses.

    Args:
        retries: How many attempts may follow the first.
    """

    def __init__(self, retries: int) -> None:
        self._pauses = pauses(retries)

    def after(self, error: Exception) -> float:
        """Return the seconds to wait before another try; what the server asks for counts.

        Raises:
            Exception: The error itself, where no other try is to follow.
        """
        failure = failure_of(error, anthropic, str)
        asked = seconds_asked(failure.retry_after)
        headers = getattr(getattr(error, "response", None), "headers", {})
        is_worth_it = failure.retryable or isinstance(error, json.JSONDecodeError)
        pause = next(self._pauses)
        if pause is None or not is_worth_it or asked > LONGEST_PAUSE or headers.get("x-should-retry") == "false":
            raise error
        return max(pause, asked)
