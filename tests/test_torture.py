"""The torture itself: a short run of it finds nothing, and whatever is damaged on purpose it notices."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from torture import __file__ as TORTURE
from torture_child import STORES, Call, look, opened, perform
from torture_judge import Disagreement, Expected

HERE = [store for store in STORES if store != "qdrant" or find_spec("qdrant_client")]


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, TORTURE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    print(run("--kills", "6", "--threads", "4", "--stores", ",".join(HERE), "--json", str(file)))
    rows = json.loads(file.read_text())["rows"]
    assert [(row["store"], row["kills"]) for row in rows] == [(store, 6) for store in HERE]
    assert sum(row["acknowledged"] for row in rows) > 0


@pytest.mark.slow
def test_a_crowd_of_writers_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    print(run("--mode", "threads-processes", "--seconds", "2", "--json", str(file)))
    (row,) = json.loads(file.read_text())["rows"]
    assert row["acknowledged"] >= row["memories"] > 0


# -- the judge --------------------------------------------------------------------------------------


class Recorded:
    """A memory with a few changes, and what is expected of it."""

    def __init__(self, store: str, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.expected = Expected()
        with opened(store, folder) as m:
            for call in (
                Call("u", "add", added=["u likes tea", "u likes rain", "u likes jazz"]),
                Call("u", "told", added=["u likes wool"], changed={"u likes tea": "u likes oolong"}),
                Call("u", "delete", removed=["u likes jazz"]),
                Call("v", "add", added=["v likes snow"]),
            ):
                ids = {text: id for mine in self.expected.memories.values() for id, text in mine.items()}
                changed = {ids[text]: new for text, new in call.changed.items()}
                call = Call(call.user, call.verb, call.added, changed, [ids[text] for text in call.removed])
                lines = [{"user": call.user, "call": asdict(call)}, {"user": call.user, "done": perform(m, call)}]
                self.expected.read(lines)
        self.ids = {text: id for mine in self.expected.memories.values() for id, text in mine.items()}

    def cut_off(self, call: Call) -> None:
        self.expected.read([{"user": call.user, "call": asdict(call)}])

    def sql(self, *statements: str, file: str = "memories.db") -> None:
        with closing(sqlite3.connect(self.folder / file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def judge(self) -> None:
        looks = look(self.store, self.folder, "a seed", [*self.expected.cut_off.values()])
        self.expected.judge(json.loads(json.dumps(looks)))


@pytest.mark.parametrize("store", HERE)
def test_what_is_whole_is_found_whole(tmp_path: Path, store: str) -> None:
    there = Recorded(store, tmp_path)
    there.cut_off(Call("v", "add", added=["v likes fog", "v likes ice"]))
    there.judge()
    assert there.expected.counts == {"acknowledged": 4, "absent": 1, "checks": 1}
    assert sorted(there.expected.memories["v"].values()) == ["v likes fog", "v likes ice", "v likes snow"]
    there.judge()


def _of(text: str, column: str = "seq") -> str:
    return f"(SELECT {column} FROM memories WHERE json_extract(payload, '$.data') = '{text}')"


_DAMAGE: dict[str, tuple[list[str], str]] = {
    "a lost row": (["DELETE FROM memories WHERE seq = " + _of("u likes rain")], "u has not what must be there"),
    "a lost row with its history": (
        [
            "DELETE FROM history WHERE memory_id = " + _of("u likes rain", "id"),
            "DELETE FROM vectors WHERE seq = " + _of("u likes rain"),
            "DELETE FROM memories WHERE seq = " + _of("u likes rain"),
        ],
        "u has not what must be there",
    ),
    "a row that is back": (
        ["UPDATE memories SET payload = replace(payload, 'oolong', 'tea') WHERE seq = " + _of("u likes oolong")],
        "u has not what must be there",
    ),
    "a change without history": (
        ["DELETE FROM history WHERE event = 'UPDATE'"],
        "is 'u likes oolong' in the store and 'u likes tea' in the history",
    ),
    "a deletion without history": (["DELETE FROM history WHERE event = 'DELETE'"], "is None in the store"),
    "a change recorded twice": (
        [
            "INSERT INTO history (id, memory_id, prev_value, new_value, event, is_deleted, collection)"
            " SELECT 'x', memory_id, prev_value, new_value, event, 0, collection FROM history WHERE event = 'UPDATE'"
        ],
        "has a gap",
    ),
    "another one's vector": (
        [
            "UPDATE vectors SET (vector, checksum) = (SELECT vector, checksum FROM vectors WHERE seq = "
            + _of("u likes rain")
            + ") WHERE seq = "
            + _of("u likes oolong")
        ],
        "has a vector that is not of its text 'u likes oolong'",
    ),
    "another one's tokens": (
        [
            "UPDATE vectors SET terms = (SELECT terms FROM vectors WHERE seq = "
            + _of("u likes rain")
            + ") WHERE seq = "
            + _of("u likes oolong")
        ],
        "is not found by the words of",
    ),
    "no vector": (["DELETE FROM vectors WHERE seq = " + _of("u likes rain")], "is listed as .* and read as None"),
    "a row of no collection": (
        ["INSERT INTO removals (collection, changed, seq) VALUES (99, 1, 1)"],
        "foreign_key_check says",
    ),
    "another hash": (
        ["UPDATE memories SET payload = json_set(payload, '$.hash', 'x') WHERE seq = " + _of("u likes rain")],
        "has a hash that is not of its text 'u likes rain'",
    ),
    "a pending intent": (["INSERT INTO journal VALUES ('x', 'mem0', '{\"rows\": []}')"], "the journal still has"),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    there = Recorded("sqlite", tmp_path)
    statements, told = _DAMAGE[damage]
    there.sql(*statements)
    with pytest.raises(Disagreement, match=told):
        there.judge()


def test_half_of_a_call_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    there = Recorded("separate", tmp_path)
    there.cut_off(Call("v", "add", added=["v likes fog", "v likes ice"]))
    with opened("separate", tmp_path) as m:
        m.add("v likes fog", user_id="v", infer=False)
    with pytest.raises(Disagreement, match="v has not what must be there; cut off was .*v likes ice"):
        there.judge()


def test_a_duplicate_is_noticed(tmp_path: Path) -> None:
    there = Recorded("plain", tmp_path)
    call = Call("v", "told", added=["v likes snow"])  # what is distilled may say what a turn said
    with opened("plain", tmp_path) as m:
        done = perform(m, call)
    there.expected.read([{"user": "v", "call": asdict(call)}, {"user": "v", "done": done}])
    with pytest.raises(Disagreement, match="2 memories of v say 'v likes snow'"):
        there.judge()


@pytest.mark.parametrize("store", ["plain", "qdrant"])
def test_half_an_update_is_noticed_in_stores_of_other_kinds(tmp_path: Path, store: str) -> None:
    if store not in HERE:
        pytest.skip("qdrant_client is not installed")
    there = Recorded(store, tmp_path)

    with opened(store, tmp_path) as m:
        name = m.collection_name
        other = m.vector_store.get(name, there.ids["u likes oolong"])
        assert other is not None
        m.vector_store.update(name, there.ids["u likes rain"], other.vector)
    with pytest.raises(Disagreement, match="has a vector that is not of its text 'u likes rain'"):
        there.judge()


@pytest.mark.parametrize(("may_refuse", "error"), [(False, "on purpose"), (True, "MemoryNotFoundError: no such")])
def test_a_call_that_raised_what_it_must_not_is_noticed(may_refuse: bool, error: str) -> None:
    expected = Expected(may_refuse=may_refuse)
    with pytest.raises(Disagreement, match=error):
        expected.read([{"user": "u", "call": asdict(Call("u", "add", ["x"]))}, {"user": "u", "error": error}])
