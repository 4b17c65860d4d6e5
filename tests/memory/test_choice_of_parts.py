"""Which LLM and which embedder a memory is made of, in every combination; no socket can be opened here."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mem0 import AsyncMemory, ConfigError, EmbedderMismatchError, Memory
from mem0.embeddings.onnx import OnnxEmbedding
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.history.sqlite import SQLiteManager
from mem0.llms.openai import OpenAILLM
from mem0.rerankers.base import RerankerBase
from mem0.testing import DeterministicEmbedding, ScriptedLLM
from mem0.vector_stores.sqlite import SQLiteVectorStore

KEY = "sk-test-0123456789"
OPENAI = {"provider": "openai", "config": {"api_key": KEY}}
LOCAL = {"provider": "openai", "config": {"api_key": KEY, "base_url": "http://localhost:1/v1"}}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "home"))


class Same(RerankerBase):
    """Finds all texts the same."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return [0.5] * len(texts)


def expected(key: bool, llm: Any, embedder: Any, injected: str | None) -> tuple[type | None, type]:
    """Return the classes of LLM and embedder, as the rules in the documentation say."""
    if injected == "llm":
        made: type | None = ScriptedLLM
    elif llm is not None:
        made = OpenAILLM
    else:
        made = OpenAILLM if key and injected is None else None
    if injected == "embedder":
        return made, DeterministicEmbedding
    if embedder is not None:
        return made, OpenAIEmbedding if embedder["provider"] == "openai" else OnnxEmbedding
    return made, OpenAIEmbedding if made is OpenAILLM and llm is not LOCAL else OnnxEmbedding


COMBINATIONS = [
    (key, llm, embedder, injected)
    for key, llm, embedder, injected in itertools.product(
        (False, True),
        (None, OPENAI, LOCAL),
        (None, OPENAI, {"provider": "onnx"}),
        (None, "llm", "embedder", "vector_store", "history", "reranker"),
    )
]


@pytest.mark.parametrize(("key", "llm", "embedder", "injected"), COMBINATIONS)
def test_every_combination(
    key: bool, llm: Any, embedder: Any, injected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    parts: dict[str, Any] = {
        "llm": ScriptedLLM,
        "embedder": DeterministicEmbedding,
        "vector_store": SQLiteVectorStore,
        "history": SQLiteManager,
        "reranker": Same,
    }
    keywords = {injected: parts[injected]()} if injected else {}
    config = {"path": ":memory:", "llm": llm, "embedder": embedder}
    with Memory(config, **keywords) as m:
        found = (None if m.llm is None else type(m.llm), type(m.embedding_model))
        assert found == expected(key, llm if injected != "llm" else None, embedder, injected)
    for part in keywords.values():
        if hasattr(part, "close"):
            part.close()


def test_the_llms_key_serves_the_embedder_beside_it() -> None:
    with Memory({"path": ":memory:", "llm": OPENAI}) as m:
        assert m.embedding_model.config.api_key.get_secret_value() == KEY
        assert KEY not in repr(m) + repr(m.config) + repr(m.llm) + repr(m.embedding_model)


@pytest.mark.parametrize("infer", [None, True])
def test_infer_follows_the_llm(infer: bool | None) -> None:
    llm = ScriptedLLM([{"memory": [{"text": "Likes tea"}]}])
    with Memory(path=":memory:", llm=llm, embedder=DeterministicEmbedding()) as m:
        assert m.add("I like tea", infer=infer)[0]["memory"] == "Likes tea"
        assert m.add("I like tea", infer=False)[0]["memory"] == "I like tea"
        m.llm = None
        assert m.add("I like coffee")[0]["memory"] == "I like coffee"
        with pytest.raises(ConfigError, match=r"infer=True needs an LLM.*OPENAI_API_KEY.*'llm'.*llm="):
            m.add("I like coffee", infer=True)


def test_the_llm_can_be_replaced() -> None:
    with Memory(path=":memory:", embedder=DeterministicEmbedding()) as m:
        handle = m.scope(user_id="alice")
        m.llm = ScriptedLLM([{"memory": [{"text": "Likes tea"}]}])
        assert handle.add("I like tea")[0]["memory"] == "Likes tea"
        for wrong in ("gpt-4o", {"provider": "openai"}, ScriptedLLM):
            with pytest.raises(ConfigError, match="llm="):
                m.llm = wrong


def test_a_collection_keeps_its_embedder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = str(tmp_path / "mem0.db")
    with Memory(path=path) as m:
        m.add("likes tea", user_id="alice")
    caplog.set_level(logging.INFO)
    with Memory({"path": path, "llm": OPENAI}) as m:
        assert type(m.embedding_model) is OnnxEmbedding
        assert m.search("tea", user_id="alice")[0]["memory"] == "likes tea"
    assert ["was made by embedder 'onnx', which is used again" in record.message for record in caplog.records] == [True]
    with pytest.raises(EmbedderMismatchError, match=r"size 384.*size 1536"):
        Memory({"path": path, "embedder": OPENAI})


@pytest.mark.parametrize("kind", [Memory, AsyncMemory])
def test_a_key_that_is_missing_is_named_at_the_start(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no key: set OPENAI_API_KEY"):
        kind({"path": str(tmp_path / "mem0.db"), "llm": {"provider": "openai"}})
