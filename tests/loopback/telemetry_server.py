"""A server on loopback that takes events as PostHog does: well, slowly, or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

PATIENCE = 20.0


class Request(NamedTuple):
    """One request as it came in, and the port it came from: one per connection."""

    port: int
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """What was posted."""
        body: dict[str, Any] = json.loads(self.raw)
        return body


class TelemetryServer:
    """The server; ``with TelemetryServer() as server``.

    Args:
        delay: Seconds before it answers; the server's end cuts them short.
        status: What it answers.

    Attributes:
        requests: What came in, noted before it is answered.
    """

    def __init__(self, delay: float = 0.0, status: int = 200) -> None:
        self.requests: list[Request] = []
        self._arrived = threading.Condition()
        self._ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                raw = self.rfile.read(length)
                if len(raw) < length:
                    self.close_connection = True  # whoever posted has ended in the middle of it
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                with server._arrived:
                    server.requests.append(Request(self.client_address[1], self.path, headers, raw))
                    server._arrived.notify_all()
                server._ended.wait(delay)
                answer = b'{"status": "Ok"}' if status == 200 else b'{"detail": "invalid API key"}'
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # whoever posted is gone

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign] # processes end in mid-request here
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What to give as the host."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all requests."""
        return [event for request in list(self.requests) for event in request.body["batch"]]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Return the events, once so many have come."""
        deadline = time.monotonic() + PATIENCE
        with self._arrived:
            while len(self.events) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.events)} events instead of {count}"
                self._arrived.wait(left)
        return self.events

    def __enter__(self) -> TelemetryServer:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def refusing() -> Iterator[str]:
    """Give the address of a port that refuses every connection: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
