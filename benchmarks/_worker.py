"""Measures one library in one process and prints one JSON object; ``overhead.py`` starts it.

Times are CPU milliseconds of the whole process, kernel and helper threads included, so a busy machine
blurs them little.  A sample is the mean of a block of calls, a block lasting about a tenth of a second.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import IO, Any

from _libraries import LIBRARIES, Library
from _workload import USERS, memory_text, owner, question, user_id

QUESTIONS = 100
NEW = 5_000_000  # numbers of memories no store was filled with start here
BY_OTHER_PROCESS = 6_000_000
LEARNED = 7_000_000
BLOCK_SECONDS = 0.1
BLOCK_CALLS = 100


def cpu_ms(call: Callable[[], object]) -> float:
    """Return the CPU time of one call in milliseconds."""
    start = process_time()
    call()
    return (process_time() - start) * 1000


def sample(call: Callable[[int], object], repeats: int) -> list[float]:
    """Return CPU ms a call, once a repeat; ``call`` is given a number that never comes twice."""
    once = cpu_ms(lambda: call(0))
    calls = max(1, min(BLOCK_CALLS, int(BLOCK_SECONDS * 1000 / max(once, 1e-3))))
    number = 1
    samples = []
    for _ in range(repeats):
        start = process_time()
        for _ in range(calls):
            call(number)
            number += 1
        samples.append((process_time() - start) * 1000 / calls)
    return samples


def warm_up(library: Library) -> None:
    """Use each verb once on a store of its own, so that what is imported on first use is there."""
    with tempfile.TemporaryDirectory() as folder:
        memory = library.open(Path(folder))
        library.add(memory, memory_text(0), user_id(0))
        library.search(memory, question(0), user_id(0))
        library.get_all(memory, user_id(0), 10)
        library.close(memory)


def fill(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Store ``count`` memories."""
    memory = library.open(folder)
    costs = library.fill(memory, count)
    library.close(memory)
    return {} if costs is None else {"add_list": costs}


def verbs(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure what a running program calls: ``search``, ``get_all``, ``add``."""
    questions = [question(number) for number in range(QUESTIONS)]
    new_texts = [memory_text(NEW + number) for number in range(repeats * (BLOCK_CALLS + 5) + 1)]
    library.embedder.prepare(questions + new_texts)
    memory = library.open(folder)
    one = user_id(0)

    def search(number: int, user: str = one, limit: int = library.default_limit) -> list[dict[str, Any]]:
        return library.search(memory, questions[number % QUESTIONS], user, limit)

    result: dict[str, Any] = {"found": [len(search(number)) for number in range(5)]}
    result["search"] = sample(search, repeats)
    result["search_10"] = sample(lambda number: search(number, limit=10), repeats)
    result["get_all"] = sample(lambda _number: library.get_all(memory, one, 100), repeats)
    for user in range(min(USERS, count)):
        search(0, user_id(user))
    result["search_in_turn"] = sample(lambda number: search(number, user_id(number % USERS)), repeats)

    texts = iter(new_texts)
    after_own_add = []
    for number in range(repeats * 3):
        library.add(memory, next(texts), one)
        after_own_add.append(cpu_ms(lambda: search(number)))  # noqa: B023 - called at once
    result["search_after_own_add"] = after_own_add
    if library.shares_its_folder:
        result.update(after_another_process(library, memory, folder, search, repeats * 3))
    result["add"] = sample(lambda number: library.add(memory, next(texts), owner(number)), repeats)
    library.close(memory)
    return result


def learn(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure an ``add`` of which an LLM that takes no time makes three facts.

    Once for users who were searched before in this process, and once for users nothing was asked of yet.
    """
    memory = library.open(folder)
    known = min(repeats * 3, USERS // 2, count)
    numbers = itertools.count(LEARNED)

    def once(user: int) -> float:
        said, *facts = (memory_text(next(numbers)) for _ in range(4))
        library.embedder.prepare([said, *facts])
        return cpu_ms(lambda: library.learn(memory, said, facts, user_id(user)))

    for user in range(known):
        library.search(memory, question(user), user_id(user))
    once(0)  # what is imported on first use
    result = {
        "learn": [once(number % known) for number in range(repeats * 3)],
        "learn_first": [once(USERS // 2 + number) for number in range(known)],
    }
    library.close(memory)
    return result


def after_another_process(
    library: Library, memory: Any, folder: Path, search: Callable[..., object], repeats: int
) -> dict[str, list[float]]:
    """Measure a search right after another process wrote one memory: for the same user, and for another one."""
    command = [sys.executable, __file__, "write", "--library", "ours", "--folder", str(folder)]
    result: dict[str, list[float]] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin
        assert writer.stdout
        for key, user in (("search_after_other", 0), ("search_after_other_user", 1)):
            samples = []
            for repeat in range(repeats):
                number = BY_OTHER_PROCESS + repeat * USERS + user
                tell(writer.stdin, str(number))
                if writer.stdout.readline().strip() != "written":
                    raise SystemExit("the process that writes beside the measured one gave up")
                samples.append(cpu_ms(lambda: search(repeat)))  # noqa: B023 - called at once
                found = library.search(memory, memory_text(number), user_id(user), limit=10)
                if all(row["memory"] != memory_text(number) for row in found):
                    raise SystemExit("a search did not see what another process had just written")
            result[key] = samples
        writer.stdin.close()
    return result


def write(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Add a memory for each number read from standard input, and say so: the other process."""
    memory = library.open(folder)
    for line in sys.stdin:
        library.add(memory, memory_text(int(line)), owner(int(line)))
        tell(sys.__stdout__, "written")
    library.close(memory)
    return {}


def tell(stream: IO[str] | None, line: str) -> None:
    """Send one line at once."""
    assert stream
    stream.write(f"{line}\n")
    stream.flush()


def reopen(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure opening a filled store and a user's first search, once: nothing of it is in this process yet."""
    query = question(0)
    library.embedder.prepare([query])
    warm_up(library)
    start = process_time()
    memory = library.open(folder)
    found = library.search(memory, query, user_id(0))
    elapsed = (process_time() - start) * 1000
    library.close(memory)
    if not found:
        raise SystemExit("the first search after opening found nothing")
    return {"reopen": [elapsed]}


def memory_growth(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure how much a process grows, in bytes, by searching every user and then the whole collection."""
    questions = [question(number) for number in range(USERS)]
    library.embedder.prepare(questions)
    warm_up(library)
    before = resident_bytes()
    memory = library.open(folder)
    for user in range(min(USERS, count)):
        library.search(memory, questions[user], user_id(user))
    result = {"by_users": resident_bytes() - before}
    if library.searches_everything:
        for number in range(3):
            if not library.search(memory, questions[number], None):
                raise SystemExit("a search of the whole collection found nothing")
        result["everything"] = resident_bytes() - before
    result["peak"] = peak_bytes() - before
    library.close(memory)
    return result


def resident_bytes() -> int:
    """Return what this process occupies now (Linux), or its peak elsewhere."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else peak_bytes()


def peak_bytes() -> int:
    """Return the most this process ever occupied."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss also remembers the program that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class CommitCounter:
    """Counts transactions that wrote, on every SQLite connection opened while it is in place."""

    def __init__(self) -> None:
        self.commits = 0
        self._connect = sqlite3.connect

    def install(self) -> None:
        """Watch connections opened from now on."""

        def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = self._connect(*args, **kwargs)
            connection.set_trace_callback(self._watch())
            return connection

        sqlite3.connect = connect  # type: ignore[assignment]

    def _watch(self) -> Callable[[str], None]:
        inside = wrote = False

        def statement(sql: str) -> None:
            nonlocal inside, wrote
            verb = sql.lstrip().split(None, 1)[0].rstrip(";").upper() if sql.strip() else ""
            if verb == "BEGIN":
                inside, wrote = True, False
            elif verb in ("COMMIT", "END", "ROLLBACK"):
                self.commits += inside and wrote and verb != "ROLLBACK"
                inside = False
            elif verb in ("INSERT", "UPDATE", "DELETE", "REPLACE"):
                wrote = True
                self.commits += not inside  # a statement outside a transaction is one

        return statement


def commits(library: Library, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Count the commits of one ``add``."""
    counter = CommitCounter()
    counter.install()
    memory = library.open(folder)
    library.add(memory, memory_text(NEW - 1), user_id(0))
    before = counter.commits
    adds = 10
    for number in range(adds):
        library.add(memory, memory_text(NEW - 2 - number), user_id(number))
    made = counter.commits - before
    library.close(memory)
    return {"commits": [made / adds]}


JOBS = {
    "fill": fill,
    "verbs": verbs,
    "learn": learn,
    "reopen": reopen,
    "memory": memory_growth,
    "commits": commits,
    "write": write,
}


def main() -> None:
    """Do one job and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--library", choices=LIBRARIES, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    sys.stdout = sys.stderr  # what a library prints is not our answer
    library = LIBRARIES[arguments.library]()
    result = JOBS[arguments.job](library, arguments.folder, arguments.count, arguments.repeats)
    if result:
        tell(sys.__stdout__, json.dumps(result))


if __name__ == "__main__":
    main()
