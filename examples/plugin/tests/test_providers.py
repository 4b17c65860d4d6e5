"""The contracts, and a memory whose parts are named in its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from mem0_example_plugin.embedder import LetterCounts
from mem0_example_plugin.llm import FileLLM, FileLlmConfig
from mem0_example_plugin.reranker import SharedWords
from mem0_example_plugin.store import DictionaryStore

from mem0 import ConfigError, LLMError, Memory
from mem0.testing import EmbedderContract, LLMContract, RerankerContract, VectorStoreContract


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


class TestDictionaryStore(VectorStoreContract):
    def store(self) -> DictionaryStore:
        return DictionaryStore()


def test_they_are_named_in_a_configuration(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    config = {
        "path": str(tmp_path / "history.db"),
        "llm": {"provider": "file", "config": {"path": str(answer)}},
        "embedder": {"provider": "letters"},
        "reranker": {"provider": "words"},
        "vector_store": {"provider": "dictionary"},
    }
    with Memory(config) as m:
        with pytest.raises(LLMError, match="cannot be read"):
            m.add("An apple a day.", user_id="alice")
        answer.write_text('{"memory": [{"text": "Eats an apple a day", "quote": "apple a day"}]}', encoding="utf-8")
        (change,) = m.add("An apple a day.", user_id="alice")
        assert (change["memory"], change["verified"]) == ("Eats an apple a day", True)
        (found,) = m.search("apple", user_id="alice", rerank=True)
        assert (found["memory"], found["score"]) == ("Eats an apple a day", 1.0)
        assert m.search("apple", user_id="bob") == []
        assert m.delete_all(user_id="alice")["deleted"] == 1
    config["llm"] = {"provider": "file", "config": {"pth": "x"}}
    with pytest.raises(ConfigError, match="did you mean 'path'"):
        Memory(config)
