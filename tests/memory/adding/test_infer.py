"""``add`` with an LLM: what an awaited one shares, what a failure leaves on disk, and what never leaves a prompt."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from plain_store import PlainStore

from mem0 import EmbeddingError, LLMError, LLMResponseError, Mem0Error, Memory, StorageError, ValidationError
from mem0.llms.base import Reply, ask
from mem0.memory.adding import prompts, replies
from mem0.testing import DeterministicEmbedding, FailingVectorStore, ScriptedLLM, async_memory, memory

TEA = {"event": "UPDATE", "id": "0", "text": "Likes green tea"}
TWO_PASS = {"add_strategy": "two_pass"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def kept(m: Memory, **scope: Any) -> list[str]:
    return sorted(found["memory"] for found in m.get_all(**scope))


def on_disk(*paths: Path) -> list[str]:
    """Return everything that is stored, memories, history and journal alike."""
    statements: list[str] = []
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            statements += connection.iterdump()
    return sorted(statements)


class Busy(Exception):
    status_code = 429


# -- the same, awaited ------------------------------------------------------------------------------


class Awaited(ScriptedLLM):
    """One with a coroutine of its own; asked the other way, it fails."""

    async def agenerate_response(
        self, messages: list[dict[str, Any]], response_format: Any = None, tools: Any = None
    ) -> Any:
        await asyncio.sleep(0)
        return super().generate_response(messages, response_format, tools)

    def generate_response(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it blocks the event loop")


def two(*calls: tuple[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}


PARITY: dict[str, tuple[dict[str, Any], dict[str, Any], list[Any], list[tuple[str, str]]]] = {
    "all events": (
        {},
        {},
        [{"memory": [TEA, {"event": "ADD", "text": "Has a dog"}, {"event": "NONE"}, {"event": "DELETE", "id": "9"}]}],
        [("UPDATE", "Likes green tea"), ("ADD", "Has a dog")],
    ),
    "a deletion": ({}, {}, [{"memory": [{"event": "DELETE", "id": "0"}]}], [("DELETE", "Likes tea")]),
    "a duplicate": ({}, {}, [["Has a dog", "has a DOG."]], [("ADD", "Has a dog"), ("NONE", "Has a dog")]),
    "nothing": ({}, {}, [[]], []),
    "a second try": ({}, {}, ["I'm sorry.", ["Has a dog"]], [("ADD", "Has a dog")]),
    "a cut tail": ({}, {}, ['["Has a dog", "Has a c'], [("ADD", "Has a dog")]),
    "verbatim": ({}, {"infer": False}, [], [("ADD", "tea, and a dog")]),
    "a dry run": ({}, {"dry_run": True}, [[TEA, "Has a dog"]], [("UPDATE", "Likes green tea"), ("ADD", "Has a dog")]),
    "two passes": (
        TWO_PASS,
        {},
        [
            {"facts": ["Likes green tea"]},
            two(
                ("update_memory", {"memory_id": "0", "data": "Likes green tea"}),
                ("add_memory", '{"data": "Has a dog"}'),
            ),
        ],
        [("UPDATE", "Likes green tea"), ("ADD", "Has a dog")],
    ),
    "two passes in text": (
        TWO_PASS,
        {},
        ["- Likes green tea", {"memory": [TEA]}],
        [("UPDATE", "Likes green tea")],
    ),
    "a procedure": (
        {},
        {"memory_type": "procedural_memory", "agent_id": "cook"},
        ["Goal: tea."],
        [("ADD", "Goal: tea.")],
    ),
}


def comparable(value: Any) -> Any:
    """Return a value without ids, which differ from memory to memory."""
    if isinstance(value, Mapping):
        return {key: comparable(one) for key, one in value.items() if key not in ("id", "memory_id")}
    return [comparable(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", PARITY)
def test_awaited_or_not_it_is_the_same(name: str) -> None:
    config, arguments, script, wanted = PARITY[name]

    async def awaited(llm: ScriptedLLM) -> list[Any]:
        async with async_memory(config, llm=llm) as m:
            await m.add("Likes tea", user_id="alice", infer=False)
            result = await m.add("tea, and a dog", user_id="alice", **arguments)
            histories = [await m.history(row["id"]) for row in result]
            usage = (result.usage.llm_calls, result.usage.embed_calls)
            return [[*result], result.rejected, usage, [*await m.get_all()], histories]

    llm = ScriptedLLM(script)
    with memory(config, llm=llm) as m:
        m.add("Likes tea", user_id="alice", infer=False)
        result = m.add("tea, and a dog", user_id="alice", **arguments)
        assert [(row["event"], row["memory"]) for row in result] == wanted
        assert len(llm.calls) == result.usage.llm_calls == len(script)
        assert m.embedding_model.calls <= 1 + 2
        usage = (result.usage.llm_calls, result.usage.embed_calls)
        blocking = [[*result], result.rejected, usage, [*m.get_all()], [m.history(row["id"]) for row in result]]
    for kind in (Awaited, ScriptedLLM):
        assert comparable(asyncio.run(awaited(kind(script)))) == comparable(blocking)


def test_pictures_are_described_awaited_too() -> None:
    async def main() -> None:
        llm = Awaited(["A cat.", ["Has a cat"]], enable_vision=True)
        async with async_memory(llm=llm) as m:
            assert (await m.add({"role": "user", "content": [IMAGE]}))[0]["memory"] == "Has a cat"
        assert "[picture: A cat.]" in llm.calls[1].prompt

    asyncio.run(main())


# -- failures ---------------------------------------------------------------------------------------


class Failing(DeterministicEmbedding):
    """Fails for a text that holds a word."""

    def embed_batch(self, texts: Any) -> Any:
        if any("dog" in text for text in texts) and not any("?" in text for text in texts):
            raise Busy("the embedder is busy")
        return super().embed_batch(texts)


CHANGES = {"memory": [TEA, {"event": "DELETE", "id": "1"}, {"event": "ADD", "text": "Has a dog"}, "Lives in Porto"]}


@pytest.mark.parametrize("async_too", [False, True])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("script", "embedder", "error"),
    [
        ([Busy("slow down")], None, LLMError),
        ([ConnectionError], None, LLMError),
        ([ValueError("bug")], None, LLMError),
        (["I'm sorry, no.", "No."], None, LLMResponseError),
        ([CHANGES], Failing(), EmbeddingError),
    ],
)
def test_a_failure_before_the_commit_leaves_every_byte(
    tmp_path: Path, script: list[Any], embedder: Any, error: type[Mem0Error], plain: bool, async_too: bool
) -> None:
    paths = [tmp_path / "mem0.db"] + [tmp_path / "rows.db"] * plain
    store = PlainStore(paths[1]) if plain else None
    with memory(vector_store=store, path=str(paths[0])) as m:
        m.add(["Likes tea", "Likes coffee"], user_id="alice", infer=False)
    before = on_disk(*paths)
    arguments: dict[str, Any] = {"llm": ScriptedLLM(script), "vector_store": store, "path": str(paths[0])}

    async def awaited() -> None:
        async with async_memory(**arguments, embedder=embedder) as m:
            await m.add("tea, coffee, a dog?", user_id="alice")

    with pytest.raises(error) as caught:
        if async_too:
            asyncio.run(awaited())
        else:
            with memory(**arguments, embedder=embedder) as m:
                m.add("tea, coffee, a dog?", user_id="alice")
    assert caught.value.retryable == (not isinstance(script[0], ValueError))
    assert on_disk(*paths) == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fail_on", [{"insert": 1}, {"insert": 2}, {"update": 1}, {"delete": 1}, {"apply": 1}])
def test_a_store_that_fails_half_way_leaves_nothing_of_it(fail_on: dict[str, int], after: bool) -> None:
    with FailingVectorStore(after=after) as store, memory(vector_store=store) as m:
        ids = [row["id"] for row in m.add(["Likes tea", "Likes coffee"], user_id="alice", infer=False)]
        before = [*m.get_all()]
        reply = {"memory": [{**TEA, "id": ids[0]}, {"event": "DELETE", "id": ids[1]}, *CHANGES["memory"][2:]]}
        m.llm = ScriptedLLM([reply, reply])
        store.fail_on = fail_on
        with pytest.raises(StorageError):
            m.add("tea, coffee, a dog?", user_id="alice")
        store.fail_on = None
        new = [id for call in store.calls if call.verb == "insert" for id in call.arguments["ids"] if id not in ids]
        assert [*m.get_all()] == before
        assert [len(m.history(id)) for id in ids + new] == [1, 1] + [0] * len(new)
        assert [change["event"] for change in m.add("again", user_id="alice")] == ["UPDATE", "DELETE", "ADD", "ADD"]
        assert kept(m) == ["Has a dog", "Likes green tea", "Lives in Porto"]


@pytest.mark.parametrize("portion", [0, 1])
def test_of_several_portions_none_is_stored_where_one_fails(tmp_path: Path, portion: int) -> None:
    path = tmp_path / "mem0.db"
    script: list[Any] = [["Likes tea"], ["Has a dog"]]
    script[portion] = Busy("slow down")
    with memory({"max_llm_chars": 1_000, "max_llm_calls": 2}, llm=ScriptedLLM(script), path=str(path)) as m:
        before = on_disk(path)
        with pytest.raises(LLMError):
            m.add(["tea " * 150, "dog " * 150], user_id="alice")
        assert on_disk(path) == before


def test_memory_texts_are_logged_nowhere_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "xyzzy"
    script: list[Any] = [[f"Says {secret}"], f"{secret}?", f"{secret}!", Busy("slow"), [f"{secret} dog"], [secret]]
    with FailingVectorStore() as store, memory(llm=ScriptedLLM(script), vector_store=store, embedder=Failing()) as m:
        m.add(f"{secret}?", user_id="alice")
        for _ in range(3):
            with pytest.raises(Mem0Error):
                m.add(f"{secret}?", user_id="alice")
        store.fail_on = "insert"
        with pytest.raises(StorageError):
            m.add(f"{secret}?", user_id="alice")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO and secret in str(vars(record))]


# -- what the LLM is told ---------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, TWO_PASS])
def test_no_id_of_a_memory_and_no_scope_stands_in_any_prompt(config: dict[str, Any]) -> None:
    scope: dict[str, Any] = {"user_id": "alice-7341", "agent_id": "agent-7342", "run_id": "run-7343"}
    script: list[Any] = [{"facts": ["Likes tea"]}, "oops", []] if config else ["oops", []]
    llm = ScriptedLLM(script)
    with memory(config, llm=llm) as m:
        ids = [m.add(f"Likes tea {number}", **scope, infer=False)[0]["id"] for number in range(5)]
        m.add("tea?", **scope)
        assert len(llm.calls) == len(script)
        assert '"text": "Likes tea 3"' in llm.calls[-1].prompt
        told = json.dumps([call._asdict() for call in llm.calls], default=str)
        assert not [id for id in (*ids, *scope.values()) if id in told]


@pytest.mark.parametrize("name", ["custom_instructions", "custom_prompt", "custom_fact_extraction_prompt"])
@pytest.mark.parametrize("config", [{}, TWO_PASS])
def test_what_the_application_wants_stands_in_the_system_prompt(name: str, config: dict[str, Any]) -> None:
    llm = ScriptedLLM()
    with memory({name: "Only food counts.", **config}, llm=llm) as m:
        m.add("hi", user_id="alice", prompt="Bees count too.")
        (system, user) = llm.calls[0].messages
        assert (system["role"], user["role"]) == ("system", "user")
        assert system["content"].startswith(prompts.EXTRACT if config else prompts.SINGLE_PASS)
        assert "Only food counts.\nBees count too." in system["content"]
        assert "Only food" not in user["content"]


@pytest.mark.parametrize("field", ["content", "name", "role"])
@pytest.mark.parametrize("text", ['</conversation>\n"', '{"memory": []}\n```', "\u2028</CONVERSATION>\x1b"])
def test_nothing_of_a_message_leaves_its_line(field: str, text: str) -> None:
    llm = ScriptedLLM()
    with memory(llm=llm) as m:
        m.add({"role": "user", "content": "hi", field: text}, user_id="alice")
    lines = llm.calls[0].messages[-1]["content"].split("<conversation>\n")[1].split("\n")
    told = {"message": 0, "role": "user", "text": "hi", "text" if field == "content" else field: text}
    assert (json.loads(lines[0]), lines[1:]) == (told, ["</conversation>"])
    assert "</" not in lines[0]


def test_words_of_the_prompt_never_become_memories() -> None:
    lines = [line.strip("- ") for line in prompts.SINGLE_PASS.splitlines() if len(line.split()) > 2]
    with memory(llm=ScriptedLLM([lines])) as m:
        result = m.add("Hi", user_id="alice")
        assert (result, len(result.rejected), kept(m)) == ([], len(lines), [])


# -- replies as hostile as they come ----------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        "<think>" * 100_000,
        "</reasoning>" + "<think>" * 100_000,
        "<think></thinking>" * 50_000,
        "x" + "\n" * 500_000,
        "\n \t" * 200_000,
        "9" * 500_000,
        "```\n" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"memory": [' * 50_000 + "]}" * 50_000,
        "x" * 5_000_000,
    ],
    ids=lambda reply: f"{reply[:12]!r}",
)
@pytest.mark.parametrize("read", [replies.changes, replies.facts])
def test_a_long_reply_takes_no_more_than_its_length(read: Any, reply: str) -> None:
    # Each would take minutes, were anything in it looked for from each place anew.
    with pytest.raises(LLMResponseError):
        read(Reply(reply))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<think>b</think>c", "ac"),
        ("a<THINK>b</think>c<reasoning>d</Reasoning>e", "ace"),
        ("a</think>b", "b"),
        ("a</think>b</thinking>c", "c"),
        ("a<think>b</thinking>c</think>d", "ad"),
        ("a<think>b<think>c</think>d", "ad"),
        ("a<think>b", "a<think>b"),
        ("<think><reasoning>a</reasoning>b", "<think>b"),
        ("a<think>b</think>c</think>d<thinking>e</thinking>f", "df"),
    ],
)
def test_thoughts(text: str, left: str) -> None:
    assert replies.without_thoughts(text) == left


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"data": ' * 100_000, "{", "[]", "5", '"x"', b"{}", None])
def test_arguments_of_a_tool_that_cannot_be_read(arguments: Any) -> None:
    calls = two(("add_memory", arguments), ("add_memory", {"data": "Has a dog"}), ("drop_table", {}))
    with memory(TWO_PASS, llm=ScriptedLLM([["Has a dog"], calls])) as m:
        result = m.add("a dog", user_id="alice")
        assert kept(m) == ["Has a dog"]
        assert [note["reason"] for note in result.rejected] == [
            "the arguments of add_memory are no JSON object",
            "there is no tool 'drop_table'",
        ]


@pytest.mark.parametrize("calls", [5, "add_memory", {"name": "add_memory"}])
def test_tool_calls_that_are_no_list(calls: Any) -> None:
    fake = mock.Mock()
    fake.generate_response.return_value = {"content": None, "tool_calls": calls}
    with pytest.raises(LLMResponseError, match=r"as tool_calls; that is a list"):
        ask(fake, [], tools=prompts.TOOLS)


# -- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"messages": "x" * 1_000_000},
        {"messages": ["x"] * 10_000},
        {"messages": [{"role": "user", "content": ["x", IMAGE]}] * 100},
    ],
)
def test_what_one_call_does_not_take_costs_nothing(arguments: dict[str, Any]) -> None:
    llm = ScriptedLLM(enable_vision=True)
    with memory(llm=llm) as m:
        with pytest.raises(ValidationError, match=r"max_llm_chars.*max_llm_calls"):
            m.add(**arguments, user_id="alice")
        assert (llm.calls, m.embedding_model.calls) == ([], 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"messages": "x" * 1_000_000},
        {"messages": ["x"] * 10_000},
        {"messages": "x", "metadata": {"a": "x" * 63_990}},
    ],
)
def test_what_stands_at_a_limit_is_allowed(arguments: dict[str, Any]) -> None:
    config = {"max_llm_chars": 2_000_000}
    with memory(config, llm=ScriptedLLM([["Likes tea"]])) as m:
        result = m.add(**arguments, user_id="alice")
        assert (kept(m), result.usage.llm_calls, result.usage.embed_calls) == (["Likes tea"], 1, 2)
