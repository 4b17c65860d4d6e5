"""What options of providers share: how a vendor is reached, older names, and what is refused."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from mem0.exceptions import ConfigError
from mem0.text import clean
from mem0.wire.failures import Vendor

# What the header of a request can hold, and every key consists of.
_SENDABLE = re.compile(r"[!-~]([ -~]*[!-~])?")
_NAME_OF_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def check_sendable(text: str) -> None:
    """Refuse what no header can hold; the message does not repeat it, since it is a secret.

    Raises:
        ValueError: It is empty, or has blanks or a line break at an end, or holds other characters than ASCII's.
    """
    if not text.strip():
        raise ValueError("this is empty; leave it out where there is none")
    if _SENDABLE.fullmatch(text):
        return
    if _SENDABLE.fullmatch(text.strip()):
        raise ValueError("there is a blank or a line break at its beginning or end; take that away")
    raise ValueError("this holds characters that no header can, such as line breaks, accents, or quotes of typesetting")


def _sendable(secret: SecretStr) -> SecretStr:
    check_sendable(secret.get_secret_value())
    return secret


def _all_sendable(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _NAME_OF_HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header: those have letters, digits and hyphens, and no blanks")
        try:
            check_sendable(value or "-")  # it may be empty
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from None
    return headers


def check_address(address: str) -> None:
    """Refuse what is no address of a server; the message does not repeat it, since it may hold a password.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(address)
        is_one = parts.scheme.lower() in ("http", "https", "socks5", "socks5h") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_one = False
    if not is_one or re.search(r"\s", address):
        raise ValueError("this is no address; write it as https://host:port")


def _whole_schemes(proxies: Any) -> Any:
    if not isinstance(proxies, Mapping):
        return proxies
    return {scheme if "://" in str(scheme) else f"{scheme}://": proxy for scheme, proxy in proxies.items()}


def _all_addresses(proxies: Any) -> Any:
    for proxy in proxies.values() if isinstance(proxies, dict) else [proxies]:
        if proxy is not None:
            check_address(proxy.get_secret_value())
    return proxies


def proxy_for(proxies: Any, scheme: str) -> str | None:
    """Return the proxy on the way to addresses of a scheme, ``http`` or ``https``.

    Args:
        proxies: What the options name.
        scheme: The scheme.
    """
    proxy = proxies.get(f"{scheme}://", proxies.get("all://")) if isinstance(proxies, dict) else proxies
    return None if proxy is None else str(proxy.get_secret_value())


Secret = Annotated[SecretStr, AfterValidator(_sendable)]
Headers = Annotated[dict[str, str], AfterValidator(_all_sendable)]
Proxies = Annotated[
    Secret | dict[Literal["http://", "https://", "all://"], Secret | None],  # none, as a variable that is not set
    BeforeValidator(_whole_schemes),
    AfterValidator(_all_addresses),
]
MEANING_OF_PROXIES = "URL of a proxy, or one for each scheme: `{'https://': 'http://proxy:3128'}`."
Seconds = Annotated[float, Field(gt=0, le=86_400)]  # of hundreds of years, or of infinity, clocks know nothing


class Connection(BaseModel):
    """How to reach a vendor; its options stand on it."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    vendor: ClassVar[Vendor]
    added_path: ClassVar[str] = ""  # what the SDK itself appends to base_url
    takes_bare_hosts: ClassVar[bool] = False  # whether base_url may be `localhost:1234`, by http

    api_key: Secret | None = Field(default=None, description="The key. Default: the vendor's variable.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,  # it may hold a password
        description="Another server that speaks the protocol. Older name: the provider's, as `groq_base_url`. "
        "Default: what the vendor's SDK takes it from, else the vendor's own.",
    )
    timeout: Seconds = Field(
        default=60.0, description="Seconds without a sign of the server after which a request has failed."
    )
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 409, 429, 5xx or a lost connection; where a server "
        "says when to come again, most wait for that, up to a minute or two.",
    )
    headers: Headers = Field(
        default_factory=dict, repr=False, description="Further headers of each request. Older name: `extra_headers`."
    )
    http_client_proxies: Proxies | None = Field(default=None, description=MEANING_OF_PROXIES)

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, given: str | None) -> str | None:
        if given is not None:
            check_address(f"http://{given}" if cls.takes_bare_hosts and "://" not in given else given)
        return given

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        return with_older_names(values, {f"{cls.vendor.provider}_base_url": "base_url", "extra_headers": "headers"})

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

    def key_or(self, *variables: str) -> str:
        """Return the key: the one that was given, else that of the first variable that holds one.

        Raises:
            ConfigError: There is none.
        """
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        key = next((found for name in variables if (found := os.environ.get(name))), None)
        if key is None:
            raise without_key(self.vendor)
        return checked_key(self.vendor, key)

    def for_asyncio(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what the SDK's class for asyncio is made with, of what its blocking one is."""
        return given

    def settle(self, client: Any) -> None:
        """Put right what the SDK's class read where it should not have."""
        # Not those of `OPENAI_CUSTOM_HEADERS` and its like, which go before the key; there is no public way.
        client._custom_headers = dict(self.headers)

    def address(self) -> str | None:
        """Return where requests go, as far as it is known before a client is made.

        Raises:
            ConfigError: What the environment says is no address.
        """
        if self.base_url is not None:
            return self.base_url
        given = os.environ.get(self.vendor.url) if self.vendor.url else None
        if not given:
            return None
        try:
            check_address(given)
        except ValueError as error:
            raise ConfigError(f"provider {self.vendor.provider!r}: {self.vendor.url}: {error}") from error
        return given

    def proxy(self) -> str | None:
        """Return the proxy on the way to the server."""
        address = self.address() or ("localhost" if self.takes_bare_hosts else "https://")
        return proxy_for(self.http_client_proxies, urlsplit(address).scheme if "://" in address else "http")

    def secrets(self) -> list[str]:
        """Return what must not be told."""
        return secrets_of(self)


def secrets_of(options: Any) -> list[str]:
    """Return what must not be told of options: the key, and what headers hold."""
    key = [] if options.api_key is None else [options.api_key.get_secret_value()]
    further = (getattr(options, "model_kwargs", None) or {}).get("extra_headers") or {}
    return [*key, *options.headers.values(), *map(str, further.values())]


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
        if given is None or given == "":  # as of a variable that is not set
            continue
        if values.get(name) not in (None, given):
            raise ValueError(f"{name} and {older} mean the same and differ; give one")
        values[name] = given
    return values


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


def checked_key(vendor: Vendor, key: str) -> str:
    """Return a key of the environment, which no option's check has seen.

    Raises:
        ConfigError: No header can hold it.
    """
    try:
        check_sendable(key)
    except ValueError as error:
        raise ConfigError(f"provider {vendor.provider!r}: its key, in {vendor.key}: {error}") from error
    return key


def cleaned(value: Any) -> Any:
    """Return messages without lone surrogates, which JSON in UTF-8 cannot hold."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {name: cleaned(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value


def check_arguments(given: Mapping[str, Any], function: Callable[..., Any], where: str) -> None:
    """Refuse further arguments of a request that the SDK's function does not have.

    Raises:
        ConfigError: It has no argument of such a name.
    """
    known = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return  # a mock has every argument
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "what only the API has goes inside extra_body"
            raise ConfigError(f"{where}['model_kwargs'][{name!r}]: the SDK has no such argument; {remedy}")


def unfit(shape: type[BaseModel], given: Any) -> str | None:
    """Return what an SDK will not take of what it is to send, and why; ``None`` where it takes all.

    Args:
        shape: What the SDK makes of it.
        given: What it is given.
    """
    try:
        shape.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))} cannot be sent: {first['msg']}"
    return None


def without_ours(given: dict[str, Any], ours: tuple[str, ...]) -> dict[str, Any]:
    """Return further arguments of a request, refusing those that the library sets, and headers that cannot be sent."""
    for name in ours:
        if name in given:
            raise ValueError(f"{name} is set by the library, or an option of its own; leave it out here")
    headers = given.get("extra_headers")
    if isinstance(headers, Mapping):
        _all_sendable({name: value for name, value in headers.items() if isinstance(value, str)})
    return given
