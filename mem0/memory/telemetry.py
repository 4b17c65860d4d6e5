"""What may watch a memory at work: it is told which verbs were called and how much they did, and nothing else.

Off unless an object is passed as ``Memory(telemetry=...)``, or :class:`AnonymousTelemetry` is switched on *and* given
the key of a project to send to; there is none built in.  No text, no id, no key and no path is ever told.

What is sent goes one way: a verb ends -> :func:`report` -> :meth:`AnonymousTelemetry.capture_event` puts an event into
the queue of this process -> its one thread sends what has gathered.  The verb waits for none of it.
"""

from __future__ import annotations

import atexit
import copy
import logging
import os
import sys
import threading
import uuid
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from mem0._version import __version__
from mem0.text import without_login
from mem0.types import Usage
from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory

logger = logging.getLogger("mem0.telemetry")

_DEFAULT_HOST = "https://us.i.posthog.com"
_SWITCHED_ON = ("1", "on", "true", "yes")
_INSTALL = "posthog>=3.7,<8"

#: The events; whatever else is captured is sent as ``mem0.other``.
EVENTS = tuple(
    f"mem0.{verb}"
    for verb in (
        *("add", "search", "context", "get_all", "get", "update", "delete", "delete_all", "reset", "history"),
        *("check", "rebuild", "other"),
    )
)

#: What an event says of its call: whole numbers.
COUNTS = ("results", "llm_calls", "embed_calls")

#: Everything an event may say.  With its name, its time and the random id of the process this is all that is sent.
FACTS = ("library_version", "python_version", "os", "llm", "embedder", "vector_store", "reranker", *COUNTS)

# What PostHog is asked not to make of an event: a person, or a place.
_SETTINGS = {"$process_person_profile": False, "$geoip_disable": True}

# The providers as they are published, copied before others can be registered: a stranger's name would tell something.
_PUBLISHED = {
    factory.kind: {name: path for name, path in factory.providers.items() if isinstance(path, str)}
    for factory in (LlmFactory, EmbedderFactory, VectorStoreFactory, RerankerFactory)
}

_QUEUED = 1_000  # events that wait at most; further ones are dropped
_AT_ONCE = 100  # events in one request
_PAUSE = 1.0  # seconds between two requests, in which events gather
_TIMEOUT = 5.0  # seconds an endpoint has to answer
_GRACE = 0.25  # seconds the exit waits for what is still to be sent


class TelemetryBase(ABC):
    """Is told of every verb that came to its end."""

    @abstractmethod
    def capture_event(self, event: str, facts: Mapping[str, int | str]) -> None:
        """Take note.

        Args:
            event: The verb, as ``mem0.add``.
            facts: ``results`` (how many there were), ``llm_calls`` and ``embed_calls``.
        """


class Watched(Protocol):
    """What a memory is made of, as far as its telemetry tells of it: of which class each part is."""

    llm: Any
    embedding_model: Any
    vector_store: Any
    reranker: Any


class AnonymousTelemetry(TelemetryBase):
    """Sends counts of use to a PostHog project; see :data:`FACTS` for all that is ever told.

    A call puts an event into a bounded queue, and costs no more.  One thread per process, started with the first event
    and shared by all objects of this class, sends; what cannot be sent is dropped, and never tried again.

    Args:
        api_key: The project's key.  Default: ``MEM0_TELEMETRY_KEY``; without one nothing is sent.
        host: Where to send.  Default: ``MEM0_TELEMETRY_HOST``, else ``https://us.i.posthog.com``.
    """

    def __init__(self, api_key: str | None = None, host: str | None = None) -> None:
        self._api_key = (api_key or os.environ.get("MEM0_TELEMETRY_KEY") or "").strip()
        self.host = (host or os.environ.get("MEM0_TELEMETRY_HOST") or _DEFAULT_HOST).strip()
        self._parts: weakref.ref[Watched] | None = None

    def __repr__(self) -> str:
        key = "with a key" if self.has_key else "without a key"
        return f"AnonymousTelemetry(host={without_login(self.host)!r}, {key})"

    @property
    def has_key(self) -> bool:
        """Whether there is a project to send to."""
        return bool(self._api_key)

    def watching(self, parts: Watched) -> AnonymousTelemetry:
        """Return the same for one memory, to tell the names of its providers too."""
        bound = copy.copy(self)
        bound._parts = weakref.ref(parts)  # the parts hold this object: a cycle would keep an unclosed store open
        return bound

    def capture_event(self, event: str, facts: Mapping[str, int | str]) -> None:
        """Queue an event: see :meth:`TelemetryBase.capture_event`.  Whatever is not in :data:`FACTS` is left out."""
        if not self.has_key:
            return
        told: dict[str, int | str] = {
            "library_version": __version__,
            "python_version": ".".join(map(str, sys.version_info[:3])),
            "os": sys.platform,
            **_counts(facts),
        }
        parts = self._parts() if self._parts is not None else None
        if parts is not None:
            told["llm"] = _provider("llm", type(parts.llm))
            told["embedder"] = _provider("embedder", type(parts.embedding_model))
            told["vector_store"] = _provider("vector_store", type(parts.vector_store))
            told["reranker"] = _provider("reranker", type(parts.reranker))
        _sender.put(
            _Event(
                self._api_key,
                self.host,
                event if event in EVENTS else "mem0.other",
                datetime.now(timezone.utc).isoformat(),
                {name: told[name] for name in FACTS if name in told},
            )
        )


def chosen(telemetry: TelemetryBase | bool | None, configured: bool | None, parts: Watched) -> TelemetryBase | None:
    """Return what watches a memory, or ``None``, which is the default.

    Args:
        telemetry: The object that was injected; ``False`` for none, whatever else is said.
        configured: ``config["telemetry"]``; where it says nothing, ``MEM0_TELEMETRY`` does.
        parts: What the memory is made of.
    """
    if isinstance(telemetry, AnonymousTelemetry):
        return telemetry.watching(parts)
    if isinstance(telemetry, TelemetryBase):
        return telemetry
    if configured is None:
        configured = os.environ.get("MEM0_TELEMETRY", "").strip().lower() in _SWITCHED_ON
    if telemetry is False or not configured:
        return None
    anonymous = AnonymousTelemetry()
    if not anonymous.has_key:
        logger.info("telemetry is switched on and has no project to send to: set MEM0_TELEMETRY_KEY")
        return None
    return anonymous.watching(parts)


def capture_event(event: str, memory: Any, additional_data: Mapping[str, Any] | None = None) -> None:
    """Tell a memory's telemetry of something, as of its own verbs; does nothing where that is off, and never raises.

    Args:
        event: Its name, as ``mem0.add``.
        memory: The ``Memory`` or ``AsyncMemory``.
        additional_data: What to tell of it; whatever is not in :data:`COUNTS`, or not a whole number, is left out.
    """
    facts = _counts(additional_data) if isinstance(additional_data, Mapping) else {}
    _tell(getattr(getattr(memory, "_parts", None), "telemetry", None), event, facts)


def report(telemetry: TelemetryBase | None, verb: str, results: Any, usage: Usage) -> None:
    """Tell of a verb and what it found; whatever goes wrong there, the call it tells of stays as it was."""
    if telemetry is None:
        return
    facts = {
        "results": len(results) if isinstance(results, list) else int(results is not None),
        "llm_calls": usage.llm_calls,
        "embed_calls": usage.embed_calls,
    }
    _tell(telemetry, f"mem0.{verb}", facts)


def _tell(telemetry: TelemetryBase | None, event: str, facts: Mapping[str, int | str]) -> None:
    if telemetry is None:
        return
    try:
        telemetry.capture_event(event, facts)
    except Exception as error:  # noqa: BLE001 - telemetry watches and never steers; the log has it
        logger.warning("telemetry failed at %s: %s", event, type(error).__name__)


def _counts(facts: Mapping[str, Any]) -> dict[str, int | str]:
    return {name: facts[name] for name in COUNTS if type(facts.get(name)) is int}


def _provider(kind: str, part: type) -> str:
    """Return the published name of a part's class: ``other`` for any class that is not ours, ``none`` for no part."""
    if part is type(None):
        return "none"
    for name, path in _PUBLISHED[kind].items():
        module, _, made = path.rpartition(".")
        # A class of a module that was never imported cannot be this one; asking imports nothing.
        if getattr(sys.modules.get(module), made, None) is part:
            return name
    return "other"


def _no_login(request: Any) -> Any:
    return request


class _Event(NamedTuple):
    """An event that waits, and the project it goes to."""

    api_key: str
    host: str
    name: str
    time: str
    facts: Mapping[str, int | str]


class _Sender:
    """The queue of this process and the daemon thread that empties it.

    Of posthog this uses the request, and not the ``Client``: that adds facts of its own to every event (the operating
    system's version, tags of the caller's contexts), and at exit waits for its threads, which try a batch four times
    with 15 seconds each: measured with an endpoint that hangs, 62 seconds in posthog 3.7, one in 7.91.  Here nothing
    waits for the thread but the exit, for :data:`_GRACE`.
    """

    def __init__(self) -> None:
        self._is_hooked = False
        self._born_in = os.getpid()
        self._begin()

    def _begin(self) -> None:
        """Be as in a new process: nothing waits and no thread runs."""
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[_Event] = deque()
        self._is_closed = False
        self._is_over = False
        self._has_failed = False
        self._thread: threading.Thread | None = None
        self._imported = threading.Event()

    def put(self, event: _Event) -> None:
        """Have an event sent at some time; where too many wait already, it is dropped."""
        with self._changed:
            if self._is_closed or len(self._waiting) >= _QUEUED:
                return
            if self._thread is None and not self._start():
                return
            self._waiting.append(event)
            self._changed.notify()

    def _start(self) -> bool:
        """Start the thread, and tell whether there is one."""
        if not self._is_hooked:
            self._is_hooked = True  # what is registered stays registered, in children too
            atexit.register(self._finish)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(before=self._before_fork, after_in_child=self._begin)
        self._process = uuid.uuid4().hex  # tells events of one process from another's, and nothing of either
        self._thread = threading.Thread(target=self._run, name="mem0-telemetry", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # this process may have no more threads, or is ending
            self._is_closed = True
            self._warn("telemetry is switched on, and nothing is sent: %s", error)
        return not self._is_closed

    def _run(self) -> None:
        request = self._import()
        while request is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                batch = self._next()
            if not batch:
                return
            self._send(request, batch)
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, timeout=_PAUSE)

    def _import(self) -> Any:
        """Import posthog, which takes a third of a second: here, so that no call has to wait for it."""
        try:
            request: Any = import_module("posthog.request")
            if os.getpid() != self._born_in:
                # The parent's connections came along: bytes of two processes would mix in them.  Not every release of
                # posthog has a function for this.
                request._session = type(request._session)()
            # Without an answer of ours, requests looks for a login in the user's ~/.netrc, and sends it.
            request._session.auth = _no_login
        except Exception as error:  # noqa: BLE001 - telemetry breaks nothing; the log says why none is sent
            self._give_up(error)
            return None
        finally:
            self._imported.set()
        return request

    def _give_up(self, error: Exception) -> None:
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
        self._warn("telemetry is switched on, and nothing is sent: %s; pip install '%s'", error, _INSTALL)

    def _next(self) -> list[_Event]:
        """Take what goes into one request: the oldest events, all of one project."""
        batch: list[_Event] = []
        project = self._waiting[0][:2] if self._waiting else None
        while self._waiting and self._waiting[0][:2] == project and len(batch) < _AT_ONCE:
            batch.append(self._waiting.popleft())
        return batch

    def _send(self, request: Any, batch: list[_Event]) -> None:
        messages = [
            {
                "event": event.name,
                "distinct_id": self._process,
                "timestamp": event.time,
                "properties": {**_SETTINGS, **event.facts},
            }
            for event in batch
        ]
        try:
            request.batch_post(batch[0].api_key, batch[0].host, timeout=_TIMEOUT, batch=messages)
        except Exception as error:  # noqa: BLE001 - telemetry breaks nothing; the log has the first failure
            if not self._has_failed:
                self._has_failed = True
                told = f"{type(error).__name__} {getattr(error, 'status', '')}".rstrip()
                where = without_login(batch[0].host)
                self._warn("telemetry could not be sent to %s, and was dropped: %s (said once)", where, told)

    def _warn(self, message: str, *values: object) -> None:
        # A thread that is stopped while it writes to stderr takes the interpreter down with it.
        if not self._is_over:
            logger.warning(message, *values)

    def _finish(self) -> None:
        """At exit: let the thread send what waits, for a moment."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_GRACE)
        self._is_over = True

    def _before_fork(self) -> None:
        # A child of a process in the middle of an import can never import that module: it would wait for a thread it
        # does not have.  Not for ever, because the import may itself wait for the one that forks.
        if self._thread is not None and not self._is_closed:
            self._imported.wait(timeout=1.0)


_sender = _Sender()
