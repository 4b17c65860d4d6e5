"""OpenAI's protocol: how a client is made, what its errors mean, and what an endpoint turns out not to take.

LLMs and embedders share this.  The SDK reads the vendor's own variables (``OPENAI_API_KEY``, ``OPENAI_BASE_URL``,
``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``) where an option is not given; no other variable counts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import openai
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from mem0.exceptions import ConfigError, ProviderError

Client = TypeVar("Client")

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
    r"(?:not|n't) support|unsupported|unrecognized|unknown|not (?:permitted|allowed)|extra", re.IGNORECASE
)
_NAMED = re.compile(r"\b(" + "|".join(_DISPENSABLE) + r")\b")


class OpenAIConnection(BaseModel):
    """Options of whatever talks to OpenAI, or to a server that speaks as it does."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = Field(default=None, description="The key. Default: `OPENAI_API_KEY`.")
    base_url: str | None = Field(
        default=None,
        min_length=1,
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
    http_client_proxies: str | None = Field(default=None, repr=False, description="URL of a proxy.")

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
    # The SDK's own classes: which HTTP library it stands on differs between its versions.
    if awaited:
        # Named although it is the default: the SDK wraps its default in one that, when it is collected, closes
        # itself in whatever loop is running then, which cannot close the connections of another.
        given["http_client"] = openai.DefaultAsyncHttpxClient(proxy=options.http_client_proxies)
    elif options.http_client_proxies is not None:
        given["http_client"] = openai.DefaultHttpxClient(proxy=options.http_client_proxies)
    try:
        return kind(**given)
    except openai.OpenAIError as error:
        raise ConfigError(
            "provider 'openai' has no key: set OPENAI_API_KEY, or give api_key in its config (any text will do for a "
            f"server of your own at base_url that asks for none); the SDK says: {error}"
        ) from error


class AsyncClients(Generic[Client]):
    """A client for each event loop, because a connection belongs to the loop that opened it.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}

    def here(self) -> Client:
        """Return the client of the event loop that is running."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for gone in [known for known in self._clients if known.is_closed()]:
                self._clients.pop(gone, None)
            client = self._clients[loop] = self._make()
        return client

    def forget(self) -> None:
        """Let go of every client; what loops that have ended left open goes with them."""
        self._clients.clear()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running."""
        client: Any = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class Dispensed:
    """Which options an endpoint was found not to take.

    Names of models say nothing reliable about it, so it is learned from what the endpoint answers: the first
    request is sent again without the option, later ones leave it out.
    """

    def __init__(self) -> None:
        self._replaced: dict[str, str | None] = {}

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as the endpoint takes it."""
        sent: dict[str, Any] = {}
        for name, value in request.items():
            known: str | None = name
            while known in self._replaced:
                known = self._replaced[known]
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
        self._replaced[name] = _DISPENSABLE[name]


def _refused(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """Return the option that an endpoint says it does not take."""
    if error.status_code not in (400, 422):
        return None
    said = str(error)
    if error.code not in _UNSUPPORTED_CODES and not _UNSUPPORTED.search(said):
        return None
    for name in (error.param, *_NAMED.findall(said)):
        if name in _DISPENSABLE and name in sent:
            return str(name)
    return None


@contextmanager
def translated(kind: type[ProviderError], options: OpenAIConnection, model: str, where: str) -> Iterator[None]:
    """Let the SDK's errors leave the block as ours.

    Args:
        kind: Which of our errors.
        options: Whose key must not be told.
        model: The model that was asked.
        where: The address that was asked.
    """
    try:
        yield
    except openai.OpenAIError as error:
        status = getattr(error, "status_code", None)
        code = getattr(error, "code", None)
        transient = status in (408, 409, 425, 429) or (status or 0) >= 500
        retryable = (transient and code != "insufficient_quota") or isinstance(error, openai.APIConnectionError)
        key = options.api_key.get_secret_value() if options.api_key else None
        told = kind(
            f"OpenAI model {model!r} at {where}: {_cause(error, status, code, model)}; nothing was stored",
            status=status,
            retryable=retryable,
        )
        # What a server repeats of a key must not be told by way of the cause either.
        raise told from (None if key and key in str(error) else error)


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
