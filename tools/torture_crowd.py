"""What ``torture.py`` does to one file without killing anybody: many writers at once, and readers beside a writer."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torture_child import look, opened
from torture_judge import Disagreement, contradictions

from mem0 import Memory
from mem0.exceptions import StorageBusyError

_PROCESSES, _THREADS = 4, 8

# What the readers search: so many users, with so many memories each.
_USERS, _MEMORIES = 20, 100

# A writer beside them must not make their searches slower than this.
_SLOWEST = 2.0

# Seconds with the writer at work, then as many without.
_PHASE = 0.5


# -- many writers -----------------------------------------------------------------------------------


def crowd(context: Any, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Let many threads of several processes add facts of their own and facts that all of them know.

    Raises:
        Disagreement: An acknowledged memory is not there, one is there twice, or a call raised what it must not.
    """
    together = context.Barrier(_PROCESSES)  # so that all of them find no file yet
    files = [folder / f"p{number}.json" for number in range(_PROCESSES)]
    processes = [context.Process(target=_talk, args=(folder, file, together, seconds)) for file in files]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode != 0 for process in processes):
        raise Disagreement("a process did not come to its end; it says why above")
    said = [call for file in files for call in json.loads(file.read_text())]
    problems = [f"{text!r} raised {error}" for text, _, error in said if error and not error.startswith("busy")]
    (seen, _) = look("sqlite", folder, "crowd")
    problems += seen["problems"] + contradictions(seen["memories"], seen["history"])
    events: dict[str, Counter[str]] = {}
    for text, event, error in said:
        if not error:
            events.setdefault(text, Counter())[event] += 1
    there = {text: id for id, (_, text) in seen["memories"].items()}
    for text, told in events.items():
        # One made the memory, and all others were told which one it is.
        if told["ADD " + there.get(text, "?")] != 1 or {*told} - {
            f"{event} {there[text]}" for event in ("ADD", "NONE")
        }:
            problems.append(f"{text!r} is memory {there.get(text)}, and its writers were told {dict(told)}")
    problems += [f"nobody was told of {text!r}" for text in there if text not in events]
    if problems:
        raise Disagreement(*problems)
    busy = sum(bool(error) for _, _, error in said)
    row = {"processes": _PROCESSES, "threads": _THREADS, "acknowledged": len(said) - busy, "busy": busy}
    merged = sum(sum(told.values()) - 1 for told in events.values())
    return [{**row, "memories": len(there), "merged": merged, "lost": 0, "seconds": seconds}]


def _talk(folder: Path, file: Path, together: Any, seconds: float) -> None:
    """Add facts until it is time, then write down what each call said: text, event and id, error."""
    said: list[tuple[str, str, str]] = []

    def one_thread(m: Memory, name: str) -> None:
        number = 0
        while time.monotonic() < end:
            for text in (f"{name} knows w{name}x{number}", f"everybody knows w{number}"):
                began = time.monotonic()
                try:
                    (change,) = m.add(text, user_id="everybody", infer=False)
                    said.append((text, f"{change['event']} {change['id']}", ""))
                except StorageBusyError as error:
                    waited = time.monotonic() - began >= m.config.busy_timeout
                    said.append((text, "", f"{'busy' if waited else 'busy too early'}: {error}"))
                except Exception as error:  # noqa: BLE001 - told to whoever reads the file
                    said.append((text, "", f"{type(error).__name__}: {error}"))
            number += 1

    together.wait()
    end = time.monotonic() + seconds
    with opened("sqlite", folder) as m, ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(one_thread, m, f"{file.stem}t{number}") for number in range(_THREADS)]:
            done.result()
    file.write_text(json.dumps(said))


# -- readers beside a writer ------------------------------------------------------------------------


def readers(context: Any, folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Measure searches with and without a writer that never pauses: one of another process, then one of this.

    Raises:
        Disagreement: With the writer in another process they take more than twice as long.
    """
    with opened("sqlite", folder) as m:
        for user in range(_USERS):
            texts = [f"user {user} likes thing{number} and place{number % 10}" for number in range(_MEMORIES)]
            m.add(texts, user_id=f"user{user}", infer=False)
    rows = [_beside(context.Process, context.Event, folder, "process", seconds)]
    rows.append(_beside(threading.Thread, threading.Event, folder, "thread", seconds))
    if rows[0]["ratio"] > _SLOWEST:
        raise Disagreement(f"searches beside a writer take {rows[0]['ratio']} times as long as without: {rows[0]}")
    return rows


def _beside(
    start: Callable[..., Any], event: Callable[[], Any], folder: Path, kind: str, seconds: float
) -> dict[str, Any]:
    busy, stop = event(), event()
    writer = start(target=_write, args=(folder, busy, stop))
    writer.start()
    took: dict[bool, list[float]] = {True: [], False: []}
    try:
        with opened("sqlite", folder) as m:
            written = m.get_all(user_id="writer", limit=1).total
            for phase in range(max(round(seconds / _PHASE), 4)):
                with_writer = phase % 2 == 1
                (busy.set if with_writer else busy.clear)()
                time.sleep(0.1)
                _search(m, time.monotonic() + _PHASE, took[with_writer])
            written = m.get_all(user_id="writer", limit=1).total - written
    finally:
        stop.set()
        busy.set()
        writer.join()
    alone, beside = (statistics.median(took[with_writer]) for with_writer in (False, True))
    return {
        "writer": kind,
        "searches": len(took[False]) + len(took[True]),
        "written": written,
        "ms alone": round(alone * 1000, 3),
        "ms beside": round(beside * 1000, 3),
        "ratio": round(beside / alone, 2),
    }


def _search(m: Memory, end: float, took: list[float]) -> None:
    for number in itertools.cycle(range(_MEMORIES)):
        began = time.perf_counter()
        m.search(f"who likes thing{number}?", user_id="user7", limit=10)
        took.append(time.perf_counter() - began)
        if time.monotonic() > end:
            return


def _write(folder: Path, busy: Any, stop: Any) -> None:
    """Add to one user and change what is being searched, without a pause, as long as that is wanted."""
    with opened("sqlite", folder) as m:
        ids = [row["id"] for row in m.get_all(user_id="user7", limit=10)]
        number = 0
        while busy.wait() and not stop.is_set():
            m.add(f"fact {time.time()}", user_id="writer", infer=False)
            m.update(ids[number % len(ids)], f"user 7 likes other{time.time()} and place3")
            number += 1
