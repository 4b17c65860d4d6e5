"""What the hosted client makes of failures: which error, what it says, and what is tried again."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hosted_server import FOUND, KEY, MEMORY_ID, NOT_FOUND, REFUSED_V1, HostedServer
from loopback import Answer

from mem0.client import replies
from mem0.client.main import APIError, AsyncMemoryClient, MemoryClient
from mem0.client.replies import Reply, pause_before_retry
from mem0.client.requests import Request
from mem0.exceptions import Mem0Error

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "FIRST_PAUSE", 0.01)


@pytest.fixture(params=["blocking", "awaited"])
def call(request: pytest.FixtureRequest, server: HostedServer) -> Call:
    """Call one verb of either client; keywords before the verb's own are the client's, by ``options``."""

    def called(verb: str, *arguments: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        given = {"api_key": KEY, "host": server.url, "timeout": 20, **(options or {})}

        async def awaited() -> Any:
            async with AsyncMemoryClient(**given) as client:
                return await getattr(client, verb)(*arguments, **named)

        if request.param == "awaited":
            return asyncio.run(awaited())
        with MemoryClient(**given) as client:
            return getattr(client, verb)(*arguments, **named)

    return called


def refused(call: Call, verb: str, *arguments: Any, **named: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        call(verb, *arguments, **named)
    assert isinstance(caught.value, Mem0Error)
    return caught.value


def test_a_wrong_key_is_reported_on_first_use(call: Call, server: HostedServer) -> None:
    error = refused(call, "search", "hobbies?", user_id="a", options={"api_key": "m0-wrong"})
    assert (error.status, error.retryable, error.body) == (401, False, {"detail": "Invalid API key"})
    assert str(error).startswith("POST /v1/memories/search/: 401, 'Invalid API key'")
    assert "check MEM0_API_KEY" in str(error)
    assert len(server.requests) == 1


def test_the_key_is_never_told(call: Call, server: HostedServer) -> None:
    echo = f"the key {KEY} is not known here"
    for answer in (
        Answer(401, {"detail": echo}),
        Answer(500, echo),
        Answer(200, f"<html>{echo}</html>"),
        Answer(302, "", {"Location": f"https://example.com/?key={KEY}"}),
    ):
        server.answers = [answer]
        error = refused(call, "add", "hi", user_id="a")
        told = "".join(traceback.format_exception(error))
        assert KEY not in f"{told}{error!r}{error.body}"


@pytest.mark.parametrize("key", ["tea", "1", "a", '"'])
def test_a_key_that_is_a_common_word_changes_no_result(key: str) -> None:
    memory = {"id": "a1", "memory": 'Likes tea, "black"', "metadata": {"tea": 1}}
    for answer in (memory, [memory], {"results": [memory], "count": 1}):
        transport = httpx.MockTransport(lambda _, answer=answer: httpx.Response(200, json=answer))
        with httpx.Client(transport=transport) as own:
            got = MemoryClient(key, client=own).get("a1")
        assert got == (answer if answer is memory else [memory])


def test_not_found(call: Call) -> None:
    error = refused(call, "get", "no-such-id")
    assert (error.status, error.retryable, error.body) == (404, False, NOT_FOUND)
    assert "GET /v1/memories/no-such-id/: 404, 'Memory not found!'; there is nothing under this id" in str(error)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(400, REFUSED_V1), "400, 'Invalid input data.'"),
        (Answer(422, {"errors": {"user_id": ["too long"]}}), """'{"errors": {"user_id": ["too long"]}}'"""),
        (Answer(403, {"detail": ["not", "yours"]}), "403, 'not; yours'; this key may not do that"),
        (Answer(400, "<h1>\n No </h1>"), "'<h1> No </h1>'"),
        (Answer(400, {"message": "x" * 9000}), "'" + "x" * 500 + "'"),
        (Answer(301, "", {"Location": "https://example.com/"}), "redirects to 'https://example.com/'"),
    ],
)
def test_a_refusal_says_what_the_service_said(call: Call, server: HostedServer, answer: Answer, told: str) -> None:
    server.answers = [answer]
    error = refused(call, "get", "id")
    assert (error.status, error.retryable) == (answer.status, False)
    assert told in str(error)
    assert error.body == answer.body
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "", "{"])
def test_what_is_no_json_is_no_result(call: Call, server: HostedServer, body: str) -> None:
    server.answers = [Answer(200, body)]
    error = refused(call, "search", "hobbies?", user_id="a")
    assert (error.status, error.body, error.retryable) == (200, body, False)
    assert "no JSON" in str(error)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-16", "text/plain; charset=latin-1"]
)
def test_json_is_utf_8_whatever_the_headers_say(kind: str) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content='\ufeff{"memory": "她喝茶"}'.encode(), headers={"Content-Type": kind})

    with httpx.Client(transport=httpx.MockTransport(service)) as own:
        assert MemoryClient(KEY, client=own).get("id") == {"memory": "她喝茶"}


def test_bytes_that_are_no_text_are_no_json() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"\xff\xfe\x00"))
    with httpx.Client(transport=transport) as own, pytest.raises(APIError, match="no JSON"):
        MemoryClient(KEY, client=own).get("id")


@pytest.mark.parametrize("status", [200, 500])
def test_brackets_within_brackets_are_no_json(call: Call, server: HostedServer, status: int) -> None:
    server.answers = [Answer(status, "[" * 100_000 + "]" * 100_000)]
    error = refused(call, "add", "hi", user_id="a")
    assert (error.status, type(error.body)) == (status, str)
    assert len(str(error)) < 1000


def test_a_good_answer_that_cannot_be_read_leaves_a_doubt(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(200, "<html>Welcome</html>"), Answer(200, "<html>Welcome</html>")]
    assert str(refused(call, "add", "hi", user_id="a")).endswith("it may have been stored all the same")
    assert "stored" not in str(refused(call, "search", "hi", user_id="a"))


def test_no_content_is_no_deletion_where_none_was_asked_for(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(204, ""), Answer(204, ""), Answer(204, "")]
    assert call("update", MEMORY_ID, "text") == {"message": "updated"}
    for verb in ("search", "add"):
        assert "no JSON" in str(refused(call, verb, "hi", user_id="a"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("verb", ["add", "delete"])
def test_the_callers_client_follows_no_redirect(server: HostedServer, status: int, verb: str) -> None:
    arguments = {"add": ("hi",), "delete": (MEMORY_ID,)}[verb]

    async def awaited() -> None:
        async with httpx.AsyncClient(follow_redirects=True) as own:
            await getattr(AsyncMemoryClient(KEY, server.url, client=own), verb)(*arguments)

    moved = Answer(status, "", {"Location": f"{server.url}/v1/memories/"})
    server.answers = [moved, moved]
    with httpx.Client(follow_redirects=True) as own, pytest.raises(APIError, match="redirects to") as caught:
        getattr(MemoryClient(KEY, server.url, client=own), verb)(*arguments)
    with pytest.raises(APIError, match="redirects to"):
        asyncio.run(awaited())
    assert (caught.value.status, len(server.requests)) == (status, 2)


@pytest.mark.parametrize("body", [{"message": "ok"}, None, 7, {"results": None}])
def test_what_is_no_list_is_no_empty_list(call: Call, server: HostedServer, body: Any) -> None:
    server.answers = [Answer(200, body)]
    error = refused(call, "search", "hobbies?", user_id="a")
    assert error.body == body
    assert "a list was expected" in str(error)


def test_users_of_an_unknown_shape_delete_nobody(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(200, [{"type": "user", "name": "a"}, {"id": "b"}])]
    assert "without type and name" in str(refused(call, "reset"))
    assert len(server.requests) == 1


CALLS = {
    "search": ("hobbies?",),
    "get_all": (),
    "get": (MEMORY_ID,),
    "update": (MEMORY_ID, "text"),
    "delete": (MEMORY_ID,),
    "history": (MEMORY_ID,),
    "users": (),
    "batch_delete": (["id"],),
}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize(
    "answer", [Answer(500, "oops"), Answer(429, {}), Answer(408, {}), Answer(503, {}), Answer(cut=True)]
)
def test_what_is_idempotent_is_tried_again(call: Call, server: HostedServer, verb: str, answer: Answer) -> None:
    server.answers = [answer, answer]
    call(verb, *CALLS[verb])
    assert len(server.requests) == 3
    assert len({str(request) for request in server.requests}) == 1


def test_a_list_of_v3_is_tried_again(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(502, ""), Answer(502, "")]
    call("get_all", user_id="a", options={"api_version": "v3"})
    assert len(server.requests) == 3


DELETIONS: dict[str, dict[str, Any]] = {
    "delete": {"memory_id": MEMORY_ID},
    "delete_all": {"user_id": "a"},
    "delete_users": {"user_id": "a"},
}


@pytest.mark.parametrize("verb", DELETIONS)
@pytest.mark.parametrize("lost", [Answer(502, "bad gateway"), Answer(cut=True)])
def test_a_deletion_whose_answer_was_lost_is_done(call: Call, server: HostedServer, verb: str, lost: Answer) -> None:
    server.answers = [lost, Answer(429, {}), Answer(404, NOT_FOUND)]
    told = "1 users" if verb == "delete_users" else "not there any more"
    assert told in call(verb, **DELETIONS[verb])["message"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("verb", DELETIONS)
def test_what_was_never_there_is_not_found(call: Call, server: HostedServer, verb: str) -> None:
    server.answers = [Answer(429, {}), Answer(404, NOT_FOUND)]  # too many requests: nothing was done
    assert refused(call, verb, **DELETIONS[verb]).status == 404


def test_a_reset_that_lost_an_answer_looks_who_is_still_listed(call: Call, server: HostedServer) -> None:
    users = Answer(200, [{"type": "user", "name": "alex"}])
    server.answers = [users, Answer(502, ""), Answer(404, {}), Answer(200, [])]
    assert "1 were gone already" in call("reset")["message"]
    server.answers = [users, Answer(502, ""), Answer(404, {}), users]
    assert "still listed" in str(refused(call, "reset"))


def test_a_batch_that_finds_one_no_more_is_not_known_to_be_done(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(502, ""), Answer(404, NOT_FOUND)]
    assert refused(call, "batch_delete", ["m1", "m2"]).status == 404


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_tries_are_counted(call: Call, server: HostedServer, max_retries: int) -> None:
    server.answers = [Answer(500, {"error": "oops"})] * 9
    error = refused(call, "search", "hobbies?", user_id="a", options={"max_retries": max_retries})
    assert (error.status, error.retryable) == (500, True)
    assert len(server.requests) == max_retries + 1
    assert (f"({max_retries + 1} attempts)" in str(error)) == (max_retries > 0)


@pytest.mark.parametrize("status", [409, 425])
def test_what_is_told_retryable_is_tried_again(call: Call, server: HostedServer, status: int) -> None:
    server.answers = [Answer(status, {"detail": "busy"})] * 3
    error = refused(call, "get", MEMORY_ID)
    assert (error.status, error.retryable, len(server.requests)) == (status, True, 3)
    assert "try again later" in str(error)


@pytest.mark.parametrize("version", ["v1", "v3"])
@pytest.mark.parametrize(
    ("answer", "status", "is_doubtful"),
    [
        (Answer(500, "oops"), 500, True),
        (Answer(429, {}, {"Retry-After": "0"}), 429, False),
        (Answer(cut=True), None, True),
        (Answer(200, [], cut="body"), None, True),
    ],
)
def test_an_add_is_never_sent_twice(
    call: Call, server: HostedServer, version: str, answer: Answer, status: int | None, is_doubtful: bool
) -> None:
    server.answers = [answer]
    error = refused(call, "add", "hi", user_id="a", options={"api_version": version})
    assert (error.status, error.retryable, len(server.requests)) == (status, True, 1)
    assert ("may have been stored" in str(error)) == is_doubtful


def test_no_answer_in_time(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(200, [], delay=0.6)] * 2
    options = {"timeout": 0.1, "max_retries": 1}
    error = refused(call, "search", "hobbies?", user_id="a", options=options)
    assert (error.status, error.retryable, error.body) == (None, True, None)
    assert "no answer within the time-out" in str(error)
    assert isinstance(error.__cause__, httpx.TimeoutException)
    assert len(server.requests) == 2


def test_nobody_there(call: Call) -> None:
    error = refused(call, "add", "hi", user_id="a", options={"host": "http://127.0.0.1:9"})
    assert (error.status, error.retryable) == (None, True)
    assert "check the network and host" in str(error)
    assert "may have been stored" not in str(error)
    assert isinstance(error.__cause__, httpx.ConnectError)


def test_the_service_says_when(call: Call, server: HostedServer) -> None:
    server.answers = [Answer(429, {}, {"Retry-After": "0"}), Answer(429, {}, {"Retry-After": "0"})]
    assert call("search", "hobbies?", user_id="a") == [FOUND]
    server.answers = [Answer(429, {"detail": "slow down"}, {"Retry-After": "3600"})]
    error = refused(call, "search", "hobbies?", user_id="a")
    assert (error.status, error.retryable) == (429, True)
    assert "'slow down'; too many requests: try again after 3600 s" in str(error)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 2000 00:00:00 +99999999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "9" * 400,
        "-5",
        "nan",
    ],
)
def test_a_time_that_is_none_is_no_time(call: Call, server: HostedServer, asked: str) -> None:
    server.answers = [Answer(429, {}, {"Retry-After": asked})]
    assert "too many requests: try again later" in str(refused(call, "get", MEMORY_ID, options={"max_retries": 0}))


class TestPauses:
    ASKED = Request("GET", "/v1/ping/")

    def pause(self, *, attempt: int = 0, **headers: str) -> float | None:
        return pause_before_retry(self.ASKED, Reply(503, headers=headers), attempt)

    def test_they_grow_up_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replies, "FIRST_PAUSE", 0.5)
        for attempt, longest in enumerate([0.5, 1, 2, 4, 8, 8, 8]):
            pauses = {self.pause(attempt=attempt) for _ in range(50)}
            assert len(pauses) > 1
            assert all(longest / 2 <= pause <= longest for pause in pauses if pause is not None)

    def test_what_the_service_says_goes_first(self) -> None:
        assert self.pause(**{"RETRY-after": "7"}) == 7
        assert self.pause(**{"retry-after": "61"}) is None
        soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
        assert 25 < (self.pause(**{"retry-after": soon}) or 0) <= 30
        assert self.pause(**{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
        assert (self.pause(**{"retry-after": "soon"}) or 9) < 1

    def test_only_passing_failures_and_idempotent_requests(self) -> None:
        assert [
            status for status in (200, 400, 401, 404, 422) if pause_before_retry(self.ASKED, Reply(status), 0)
        ] == []
        add = Request("POST", "/v1/memories/", idempotent=False)
        assert pause_before_retry(add, Reply(503), 0) is None
        assert pause_before_retry(add, Reply(None), 0) is None
