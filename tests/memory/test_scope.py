"""Whose memories: ids are literal everywhere, and a scope handle never sees or touches a stranger's."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem0 import AsyncMemory, Memory, MemoryNotFoundError, ValidationError
from mem0.memory import inputs
from mem0.testing import memory

HOSTILE = [
    "*",
    "%",
    "_",
    "a_b",
    "alice%",
    "x&run_id=1",
    "x' OR '1'='1",
    'x"; DROP TABLE memories; --',
    "$(id)",
    "{user_id}",
    "../../etc/passwd",
    "null",
    "None",
    "0",
    " alice",
    "alice ",
    "ALICE",
    "alice",
    "ali\u0301ce",
    "alíce",
    "李雷",
    "👩‍👩‍👧",
    "\u202ealice",
    "x" * 512,
    "ü" * 256,
]


class TestIds:
    @pytest.fixture(scope="class")
    @staticmethod
    def crowded() -> Any:
        with memory() as m:
            for id in HOSTILE:
                m.add("the very same words", user_id=id)
                m.add("the very same words", agent_id=id)
            yield m

    @pytest.mark.parametrize("key", ["user_id", "agent_id"])
    @pytest.mark.parametrize("id", HOSTILE)
    def test_an_id_names_itself_only(self, crowded: Memory, id: str, key: str) -> None:
        expected = [("the very same words", id)]
        for found in (
            crowded.get_all(**{key: id}),
            crowded.get_all(filters={key: id}),
            crowded.get_all(filters={"AND": [{key: {"eq": id}}]}),
            crowded.get_all(filters={key: {"in": [id]}}),
            crowded.search("very same words", **{key: id}),
            crowded.search("very same words", filters={key: {"eq": id}}),
            crowded.scope(**{key: id}).get_all(),
            crowded.scope(**{key: id}).search("words"),
        ):
            assert [(row["memory"], row.get(key)) for row in found] == expected
            assert found.total == 1

    @pytest.mark.parametrize("id", HOSTILE)
    def test_deleting_takes_that_one_only(self, id: str) -> None:
        with memory() as m:
            added = {other: m.add("the very same words", user_id=other)[0]["id"] for other in HOSTILE}
            assert m.delete_all(user_id=id)["deleted"] == 1
            assert {row["user_id"] for row in m.get_all()} == {*HOSTILE} - {id}
            assert m.history(added[id])[-1]["event"] == "DELETE"

    @pytest.mark.parametrize("id", HOSTILE)
    def test_it_comes_back_as_it_was_given(self, crowded: Memory, id: str) -> None:
        assert crowded.get_all(user_id=id)[0]["user_id"] == id

    def test_numbers_and_uuids_become_text(self, m: Memory) -> None:
        class Number(enum.IntEnum):
            SEVEN = 7

        class Name(str, enum.Enum):
            ALICE = "alice"

        session = uuid.UUID(int=5)
        m.add("likes tea", user_id=7, run_id=session)
        m.add("likes rum", user_id=Name.ALICE)
        for user in (7, "7", Number.SEVEN):
            (row,) = m.get_all(user_id=user)
            assert (row["user_id"], row["run_id"]) == ("7", str(session))
        assert type(row["user_id"]) is str
        assert m.get_all(filters={"user_id": 7, "run_id": session}).total == 1
        assert m.get_all(run_id=str(session)).total == 1
        assert m.get_all(user_id="alice")[0]["user_id"] == "alice"
        assert type(inputs.scope_id("user_id", Name.ALICE)) is str
        assert m.add("likes tea", user_id="7", run_id=session)[0]["event"] == "NONE"

    @pytest.mark.parametrize(
        ("id", "told"),
        [
            ("", "blank"),
            ("  \u3000", "blank"),
            ("a\nb", "control characters"),
            ("a\x00b", "control characters"),
            ("a\x7f", "control characters"),
            ("a\x85b", "control characters"),
            ("x" * 513, "513 bytes"),
            ("ü" * 257, "514 bytes"),
            ("\ud83d", "surrogate"),
            (True, "bool"),
            (1.5, "float"),
            (b"alice", "bytes"),
            (["alice"], "list"),
            ({"eq": "alice"}, "dict"),
        ],
    )
    def test_anything_else_is_refused_by_every_verb(self, m: Memory, id: Any, told: str) -> None:
        m.add("likes tea", user_id="alice")
        for key in ("user_id", "agent_id", "run_id"):
            for verb in (lambda **scope: m.add("x", **scope), lambda **scope: m.search("x", **scope)):
                with pytest.raises(ValidationError, match=told) as caught:
                    verb(**{key: id})
                assert key in str(caught.value)
            for other in (m.get_all, m.delete_all, m.scope):
                with pytest.raises(ValidationError, match=told):
                    other(**{key: id})
        assert m.get_all().total == 1

    def test_metadata_cannot_say_whose_it_is(self, m: Memory) -> None:
        for key in ("user_id", "agent_id", "run_id", "actor_id", "role", "_mem0"):
            with pytest.raises(ValidationError, match=key):
                m.add("likes tea", user_id="alice", metadata={key: "bob"})
        assert m.get_all().total == 0


class TestHandle:
    @pytest.fixture
    def bobs(self, m: Memory) -> str:
        m.add("Alice likes tea", user_id="alice")
        return m.add("Bob likes tea", user_id="bob", metadata={"n": 1})[0]["id"]

    def test_what_it_adds_belongs_to_it(self, m: Memory) -> None:
        alice = m.scope(user_id="alice", run_id=5)
        alice.add("likes tea", agent_id="planner")
        (row,) = m.get_all()
        assert (row["user_id"], row["agent_id"], row["run_id"]) == ("alice", "planner", "5")

    def test_reading(self, m: Memory, bobs: str) -> None:
        alice = m.scope(user_id="alice")
        assert [row["user_id"] for row in alice.get_all()] == ["alice"]
        assert alice.get_all().total == 1
        assert [row["user_id"] for row in alice.search("likes tea")] == ["alice"]
        assert alice.get_all(agent_id="planner") == []
        assert alice.get_all(user_id="alice").total == 1

    @pytest.mark.parametrize(
        "filters",
        [
            {"OR": [{"user_id": "bob"}, {"user_id": "alice"}]},
            {"OR": [{"user_id": {"ne": "nobody"}}, {"n": 1}]},
            {"NOT": [{"user_id": "nobody"}]},
            {"NOT": {"user_id": "nobody"}},
            {"user_id": {"in": ["alice", "bob"]}},
            {"user_id": {"ne": "nobody"}},
            {"AND": [{"OR": [{"user_id": "bob"}, {"user_id": "alice"}]}]},
        ],
    )
    def test_filters_cannot_widen_it(self, m: Memory, bobs: str, filters: dict[str, Any]) -> None:
        alice = m.scope(user_id="alice")
        assert [row["memory"] for row in alice.get_all(filters=filters)] == ["Alice likes tea"]
        assert [row["memory"] for row in alice.search("likes tea", filters=filters)] == ["Alice likes tea"]

    def test_a_strangers_id_is_not_found(self, m: Memory, bobs: str) -> None:
        alice = m.scope(user_id="alice")
        before = m.get(bobs)
        assert alice.get(bobs) is None
        assert alice.history(bobs) == []
        for verb in (
            lambda: alice.update(bobs, "changed"),
            lambda: alice.update(bobs, metadata={"n": 2}),
            lambda: alice.delete(bobs),
            lambda: alice.delete(bobs, purge=True),
        ):
            with pytest.raises(MemoryNotFoundError):
                verb()
        assert m.get(bobs) == before
        assert len(m.history(bobs)) == 1
        m.delete(bobs)
        with pytest.raises(MemoryNotFoundError):
            alice.delete(bobs, purge=True)
        assert len(m.history(bobs)) == 2
        assert alice.history(bobs) == []

    def test_its_own_memories_it_can_change(self, m: Memory, bobs: str) -> None:
        bob = m.scope(user_id="bob")
        assert bob.update(bobs, "Bob likes rum")["user_id"] == "bob"
        assert len(bob.history(bobs)) == 2
        assert bob.delete(bobs)["deleted"] == 1
        assert len(bob.history(bobs)) == 3

    def test_delete_all_needs_no_id_and_takes_its_own(self, m: Memory, bobs: str) -> None:
        assert m.scope(user_id="bob").delete_all(purge=True)["deleted"] == 1
        assert [row["user_id"] for row in m.get_all()] == ["alice"]

    def test_purge_leaves_the_history_of_others(self, m: Memory, bobs: str) -> None:
        m.scope(user_id="alice").delete_all(purge=True)
        assert len(m.history(bobs)) == 1

    def test_nested(self, m: Memory) -> None:
        monday = m.scope(user_id="alice").scope(run_id="monday")
        monday.add("likes tea")
        m.add("likes rum", user_id="alice", run_id="tuesday")
        assert [row["memory"] for row in monday.get_all()] == ["likes tea"]
        assert "user_id='alice', run_id='monday'" in repr(monday)

    def test_contradictions_are_refused(self, m: Memory, bobs: str) -> None:
        alice = m.scope(user_id="alice")
        for verb in (
            lambda: alice.scope(user_id="bob"),
            lambda: alice.add("x", user_id="bob"),
            lambda: alice.search("x", user_id="bob"),
            lambda: alice.search("x", filters={"user_id": "bob"}),
            lambda: alice.get_all("bob"),
            lambda: alice.get_all(filters={"user_id": {"eq": "bob"}}),
            lambda: alice.delete_all(user_id="bob"),
        ):
            with pytest.raises(ValidationError, match="user_id is given twice: 'alice'"):
                verb()
        assert m.get_all().total == 2

    def test_it_cannot_reset(self, m: Memory, bobs: str) -> None:
        for purge in (False, True):
            with pytest.raises(ValidationError, match="reset"):
                m.scope(user_id="alice").reset(purge=purge)
        assert m.get_all().total == 2

    def test_duplicates_are_those_of_its_identity(self, m: Memory, bobs: str) -> None:
        assert m.scope(user_id="alice").add("Bob likes tea")[0]["event"] == "ADD"
        assert m.scope(user_id="bob").add("Bob likes tea") == [{"id": bobs, "memory": "Bob likes tea", "event": "NONE"}]

    def test_parts_are_shared(self, m: Memory) -> None:
        alice = m.scope(user_id="alice")
        m.collection_name = "elsewhere"
        alice.add("likes tea")
        assert alice.collection_name == "elsewhere"
        assert m.get_all().total == 1

    def test_without_ids_it_is_the_memory_itself(self, m: Memory, bobs: str) -> None:
        assert m.scope().get_all() == m.get_all()

    def test_closing_it_leaves_the_memory_open(self, m: Memory) -> None:
        with m.scope(user_id="alice") as alice:
            alice.add("likes tea")
        assert m.get_all().total == 1

    def test_of_an_async_memory(self) -> None:
        import asyncio

        async def main() -> None:
            async with AsyncMemory(path=":memory:", embedder=_Ones()) as m:
                alice = m.scope(user_id="alice")
                await alice.add("likes tea")
                (bobs,) = await m.add("likes rum", user_id="bob")
                assert [row["memory"] for row in await alice.get_all()] == ["likes tea"]
                assert await alice.get(bobs["id"]) is None

        asyncio.run(main())


class _Ones:
    def embed(self, text: str) -> list[float]:
        return [1.0, 1.0]


# -- whatever is done, in whatever order, to whomever -------------------------------------------------

_USERS = st.sampled_from([None, "*", "%", "a", "A", "a' OR 1=1", "x&run_id=r", "李"])
_RUNS = st.sampled_from([None, "*", "r", "a"])
_TEXTS = st.sampled_from(["tea", "rum", "tea and rum", "milk", "water", "* %"])
_STEP = st.tuples(
    st.sampled_from(["add", "add", "add", "update", "delete", "delete_all", "purge", "read", "read"]),
    st.booleans(),
    _USERS,
    _RUNS,
    _TEXTS,
    st.integers(0, 30),
)


@given(st.lists(_STEP, min_size=3, max_size=25))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nobody_sees_or_touches_what_is_not_theirs(steps: list[Any]) -> None:
    """Memory and its handles against a plain dict of what everybody stored."""
    rows: dict[str, tuple[tuple[str | None, str | None], str]] = {}
    ids: list[str] = []

    def within(scope: tuple[str | None, str | None]) -> dict[str, str]:
        return {
            id: text
            for id, (owner, text) in rows.items()
            if all(wanted in (None, has) for wanted, has in zip(scope, owner, strict=True))
        }

    with memory() as m:
        for verb, as_handle, user, run, text, at in steps:
            scope = (user, run)
            given_ids = {key: value for key, value in (("user_id", user), ("run_id", run)) if value is not None}
            target: Any = m.scope(**given_ids) if as_handle else m
            arguments = {} if as_handle else given_ids
            id = ids[at % len(ids)] if ids else "none"
            allowed = id in (within(scope) if as_handle else rows)
            if verb == "add":
                (change,) = target.add(text, **arguments)
                same = [id for id, row in rows.items() if row == (scope, text)]
                assert (change["event"], [change["id"]]) == (("NONE", same) if same else ("ADD", [change["id"]]))
                if not same:
                    ids.append(change["id"])
                rows[change["id"]] = (scope, text)
            elif verb in ("update", "delete"):
                if not allowed:
                    with pytest.raises(MemoryNotFoundError):
                        target.update(id, text) if verb == "update" else target.delete(id)
                elif verb == "delete":
                    target.delete(id)
                    del rows[id]
                elif any(row == (rows[id][0], text) for other, row in rows.items() if other != id):
                    with pytest.raises(ValidationError, match="already says this"):
                        target.update(id, text)
                else:
                    target.update(id, text)
                    rows[id] = (rows[id][0], text)
            elif verb in ("delete_all", "purge"):
                gone = within(scope)
                if not given_ids:
                    with pytest.raises(ValidationError):
                        target.delete_all(**arguments)
                    continue
                result = target.delete_all(**arguments, purge=verb == "purge")
                assert result["deleted"] == len(gone)
                rows = {id: row for id, row in rows.items() if id not in gone}
                if verb == "purge":
                    assert all(m.history(id) == [] for id in gone)
            else:
                expected = within(scope)
                listed = target.get_all(**arguments)
                assert {row["id"]: row["memory"] for row in listed} == expected
                assert listed.total == len(listed) == len(expected)
                found = target.search(text, **arguments)
                assert {row["id"]: row["memory"] for row in found} == expected
                assert (target.get(id) is not None) == allowed
        assert {row["id"]: ((row.get("user_id"), row.get("run_id")), row["memory"]) for row in m.get_all()} == rows
