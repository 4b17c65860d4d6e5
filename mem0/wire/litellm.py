"""LiteLLM: how it is called, and what its errors mean.

LiteLLM finds the vendor in the model's name, and the key in that vendor's variable where none is given.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

import openai
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mem0.exceptions import ProviderError
from mem0.text import without_login
from mem0.wire.connection import Headers, Seconds, Secret, secrets_of, with_older_names
from mem0.wire.environment import environment, keys
from mem0.wire.failures import Failure, Vendor, hidden, shown_cause
from mem0.wire.retries import Patience
from mem0.wire.sdk import failure_of

LITELLM = Vendor(
    "litellm",
    "LiteLLM",
    key=None,
    ending="",
    model="openai/gpt-5-mini",
    embedder="openai/text-embedding-3-small",
    key_help="api_key in the config, or the variable of the vendor that the model's name begins with",
)

_MISSING_KEY = re.compile(r"missing credentials|api_key client option must be set", re.IGNORECASE)

_LOCAL = "LITELLM_LOCAL_MODEL_COST_MAP"
_MODE = "LITELLM_MODE"


def imported() -> Any:
    """Import LiteLLM without what its import begins with otherwise, and its prints with each error.

    It would download a price list, and put what a file ``.env`` says, in whatever folder the program was started,
    into the environment of the whole process.
    """
    with (
        environment(_LOCAL, os.environ.get(_LOCAL) or "True"),
        environment(_MODE, os.environ.get(_MODE) or "PRODUCTION"),
    ):
        import litellm

    litellm.suppress_debug_info = True  # they go to stdout, where a program may talk to another one
    return litellm


class LiteLLMConnection(BaseModel):
    """Options of whatever is called through LiteLLM."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    vendor: ClassVar[Vendor] = LITELLM

    api_key: Secret | None = Field(default=None, description="The key. Default: the variable of the model's vendor.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="Another address of the vendor's API. Older names: `api_base`, `litellm_base_url`.",
    )
    timeout: Seconds = Field(default=60.0, description="Seconds that one request may take.")
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 429, 5xx or a lost connection.",
    )
    headers: Headers = Field(default_factory=dict, repr=False, description="Further headers of each request.")

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        return with_older_names(values, {"api_base": "base_url", "litellm_base_url": "base_url"})

    def is_elsewhere(self) -> bool:
        """Tell whether another server than OpenAI's own is asked for its models, which may have any size there."""
        return bool(self.base_url or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE"))

    def arguments(self) -> dict[str, Any]:
        """Return what every call is given besides the request."""
        # It sends nothing again itself: some of its vendors would, others not.
        given: dict[str, Any] = {"timeout": self.timeout, "max_retries": 0, "drop_params": True}
        if self.api_key is not None:
            given["api_key"] = self.api_key.get_secret_value()
        if self.base_url is not None:
            given["api_base"] = self.base_url
        if self.headers:
            given["extra_headers"] = self.headers
        return given


class LiteLLMLine:
    """Calls for one set of options.

    Args:
        options: Whom to talk to, and how.
    """

    def __init__(self, options: LiteLLMConnection) -> None:
        self._options = options
        self._is_closed = False

    @property
    def where(self) -> str:
        """The address that is asked, where one was given."""
        return without_login(self._options.base_url or "")

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return LITELLM.asked(model, self.where)

    def call(self, kind: type[ProviderError], function: Callable[..., Any], request: Mapping[str, Any]) -> Any:
        """Call a function of LiteLLM, again where that may help.

        Args:
            kind: Which of our errors to raise.
            function: The function.
            request: Its arguments, ``model`` among them.
        """
        patience = Patience(self._options.max_retries)
        while True:
            self._require_open()
            try:
                return function(**request, **self._options.arguments())
            except Exception as error:  # noqa: BLE001 - raised as ours, or the request is sent again
                time.sleep(self._pause_after(error, kind, request["model"], patience))

    async def acall(
        self, kind: type[ProviderError], function: Callable[..., Awaitable[Any]], request: Mapping[str, Any]
    ) -> Any:
        """Do what :meth:`call` does, awaiting."""
        patience = Patience(self._options.max_retries)
        while True:
            self._require_open()
            try:
                return await function(**request, **self._options.arguments())
            except Exception as error:  # noqa: BLE001 - raised as ours, or the request is sent again
                await asyncio.sleep(self._pause_after(error, kind, request["model"], patience))

    def close(self) -> None:
        """Take no further calls; the connections are LiteLLM's own, and shared."""
        self._is_closed = True

    def hidden(self, text: str) -> str:
        """Return a text without the secrets that a server may repeat."""
        # The environment's too: which of its keys LiteLLM takes for a model is its own affair.
        return hidden(text, [*secrets_of(self._options), *keys()])

    def _require_open(self) -> None:
        if self._is_closed:
            raise LITELLM.closed("")  # there are no connections of its own, to any address

    def _pause_after(self, error: Exception, kind: type[ProviderError], model: str, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error of ours where none is to follow."""
        self._require_open()
        failure = self._failure(error)
        failed = failure.told(kind, LITELLM, model, self.where)
        return patience.after(failed, shown_cause(error, self.hidden), failure.retry_after)

    def _failure(self, error: Exception) -> Failure:
        if not isinstance(error, openai.OpenAIError):
            return Failure(self.hidden(f"{type(error).__name__}: {error}"))
        failure = failure_of(error, openai, self.hidden)
        if type(error).__name__ == "ContextWindowExceededError":
            return Failure(failure.said, 400, code="context_length_exceeded")
        if _MISSING_KEY.search(failure.said):  # which it tells as a failure of the server, and would try again
            return Failure(failure.said, cause=f"there is no key: give {LITELLM.credentials}")
        return failure
