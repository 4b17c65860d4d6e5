"""on_before_write sees every change before it is embedded or stored, and may redact it or leave it out."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from mem0 import AsyncMemory, ConfigError, Memory, ProposedChange, ValidationError, WriteVetoedError
from mem0.testing import DeterministicEmbedding, ScriptedLLM


class Watching:
    """A hook that lets everything through, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[list[ProposedChange]] = []

    def __call__(self, changes: list[ProposedChange]) -> list[ProposedChange]:
        self.seen.append(changes)
        return changes


class Embedding(DeterministicEmbedding):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__(8)
        self.texts: list[str] = []

    def embed_batch(self, texts: Any) -> Any:
        self.texts += texts
        return super().embed_batch(texts)


def redacted(changes: list[ProposedChange]) -> list[ProposedChange]:
    for change in changes:
        if "memory" in change:
            change["memory"] = re.sub(r"\d{4,}", "[number]", change["memory"])
    return changes


def opened(hook: Any, **more: Any) -> Memory:
    return Memory(path=":memory:", **{"embedder": DeterministicEmbedding(8), **more}, on_before_write=hook)


def test_every_path_that_writes_asks() -> None:
    hook = Watching()
    reply = {"memory": [{"event": "UPDATE", "id": "0", "text": "Likes green tea"}, {"text": "Has a cat"}]}
    with opened(hook, llm=ScriptedLLM([reply, {"memory": [{"event": "DELETE", "id": "0"}]}])) as m:
        tea = m.add("I like tea", user_id="alice", metadata={"n": 1}, infer=False)[0]["id"]
        cat = m.add("Green tea, and a cat", user_id="alice")[1]["id"]
        m.add("No more green tea", user_id="alice")
        m.update(cat, "Has two cats", metadata={"n": 2})
        m.update(cat, metadata={"n": None})
        m.delete(cat)
        m.delete_all(user_id="alice")
        m.reset()
    shown = [
        [(change["event"], change.get("memory"), change.get("previous_memory")) for change in c] for c in hook.seen
    ]
    assert shown[0] == [("ADD", "I like tea", None)]
    assert shown[1] == [("UPDATE", "Likes green tea", "I like tea"), ("ADD", "Has a cat", None)]
    assert shown[2][0][0] == "DELETE"
    assert shown[3:] == [
        [("UPDATE", "Has two cats", "Has a cat")],
        [("UPDATE", "Has two cats", "Has two cats")],
        [("DELETE", None, "Has two cats")],
        [("DELETE_ALL", None, None)],
        [("RESET", None, None)],
    ]
    assert hook.seen[0] == [
        {"event": "ADD", "id": tea, "memory": "I like tea", "metadata": {"n": 1}, "user_id": "alice"}
    ]
    assert hook.seen[4][0]["metadata"] == {"n": None}
    assert hook.seen[6] == [{"event": "DELETE_ALL", "user_id": "alice"}]


def test_what_is_redacted_is_neither_embedded_nor_stored() -> None:
    embedder = Embedding()
    reply = {"memory": [{"text": "The code is 4711", "quote": "code is 4711"}]}
    with opened(redacted, embedder=embedder, llm=ScriptedLLM([reply])) as m:
        added = m.add("my pin is 12345", user_id="alice", infer=False)
        assert added[0]["memory"] == "my pin is [number]"
        assert m.add("my pin is 67890", user_id="alice", infer=False)[0]["event"] == "NONE"
        m.update(added[0]["id"], "my pin was 55555")
        assert "12345" not in str(m.history(added[0]["id"])) + str(embedder.texts)
        assert m.get(added[0]["id"])["memory"] == "my pin was [number]"  # type: ignore[index]
        assert m.search("pin", user_id="alice")[0]["score"] > 0
        assert m.check().ok
        embedder.texts.clear()
        (change,) = m.add("The code is 4711", user_id="bob")
        row = m.vector_store.get("mem0", change["id"])
        assert row is not None
        assert "4711" not in str(row.payload)
        # What was said is embedded too, to find what is near; what is kept is what the hook let through.
        assert embedder.texts[-1] == "The code is [number]"


def test_what_is_left_out_is_not_written() -> None:
    def hook(changes: list[ProposedChange]) -> list[ProposedChange]:
        return [change for change in changes if "secret" not in str(change)]

    with opened(hook) as m:
        added = m.add(["likes tea", "a secret"], user_id="alice")
        assert [change["memory"] for change in added] == ["likes tea"]
        (rejected,) = added.rejected
        assert (rejected["memory"], rejected["reason"]) == ("a secret", "on_before_write left it out")
        tea = added[0]["id"]
        with pytest.raises(WriteVetoedError, match="UPDATE: on_before_write left it out; nothing was written"):
            m.update(tea, "a secret")
        assert m.get(tea)["memory"] == "likes tea"  # type: ignore[index]
    with opened(lambda changes: [change for change in changes if change["event"] == "ADD"]) as m:
        tea = m.add("likes tea", user_id="alice")[0]["id"]
        for verb in (lambda: m.delete(tea), lambda: m.delete_all(user_id="alice"), m.reset):
            with pytest.raises(WriteVetoedError):
                verb()
        assert m.get_all().total == 1
        assert [row["event"] for row in m.history(tea)] == ["ADD"]


def test_metadata_may_be_changed_and_never_the_owner() -> None:
    def hook(changes: list[ProposedChange]) -> list[ProposedChange]:
        for change in changes:
            change["metadata"] = {"seen": True}
        return changes

    with opened(hook) as m:
        tea = m.add("likes tea", user_id="alice", metadata={"n": 1})[0]["id"]
        assert m.get(tea)["metadata"] == {"seen": True}  # type: ignore[index]

    def steal(changes: list[ProposedChange]) -> list[ProposedChange]:
        changes[0]["metadata"] = {"user_id": "bob"}
        return changes

    with opened(steal) as m, pytest.raises(ValidationError, match="user_id"):
        m.add("likes tea", user_id="alice")


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (lambda changes: None, "returned NoneType: it returns the list"),
        (lambda changes: [*changes, *changes], "or one twice"),
        (lambda changes: [{"event": "ADD", "id": "x", "memory": "y"}], "was not asked about"),
        (lambda changes: ["x"], "was not asked about"),
        (lambda changes: [{**change, "user_id": "bob"} for change in changes], "was not asked about"),
        (lambda changes: [{**change, "extra": 1} for change in changes], "changed 'extra'"),
        (lambda changes: [{**change, "memory": " "} for change in changes], "text empty"),
        (lambda changes: [{**change, "memory": None} for change in changes], "text empty"),
    ],
)
def test_answers_that_are_none(hook: Any, told: str) -> None:
    with opened(hook) as m:
        with pytest.raises(ConfigError, match=told):
            m.add("likes tea", user_id="alice")
        assert m.get_all().total == 0


def test_what_it_raises_is_the_callers_own() -> None:
    def hook(changes: list[ProposedChange]) -> list[ProposedChange]:
        raise PermissionError("not today")

    with opened(hook) as m:
        with pytest.raises(PermissionError, match="not today"):
            m.add("likes tea", user_id="alice")
        assert m.get_all().total == 0


async def waiting(changes: list[ProposedChange]) -> list[ProposedChange]:
    await asyncio.sleep(0)
    return redacted(changes)


class Waiting:
    async def __call__(self, changes: list[ProposedChange]) -> list[ProposedChange]:
        return await waiting(changes)


@pytest.mark.parametrize("hook", [waiting, Waiting()])
def test_hooks_that_cannot_be_called(hook: Any) -> None:
    with pytest.raises(ConfigError, match="only AsyncMemory can await it"):
        opened(hook)
    with pytest.raises(ConfigError, match="expected a function"):
        opened("x")


@pytest.mark.parametrize("hook", [redacted, waiting, Waiting()])
def test_awaited(hook: Any) -> None:
    async def used() -> None:
        async with AsyncMemory(path=":memory:", embedder=DeterministicEmbedding(8), on_before_write=hook) as m:
            assert (await m.add("my pin is 12345", user_id="alice"))[0]["memory"] == "my pin is [number]"

    asyncio.run(used())


def test_a_scope_handle_asks_too_and_a_dry_run_as_well() -> None:
    hook = Watching()
    with opened(hook) as m:
        m.scope(user_id="alice").add("likes tea")
        m.add("likes coffee", user_id="bob", dry_run=True)
    assert [changes[0]["user_id"] for changes in hook.seen] == ["alice", "bob"]
