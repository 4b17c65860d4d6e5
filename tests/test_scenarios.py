"""The scenarios that real users hit, one test each, by number."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mem0
from mem0 import (
    ConfigError,
    EmbedderMismatchError,
    EmbeddingError,
    LLMError,
    LLMResponseError,
    Memory,
    MemoryNotFoundError,
    StorageError,
    ValidationError,
)
from mem0.testing import DeterministicEmbedding, FailingVectorStore, ScriptedLLM, async_memory, memory
from mem0.vector_stores.sqlite import SQLiteVectorStore


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "mem0.db")


def texts_of(m: Memory) -> list[str]:
    return sorted(found["memory"] for found in m.get_all(user_id="alice"))


def test_01_a_fenced_reply_after_a_think_block_with_braces() -> None:
    reply = '<think>Is {"memory": [...]} the shape? {maybe}</think>\n```json\n{"memory": [{"text": "Likes tea"}]}\n```'
    with memory(llm=ScriptedLLM([reply])) as m:
        m.add("I like tea", user_id="alice")
        assert texts_of(m) == ["Likes tea"]


@pytest.mark.parametrize(
    "reply",
    [
        [{"text": "Likes tea"}, {"text": "Has a dog"}],
        ["Likes tea", "Has a dog"],
        {"facts": ["Likes tea", "Has a dog"]},
        {"memory": ["Likes tea", {"event": "ADD", "text": "Has a dog"}]},
        {"memories": [{"memory": "Likes tea"}, {"memory": "Has a dog"}]},
    ],
)
def test_02_lists_in_all_shapes(reply: Any) -> None:
    with memory(llm=ScriptedLLM([reply])) as m:
        m.add("I like tea and I have a dog", user_id="alice")
        assert texts_of(m) == ["Has a dog", "Likes tea"]


def test_03_a_reply_that_is_cut_off() -> None:
    cut = '{"memory": [{"event": "ADD", "text": "Likes tea"}, {"event": "ADD", "text": "Has a d'
    llm = ScriptedLLM([cut, cut[:20], '{"memory": ["Lives in Porto"]}', cut[:20], cut[:20]])
    with memory(llm=llm) as m:
        assert "cut off" in m.add("tea", user_id="alice").rejected[0]["reason"]
        m.add("Porto", user_id="alice")  # once more, and it can be read
        assert texts_of(m) == ["Likes tea", "Lives in Porto"]
        with pytest.raises(LLMResponseError):
            m.add("a dog", user_id="alice")
        assert texts_of(m) == ["Likes tea", "Lives in Porto"]


def test_04_the_llm_refuses_in_prose() -> None:
    refusal = "I'm sorry, but I can't help with that."
    with memory(llm=ScriptedLLM([refusal, refusal, {"memory": []}])) as m:
        with pytest.raises(LLMResponseError) as caught:
            m.add("tea", user_id="alice")
        assert caught.value.reply == refusal
        assert m.add("Hi", user_id="alice") == []  # nothing to remember is no error


def test_05_the_llm_has_too_much_to_do() -> None:
    class RateLimitError(Exception):
        status_code = 429

    with memory(llm=ScriptedLLM([RateLimitError("slow down")])) as m:
        with pytest.raises(LLMError) as caught:
            m.add("tea", user_id="alice")
        assert (caught.value.status, caught.value.retryable) == (429, True)
        assert isinstance(caught.value.__cause__, RateLimitError)
        assert texts_of(m) == []


def test_06_the_embedder_fails_for_one_of_two_facts() -> None:
    class Picky:
        def embed(self, text: str) -> list[float]:
            if text == "Has a dog":
                raise RuntimeError("not this one")
            return [1.0, float(len(text))]

    with memory(llm=ScriptedLLM([["Likes tea", "Has a dog"]]), embedder=Picky()) as m:
        with pytest.raises(EmbeddingError, match="not this one"):
            m.add("tea and a dog", user_id="alice")
        assert texts_of(m) == []


def test_06_nothing_of_the_two_is_in_the_history(path: str) -> None:
    class Picky(DeterministicEmbedding):
        def embed_batch(self, texts: Any) -> list[list[float]]:
            if "Has a dog" in texts:
                raise RuntimeError("not this one")
            return super().embed_batch(texts)

    with memory(llm=ScriptedLLM([["Likes tea", "Has a dog"]]), embedder=Picky(), path=path) as m:
        with pytest.raises(EmbeddingError):
            m.add("tea and a dog", user_id="alice")
        assert not _in_files(path, ["Likes tea", "Has a dog"])


def test_07_the_stores_insert_fails() -> None:
    with FailingVectorStore(fail_on="insert") as store, memory(vector_store=store) as m:
        with pytest.raises(StorageError, match="insert fails on purpose"):
            m.add("likes tea", user_id="alice")
        (asked,) = [call.arguments for call in store.calls if call.verb == "insert"]
        store.fail_on = None
        assert m.get_all(user_id="alice") == []
        assert m.history(asked["ids"][0]) == []
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"


def test_08_the_embedder_returns_fewer_vectors_than_texts() -> None:
    class Short(DeterministicEmbedding):
        def embed_batch(self, texts: Any) -> list[list[float]]:
            return super().embed_batch(texts)[:-1]

    with memory(embedder=Short()) as m:
        with pytest.raises(EmbeddingError, match=r"2 vector\(s\) for 3 text"):
            m.add(["likes tea", "owns a dog", "lives in Porto"], user_id="alice")
        assert m.get_all() == []


@pytest.mark.parametrize("empty", ["", [], "   "])
def test_09_empty_input(empty: Any) -> None:
    with memory() as m:
        result = m.add(empty, user_id="alice")
        assert (result, result.usage.llm_calls, m.embedding_model.calls) == ([], 0, 0)


def test_09_a_list_of_strings_is_that_many_user_messages() -> None:
    with memory() as m:
        assert [row["event"] for row in m.add(["a", "b"], user_id="alice")] == ["ADD", "ADD"]
        assert [(row["memory"], row["role"]) for row in m.get_all()] == [("b", "user"), ("a", "user")]


def test_10_parts_tool_calls_and_tool_messages() -> None:
    with memory() as m:
        m.add(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
                        {"type": "text", "text": "This is my cat"},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "a tabby"},
            ],
            user_id="alice",
        )
        assert [(row["role"], row["memory"]) for row in m.get_all()] == [
            ("tool", "a tabby"),
            ("user", "This is my cat"),
        ]


def test_10_an_llm_is_shown_the_texts_among_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    told = [
        {"role": "user", "content": [picture, {"type": "text", "text": "This is my cat"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "a tabby"},
    ]
    llm = ScriptedLLM([["Has a tabby"]])
    with memory(llm=llm) as m:
        result = m.add(told, user_id="alice")
        assert texts_of(m) == ["Has a tabby"]
        assert [note["message"] for note in result.rejected] == [0]  # nobody here describes pictures
        assert [text in llm.calls[0].prompt for text in ("This is my cat", "a tabby", "cat.png")] == [True, True, False]


def test_11_a_memory_that_was_never_offered() -> None:
    changes = [{"event": "UPDATE", "id": "9", "text": "Hates tea"}, {"event": "ADD", "text": "Has a dog"}]
    with memory(llm=ScriptedLLM([["Likes tea"], {"memory": changes}])) as m:
        m.add("I like tea", user_id="alice")
        result = m.add("I have a dog", user_id="alice")
        assert [change["memory"] for change in result] == ["Has a dog"]
        assert [(note["id"], note["reason"]) for note in result.rejected] == [
            ("9", "UPDATE of a memory that was not offered")
        ]
        assert texts_of(m) == ["Has a dog", "Likes tea"]


def test_12_near_duplicates_are_one_memory() -> None:
    with memory() as m:
        m.add("Likes Coffee.", user_id="alice")
        m.add("likes coffee", user_id="alice")
        assert [row["memory"] for row in m.get_all(user_id="alice")] == ["Likes Coffee."]


def test_13_the_latest_truth_is_the_only_current_one() -> None:
    second = {"memory": [{"event": "UPDATE", "id": "0", "text": "Favourite player is B"}]}
    with memory(llm=ScriptedLLM([["Favourite player is A"], second])) as m:
        (first,) = m.add("My favourite player is A", user_id="alice")
        m.add("Now it is B", user_id="alice")
        assert texts_of(m) == ["Favourite player is B"]
        assert [found["memory"] for found in m.search("favourite player", user_id="alice")] == texts_of(m)
        assert [(row["prev_value"], row["new_value"]) for row in m.history(first["id"])] == [
            (None, "Favourite player is A"),
            ("Favourite player is A", "Favourite player is B"),
        ]


def test_14_a_chinese_conversation_becomes_chinese_memories() -> None:
    llm = ScriptedLLM([["用户对花生过敏", "用户养了一只叫小雨的猫"]])
    with memory(llm=llm) as m:
        m.add([{"role": "user", "content": "我对花生过敏，还养了一只猫，叫小雨。"}], user_id="alice")
        assert "我对花生过敏，还养了一只猫，叫小雨。" in llm.calls[0].prompt
        assert m.search("花生", user_id="alice")[0]["memory"] == "用户对花生过敏"


def test_14_chinese_is_found_by_a_chinese_word() -> None:
    with Memory(path=":memory:") as m:
        m.add(["我住在里斯本", "我对花生过敏", "我的猫叫小雨"], user_id="李雷")
        found = m.search("花生", user_id="李雷")
        assert found[0]["memory"] == "我对花生过敏"


def test_15_the_time_it_was_said_is_created_at() -> None:
    with memory() as m:
        m.add("I came back yesterday", user_id="alice", timestamp="2024-05-02T09:00:00+02:00")
        assert m.get_all()[0]["created_at"] == "2024-05-02T07:00:00.000000+00:00"


def test_15_yesterday_is_counted_from_when_it_was_said() -> None:
    llm = ScriptedLLM([["Moved to Porto on 2024-03-09"]])
    with memory(llm=llm) as m:
        (added,) = m.add("I moved to Porto yesterday", user_id="alice", timestamp="2024-03-10T20:00:00Z")
        assert "Sunday, 2024-03-10 20:00 UTC" in llm.calls[0].prompt
        assert "2026" not in llm.calls[0].prompt
        assert str((m.get(added["id"]) or {})["created_at"]).startswith("2024-03-10T20:00:00")


def test_16_hi_alone_is_nothing() -> None:
    with memory(llm=ScriptedLLM([{"memory": []}, {"memory": ["<new fact>", "One fact, in one short sentence"]}])) as m:
        result = m.add("Hi", user_id="alice")
        assert (result, result.rejected, result.usage.llm_calls) == ([], [], 1)
        assert len(m.add("Hi", user_id="alice").rejected) == 2  # what only repeats the prompt
        assert texts_of(m) == []


NEVER_OFFERED = {"memory": [{"event": "DELETE", "id": "9"}, {"event": "ADD", "text": "Has a dog"}]}
PLAYER_IS_B = {"memory": [{"event": "UPDATE", "id": "0", "text": "Favourite player is B"}]}


@pytest.mark.parametrize(
    ("replies", "error", "kept"),
    [
        pytest.param(['<think>{"x"}</think>\n```json\n["Likes tea"]\n```'], None, ["Likes tea"], id="01"),
        pytest.param([{"facts": ["Likes tea", "Has a dog"]}], None, ["Has a dog", "Likes tea"], id="02"),
        pytest.param(['["Likes tea", "Has'], None, ["Likes tea"], id="03, items kept"),
        pytest.param(['["Likes', '["Likes tea"]'], None, ["Likes tea"], id="03, asked again"),
        pytest.param(['["Likes', '["Likes'], LLMResponseError, [], id="03, broken"),
        pytest.param(["I'm sorry.", "I can't."], LLMResponseError, [], id="04"),
        pytest.param([ConnectionError], LLMError, [], id="05"),
        pytest.param([["Likes tea", "\ud800fails"]], EmbeddingError, [], id="06"),
        pytest.param([NEVER_OFFERED], None, ["Has a dog"], id="11"),
        pytest.param([["Favourite player is A"], PLAYER_IS_B], None, ["Favourite player is B"], id="13"),
        pytest.param([["用户对花生过敏"]], None, ["用户对花生过敏"], id="14"),
        pytest.param([{"memory": []}], None, [], id="16"),
    ],
)
def test_01_to_16_awaited(replies: list[Any], error: type[Exception] | None, kept: list[str]) -> None:
    class Picky(DeterministicEmbedding):
        def embed_batch(self, texts: Any) -> list[list[float]]:
            if any("fails" in text for text in texts):
                raise RuntimeError("not this one")
            return super().embed_batch(texts)

    async def main() -> None:
        llm = ScriptedLLM(replies)
        async with async_memory(llm=llm, embedder=Picky()) as m:
            while len(llm.calls) < len(replies):
                if error is None:
                    await m.add("yesterday", user_id="alice", timestamp="2024-03-10T20:00:00Z")
                else:
                    with pytest.raises(error):
                        await m.add("yesterday", user_id="alice")
            found = await m.get_all(user_id="alice")
            assert sorted(row["memory"] for row in found) == kept
            assert all(row["created_at"].startswith("2024-03-10T20:00") for row in found)
            assert error is not None or "Sunday, 2024-03-10 20:00 UTC" in llm.calls[0].prompt

    asyncio.run(main())


def test_17_delete_all_of_one_of_two_users() -> None:
    with memory() as m:
        for user in ("a", "b"):
            m.add([f"fact {number} of {user}" for number in range(2500)], user_id=user)
        assert m.delete_all(user_id="a") == {"message": "Memories deleted", "deleted": 2500, "failed": []}
        assert (m.get_all(user_id="a").total, m.search("fact", user_id="a")) == (0, [])
        assert (m.get_all(user_id="b").total, m.search("fact", user_id="b").total) == (2500, 2500)


def test_18_purge_leaves_the_text_nowhere(path: str) -> None:
    secrets = [f"xyzzy{number}plugh" for number in range(60)]
    with memory(path=path) as m:
        m.add("Bob keeps this", user_id="bob", metadata={"note": "frobozz"})
        added = m.add([f"The word is {secret}." for secret in secrets[:50]], user_id="alice")
        m.add(f"And {secrets[50]}", user_id="alice", metadata={"note": secrets[51], "deep": [{secrets[52]: 1}]})
        m.update(added[0]["id"], f"Replaced by {secrets[53]}")
        m.update(added[1]["id"], metadata={"note": secrets[54]})
        m.delete(added[2]["id"])
        m.search("the word", user_id="alice")
        assert all(_in_files(path, [secret]) for secret in secrets[:55])
        result = m.delete_all(user_id="alice", purge=True)
        # 51 added, two updated, one deleted before.
        assert result["deleted"] == 50
        assert result["receipt"] == {"memories": 50, "history_rows": 54, "complete": True}
        assert m.history(added[0]["id"]) == m.history(added[2]["id"]) == []
        assert m.search("the word", user_id="alice") == []
        assert [row["memory"] for row in m.get_all()] == ["Bob keeps this"]
        assert not _in_files(path, secrets)
        assert m.add(f"The word is {secrets[0]}.", user_id="alice")[0]["event"] == "ADD"
    assert _in_files(path, ["frobozz"])
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert [secret for secret in secrets if secret in dump] == [secrets[0]]


def test_18_purge_of_one_memory_leaves_its_text_nowhere(path: str) -> None:
    with memory(path=path) as m:
        (added,) = m.add("The word is xyzzy", user_id="alice")
        (other,) = m.add("The other word is plugh", user_id="alice")
        m.update(added["id"], "The word was frobozz")
        m.delete(added["id"], purge=True)
        assert not _in_files(path, ["xyzzy", "frobozz"])
        assert _in_files(path, ["plugh"])
        assert len(m.history(other["id"])) == 1


def test_18_purge_with_a_history_of_its_own(path: str, tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    with memory({"history_db_path": history}, path=path) as m:
        (added,) = m.add("The word is xyzzy", user_id="alice")
        m.update(added["id"], "The word was frobozz")
        assert m.delete_all(user_id="alice", purge=True)["receipt"]["complete"] is True
        assert not _in_files(path, ["xyzzy", "frobozz"])
        assert not _in_files(history, ["xyzzy", "frobozz"])


def test_19_deletion_of_one_among_many_fails() -> None:
    with FailingVectorStore() as store, memory(vector_store=store) as m:
        added = m.add(["likes tea", "owns a dog", "lives in Porto"], user_id="alice")
        stuck = added[1]["id"]
        store.fail_on = lambda call: call.verb == "delete" and call.arguments["vector_id"] == stuck
        assert m.delete_all(user_id="alice") == {"message": "Memories deleted", "deleted": 2, "failed": [stuck]}
        assert [row["id"] for row in m.get_all()] == [stuck]
        assert [row["event"] for row in m.history(stuck)] == ["ADD"]
        assert [row["event"] for row in m.history(added[0]["id"])] == ["ADD", "DELETE"]


def test_20_metadata_cannot_move_a_memory() -> None:
    with memory() as m:
        with pytest.raises(ValidationError, match=r"metadata\['user_id'\].*pass user_id= instead"):
            m.add("likes tea", user_id="a", metadata={"user_id": "b"})
        (added,) = m.add("likes tea", user_id="a")
        with pytest.raises(ValidationError, match=r"metadata\['user_id'\]"):
            m.update(added["id"], metadata={"user_id": "b"})
        assert [row["id"] for row in m.get_all(user_id="a")] == [added["id"]]
        assert m.get_all(user_id="b") == []


def test_21_deleting_in_a_process_that_never_added(path: str) -> None:
    with memory(path=path) as m:
        (gone,) = m.add("likes tea", user_id="alice")
        (kept,) = m.add("likes milk", user_id="alice")
        assert m.search("likes", user_id="alice").total == 2
        script = "import sys; from mem0.testing import memory; memory(path=sys.argv[1]).delete(sys.argv[2])"
        environment = {**os.environ, "PYTHONPATH": str(Path(mem0.__file__).parents[1])}
        subprocess.run([sys.executable, "-c", script, path, gone["id"]], env=environment, check=True)
        assert [row["id"] for row in m.search("likes", user_id="alice")] == [kept["id"]]
        assert [row["id"] for row in m.get_all(user_id="alice")] == [kept["id"]]
        assert m.get(gone["id"]) is None
        with pytest.raises(MemoryNotFoundError):
            m.update(gone["id"], "likes rum")
        assert m.add("likes tea", user_id="alice")[0]["event"] == "ADD"
    with memory(path=path) as m:
        assert sorted(row["memory"] for row in m.search("likes", user_id="alice")) == ["likes milk", "likes tea"]


def test_22_the_same_path_opened_again(path: str) -> None:
    with memory(path=path) as m:
        m.add([f"fact {number}" for number in range(100)], user_id="alice", metadata={"n": 1})
        before = m.get_all(limit=200), m.search("fact 7", user_id="alice")
        histories = [m.history(row["id"]) for row in before[0]]
    for _ in range(2):
        with memory(path=path) as m:
            assert (m.get_all(limit=200), m.search("fact 7", user_id="alice")) == before
            assert [m.history(row["id"]) for row in before[0]] == histories


@pytest.mark.parametrize("page", [1, 5, 10, 47, 100])
def test_23_forty_seven_rows_paged(page: int) -> None:
    with memory() as m:
        for number in range(47):
            # Pairs share their time; of these the one inserted later is the newer.
            m.add(f"fact {number}", user_id="alice", timestamp=1_700_000_000 + number // 2)
        m.add("somebody else's", user_id="bob")
        found: list[str] = []
        for offset in range(0, 47 + page, page):
            rows = m.get_all(user_id="alice", limit=page, offset=offset)
            assert rows.total == 47
            found += [row["memory"] for row in rows]
        assert found == [f"fact {number}" for number in reversed(range(47))]


@pytest.mark.parametrize("kind", [SQLiteVectorStore, FailingVectorStore])
def test_24_scores_mean_the_same_on_every_store(kind: Any) -> None:
    class Axes:
        dims = 3
        axes = ("the cat sleeps", "markets fell sharply", "unrelated question")

        def embed(self, text: str) -> list[float]:
            return [float(text == axis) for axis in self.axes]

    with kind() as store, memory(vector_store=store, embedder=Axes()) as m:
        m.add("the cat sleeps", user_id="alice")
        m.add("markets fell sharply", user_id="alice")
        same, orthogonal = m.search("the cat sleeps", user_id="alice")
        assert same["memory"] == "the cat sleeps"
        assert same["score"] >= 0.99
        assert orthogonal["score"] <= 0.5
        assert [row["memory"] for row in m.search("the cat sleeps", threshold=0.7)] == ["the cat sleeps"]
        assert all(row["score"] <= 0.5 for row in m.search("unrelated question"))


def test_25_an_embedder_of_size_768_and_nothing_else(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "EMBEDDING_MODEL_DIMS", "EMBEDDING_DIMS", "MEM0_EMBEDDER", "QDRANT_HOST"):
        monkeypatch.setenv(name, "1536")
    with memory(path=path, embedder=DeterministicEmbedding(768)) as m:
        m.add("likes tea")
        info = m.vector_store.col_info("mem0")
        assert info is not None
        assert info["vector_size"] == 768
    with pytest.raises(EmbedderMismatchError, match=r"size 768.*size 1024"):
        memory(path=path, embedder=DeterministicEmbedding(1024))
    with pytest.raises(ConfigError, match=re.escape("config['embeder']: unknown key; did you mean 'embedder'?")):
        Memory({"embeder": {"provider": "onnx"}})


def _in_files(path: str, words: list[str]) -> bool:
    """Tell whether any of the words is in the database's files as they are on disk now, free pages included."""
    files = [file for file in Path(path).parent.iterdir() if file.name.startswith(Path(path).name)]
    assert files
    contents = b"".join(file.read_bytes() for file in files)
    return any(word.encode() in contents for word in words)
