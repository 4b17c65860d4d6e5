"""What the hosted service answers: read, or told as an error, and whether to ask once more.

A call is written once, as a generator that yields what it wants done: a :class:`~mem0.client.requests.Request` to be
sent, for which it gets a :class:`Reply`, or a :class:`Pause`.  The two clients differ in how they do these.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from mem0.client.requests import Api, Request, following
from mem0.exceptions import APIError, retryable_status
from mem0.types import MemoryList

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
#: Seconds; a service that asks for more patience is not waited for.
LONGEST_RETRY_AFTER = 60.0

_CUT = 500


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        status: The HTTP status; ``None`` where no answer came.
        text: The body.
        headers: Its headers; names in any case.
        failure: Why no answer came.
        error: The HTTP library's error, where no answer came.
        reached: Whether the service may have got the request.
    """

    status: int | None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    error: Exception | None = None
    reached: bool = True


class Pause(NamedTuple):
    """Nothing, for some seconds."""

    seconds: float


Call = Generator[Request | Pause, Reply | None, Any]


class HostedList(MemoryList[Any]):
    """A list that the service answered with: a real list of dicts, whatever stood around it.

    ``["results"]`` gives the list itself, and ``["count"]``, ``["next"]``, ``["relations"]``, ... what stood beside it
    in the answer, where there was such a thing.

    Attributes:
        total: How many there are in all, of which this list may be a page.
        envelope: The answer as it came.
    """

    envelope: dict[str, Any]

    def __init__(self, answer: list[Any] | Mapping[str, Any]) -> None:
        self.envelope = dict(answer) if isinstance(answer, Mapping) else {"results": list(answer)}
        total = self.envelope.get("count", self.envelope.get("total"))
        super().__init__(self.envelope["results"], total=total if isinstance(total, int) else None)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and key != "results":
            return self.envelope[key]
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self.envelope if isinstance(key, str) else super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return what stands under a key of the answer, as its dict would."""
        return self if key == "results" else self.envelope.get(key, default)


def ask(request: Request | None, secret: str, max_retries: int, *, is_checked: bool = False) -> Call:
    """Ask once, or more often where that can help and can do no harm.

    Args:
        request: What to ask; ``None`` asks nothing, and gives an empty list.
        secret: The key, which no error shows.
        max_retries: How often it is sent again at most.
        is_checked: Whether the caller finds out by itself what a 404 means.

    Raises:
        APIError: The service refused, failed, or was not reached.
    """
    if request is None:
        return HostedList([])
    attempt, may_be_done = 0, False
    while True:
        reply = yield request
        assert reply is not None
        seconds = pause_before_retry(request, reply, attempt) if attempt < max_retries else None
        if seconds is None:
            break
        attempt += 1
        may_be_done = may_be_done or _may_be_done(reply)
        yield Pause(seconds)
    if reply.status == 404 and request.may_be_done_at_404 and may_be_done and not is_checked:
        return {"message": "it is not there any more; the answer to an earlier attempt was lost"}
    return read(request, reply, secret, attempt + 1)


def delete_entities(api: Api, ids: Mapping[str, object], secret: str, max_retries: int) -> Call:
    """Delete users, agents, apps and runs with their memories.

    Where all are meant, one may be gone since they were listed, or with another, which is what was asked for.  Or the
    host does not know the address.  Both are a 404, so the list is read again.

    Args:
        api: Builds the requests.
        ids: Which ones, by ``user_id``, ``agent_id``, ``app_id``, ``run_id``; none means all there are.
        secret: The key, which no error shows.
        max_retries: How often each request is sent again at most.

    Returns:
        ``{"message", "deleted"}``.

    Raises:
        APIError: One could not be deleted, or is still listed; the message says how many were deleted before.
    """
    doomed = [api.delete_user(name.removesuffix("_id"), value) for name, value in ids.items()]
    if not ids:
        doomed = yield from _everybody(api, secret, max_retries)
    deleted, unknown = 0, []
    try:
        for request in doomed:
            try:
                yield from ask(request, secret, max_retries, is_checked=not ids)
                deleted += 1
            except APIError as error:
                if error.status != 404 or ids:
                    raise
                unknown.append(request)
        kept = (yield from _everybody(api, secret, max_retries)) if unknown else []
        for request in unknown:
            if request in kept:
                told = f"{request.method} {request.path}: 404, and still listed; check host, and that it has this path"
                raise APIError(told, status=404)
    except APIError as error:
        told = f"{error}; {deleted} of {len(doomed)} were deleted before"
        raise APIError(told, status=error.status, body=error.body, retryable=error.retryable) from error
    told = f"{deleted} users, agents, apps or runs and their memories deleted"
    return {"message": told + (f"; {len(unknown)} were gone already" if unknown else ""), "deleted": deleted}


def _everybody(api: Api, secret: str, max_retries: int) -> Generator[Request | Pause, Reply | None, list[Request]]:
    """Return the requests that delete whoever is listed now.

    All pages are read before anything is done: what is deleted meanwhile would move the pages.
    """
    found: list[Request] = []
    page: Request | None = api.users()
    while page is not None:
        rows: HostedList = yield from ask(page, secret, max_retries)
        for row in rows:
            if not isinstance(row, Mapping) or not {"type", "name"} <= row.keys():
                raise APIError(f"{page.method} {page.path}: a user without type and name came back", body=rows.envelope)
            found.append(api.delete_user(row["type"], row["name"]))
        page = following(page, rows.envelope)
    return found


def pause_before_retry(request: Request, reply: Reply, attempt: int) -> float | None:
    """Return how many seconds to wait before asking once more; ``None`` not to.

    Args:
        request: What was asked.
        reply: What came back.
        attempt: How often it was asked again so far.
    """
    is_passing = reply.status is None or retryable_status(reply.status)
    if not request.idempotent or not is_passing:
        return None
    after = _retry_after(reply)
    if after is not None:
        return after if after <= LONGEST_RETRY_AFTER else None
    # Half of it is chance, so that many clients do not come back at once.
    return float(min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0))


def read(request: Request, reply: Reply, secret: str, attempts: int = 1) -> Any:
    """Return what the service answered.

    Args:
        request: What was asked.
        reply: What came back.
        secret: The key, which no error shows.
        attempts: How often it was asked.

    Returns:
        A :class:`HostedList` where it is a list, alone or under ``results``; else the JSON as it is.

    Raises:
        APIError: It refused, failed, was not reached, or what came back cannot be read.
    """
    where = f"{request.method} {request.path}" + (f" ({attempts} attempts)" if attempts > 1 else "")
    if reply.status is None:
        told = f"{where}: {reply.failure.replace(secret, '***')}{_doubt(request, reply)}"
        raise APIError(told, retryable=True) from reply.error
    is_good = 200 <= reply.status < 300
    is_done = request.method == "DELETE" or (request.method == "PUT" and reply.status == 204)
    if is_good and is_done and not reply.text.strip():
        return {"message": "deleted" if request.method == "DELETE" else "updated"}
    is_json, answer = _parsed(reply.text)
    answer = _flat(answer)
    is_list = isinstance(answer.get("results") if isinstance(answer, Mapping) else answer, list)
    if is_good and is_json and (is_list or not request.listed):
        return HostedList(answer) if is_list else answer
    # Some servers repeat the key that they refuse.  Never in a result: a key of one's own server may be a common word.
    _, answer = _parsed(reply.text.replace(secret, "***"))
    said = _said(answer)[:_CUT]
    if is_good:
        what = "a list was expected, and something else came back" if is_json else "what came back is no JSON"
        told = f"{where}: {reply.status}, {what}: {said!r}; check host and api_version{_doubt(request, reply)}"
        raise APIError(told, status=reply.status, body=answer)
    told = f"{where}: {reply.status}{f', {said!r}' if said else ''}; {_remedy(reply, secret)}{_doubt(request, reply)}"
    raise APIError(told, status=reply.status, body=answer, retryable=retryable_status(reply.status))


def _parsed(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):  # the latter of brackets within brackets
        return False, text


def _flat(answer: Any) -> Any:
    """Return a page whose ``results`` hold ``results`` again, as the service's format v1.1 has it, as any other."""
    inner = answer.get("results") if isinstance(answer, Mapping) else None
    return {**answer, **inner} if isinstance(inner, Mapping) and "results" in inner else answer


def _retry_after(reply: Reply) -> float | None:
    """Return how many seconds the service asks to be left alone, by its header ``Retry-After``."""
    named = _header(reply, "retry-after").strip()
    if named.isascii() and named.isdigit():
        return float(named)
    try:
        when = parsedate_to_datetime(named)
    except (ValueError, OverflowError):  # the latter of a time zone beyond all
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers.items() if key.lower() == name), "")


def _said(answer: Any) -> str:
    """Return the message in an error of the service, which has worn several shapes."""
    try:
        if isinstance(answer, Mapping):
            for name in ("details", "detail", "message", "error"):
                if answer.get(name):
                    return _said(answer[name])
        if isinstance(answer, list):
            return "; ".join(_said(part) for part in answer)
        return " ".join((answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)).split())
    except RecursionError:
        return "…"


def _remedy(reply: Reply, secret: str) -> str:
    status = reply.status or 0
    if status == 401:
        return "the key was refused: check MEM0_API_KEY, or api_key"
    if status == 403:
        return "this key may not do that: check its permissions, org_id and project_id"
    if status == 404:
        return "there is nothing under this id, or no such service at this host: check the id, host and api_version"
    if status == 429:
        after = _retry_after(reply)
        return f"too many requests: try again {'later' if after in (None, math.inf) else f'after {after:.0f} s'}"
    if status < 400:
        there = _header(reply, "location").replace(secret, "***")[:_CUT]
        return f"the host redirects to {there!r}: give the address it leads to as host"
    if retryable_status(status):
        return f"the service {'failed' if status >= 500 else 'could not do it just now'}: try again later"
    if status >= 500:
        return "the service does not do this: check host and api_version"
    return "the request was refused: check the arguments"


def _doubt(request: Request, reply: Reply) -> str:
    """Return what the caller must know before trying again what is not idempotent."""
    is_unknown = not request.idempotent and _may_be_done(reply)
    return "; it may have been stored all the same" if is_unknown else ""


def _may_be_done(reply: Reply) -> bool:
    """Tell whether the service may have done what it was asked, whatever came back."""
    return reply.reached and not 300 <= (reply.status or 0) < 500
