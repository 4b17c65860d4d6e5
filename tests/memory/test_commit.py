"""A commit is stored in the store and in the history, or in neither: whatever fails, and wherever."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mem0 import Memory
from mem0.exceptions import ConflictError, Mem0Error, MemoryNotFoundError, StorageError
from mem0.history.base import Intent
from mem0.history.sqlite import SQLiteManager
from mem0.memory.commit import Committer
from mem0.memory.deciding import decide
from mem0.memory.payloads import fingerprint_of, new_payload
from mem0.testing import DeterministicEmbedding, FailingVectorStore, StoreCall, memory
from mem0.types import Change, HistoryRow, Record, Scope
from mem0.vector_stores.sqlite import SQLiteVectorStore

# -- what shall become of each change ---------------------------------------------------------------


def payload(text: str, version: int = 1, **more: Any) -> dict[str, Any]:
    made = new_payload(text, Scope("u"), created_at="2026-01-01T00:00:00+00:00", metadata={}, **more)
    made["_mem0"]["version"] = version
    return made


def add(id: str, text: str, **more: Any) -> Change:
    return Change("ADD", id, payload(text, **more))


def update(id: str, text: str, version: int | None = 1) -> Change:
    return Change("UPDATE", id, payload(text, (version or 1) + 1), version=version)


def delete(id: str, version: int | None = None) -> Change:
    return Change("DELETE", id, version=version)


def decided(changes: Sequence[Change], present: dict[str, str] | None = None, **more: Any) -> list[tuple[str, str]]:
    """Return what becomes of changes among rows given by id and text, as (status, id of the other)."""
    rows = {id: Record(id, payload(text, **more)) for id, text in (present or {}).items()}
    holders: dict[str, list[Record]] = {}
    for row in rows.values():
        mark = fingerprint_of(Change("ADD", row.id, row.payload))
        assert mark is not None
        holders.setdefault(mark, []).append(row)
    return [
        (outcome.status, outcome.other.id if outcome.other else "") for outcome in decide(changes, rows, holders, 0)
    ]


def test_a_text_that_is_there_is_not_added() -> None:
    assert decided([add("2", "I like TEA."), add("3", "coffee")], {"1": "I like tea"}) == [
        ("duplicate", "1"),
        ("applied", ""),
    ]


def test_a_text_that_comes_twice_is_added_once() -> None:
    assert decided([add("1", "tea"), add("2", "Tea!")]) == [("applied", ""), ("duplicate", "1")]


def test_what_is_deleted_or_changed_in_the_same_commit_holds_no_text_any_more() -> None:
    assert decided([delete("1"), add("2", "tea")], {"1": "tea"}) == [("applied", ""), ("applied", "")]
    assert decided([update("1", "coffee"), add("2", "tea")], {"1": "tea"}) == [("applied", ""), ("applied", "")]
    assert decided([add("2", "tea"), delete("1")], {"1": "tea"}) == [("applied", ""), ("applied", "")]


def test_a_new_text_counts_for_what_comes_after() -> None:
    assert decided([update("1", "coffee"), add("2", "coffee")], {"1": "tea"}) == [("applied", ""), ("duplicate", "1")]
    assert decided([add("2", "coffee"), update("1", "coffee")], {"1": "tea"}) == [("applied", ""), ("duplicate", "2")]
    assert decided([update("1", "coffee"), update("1", "cake", 2), add("2", "coffee")], {"1": "tea"}) == [
        ("applied", ""),
        ("applied", ""),
        ("applied", ""),
    ]


def test_a_row_is_judged_as_the_changes_before_left_it() -> None:
    assert decided([update("1", "coffee"), update("1", "cake")], {"1": "tea"}) == [("applied", ""), ("stale", "")]
    assert decided([delete("1"), update("1", "cake")], {"1": "tea"}) == [("applied", ""), ("missing", "")]
    assert decided([delete("1"), delete("1")], {"1": "tea"}) == [("applied", ""), ("missing", "")]
    assert decided([update("1", "coffee", version=2)], {"1": "tea"}) == [("stale", "")]
    assert decided([delete("9"), update("9", "x")], {"1": "tea"}) == [("missing", ""), ("missing", "")]


def test_an_update_may_keep_its_text_and_not_take_anothers() -> None:
    rows = {"1": "tea", "2": "coffee"}
    assert decided([update("1", "Tea"), update("2", "tea")], rows) == [("applied", ""), ("duplicate", "1")]


def test_a_row_that_ends_earlier_holds_no_text() -> None:
    assert decided([add("2", "tea")], {"1": "tea"}, expiration_date="1970-01-01") == [("applied", "")]
    assert decided([add("2", "tea", expiration_date="1969-01-01")], {"1": "tea"}, expiration_date="1970-01-01") == [
        ("duplicate", "1")
    ]


# -- a store and a history that fail ----------------------------------------------------------------


class FailingHistory(SQLiteManager):
    """Raises where it is told to: while rows are appended, when the transaction they are in ends, or after it has."""

    fail_on: str | None = None
    between: Callable[[], None] | None = None  # called whenever a commit has been written down
    _done: frozenset[str] = frozenset()

    def append(self, rows: Sequence[HistoryRow]) -> None:
        super().append(rows)
        self._done |= {"append"}
        if self.fail_on == "append":
            raise ConnectionError("the history is gone")

    def put_intent(self, intent: Intent) -> None:
        super().put_intent(intent)
        self._done |= {"put_intent"}

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self._done = frozenset()
        with super().transaction() as connection:
            yield connection
            done = self._done
            if "append" in done and self.fail_on == "commit":
                raise ConnectionError("the history is gone")
        if "append" in done and self.fail_on == "answer":
            raise ConnectionError("the connection is gone")
        if "put_intent" in done and self.between is not None:
            self.between()


@pytest.fixture
def store() -> Iterator[FailingVectorStore]:
    with FailingVectorStore(SQLiteVectorStore()) as store:
        yield store


@pytest.fixture
def history(tmp_path: Path) -> Iterator[FailingHistory]:
    with FailingHistory(tmp_path / "h.db") as history:
        yield history


@pytest.fixture
def m(store: FailingVectorStore, history: FailingHistory) -> Iterator[Memory]:
    with memory(vector_store=store, history=history) as m:
        m.add(["I like tea", "I live in Lisbon", "I have a cat"], user_id="u")
        yield m


def snapshot(m: Memory) -> Any:
    """Everything there is: rows with their vectors, their history, and what is written down."""
    rows = {row["id"]: row for row in m.get_all(limit=1000)}
    vectors = {id: m.vector_store.get("mem0", id).vector for id in rows}  # type: ignore[union-attr]
    assert isinstance(m.db, SQLiteManager)
    with m.db.database.read() as connection:
        history = connection.execute("SELECT * FROM history ORDER BY seq").fetchall()
        journal = connection.execute("SELECT * FROM journal").fetchall()
    return rows, vectors, history, journal


def ids(m: Memory) -> list[str]:
    return [row["id"] for row in reversed(m.get_all(limit=1000))]


WRITES: dict[str, Callable[[Memory], Any]] = {
    "add": lambda m: m.add(["one", "two", "three"], user_id="u"),
    "update": lambda m: m.update(ids(m)[0], "I like coffee", metadata={"a": 1}),
    "patch": lambda m: m.update(ids(m)[0], metadata={"a": 1}),
}
FAILURES: dict[str, tuple[list[str], Any]] = {
    "before anything": (["add", "update", "patch"], "apply"),
    "after the first row": (["add"], {"insert": 2}),
    "at the last row": (["add"], {"insert": 3}),
    "at the update": (["update", "patch"], {"update": 1}),
    "while planning": (["add", "update"], "with_fingerprint"),
    "while recording the embedder": (["add", "update"], lambda call: call.verb == "embedder"),
}


@pytest.mark.parametrize(("write", "failure"), [(w, f) for f, (writes, _) in FAILURES.items() for w in writes])
def test_what_the_store_refuses_is_kept_nowhere(m: Memory, store: FailingVectorStore, write: str, failure: str) -> None:
    before = snapshot(m)
    store.fail_on = FAILURES[failure][1]
    with pytest.raises(Mem0Error, match="on purpose") as caught:
        WRITES[write](m)
    assert isinstance(caught.value, StorageError)
    store.fail_on = None
    assert snapshot(m) == before
    WRITES[write](m)
    assert snapshot(m) != before


@pytest.mark.parametrize("write", ["add", "update", "patch"])
def test_an_answer_that_is_lost_is_a_refusal(m: Memory, store: FailingVectorStore, write: str) -> None:
    before = snapshot(m)
    store.after, store.fail_on = True, "apply"
    with pytest.raises(
        StorageError, match="FailingVectorStore or FailingHistory failed.*ConnectionError.*nothing was stored"
    ):
        WRITES[write](m)
    store.fail_on = None
    assert snapshot(m) == before


@pytest.mark.parametrize("write", ["add", "update", "patch", "delete", "delete_all"])
@pytest.mark.parametrize("fail_on", ["append", "commit"])
def test_what_the_history_refuses_is_kept_nowhere(m: Memory, history: FailingHistory, write: str, fail_on: str) -> None:
    writes = {
        **WRITES,
        "delete": lambda m: m.delete(ids(m)[1]),
        "delete_all": lambda m: m.delete_all(user_id="u"),
    }
    before = snapshot(m)
    history.fail_on = fail_on
    with pytest.raises(StorageError, match="the history is gone"):
        writes[write](m)
    history.fail_on = None
    assert snapshot(m) == before
    writes[write](m)
    assert snapshot(m) != before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_commit_is_undone_at_once(
    m: Memory, store: FailingVectorStore, error: type[BaseException]
) -> None:
    before = snapshot(m)
    store.error, store.fail_on = error, {"insert": 2}
    with pytest.raises(error):
        WRITES["add"](m)
    assert snapshot(m) == before


@pytest.mark.parametrize("then", ["the next commit", "the next open"])
@pytest.mark.parametrize("write", ["add", "update", "delete"])
def test_what_could_not_be_undone_is_undone_later(
    m: Memory, store: FailingVectorStore, history: FailingHistory, write: str, then: str
) -> None:
    before = snapshot(m)
    if write == "add":
        _break_half_way(m, store)
        assert len(m.get_all(user_id="u", limit=1000)) == 5  # half of it is there, and written down
    else:
        writes = {**WRITES, "delete": lambda m: m.delete_all(user_id="u")}
        _die_after_apply(m, writes[write])
        assert snapshot(m)[:2] != before[:2]
    if then == "the next open":
        with memory(vector_store=store, history=history) as again:
            assert snapshot(again) == before
    else:
        assert m.add("I like tea", user_id="u")[0]["event"] == "NONE"
        assert snapshot(m) == before


def _break_half_way(m: Memory, store: FailingVectorStore) -> None:
    """Add "one", "two" and "three" to a store that goes away before the third, and with it the repair."""
    inserted = 0

    def fail(call: StoreCall) -> bool:
        nonlocal inserted
        inserted += call.verb == "insert"
        return inserted == 3 and call.verb in ("insert", "update", "delete", "get")

    store.fail_on = fail
    with pytest.raises(StorageError, match="on purpose.*could not be undone.*before the next commit") as caught:
        WRITES["add"](m)
    assert isinstance(caught.value.__cause__, StorageError)
    store.fail_on = None


def _die_after_apply(m: Memory, write: Callable[[Memory], Any]) -> None:
    """Let a write end as a process does that is killed when the store has it and the history not yet."""

    class Death(BaseException):
        pass

    def die(self: Committer, *arguments: Any) -> Any:
        raise Death

    def dies_after(self: Any, *arguments: Any) -> None:
        apply(self, *arguments)
        raise Death

    apply = FailingVectorStore.apply
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Death):
        patch.setattr(Committer, "_give_up", lambda self, error: None)
        patch.setattr(Committer, "_record_deletions", die)
        patch.setattr(FailingVectorStore, "apply", dies_after)
        write(m)


def test_a_half_stored_text_is_not_taken_for_a_memory(m: Memory, store: FailingVectorStore) -> None:
    before = snapshot(m)
    _break_half_way(m, store)
    assert m.add("one", user_id="u", dry_run=True)[0]["event"] == "ADD"
    assert snapshot(m) == before
    _break_half_way(m, store)
    added = m.add("one", user_id="u")[0]
    assert added["event"] == "ADD"
    m.add("something else", user_id="u")
    assert m.get(added["id"]) is not None


def test_another_process_undoes_what_a_dead_one_left(
    m: Memory, store: FailingVectorStore, history: FailingHistory, tmp_path: Path
) -> None:
    before = snapshot(m)
    _die_after_apply(m, WRITES["update"])
    assert snapshot(m) != before
    with SQLiteManager(tmp_path / "h.db") as other, memory(vector_store=store, history=other):
        pass
    assert snapshot(m) == before


def test_a_row_that_was_changed_twice_becomes_what_it_was(
    m: Memory, store: FailingVectorStore, history: FailingHistory
) -> None:
    before = snapshot(m)
    (id, *_) = ids(m)
    first = m.vector_store.get("mem0", id)
    assert first is not None
    second = Change("UPDATE", id, {**first.payload, "data": "second"})
    third = Change("UPDATE", id, {**first.payload, "data": "third"})
    store.after, store.fail_on = True, {"update": 2}
    with pytest.raises(StorageError, match="on purpose"):
        Committer(store, history, "mem0").commit([second, third], None, "now", 0.0)
    store.fail_on = None
    assert snapshot(m) == before


@pytest.mark.parametrize("write", ["update", "patch", "delete", "delete_all"])
def test_a_row_comes_back_with_the_vectors_of_its_tokens(tmp_path: Path, write: str) -> None:
    writes = {
        **WRITES,
        "delete": lambda m: m.delete(ids(m)[0]),
        "delete_all": lambda m: m.delete_all(user_id="u"),
    }
    with FailingHistory(tmp_path / "h.db") as history, Memory(path=tmp_path / "m.db", history=history) as m:
        m.add(["I like tea", "我的猫叫小雨"], user_id="u")  # the bundled embedder does not know the second's script
        before = {id: m.vector_store.get("mem0", id) for id in ids(m)}
        assert [row is not None and row.tokens is not None for row in before.values()] == [True, False]
        late = m.search("tea", user_id="u", explain=True)[0]["explain"]["legs"]["late"]
        history.fail_on = "commit"
        with pytest.raises(StorageError, match="the history is gone"):
            writes[write](m)
        history.fail_on = None
        assert {id: m.vector_store.get("mem0", id) for id in ids(m)} == before
        assert m.search("tea", user_id="u", explain=True)[0]["explain"]["legs"]["late"] == late
        assert m.check().ok


def test_what_an_earlier_version_was_about_to_do_leaves_the_vectors_of_tokens(tmp_path: Path) -> None:
    with SQLiteManager(tmp_path / "h.db") as history, Memory(path=tmp_path / "m.db", history=history) as m:
        cat = m.add("The cat sleeps", user_id="u")[0]["id"]
        before = m.vector_store.get("mem0", cat)
        assert before is not None
        assert before.tokens
        rows = [{"id": cat, "payload": before.payload, "vector": before.vector}]  # its journal knew no tokens
        content = json.dumps({"made_it": False, "rows": rows})
        with history.transaction():
            history.put_intent(Intent("dead", Committer(m.vector_store, history, "mem0").ledger, content))
        m.add("Rates rose", user_id="u")
        assert history.intents(Committer(m.vector_store, history, "mem0").ledger) == []
        assert m.vector_store.get("mem0", cat) == before


def test_undoing_twice_is_undoing_once(m: Memory, store: FailingVectorStore) -> None:
    before = snapshot(m)
    _die_after_apply(m, WRITES["update"])
    # The repair dies too, after it has brought the row back and before that is struck out.
    store.after, store.fail_on = True, {"update": 1}
    with pytest.raises(StorageError, match="on purpose"):
        m.add("something", user_id="u")
    store.fail_on = None
    m.delete(m.add("something", user_id="u")[0]["id"], purge=True)
    assert snapshot(m) == before


# -- deleting ---------------------------------------------------------------------------------------


def test_what_cannot_be_deleted_is_named_and_the_others_go(m: Memory, store: FailingVectorStore) -> None:
    stays = ids(m)[1]
    m.add("of another user", user_id="v")
    store.fail_on = lambda call: call.verb == "delete" and call.arguments["vector_id"] == stays
    assert m.delete_all(user_id="u") == {"message": "Memories deleted", "deleted": 2, "failed": [stays]}
    store.fail_on = None
    assert [row["memory"] for row in m.get_all()] == ["of another user", "I live in Lisbon"]
    assert [row["event"] for row in m.history(stays)] == ["ADD"]
    assert m.delete_all(user_id="u")["deleted"] == 1
    assert [row["event"] for row in m.history(stays)] == ["ADD", "DELETE"]


def test_a_purge_keeps_the_history_of_what_stays(m: Memory, store: FailingVectorStore) -> None:
    first, stays, last = ids(m)
    store.fail_on = lambda call: call.verb == "delete" and call.arguments["vector_id"] == stays
    result = m.delete_all(user_id="u", purge=True)
    assert result["failed"] == [stays]
    assert result["receipt"] == {"memories": 2, "history_rows": 2, "complete": False}
    assert [len(m.history(id)) for id in (first, stays, last)] == [0, 1, 0]
    with pytest.raises(StorageError, match=f"{stays}.*could not be deleted"):
        m.delete(stays, purge=True)
    assert len(m.history(stays)) == 1


def test_one_that_cannot_be_deleted_is_still_there(m: Memory, store: FailingVectorStore) -> None:
    before = snapshot(m)
    store.fail_on = "delete"
    with pytest.raises(StorageError, match="could not be deleted"):
        m.delete(ids(m)[0])
    store.fail_on = None
    assert snapshot(m) == before
    with pytest.raises(MemoryNotFoundError):
        m.delete("unknown")


def test_a_store_with_transactions_deletes_all_or_none(history: FailingHistory) -> None:
    store = FailingVectorStore(transactional=True)
    with store, memory(vector_store=store, history=history) as m:
        m.add(["I like tea", "I live in Lisbon"], user_id="u")
        before = snapshot(m)
        store.fail_on = "apply"
        with pytest.raises(StorageError, match="on purpose"):
            m.delete_all(user_id="u")
        store.fail_on = None
        assert snapshot(m) == before
        assert m.delete_all(user_id="u")["deleted"] == 2


# -- reset ------------------------------------------------------------------------------------------


def test_a_reset_that_is_refused_changes_nothing(m: Memory, store: FailingVectorStore) -> None:
    before = snapshot(m)
    store.fail_on = "delete_col"
    with pytest.raises(StorageError, match="on purpose"):
        m.reset()
    store.fail_on = None
    assert snapshot(m) == before
    m.add("still here", user_id="u")
    assert m.get_all().total == 4


@pytest.mark.parametrize("unclaimed", [False, True])
def test_a_reset_that_a_crash_cut_off_is_finished(
    m: Memory, store: FailingVectorStore, history: FailingHistory, unclaimed: bool
) -> None:
    history.add_history("old", None, "of an older layout", "ADD")
    clear = Committer._clear

    class Death(BaseException):
        pass

    def die(self: Committer, unclaimed: bool) -> Any:
        clear(self, unclaimed)
        raise Death

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Death):
        patch.setattr(Committer, "_clear", die)
        patch.setattr(FailingHistory, "drop_intent", lambda self, id: True)
        m.reset(purge=unclaimed)
    assert store.col_info("mem0") is None
    assert len(snapshot(m)[2]) == 4
    with memory(vector_store=store, history=history) as again:
        assert [row[2] for row in snapshot(again)[2]] == ([] if unclaimed else ["old"])
        assert snapshot(again)[3] == []
        assert again.add("anew", user_id="u")[0]["event"] == "ADD"


def test_a_reset_strikes_out_what_was_pending(m: Memory, history: FailingHistory) -> None:
    _die_after_apply(m, WRITES["add"])
    assert snapshot(m)[3]
    m.reset()
    assert snapshot(m) == ({}, {}, [], [])


# -- others at the same time ------------------------------------------------------------------------


def test_a_commit_that_was_taken_for_dead_begins_anew(
    m: Memory, store: FailingVectorStore, history: FailingHistory, tmp_path: Path
) -> None:
    with SQLiteManager(tmp_path / "h.db") as other:
        times = 0

        def meddle() -> None:
            nonlocal times
            times += 1
            if times <= 3:
                Committer(store, other, "mem0").recover()

        history.between = meddle
        change = m.add("one more", user_id="u")[0]
    assert times == 4
    assert [row["event"] for row in m.history(change["id"])] == ["ADD"]
    assert m.get_all().total == 4
    assert snapshot(m)[3] == []


def test_a_commit_that_is_always_undone_says_so(
    m: Memory, store: FailingVectorStore, history: FailingHistory, tmp_path: Path
) -> None:
    before = snapshot(m)
    with SQLiteManager(tmp_path / "h.db") as other:
        history.between = lambda: Committer(store, other, "mem0").recover()
        with pytest.raises(ConflictError, match="try again"):
            m.add("one more", user_id="u")
    assert snapshot(m) == before


@pytest.mark.parametrize("write", ["the same text", "the same memory"])
def test_what_comes_between_is_seen(
    m: Memory, store: FailingVectorStore, history: FailingHistory, tmp_path: Path, write: str
) -> None:
    """Another process commits after this one has decided, and before it has begun."""
    with SQLiteManager(tmp_path / "h.db") as other_history:
        other = Memory(vector_store=store, history=other_history, embedder=DeterministicEmbedding())
        target = ids(m)[0]
        results: list[Any] = []

        def between() -> None:
            history.between = None
            if write == "the same text":
                results.extend(other.add("I like cake", user_id="u"))
            else:
                results.append(other.update(target, metadata={"by": "the other"}))

        history.between = between
        if write == "the same text":
            change = m.add("I like cake", user_id="u")[0]
            assert (change["event"], change["id"]) == ("NONE", results[0]["id"])
            assert m.get_all().total == 4
        else:
            assert m.update(target, metadata={"mine": 1})["metadata"] == {"by": "the other", "mine": 1}
            assert len(m.history(target)) == 3
        other.close()


def test_threads_on_one_journal_lose_nothing_and_agree(m: Memory) -> None:
    added: list[Any] = []
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(8):
                added.extend(m.add(f"text {number} of {thread}", user_id="u"))
                added.extend(m.add(f"text {number} of all", user_id="u"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(added) == 128
    events = [change["event"] for change in added if change["memory"].endswith("of all")]
    assert sorted(events) == ["ADD"] * 8 + ["NONE"] * 56
    assert m.get_all().total == 3 + 64 + 8
    rows, _, history, journal = snapshot(m)
    assert len(history) == len(rows)
    assert journal == []


def test_where_the_answer_to_a_commit_is_lost_the_error_does_not_say_what_became_of_it(
    m: Memory, history: FailingHistory
) -> None:
    before = snapshot(m)
    history.fail_on = "answer"
    with pytest.raises(StorageError, match="FailingHistory did not say whether it committed.*call again") as caught:
        m.add("I like coffee", user_id="u")
    assert "nothing was stored" not in str(caught.value)
    history.fail_on = None
    assert snapshot(m) != before
    assert [change["event"] for change in m.add("I like coffee", user_id="u")] == ["NONE"]


def test_ctrl_c_stays_ctrl_c_even_where_nothing_can_be_undone(
    m: Memory, store: FailingVectorStore, caplog: pytest.LogCaptureFixture
) -> None:
    before = snapshot(m)
    interrupted: list[StoreCall] = []

    def interrupt(call: StoreCall) -> bool:
        if call.verb == "insert" and not interrupted:
            interrupted.append(call)
            raise KeyboardInterrupt
        return bool(interrupted)

    store.fail_on = interrupt
    with pytest.raises(KeyboardInterrupt):
        m.add(["one", "two"], user_id="u")
    assert "could not be undone yet" in caplog.text
    store.fail_on = None
    m.update(ids(m)[0], metadata={})
    assert snapshot(m) == before


def test_an_update_that_changes_nothing_does_not_rest_on_what_is_undone(m: Memory, history: FailingHistory) -> None:
    id = ids(m)[0]
    committer = Committer(m.vector_store, history, "mem0")
    row = m.vector_store.get("mem0", id)
    assert row is not None
    with history.transaction():  # as another process leaves it that was killed after it had changed the row
        content = json.dumps(
            {"rows": [{"id": id, "payload": row.payload, "vector": list(map(float, row.vector or ()))}]}
        )
        history.put_intent(Intent("dead", committer.ledger, content))
    recover = Committer.recover

    def too_early(self: Committer) -> list[str]:
        return []

    m.vector_store.update("mem0", id, None, {**row.payload, "seen": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Committer, "recover", too_early)  # it was written down after the call had looked
        assert m.update(id, metadata={"seen": True})["metadata"] == {"seen": True}
    recover(committer)
    assert (m.get(id) or {})["metadata"] == {"seen": True}


# -- one transaction --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file", "memory"])
def test_on_one_file_a_history_that_fails_leaves_the_store_alone(tmp_path: Path, where: str) -> None:
    path = str(tmp_path / "m.db") if where == "file" else ":memory:"
    with SQLiteVectorStore({"path": path}) as store:
        history = FailingHistory(database=store.database)
        with memory(vector_store=store, history=history) as m:
            m.add(["I like tea", "I live in Lisbon"], user_id="u")
            before = snapshot(m)
            history.fail_on = "append"
            for write in (*WRITES.values(), lambda m: m.delete(ids(m)[0]), lambda m: m.delete_all(user_id="u")):
                with pytest.raises(StorageError, match="nothing was stored"):
                    write(m)
            history.fail_on = None
            assert snapshot(m) == before


def test_on_one_file_nothing_is_written_down_twice(tmp_path: Path) -> None:
    with memory(path=str(tmp_path / "m.db")) as m:
        statements: list[str] = []
        m.vector_store.database.on_connect(lambda connection: connection.set_trace_callback(statements.append))  # type: ignore[attr-defined]
        m.add("I like tea", user_id="u")
        assert [each for each in statements if "journal " in each] == []
        assert statements.count("BEGIN IMMEDIATE") == 1
