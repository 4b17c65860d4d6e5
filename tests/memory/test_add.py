"""What `add` keeps: every call form, and what becomes of the text, its identity, its time and its end."""

from __future__ import annotations

import copy
import uuid
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from mem0 import ConfigError, EmbeddingError, Memory, StorageError, ValidationError
from mem0.history.sqlite import SQLiteManager
from mem0.memory.payloads import fingerprint
from mem0.testing import DeterministicEmbedding, FailingVectorStore, FrozenClock, memory
from mem0.types import Scope
from mem0.vector_stores.sqlite import SQLiteVectorStore

TEXT = "I moved to Lisbon"


def kept(m: Memory, **scope: Any) -> list[str]:
    """Return the texts that are stored, oldest first."""
    return [row["memory"] for row in m.get_all(**scope)][::-1]


class TestCallForms:
    @pytest.mark.parametrize(
        "call",
        [
            lambda m: m.add(TEXT, user_id="alice"),
            lambda m: m.add(TEXT, "alice"),
            lambda m: m.add(data=TEXT, user_id="alice"),
            lambda m: m.add(messages=TEXT, user_id="alice"),
            lambda m: m.add([TEXT], user_id="alice"),
            lambda m: m.add((TEXT,), user_id="alice"),
            lambda m: m.add({"role": "user", "content": TEXT}, user_id="alice"),
            lambda m: m.add([{"role": "user", "content": TEXT}], user_id="alice"),
            lambda m: m.add(messages=[{"role": "user", "content": TEXT}], user_id="alice", infer=False),
            lambda m: m.add(data=[{"role": "user", "content": [{"type": "text", "text": TEXT}]}], user_id="alice"),
        ],
    )
    def test_every_form_keeps_the_same(self, m: Memory, call: Any) -> None:
        result = call(m)
        (row,) = m.get_all(user_id="alice")
        assert result == [{"id": row["id"], "memory": TEXT, "event": "ADD"}]
        assert row == {
            "id": row["id"],
            "memory": TEXT,
            "hash": row["hash"],
            "metadata": {},
            "created_at": "2026-03-01T12:00:00.000000+00:00",
            "updated_at": "2026-03-01T12:00:00.000000+00:00",
            "user_id": "alice",
            "role": "user",
        }
        assert uuid.UUID(row["id"]).version == 7
        assert len(row["hash"]) == 32

    def test_the_published_order_of_arguments(self, m: Memory) -> None:
        m.add(TEXT, "alice", "planner", "trip", {"topic": "travel"}, {"topic": "travel"})
        (row,) = m.get_all()
        assert (row["user_id"], row["agent_id"], row["run_id"]) == ("alice", "planner", "trip")
        assert row["metadata"] == {"topic": "travel"}

    def test_without_an_id(self, m: Memory) -> None:
        m.add(TEXT)
        (row,) = m.get_all()
        assert not {"user_id", "agent_id", "run_id"} & row.keys()

    @pytest.mark.parametrize("empty", ["", "   ", "\n\t", [], (), [""], [{"role": "user", "content": " "}]])
    def test_empty_input_costs_nothing(self, m: Memory, embedder: DeterministicEmbedding, empty: Any) -> None:
        result = m.add(empty, user_id="alice")
        assert result == []
        assert result["results"] == []
        assert embedder.calls == result.usage.embed_calls == 0

    def test_nothing_at_all_is_a_mistake(self, m: Memory) -> None:
        with pytest.raises(ValidationError, match="nothing was given"):
            m.add(user_id="alice")

    def test_the_text_under_both_names_is_a_mistake(self, m: Memory) -> None:
        with pytest.raises(ValidationError, match="two names of one argument"):
            m.add("a", data="b")

    def test_unknown_keywords_are_type_errors(self, m: Memory) -> None:
        with pytest.raises(TypeError, match="user"):
            m.add(TEXT, user="alice")  # type: ignore[call-arg]

    @pytest.mark.parametrize("asked", [{"infer": True}, {"prompt": "Only food"}, {"memory_type": "procedural_memory"}])
    def test_what_needs_an_llm_says_so(self, m: Memory, asked: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=rf"{next(iter(asked))}.* needs an LLM.*leave it out"):
            m.add(TEXT, user_id="alice", **asked)
        assert kept(m) == []

    def test_arguments_stay_the_callers(self, m: Memory) -> None:
        arguments: dict[str, Any] = {
            "messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}], "name": "Al"}],
            "metadata": {"tags": ["a"], "deep": {"n": 1}},
            "filters": {"user_id": "alice", "OR": [{"n": {"gt": 1}}]},
        }
        before = copy.deepcopy(arguments)
        m.add(**arguments, user_id="alice")
        assert arguments == before
        arguments["metadata"]["tags"].append("b")
        assert m.get_all()[0]["metadata"]["tags"] == ["a"]

    @pytest.mark.parametrize("filters", [{"user_id": "bob"}, {"n": {"around": 3}}])
    def test_filters_are_checked(self, m: Memory, filters: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            m.add(TEXT, user_id="alice", filters=filters)
        assert kept(m) == []


class TestConversations:
    def test_each_message_is_a_memory_in_order(self, m: Memory) -> None:
        m.add(["a first one", "a second one"], user_id="alice")
        assert kept(m) == ["a first one", "a second one"]

    def test_roles_and_names(self, m: Memory) -> None:
        m.add(
            [
                {"role": "system", "content": "You are kind."},
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": "Book a flight", "name": "Al"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "book"}}]},
                {"role": "tool", "content": "Booked: TP 123", "tool_call_id": "1"},
                {"role": "assistant", "content": "It is booked."},
            ],
            user_id="alice",
        )
        found = [(row["role"], row["memory"], row.get("actor_id")) for row in m.get_all()][::-1]
        assert found == [
            ("user", "Book a flight", "Al"),
            ("tool", "Booked: TP 123", None),
            ("assistant", "It is booked.", None),
        ]

    def test_the_text_is_kept_as_it_is(self, m: Memory) -> None:
        text = "  Zeile eins\n\n我喜欢猫 🐈  "
        m.add(text, user_id="alice")
        assert kept(m) == [text]

    def test_a_lone_surrogate_becomes_a_replacement_character(self, m: Memory) -> None:
        m.add("broken \ud83d end", user_id="alice")
        assert kept(m) == ["broken \ufffd end"]


class TestCost:
    def test_one_embed_call_and_one_commit(
        self, m: Memory, embedder: DeterministicEmbedding, statements: list[str]
    ) -> None:
        result = m.add(["likes tea", "has a dog", "lives in Porto"], user_id="alice")
        assert len(result) == 3
        assert embedder.calls == result.usage.embed_calls == 1
        assert [sql for sql in statements if sql.startswith("BEGIN IMMEDIATE")] == ["BEGIN IMMEDIATE"]
        assert result.usage.llm_calls == 0
        assert {"embed", "commit"} <= result.usage.seconds.keys()

    def test_what_is_known_already_is_not_embedded_again(
        self, m: Memory, embedder: DeterministicEmbedding, statements: list[str]
    ) -> None:
        m.add("likes tea", user_id="alice")
        statements.clear()
        m.add("Likes tea.", user_id="alice")
        assert embedder.texts == ["likes tea"]
        assert not any(sql.startswith("BEGIN IMMEDIATE") for sql in statements)

    def test_dry_run_stores_and_embeds_nothing(
        self, m: Memory, embedder: DeterministicEmbedding, statements: list[str]
    ) -> None:
        m.add("likes tea", user_id="alice")
        calls = embedder.calls
        statements.clear()
        result = m.add(["likes tea", "has a dog"], user_id="alice", dry_run=True)
        assert [(row["memory"], row["event"]) for row in result] == [("likes tea", "NONE"), ("has a dog", "ADD")]
        assert embedder.calls == calls
        assert not any(sql.startswith("BEGIN IMMEDIATE") for sql in statements)
        assert kept(m) == ["likes tea"]
        assert m.history(result[1]["id"]) == []


class TestDuplicates:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("Likes Coffee.", "likes coffee"),
            ("likes coffee", "  likes \n coffee  "),
            ("「猫が好き」", "猫が好き。"),
            ("Straße", "STRASSE"),
            ("ﬁne", "fine"),
            ("Ｌｉｋｅｓ tea", "likes tea"),
            ("e\u0301t\u00e9", "\u00e9te\u0301"),
            ('"Call me Al!"', "“Call me Al”"),
        ],
    )
    def test_the_same_words_are_one_memory(self, m: Memory, first: str, second: str) -> None:
        (added,) = m.add(first, user_id="alice")
        (again,) = m.add(second, user_id="alice", metadata={"n": 2})
        assert again == {"id": added["id"], "memory": first, "event": "NONE"}
        (row,) = m.get_all()
        assert row["metadata"] == {}
        assert len(m.history(added["id"])) == 1

    @pytest.mark.parametrize(
        ("first", "second"),
        [("C", "C++"), ("-5", "5"), ("C#", "C"), ("likes tea", "likes teas"), ("a.b", "ab"), ("!", "?"), ("5", "5%")],
    )
    def test_nothing_inside_is_ever_dropped(self, m: Memory, first: str, second: str) -> None:
        m.add(first, user_id="alice")
        assert m.add(second, user_id="alice")[0]["event"] == "ADD"

    def test_within_one_call(self, m: Memory) -> None:
        first, second = m.add(["likes tea", "Likes tea."], user_id="alice")
        assert first["event"] == "ADD"
        assert second == {"id": first["id"], "memory": "likes tea", "event": "NONE"}
        assert m.get_all().total == 1

    def test_who_says_it_counts(self, m: Memory) -> None:
        allergic = [
            {"role": "user", "name": name, "content": "I'm allergic to nuts."} for name in ("Ann", "Bob", "Ann")
        ]
        result = m.add(allergic, user_id="home", infer=False)
        assert [change["event"] for change in result] == ["ADD", "ADD", "NONE"]
        assert m.add(allergic[1], user_id="home", infer=False)[0]["event"] == "NONE"

    def test_a_turn_that_an_earlier_version_kept_without_its_speaker_stays_what_it_is(self, m: Memory) -> None:
        said = {"role": "user", "name": "Ann", "content": "Yes."}
        (kept,) = m.add(said, user_id="home", infer=False)
        row = m.vector_store.get("mem0", kept["id"])
        assert row is not None
        older = {**row.payload["_mem0"], "fingerprint": fingerprint("Yes.", Scope("home"), "user")}
        m.vector_store.update("mem0", kept["id"], payload={**row.payload, "_mem0": older})
        assert m.check().ok
        assert m.update(kept["id"], metadata={"seen": True})["metadata"] == {"seen": True}
        assert m.update(kept["id"], "No.")["memory"] == "No."

    def test_the_role_counts(self, m: Memory) -> None:
        result = m.add([{"role": "user", "content": "yes"}, {"role": "assistant", "content": "yes"}], user_id="alice")
        assert [row["event"] for row in result] == ["ADD", "ADD"]

    @pytest.mark.parametrize(
        "other",
        [
            {},
            {"user_id": "bob"},
            {"agent_id": "alice"},
            {"user_id": "alice", "agent_id": "planner"},
            {"user_id": "alice", "run_id": "trip"},
        ],
    )
    def test_the_identity_counts_absent_ids_included(self, m: Memory, other: dict[str, str]) -> None:
        m.add("likes tea", user_id="alice")
        assert m.add("likes tea", **other)[0]["event"] == "ADD"
        assert m.add("likes tea", **other)[0]["event"] == "NONE"

    def test_an_expired_memory_is_no_duplicate(self, m: Memory, clock: FrozenClock) -> None:
        m.add("is on holiday", user_id="alice", expiration_date="2026-03-05")
        clock.set("2026-03-06T00:00:00Z")
        assert m.add("is on holiday", user_id="alice")[0]["event"] == "ADD"

    def test_one_that_ends_earlier_does_not_stand_for_one_that_stays(self, m: Memory, clock: FrozenClock) -> None:
        m.add("is on holiday", user_id="alice", expiration_date="2026-03-05")
        assert m.add("is on holiday", user_id="alice")[0]["event"] == "ADD"
        clock.set("2026-04-01T00:00:00Z")
        assert m.search("holiday", user_id="alice").total == 1

    def test_a_deleted_memory_is_no_duplicate(self, m: Memory) -> None:
        (added,) = m.add("likes tea", user_id="alice")
        m.delete(added["id"])
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"

    def test_somebody_else_may_be_faster(self, clock: FrozenClock) -> None:
        """The texts are looked up, then embedded: in between another call may store one of them."""

        class Interrupted(DeterministicEmbedding):
            def embed_batch(self, texts: Any) -> Any:
                if not self.calls:
                    self.calls = 1
                    theirs.extend(m.add("likes tea", user_id="alice"))
                return super().embed_batch(texts)

        theirs: list[Any] = []
        with memory(embedder=Interrupted(), clock=clock) as m:
            ours = m.add(["likes tea", "LIKES TEA", "has a dog"], user_id="alice")
            there = {"id": theirs[0]["id"], "memory": "likes tea", "event": "NONE"}
            assert theirs[0]["event"] == "ADD"
            assert ours[:2] == [there, there]
            assert ours[2]["event"] == "ADD"
            assert m.get_all().total == 2


class TestTimes:
    @pytest.mark.parametrize(
        "timestamp",
        [
            datetime(2024, 5, 1, 8, 30),
            datetime(2024, 5, 1, 8, 30, tzinfo=timezone.utc),
            datetime(2024, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=2))),
            "2024-05-01T08:30:00Z",
            "2024-05-01T08:30",
            "2024-05-01 10:30:00+02:00",
            1714552200,
            1714552200.0,
        ],
    )
    def test_when_it_was_said_becomes_created_at(self, m: Memory, timestamp: Any) -> None:
        (added,) = m.add("likes tea", user_id="alice", timestamp=timestamp)
        row = m.get(added["id"])
        assert row is not None
        assert row["created_at"] == row["updated_at"] == "2024-05-01T08:30:00.000000+00:00"

    def test_history_has_the_wall_clock_of_the_write(self, m: Memory) -> None:
        (added,) = m.add("likes tea", user_id="alice", timestamp="2024-05-01")
        assert m.history(added["id"])[0]["timestamp"] == "2026-03-01T12:00:00.000000+00:00"

    @pytest.mark.parametrize("timestamp", ["yesterday", "", True, [], float("nan"), 1e20, {}])
    def test_what_is_no_point_in_time_is_refused(self, m: Memory, timestamp: Any) -> None:
        with pytest.raises(ValidationError, match="timestamp="):
            m.add("likes tea", user_id="alice", timestamp=timestamp)
        assert kept(m) == []

    @pytest.mark.parametrize("end", ["2026-03-05", date(2026, 3, 5), "20260305"])
    def test_a_bare_date_ends_with_that_day(self, m: Memory, clock: FrozenClock, end: Any) -> None:
        (added,) = m.add("is on holiday", user_id="alice", expiration_date=end)
        clock.set("2026-03-05T23:59:59.999Z")
        assert m.get_all()[0]["expiration_date"] == "2026-03-05"
        assert m.search("holiday", user_id="alice").total == 1
        clock.set("2026-03-06T00:00:00Z")
        assert (m.get_all(), m.get_all().total, m.search("holiday", user_id="alice")) == ([], 0, [])
        assert [row["id"] for row in m.get_all(show_expired=True)] == [added["id"]]
        assert [row["id"] for row in m.search("holiday", show_expired=True)] == [added["id"]]
        assert m.get(added["id"]) == m.get_all(show_expired=True)[0]

    @pytest.mark.parametrize("end", ["2026-03-01T14:00:00+01:00", datetime(2026, 3, 1, 13), 1772370000])
    def test_a_moment_ends_there(self, m: Memory, clock: FrozenClock, end: Any) -> None:
        m.add("waits at the door", user_id="alice", expiration_date=end)
        assert m.get_all()[0]["expiration_date"] == "2026-03-01T13:00:00.000000+00:00"
        clock.set("2026-03-01T12:59:59Z")
        assert m.get_all().total == 1
        clock.set("2026-03-01T13:00:00Z")
        assert m.get_all().total == 0

    def test_an_end_that_is_none_is_refused(self, m: Memory) -> None:
        with pytest.raises(ValidationError, match="expiration_date='soon'"):
            m.add("likes tea", user_id="alice", expiration_date="soon")


class TestFailures:
    """Whatever goes wrong, nothing is stored: no memory, no history."""

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (RuntimeError("model exploded"), "RuntimeError: model exploded"),
            ([], r"0 vector\(s\) for 2 text"),
            ([[1.0, 0.0]], r"1 vector\(s\) for 2 text"),
            ([[1.0, 0.0]] * 3, r"3 vector\(s\) for 2 text"),
            (None, "NoneType for 2 text"),
            (iter([[1.0, 0.0]] * 2), "iterator for 2 text"),
            ([None, None], "NoneType in place of a vector for 2 text"),
            ([[1.0, 0.0], [1.0]], "different sizes"),
            ([[1.0, 0.0], ["a", "b"]], "not of numbers"),
            ([[1.0, 0.0], [float("nan"), 1.0]], "inf or NaN"),
            ([[1.0, 0.0], [float("inf"), 1.0]], "inf or NaN"),
            ([[1.0, 0.0], [0.0, 0.0]], "all-zero"),
            ([[], []], "shape"),
            ([[[1.0]], [[1.0]]], "shape"),
        ],
    )
    def test_an_embedder_that_fails_or_answers_nonsense(self, answer: Any, told: str) -> None:
        class Broken:
            broken = True

            def embed(self, text: str) -> list[float]:
                return [1.0, 0.0]

            def embed_batch(self, texts: list[str]) -> Any:
                if not self.broken:
                    return [self.embed(text) for text in texts]
                if isinstance(answer, Exception):
                    raise answer
                return answer

        embedder = Broken()
        with memory(embedder=embedder) as m:
            with pytest.raises(EmbeddingError, match=told) as caught:
                m.add(["likes tea", "has a dog"], user_id="alice")
            if isinstance(answer, Exception):
                assert caught.value.__cause__ is answer
            assert m.get_all().total == 0
            assert m.vector_store.embedder("mem0") is None
            embedder.broken = False
            assert [row["event"] for row in m.add(["likes tea", "has a dog"], user_id="alice")] == ["ADD", "ADD"]

    def test_a_vector_of_another_size_than_declared(self) -> None:
        embedder = DeterministicEmbedding(8)
        embedder.embed_batch = lambda texts: [[1.0] * 9 for _ in texts]  # type: ignore[method-assign]
        with memory(embedder=embedder) as m:
            with pytest.raises(EmbeddingError, match=r"dims=8 .*size 9"):
                m.add("likes tea", user_id="alice")
            assert m.get_all().total == 0

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("fail_on", ["apply", {"insert": 1}, {"insert": 2}])
    def test_a_store_that_refuses(self, fail_on: Any, after: bool) -> None:
        with FailingVectorStore(fail_on=fail_on, after=after) as store, memory(vector_store=store) as m:
            with pytest.raises(StorageError, match="on purpose"):
                m.add(["likes tea", "has a dog"], user_id="alice")
            store.fail_on = None
            assert m.get_all() == []
            written = [call.arguments["ids"] for call in store.calls if call.verb == "insert"]
            assert all(m.history(id) == [] for ids in written for id in ids)
            assert [row["event"] for row in m.add(["likes tea", "has a dog"], user_id="alice")] == ["ADD", "ADD"]

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_history_that_refuses(self, shared: bool) -> None:
        class Refusing(SQLiteManager):
            refuses = True

            def append(self, rows: Any) -> None:
                if self.refuses:
                    raise ConnectionError("history is away")
                super().append(rows)

        with (
            SQLiteVectorStore() as store,
            Refusing(database=store.database if shared else None) as history,
            memory(vector_store=store, history=history) as m,
        ):
            with pytest.raises(StorageError, match="history is away"):
                m.add(["likes tea", "has a dog"], user_id="alice")
            assert (m.get_all(), store.count("mem0")) == ([], 0)
            history.refuses = False
            (added,) = m.add("likes tea", user_id="alice")
            history.refuses = True
            for verb in (lambda: m.update(added["id"], "likes rum"), lambda: m.delete(added["id"])):
                with pytest.raises(StorageError, match="history is away"):
                    verb()
            assert [row["memory"] for row in m.get_all()] == ["likes tea"]
            assert [row["event"] for row in m.history(added["id"])] == ["ADD"]
