"""The SDKs that one generator makes (OpenAI's, Anthropic's, Groq's, Together's): clients, and what errors mean.

Each reads its vendor's own variables (``GROQ_API_KEY``, ``GROQ_BASE_URL``) where an option is not given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Generic, TypeVar

from mem0.exceptions import ConfigError, Mem0Error, ProviderError, judged
from mem0.text import without_login
from mem0.wire.connection import Connection, checked_key, without_key
from mem0.wire.failures import Failure, hidden, shown_cause
from mem0.wire.loops import AsyncClients, is_half_doubled

Client = TypeVar("Client")


def connected(
    options: Connection, sdk: ModuleType, kind: Callable[..., Client], *, awaited: bool = False, **arguments: Any
) -> Client:
    """Return a client of an SDK.

    Args:
        options: Whom to talk to, and how.
        sdk: The SDK.
        kind: Its class.
        awaited: Whether it is the class for asyncio.
        arguments: What that class is made with besides.

    Raises:
        ConfigError: There is no key, or the options cannot be used.
    """
    vendor = options.vendor
    given = {**options.arguments(), **arguments}
    if awaited:
        given = options.for_asyncio(given)
    proxy = options.proxy()
    try:
        # The SDK's own classes: which HTTP library it stands on differs between its versions.
        if awaited:
            # Named although it is the default: the SDK wraps its default in one that, when it is collected, closes
            # itself in whatever loop is running then, which cannot close the connections of another.
            given["http_client"] = sdk.DefaultAsyncHttpxClient(proxy=proxy)
        elif proxy is not None:
            given["http_client"] = sdk.DefaultHttpxClient(proxy=proxy)
        client = kind(**given)
    except _base_error(sdk) as error:  # there it is the missing key
        raise without_key(vendor, f"the SDK says: {error}") from error
    except ValueError as error:
        # Of what was given only addresses can be wrong, and they may hold a password: neither they nor the
        # original error, which quotes them, are shown.
        raise ConfigError(
            f"provider {vendor.provider!r}: base_url or http_client_proxies is no address ({type(error).__name__}); "
            "write it as https://host:port/path"
        ) from None
    options.settle(client)
    key = getattr(client, "api_key", None)
    if isinstance(key, str):
        checked_key(vendor, key)
    return client


class Line(Generic[Client]):
    """The SDK's clients for one set of options, and what must not be told of them.

    Args:
        options: Whom to talk to, and how.
        sdk: The SDK.
        kind: The SDK's blocking class.
        awaited_kind: Returns its class for asyncio, looked up when it is needed.
        arguments: What both are made with besides.

    Attributes:
        client: The blocking client.
        vendor: Who is asked.
        refused: The SDK's error for an answer that is an HTTP error.

    Raises:
        ConfigError: There is no key, or the options cannot be used.
    """

    def __init__(
        self,
        options: Connection,
        sdk: ModuleType,
        kind: Callable[..., Client],
        awaited_kind: Callable[[], Any],
        **arguments: Any,
    ) -> None:
        self._options = options
        self._sdk = sdk
        self._is_closed = False
        self._awaited_kind = awaited_kind
        self._awaited: AsyncClients[Any] = AsyncClients(
            lambda: connected(options, sdk, awaited_kind(), awaited=True, **arguments)
        )
        self.vendor = options.vendor
        self.refused: type[Exception] = sdk.APIStatusError
        self.client = connected(options, sdk, kind, **arguments)

    @property
    def where(self) -> str:
        """The address that is asked, without name and password."""
        return without_login(str(getattr(self.client, "base_url", "")))  # a double has none

    async def here(self) -> Any:
        """Return the client for asyncio."""
        self.require_open()
        return await self._awaited.here()

    @property
    def is_half_doubled(self) -> bool:
        """Whether the blocking client is a double, and the one for asyncio is not."""
        return is_half_doubled(self._sdk, self.client, self._awaited_kind())

    def require_open(self, client: Any = None) -> None:
        """Refuse to go on after :meth:`close`; the SDK would take it for a broken connection, and try again.

        Args:
            client: One for asyncio, which :meth:`aclose` may have closed.

        Raises:
            ClosedError: It was closed.
        """
        ended = getattr(client, "is_closed", None)
        if self._is_closed or (callable(ended) and ended() is True):  # a mock's is neither
            raise self.vendor.closed(self.where)

    def close(self) -> None:
        """Close all of them; a second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self.client.close()  # type: ignore[attr-defined]
            self._awaited.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    def hidden(self, text: str) -> str:
        """Return a text without the secrets that a server may repeat."""
        key = getattr(self.client, "api_key", None)  # it may be the environment's
        return hidden(text, [*self._options.secrets(), key if isinstance(key, str) else None])

    @contextmanager
    def translated(self, kind: type[ProviderError], model: str, client: Any = None) -> Iterator[None]:
        """Let the SDK's errors, and what else goes wrong in it, leave the block as ours.

        Args:
            kind: Which of our errors.
            model: The model that is asked.
            client: The client for asyncio, where it is that.
        """
        self.require_open()
        try:
            yield
        except Mem0Error:
            raise
        except Exception as error:  # noqa: BLE001 - raised as ours
            self.require_open(client)
            raise self.told(error, kind, model) from shown_cause(error, self.hidden)

    def told(self, error: Exception, kind: type[ProviderError], model: str) -> ProviderError:
        """Return an error of the SDK, or whatever else went wrong in it, as ours."""
        if isinstance(error, json.JSONDecodeError):
            failure = Failure.unread(self.vendor)
        elif isinstance(error, _base_error(self._sdk)):
            failure = failure_of(error, self._sdk, self.hidden)
        else:  # of what it was given, such as something that is no JSON, or the caller's own function; of a double
            said = without_login(self.hidden(f"{type(error).__name__}: {error}"))
            status, retryable = judged(error)
            failure = Failure(said, status, cause=f"the call failed: {said}", passing=retryable)
        return failure.told(kind, self.vendor, model, self.where)

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return self.vendor.asked(model, self.where)


def _base_error(sdk: ModuleType) -> type[Exception]:
    """Return what all errors of an SDK are: ``OpenAIError``, ``GroqError``, ..."""
    base: type[Exception] = sdk.APIError.__base__
    return base


def failure_of(error: Exception, sdk: ModuleType, hide: Callable[[str], str]) -> Failure:
    """Return what an SDK's error says.

    Args:
        error: The error.
        sdk: The SDK, or the one whose errors it builds on.
        hide: Takes the secrets out of a text.
    """
    unreached = isinstance(error, sdk.APIConnectionError)
    body = said_of(error)
    message = (error.__cause__ or error) if unreached else body.get("message") or f"{type(error).__name__}: {error}"
    return Failure(
        said=without_login(hide(str(message))),
        status=judged(error)[0],
        code=code_of(error),
        retry_after=getattr(getattr(error, "response", None), "headers", {}).get("retry-after"),
        timed_out=isinstance(error, sdk.APITimeoutError),
        unreached=unreached,
    )


def said_of(error: Exception) -> Mapping[str, Any]:
    """Return what a server said of a failure; OpenAI's SDK has unpacked it already, the others have not."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("error"), (Mapping, str)):
        body = body["error"]
    if isinstance(body, str):  # as LM Studio and llama.cpp write it, or no JSON at all
        return {"message": body}
    return body if isinstance(body, Mapping) else {}


def code_of(error: Exception) -> str | None:
    """Return the vendor's code of a failure."""
    code = getattr(error, "code", None) or said_of(error).get("code")
    return code if isinstance(code, str) else None
