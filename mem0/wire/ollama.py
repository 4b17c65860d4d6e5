"""Ollama: how its server is asked, and what its errors mean.

The SDK reads ``OLLAMA_HOST`` and ``OLLAMA_API_KEY`` where an option is not given.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import httpx
import ollama
import pydantic
from pydantic import Field

from mem0.exceptions import ConfigError, ProviderError
from mem0.text import without_login
from mem0.wire.connection import Connection, checked_key
from mem0.wire.failures import Failure, Vendor, hidden, shown_cause
from mem0.wire.loops import AsyncClients, is_half_doubled
from mem0.wire.retries import Patience

OLLAMA = Vendor("ollama", "Ollama", key="OLLAMA_API_KEY", ending="", model="llama3.2", embedder="nomic-embed-text")

# What the SDK lets through: its own errors, its HTTP library's, and what comes of an answer that is something else.
_ERRORS = (
    ollama.ResponseError,
    ollama.RequestError,
    ConnectionError,
    httpx.HTTPError,
    json.JSONDecodeError,
    pydantic.ValidationError,
    TypeError,  # of an answer that is JSON and no object
    RuntimeError,  # of a client that was closed meanwhile
)


class OllamaConnection(Connection):
    """Options of whatever talks to an Ollama server."""

    vendor: ClassVar[Vendor] = OLLAMA
    takes_bare_hosts: ClassVar[bool] = True

    pull: bool = Field(
        default=False, description="Have the server download the model where it is not there; gigabytes, and minutes."
    )
    keep_alive: float | str | None = Field(
        default=None, description="How long the model stays loaded after a request: seconds, or `10m`."
    )

    def address(self) -> str | None:
        return self.base_url or os.environ.get("OLLAMA_HOST")


class OllamaLine:
    """The SDK's clients for one set of options.

    Args:
        options: Whom to talk to, and how.
        kind: The SDK's blocking class.
        awaited_kind: Returns its class for asyncio, looked up when it is needed.

    Attributes:
        client: The blocking client.

    Raises:
        ConfigError: The address cannot be used.
    """

    def __init__(
        self, options: OllamaConnection, kind: Callable[..., Any], awaited_kind: Callable[[], Callable[..., Any]]
    ) -> None:
        self._options = options
        self._is_closed = False
        self._awaited_kind = awaited_kind
        self._awaited: AsyncClients[Any] = AsyncClients(lambda: self._connected(awaited_kind()))
        self.client = self._connected(kind)

    @property
    def where(self) -> str:
        """The address that is asked, without name and password."""
        return without_login(self._options.address() or "http://127.0.0.1:11434")

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return OLLAMA.asked(model, self.where)

    def call(self, kind: type[ProviderError], verb: str, request: Mapping[str, Any]) -> Any:
        """Send a request, again where that may help.

        Args:
            kind: Which of our errors to raise.
            verb: The client's method.
            request: Its arguments, ``model`` among them.
        """
        patience = Patience(self._options.max_retries)
        while True:
            self._require_open()
            try:
                return self._sent(verb, request)
            except _ERRORS as error:
                time.sleep(self._pause_after(error, kind, request["model"], patience))

    async def acall(self, kind: type[ProviderError], verb: str, request: Mapping[str, Any]) -> Any:
        """Do what :meth:`call` does, awaiting."""
        if is_half_doubled(ollama, self.client, self._awaited_kind()):
            return await asyncio.to_thread(self.call, kind, verb, request)
        self._require_open()
        client = await self._awaited.here()
        patience = Patience(self._options.max_retries)
        while True:
            self._require_open()
            try:
                return await self._asent(client, verb, request)
            except _ERRORS as error:
                await asyncio.sleep(self._pause_after(error, kind, request["model"], patience))

    def close(self) -> None:
        """Close all of them; a second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self.client.close()
            self._awaited.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    def _sent(self, verb: str, request: Mapping[str, Any]) -> Any:
        """Send a request, and where the model is not there and may be pulled, do that and send it again."""
        try:
            return getattr(self.client, verb)(**request)
        except ollama.ResponseError as error:
            if error.status_code != 404 or not self._options.pull:
                raise
        for _ in self.client.pull(request["model"], stream=True):
            pass  # its progress; that some comes keeps the time-out away
        return getattr(self.client, verb)(**request)

    async def _asent(self, client: Any, verb: str, request: Mapping[str, Any]) -> Any:
        """Do what :meth:`_sent` does, awaiting."""
        try:
            return await getattr(client, verb)(**request)
        except ollama.ResponseError as error:
            if error.status_code != 404 or not self._options.pull:
                raise
        async for _ in await client.pull(request["model"], stream=True):
            pass
        return await getattr(client, verb)(**request)

    def _connected(self, kind: Callable[..., Any]) -> Any:
        options = self._options
        given: dict[str, Any] = {"host": options.base_url, "timeout": options.timeout}
        headers = dict(options.headers)
        if options.api_key is not None:
            headers["Authorization"] = f"Bearer {options.api_key.get_secret_value()}"
        elif os.environ.get("OLLAMA_API_KEY"):  # the SDK sends it
            checked_key(OLLAMA, os.environ["OLLAMA_API_KEY"])
        if headers:
            given["headers"] = headers
        proxy = options.proxy()
        if proxy is not None:
            given["proxy"] = proxy
        try:
            return kind(**given)
        except (ValueError, httpx.InvalidURL) as error:
            raise ConfigError(
                f"provider 'ollama': base_url or http_client_proxies is no address ({type(error).__name__}); write it "
                "as http://host:11434"
            ) from None  # the original quotes the address, and with it a password

    def _require_open(self, error: Exception | None = None) -> None:
        if self._is_closed or type(error) is RuntimeError:  # of a client that was closed meanwhile
            raise OLLAMA.closed(self.where) from error

    def _pause_after(self, error: Exception, kind: type[ProviderError], model: str, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error of ours where none is to follow."""
        self._require_open(error)
        failure = self._failure(error, model)
        failed = failure.told(kind, OLLAMA, model, self.where)
        return patience.after(failed, shown_cause(error, self._hidden), failure.retry_after)

    def _failure(self, error: Exception, model: str) -> Failure:
        if isinstance(error, (json.JSONDecodeError, pydantic.ValidationError, TypeError)):
            return Failure.unread(OLLAMA)
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) and status > 0 else None
        said = self._hidden(str(getattr(error, "error", None) or error)) or type(error).__name__
        if status == 404 and not self._options.pull:
            remedy = f"run `ollama pull {model}` where the server is, or set pull=True in the config"
            return Failure(said, status, cause=f"404, {said}: {remedy}")
        timed_out = isinstance(error, httpx.TimeoutException)
        unreached = isinstance(error, (ConnectionError, httpx.TransportError)) and not timed_out
        answer = getattr(error.__context__, "response", None)  # of the HTTP library's error; the SDK's has no headers
        asked = getattr(answer, "headers", {}).get("retry-after")
        return Failure(said, status, retry_after=asked, timed_out=timed_out, unreached=unreached)

    def _hidden(self, text: str) -> str:
        return hidden(text, [*self._options.secrets(), os.environ.get("OLLAMA_API_KEY")])
