"""Two drivers of one conductor: each has the I/O done that a verb yields, blocking or awaiting."""

from __future__ import annotations

import time
from typing import Any

from mem0.memory.operations import Operation, Parts, Result, Verb
from mem0.memory.telemetry import report
from mem0.types import Context, MemoryList, Usage


def run(name: str, verb: Verb[Result], parts: Parts) -> Result:
    """Drive a verb to its end, blocking; ``name`` is what it is published as."""
    usage = Usage()
    step, value = verb.send, None
    while True:
        try:
            operation = step(value)
        except StopIteration as stop:
            result: Result = stop.value
            _tell(name, parts, result, usage)
            return result
        started = time.perf_counter()
        operation.attempt(usage)
        try:
            step, value = verb.send, operation.run(parts)
        except BaseException as error:  # noqa: BLE001 - the conductor may handle it, and lets it out if not
            step, value = verb.throw, error
        else:
            _account(usage, operation, value, started)


async def run_async(name: str, verb: Verb[Result], parts: Parts) -> Result:
    """Drive a verb to its end, awaiting."""
    usage = Usage()
    step, value = verb.send, None
    while True:
        try:
            operation = step(value)
        except StopIteration as stop:
            result: Result = stop.value
            _tell(name, parts, result, usage)
            return result
        started = time.perf_counter()
        operation.attempt(usage)
        try:
            step, value = verb.send, await operation.run_async(parts)
        except BaseException as error:  # noqa: BLE001 - the conductor may handle it, and lets it out if not
            step, value = verb.throw, error
        else:
            _account(usage, operation, value, started)


def _account(usage: Usage, operation: Operation, answer: Any, started: float) -> None:
    operation.count(usage, answer)
    usage.seconds[operation.stage] = usage.seconds.get(operation.stage, 0.0) + time.perf_counter() - started


def _tell(name: str, parts: Parts, result: Any, usage: Usage) -> None:
    """Note in a verb's result what it cost, and tell the telemetry."""
    found = result.memories if isinstance(result, Context) else result
    if isinstance(found, MemoryList):
        found.usage = usage
    report(parts.telemetry, name, found, usage)
