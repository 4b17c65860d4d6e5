"""OpenAI's protocol: how a client is made, what its errors mean, and what an endpoint turns out not to take.

LLMs and embedders share this.  The SDK reads the vendor's own variables (``OPENAI_API_KEY``, ``OPENAI_BASE_URL``,
``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``) where an option is not given; no other variable counts.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from mem0.exceptions import ClosedError, ConfigError, ProviderError, judged
from mem0.text import clean
from mem0.wire.loops import AsyncClients

Client = TypeVar("Client")

_Secret = Annotated[SecretStr, Field(min_length=1)]

# Options that a request can do without, and what some models call them instead.
_DISPENSABLE: Mapping[str, str | None] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": None,
    "temperature": None,
    "top_p": None,
    "response_format": None,
    "tool_choice": None,
    "dimensions": None,
    "encoding_format": None,
}
_UNSUPPORTED_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")
_UNSUPPORTED = re.compile(
    r"(?:not|n't) support|unsupported|unrecognized|unknown|not (?:permitted|allowed)|extra|cannot both"
    r"|response_format\S* must be",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(" + "|".join(_DISPENSABLE) + r")\b")


class OpenAIConnection(BaseModel):
    """Options of whatever talks to OpenAI, or to a server that speaks as it does."""

    # The published name `model_kwargs` is not pydantic's to protect, as versions before 2.10 would.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    api_key: _Secret | None = Field(default=None, description="The key. Default: `OPENAI_API_KEY`.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
        repr=False,  # it may hold a password
        description="Another server that speaks the protocol, up to and with `/v1`. Older name: `openai_base_url`. "
        "Default: `OPENAI_BASE_URL`, else OpenAI's.",
    )
    organization: str | None = Field(default=None, description="The organisation that pays. Default: `OPENAI_ORG_ID`.")
    project: str | None = Field(default=None, description="The project that pays. Default: `OPENAI_PROJECT_ID`.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds that one request may take.")
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a request is sent again after 408, 409, 429, 5xx or a lost connection; `Retry-After` "
        "is honoured up to two minutes.",
    )
    headers: dict[str, str] = Field(default_factory=dict, repr=False, description="Further headers of each request.")
    http_client_proxies: _Secret | dict[Literal["http://", "https://", "all://"], _Secret] | None = Field(
        default=None, description="URL of a proxy, or one for each scheme: `{'https://': 'http://proxy:3128'}`."
    )

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "openai_base_url" not in values:
            return values
        values = dict(values)
        older = values.pop("openai_base_url")
        if older is not None and values.setdefault("base_url", older) not in (None, older):
            raise ValueError("base_url and openai_base_url mean the same and differ; give one")
        if older is not None:
            values["base_url"] = older
        return values

    def proxy(self) -> str | None:
        """Return the proxy on the way to the server."""
        proxy = self.http_client_proxies
        if isinstance(proxy, dict):
            address = self.base_url or os.environ.get("OPENAI_BASE_URL") or "https://"
            by_scheme = {str(scheme): found for scheme, found in proxy.items()}
            proxy = by_scheme.get(f"{urlsplit(address).scheme}://", by_scheme.get("all://"))
        return None if proxy is None else proxy.get_secret_value()


def connected(kind: Callable[..., Client], options: OpenAIConnection, *, awaited: bool = False) -> Client:
    """Return a client of the SDK.

    Args:
        kind: Its class.
        options: Whom to talk to, and how.
        awaited: Whether it is the class for asyncio.

    Raises:
        ConfigError: There is no key, or the options cannot be used.
    """
    given: dict[str, Any] = {"timeout": options.timeout, "max_retries": options.max_retries}
    if options.api_key is not None:
        given["api_key"] = options.api_key.get_secret_value()
    for name in ("base_url", "organization", "project"):
        if getattr(options, name) is not None:
            given[name] = getattr(options, name)
    if options.headers:
        given["default_headers"] = options.headers
    proxy = options.proxy()
    try:
        # The SDK's own classes: which HTTP library it stands on differs between its versions.
        if awaited:
            # Named although it is the default: the SDK wraps its default in one that, when it is collected, closes
            # itself in whatever loop is running then, which cannot close the connections of another.
            given["http_client"] = openai.DefaultAsyncHttpxClient(proxy=proxy)
        elif proxy is not None:
            given["http_client"] = openai.DefaultHttpxClient(proxy=proxy)
        return kind(**given)
    except openai.OpenAIError as error:
        raise ConfigError(
            "provider 'openai' has no key: set OPENAI_API_KEY, or give api_key in its config (any text will do for a "
            f"server of your own at base_url that asks for none); the SDK says: {error}"
        ) from error
    except ValueError as error:
        # Of what was given only addresses can be wrong, and they may hold a password: neither they nor the
        # original error, which quotes them, are shown.
        raise ConfigError(
            f"provider 'openai': base_url or http_client_proxies is no address ({type(error).__name__}); "
            "write it as https://host:port/path"
        ) from None


class Line(Generic[Client]):
    """The SDK's clients for one set of options, and what must not be told of them.

    Args:
        options: Whom to talk to, and how.
        kind: The SDK's blocking class.
        awaited_kind: Returns its class for asyncio, looked up when it is needed.

    Attributes:
        client: The blocking client.

    Raises:
        ConfigError: There is no key, or the options cannot be used.
    """

    def __init__(self, options: OpenAIConnection, kind: Callable[..., Client], awaited_kind: Callable[[], Any]) -> None:
        self._options = options
        self._is_closed = False
        self._awaited: AsyncClients[Any] = AsyncClients(lambda: connected(awaited_kind(), options, awaited=True))
        self.client = connected(kind, options)

    @property
    def where(self) -> str:
        """The address that is asked, without name and password."""
        return re.sub("//[^/@]*@", "//", str(self.client.base_url))  # type: ignore[attr-defined]

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
            raise ClosedError(f"the provider 'openai' for {self.where} was closed; make a new one")

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
        keys = [*self._options.headers.values(), getattr(self.client, "api_key", None)]  # it may be the environment's
        for key in keys:
            if isinstance(key, str) and key:
                text = text.replace(key, "***")
        return text


class Dispensed:
    """Which options an endpoint was found not to take.

    Names of models say nothing reliable about it, so it is learned from what the endpoint answers: the first
    request is sent again without the option, later ones leave it out.
    """

    def __init__(self) -> None:
        self._replaced: dict[str, dict[str, str | None]] = {}

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as its model takes it."""
        replaced = self._replaced.get(request["model"], {})
        sent: dict[str, Any] = {}
        for name, value in request.items():
            known: str | None = name
            while known in replaced:
                known = replaced[known]
            if known is not None:
                sent[known] = value
        return sent

    def learn(self, error: openai.APIStatusError, sent: Mapping[str, Any]) -> None:
        """Note the option that a request was refused for; raise the error where it is none of those.

        What was learned is not sent again, so a caller that tries again comes to an end.
        """
        name = _refused(error, sent)
        if name is None:
            raise error
        self._replaced.setdefault(sent["model"], {})[name] = _DISPENSABLE[name]


def _refused(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """Return the option that an endpoint says it does not take."""
    if error.status_code not in (400, 422):
        return None
    said = str(error)
    if error.code not in _UNSUPPORTED_CODES and not _UNSUPPORTED.search(said):
        return None
    named = [error.param] if error.param else _NAMED.findall(said)
    return next((name for name in named if name in _DISPENSABLE and name in sent), None)


@contextmanager
def translated(kind: type[ProviderError], line: Line[Any], model: str) -> Iterator[None]:
    """Let the SDK's errors leave the block as ours.

    Args:
        kind: Which of our errors.
        line: Whom was asked, and what must not be told.
        model: The model that was asked.
    """
    line.require_open()
    try:
        yield
    except json.JSONDecodeError as error:
        raise kind(
            f"OpenAI model {model!r} at {line.where}: what came back is no JSON; check base_url; nothing was stored",
            retryable=True,
        ) from error
    except openai.OpenAIError as error:
        status, retryable = judged(error)
        code = getattr(error, "code", None)
        if isinstance(error, openai.APIConnectionError):
            retryable = True
        elif code == "insufficient_quota":  # a 429 that no waiting helps
            retryable = False
        cause = line.hidden(_cause(error, status, code, model))
        told = kind(
            f"OpenAI model {model!r} at {line.where}: {cause}; nothing was stored", status=status, retryable=retryable
        )
        # What a server repeats of a key must not be told by way of the cause either.
        raise told from (error if line.hidden(str(error)) == str(error) else None)


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


def _cause(error: openai.OpenAIError, status: int | None, code: str | None, model: str) -> str:
    if status == 401:
        return "401, the key was refused: check api_key in the config, or OPENAI_API_KEY"
    if status == 403:
        return "403, this key may not use it: check the key's project and permissions, or the country"
    if status == 404:
        return (
            f"404, there is no model {model!r} for this key, or base_url does not end where the API begins (/v1): "
            "name one from the vendor's list of models, such as 'gpt-5-mini'"
        )
    if code == "insufficient_quota":
        return "429, the quota is used up: check plan and billing"
    if status == 429:
        after = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
        return f"429, too many requests: try again {f'after {after} s' if after else 'later'}"
    if isinstance(error, openai.APITimeoutError):
        return "no answer within the time-out: try again, or raise timeout in the config"
    if isinstance(error, openai.APIConnectionError):
        return f"no connection ({error.__cause__ or error}): check the network and base_url, then try again"
    if status is not None and status >= 500:
        return f"{status}, the server failed: try again later"
    if code == "context_length_exceeded":
        return "400, the prompt is too long for this model: lower max_llm_chars, or use a model with a larger window"
    if status is not None:
        return f"{status}, the request was refused: {_message(error)}"
    return f"{type(error).__name__}: {error}"


def _message(error: openai.OpenAIError) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, Mapping) else None
    return str(message or error)[:500]
