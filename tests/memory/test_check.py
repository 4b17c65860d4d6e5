"""check() finds planted damage and repairs it; rebuild() brings back a store that was lost."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from plain_store import PlainStore

from mem0 import AsyncMemory, CheckReport, ConfigError, EmbeddingError, Memory, StorageCorruptError, ValidationError
from mem0.memory.checking import HARMLESS
from mem0.testing import DeterministicEmbedding
from mem0.text import TOKENS_VERSION
from mem0.types import HistoryRow
from mem0.vector_stores.base import VectorStoreBase


def kinds(report: CheckReport) -> list[str]:
    return sorted(finding.kind for finding in report.findings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.db"


def opened(path: Path, **more: Any) -> Memory:
    return Memory(path=path, embedder=DeterministicEmbedding(8), **more)


def filled(m: Memory) -> dict[str, str]:
    """Store some memories, change and delete some, and return the ids by what they say."""
    texts = ["The cat sleeps", "Rates rose", "Tea, please", "我的猫叫小雨"]
    ids = {text: m.add(text, user_id="alice", metadata={"n": at})[0]["id"] for at, text in enumerate(texts)}
    m.update(ids["Rates rose"], "Rates fell", metadata={"topic": "money"})
    m.delete(ids["Tea, please"])
    return ids


def damaged(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = ON")
    with connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


def test_nothing_is_found_where_nothing_is_wrong(path: Path) -> None:
    with opened(path) as m:
        assert m.check() == CheckReport(0, 0, (), True)
        filled(m)
        assert m.check() == m.check(repair=True) == CheckReport(3, 4, (), True)


DAMAGE: list[tuple[str, str, tuple[Any, ...]]] = [
    ("vector", "UPDATE vectors SET vector = zeroblob(32) WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("vector", "UPDATE vectors SET checksum = 1 WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("vector", "DELETE FROM vectors WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("tokens", "UPDATE vectors SET terms = x'00000000' WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("traits", "UPDATE vectors SET traits = x'00' WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("traits", "UPDATE vectors SET traits = NULL WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("traits", "UPDATE vectors SET traits = zeroblob(9) WHERE seq = (SELECT seq FROM memories WHERE id = ?)", ()),
    ("text", "UPDATE memories SET payload = replace(payload, 'cat', 'dog') WHERE id = ?", ()),
    ("payload", "UPDATE memories SET payload = '{\"data\": ' WHERE id = ?", ()),
    ("scope", "UPDATE memories SET user_id = 'bob' WHERE id = ?", ()),
    ("lost", "DELETE FROM memories WHERE id = ?", ()),
    ("undeleted", "UPDATE history SET event = 'DELETE', new_value = NULL WHERE memory_id = ?", ()),
    ("behind", "UPDATE history SET new_value = 'The dog sleeps' WHERE memory_id = ?", ()),
    ("unrecorded", "DELETE FROM history WHERE memory_id = ?", ()),
]


@pytest.mark.parametrize(("kind", "statement", "_"), DAMAGE, ids=[f"{case[0]}{at}" for at, case in enumerate(DAMAGE)])
def test_damage_is_found_and_repaired(path: Path, kind: str, statement: str, _: tuple[Any, ...]) -> None:
    with opened(path) as m:
        cat = filled(m)["The cat sleeps"]
        before = m.get(cat)
    damaged(path, (statement, (cat,)))
    with opened(path) as m:
        found = m.check()
        assert kind in kinds(found)
        assert {finding.memory_id for finding in found.findings} == {cat}
        assert found.ok == (kind in HARMLESS)
        assert m.check() == found  # looking changes nothing
        repaired = m.check(repair=True)
        assert repaired.ok
        if kind in HARMLESS:
            assert not repaired.findings[0].repaired
            return
        assert all(finding.repaired for finding in repaired.findings)
        assert m.check() == CheckReport(repaired.memories, 4, (), True)
        if kind == "undeleted":
            assert m.get(cat) is None
            return
        assert m.get(cat) == before
        assert m.search("cat", user_id="alice")[0]["id"] == cat
        assert m.search("cat", user_id="bob") == []
        if kind == "behind":
            assert [row["new_value"] for row in m.history(cat)] == ["The dog sleeps", "The cat sleeps"]


@pytest.mark.parametrize(
    "damage",
    [
        "vector = x'00'",
        "vector = zeroblob(1536)",
        "vector = zeroblob(1536), late = NULL, checksum = 1813832062",  # which fits it, as of a file without them
        "vector = 'text'",
        "terms = x'00'",
        "terms = 'text'",
        "traits = x'00'",
        "traits = NULL",
        "late = x'00'",
        "late = 'text'",
        "late = NULL",
        "late = substr(late, 65)",
        "late = CAST(x'7f' || substr(late, 2) AS BLOB)",
    ],
)
def test_a_search_names_what_is_damaged_and_how_to_mend_it(path: Path, damage: str) -> None:
    with Memory(path=path) as m:
        cat = m.add("The cat sleeps", user_id="alice")[0]["id"]
        m.add("Rates rose", user_id="alice")
        before = m.get(cat), m.search("cat", user_id="alice", explain=True)
    damaged(path, (f"UPDATE vectors SET {damage} WHERE seq = 1", ()))
    with Memory(path=path) as m:
        for _ in range(2):
            with pytest.raises(StorageCorruptError, match=rf"{path}.*; check\(repair=True\) mends") as caught:
                m.search("cat", user_id="alice")
        assert cat in str(caught.value) or "no direction" in str(caught.value)
        assert {finding.memory_id for finding in m.check().findings} == {cat}
        assert m.check(repair=True).ok
        assert (m.get(cat), m.search("cat", user_id="alice", explain=True)) == before


def test_a_memory_whose_vector_cannot_be_read_is_named(path: Path) -> None:
    with opened(path) as m:
        cat = m.add("The cat sleeps", user_id="alice")[0]["id"]
    damaged(path, ("UPDATE vectors SET vector = x'00'", ()))
    with opened(path) as m:
        with pytest.raises(StorageCorruptError, match=rf"{path}: memory '{cat}': its vector .*check\(repair=True\)"):
            m.get(cat)
        assert m.check(repair=True).ok
        assert m.get(cat) is not None


def test_vectors_of_words_that_are_lacking_are_made(path: Path) -> None:
    question = {"query": "where does the cat sleep", "user_id": "alice", "explain": True}
    with Memory({"embedder": {"provider": "onnx", "config": {"late_interaction": False}}}, path=path) as m:
        cat = m.add("The cat sleeps on the sofa", user_id="alice", infer=False)[0]["id"]
        m.add("我喜欢喝绿茶", user_id="alice", infer=False)  # a script that the embedder does not know has none
        assert m.check() == CheckReport(2, 2, (), True)
    with Memory({"embedder": {"provider": "onnx"}}, path=path) as m:
        m.add("Rates rose again", user_id="alice", infer=False)
        found = m.check()
        assert [(finding.kind, finding.memory_id) for finding in found.findings] == [("words", cat)]
        assert found.ok
        told = m.search(**question)[0]["explain"]
        assert told["legs"]["late"] is None
        assert "without vectors of words" in told["skipped"]["late"]
        assert m.check(repair=True).findings[0].repaired
        assert m.check() == CheckReport(3, 3, (), True)
        told = m.search(**question)[0]["explain"]
        assert told["legs"]["late"] > 0.5
        assert "late" not in told["skipped"]


def test_a_damaged_file_is_said_to_be(path: Path) -> None:
    with opened(path) as m:
        for at in range(200):
            m.add(f"fact number {at}", user_id="alice")
    damaged(
        path,
        ("PRAGMA writable_schema = ON", ()),
        ("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'memories_changed'", ()),
    )
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle + 8 : middle + 400] = b"\xff" * 392
    path.write_bytes(raw)
    try:
        with opened(path) as m:
            found = m.check()
    except Exception as error:
        assert str(path) in str(error)  # so badly that it cannot be read
    else:
        assert not found.ok


def test_repairs_stop_where_the_embedder_fails_and_go_on_later(path: Path) -> None:
    with opened(path) as m:
        filled(m)
    damaged(path, ("UPDATE vectors SET checksum = 1", ()))

    class Broken(DeterministicEmbedding):
        def embed(self, text: str) -> list[float]:
            raise ConnectionError("gone")

        def embed_batch(self, texts: Any) -> Any:
            raise ConnectionError("gone")

    with Memory(path=path, embedder=Broken(8)) as m, pytest.raises(EmbeddingError):
        m.check(repair=True)
    with opened(path) as m:
        assert m.check(repair=True).ok


def test_an_older_file_is_given_checksums(path: Path) -> None:
    with opened(path) as m:
        filled(m)
    damaged(
        path,
        ("ALTER TABLE vectors RENAME COLUMN terms TO tokens", ()),
        ("ALTER TABLE vectors DROP COLUMN checksum", ()),
        ("ALTER TABLE vectors DROP COLUMN traits", ()),
        ("ALTER TABLE vectors DROP COLUMN late", ()),
        ("ALTER TABLE history DROP COLUMN payload", ()),
        ("DELETE FROM mem0_migrations WHERE number > 1", ()),
    )
    with opened(path) as m:
        assert m.check() == CheckReport(3, 4, (), True)


def test_a_file_whose_checksums_are_of_vectors_alone_is_given_those_of_their_tokens_too(path: Path) -> None:
    with Memory(path=path) as m:
        m.add(["The cat sleeps", "Rates rose"], user_id="alice", infer=False)
        damage = m.add("Tea, please", user_id="alice")[0]["id"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("crc", 1, zlib.crc32)
        connection.execute("ALTER TABLE vectors RENAME COLUMN terms TO tokens")
        connection.execute("UPDATE vectors SET checksum = crc(vector)")
        connection.execute("UPDATE vectors SET vector = zeroblob(1536) WHERE seq = 3")
        connection.execute("DELETE FROM mem0_migrations WHERE component = 'store' AND number > 3")
    with Memory(path=path) as m:
        assert [(finding.kind, finding.memory_id) for finding in m.check().findings] == [("vector", damage)]


def test_an_older_file_is_searched_by_the_terms_of_today(path: Path) -> None:
    with opened(path) as m:
        filled(m)
        honey = m.add("Jörg: Ich habe elf Kilo Lindenblütenhonig", user_id="u")[0]["id"]
    damaged(
        path,
        ("UPDATE vectors SET terms = x'00000000', traits = zeroblob(9)", ()),
        ("ALTER TABLE vectors RENAME COLUMN terms TO tokens", ()),
        ("UPDATE collections SET tokens_version = 1", ()),
        ("UPDATE memories SET payload = 'x' WHERE seq = 1", ()),
        ("DELETE FROM mem0_migrations WHERE component = 'store' AND number > 3", ()),
    )
    with opened(path) as m:
        found = m.search("Wie viel Honig hat Jorg?", user_id="u", explain=True)
        assert found[0]["id"] == honey
        assert found[0]["explain"]["legs"]["keyword"] > 0
        assert found[0]["explain"]["legs"]["speaker"] == 1
        # A row that cannot be read is no reason not to open the file.
        assert {finding.kind for finding in m.check().findings} == {"payload"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT tokens_version FROM collections").fetchall() == [(TOKENS_VERSION,)]


def test_a_process_of_an_older_version_that_has_the_file_open_writes_no_more(path: Path) -> None:
    with opened(path) as m:
        filled(m)
    damaged(
        path,
        ("ALTER TABLE vectors RENAME COLUMN terms TO tokens", ()),
        ("DELETE FROM mem0_migrations WHERE component = 'store' AND number > 5", ()),
    )
    theirs = "INSERT OR REPLACE INTO vectors (seq, vector, tokens, checksum) SELECT seq, vector, tokens, 0 FROM vectors"
    with closing(sqlite3.connect(path)) as older:
        older.execute(theirs)
        older.rollback()
        with opened(path) as m:
            with pytest.raises(sqlite3.OperationalError, match="no column named tokens"):
                older.execute(theirs)
            older.rollback()
            assert m.check().ok


# -- rebuilding -------------------------------------------------------------------------------------


def qdrant(folder: Path) -> dict[str, Any]:
    pytest.importorskip("qdrant_client", reason="Qdrant is one of the stores that are lost and rebuilt")
    return {"vector_store": {"provider": "qdrant", "config": {"path": str(folder / "qdrant")}}}


def separate(folder: Path) -> dict[str, Any]:
    return {"vector_store": {"provider": "sqlite", "config": {"path": str(folder / "store.db")}}}


def memory_with(make: Callable[[Path], dict[str, Any]], folder: Path) -> Memory:
    config = {**make(folder), "history_db_path": str(folder / "history.db")}
    return Memory(config, embedder=DeterministicEmbedding(8))


def lose(folder: Path) -> None:
    shutil.rmtree(folder / "qdrant", ignore_errors=True)
    for file in folder.glob("store.db*"):
        file.unlink()


@pytest.mark.parametrize("make", [qdrant, separate])
def test_a_store_that_was_lost_is_rebuilt_from_the_history(make: Callable[[Path], Any], tmp_path: Path) -> None:
    with memory_with(make, tmp_path) as m:
        ids = filled(m)
        m.add("of bob", user_id="bob", timestamp="2020-05-01", expiration_date="2099-01-01")
        before = {row["id"]: row for row in m.get_all(show_expired=True)}
        histories = {id: m.history(id) for id in ids.values()}
    lose(tmp_path)
    with memory_with(make, tmp_path) as m:
        assert m.get_all().total == 0
        report = m.rebuild()
        assert (report.memories, report.restored, report.unknown) == (4, 4, ())
        assert {row["id"]: row for row in m.get_all(show_expired=True)} == before
        assert {id: m.history(id) for id in ids.values()} == histories
        assert m.search("cat", user_id="alice")[0]["id"] == ids["The cat sleeps"]
        assert m.rebuild().restored == 0
        assert m.check().ok
        m.update(ids["The cat sleeps"], "The cat is awake")
        assert m.add("The cat is awake", user_id="alice")[0]["event"] == "NONE"


def test_rebuilding_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    with memory_with(separate, tmp_path) as m:
        m.add([f"fact number {at}" for at in range(150)], user_id="alice")
    lose(tmp_path)

    class Interrupted(DeterministicEmbedding):
        calls = 0

        def embed_batch(self, texts: Any) -> Any:
            self.calls += 1
            if self.calls > 2:
                raise ConnectionError("gone")
            return super().embed_batch(texts)

    config = {**separate(tmp_path), "history_db_path": str(tmp_path / "history.db")}
    with Memory(config, embedder=Interrupted(8)) as m:
        with pytest.raises(EmbeddingError):
            m.rebuild()
        done = m.get_all().total
        assert 0 < done < 150
    with memory_with(separate, tmp_path) as m:
        assert m.rebuild().restored == 150 - done
        assert m.get_all().total == 150


def test_rows_of_others_are_named_and_left(tmp_path: Path) -> None:
    store = PlainStore(tmp_path / "plain.db")
    with Memory(path=tmp_path / "h.db", vector_store=store, embedder=DeterministicEmbedding(8)) as m:
        tea = m.add("likes tea", user_id="alice")[0]["id"]
        store.insert("mem0", [[1.0] * 8], [{"data": "of others", "user_id": "alice"}], ["x"])
        store.update("mem0", tea, payload={"data": "spoilt"})
        report = m.rebuild()
        assert (report.restored, report.unknown) == (1, ("x",))
        assert sorted(row["memory"] for row in m.get_all()) == ["likes tea", "of others"]


def test_a_history_of_several_stores_is_asked_for_a_name(tmp_path: Path) -> None:
    for name in ("one", "other"):
        store = PlainStore(tmp_path / f"{name}.db")
        store.identity_of_this = name  # type: ignore[attr-defined]
        with Memory(path=tmp_path / "h.db", vector_store=_Named(store, name), embedder=DeterministicEmbedding(8)) as m:
            m.add(f"of {name}", user_id="alice")
    new = _Named(PlainStore(tmp_path / "new.db"), "new")
    with Memory(path=tmp_path / "h.db", vector_store=new, embedder=DeterministicEmbedding(8)) as m:
        with pytest.raises(ConfigError, match="name one as ledger=: mem0 in one, mem0 in other"):
            m.rebuild()
        with pytest.raises(ConfigError, match="no such name; it has: mem0 in one, mem0 in other"):
            m.rebuild(ledger="mem0 in nowhere")
        assert m.rebuild(ledger="mem0 in other").restored == 1
        (row,) = m.get_all()
        assert row["memory"] == "of other"
        assert len(m.history(row["id"])) == 1


class _Named(VectorStoreBase):
    """A store with an identity of its own."""

    def __new__(cls, store: PlainStore, name: str) -> Any:
        store.__class__ = type("Named", (PlainStore,), {"identity": property(lambda self: name)})
        return store


def test_a_handle_cannot_and_a_history_may_not_be_able_to(path: Path) -> None:
    with opened(path) as m:
        for verb in (m.scope(user_id="alice").check, m.scope(user_id="alice").rebuild):
            with pytest.raises(ValidationError, match="call it on the memory"):
                verb()
        assert m.rebuild().memories == 0


def test_a_history_of_an_older_layout_restores_text_time_and_scope(tmp_path: Path) -> None:
    store = PlainStore(tmp_path / "plain.db")
    with Memory(path=tmp_path / "h.db", vector_store=store, embedder=DeterministicEmbedding(8)) as m:
        row = HistoryRow("1", "m1", None, "likes tea", "ADD", "2024-01-01T00:00:00+00:00", 0, "")
        m.db.append([row])
        m.db.rename("", m._parts.committer.ledger)
        assert m.rebuild().restored == 1
        restored = m.get("m1")
        assert restored is not None
        assert (restored["memory"], restored["created_at"]) == ("likes tea", "2024-01-01T00:00:00+00:00")


def test_awaited(path: Path) -> None:
    async def used() -> None:
        async with AsyncMemory(path=path, embedder=DeterministicEmbedding(8)) as m:
            await m.add("likes tea", user_id="alice")
            assert (await m.check()).ok
            assert (await m.check(repair=True)).ok
            assert (await m.rebuild()).restored == 0

    asyncio.run(used())
