"""Collections that the real mem0ai wrote open as they are; it has environments of its own (`.ci/run mem0ai`)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from write_collection import DIMS, vector

from mem0 import EmbedderMismatchError, Memory
from mem0.embeddings.base import EmbeddingBase
from mem0.testing import DeterministicEmbedding

ENVIRONMENTS = Path(os.environ.get("MEM0_TEST_ENVS") or Path(__file__).parents[2] / ".ci" / "envs")


class Embedder(EmbeddingBase):
    """Gives a text the vector that the collection was written with."""

    dims = DIMS

    def embed(self, text: str) -> list[float]:
        return vector(text)


@pytest.fixture(params=["mem0ai-1", "mem0ai-2"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    python = ENVIRONMENTS / request.param / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{request.param} has an environment of its own: .ci/run mem0ai")
    told = run_mem0ai(python, tmp_path)
    assert told["version"].startswith(request.param[-1])
    return told


def run_mem0ai(python: Path, folder: Path) -> dict[str, Any]:
    """Have the real mem0ai write into a folder, and return what it told."""
    script = str(Path(__file__).with_name("write_collection.py"))
    ran = subprocess.run(
        [str(python), "-E", script, str(folder)],  # without PYTHONPATH, which may lead to this mem0
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        timeout=120,
    )
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


@pytest.fixture
def memory(written: dict[str, Any], tmp_path: Path) -> Iterator[Memory]:
    with opened(tmp_path) as m:
        yield m


def opened(folder: Path, embedder: EmbeddingBase | None = None) -> Memory:
    config = {
        "history_db_path": str(folder / "history.db"),
        "vector_store": {"provider": "qdrant", "config": {"path": str(folder / "qdrant"), "on_disk": True}},
    }
    return Memory(config, embedder=embedder or Embedder())


def test_every_memory_is_read_with_what_was_known_of_it(memory: Memory, written: dict[str, Any]) -> None:
    assert memory.get_all().total == len(written["written"])
    for one in written["written"]:
        row = memory.get(one["id"])
        assert row is not None
        assert {name: row[name] for name in ("memory", "user_id", "metadata")} == {  # type: ignore[literal-required]
            "memory": one["memory"],
            "user_id": one["user_id"],
            "metadata": {"topic": "likes", "stars": 4},
        }
        assert row["created_at"].startswith("20")
        assert [change["event"] for change in memory.history(one["id"])] == ["ADD"]


def test_they_are_searched_by_meaning_and_the_missing_leg_is_told(memory: Memory) -> None:
    found = memory.search("Likes tea", user_id="alice", explain=True)
    assert found[0]["memory"] == "Likes tea"
    assert found[0]["score"] == pytest.approx(1.0, abs=1e-5)
    assert "add_keyword_leg('mem0')" in found[0]["explain"]["skipped"]["keyword"]
    assert memory.search("Likes tea", user_id="carol") == []
    assert len(memory.search("x", user_id="alice", filters={"stars": {"gte": 4}})) == 2
    assert memory.search("x", user_id="alice", filters={"stars": {"gt": 4}}) == []


def test_one_call_adds_the_keyword_leg(memory: Memory, tmp_path: Path) -> None:
    store: Any = memory.vector_store
    assert store.add_keyword_leg("mem0") == store.add_keyword_leg("mem0") == 3
    explained = memory.search("where does the cat sleep", user_id="alice", explain=True)[0]
    assert explained["memory"] == "The cat sleeps on the sofa"
    assert explained["explain"]["legs"]["keyword"] > 0.9
    memory.close()
    with opened(tmp_path) as again:
        legs = again.search("cat", user_id="alice", explain=True)[0]["explain"]["legs"]
        assert legs["keyword"] > 0.5


def test_they_are_updated_deleted_and_added_to(memory: Memory, written: dict[str, Any], tmp_path: Path) -> None:
    tea, cat, coffee = (one["id"] for one in written["written"])
    memory.update(tea, "Likes green tea", metadata={"stars": 5})
    memory.delete(cat)
    memory.add("Has a garden", user_id="alice")
    assert [change["event"] for change in memory.history(tea)] == ["ADD", "UPDATE"]
    memory.close()
    with opened(tmp_path) as again:
        assert {row["memory"] for row in again.get_all()} == {"Likes green tea", "Likes coffee", "Has a garden"}
        assert again.get(tea)["metadata"] == {"topic": "likes", "stars": 5}  # type: ignore[index]
        assert again.get(cat) is None
        assert again.delete_all(user_id="alice")["deleted"] == 2
        assert [row["id"] for row in again.get_all()] == [coffee]


def test_an_embedder_of_another_size_is_refused(written: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EmbedderMismatchError, match="size 8.*size 16"):
        opened(tmp_path, DeterministicEmbedding(16))
    with opened(tmp_path) as m:
        assert m.get_all().total == 3


def test_mem0ai_reads_what_was_written_here_and_the_history_survives_it(
    written: dict[str, Any], tmp_path: Path
) -> None:
    with opened(tmp_path) as m:
        added = m.add("Has a garden", user_id="alice")[0]["id"]
    python = ENVIRONMENTS / f"mem0ai-{written['version'][0]}" / "bin" / "python"
    again = run_mem0ai(python, tmp_path)  # opens store and history, and writes the same texts once more
    assert again["collection"] == "mem0"
    with opened(tmp_path) as m:
        assert m.get(added)["memory"] == "Has a garden"  # type: ignore[index]
        assert m.history(added)[0]["event"] == "ADD"
        m.update(added, "Has a large garden")
        assert [row["new_value"] for row in m.history(added)][-1] == "Has a large garden"
