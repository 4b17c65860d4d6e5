"""A process that is killed: what it had acknowledged is there, what it had not is there wholly or not at all."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_store import PlainStore
from storage_worker import LAYOUTS, opened

import mem0
from mem0 import Memory
from mem0.history.sqlite import SQLiteManager

WORKER = Path(__file__).with_name("storage_worker.py")


class Process(subprocess.Popen[str]):
    """A process that does not outlive a test that fails."""

    def __del__(self) -> None:
        if self.returncode is None:
            self.kill()
            self.communicate()
        super().__del__()


def started(folder: Path, **job: Any) -> Process:
    """Run the worker."""
    arguments = json.dumps({"folder": str(folder), **job})
    return Process(
        [sys.executable, "-W", "error", str(WORKER), arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(mem0.__file__).parents[1])},
    )


def lines(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        yield json.loads(line)


def state(m: Memory) -> dict[str, str]:
    """By id, the texts that are there, after a check that store and history agree on all of them."""
    rows = {row["id"]: row["memory"] for row in m.get_all(limit=100_000)}
    assert isinstance(m.db, SQLiteManager)
    with m.db.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (0,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        history = connection.execute("SELECT memory_id, new_value FROM history ORDER BY seq").fetchall()
    assert {id: text for id, text in dict(history).items() if text is not None} == rows
    for id, text in list(rows.items())[:3]:
        assert m.history(id)[-1]["new_value"] == text
        assert {row["id"]: row["memory"] for row in m.search(text, limit=100_000)} == rows
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_acknowledged_write_is_lost(tmp_path: Path, layout: str) -> None:
    expected: dict[str, str | None] = {}
    dice = random.Random(layout)
    for seed in range(3):
        process = started(tmp_path, layout=layout, work="write", threads=2, seed=seed * 100)
        assert process.stdout is not None
        output = ""
        wanted = dice.randint(20, 120)
        while output.count("\n") < wanted:
            line = process.stdout.readline()
            assert line, process.communicate()
            output += line
        time.sleep(dice.random() * 0.003)
        process.kill()
        rest, errors = process.communicate()
        assert process.returncode not in (0, 1), errors
        for said in lines(output + rest):
            expected.update(said.get("rows", {}))
        with opened(tmp_path, layout) as m:
            found = state(m)
            lost = {id: text for id, text in expected.items() if found.get(id) != text}
            # At most the one call under way in each thread had been carried out and not yet acknowledged.
            assert len(lost) <= 2, lost
            for id, text in lost.items():
                assert any(row["event"] in ("UPDATE", "DELETE") for row in m.history(id)[1:]), (id, text)
            new = {id: text for id, text in found.items() if id not in expected}
            assert len(new) in (0, 1, 2, 3, 4, 6), new
            for id in [*lost, *new]:
                expected[id] = found.get(id)


@pytest.mark.parametrize("die_at", [1, 2, 3, 4], ids=["collection", "one row", "two rows", "all rows"])
def test_what_was_half_stored_is_undone_on_the_next_open(tmp_path: Path, die_at: int) -> None:
    process = started(tmp_path, layout="foreign store", work="add", texts=["one", "two", "three"], die_at=die_at)
    output, errors = process.communicate()
    assert process.returncode == 9, errors
    assert [said["did"] for said in lines(output)] == ["open"]
    assert PlainStore(tmp_path / "store.db").count("mem0") == die_at - 1
    with opened(tmp_path, "foreign store") as m:
        assert state(m) == {}
        m.add(["one", "two"], user_id="u")
        assert len(state(m)) == 2


@pytest.mark.parametrize("die_at", [1, 2, 3])
def test_what_was_half_deleted_is_brought_back(tmp_path: Path, die_at: int) -> None:
    with opened(tmp_path, "foreign store") as m:
        m.add(["one", "two", "three"], user_id="u")
        m.add("of another", user_id="v")
        before = state(m)
    process = started(tmp_path, layout="foreign store", work="delete_all", die_at=die_at)
    _, errors = process.communicate()
    assert process.returncode == 9, errors
    assert PlainStore(tmp_path / "store.db").count("mem0") == 4 - die_at
    # The one that comes to undo it is killed as well, with the first row brought back.
    process = started(tmp_path, layout="foreign store", work="add", texts=["four"], die_at=1)
    _, errors = process.communicate()
    assert process.returncode == 9, errors
    with opened(tmp_path, "foreign store") as m:
        assert state(m) == before


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_what_the_store_has_and_the_history_not_is_undone(tmp_path: Path, layout: str) -> None:
    with opened(tmp_path, layout) as m:
        m.add("before", user_id="u")
        before = state(m)
    process = started(tmp_path, layout=layout, work="die in the gap", texts=["one", "two"])
    output, errors = process.communicate()
    assert process.returncode == 9, errors
    assert [said["did"] for said in lines(output)] == ["open"]
    with opened(tmp_path, layout) as m:
        assert state(m) == before
