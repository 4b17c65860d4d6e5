"""The contracts, and a memory whose parts are named in its configuration."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mem0_example_plugin.embedder import LetterCounts
from mem0_example_plugin.llm import FileLLM, FileLlmConfig
from mem0_example_plugin.reranker import SharedWords
from mem0_example_plugin.store import TableStore, TableStoreConfig

from mem0 import AsyncMemory, ConfigError, EmbedderMismatchError, LLMError, Memory, StorageError
from mem0.testing import EmbedderContract, LLMContract, RerankerContract, VectorStoreContract
from mem0.vector_stores.base import VectorStoreBase


class TestFileLLM(LLMContract):
    @pytest.fixture(autouse=True)
    def answer(self, tmp_path: Path) -> None:
        self.path = tmp_path / "answer.json"
        self.path.write_text('{"memory": []}', encoding="utf-8")

    def llm(self) -> FileLLM:
        return FileLLM(FileLlmConfig(path=str(self.path)))


class TestLetterCounts(EmbedderContract):
    # Letters say nothing of what a text means.
    related = ("tea tea tea", "tea tea tee")
    unrelated = "zzz"

    def embedder(self) -> LetterCounts:
        return LetterCounts()


class TestSharedWords(RerankerContract):
    def reranker(self) -> SharedWords:
        return SharedWords()


class TestTableStore(VectorStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.files = (str(tmp_path / f"{number}.db") for number in itertools.count())

    def store(self) -> TableStore:
        return TableStore(TableStoreConfig(file=next(self.files)))

    def reopened(self, store: VectorStoreBase) -> TableStore:
        assert isinstance(store, TableStore)
        store.close()
        return TableStore(TableStoreConfig(file=store.file))


def test_what_sqlite_cannot_do_is_told_as_an_error_of_the_library(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        TableStore(TableStoreConfig(file=str(tmp_path)))
    store = TableStore(TableStoreConfig(file=str(tmp_path / "table.db")))
    store.close()
    with pytest.raises(StorageError, match="closed database") as caught:
        store.create_col("c", 2)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "path": str(tmp_path / "history.db"),
        "llm": {"provider": "file", "config": {"path": str(tmp_path / "answer.json")}},
        "embedder": {"provider": "letters"},
        "reranker": {"provider": "words"},
        "vector_store": {"provider": "table", "config": {"file": str(tmp_path / "table.db")}},
    }


def test_they_are_named_in_a_configuration(config: dict[str, Any], tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    with Memory(config) as m:
        with pytest.raises(LLMError, match="cannot be read"):
            m.add("An apple a day.", user_id="alice")
        answer.write_text('{"memory": [{"text": "Eats an apple a day", "quote": "apple a day"}]}', encoding="utf-8")
        (change,) = m.add("An apple a day.", user_id="alice")
        assert (change["memory"], change["verified"]) == ("Eats an apple a day", True)
        (found,) = m.search("apple", user_id="alice", rerank=True)
        assert (found["memory"], found["score"]) == ("Eats an apple a day", 1.0)
        assert m.search("apple", user_id="bob") == []
    with Memory(config) as m:
        assert [found["memory"] for found in m.get_all(user_id="alice")] == ["Eats an apple a day"]
        assert m.delete_all(user_id="alice")["deleted"] == 1
    config["llm"] = {"provider": "file", "config": {"pth": "x"}}
    with pytest.raises(ConfigError, match="did you mean 'path'"):
        Memory(config)


def test_they_are_awaited(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"memory": [{"text": "Eats an apple a day"}]}', encoding="utf-8")

    async def used() -> list[str]:
        async with AsyncMemory(config) as m:
            await m.add("An apple a day.", user_id="alice")
            return [found["memory"] for found in await m.search("apple", user_id="alice", rerank=True)]

    assert asyncio.run(used()) == ["Eats an apple a day"]


def test_another_model_of_the_same_size_is_refused(config: dict[str, Any]) -> None:
    class Capitals(LetterCounts):
        model = "capital-letters"

    with Memory(config) as m:
        m.add("An apple a day.", user_id="alice", infer=False)
    with pytest.raises(EmbedderMismatchError, match="letter-counts"):
        Memory(config, embedder=Capitals())
