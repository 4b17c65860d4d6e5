"""Whatever fails, and wherever: what was stored stays, and a change is there wholly or not at all.

Every verb with every kind of error at every moment:

    MEM0_THOROUGH=1 python -m pytest tests/memory/test_faults.py tests/memory/test_cancellation.py -n auto
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import faults
import pytest
from faults import (
    CHANGING,
    ERRORS,
    KINDS,
    ONCE,
    READING,
    SHORT,
    THOROUGH,
    VERBS,
    BrokenPartError,
    DiskError,
    Faults,
    Memories,
    agreement,
    state,
    two_pass,
    unfinished,
)

from mem0 import Mem0Error, MemoryNotFoundError, StorageError

JOURNALED = KINDS[1:]  # store and history do not share a transaction


def cases(kinds: list[Any], verbs: list[str]) -> pytest.MarkDecorator:
    """Try some verbs with one kind of error at each moment, and, in a long run, all of them with every kind."""
    short = [pytest.param(verb, False, id=verb) for verb in verbs]
    long = [pytest.param(verb, True, id=f"{verb}, thoroughly") for verb in VERBS if THOROUGH]

    def decorate(test: Any) -> Any:
        return pytest.mark.parametrize("kind", kinds)(pytest.mark.parametrize(("verb", "thorough"), short + long)(test))

    return decorate  # type: ignore[return-value]


def called(m: Any, verb: str) -> Any:
    return VERBS[verb](m)


def kinds_of_error(at: int, thorough: bool) -> list[type[BaseException]]:
    """Return how a moment fails: in every way, or in one, so that those next to each other fail in different ones."""
    kinds = [*ERRORS.values()]
    return kinds if thorough else [kinds[at % len(kinds)]]


def in_every_run(result: Any) -> Any:
    """Return of what a verb returned that which is the same in every run."""
    if not isinstance(result, list):
        return result
    return [
        {key: round(value, 5) if key == "score" else value for key, value in row.items() if key != "id"}
        for row in result
    ]


def repeated(m: Any, verb: str, after: Any, result: Any) -> None:
    """Repeat a call that failed; it comes to what it would have come to."""
    gone = verb in ONCE and state(m) == after
    try:
        again = called(m, verb)
        assert not gone
        assert verb not in READING or in_every_run(again) == in_every_run(result)
    except MemoryNotFoundError:
        assert gone
    assert state(m) == after
    assert agreement(m) == []
    assert unfinished(m) == 0


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# -- at every operation -----------------------------------------------------------------------------
# What is raised there is no provider's error any more, so it is let out as it is.


@cases(KINDS, [*VERBS])
def test_an_operation_fails(memories: Memories, verb: str, thorough: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Faults()
    faults.operations_watched(monkeypatch, plan)
    with memories.opened(two_pass(verb)) as m:
        before = state(m)
        with plan.counting():
            result = called(m, verb)
        after = state(m)
        assert agreement(m) == []
        assert m.check().ok
    assert (before == after) == (verb in READING)
    moments, done = plan.moments, False
    for at, moment in enumerate(moments):
        done = done or moment in {f"{name}, after" for name in CHANGING}
        for error in kinds_of_error(at, thorough):
            plan.arm(at, error)
            with memories.opened(two_pass(verb)) as m:
                assert state(m) == before
                with plan.counting(), pytest.raises(error, match=moment):
                    called(m, verb)
                assert plan.moments == moments[: at + 1]  # nothing was done any more
                assert state(m) == (after if done else before)
                repeated(m, verb, after, result)


@pytest.mark.parametrize("awaited", [False, True], ids=["in threads", "awaited"])
@cases(KINDS, SHORT)
def test_an_operation_fails_in_asyncio(
    memories: Memories, verb: str, awaited: bool, thorough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Faults()
    faults.operations_watched(monkeypatch, plan)

    async def undisturbed() -> tuple[Any, Any]:
        with memories.opened_async(two_pass(verb), awaited) as (m, _):
            async with m:
                before = state(m)
                with plan.counting():
                    await called(m, verb)
                return before, state(m)

    async def disturbed(error: type[BaseException], moment: str, expected: Any, after: Any) -> None:
        with memories.opened_async(two_pass(verb), awaited) as (m, _):
            async with m:
                with plan.counting(), pytest.raises(error, match=moment):
                    await called(m, verb)
                assert state(m) == expected
                if verb in ONCE and expected == after:
                    with pytest.raises(MemoryNotFoundError):
                        await called(m, verb)
                else:
                    await called(m, verb)
                assert state(m) == after
                assert agreement(m) == []

    before, after = asyncio.run(undisturbed())
    done = False
    for at, moment in enumerate(plan.moments):
        done = done or moment in {f"{name}, after" for name in CHANGING}
        for error in kinds_of_error(at, thorough):
            plan.arm(at, error)
            asyncio.run(disturbed(error, moment, after if done else before, after))


# -- at every call of a part ------------------------------------------------------------------------
# Stores, histories, embedders and LLMs raise what they like; callers get errors of ours.


def faults_of(
    memories: Memories, verb: str, thorough: bool, damage: Callable[[Any], None] = lambda m: None
) -> Iterator[tuple[Any, Faults, tuple[Any, Any, Any]]]:
    """Give a memory for every fault of a verb, armed, and what it was, what it becomes, and what the verb returns."""
    plan = Faults()
    with memories.opened(two_pass(verb)) as m:
        damage(m)
        before = state(m)
        faults.parts_watched(m, plan)
        with plan.counting():
            result = called(m, verb)
        after = state(m)
    for at in range(len(plan.moments)):
        for lasting in (False, True) if thorough else (at % 4 == 3,):
            for error in kinds_of_error(at, thorough):
                plan.arm(at, error, lasting=lasting)
                with memories.opened(two_pass(verb)) as m:
                    damage(m)
                    faults.parts_watched(m, plan)
                    yield m, plan, (before, after, result)
                assert plan.raised is not None


@cases(KINDS, SHORT[1:])
def test_a_part_fails(memories: Memories, verb: str, thorough: bool) -> None:
    for m, plan, (before, after, result) in faults_of(memories, verb, thorough):
        left: Any = []
        with plan.counting():
            try:
                left = called(m, verb)
                caught = None
            except BaseException as error:
                caught = error
        if caught is None:
            # Of a scope, a store without transactions deletes what it can and names the rest.
            assert isinstance(plan.raised, Exception), plan
            assert verb in ("delete_all", "delete_all, purge") or "delete, after" in plan.moments[plan.at], plan
            assert left.get("failed") or state(m) == after, plan
        elif isinstance(plan.raised, Exception):
            assert isinstance(caught, Mem0Error), plan
            assert plan.raised in causes(caught), plan
        else:
            assert type(caught) is type(plan.raised), plan
        if not plan.lasting:
            assert agreement(m) == [], plan
            assert state(m) in (before, after) or left["failed"], plan
        repeated(m, verb, after, result)


def a_row_is_lost(m: Any) -> None:
    m.vector_store.delete("mem0", faults.SEEDED["alice: I like tea"])


@pytest.mark.parametrize("thorough", [False, True] if THOROUGH else [False])
@pytest.mark.parametrize("verb", ["check, repair", "rebuild"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_fails_while_something_is_put_right(memories: Memories, verb: str, thorough: bool) -> None:
    for m, plan, (before, after, _) in faults_of(memories, verb, thorough, a_row_is_lost):
        assert agreement(m) != []
        with plan.counting(), pytest.raises((Mem0Error, KeyboardInterrupt)):
            called(m, verb)
        if not plan.lasting:
            assert state(m) in (before, after), plan
        called(m, verb)
        assert state(m) == after
        assert agreement(m) == []


# -- at every statement -----------------------------------------------------------------------------


@cases(KINDS[:2], SHORT[1:])
def test_a_statement_fails(memories: Memories, verb: str, thorough: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Faults()
    faults.statements_watched(monkeypatch, plan)
    with memories.opened(two_pass(verb)) as m:
        before = state(m)
        with plan.counting():
            result = called(m, verb)
        after = state(m)
    for at in range(len(plan.moments)):
        for error in (DiskError, KeyboardInterrupt) if thorough else ((DiskError, KeyboardInterrupt)[at // 2 % 2],):
            plan.arm(at, error)
            with memories.opened(two_pass(verb)) as m:
                state(m)
                try:
                    with plan.counting():
                        answer = called(m, verb)
                except (StorageError, KeyboardInterrupt) as told:
                    assert plan.raised in causes(told), plan
                else:
                    # All that may fail without an error is to rewrite the file, and then the receipt says so.
                    assert answer["receipt"]["complete"] is False, plan
                assert agreement(m) == [], plan
                assert state(m) in (before, after), plan
                repeated(m, verb, after, result)


# -- what was not right once, one by one --------------------------------------------------------------


def failing_at(m: Any, verb: str, moment: str, **how: Any) -> Any:
    """Have a verb fail at the first moment of a name, and return what was raised."""
    plan = Faults(first=moment, **how)
    faults.parts_watched(m, plan)
    with plan.counting(), pytest.raises((Mem0Error, BrokenPartError)) as caught:
        called(m, verb)
    return caught.value


@pytest.mark.parametrize("kind", ["one file"])
def test_a_turn_that_an_llm_replaces_has_its_version(memories: Memories) -> None:
    with memories.opened() as m:
        called(m, "add, one pass")
        assert agreement(m) == []


@pytest.mark.parametrize("verb", ["add, one pass", "add, two passes"])
@pytest.mark.parametrize("kind", JOURNALED)
def test_an_inference_that_is_repeated_after_it_could_not_be_undone(memories: Memories, verb: str) -> None:
    with memories.opened(two_pass(verb)) as m:
        called(m, verb)
        after = state(m)
    with memories.opened(two_pass(verb)) as m:
        assert "could not be undone" in str(failing_at(m, verb, "store.apply, after", lasting=True))
        called(m, verb)  # acknowledged
        m.add("Something else", user_id="alice", infer=False)
        m.delete(m.search("Something else", user_id="alice")[0]["id"], purge=True)
        assert state(m) == after


@pytest.mark.parametrize("moment", ["store.delete_col, after", "history.clear, before"])
@pytest.mark.parametrize("kind", JOURNALED)
def test_a_reset_that_fails_half_way_is_finished(memories: Memories, moment: str) -> None:
    with memories.opened() as m:
        failing_at(m, "reset", moment)
        assert agreement(m) == []


@pytest.mark.parametrize("kind", JOURNALED)
def test_a_reset_that_was_said_to_have_done_nothing_does_nothing_later(memories: Memories) -> None:
    with memories.opened() as m:
        before = state(m)
        caught = failing_at(m, "reset", "store.col_info, before", lasting=True, also=("history",))
        assert state(m) == before
        if "before the next commit" not in str(caught):  # which would be one way to put it right
            m.add("Something else", user_id="carol", infer=False)
            assert set(faults.SEEDED.values()) & {row["id"] for row in m.get_all()} != set()


@pytest.mark.parametrize(
    ("verb", "moment"), [("add verbatim", "history.lock, entering"), ("update both", "history.intents, before")]
)
@pytest.mark.parametrize("kind", JOURNALED)
def test_errors_of_the_journal_are_ours(memories: Memories, verb: str, moment: str) -> None:
    with memories.opened() as m:
        assert isinstance(failing_at(m, verb, moment), StorageError)


@pytest.mark.parametrize("kind", ["one file"])
def test_errors_of_a_reset_are_ours(memories: Memories) -> None:
    with memories.opened() as m:
        assert isinstance(failing_at(m, "reset", "store.delete_col, before"), StorageError)


@pytest.mark.parametrize("kind", ["plain store"])
def test_what_kept_a_memory_from_being_deleted_is_told(memories: Memories) -> None:
    with memories.opened() as m:
        caught = failing_at(m, "delete", "store.delete, before")
        assert "could not be deleted" in str(caught)
        assert any(isinstance(cause, BrokenPartError) for cause in causes(caught))


@pytest.mark.parametrize(
    ("verb", "moment"), [("get", "BEGIN, after"), ("get", "COMMIT, before"), ("delete_all", "BEGIN IMMEDIATE, after")]
)
@pytest.mark.parametrize("error", [DiskError, KeyboardInterrupt])
@pytest.mark.parametrize("kind", ["one file", "two files"])
def test_a_connection_outlives_what_befell_it(
    memories: Memories, verb: str, moment: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Faults(error=error, first=moment)
    faults.statements_watched(monkeypatch, plan)
    with memories.opened() as m:
        state(m)
        with plan.counting(), pytest.raises((StorageError, KeyboardInterrupt)):
            called(m, verb)
        for _ in range(3):
            called(m, verb)
