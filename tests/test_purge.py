"""Purging: the text is in no file afterwards, whatever had become of it before; what was not meant stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from storage_worker import opened
from test_crash import started, state

from mem0 import Memory
from mem0.exceptions import MemoryNotFoundError
from mem0.storage import Database

NEEDLE = "Geheimnis 秘密 ß-7431"


def forms(text: str) -> list[bytes]:
    """How a text may stand in a file: as it is, and as JSON escapes it."""
    return [text.encode(), json.dumps(text)[1:-1].encode()]


def traces(folder: Path, text: str = NEEDLE) -> list[str]:
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms(text))
    )


@pytest.fixture(params=["one file", "two files"])
def m(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    with opened(tmp_path, request.param) as m:
        for part in (m.db, m.vector_store):
            # Some builds of SQLite overwrite what is deleted by default, most do not.
            part.database.on_connect(lambda connection: connection.execute("PRAGMA secure_delete=OFF"))  # type: ignore[attr-defined]
        # Enough of others' that the needle's pages are some of many.
        for number in range(10):
            m.add([f"Haystack {number}.{part} {'straw ' * 40}" for part in range(20)], user_id=f"other{number}")
        m.add("A note of alice with an agent", user_id="alice", agent_id="helper")
        yield m


def keep(m: Memory, **scope: str) -> str:
    """Store the needle as text, metadata and role's name, and return its id."""
    scope = scope or {"user_id": "alice"}
    said = [{"role": "user", "name": f"name {NEEDLE}", "content": f"The text {NEEDLE}"}]
    (change,) = m.add(said, metadata={"where": f"metadata {NEEDLE}", NEEDLE: ["key"]}, **scope)
    return change["id"]


def kept(m: Memory) -> str:
    return keep(m)


def replaced(m: Memory) -> str:
    id = keep(m)
    m.update(id, "Something else by now", metadata={"where": None, NEEDLE: None})
    return id


def deleted(m: Memory) -> str:
    id = keep(m)
    m.delete(id)
    return id


def replaced_and_deleted(m: Memory) -> str:
    id = replaced(m)
    m.delete(id)
    return id


def deleted_with_all(m: Memory) -> str:
    id = keep(m)
    m.delete_all(user_id="alice")
    return id


BEFORE = [kept, replaced, deleted, replaced_and_deleted, deleted_with_all]
PURGES: dict[str, Callable[[Memory, str], Any]] = {
    "delete_all": lambda m, id: m.delete_all(user_id="alice", purge=True),
    "delete": lambda m, id: m.delete(id, purge=True),
    "reset": lambda m, id: m.reset(purge=True),
}


@pytest.mark.parametrize("purge", PURGES)
@pytest.mark.parametrize("before", BEFORE)
def test_after_a_purge_the_text_is_in_no_file(
    m: Memory, tmp_path: Path, before: Callable[[Memory], str], purge: str
) -> None:
    id = before(m)
    assert traces(tmp_path)
    result = PURGES[purge](m, id)
    assert result["receipt"]["complete"] is True
    assert result["receipt"]["history_rows"] >= 1
    assert traces(tmp_path) == []
    assert m.history(id) == []
    assert m.get(id) is None
    m.add("The next one", user_id="alice")
    m.search("text", user_id="alice")
    assert traces(tmp_path) == []
    m.close()
    assert traces(tmp_path) == []


def test_others_keep_their_texts(m: Memory, tmp_path: Path) -> None:
    before = state(m)
    keep(m)
    others = keep(m, user_id="bob")
    m.add("The note of a run", user_id="alice", run_id="r")
    result = m.delete_all(user_id="alice", purge=True)
    assert (result["deleted"], result["failed"]) == (3, [])
    assert result["receipt"] == {"memories": 3, "history_rows": 3, "complete": True}
    assert m.search(NEEDLE, limit=1)[0]["id"] == others
    assert [row["new_value"] for row in m.history(others)] == [f"The text {NEEDLE}"]
    assert traces(tmp_path)
    gone = [id for id, text in before.items() if text == "A note of alice with an agent"]
    assert state(m) == {**{id: before[id] for id in before if id not in gone}, others: f"The text {NEEDLE}"}
    m.delete_all(user_id="bob", purge=True)
    assert traces(tmp_path) == []


def test_a_narrower_scope_is_purged_alone(m: Memory, tmp_path: Path) -> None:
    keep(m, user_id="alice", agent_id="helper")
    stays = m.add("A note of alice alone", user_id="alice")[0]["id"]
    result = m.delete_all(user_id="alice", agent_id="helper", purge=True)
    assert result["receipt"] == {"memories": 2, "history_rows": 2, "complete": True}
    assert traces(tmp_path) == []
    assert m.get(stays) is not None
    assert len(m.history(stays)) == 1


def test_one_memory_is_purged_alone(m: Memory, tmp_path: Path) -> None:
    stays = m.add(f"Another with {NEEDLE} in it", user_id="alice")[0]["id"]
    id = keep(m)
    assert m.delete(id, purge=True)["receipt"] == {"memories": 1, "history_rows": 1, "complete": True}
    assert m.get(stays) is not None
    assert traces(tmp_path, f"The text {NEEDLE}") == []
    with pytest.raises(MemoryNotFoundError):
        m.delete(id, purge=True)


def test_other_collections_are_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path, "one file") as m, opened(tmp_path, "one file") as other:
        other.collection_name = "other"
        id = keep(m)
        theirs = other.add("Theirs", user_id="alice")[0]["id"]
        m.reset(purge=True)
        assert traces(tmp_path) == []
        assert m.history(id) == []
        assert other.get(theirs) is not None
        assert len(other.history(theirs)) == 1


def test_a_purge_that_finds_nothing_is_complete(m: Memory) -> None:
    assert m.delete_all(user_id="nobody", purge=True) == {
        "message": "Memories deleted",
        "deleted": 0,
        "failed": [],
        "receipt": {"memories": 0, "history_rows": 0, "complete": True},
    }


def test_without_purge_the_history_stays(m: Memory, tmp_path: Path) -> None:
    id = keep(m)
    assert "receipt" not in m.delete_all(user_id="alice")
    assert [row["event"] for row in m.history(id)] == ["ADD", "DELETE"]
    assert traces(tmp_path)


def test_a_reader_in_another_process_keeps_a_purge_from_being_complete(m: Memory, tmp_path: Path) -> None:
    layout = "two files" if (tmp_path / "h.db").exists() else "one file"
    keep(m)
    for database in {m.db.database, m.vector_store.database}:  # type: ignore[attr-defined]
        assert isinstance(database, Database)
        database.busy_timeout = 0.2
    reader = started(tmp_path, layout=layout, work="read")
    assert reader.stdout is not None
    assert json.loads(reader.stdout.readline()) == {"did": "open"}
    assert json.loads(reader.stdout.readline())["did"] == "read"
    result = m.delete_all(user_id="alice", purge=True)
    assert result["deleted"] == 2
    assert result["receipt"]["complete"] is False
    assert m.get_all(user_id="alice").total == 0
    m.add("Writing goes on", user_id="alice")
    _, errors = reader.communicate()
    assert reader.returncode == 0, errors
    assert m.delete_all(user_id="alice", purge=True)["receipt"]["complete"] is True
    assert traces(tmp_path) == []


def test_a_foreign_store_cannot_promise_it(tmp_path: Path) -> None:
    with opened(tmp_path, "foreign store") as m:
        id = keep(m)
        m.update(id, "Something else by now", metadata={"where": None, NEEDLE: None})
        assert m.delete_all(user_id="alice", purge=True)["receipt"] == {
            "memories": 1,
            "history_rows": 2,
            "complete": False,
        }
        assert [name for name in traces(tmp_path) if name.startswith(("h.db", "m.db"))] == []


def test_purging_while_others_write_loses_nothing(tmp_path: Path) -> None:
    writers = [started(tmp_path, layout="one file", work="write", threads=2, rounds=40, seed=n) for n in range(2)]
    with opened(tmp_path, "one file") as m:
        for _ in range(5):
            id = keep(m)
            assert m.delete(id, purge=True)["deleted"] == 1
        expected: dict[str, str | None] = {}
        for writer in writers:
            output, errors = writer.communicate()
            assert writer.returncode == 0, errors
            for line in output.splitlines():
                expected.update(json.loads(line).get("rows", {}))
        assert state(m) == {id: text for id, text in expected.items() if text is not None}
        assert m.delete_all(user_id="alice", purge=True)["receipt"]["complete"] is True
        assert traces(tmp_path) == []


def test_in_memory_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mem0.testing import memory

    monkeypatch.chdir(tmp_path)
    with memory() as m:
        id = keep(m)
        assert m.delete(id, purge=True)["receipt"] == {"memories": 1, "history_rows": 1, "complete": True}
        assert m.history(id) == []
    assert list(tmp_path.iterdir()) == []
