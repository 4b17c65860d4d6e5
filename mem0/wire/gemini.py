"""Google's Gemini API: how its SDK's clients are made, and what their errors mean.

LLMs and embedders share this.  Of the environment only the vendor's own names of a key and an address count
(``GOOGLE_API_KEY``, then ``GEMINI_API_KEY``, as its SDK has it; ``GOOGLE_GEMINI_BASE_URL``): a project of Google
Cloud, or a switch to Vertex AI, that happens to be set for another program never changes where a request goes.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, ClassVar

import pydantic
from google.genai import errors

from mem0.exceptions import ClosedError, ProviderError
from mem0.text import without_login
from mem0.wire.connection import Connection, without_key
from mem0.wire.failures import Failure, Vendor, hidden
from mem0.wire.loops import AsyncClients

_ADDRESS = "https://generativelanguage.googleapis.com"
_KEYS = "GOOGLE_API_KEY or GEMINI_API_KEY"

# The vendor's older versions of the SDK ask this one unless told otherwise, and every option works in it.
_API_VERSION = "v1beta"

# Seconds before a request is sent again; the SDK's own first pause is a second, and its longest a minute.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0


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


class GeminiConnection(Connection):
    """Options of whatever talks to Gemini, or to a server that speaks as it does."""

    vendor: ClassVar[Vendor] = Vendor(
        "gemini", "Gemini", key=_KEYS, ending="before /v1beta, which is added", model="gemini-3.8-flash"
    )

    def key(self) -> str:
        """Return the key.

        Raises:
            ConfigError: There is none.
        """
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        key = os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")
        if not key:
            raise without_key(self.vendor)
        return key

    def address(self) -> str:
        """Return where requests go."""
        given = self.base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or _ADDRESS
        return given.rstrip("/").removesuffix(f"/{_API_VERSION}")

    def http_options(self) -> dict[str, Any]:
        """Return how the SDK shall send its requests."""
        pauses = {"initial_delay": _FIRST_PAUSE, "max_delay": _LONGEST_PAUSE, "exp_base": 2.0, "jitter": _FIRST_PAUSE}
        options: dict[str, Any] = {
            "api_version": _API_VERSION,
            "base_url": self.address(),
            "timeout": max(1, round(self.timeout * 1000)),
            "retry_options": {"attempts": self.max_retries + 1, **pauses},
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
        self.models = client.aio.models

    async def close(self) -> None:
        closing = self._client.aio.aclose()
        if inspect.isawaitable(closing):  # a mock's is not
            await closing
        self._client.close()


class Line:
    """The SDK's clients for one set of options, and what must not be told of them.

    Args:
        options: Whom to talk to, and how.
        kind: Returns the SDK's class, looked up when it is needed.
        model: A model that the vendor offers today, for who names one that is gone.

    Attributes:
        client: The blocking client.
        where: The address that is asked, without name and password.

    Raises:
        ConfigError: There is no key.
    """

    def __init__(self, options: GeminiConnection, kind: Callable[[], Callable[..., Any]], model: str) -> None:
        key = options.key()
        self._vendor = replace(options.vendor, model=model)
        self._secrets = [key, *options.headers.values()]
        self._is_closed = False

        http_options = options.http_options()

        def made() -> Any:
            return kind()(api_key=key, vertexai=False, http_options=http_options)

        self._awaited: AsyncClients[_Awaited] = AsyncClients(lambda: _Awaited(made()))
        self.where = without_login(options.address())
        self.client = made()

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return f"Gemini model {model!r} at {self.where}"

    async def here(self) -> _Awaited:
        """Return the client for asyncio."""
        return await self._awaited.here()

    def close(self) -> None:
        """Close all of them; a second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self.client.close()
            self._awaited.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    @contextmanager
    def translated(self, kind: type[ProviderError], model: str) -> Iterator[None]:
        """Let the SDK's errors, and those of the library it stands on, leave the block as ours.

        Args:
            kind: Which of our errors.
            model: The model that is asked.
        """
        if self._is_closed:
            raise ClosedError(f"the provider 'gemini' for {self.where} was closed; make a new one")
        try:
            yield
        except _FAILED as error:
            told = self._failure(error).told(kind, self._vendor, model, self.where)
            raise told from self._cause(error)
        except (errors.UnknownApiResponseError, json.JSONDecodeError, pydantic.ValidationError) as error:
            what = "something else than Gemini's API has" if isinstance(error, pydantic.ValidationError) else "no JSON"
            raise kind(
                f"{self.named(model)}: what came back is {what}; check base_url; nothing was stored", retryable=True
            ) from self._cause(error)
        except ValueError as error:  # the SDK's own, about options that only Vertex AI has
            told = kind(f"{self.named(model)}: the SDK refused the request: {hidden(str(error), self._secrets)}")
            raise told from self._cause(error)

    def _cause(self, error: Exception) -> Exception | None:
        """Return an error unless it repeats a key, which must not be told by way of the cause either."""
        return error if hidden(str(error), self._secrets) == str(error) else None

    def _failure(self, error: Exception) -> Failure:
        if not isinstance(error, errors.APIError):
            late = isinstance(error, _TIMED_OUT)
            message = hidden(str(error) or type(error).__name__, self._secrets)
            return Failure(said=without_login(message), timed_out=late, unreached=not late)
        details = _details(error)
        is_key = any(detail.get("reason") == "API_KEY_INVALID" for detail in details)
        message = str(error.message or error)
        return Failure(
            said=hidden(message, self._secrets),
            status=401 if is_key else error.code,  # the vendor says 400 of a wrong key
            code="context_length_exceeded" if "exceeds the maximum number of tokens" in message else None,
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
