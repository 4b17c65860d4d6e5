"""Google's Gemini API: how its SDK's clients are made, and what their errors mean.

LLMs and embedders share this.  Of the environment only the vendor's own names of a key and an address count
(``GOOGLE_API_KEY``, then ``GEMINI_API_KEY``, as its SDK has it; ``GOOGLE_GEMINI_BASE_URL``): a project of Google
Cloud, or a switch to Vertex AI, that happens to be set for another program never changes where a request goes.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeVar

import pydantic
from google.genai import errors
from pydantic import Field

from mem0.exceptions import ProviderError
from mem0.text import without_login
from mem0.wire.connection import Connection, unfit
from mem0.wire.failures import Failure, Vendor, hidden, shown_cause
from mem0.wire.loops import AsyncClients
from mem0.wire.retries import Patience

Answer = TypeVar("Answer")

_ADDRESS = "https://generativelanguage.googleapis.com"
_KEYS = "GOOGLE_API_KEY or GEMINI_API_KEY"

# The vendor's older versions of the SDK ask this one unless told otherwise, and every option works in it.
_API_VERSION = "v1beta"


def _of_http_libraries() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """Return what tells of a time-out, and of a lost connection.

    The SDK passes on the errors of the library it stands on: httpx before its third generation, httpx2 since,
    aiohttp for asyncio where that is installed.
    """
    late: list[type[Exception]] = [TimeoutError, asyncio.TimeoutError]
    lost: list[type[Exception]] = [ConnectionError]
    for name, timed_out, unreached in (
        ("httpx", "TimeoutException", "TransportError"),
        ("httpx2", "TimeoutException", "TransportError"),
        ("aiohttp", "ServerTimeoutError", "ClientError"),
    ):
        try:
            library = import_module(name)
        except ModuleNotFoundError:
            continue
        late.append(getattr(library, timed_out))
        lost.append(getattr(library, unreached))
    return tuple(late), tuple(lost)


_TIMED_OUT, _UNREACHED = _of_http_libraries()
_FAILED: tuple[type[Exception], ...] = (errors.APIError, *_TIMED_OUT, *_UNREACHED)

# What the SDK trips over in an answer of another shape: it says so of some, and merely fails on others.
_UNREAD = (
    errors.UnknownApiResponseError,
    json.JSONDecodeError,
    pydantic.ValidationError,
    AttributeError,
    LookupError,
    TypeError,
)


class GeminiConnection(Connection):
    """Options of whatever talks to Gemini, or to a server that speaks as it does."""

    vendor: ClassVar[Vendor] = Vendor(
        "gemini",
        "Gemini",
        key=_KEYS,
        ending="before /v1beta, which is added",
        model="gemini-3.8-flash",
        embedder="gemini-embedding-001",
        url="GOOGLE_GEMINI_BASE_URL",
    )

    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 409, 429, 5xx, a lost connection or an answer that "
        "was cut off.",
    )

    def key(self) -> str:
        """Return the key.

        Raises:
            ConfigError: There is none.
        """
        return self.key_or("GOOGLE_API_KEY", "GEMINI_API_KEY")

    def address(self) -> str:
        return (super().address() or _ADDRESS).rstrip("/").removesuffix(f"/{_API_VERSION}")

    def http_options(self) -> dict[str, Any]:
        """Return how the SDK shall send its requests."""
        options: dict[str, Any] = {
            "api_version": _API_VERSION,
            "base_url": self.address(),
            "timeout": max(1, round(self.timeout * 1000)),
            "retry_options": {"attempts": 1},  # it knows fewer reasons to send a request again than there are
        }
        if self.headers:
            options["headers"] = dict(self.headers)
        proxy = self.proxy()
        if proxy is not None:
            options["client_args"] = {"proxy": proxy}
            options["async_client_args"] = {"proxy": proxy}
        return options


class _Awaited:
    """A client of the SDK for one event loop, which closes as others do."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.is_closed = False
        self.models = client.aio.models

    async def close(self) -> None:
        self.is_closed = True
        closing = self._client.aio.aclose()
        if inspect.isawaitable(closing):  # a mock's is not
            await closing
        self._client.close()


class Line:
    """The SDK's clients for one set of options, and what must not be told of them.

    Args:
        options: Whom to talk to, and how.
        kind: Returns the SDK's class, looked up when it is needed.

    Attributes:
        client: The blocking client.
        where: The address that is asked, without name and password.

    Raises:
        ConfigError: There is no key, or the address cannot be used.
    """

    def __init__(self, options: GeminiConnection, kind: Callable[[], Callable[..., Any]]) -> None:
        key = options.key()
        self._vendor = options.vendor
        self._retries = options.max_retries
        self._secrets = [key, *options.secrets()]
        self._is_closed = False
        http_options = options.http_options()

        def made() -> Any:
            return kind()(api_key=key, vertexai=False, http_options=http_options)

        self._awaited: AsyncClients[_Awaited] = AsyncClients(lambda: _Awaited(made()))
        self.where = without_login(options.address())
        self.client = made()

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return self._vendor.asked(model, self.where)

    def call(self, kind: type[ProviderError], model: str, send: Callable[[Any], Answer]) -> Answer:
        """Send a request, again where that may help.

        Args:
            kind: Which of our errors to raise.
            model: The model that is asked.
            send: Sends it once, with the SDK's ``models``.
        """
        patience = Patience(self._retries)
        while True:
            self._require_open()
            try:
                return send(self.client.models)
            except Exception as error:  # noqa: BLE001 - raised, as ours where it is the SDK's
                self._require_open()  # else whatever came of closing would be told as a lost connection
                time.sleep(self._pause_after(error, kind, model, patience))

    async def acall(self, kind: type[ProviderError], model: str, send: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """Do what :meth:`call` does, awaiting."""
        self._require_open()
        client = await self._awaited.here()
        patience = Patience(self._retries)
        while True:
            self._require_open(client)
            try:
                return await send(client.models)
            except Exception as error:  # noqa: BLE001 - raised, as ours where it is the SDK's
                self._require_open(client)
                await asyncio.sleep(self._pause_after(error, kind, model, patience))

    def close(self) -> None:
        """Close all of them; a second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self.client.close()
            self._awaited.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    def check(self, kind: type[ProviderError], model: str, shape: type[pydantic.BaseModel], given: Any) -> None:
        """Refuse options of a request that the SDK would trip over; later that would look like an odd answer.

        Args:
            kind: Which of our errors to raise.
            model: The model that is asked.
            shape: What the SDK makes of them.
            given: The options.
        """
        problem = unfit(shape, given)
        if problem:
            raise kind(f"{self.named(model)}: {problem}; nothing was sent")

    def _require_open(self, client: _Awaited | None = None) -> None:
        if self._is_closed or (client is not None and client.is_closed):
            raise self._vendor.closed(self.where)

    def _pause_after(self, error: Exception, kind: type[ProviderError], model: str, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error where none is to follow."""
        failure = self._failure(error)
        failed = failure.told(kind, self._vendor, model, self.where)
        return patience.after(failed, shown_cause(error, self._hidden), failure.retry_after)

    def _hidden(self, text: str) -> str:
        return hidden(text, self._secrets)

    def _failure(self, error: Exception) -> Failure:
        """Return what an error says; raise it where it is neither the SDK's nor of the library it stands on."""
        if isinstance(error, _UNREAD):
            return Failure.unread(self._vendor)
        if not isinstance(error, _FAILED):
            if not isinstance(error, ValueError):
                raise error
            # The SDK's own, about options that only Vertex AI has.
            return Failure(f"the SDK refused the request: {self._hidden(str(error))}")
        if not isinstance(error, errors.APIError):
            late = isinstance(error, _TIMED_OUT)
            message = self._hidden(str(error) or type(error).__name__)
            return Failure(said=without_login(message), timed_out=late, unreached=not late)
        details = _details(error)
        is_key = any(detail.get("reason") == "API_KEY_INVALID" for detail in details)
        message = str(error.message or error)
        return Failure(
            said=self._hidden(message),
            status=401 if is_key else error.code,  # the vendor says 400 of a wrong key
            retry_after=_retry_after(error, details),
        )


def _details(error: errors.APIError) -> list[Mapping[str, Any]]:
    body: Any = error.details
    body = body.get("error", body) if isinstance(body, Mapping) else {}
    details = body.get("details") if isinstance(body, Mapping) else None
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


def _retry_after(error: errors.APIError, details: list[Mapping[str, Any]]) -> str | None:
    """Return the seconds to wait, which the vendor writes into the answer (``37s``) and others into a header."""
    for detail in details:
        if isinstance(detail.get("retryDelay"), str):
            return str(detail["retryDelay"]).removesuffix("s")
    header = getattr(error.response, "headers", {}).get("retry-after")
    return None if header is None else str(header)
