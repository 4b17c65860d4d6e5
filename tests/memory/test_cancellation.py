"""A call that is cancelled, wherever it is, has stored all or nothing, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import faults
import pytest
from faults import CHANGING, KINDS, ONCE, READING, SHORT, THOROUGH, VERBS, Memories, agreement, state, two_pass

from mem0 import MemoryNotFoundError
from mem0.memory import operations
from mem0.memory.operations import Operation, Parts
from mem0.testing import async_memory


class Cancellations:
    """Names the moments at which a call may be cancelled, and cancels it at one of them.

    There is one each time that something is awaited, where it is asked for (a thread has not begun then, as a
    rule), and for what is done in a thread two more: when that has begun, and when it is done and nobody knows yet.

    Attributes:
        moments: Which operation, and what of it; a thread may begin before or after it is waited for.
        at: The one to cancel at; ``None`` for none.
    """

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.at: Moment | None = None
        self._pool = ThreadPoolExecutor()
        self._works: list[Future[Any]] = []
        self.begin(None)

    def begin(self, at: Moment | None) -> None:
        """Begin anew."""
        self.at, self.moments, self._works = at, [], []
        self._task: asyncio.Task[Any] | None = None
        self._told = threading.Event()
        self._number, self._operation = -1, ""
        self._lock = threading.Lock()

    def operate(self, operation: Operation) -> None:
        """Come to the next operation."""
        self._number, self._operation = self._number + 1, type(operation).__name__

    @property
    def works(self) -> bool:
        """Whether a thread still does something."""
        return not all(work.done() for work in self._works)

    def _is_now(self, name: str) -> bool:
        with self._lock:
            nth = sum(moment.number == self._number and moment.name == name for moment in self.moments)
            self.moments.append(Moment(self._number, self._operation, name, nth))
            return self.moments[-1] == self.at

    def wait(self) -> None:
        """Be where something is waited for."""
        if self._task is not None and self._is_now(ASKED) and self.at is not None:
            self._task.cancel()

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do what :func:`mem0.memory.operations.in_thread` does."""
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def pass_by(name: str) -> None:
            if self._task is not None and self._is_now(name):
                loop.call_soon_threadsafe(self._task.cancel)
                assert self._told.wait(10)  # the caller is gone, and this thread still there

        def watched() -> Any:
            pass_by(BEGUN)
            answer = context.run(work, *arguments)
            pass_by(DONE)
            return answer

        future = self._pool.submit(watched)
        self._works.append(future)
        return await asyncio.wrap_future(future)

    async def count(self, call: Coroutine[Any, Any, Any]) -> None:
        """Make a call that is not cancelled."""
        self._task = asyncio.create_task(call)
        await self._task
        self._task = None

    async def cancel(self, call: Coroutine[Any, Any, Any]) -> None:
        """Make a call and cancel it as planned."""
        self._task = task = asyncio.create_task(call)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        self._task = None
        self._told.set()

    async def end(self) -> None:
        """Wait until no thread works any more."""
        while self.works:  # noqa: ASYNC110 - threads, whose end nobody here announces
            await asyncio.sleep(0.001)

    def close(self) -> None:
        self._pool.shutdown()


class Moment(NamedTuple):
    number: int
    operation: str
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.operation} (number {self.number}), {self.name}"


ASKED, BEGUN, DONE = "asked for", "begun in its thread", "done in its thread"


class Stepped:
    """Awaits something, and gives notice each time that it waits."""

    def __init__(self, awaited: Awaitable[Any], notice: Callable[[], None]) -> None:
        self.awaited, self.notice = awaited, notice

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self.awaited.__await__()
        step: Callable[[Any], Any] = inner.send  # type: ignore[attr-defined]
        value: Any = None
        while True:
            try:
                waited_for = step(value)
            except StopIteration as stop:
                return stop.value
            self.notice()
            try:
                step, value = inner.send, (yield waited_for)  # type: ignore[attr-defined]
            except BaseException as error:
                step, value = inner.throw, error  # type: ignore[attr-defined]


class Cancelled(Operation):
    """An operation during which the call may be cancelled."""

    stage = ""

    def __init__(self, operation: Operation, plan: Cancellations) -> None:
        self.operation, self.plan = operation, plan
        self.stage = operation.stage  # type: ignore[misc]
        self.attempt, self.count = operation.attempt, operation.count  # type: ignore[method-assign]

    def run(self, parts: Parts) -> Any:
        raise AssertionError("is awaited")

    async def run_async(self, parts: Parts) -> Any:
        self.plan.operate(self.operation)
        return await Stepped(self.operation.run_async(parts), self.plan.wait)


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cancellations]:
    plan = Cancellations()
    faults.operations_watched(monkeypatch, plan, Cancelled)
    monkeypatch.setattr(operations, "in_thread", plan.in_thread)
    yield plan
    plan.close()


@contextmanager
def nothing_left_over() -> Iterator[Callable[[], None]]:
    """See to it that neither a task nor an error nobody has heard of is left behind."""
    complaints: list[Any] = []

    def begin() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    yield begin
    gc.collect(0)
    assert complaints == []


async def undisturbed(memories: Memories, verb: str, awaited: bool, plan: Cancellations) -> tuple[Any, Any]:
    with memories.opened_async(two_pass(verb), awaited) as (m, _):
        async with m:
            before = state(m)
            await plan.count(VERBS[verb](m))
            return before, state(m)


def may_become(moments: Sequence[Moment], at: Moment, before: Any, after: Any) -> tuple[Any, ...]:
    """Return what there may be after a call is cancelled at a moment."""
    if any(moment.operation in CHANGING and moment.number < at.number for moment in moments):
        return (after,)
    if at.operation not in CHANGING:
        return (before,)
    # A thread cannot be stopped: what it has begun, it ends.
    return (before, after) if at.name == ASKED else (after,)


@pytest.mark.parametrize("awaited", [False, True], ids=["in threads", "awaited"])
@pytest.mark.parametrize("verb", [*VERBS] if THOROUGH else SHORT)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_cancelled(memories: Memories, verb: str, awaited: bool, plan: Cancellations) -> None:
    before, after = asyncio.run(undisturbed(memories, verb, awaited, plan))
    assert (before == after) == (verb in READING)
    moments = plan.moments

    async def disturbed(begin: Callable[[], None], at: Moment) -> None:
        begin()
        with memories.opened_async(two_pass(verb), awaited) as (m, _):
            async with m:
                await plan.cancel(VERBS[verb](m))
                await plan.end()
                assert asyncio.all_tasks() == {asyncio.current_task()}
                assert agreement(m) == []
                changed = state(m)
                assert changed in may_become(moments, at, before, after)
                try:
                    await VERBS[verb](m)
                    assert verb not in ONCE or changed == before
                except MemoryNotFoundError:
                    assert verb in ONCE
                    assert changed == after
                assert state(m) == after
                assert agreement(m) == []

    for at in moments:
        plan.begin(at)
        with nothing_left_over() as begin:
            asyncio.run(disturbed(begin, at))
        assert at in plan.moments


@pytest.mark.parametrize("verb", ["add verbatim", "add, one pass", "update both", "delete_all, purge", "reset"])
@pytest.mark.parametrize("kind", KINDS[:3])
def test_closed_as_soon_as_it_is_cancelled(memories: Memories, verb: str, plan: Cancellations) -> None:
    """The thread works on while the memory is closed under it; what it cannot end, the next to open undoes."""
    before, after = asyncio.run(undisturbed(memories, verb, False, plan))

    async def disturbed(begin: Callable[[], None], m: Any) -> None:
        begin()
        await plan.cancel(VERBS[verb](m))
        await m.close()
        await plan.end()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await m.close()

    for at in plan.moments:
        plan.begin(at)
        with nothing_left_over() as begin, memories.opened_async(two_pass(verb)) as (m, folder):
            asyncio.run(disturbed(begin, m))
            with memories.reopened(folder) as again:
                assert agreement(again) == [], at
                assert state(again) in (before, after), at


def test_no_thread_stays() -> None:
    """Threads of the library's own end with the loop."""

    async def main() -> None:
        async with async_memory() as m:
            calls = [asyncio.create_task(m.add(f"fact {number}")) for number in range(20)]
            await asyncio.sleep(0.01)
            for call in calls[::2]:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, (list, asyncio.CancelledError)) for one in ended)

    threads = {*threading.enumerate()}
    with nothing_left_over():
        asyncio.run(main())
    assert {*threading.enumerate()} <= threads
