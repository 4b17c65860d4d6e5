"""Cohere's rerank API (v2), through the vendor's SDK.

The key is ``api_key``, else ``COHERE_API_KEY``, else ``CO_API_KEY``, which is the SDK's own name for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import cohere
import httpx
import pydantic
from cohere.core.api_error import ApiError
from pydantic import Field

from mem0.exceptions import ConfigError, RerankError
from mem0.rerankers.base import BaseRerankerConfig, RerankerBase, reranker_options
from mem0.text import clean, without_login
from mem0.wire.connection import Connection
from mem0.wire.failures import Failure, Vendor, hidden, shown_cause
from mem0.wire.loops import AsyncClients
from mem0.wire.retries import Patience

COHERE = Vendor("cohere", "Cohere", key="COHERE_API_KEY", ending="before /v2, which is added", model="rerank-v3.5")

_HOME = "https://api.cohere.com"

# What the SDK lets through: its own errors, its HTTP library's, and what comes of an answer that is something else.
_ERRORS = (ApiError, httpx.HTTPError, pydantic.ValidationError, ValueError)


class CohereRerankerConfig(Connection, BaseRerankerConfig):
    """Options of :class:`CohereReranker`."""

    vendor: ClassVar[Vendor] = COHERE
    added_path: ClassVar[str] = "/v2"
    hints: ClassVar[Mapping[str, str]] = {
        **BaseRerankerConfig.hints,
        "max_chunks_per_doc": "the API's second version has max_tokens_per_doc in its place",
    }
    ignored: ClassVar[Mapping[str, str]] = {"return_documents": "the texts are there already"}

    model: str = Field(default=COHERE.model, min_length=1, description="Name of the model.")
    max_tokens_per_doc: int | None = Field(
        default=None, ge=1, description="Of a longer text only its beginning is looked at. Default: the API's, 4096."
    )
    batch_size: int = Field(default=1000, ge=1, description="Texts in one request at most.")

    def key(self) -> str:
        """Return the key.

        Raises:
            ConfigError: There is none.
        """
        return self.key_or("COHERE_API_KEY", "CO_API_KEY")

    def address(self) -> str:
        return (self.base_url or _HOME).rstrip("/").removesuffix(self.added_path)


class CohereReranker(RerankerBase):
    """Reranks with Cohere's rerank API; safe to share between threads.

    Args:
        config: Its options: an object, a dict, or nothing.
        options: The same as keywords, such as ``api_key=``.

    Raises:
        ConfigError: An option is unknown or unusable, or there is no key.
    """

    options: ClassVar[type[CohereRerankerConfig]] = CohereRerankerConfig

    def __init__(self, config: CohereRerankerConfig | Mapping[str, Any] | None = None, **options: Any) -> None:
        self.config = reranker_options(CohereRerankerConfig, config, options)
        self.model = self.config.model
        self.top_k = self.config.top_k
        self._key = self.config.key()
        self._where = without_login(self.config.address())
        self._is_closed = False
        self._http = self._transport(httpx.Client)
        self._client: Any = self._connected(cohere.ClientV2, self._http)
        self._awaited: AsyncClients[_Awaited] = AsyncClients(self._awaited_client)

    def __repr__(self) -> str:
        return f"CohereReranker(model={self.model!r})"

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        scores: list[float] = []
        for request in self._requests(query, texts):
            scores += self._asked(request)
        return scores

    async def ascore(self, query: str, texts: Sequence[str]) -> list[float]:
        scores: list[float] = []
        for request in self._requests(query, texts):
            scores += await self._asked_awaiting(request)
        return scores

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._http.close()
            self._awaited.close()

    async def aclose(self) -> None:
        """Close the client of the event loop that is running, and wait for it."""
        await self._awaited.aclose()

    # -- requests -----------------------------------------------------------------------------------

    def _requests(self, query: str, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the requests; each text is judged for itself, so they can be in several."""
        size = self.config.batch_size
        for start in range(0, len(texts), size):
            request: dict[str, Any] = {
                "model": self.model,
                "query": clean(query),
                "documents": [clean(text) for text in texts[start : start + size]],
                "request_options": {"max_retries": 0},  # the SDK would wait as long as a server asks
            }
            if self.config.max_tokens_per_doc is not None:
                request["max_tokens_per_doc"] = self.config.max_tokens_per_doc
            yield request

    def _asked(self, request: Mapping[str, Any]) -> list[float]:
        patience = Patience(self.config.max_retries)
        while True:
            self._require_open()
            try:
                answer = self._client.rerank(**request)
            except (*_ERRORS, RuntimeError) as error:
                time.sleep(self._pause_after(error, patience))
            else:
                return self._scores(answer, len(request["documents"]))

    async def _asked_awaiting(self, request: Mapping[str, Any]) -> list[float]:
        self._require_open()
        client = (await self._awaited.here()).client
        patience = Patience(self.config.max_retries)
        while True:
            self._require_open()
            try:
                answer = await client.rerank(**request)
            except (*_ERRORS, RuntimeError) as error:
                await asyncio.sleep(self._pause_after(error, patience))
            else:
                return self._scores(answer, len(request["documents"]))

    def _scores(self, answer: Any, count: int) -> list[float]:
        """Return the scores in the order of the texts; the API answers in the order of the scores."""
        try:
            by_place = {result.index: float(result.relevance_score) for result in answer.results}
            scores = [by_place.pop(place) for place in range(count)]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._nonsense() from error
        if by_place:
            raise self._nonsense()
        return scores

    # -- clients ------------------------------------------------------------------------------------

    def _transport(self, kind: Callable[..., Any]) -> Any:
        """Return the HTTP client beneath the SDK's; it is ours to close, since the SDK closes none."""
        options = self.config
        given: dict[str, Any] = {"timeout": options.timeout, "headers": options.headers, "follow_redirects": True}
        if options.proxy() is not None:
            given["proxy"] = options.proxy()
        try:
            return kind(**given)
        except (ValueError, httpx.InvalidURL) as error:
            raise ConfigError(
                f"provider 'cohere': http_client_proxies is no address ({type(error).__name__}); write it as "
                "https://host:port"
            ) from None  # the original quotes the address, and with it a password

    def _connected(self, kind: Callable[..., Any], transport: Any) -> Any:
        return kind(self._key, base_url=self.config.address(), timeout=self.config.timeout, httpx_client=transport)

    def _awaited_client(self) -> _Awaited:
        transport = self._transport(httpx.AsyncClient)
        return _Awaited(self._connected(cohere.AsyncClientV2, transport), transport)

    # -- what goes wrong ----------------------------------------------------------------------------

    def _require_open(self, error: Exception | None = None) -> None:
        if self._is_closed or type(error) is RuntimeError:  # of a client that was closed meanwhile
            raise COHERE.closed(self._where) from error

    def _pause_after(self, error: Exception, patience: Patience) -> float:
        """Return the seconds to wait before another try, or raise an error of ours where none is to follow."""
        self._require_open(error)
        failure = self._failure(error)
        failed = failure.told(RerankError, COHERE, self.model, self._where)
        # What a server repeats of a key must not be told by way of the cause either.
        return patience.after(failed, shown_cause(error, self._hidden), failure.retry_after)

    def _failure(self, error: Exception) -> Failure:
        timed_out = isinstance(error, httpx.TimeoutException)
        unreached = isinstance(error, httpx.TransportError) and not timed_out
        if isinstance(error, ApiError):
            status = error.status_code
            if status is not None and status < 400:
                return Failure.unread(COHERE)
            body = error.body
            said = body.get("message") if isinstance(body, Mapping) else body
            headers = {name.lower(): value for name, value in (getattr(error, "headers", None) or {}).items()}
            return Failure(self._told(said or error), status, retry_after=headers.get("retry-after"))
        if timed_out or unreached:
            return Failure(self._told(error), timed_out=timed_out, unreached=unreached)
        return Failure.unread(COHERE)

    def _told(self, said: object) -> str:
        return without_login(self._hidden(str(said))) or type(said).__name__

    def _hidden(self, text: str) -> str:
        return hidden(text, [*self.config.secrets(), self._key])

    def _nonsense(self) -> RerankError:
        return RerankError(
            f"{COHERE.asked(self.model, self._where)}: what came back is not one score for each text: check base_url"
        )


class _Awaited:
    """The SDK's client for one event loop, with what is beneath it."""

    def __init__(self, client: Any, transport: httpx.AsyncClient) -> None:
        self.client = client
        self._transport = transport

    async def close(self) -> None:
        await self._transport.aclose()
