"""What is left when a memory is closed, when an interpreter exits amid its work, and when clocks go back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mem0
from mem0 import Memory
from mem0.exceptions import ClosedError, ConfigError
from mem0.llms.base import LLMBase
from mem0.testing import DeterministicEmbedding, FrozenClock
from mem0.utils.factory import LlmFactory


def stores(folder: Path) -> dict[str, dict[str, Any]]:
    kinds: dict[str, dict[str, Any]] = {
        "embedded": {"path": str(folder / "m.db")},
        "separate history": {"path": str(folder / "s.db"), "history_db_path": str(folder / "h.db")},
        "in memory": {"path": ":memory:"},
    }
    if find_spec("qdrant_client"):
        store = {"provider": "qdrant", "config": {"path": str(folder / "qdrant")}}
        kinds["qdrant folder"] = {"path": str(folder / "q.db"), "vector_store": store}
    return kinds


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
@pytest.mark.parametrize("kind", ["embedded", "separate history", "in memory", "qdrant folder"])
def test_closing_leaves_no_file_and_no_thread(tmp_path: Path, kind: str) -> None:
    config = stores(tmp_path).get(kind)
    if config is None:
        pytest.skip("qdrant_client is not installed")

    def use() -> None:
        with Memory(config, embedder=DeterministicEmbedding(8)) as m:
            workers = [threading.Thread(target=m.add, args=(f"fact {at}", "alice")) for at in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            m.search("fact", user_id="alice")
            m.delete_all(user_id="alice")

    use()  # what is opened once, and kept
    gc.collect()
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        use()
    gc.collect()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (files, threads)


@pytest.mark.parametrize("kind", ["embedded", "separate history"])
def test_an_interpreter_that_exits_in_the_middle_of_its_work(tmp_path: Path, kind: str) -> None:
    config = stores(tmp_path)[kind]
    code = f"""
import sys, threading, time
from mem0 import Memory
from mem0.exceptions import ClosedError, ConfigError
from mem0.llms.base import LLMBase
from mem0.testing import DeterministicEmbedding
m = Memory({config!r}, embedder=DeterministicEmbedding(8))
def work(number):
    for at in range(10_000):
        done = m.add(f"worker {{number}} fact {{at}}", user_id="alice")
        print(done[0]["id"], flush=True)
for number in range(4):
    threading.Thread(target=work, args=(number,), daemon=True).start()
time.sleep(0.7)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(mem0.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 0, ran.stderr
    acknowledged = {line for line in ran.stdout.splitlines() if len(line) == 36}
    assert acknowledged
    with Memory(config, embedder=DeterministicEmbedding(8)) as m:
        there = {row["id"] for row in m.get_all(limit=100_000)}
        assert acknowledged <= there
        assert m.check().ok


def test_a_clock_that_goes_back_loses_nothing(tmp_path: Path) -> None:
    clock = FrozenClock(datetime(2026, 5, 1, tzinfo=timezone.utc))
    with Memory(path=tmp_path / "m.db", embedder=DeterministicEmbedding(8), clock=clock) as m:
        first = m.add("likes tea", user_id="alice")[0]["id"]
        clock.set("2025-03-27T00:00:00Z")
        second = m.add("likes coffee", user_id="alice")[0]["id"]
        m.update(first, "likes green tea")
        assert [row["new_value"] for row in m.history(first)] == ["likes tea", "likes green tea"]
        assert first < second  # ids keep their order
        assert [row["id"] for row in m.get_all(user_id="alice")] == [first, second]  # by when it was said
        assert m.add("Likes Coffee", user_id="alice")[0]["event"] == "NONE"
        assert {row["id"] for row in m.search("likes", user_id="alice")} == {first, second}
        assert m.check().ok
        assert m.delete_all(user_id="alice")["deleted"] == 2


class StuckLLM(LLMBase):
    """Cannot be closed."""

    def generate_response(self, messages: Any, **more: Any) -> str:
        raise AssertionError("never asked")

    def close(self) -> None:
        raise OSError("it is stuck")


def test_a_part_that_cannot_be_closed_keeps_no_other_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LlmFactory.providers, "stuck", f"{__name__}.StuckLLM")
    config = {"llm": {"provider": "stuck"}, "path": str(tmp_path / "m.db")}
    m = Memory(config)
    store = m.vector_store
    with pytest.raises(OSError, match="it is stuck"):
        m.close()
    with pytest.raises(ClosedError):
        store.list_cols()
    m.close()  # a second time does nothing

    # Nor does it hide why there is no memory at all.
    with pytest.raises(ConfigError, match="embedder provider 'nobody' is unknown"):
        Memory({**config, "embedder": {"provider": "nobody"}})
