"""Whatever an LLM answers, only memories of the call's own scope change, and what is told is what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem0.testing import FailingVectorStore, ScriptedLLM, async_memory, memory

USERS = ("alice", "bob", "*", "alice%")
TEXTS = ("likes tea", "likes coffee", "LIKES TEA.", "has a dog", "喜欢茶")

items = st.fixed_dictionaries(
    {"event": st.sampled_from(["ADD", "UPDATE", "DELETE", "NONE", "MERGE"])},
    optional={
        "id": st.integers(-1, 6) | st.sampled_from(["theirs", "mine"]),
        "text": st.sampled_from([*TEXTS, "", " "]),
        "quote": st.sampled_from(["tea", "never said"]),
        "message": st.integers(-1, 2),
        "user_id": st.sampled_from(USERS),
        "metadata": st.just({"user_id": "bob"}),
    },
)
steps = st.lists(st.tuples(st.sampled_from(USERS), st.lists(items, max_size=4)), min_size=1, max_size=5)


@pytest.mark.parametrize("transactional", [True, False])
@settings(deadline=None, max_examples=60)
@given(steps=steps)
def test_no_answer_reaches_another_user(transactional: bool, steps: list[tuple[str, list[dict[str, Any]]]]) -> None:
    with FailingVectorStore(transactional=transactional) as store, memory(vector_store=store) as m:
        for user in USERS:
            for text in TEXTS[:3]:
                m.add(text, user_id=user, infer=False)
        for user, entries in steps:
            before = {other: [*m.get_all(user_id=other)] for other in USERS}
            theirs = before["bob" if user != "bob" else "alice"]
            real = {"theirs": [row["id"] for row in theirs], "mine": [row["id"] for row in before[user]]}
            for entry in entries:
                if entry.get("id") in real and real[entry["id"]]:
                    entry["id"] = real[entry["id"]][0]
            m.llm = ScriptedLLM(lambda _, entries=entries: {"memory": [*entries, {"event": "NONE"}]})
            changes = m.add("tea or coffee?", user_id=user)
            for other in USERS:
                if other != user:
                    assert [*m.get_all(user_id=other)] == before[other]
            count = {"ADD": 1, "DELETE": -1}
            assert m.get_all(user_id=user).total == len(before[user]) + sum(
                count.get(change["event"], 0) for change in changes
            )
            for change in changes:
                found = m.get(change["id"])
                assert (found is None) == (change["event"] == "DELETE")
                assert found is None or (found["memory"], found["user_id"]) == (change["memory"], user)
                if change["event"] != "NONE":
                    assert m.history(change["id"])[-1]["event"] == change["event"]


def test_a_call_that_is_cancelled_is_stored_wholly_or_not_at_all() -> None:
    """Cancelled at every turn of the event loop that an add takes, one after another."""

    class Awaited(ScriptedLLM):
        async def agenerate_response(self, messages: list[dict[str, Any]], response_format: Any = None) -> Any:
            await asyncio.sleep(0)
            return self.generate_response(messages)

    async def cancelled_after(turns: int) -> bool:
        """Return whether the call came to its end before."""
        reply = {"memory": [{"event": "UPDATE", "id": "0", "text": "likes coffee"}, "has a dog"]}
        async with async_memory(llm=Awaited(lambda _: reply)) as m:
            await m.add("likes tea", user_id="alice", infer=False)
            task = asyncio.ensure_future(m.add("coffee, and a dog", user_id="alice"))
            for _ in range(turns):
                await asyncio.sleep(0.0005)
                if task.done():
                    break
            ended = not task.cancel()
            await asyncio.wait([task])
            # A thread at work is not stopped by the cancellation; the next call waits for it at the file's lock.
            await m.add("settled", user_id="bob", infer=False)
            kept = sorted(found["memory"] for found in await m.get_all(user_id="alice"))
            assert kept in (["likes tea"], ["has a dog", "likes coffee"])
            assert not ended or kept == ["has a dog", "likes coffee"]
            return ended

    turns = 0
    while not asyncio.run(cancelled_after(turns)):
        turns += 1
    assert turns > 0
