"""Several processes on one file: nothing acknowledged is lost, nobody sees a lock, one text is one memory."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from storage_worker import LAYOUTS, opened
from test_crash import Process, lines, started, state

import mem0
from mem0.exceptions import StorageBusyError
from mem0.history.sqlite import SQLiteManager


def finished(processes: list[Process]) -> list[list[dict[str, Any]]]:
    """Wait for processes and return what each said; all of them must have come to their end."""
    results = []
    for process in processes:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        results.append(list(lines(output)))
        assert results[-1][-1] == {"did": "close"}
    return results


@pytest.mark.parametrize("layout", LAYOUTS)
def test_eight_threads_in_four_processes_lose_nothing(tmp_path: Path, layout: str) -> None:
    rounds, shared = (5, 2) if layout == "foreign store" else (30, 8)
    start_at = time.time() + 1  # so that all of them find no file yet
    jobs = [
        {"work": "write", "threads": 8, "rounds": rounds, "shared": shared, "seed": 100 * number, "start_at": start_at}
        for number in range(4)
    ]
    said = [line for result in finished([started(tmp_path, layout=layout, **job) for job in jobs]) for line in result]
    expected: dict[str, str | None] = {}
    for line in said:
        expected.update(line.get("rows", {}))
    everybodys: dict[str, Counter[str]] = {}
    for line in said:
        if line["did"] == "shared":
            everybodys.setdefault(line["text"], Counter())[f"{line['event']} {line['id']}"] += 1
            expected[line["id"]] = None  # told apart below: who was first wrote it in capitals or not
    with opened(tmp_path, layout) as m:
        found = state(m)
        shared_rows = {row["id"]: row["memory"] for row in m.get_all(user_id="everybody")}
    assert {id: text for id, text in found.items() if id not in shared_rows} == {
        id: text for id, text in expected.items() if text is not None
    }
    assert len(everybodys) == len(shared_rows) == shared
    for id, text in shared_rows.items():
        # 32 threads said it: one made the memory, the others were told which one it is.
        assert everybodys[text.casefold()] == {f"ADD {id}": 1, f"NONE {id}": 31}


def test_several_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        folder = tmp_path / f"new {attempt}"
        start_at = time.time() + 0.8
        job = {"work": "add", "texts": ["one", "two"], "start_at": start_at}
        finished([started(folder, layout="one file", **job) for _ in range(4)])
        with opened(folder, "one file") as m:
            assert len(state(m)) == 8


def test_several_threads_open_a_new_file_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        together = threading.Barrier(8)
        folder = tmp_path / f"new {attempt}"

        def work(number: int, folder: Path = folder, together: threading.Barrier = together) -> None:
            together.wait()
            with opened(folder, "two files") as m:
                m.add(f"text {number}", user_id="u")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        with opened(folder, "two files") as m:
            assert len(state(m)) == 8


def test_processes_that_never_pause_keep_nobody_out(tmp_path: Path) -> None:
    with opened(tmp_path, "one file") as m:
        m.add("I like tea", user_id="u")
        holders = [started(tmp_path, layout="one file", work="hold", threads=3) for _ in range(2)]
        for holder in holders:
            assert holder.stdout is not None
            assert json.loads(holder.stdout.readline()) == {"did": "open"}
        for number in range(10):
            m.add(f"text {number}", user_id="u")
            assert m.search("tea", user_id="u", limit=1)[0]["memory"] == "I like tea"
        finished(holders)
        assert len(state(m)) == 11


def test_another_process_that_keeps_the_lock_is_told_and_blocks_no_reader(tmp_path: Path) -> None:
    with opened(tmp_path, "one file") as m:
        m.add("I like tea", user_id="u")
        assert isinstance(m.db, SQLiteManager)
        m.db.database.busy_timeout = 0.3
        script = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
            " print('held', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "m.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StorageBusyError, match=str(tmp_path / "m.db")):
                m.add("I like coffee", user_id="u")
            assert m.search("tea", user_id="u").total == 1
            with opened(tmp_path, "one file") as another:
                assert another.get_all().total == 1
            holder.communicate()
        assert len(state(m)) == 1
        m.add("I like coffee", user_id="u")
        assert len(state(m)) == 2


def test_what_another_process_writes_is_seen_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, "one file") as m:
        m.add("of this one", user_id="u")
        assert m.search("text", user_id="u").total == 1
        (said,) = finished([started(tmp_path, layout="one file", work="add", texts=["text one", "text two"])])
        rows = said[1]["rows"]
        found = m.search("text", user_id="u")
        assert found.total == 3
        assert {row["id"] for row in found[:2]} == set(rows)
        (id, *_) = rows
        m.delete(id)
        assert m.search("text", user_id="u").total == 2


# -- fork -------------------------------------------------------------------------------------------

_FORKS = """
import os, sys
from mem0.testing import DeterministicEmbedding, memory

def opened():
    return memory({"history_db_path": sys.argv[2]} if sys.argv[2] else {}, path=sys.argv[1])

def child(work):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    os.close(ours)
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)

def wait(*children):
    for pid, ours in children:
        os.read(ours, 1)  # until it ends
        assert os.waitpid(pid, 0)[1] == 0

m = opened()
m.add("before", user_id="u")
m.search("before", user_id="u")

# Both write at the same time.
def write(who):
    for number in range(20):
        m.add(f"{number} by {who}", user_id="u")
        assert m.search(f"{number} by {who}", user_id="u")
children = child(lambda: write("child one")), child(lambda: write("child two"))
write("parent")
wait(*children)
assert m.get_all(user_id="u").total == 61, m.get_all(user_id="u").total

# The child goes on after the parent has closed, and the parent after a child has.
gate, opener = os.pipe()
def go_on():
    m.add("child, before the parent closes", user_id="u")
    os.write(told, b"x")
    os.read(gate, 1)
    for number in range(5):
        m.add(f"{number} by the child that is left", user_id="u")
heard, told = os.pipe()
left = child(go_on)
os.read(heard, 1)
m.close()
os.write(opener, b"x")
wait(left)

m = opened()
assert m.get_all(user_id="u").total == 67, m.get_all(user_id="u").total
def close_at_once():
    m.close()
wait(child(close_at_once))
m.add("parent, after a child has closed", user_id="u")
m.close()
with opened() as m:
    assert m.get_all(user_id="u").total == 68, m.get_all(user_id="u").total
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("history", ["", "h.db"])
def test_parent_and_child_both_write_after_a_fork(tmp_path: Path, history: str) -> None:
    path = tmp_path / "m.db"
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, str(path), history and str(tmp_path / history)],
        env={**os.environ, "PYTHONPATH": str(Path(mem0.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_forked_child_keeps_what_was_in_memory(tmp_path: Path) -> None:
    script = """
import os
from mem0.testing import memory
m = memory()
m.add("I like tea", user_id="u")
pid = os.fork()
m.add("one more", user_id="u")
assert m.search("tea", user_id="u").total == 2
if not pid:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
m.close()
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(mem0.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
