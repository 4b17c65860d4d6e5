"""A server on loopback: takes note of what comes in, and answers as a vendor would, or as it is told to."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar

Self = TypeVar("Self", bound="LoopbackServer")


class Request(NamedTuple):
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: Any
    method: str = "POST"


class Answer(NamedTuple):
    """One answer, instead of the usual one.

    Attributes:
        status: The HTTP status.
        body: JSON, or raw text.
        headers: Further headers.
        cut: Whether the connection is cut instead; ``"body"`` for in the middle of the body.
        delay: Seconds before it is sent.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = {}
    cut: bool | str = False
    delay: float = 0.0


class LoopbackServer(ABC):
    """The server; ``with Server() as server``.

    Attributes:
        requests: What came in.
        answers: What is answered next, before the usual answers.
        url: Its address.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @abstractmethod
    def usual(self, request: Request) -> Answer:
        """Return what the vendor would answer."""

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            if self.answers:
                return self.answers.pop(0)
        return self.usual(request)

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer on a kept connection waits 40 ms

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(Request(self.path, headers, body, self.command))
            if answer.delay:
                time.sleep(answer.delay)
            if answer.cut is True:
                self.close_connection = True
                self.connection.close()
                return
            try:
                self._send(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # whoever asked has given up

        do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

        def _send(self, answer: Answer) -> None:
            is_text = isinstance(answer.body, str)
            raw = (answer.body if is_text else json.dumps(answer.body)).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if answer.cut == "body":
                self.wfile.write(raw[: len(raw) // 2])
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
