"""Qdrant's own engine, in memory and in a folder, through the vendor's client."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from filter_cases import ALIKE_FILTERS, ALIKE_ROWS, CASES
from hypothesis import HealthCheck, given, settings
from qdrant_client import QdrantClient, models

from mem0 import ConfigError, Memory, StorageError
from mem0.embeddings.onnx import OnnxEmbedding
from mem0.exceptions import ClosedError, StorageBusyError, ValidationError
from mem0.filters import matches, parse_filters
from mem0.testing import DeterministicEmbedding, ScriptedLLM, VectorStoreContract, memory
from mem0.testing.contracts.store_tests import array, payload_of, row_id
from mem0.types import Scope
from mem0.utils.factory import VectorStoreFactory
from mem0.vector_stores import qdrant_keyword as keyword
from mem0.vector_stores import qdrant_neighbours
from mem0.vector_stores.base import Query, VectorStoreBase
from mem0.vector_stores.qdrant import Qdrant
from mem0.vector_stores.qdrant_filters import Filterable, pushed
from mem0.wire.qdrant import QdrantLine

EXAMPLES = int(os.environ.get("MEM0_FILTER_EXAMPLES", "200"))


class TestInMemory(VectorStoreContract):
    def store(self) -> Qdrant:
        return Qdrant(path=":memory:")


class TestFolder(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folders = (tmp_path / f"qdrant {number}" for number in range(100))

    def store(self) -> Qdrant:
        self.folder = next(self.folders)
        return Qdrant(path=str(self.folder))

    def reopened(self, store: VectorStoreBase) -> Qdrant:
        store.close()
        return Qdrant(path=str(self.folder))


@given(CASES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_filters_pick_what_matches_picks(case: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    payloads, written = case
    # Numbers beyond a double are no JSON that Qdrant could hold, and a key with a NUL no key.
    stored = [_holdable(json.loads(json.dumps(payload))) for payload in payloads]
    with closing(Qdrant(path=":memory:")) as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]] * len(stored), stored, [row_id(at) for at in range(len(stored))])
        for filters in written:
            condition = parse_filters(filters)
            wanted = {row_id(at) for at, payload in enumerate(stored) if matches(condition, payload)}
            assert {row.id for row in store.list("c", filters, limit=None)} == wanted
            assert {row.id for row in store.search("c", [1.0, 0.0], 10, filters)} == wanted
            assert store.count("c", filters) == len(wanted)


@given(ALIKE_ROWS, ALIKE_FILTERS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_qdrant_leaves_out_nothing_that_matches(rows: list[dict[str, Any]], written: list[dict[str, Any]]) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("c", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert("c", [models.PointStruct(id=at, vector=[1.0, 0.0], payload=row) for at, row in enumerate(rows)])
    for condition in map(parse_filters, written):
        push = pushed(condition, Filterable())
        wanted = {at for at, row in enumerate(rows) if matches(condition, row)}
        found = {point.id for point in client.scroll("c", scroll_filter=push.filter, limit=100)[0]}
        assert wanted == found if push.says_all else wanted <= found, condition
    client.close()


def _holdable(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return float(min(max(value, -(2**1000)), 2**1000))
    if isinstance(value, list):
        return [_holdable(member) for member in value]
    if isinstance(value, dict):
        return {key: _holdable(member) for key, member in value.items()}
    return value


def in_folder(folder: Path) -> dict[str, Any]:
    store = {"provider": "qdrant", "config": {"path": str(folder / "q")}}
    return {"path": str(folder / "m.db"), "vector_store": store}


# -- folders ----------------------------------------------------------------------------------------


def test_a_folder_is_opened_and_never_erased(tmp_path: Path) -> None:
    config = {
        "path": str(tmp_path / "m.db"),
        "vector_store": {"provider": "qdrant", "config": {"path": str(tmp_path / "q")}},
    }
    for at in range(3):
        with Memory(config, embedder=DeterministicEmbedding(8)) as m:
            m.add(f"fact number {at}", user_id="alice")
            assert m.get_all(user_id="alice").total == at + 1


def test_without_a_place_it_is_a_folder_below_mem0_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "home"))
    with Memory({"vector_store": {"provider": "qdrant"}}, embedder=DeterministicEmbedding(8)) as m:
        m.add("likes tea", user_id="alice")
    assert (tmp_path / "home" / "qdrant" / "meta.json").exists()
    assert (tmp_path / "home" / "qdrant").stat().st_mode & 0o777 == 0o700


def test_a_folder_may_be_a_path_and_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Qdrant(path="~/q") as one, Qdrant(path=tmp_path / "q") as other:
        one.create_col("c", 2)
        assert other.list_cols() == ["c"]


def test_stores_of_one_process_share_a_folder(tmp_path: Path) -> None:
    one, other = Qdrant(path=str(tmp_path)), Qdrant(path=str(tmp_path / ".." / tmp_path.name))
    one.create_col("c", 2)
    one.close()
    one.close()
    assert other.list_cols() == ["c"]
    other.close()
    with pytest.raises(ClosedError):
        other.list_cols()
    with Qdrant(path=str(tmp_path)) as again:
        assert again.list_cols() == ["c"]


def test_another_process_is_told_who_has_it(tmp_path: Path) -> None:
    code = "import sys; from mem0.vector_stores.qdrant import Qdrant; Qdrant(path=sys.argv[1])"
    with Qdrant(path=str(tmp_path)):
        ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "StorageBusyError" in ran.stderr
    assert "open in another process" in ran.stderr
    assert StorageBusyError.retryable


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("not json")
    with pytest.raises(StorageError, match="left as it is"):
        Qdrant(path=str(tmp_path))
    assert (tmp_path / "meta.json").read_text() == "not json"


def test_a_folder_that_was_never_finished_is_opened(tmp_path: Path) -> None:
    (tmp_path / "meta.json").touch()  # as a process leaves it that is killed in that moment
    with Qdrant(path=str(tmp_path)) as store:
        store.create_col("c", 2)
    (tmp_path / "meta.json").write_text("")
    with pytest.raises(StorageError, match="left as it is"):  # here there is something to lose
        Qdrant(path=str(tmp_path))


@pytest.mark.parametrize("damaged", ["meta.json", "storage.sqlite", "a point"])
def test_a_damaged_folder_is_told(tmp_path: Path, damaged: str) -> None:
    with Qdrant(path=str(tmp_path / "q")) as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]])
    points = tmp_path / "q" / "collection" / "c" / "storage.sqlite"
    if damaged == "meta.json":
        (tmp_path / "q" / "meta.json").write_text("{}")
    elif damaged == "storage.sqlite":
        points.write_bytes(b"x" * 4096)
    else:
        with closing(sqlite3.connect(points)) as file, file:
            file.execute("UPDATE points SET point = ?", (b"garbage",))
    with pytest.raises(StorageError, match="cannot be opened: .* left as it is: restore a backup"):
        Memory(in_folder(tmp_path), embedder=DeterministicEmbedding(8))


def test_a_folder_that_fails_while_it_is_open_is_told(tmp_path: Path) -> None:
    with Qdrant(path=str(tmp_path)) as store:
        store.create_col("c", 2)
        store.client._client.collections["c"].storage.storage.close()
        with pytest.raises(StorageError, match="batch_update_points failed: ProgrammingError: .*check that its disk"):
            store.insert("c", [[1.0, 0.0]])


def test_who_waits_for_a_folder_that_is_closed_is_told(tmp_path: Path) -> None:
    store = Qdrant(path=str(tmp_path))

    @contextmanager
    def closed_meanwhile() -> Iterator[None]:
        store.close()
        yield

    store._line._guard = closed_meanwhile()
    with pytest.raises(ClosedError):
        store.list_cols()


def test_two_threads_that_close_a_store_leave_its_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Qdrant(path=str(tmp_path)), Qdrant(path=str(tmp_path))
    both = threading.Barrier(2)
    threads_that_read: set[int] = set()

    def read(line: QdrantLine) -> bool:
        is_closed: bool = vars(line)["_is_closed"]
        threads_that_read.add(threading.get_ident())
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # for the other thread to read the same, if it can
        return is_closed

    def write(line: QdrantLine, value: bool) -> None:
        vars(line)["_is_closed"] = value

    monkeypatch.setattr(QdrantLine, "_is_closed", property(read, write), raising=False)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: one.close(), range(2))) == [None, None]
    assert len(threads_that_read) == 2
    other.create_col("c", 2)
    assert other.count("c") == 0
    other.close()


def test_threads_over_a_folder(tmp_path: Path) -> None:
    config = {
        "path": str(tmp_path / "m.db"),
        "vector_store": {"provider": "qdrant", "config": {"path": str(tmp_path / "q")}},
    }
    with Memory(config, embedder=DeterministicEmbedding(8)) as m, ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda at: m.add(f"fact number {at}", user_id=f"u{at % 4}"), range(40)))
        assert [result[0]["event"] for result in done] == ["ADD"] * 40
        assert [m.get_all(user_id=f"u{at}").total for at in range(4)] == [10] * 4
        assert m.get_all().total == 40


# -- collections ------------------------------------------------------------------------------------


def test_the_embedder_is_recorded_and_named_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = {
        "path": str(tmp_path / "m.db"),
        "vector_store": {"provider": "qdrant", "config": {"path": str(tmp_path / "q")}},
    }
    with Memory(config) as m:
        m.add("The cat sleeps on the sofa.", user_id="alice")
        recorded = m.vector_store.embedder("mem0")
        assert recorded is not None
        assert (recorded.dims, recorded.model, recorded.provider) == (384, "all-MiniLM-L6-v2", "onnx")
    with Memory(config) as m:
        assert isinstance(m.embedding_model, OnnxEmbedding)
        assert m.search("Where does the cat sleep?", user_id="alice")[0]["memory"] == "The cat sleeps on the sofa."


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (models.VectorParams(size=2, distance=models.Distance.DOT), "measures by Dot"),
        ({name: models.VectorParams(size=2, distance=models.Distance.COSINE) for name in "ab"}, "has the vectors"),
        (
            models.VectorParams(
                size=2,
                distance=models.Distance.COSINE,
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            ),
            "several vectors for each point",
        ),
    ],
)
def test_collections_that_memories_cannot_be_kept_in(vectors: Any, told: str) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("c", vectors_config=vectors)
    with Qdrant(client=client) as store, pytest.raises(StorageError, match=told):
        store.col_info("c")
    client.close()


def test_one_named_vector_is_used_under_its_name() -> None:
    client = QdrantClient(":memory:")
    client.create_collection("c", vectors_config={"text": models.VectorParams(size=2, distance=models.Distance.COSINE)})
    with Qdrant(client=client) as store:
        store.insert("c", [[1.0, 0.0], [0.0, 1.0]], [payload_of("a"), payload_of("b")], [row_id(0), row_id(1)])
        assert store.search("c", [1.0, 0.0], 1)[0].payload["data"] == "a"
        assert store.get("c", row_id(1)).vector == [0.0, 1.0]  # type: ignore[union-attr]
        found = store.candidates("c", Query(Scope("alice"), "a", array([1.0, 0.0]), 2))
        assert "add_keyword_leg" in found.skipped["keyword"]
    client.close()


def test_the_legs_it_cannot_have_are_told() -> None:
    with Qdrant(path=":memory:") as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]], [payload_of("a")], [row_id(0)])
        found = store.candidates("c", Query(Scope("alice"), "a", array([1.0, 0.0]), 2))
        assert found.skipped.keys() == {"late", "late_window"}
        assert not found.skipped.keys() & found.legs.keys()


def test_ids_are_uuids_or_the_whole_numbers_of_other_programs() -> None:
    with Qdrant(path=":memory:") as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]], [payload_of("of others")], ["7"])
        assert store.get("c", "7").payload["data"] == "of others"  # type: ignore[union-attr]
        assert [row.id for row in store.list("c")] == ["7"]
        assert store.delete_each("c", ["7", "8", "x"]) == {}
        assert store.count("c") == 0
        for id in ("01", "-1", "x", "1" * 5000, str(uuid.uuid4()).upper(), uuid.uuid4().hex):
            assert store.get("c", id) is None
            store.delete("c", id)
            with pytest.raises(ValidationError, match="an id is a UUID in Qdrant"):
                store.insert("c", [[1.0, 0.0]], [{}], [id])


def test_points_of_other_programs_get_the_keyword_leg_by_their_own_ids() -> None:
    client = QdrantClient(":memory:")
    with Qdrant(client=client) as store:
        store.create_col("c", 2)
        client.upsert("c", [models.PointStruct(id=7, vector={"": [1.0, 0.0]}, payload=payload_of("likes tea"))])
        assert store.add_keyword_leg("c") == 1
        found = store.candidates("c", Query(Scope("alice"), "tea", array([1.0, 0.0]), 2))
        assert found.legs["keyword"][0] > 0
    client.close()


def test_a_published_configuration_whose_variables_are_not_set() -> None:
    config = {"url": "", "api_key": "", "host": None, "path": ":memory:", "on_disk": False}
    with VectorStoreFactory.create("qdrant", config) as store:
        store.create_col("c", 2)


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="scores are cosines"):
        Qdrant(path=":memory:").create_col("c", 2, "dot")
    with Qdrant(path=":memory:") as store, pytest.raises(StorageError, match="no collection 'c'; create_col"):
        store.insert("c", [[1.0, 0.0]])
    with Qdrant(path=":memory:") as store, pytest.raises(StorageError, match="no collection 'c'"):
        store.add_keyword_leg("c")


# -- the keyword leg --------------------------------------------------------------------------------


def leg_of(store: Qdrant, text: str, **scope: str) -> dict[str, float]:
    found = store.candidates("c", Query(Scope(**scope), text, None, 10))
    scores = found.legs.get("keyword", [])  # where nothing was found, no leg says anything
    return {row.payload["data"]: float(score) for row, score in zip(found.keys, scores, strict=True)}


@pytest.fixture
def store() -> Any:
    texts = ["The cat sleeps on the sofa", "Interest rates rose again", "我的猫叫小雨", "Der Zug fährt nach Köln"]
    with Qdrant(path=":memory:") as store:
        store.create_col("c", 2)
        store.insert("c", [[1.0, 0.0]] * 4, [payload_of(text) for text in texts], [row_id(at) for at in range(4)])
        store.insert("c", [[1.0, 0.0]], [payload_of("Bob's cat", Scope("bob"))], [row_id(9)])
        yield store


def test_words_find_memories_of_the_scope_without_a_vector(store: Qdrant) -> None:
    assert leg_of(store, "Where does the cat sleep?", user_id="alice")["The cat sleeps on the sofa"] > 0.8
    assert leg_of(store, "小雨", user_id="alice") == {"我的猫叫小雨": pytest.approx(1.0, abs=0.25)}
    assert [*leg_of(store, "cat", user_id="bob")] == ["Bob's cat"]
    assert leg_of(store, "xylophone", user_id="alice") == {}


def test_the_identical_text_scores_almost_1_and_half_of_it_less(store: Qdrant) -> None:
    same = leg_of(store, "Interest rates rose again", user_id="alice")
    assert same["Interest rates rose again"] >= 0.99
    half = leg_of(store, "interest in xylophones", user_id="alice")["Interest rates rose again"]
    assert 0.1 < half < 0.7


def test_the_leg_follows_the_text(store: Qdrant) -> None:
    store.update("c", row_id(0), payload=payload_of("The dog barks"))
    assert leg_of(store, "cat", user_id="alice") == {}
    assert leg_of(store, "dog", user_id="alice")["The dog barks"] > 0.5
    store.update("c", row_id(0), payload=payload_of("…"))
    assert leg_of(store, "dog", user_id="alice") == {}


def test_what_only_words_find_has_its_similarity_too(store: Qdrant) -> None:
    store.insert("c", [[0.0, 1.0]], [payload_of("A zebra")], [row_id(20)])
    found = store.candidates("c", Query(Scope("alice"), "zebra", array([1.0, 0.0]), 2))
    dense = {row.payload["data"]: float(score) for row, score in zip(found.keys, found.legs["dense"], strict=True)}
    assert dense["A zebra"] == pytest.approx(0.0, abs=1e-6)
    assert set(found.legs) == {
        *("similarity", "dense", "keyword", "near_dense", "near_keyword", "session_dense", "speaker", "asks")
    }


def test_a_long_question_is_bounded(store: Qdrant) -> None:
    text = " ".join(f"word{at}" for at in range(5_000)) + " cat"
    assert leg_of(store, text, user_id="alice") == {}
    assert leg_of(store, "cat " + text, user_id="alice")


def test_sparse_vectors_are_the_tokens_of_the_library() -> None:
    assert keyword.document({"data": "…"}) is None
    assert keyword.document({}) is None
    vector = keyword.document({"data": "tea or tea or coffee"})
    assert vector is not None
    by_word = dict(zip(vector.indices, vector.values, strict=True))
    assert len(by_word) == 3
    assert max(by_word.values()) < 1


def test_the_order_is_much_as_the_embedded_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    texts = [
        "I moved to Lisbon in March",
        "I'm allergic to peanuts",
        "My cat is called Luna",
        "I play tennis on weekends",
        "My sister lives in Porto",
        "I work as a nurse at night",
    ]
    questions = ["What can't she eat?", "Where does she live?", "pet's name", "sports", "When does she work?"]
    best = {}
    for name, store in (
        ("sqlite", {}),
        ("qdrant", {"vector_store": {"provider": "qdrant", "config": {"path": ":memory:"}}}),
    ):
        with Memory({"path": str(tmp_path / f"{name}.db"), **store}) as m:
            for number, text in enumerate(texts):
                # Each in a conversation of its own, so that the embedded store's neighbours have no part in it.
                m.add(text, user_id="ana", run_id=f"r{number}")
            best[name] = [[row["memory"] for row in m.search(question, user_id="ana")[:2]] for question in questions]
    same = [ours[0] == theirs[0] for ours, theirs in zip(best["qdrant"], best["sqlite"], strict=True)]
    assert sum(same) >= 4, best


# -- neighbours -------------------------------------------------------------------------------------

CHAT = [
    "Ana: How long was the flight to Oslo?",
    "Ben: Two and a half hours.",
    "Ana: And the food?",
    "Ben: Cold fish, would you believe it.",
    "Ana: Poor you!",
]


def talked(m: Memory) -> None:
    for day, user in ((0, "ana"), (0, "ben"), (9, "ana")):
        for minute, text in enumerate(CHAT):
            text = text if day == 0 else text.replace("Oslo", "Rome").replace("fish", "soup")
            m.add(
                text, user_id=user, timestamp=f"2026-05-{day + 1:02}T10:{minute:02}", metadata={"day": day}, infer=False
            )
    m.add("Ana has been to Oslo and Rome.", user_id="ana", metadata={"day": 9}, infer=True)


@pytest.fixture
def chats(tmp_path: Path) -> Any:
    """The same conversations and one fact in both stores, whose vectors are compared as wholes."""
    llm = ScriptedLLM([json.dumps({"memory": [{"text": "Ana has been to Oslo and Rome."}]})] * 2)
    with (
        memory(path=str(tmp_path / "s.db"), llm=llm, embedder=DeterministicEmbedding(32)) as ours,
        memory(
            {"vector_store": {"provider": "qdrant", "config": {"path": ":memory:"}}},
            path=str(tmp_path / "q.db"),
            llm=llm,
            embedder=DeterministicEmbedding(32),
        ) as theirs,
    ):
        talked(ours)
        talked(theirs)
        yield ours, theirs


def explained(m: Memory, question: str, **rest: Any) -> dict[str, dict[str, float]]:
    found = m.search(question, user_id="ana", explain=True, **rest)
    return {row["memory"]: row["explain"]["legs"] for row in found}


def test_neighbours_and_sessions_are_those_of_the_embedded_store(chats: Any) -> None:
    ours, theirs = (explained(m, "How long was the flight to Oslo?") for m in chats)
    assert len(ours) == len(theirs) == 8  # three turns are said in both talks, and kept once
    for text, legs in ours.items():
        for name in ("dense", "near_dense", "session_dense"):
            assert theirs[text][name] == pytest.approx(legs[name], abs=1e-5), (text, name)
        assert (theirs[text]["near_keyword"] > 0) == (legs["near_keyword"] > 0), text


def test_an_answer_is_found_by_the_question_before_it_also_where_few_are_asked_for(chats: Any) -> None:
    found = chats[1].search("How long was the flight to Oslo?", user_id="ana", limit=2)
    assert [row["memory"] for row in found] == CHAT[:2]


def test_a_neighbour_that_is_filtered_out_counts_and_is_not_returned(chats: Any) -> None:
    found = chats[1].search("Oslo", user_id="ana", filters={"day": 9}, explain=True)
    assert {row["metadata"]["day"] for row in found} == {9}
    assert not [row for row in found if row["memory"] in CHAT[:1]]


def test_of_too_many_turns_nobody_knows_the_neighbours(chats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_neighbours, "_MOST", 3)
    found = chats[1].search("Oslo", user_id="ana", explain=True)
    assert "too many to read" in found[0]["explain"]["skipped"]["near_keyword"]
    assert {row["explain"]["legs"]["near_keyword"] for row in found} == {0.0}
