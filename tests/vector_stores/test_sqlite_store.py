"""The embedded store: what reaches it, what it refuses, and that everything comes back as it went in."""

from __future__ import annotations

import gc
import json
import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem0.exceptions import ClosedError, ConfigError, StorageCorruptError, StorageError, ValidationError
from mem0.storage import Database
from mem0.testing import memory
from mem0.types import Change, Embedder, Scope
from mem0.vector_stores import sqlite_image
from mem0.vector_stores.base import Query
from mem0.vector_stores.sqlite import SQLiteVectorStore

VECTOR = [1.0, 0.0, 0.0, 0.0]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteVectorStore]:
    path = str(tmp_path / "m.db") if request.param == "file" else ":memory:"
    with SQLiteVectorStore({"path": path}) as store:
        store.create_col("c", 4)
        yield store


def everything(store: SQLiteVectorStore) -> list[Any]:
    with store.database.read() as connection:
        tables = ["collections", "memories", "vectors", "attributes", "removals"]
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


# -- vectors ----------------------------------------------------------------------------------------

UNUSABLE = {
    "inf": [math.inf, 0, 0, 0],
    "-inf": [0, -math.inf, 0, 1],
    "NaN": [math.nan, 1, 1, 1],
    "zero": [0.0, 0, 0, 0],
    "too large for float32": [1e300, 1, 1, 1],
    "a length that float32 cannot hold": [3e38, 3e38, 3e38, 3e38],
    "too small for float32": [1e-60, 0, 0, 0],
    "a length that float32 takes for zero": [1e-30, 1e-30, 0, 0],
    "too short": [1.0, 0, 0],
    "too long": [1.0, 0, 0, 0, 0],
    "empty": [],
    "nested": [[1.0, 0, 0, 0]],
    "text": ["a", "b", "c", "d"],
    "uneven": [[1.0], 0, 0, 0],
    "None": [None, 1, 1, 1],
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_vector_without_direction_never_gets_in(store: SQLiteVectorStore, what: str) -> None:
    vector: Any = UNUSABLE[what]
    store.insert("c", [VECTOR], [{"data": "kept"}], ["kept"])
    before = everything(store)
    with pytest.raises(ValidationError):
        store.insert("c", [VECTOR, vector], [{}, {}], ["good", "bad"])
    with pytest.raises(ValidationError):
        store.update("c", "kept", vector, {"data": "changed"})
    try:
        array = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError):
        array = None
    if array is not None:
        for event, id in [("ADD", "bad"), ("UPDATE", "kept")]:
            good = Change("ADD", "good", {"data": "x"}, np.array(VECTOR, dtype=np.float32))
            with pytest.raises(ValidationError, match=id):
                store.apply("c", [good, Change(event, id, {"data": "y"}, array)], Embedder(4))
    assert everything(store) == before


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_question_without_direction_is_refused(store: SQLiteVectorStore, what: str) -> None:
    store.insert("c", [VECTOR], [{"data": "kept"}], ["kept"])
    with pytest.raises(ValidationError, match="question"):
        store.search("c", UNUSABLE[what])  # type: ignore[arg-type]


def test_vectors_of_any_length_come_back_as_they_were(store: SQLiteVectorStore) -> None:
    vectors = {"tiny": [3e-12, 4e-12, 0, 0], "huge": [0.0, 0, 3e12, 4e12], "plain": [0.5, -0.25, 2, 1]}
    store.insert("c", list(vectors.values()), None, list(vectors))
    for id, vector in vectors.items():
        found = store.get("c", id)
        assert found is not None
        assert found.vector == pytest.approx(vector, rel=1e-6)
        best = store.search("c", vector, limit=1)[0]
        assert best.id == id
        assert best.score == pytest.approx(1.0, abs=1e-6)


def test_scores_are_the_cosine_and_never_below_zero(store: SQLiteVectorStore) -> None:
    store.insert("c", [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [-1, 0, 0, 0]], None, ["same", "half", "none", "back"])
    found = store.search("c", [2, 0, 0, 0], limit=10)
    assert [row.id for row in found][:2] == ["same", "half"]
    assert [row.score for row in found] == pytest.approx([1, math.sqrt(0.5), 0, 0], abs=1e-6)
    assert store.search("c", [2, 0, 0, 0], limit=0) == []
    assert len(store.search("c", [2, 0, 0, 0], limit=2)) == 2


# -- payloads ---------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OWN = {"data", "hash", "created_at", "updated_at", "user_id", "agent_id", "run_id", "role", "actor_id"}
PAYLOADS = st.dictionaries(TEXTS.filter(lambda key: key not in OWN | {"expiration_date", "_mem0"}), JSON, max_size=4)


@pytest.fixture(scope="module")
def one_store() -> Iterator[SQLiteVectorStore]:
    with SQLiteVectorStore() as store:
        store.create_col("c", 4)
        yield store


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(payload=PAYLOADS, data=TEXTS, other=PAYLOADS)
def test_any_json_comes_back_as_it_went_in(
    one_store: SQLiteVectorStore, payload: dict[str, Any], data: str, other: dict[str, Any]
) -> None:
    for wanted in ({**payload, "data": data, "user_id": "ü'%"}, {**other, "data": data}):
        one_store.insert("c", [VECTOR], [wanted], ["x"])
        found = one_store.get("c", "x")
        assert found is not None
        # As text: 1 and 1.0, 0.0 and -0.0 are equal but not the same.
        assert json.dumps(found.payload) == json.dumps(wanted)
        (listed,) = one_store.list("c")
        assert json.dumps(listed.payload) == json.dumps(wanted)
        one_store.update("c", "x", payload={**other, "data": data})
        found = one_store.get("c", "x")
        assert found is not None
        assert json.dumps(found.payload) == json.dumps({**other, "data": data})


@pytest.mark.parametrize(
    "payload",
    [
        {"data": 5},
        {"data": ["a"]},
        {"user_id": 5},
        {"created_at": 5},
        {"_mem0": "text"},
        {"key": math.nan},
        {"key": [math.inf]},
        {"key": object},
        {"key": {1, 2}},
        {"key": "\ud800"},
        {"user_id": "\ud800"},
    ],
    ids=ascii,
)
def test_what_is_no_payload_is_refused(store: SQLiteVectorStore, payload: dict[str, Any]) -> None:
    store.insert("c", [VECTOR], [{"data": "kept"}], ["kept"])
    before = everything(store)
    with pytest.raises(ValidationError):
        store.insert("c", [VECTOR, VECTOR], [{}, payload], ["good", "bad"])
    with pytest.raises(ValidationError):
        store.update("c", "kept", payload=payload)
    assert everything(store) == before


def test_a_payload_is_the_callers(store: SQLiteVectorStore) -> None:
    payload = {"data": "x", "tags": ["a"]}
    store.insert("c", [VECTOR], [payload], ["x"])
    found = store.get("c", "x")
    assert found is not None
    found.payload["tags"].append("b")
    payload["tags"].append("c")  # type: ignore[union-attr]
    again = store.get("c", "x")
    assert again is not None
    assert again.payload == {"data": "x", "tags": ["a"]}


# -- the verbs --------------------------------------------------------------------------------------


def test_inserting_needs_as_many_of_each(store: SQLiteVectorStore) -> None:
    for arguments in [([VECTOR], [{}], None), ([VECTOR], [{}], ["a", "b"]), ([VECTOR], [{}, {}], ["a"])]:
        with pytest.raises(ValidationError, match="insert"):
            store.insert("c", *arguments)
    with pytest.raises(ValidationError, match="no row 'a'"):
        store.update("c", "a", payload={})
    with pytest.raises(ValidationError, match="new and needs a vector"):
        store.apply("c", [Change("UPDATE", "a", {"data": "x"})], None)
    store.delete("c", "a")
    with pytest.raises(ValidationError, match="'absent' does not exist"):
        store.insert("absent", [VECTOR], [{}], ["a"])
    assert store.get("absent", "a") is None
    assert store.list("absent") == []
    assert store.count("absent") == 0
    assert store.search("absent", VECTOR) == []
    assert store.col_info("absent") is None


def test_a_row_keeps_its_place_when_it_changes(store: SQLiteVectorStore) -> None:
    store.insert("c", [VECTOR] * 3, [{"data": str(number)} for number in range(3)], ["0", "1", "2"])
    store.update("c", "0", payload={"data": "changed"})
    store.insert("c", [[0, 1, 0, 0]], [{"data": "replaced"}], ["1"])
    assert [(row.id, row.payload["data"]) for row in store.list("c")] == [
        ("2", "2"),
        ("1", "replaced"),
        ("0", "changed"),
    ]
    first = store.get("c", "0")
    assert first is not None
    assert first.vector == VECTOR
    assert store.search("c", [0, 1, 0, 0], limit=1)[0].id == "1"


def test_listing_is_newest_first_and_takes_any_page(store: SQLiteVectorStore) -> None:
    times = ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2025-06-01", "2026-01-01T00:00:00.5Z", "nonsense"]
    store.insert("c", [VECTOR] * 5, [{"created_at": time} for time in times], list("abcde"))
    assert [row.id for row in store.list("c")] == ["d", "b", "a", "c", "e"]
    assert [row.id for row in store.list("c", limit=2, offset=1)] == ["b", "a"]
    assert [row.id for row in store.list("c", limit=None, offset=3)] == ["c", "e"]
    assert len(store.list("c", limit=10**30)) == 5
    assert store.list("c", offset=10**30) == []
    assert store.list("c", limit=0) == []


def test_expired_rows_are_left_out_when_asked(store: SQLiteVectorStore) -> None:
    ends = [None, "1970-01-02", "1970-01-02T00:00:00+00:00"]
    payloads = [{"data": f"word {end}", **({"expiration_date": end} if end else {})} for end in ends]
    store.insert("c", [VECTOR] * 3, payloads, ["never", "day", "moment"])
    day = 24 * 3600.0
    for alive_at, wanted in [
        (None, {"never", "day", "moment"}),
        (day - 1, {"never", "day", "moment"}),
        (day, {"never", "day"}),
        (2 * day, {"never"}),
    ]:
        assert {row.id for row in store.list("c", alive_at=alive_at)} == wanted
        assert store.count("c", alive_at=alive_at) == len(wanted)
        found = store.candidates("c", Query(Scope(), "word", np.array(VECTOR, np.float32), 9, None, alive_at))
        assert {row.id for row in store.fetch("c", found.keys) if row} == wanted


def test_deleting_by_filter(store: SQLiteVectorStore) -> None:
    store.insert(
        "c", [VECTOR] * 1200, [{"user_id": "ab"[n % 2], "n": n} for n in range(1200)], list(map(str, range(1200)))
    )
    assert store.delete_where("c", {"user_id": "a", "n": {"gte": 10}}) == 595
    assert store.count("c") == 605
    assert len(store.search("c", VECTOR, limit=2000)) == 605
    assert store.delete_where("c", {"user_id": "nobody"}) == 0


def test_ids_are_literal(store: SQLiteVectorStore) -> None:
    ids = ["*", "%", "_", "a' OR 1=1 --", "x&run_id=1", '"', "\\", "é", "e\u0301", "🦊", " a ", "A", "a"]
    store.insert("c", [VECTOR] * len(ids), [{"user_id": id} for id in ids], ids)
    for id in ids:
        assert [row.id for row in store.list("c", {"user_id": id})] == [id]
        assert [row.id for row in store.search("c", VECTOR, 100, {"user_id": id})] == [id]
        assert store.count("c", {"user_id": id}) == 1
    for id in ids:
        store.delete("c", id)
        assert store.get("c", id) is None
    assert store.count("c") == 0


def test_a_contradiction_finds_nothing(store: SQLiteVectorStore) -> None:
    store.insert("c", [VECTOR] * 2, [{"user_id": "a"}, {"user_id": "b"}], ["a", "b"])
    both = {"AND": [{"user_id": "a"}, {"user_id": "b"}]}
    assert store.list("c", both) == []
    assert store.search("c", VECTOR, 5, both) == []
    found = store.candidates("c", Query(Scope(user_id="a"), "", np.array(VECTOR, np.float32), 5, {"user_id": "b"}))
    assert list(found.keys) == []


def test_collections_keep_apart(store: SQLiteVectorStore) -> None:
    store.create_col("d", 2)
    store.create_col("c", 99)  # there already: left as it is
    store.insert("c", [VECTOR], [{"data": "in c"}], ["x"])
    store.insert("d", [[0.0, 1.0]], [{"data": "in d"}], ["x"])
    assert list(store.list_cols()) == ["c", "d"]
    assert store.col_info("c") == {
        "name": "c",
        "vector_size": 4,
        "count": 1,
        "distance": "cosine",
        "model": None,
        "provider": None,
    }
    assert [row.payload for row in store.search("d", [0, 1])] == [{"data": "in d"}]
    store.delete_col("c")
    store.delete_col("c")
    assert list(store.list_cols()) == ["d"]
    assert store.get("c", "x") is None
    assert store.count("d") == 1
    with store.database.read() as connection:
        for table in ("memories", "vectors"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    store.create_col("c", 3)
    assert store.search("c", [1, 0, 0]) == []
    store.insert("c", [[1, 0, 0]], [{"data": "anew"}], ["x"])
    assert [row.payload["data"] for row in store.search("c", [1, 0, 0])] == ["anew"]


def test_collections_that_are_gone_leave_no_image_behind(store: SQLiteVectorStore) -> None:
    for number in range(5):
        store.create_col(f"c{number}", 4)
        store.insert(f"c{number}", [VECTOR], [{}], ["x"])
        assert len(store.search(f"c{number}", VECTOR)) == 1
        store.delete_col(f"c{number}")
    store.insert("c", [VECTOR], [{}], ["x"])
    store.search("c", VECTOR)
    assert len(store._image._indexes) == 1


def test_only_the_cosine_is_known(store: SQLiteVectorStore) -> None:
    with pytest.raises(ConfigError, match="cosine"):
        store.create_col("d", 4, "euclid")
    with pytest.raises(ConfigError, match="vector_size=0"):
        store.create_col("d", 0)


def test_the_embedder_is_recorded_with_the_first_vector(store: SQLiteVectorStore) -> None:
    assert store.embedder("new") is None
    change = Change("ADD", "x", {"data": "x"}, np.array([1.0, 0.0], dtype=np.float32))
    store.apply("new", [], Embedder(2, "model", "provider"))
    assert store.embedder("new") is None
    store.apply("new", [change], Embedder(2, "model", "provider"))
    assert store.embedder("new") == Embedder(2, "model", "provider")
    store.apply("new", [Change("DELETE", "x")], None)
    assert store.embedder("new") == Embedder(2, "model", "provider")


def test_a_failed_commit_records_no_embedder(store: SQLiteVectorStore) -> None:
    bad = Change("ADD", "x", {"data": "x"}, np.array([1.0, 0.0, 0.0], dtype=np.float32))
    with pytest.raises(ValidationError):
        store.apply("new", [bad], Embedder(2, "model"))
    assert list(store.list_cols()) == ["c"]


# -- the file ---------------------------------------------------------------------------------------


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "m.db")
    with SQLiteVectorStore({"path": path}) as store:
        store.create_col("c", 4)
        store.insert("c", [VECTOR], [{"data": "I like tea", "tags": ["a", 1]}], ["x"])
    with SQLiteVectorStore({"path": path}) as store:
        (found,) = store.search("c", VECTOR)
        assert (found.id, found.payload) == ("x", {"data": "I like tea", "tags": ["a", 1]})
        assert store.get("c", "x") is not None


def test_after_close_it_says_so(store: SQLiteVectorStore) -> None:
    store.insert("c", [VECTOR], [{}], ["x"])
    store.search("c", VECTOR)
    store.close()
    store.close()
    for use in (
        lambda: store.get("c", "x"),
        lambda: store.search("c", VECTOR),
        lambda: store.insert("c", [VECTOR], [{}], ["y"]),
        store.list_cols,
    ):
        with pytest.raises(ClosedError):
            use()
    assert not store._image._indexes
    gc.collect()


def test_a_database_that_was_handed_over_stays_open() -> None:
    with Database() as database:
        SQLiteVectorStore(database=database).close()
        with SQLiteVectorStore(database=database) as store:
            store.create_col("c", 4)
            store.insert("c", [VECTOR], [{"n": "A"}], ["x"])
            assert len(store.list("c", {"n": {"icontains": "a"}})) == 1  # which takes an SQL function of ours


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE memories SET payload = '{\"data\": '",
        "UPDATE memories SET payload = CAST(x'ff7b7d' AS TEXT)",
        "UPDATE vectors SET vector = x'00'",
        "UPDATE vectors SET vector = x'0000c07f0000c07f0000c07f0000c07f'",
        "UPDATE vectors SET vector = zeroblob(16)",
        "UPDATE vectors SET terms = x'00'",
        "UPDATE vectors SET traits = x'00'",
        "UPDATE vectors SET late = x'00'",
    ],
)
def test_a_damaged_row_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.db"
    with SQLiteVectorStore({"path": str(path)}) as store:
        store.create_col("c", 4)
        store.insert("c", [VECTOR] * 2, [{"data": "secret words"}] * 2, ["x", "y"])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"{damage} WHERE seq = 1")
        for _ in range(2):
            with pytest.raises(StorageCorruptError, match=str(path)) as caught:
                store.fetch("c", store.candidates("c", Query(Scope(), "words", np.array(VECTOR), 9)).keys)
            assert "secret" not in str(caught.value)
        store.delete("c", "x")
        assert [row.id for row in store.search("c", VECTOR)] == ["y"]


def test_a_foreign_table_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE memories (mine TEXT)")
        connection.execute("INSERT INTO memories VALUES ('keep me')")
    with pytest.raises(StorageError, match=f"{path}.*memories already exists"):
        memory(path=str(path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("memories",)]
        assert connection.execute("SELECT * FROM memories").fetchall() == [("keep me",)]


def test_who_reads_late_what_others_have_read_on_reads_that_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SQLiteVectorStore({"path": str(tmp_path / "m.db")}) as store:
        store.create_col("c", 4)
        store.insert("c", [VECTOR] * 3, [{"n": n} for n in range(3)], list("abc"))
        store.search("c", VECTOR)
        (image,) = store._image._indexes.values()
        matching = sqlite_image.matching_rows

        def slow(*arguments: Any) -> Any:
            monkeypatch.setattr(sqlite_image, "matching_rows", matching)
            found = matching(*arguments)
            store.insert("c", [VECTOR], [{"n": 3}], ["d"])
            store.delete("c", "a")
            assert {row.id for row in store.search("c", VECTOR)} == set("bcd")
            return found

        monkeypatch.setattr(sqlite_image, "matching_rows", slow)
        assert {row.id for row in store.search("c", VECTOR, 9, {"n": {"gte": 0}})} == set("bcd")
        assert list(store._image._indexes.values()) == [image]  # and it was not read anew


def test_an_image_of_what_was_taken_back_is_dropped(tmp_path: Path) -> None:
    with SQLiteVectorStore({"path": str(tmp_path / "m.db")}) as store:
        store.create_col("c", 4)
        store.insert("c", [VECTOR], [{}], ["kept"])
        with pytest.raises(ZeroDivisionError), store.database.transaction():
            store.insert("c", [VECTOR], [{}], ["taken back"])
            assert len(store.search("c", VECTOR)) == 2
            raise ZeroDivisionError
        assert [row.id for row in store.search("c", VECTOR)] == ["kept"]


def test_readers_beside_a_writer_read_on(tmp_path: Path) -> None:
    """A thread that had begun to read before another one read newer rows neither fails nor starts anew."""
    path = str(tmp_path / "m.db")
    with SQLiteVectorStore({"path": path}) as store:
        store.create_col("c", 4)
        done = threading.Event()
        errors: list[BaseException] = []

        def read() -> None:
            try:
                seen = 0
                while not done.is_set():
                    found = {row.id for row in store.search("c", VECTOR, 10_000)}
                    # Rows come and never go: whoever looks again sees as many, and no gap among them.
                    assert len(found) >= seen
                    assert found == {str(number) for number in range(len(found))}
                    seen = len(found)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(150):
                store.insert("c", [VECTOR], [{"data": "x"}], [str(number)])
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert errors == []
        assert len(store.search("c", VECTOR, 10_000)) == 150
