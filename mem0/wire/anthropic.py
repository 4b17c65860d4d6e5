"""Anthropic's API: how its SDK's clients are made, and what their errors mean.

A key is the only credential: ``api_key``, else ``ANTHROPIC_API_KEY``.  What else the SDK would find
(``ANTHROPIC_AUTH_TOKEN``, profiles and credential files in the home folder) is not used, because a login left
behind by another tool must not decide who pays.  ``ANTHROPIC_BASE_URL`` counts where ``base_url`` is not given.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import anthropic
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from mem0.exceptions import ClosedError, ConfigError, ProviderError
from mem0.wire.failures import Failure, Vendor, hidden, without_login
from mem0.wire.loops import AsyncClients

_VENDOR = Vendor(
    "anthropic", "Anthropic", key="ANTHROPIC_API_KEY", ending="before /v1, which is added", model="claude-sonnet-5-5"
)
_Secret = Annotated[SecretStr, Field(min_length=1)]


class AnthropicConnection(BaseModel):
    """Options of whatever talks to Anthropic, or to a server that speaks as it does."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    api_key: _Secret | None = Field(default=None, description="The key. Default: `ANTHROPIC_API_KEY`.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,  # it may hold a password
        description="Another server that speaks the protocol, before `/v1`. Older name: `anthropic_base_url`. "
        "Default: `ANTHROPIC_BASE_URL`, else Anthropic's.",
    )
    timeout: float = Field(default=60.0, gt=0, description="Seconds that one request may take.")
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 409, 429, 5xx or a lost connection; `Retry-After` "
        "is honoured.",
    )
    headers: dict[str, str] = Field(default_factory=dict, repr=False, description="Further headers of each request.")
    http_client_proxies: _Secret | dict[Literal["http://", "https://", "all://"], _Secret] | None = Field(
        default=None, description="URL of a proxy, or one for each scheme: `{'https://': 'http://proxy:3128'}`."
    )

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "anthropic_base_url" not in values:
            return values
        values = dict(values)
        older = values.pop("anthropic_base_url")
        if older is not None and values.get("base_url") not in (None, older):
            raise ValueError("base_url and anthropic_base_url mean the same and differ; give one")
        return values | ({} if older is None else {"base_url": older})

    @field_validator("base_url", "http_client_proxies")
    @classmethod
    def _addresses(cls, given: Any) -> Any:
        for address in given.values() if isinstance(given, dict) else [given]:
            text = address.get_secret_value() if isinstance(address, SecretStr) else address
            if text is not None and not re.match(r"(?:https?|socks5h?)://[^\s/]", text):
                raise ValueError("this is no address; write it as https://host:port")
        return given

    def key(self) -> str:
        """Return the key.

        Raises:
            ConfigError: There is none.
        """
        key = os.environ.get("ANTHROPIC_API_KEY") if self.api_key is None else self.api_key.get_secret_value()
        if not key:
            raise ConfigError(
                "provider 'anthropic' has no key: set ANTHROPIC_API_KEY, or give api_key in its config (any text will "
                "do for a server of your own at base_url that asks for none)"
            )
        return key

    def proxy(self) -> str | None:
        """Return the proxy on the way to the server."""
        proxy = self.http_client_proxies
        if isinstance(proxy, dict):
            address = self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or "https://"
            by_scheme = {str(scheme): found for scheme, found in proxy.items()}
            proxy = by_scheme.get(f"{urlsplit(address).scheme}://", by_scheme.get("all://"))
        return None if proxy is None else proxy.get_secret_value()


def _connected(kind: Callable[..., Any], options: AnthropicConnection, key: str, *, awaited: bool = False) -> Any:
    """Return a client of the SDK.

    Args:
        kind: Its class.
        options: Whom to talk to, and how.
        key: The key.
        awaited: Whether it is the class for asyncio.
    """
    given: dict[str, Any] = {"api_key": key, "timeout": options.timeout, "max_retries": options.max_retries}
    if options.base_url is not None:
        given["base_url"] = options.base_url.rstrip("/").removesuffix("/v1")
    if options.headers:
        given["default_headers"] = options.headers
    proxy = options.proxy()
    # The SDK's own classes: which HTTP library it stands on differs between its versions.
    if awaited:
        # Named although it is the default: the SDK wraps its default in one that, when it is collected, closes
        # itself in whatever loop is running then, which cannot close the connections of another.
        given["http_client"] = anthropic.DefaultAsyncHttpxClient(proxy=proxy)
    elif proxy is not None:
        given["http_client"] = anthropic.DefaultHttpxClient(proxy=proxy)
    client = kind(**given)
    client.auth_token = None  # versions before 1 take ANTHROPIC_AUTH_TOKEN even beside a key
    return client


class Line:
    """The SDK's clients for one set of options, and what must not be told of them.

    Args:
        options: Whom to talk to, and how.
        kind: The SDK's blocking class.
        awaited_kind: Returns its class for asyncio, looked up when it is needed.

    Attributes:
        client: The blocking client.

    Raises:
        ConfigError: There is no key.
    """

    def __init__(
        self, options: AnthropicConnection, kind: Callable[..., Any], awaited_kind: Callable[[], Callable[..., Any]]
    ) -> None:
        key = options.key()
        self._secrets = [key, *options.headers.values()]
        self._is_closed = False
        self._awaited: AsyncClients[Any] = AsyncClients(lambda: _connected(awaited_kind(), options, key, awaited=True))
        self.client = _connected(kind, options, key)

    @property
    def where(self) -> str:
        """The address that is asked, without name and password."""
        return without_login(str(self.client.base_url))

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return f"Anthropic model {model!r} at {self.where}"

    async def here(self) -> Any:
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
        """Let the SDK's errors leave the block as ours.

        Args:
            kind: Which of our errors.
            model: The model that is asked.
        """
        if self._is_closed:  # the SDK would take it for a broken connection, and try again
            raise ClosedError(f"the provider 'anthropic' for {self.where} was closed; make a new one")
        try:
            yield
        except json.JSONDecodeError as error:
            raise kind(
                f"{self.named(model)}: what came back is no JSON; check base_url; nothing was stored", retryable=True
            ) from error
        except anthropic.AnthropicError as error:
            told = self._failure(error).told(kind, _VENDOR, model, self.where)
            # What a server repeats of a key must not be told by way of the cause either.
            raise told from (error if hidden(str(error), self._secrets) == str(error) else None)

    def _failure(self, error: anthropic.AnthropicError) -> Failure:
        message = said(error)
        return Failure(
            said=without_login(hidden(message, self._secrets)),
            status=getattr(error, "status_code", None),
            code="context_length_exceeded" if "prompt is too long" in message else None,
            retry_after=getattr(getattr(error, "response", None), "headers", {}).get("retry-after"),
            timed_out=isinstance(error, anthropic.APITimeoutError),
            unreached=isinstance(error, anthropic.APIConnectionError),
        )


def said(error: anthropic.AnthropicError) -> str:
    """Return what the server, or the network, said of a failure."""
    if isinstance(error, anthropic.APIConnectionError):
        return str(error.__cause__ or error)
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, Mapping) else None
    return str((inner.get("message") if isinstance(inner, Mapping) else None) or error)
