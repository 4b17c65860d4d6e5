"""The SDKs of OpenAI, Groq and Together, which one generator makes: their clients, and what their errors mean.

Each reads its vendor's own variables (``GROQ_API_KEY``, ``GROQ_BASE_URL``) where an option is not given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from mem0.exceptions import ClosedError, ConfigError, ProviderError, judged
from mem0.text import clean
from mem0.wire.failures import Failure, Vendor, hidden, without_login
from mem0.wire.loops import AsyncClients

Client = TypeVar("Client")

Secret = Annotated[SecretStr, Field(min_length=1)]


class Connection(BaseModel):
    """How to reach a vendor; its options stand on it."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    vendor: ClassVar[Vendor]
    added_path: ClassVar[str] = ""  # what the SDK itself appends to base_url

    api_key: Secret | None = Field(default=None, description="The key. Default: the vendor's variable.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,  # it may hold a password
        description="Another server that speaks the protocol. Older name: the provider's, as `groq_base_url`. "
        "Default: the vendor's variable, else its own.",
    )
    timeout: float = Field(default=60.0, gt=0, description="Seconds that one request may take.")
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 409, 429, 5xx or a lost connection; `Retry-After` "
        "is honoured up to two minutes.",
    )
    headers: dict[str, str] = Field(default_factory=dict, repr=False, description="Further headers of each request.")
    http_client_proxies: Secret | dict[Literal["http://", "https://", "all://"], Secret] | None = Field(
        default=None, description="URL of a proxy, or one for each scheme: `{'https://': 'http://proxy:3128'}`."
    )

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, values: Any) -> Any:
        return with_older_names(values, {f"{cls.vendor.provider}_base_url": "base_url"})

    def arguments(self) -> dict[str, Any]:
        """Return what the SDK's class is made with.

        Raises:
            ConfigError: There is no key.
        """
        given: dict[str, Any] = {"timeout": self.timeout, "max_retries": self.max_retries}
        if self.api_key is not None:
            given["api_key"] = self.api_key.get_secret_value()
        if self.base_url is not None:
            given["base_url"] = self.base_url.rstrip("/").removesuffix(self.added_path)
        if self.headers:
            given["default_headers"] = self.headers
        return given

    def settle(self, client: Any) -> None:
        """Put right what the SDK's class read where it should not have."""

    def address(self) -> str | None:
        """Return where requests go, as far as it is known before a client is made."""
        return self.base_url

    def proxy(self) -> str | None:
        """Return the proxy on the way to the server."""
        proxy = self.http_client_proxies
        if isinstance(proxy, dict):
            by_scheme = {str(scheme): found for scheme, found in proxy.items()}
            scheme = urlsplit(self.address() or "https://").scheme
            proxy = by_scheme.get(f"{scheme}://", by_scheme.get("all://"))
        return None if proxy is None else proxy.get_secret_value()

    def secrets(self) -> list[str]:
        """Return what must not be told."""
        key = [] if self.api_key is None else [self.api_key.get_secret_value()]
        return [*key, *self.headers.values()]


def with_older_names(values: Any, names: Mapping[str, str]) -> Any:
    """Return options under today's names.

    Args:
        values: What the user gave.
        names: By older name, today's.
    """
    if not isinstance(values, Mapping):
        return values
    values = dict(values)
    for older, name in names.items():
        given = values.pop(older, None)
        if given is None:
            continue
        if values.get(name) not in (None, given):
            raise ValueError(f"{name} and {older} mean the same and differ; give one")
        values[name] = given
    return values


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
    except sdk.APIError.__base__ as error:  # OpenAIError, GroqError, ...: there it is the missing key
        raise without_key(vendor, f"the SDK says: {error}") from error
    except ValueError as error:
        # Of what was given only addresses can be wrong, and they may hold a password: neither they nor the
        # original error, which quotes them, are shown.
        raise ConfigError(
            f"provider {vendor.provider!r}: base_url or http_client_proxies is no address ({type(error).__name__}); "
            "write it as https://host:port/path"
        ) from None
    options.settle(client)
    return client


def named_model(options: Any, default: str) -> str:
    """Return the model to ask: the configured one, or the provider's.

    Raises:
        ConfigError: There is neither.
    """
    model: str = options.model or default
    if not model:
        raise ConfigError(
            f"provider {options.vendor.provider!r}: model is missing: name the one that {options.address()} serves"
        )
    return model


def without_key(vendor: Vendor, said: str = "") -> ConfigError:
    """Return the error for a key that is missing."""
    named = f"set {vendor.key}, or give api_key in its config" if vendor.key else "give api_key in its config"
    return ConfigError(
        f"provider {vendor.provider!r} has no key: {named} (any text will do for a server of your own at base_url "
        f"that asks for none){f'; {said}' if said else ''}"
    )


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
        self._awaited: AsyncClients[Any] = AsyncClients(
            lambda: connected(options, sdk, awaited_kind(), awaited=True, **arguments)
        )
        self.vendor = options.vendor
        self.refused: type[Exception] = sdk.APIStatusError
        self.client = connected(options, sdk, kind, **arguments)

    @property
    def where(self) -> str:
        """The address that is asked, without name and password."""
        return without_login(str(self.client.base_url))  # type: ignore[attr-defined]

    async def here(self) -> Any:
        """Return the client for asyncio."""
        self.require_open()
        return await self._awaited.here()

    def require_open(self) -> None:
        """Refuse to go on after :meth:`close`; the SDK would take it for a broken connection, and try again.

        Raises:
            ClosedError: It was closed.
        """
        if self._is_closed:
            raise ClosedError(f"the provider {self.vendor.provider!r} for {self.where} was closed; make a new one")

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
    def translated(self, kind: type[ProviderError], model: str) -> Iterator[None]:
        """Let the SDK's errors leave the block as ours.

        Args:
            kind: Which of our errors.
            model: The model that is asked.
        """
        self.require_open()
        try:
            yield
        except json.JSONDecodeError as error:
            raise kind(
                f"{self.named(model)}: what came back is no JSON; check base_url; nothing was stored", retryable=True
            ) from error
        except self._sdk.APIError.__base__ as error:
            failure = failure_of(error, self._sdk, self.hidden)
            told = failure.told(kind, self.vendor, model, self.where)
            # What a server repeats of a key must not be told by way of the cause either.
            raise told from (error if self.hidden(str(error)) == str(error) else None)

    def named(self, model: str) -> str:
        """Return who is asked for what, as messages begin."""
        return f"{self.vendor.label} model {model!r} at {self.where}"


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
        said=hide(str(message)),
        status=judged(error)[0],
        code=code_of(error),
        retry_after=getattr(getattr(error, "response", None), "headers", {}).get("retry-after"),
        timed_out=isinstance(error, sdk.APITimeoutError),
        unreached=unreached,
    )


def said_of(error: Exception) -> Mapping[str, Any]:
    """Return what a server said of a failure; OpenAI's SDK has unpacked it already, the others have not."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    return body if isinstance(body, Mapping) else {}


def code_of(error: Exception) -> str | None:
    """Return the vendor's code of a failure."""
    code = getattr(error, "code", None) or said_of(error).get("code")
    return code if isinstance(code, str) else None


def cleaned(value: Any) -> Any:
    """Return messages without lone surrogates, which JSON in UTF-8 cannot hold."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {name: cleaned(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value


def without_ours(given: dict[str, Any], ours: tuple[str, ...]) -> dict[str, Any]:
    """Return further arguments of a request, refusing those that the library sets."""
    for name in ours:
        if name in given:
            raise ValueError(f"{name} is set by the library; leave it out")
    return given
