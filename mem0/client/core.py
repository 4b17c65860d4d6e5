"""What both clients are, but for the sending: who asks, whom, and what the HTTP library is told and tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

import httpx

from mem0.client import inputs
from mem0.client.replies import Call, Reply, ask, delete_entities
from mem0.client.requests import NOT_GIVEN, VERSIONS, Api, Request
from mem0.exceptions import ClosedError, ConfigError, MissingDependencyError, ValidationError

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)


class Hosted(Generic[Http]):
    """What both clients are: who asks, whom, and by which HTTP client."""

    client: Http
    _http: type[Http]  # which of the two HTTP clients

    def __init__(
        self,
        api_key: str | None = None,
        host: str | None = None,
        org_id: str | None = None,
        project_id: str | None = None,
        client: Http | None = None,
        *,
        api_version: str = "v1",
        timeout: float | httpx.Timeout | None = 60.0,
        max_retries: int = 2,
        validate: bool = False,
    ) -> None:
        key = api_key or os.environ.get("MEM0_API_KEY")
        headers = inputs.authorization(key)
        if api_version not in VERSIONS:
            raise ConfigError(f"api_version={api_version!r}: the service has {', '.join(VERSIONS)}")
        if timeout is not None and not isinstance(timeout, httpx.Timeout):
            timeout = inputs.seconds(timeout)
        if client is not None:
            self._check_kind(client)
        if not host and client is not None:
            host = str(client.base_url)
        self.api_key = str(key).strip()
        self.host = inputs.address(host)
        self.org_id = inputs.account("org_id", org_id)
        self.project_id = inputs.account("project_id", project_id)
        self.api_version = api_version
        self.max_retries = inputs.retries(max_retries)
        self._is_ours = client is None
        self._is_closed = False
        self.client = self._opened(headers, timeout) if client is None else client
        if validate:
            self._validate()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(host={self.host!r}, api_key='***', api_version={self.api_version!r})"

    if not TYPE_CHECKING:  # a type checker knows which names there are

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self).__name__
            told = f"{kind!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                told += "; what has no verb here is asked through .client, such as client.client.get('/v1/...')"
            raise AttributeError(told, name=name, obj=self)

    def _check_kind(self, client: object) -> None:
        if not isinstance(client, self._http):
            kind = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
            raise ConfigError(f"client={kind}: {type(self).__name__} takes an httpx.{self._http.__name__}, or none")

    def _opened(self, headers: dict[str, str], timeout: float | httpx.Timeout | None) -> Http:
        """Return an HTTP client of our own, which reads the environment too."""
        try:
            return self._http(base_url=self.host, headers=headers, timeout=timeout)
        except ImportError as error:
            told = "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy, which needs more: pip install 'httpx[socks]'"
            raise MissingDependencyError(told) from error
        except OSError as error:
            told = f"the certificates cannot be read ({error}): check the variables SSL_CERT_FILE and SSL_CERT_DIR"
            raise ConfigError(told) from error
        except (httpx.InvalidURL, ValueError) as error:
            # What it quotes may be part of a proxy's password, so it is neither shown nor kept as the cause.
            told = "check host, and the variables HTTPS_PROXY, ALL_PROXY and NO_PROXY"
            reason = f"no HTTP client can be made for it ({type(error).__name__})"
            raise ConfigError(f"host={self.host!r}: {reason}: {told}") from None

    def _validate(self) -> None:
        raise NotImplementedError

    @property
    def _api(self) -> Api:
        return Api(self.api_version, self.org_id, self.project_id)

    def _ask(self, request: Request | None) -> Call:
        return ask(request, self.api_key, self.max_retries)

    def _forget(self, ids: Mapping[str, object]) -> Call:
        """Return the call that deletes the entities that were named, or all where none was."""
        given = {name: value for name, value in ids.items() if value is not NOT_GIVEN}
        named = inputs.ids(given)
        if given and not named:
            raise ValidationError(
                f"delete_users: {', '.join(given)} is None; give an id, or reset() deletes everything"
            )
        return delete_entities(self._api, named, self.api_key, self.max_retries)

    def _sent(self, request: Request) -> httpx.Request:
        """Return what the HTTP client is to send.

        Whole addresses and headers with each request: a client of the caller's own is not changed.
        """
        if self._is_closed or self.client.is_closed:
            raise ClosedError(f"the client for {self.host} was closed; make a new one")
        try:
            return self.client.build_request(
                request.method,
                self.host + request.path,
                params=request.params or None,
                json=request.json,
                headers=inputs.authorization(self.api_key),
            )
        except httpx.InvalidURL as error:
            told = f"{request.method} {request.path}: what was given does not fit into an address: {error}; give less"
            raise ValidationError(told) from error


def ids_of(user_id: object, agent_id: object, app_id: object, run_id: object) -> dict[str, object]:
    """Return the ids of a call by name."""
    return {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}


def answered(response: httpx.Response) -> Reply:
    """Return what came back as a value."""
    # JSON is UTF-8, whatever else the headers say.
    return Reply(response.status_code, response.content.decode("utf-8-sig", "replace"), response.headers)


def unanswered(error: httpx.RequestError) -> Reply:
    """Return as a value that nothing came back, and why."""
    reached = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    if isinstance(error, httpx.TimeoutException):
        failure = "no answer within the time-out: try again, or raise timeout"
    else:
        cause = str(error) or type(error).__name__
        failure = f"no connection, or a broken one ({cause}): check the network and host, then try again"
    return Reply(None, failure=failure, error=error, reached=reached)
