"""What a memory can be made of, and how a mistake in it is told."""

from __future__ import annotations

import logging
import os
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mem0 import AsyncMemory, ClosedError, ConfigError, Memory, MemoryConfig, StorageError
from mem0.history.sqlite import SQLiteManager
from mem0.testing import (
    DeterministicEmbedding,
    FailingVectorStore,
    FrozenClock,
    RecordingTelemetry,
    ScriptedLLM,
    memory,
)
from mem0.utils.factory import EmbedderFactory, VectorStoreFactory
from mem0.vector_stores.sqlite import SQLiteVectorStore

SECRET = "sk-very-secret-1234567890"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every memory that names no path write here."""
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "home"))
    return tmp_path / "home"


class TestWays:
    """Every way to name the same thing leads to the same memory."""

    @pytest.mark.parametrize(
        "build",
        [
            lambda path: Memory(path=path),
            lambda path: Memory(path=Path(path)),
            lambda path: Memory({"path": path}),
            lambda path: Memory({"path": Path(path)}),
            lambda path: Memory(config={"path": path}),
            lambda path: Memory(MemoryConfig(path=path)),
            lambda path: Memory(MemoryConfig(), path=path),
            lambda path: Memory({"path": path}, path=path),
            lambda path: Memory.from_config({"path": path}),
            lambda path: Memory.from_config(config_dict={"path": path, "version": "v1.1"}),
            lambda path: Memory({"vector_store": {"provider": "sqlite", "config": {"path": path}}}),
            lambda path: Memory({"path": path, "vector_store": {"provider": "sqlite", "config": {"path": path}}}),
            lambda path: Memory({"path": path, "llm": None, "embedder": None, "reranker": None, "version": 1.1}),
            lambda path: Memory(types.MappingProxyType({"path": path})),
        ],
    )
    def test_the_file(self, tmp_path: Path, home: Path, build: Any) -> None:
        path = tmp_path / "there" / "mine.db"
        with build(str(path)) as m:
            m.embedding_model = DeterministicEmbedding()
            m.add("likes tea")
        with Memory(path=str(path), embedder=DeterministicEmbedding()) as again:
            assert again.get_all()[0]["memory"] == "likes tea"
        assert not home.exists()

    @pytest.mark.parametrize(
        "config",
        [
            {"collection_name": "mine"},
            {"vector_store": {"provider": "sqlite", "config": {"collection_name": "mine"}}},
            {
                "collection_name": "mine",
                "vector_store": {"provider": "sqlite", "config": {"collection_name": "mine", "busy_timeout": 5}},
            },
            MemoryConfig(vector_store={"provider": "sqlite", "config": {"collection_name": "mine"}}),
        ],
    )
    def test_the_collection(self, config: Any) -> None:
        with memory(config) as m:
            assert m.collection_name == m.config.collection_name == "mine"

    def test_the_default_place(self, home: Path) -> None:
        with Memory(embedder=DeterministicEmbedding()) as m:
            m.add("likes tea")
        assert (home / "mem0.db").is_file()

    def test_the_place_without_any_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEM0_DIR", "")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert MemoryConfig().file() == str(tmp_path / ".mem0" / "mem0.db")

    def test_nothing_is_written_before_a_memory_is_built(self, home: Path) -> None:
        MemoryConfig().file()
        MemoryConfig.of({"history_db_path": "x.db"})
        assert not home.exists()

    def test_in_memory_leaves_nothing(self, home: Path, tmp_path: Path) -> None:
        with Memory(path=":memory:", embedder=DeterministicEmbedding()) as m:
            m.add("likes tea")
        assert [*tmp_path.rglob("*")] == []
        with Memory(path=":memory:", embedder=DeterministicEmbedding()) as m:
            assert m.get_all() == []

    def test_the_callers_dict_stays_as_it_is(self) -> None:
        config = {"vector_store": {"provider": "sqlite", "config": {"collection_name": "mine", "path": ":memory:"}}}
        before = repr(config)
        Memory(config).close()
        assert repr(config) == before

    def test_a_configuration_serves_several_memories(self, tmp_path: Path) -> None:
        config = MemoryConfig(collection_name="mine")
        with memory(config, path=str(tmp_path / "a.db")) as a, memory(config, path=str(tmp_path / "b.db")) as b:
            assert (a.config.path, b.config.path) == (str(tmp_path / "a.db"), str(tmp_path / "b.db"))
        assert config == MemoryConfig(collection_name="mine")

    def test_a_history_of_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "history.db"
        with memory({"history_db_path": path}, path=str(tmp_path / "mem0.db")) as m:
            (added,) = m.add("likes tea")
        with SQLiteManager(path) as history:
            assert [row["new_value"] for row in history.get_history(added["id"])] == ["likes tea"]

    def test_the_history_in_the_same_file_named_twice(self, tmp_path: Path) -> None:
        path = str(tmp_path / "mem0.db")
        with memory({"history_db_path": path, "busy_timeout": 1}, path=path) as m:
            (added,) = m.add("likes tea")
            assert len(m.history(added["id"])) == 1


class TestMistakes:
    @pytest.mark.parametrize(
        ("config", "told"),
        [
            ({"embeder": {}}, r"config\['embeder'\]: unknown key; did you mean 'embedder'\?"),
            ({"vectorstore": {}}, "did you mean 'vector_store'"),
            ({"collection": "x"}, "did you mean 'collection_name'"),
            ({"history_path": "x"}, "did you mean 'history_db_path'"),
            ({"zzz": 1}, "unknown key; there are: add_strategy, busy_timeout, cache_mb, collection_name"),
            ({"embedder": {"provider": "onnx", "confg": {}}}, r"\['embedder'\]\['confg'\].*did you mean 'config'"),
            ({"embedder": {"config": {}}}, r"config\['embedder'\]\['provider'\] is missing"),
            ({"embedder": {"provider": "onx"}}, "embedder provider 'onx' is unknown; did you mean 'onnx'"),
            ({"embedder": {"provider": "word2vec"}}, "'word2vec' is unknown; there are: .*onnx"),
            ({"embedder": {"provider": "onnx", "config": {"max_token": 5}}}, "did you mean 'max_tokens'"),
            ({"embedder": "onnx"}, r"config\['embedder'\] \(a str\)"),
            ({"vector_store": {"provider": "sqlit"}}, "did you mean 'sqlite'"),
            ({"vector_store": {"provider": "sqlite", "config": {"pth": "x"}}}, "did you mean 'path'"),
            ({"vector_store": {"provider": "sqlite", "config": ["path"]}}, r"\['config'\] \(a list\)"),
            ({"vector_store": {"config": {"path": "x"}}}, r"\['provider'\] is missing; name the store"),
            ({"vector_store": {"config": {"host": "h", "port": 1}}}, "config has 'host': a server's store.*'qdrant'"),
            ({"vector_store": {"config": {"url": "http://h"}}}, "config has 'url': a server's store.*'qdrant'"),
            (
                {"collection_name": "a", "vector_store": {"provider": "sqlite", "config": {"collection_name": "b"}}},
                "'a' and .* is 'b'; they mean the same",
            ),
            ({"path": "a", "vector_store": {"provider": "sqlite", "config": {"path": "b"}}}, "mean the same"),
            ({"graph_store": {"provider": "neo4j"}}, r"config\['graph_store'\]: there is no graph store; leave it out"),
            ({"enable_graph": True}, r"config\['enable_graph'\]: there is no graph store; leave it out"),
            ({"llm": {"provider": "opnai"}}, "llm provider 'opnai' is unknown; did you mean 'openai'"),
            ({"llm": {"provider": "openai", "config": {"modle": "x"}}}, "did you mean 'model'"),
            ({"add_strategy": "three_pass"}, r"config\['add_strategy'\].*'single_pass' or 'two_pass'"),
            ({"max_llm_calls": 0}, r"config\['max_llm_calls'\]=0"),
            (
                {"custom_update_memory_prompt": "x", "add_strategy": "single_pass"},
                "custom_update_memory_prompt'.* is for add_strategy='two_pass'",
            ),
            ({"reranker": {"provider": "coher"}}, "reranker provider 'coher' is unknown; did you mean 'cohere'"),
            ({"reranker": {"provider": "llm"}}, "asks the memory's LLM, and this memory has none"),
            ({"custom_instructions": "a", "custom_prompt": "b"}, r"\['custom_prompt'\] and .* differ; give one"),
            ({"custom_instructions": "x" * 20_001}, r"config\['custom_instructions'\] \(a str\)"),
            ({"busy_timeout": 0}, r"config\['busy_timeout'\]=0: Input should be greater than 0"),
            ({"embedding_model_dims": 0}, r"config\['embedding_model_dims'\]=0"),
            ({"collection_name": ""}, r"config\['collection_name'\]"),
            ({"path": ""}, r"config\['path'\]"),
            ({"path": 5}, r"config\['path'\]=5"),
            ({1: 2}, r"config\[1\]: a key is text"),
            ([("path", "x")], "expected a MemoryConfig, a dict, or nothing, not list"),
            ("onnx", "not str"),
        ],
    )
    def test_it_is_told_with_the_nearest_name(self, config: Any, told: str, tmp_path: Path) -> None:
        for build in (Memory, AsyncMemory):
            with pytest.raises(ConfigError, match=told):
                build(config)
        if isinstance(config, dict) and 1 not in config and "provider" not in str(config):
            with pytest.raises(ConfigError, match=told):
                MemoryConfig(**config)

    @pytest.mark.parametrize(
        ("keywords", "told"),
        [
            ({"path": "a", "config": {"path": "b"}}, "path='a' and config.*'b' mean the same"),
            ({"path": 5}, "path"),
            ({"llm": object()}, r"llm=<object>: expected an object with generate_response"),
            ({"llm": {"provider": "openai", "config": {"api_key": SECRET}}}, r"llm=<dict>.*config="),
            ({"llm": ScriptedLLM}, "llm=<the class ScriptedLLM>"),
            ({"telemetry": True}, "telemetry=<bool>: expected a TelemetryBase"),
            ({"embedder": "onnx"}, "embedder=<str>: expected an object with embed"),
            ({"embedder": {"provider": "onnx", "config": {"api_key": SECRET}}}, r"embedder=<dict>.*config="),
            ({"embedder": DeterministicEmbedding}, "embedder=<the class DeterministicEmbedding>"),
            ({"vector_store": {"provider": "x", "config": {"api_key": SECRET}}}, r"vector_store=<dict>.*config="),
            ({"vector_store": SQLiteVectorStore}, "vector_store=<the class SQLiteVectorStore>"),
            ({"history": "history.db"}, "history=<str>: expected a HistoryBase"),
        ],
    )
    def test_keywords(self, keywords: dict[str, Any], told: str, home: Path) -> None:
        with pytest.raises(ConfigError, match=told) as caught:
            Memory(**keywords)
        assert SECRET not in str(caught.value)
        assert not home.exists()

    def test_unknown_keywords_are_type_errors(self) -> None:
        with pytest.raises(TypeError, match="embeder"):
            Memory(embeder=DeterministicEmbedding())  # type: ignore[call-arg]

    def test_an_embedder_that_only_awaits(self) -> None:
        class Awaited:
            async def embed(self, text: str) -> list[float]:
                return [1.0]

        with pytest.raises(ConfigError, match="call it aembed"):
            memory(embedder=Awaited())

    def test_an_llm_that_only_awaits(self) -> None:
        class Awaited:
            async def generate_response(self, messages: list[Any]) -> str:
                return ""

        with pytest.raises(ConfigError, match="call it agenerate_response"):
            memory(llm=Awaited())

    @pytest.mark.parametrize("older", ["custom_prompt", "custom_fact_extraction_prompt"])
    def test_older_names_of_the_instructions(self, older: str) -> None:
        assert MemoryConfig.of({older: "Only food", "custom_instructions": None}).custom_instructions == "Only food"

    def test_a_prompt_for_merging_means_two_passes(self) -> None:
        assert MemoryConfig.of({"custom_update_memory_prompt": "Keep both"}).add_strategy == "two_pass"

    def test_telemetry_that_is_off_is_what_there_is(self) -> None:
        Memory(path=":memory:", telemetry=False, embedder=DeterministicEmbedding()).close()


class TestSecrets:
    @pytest.mark.parametrize(
        "config",
        [
            {"embedder": {"provider": "onnx", "config": {"api_key": SECRET}}},
            {"embedder": {"provider": "nobody", "config": {"api_key": SECRET}}},
            {"embedder": {"provider": "onnx", "api_key": SECRET}},
            {"embedder": [SECRET]},
            {"embedder": {"provider": "onnx", "config": SECRET}},
            {"llm": {"provider": "openai", "config": {"api_key": SECRET, "modle": "x"}}},
            {"llm": {"provider": "openai", "config": {"api_key": SECRET, "base_url": "a", "openai_base_url": "b"}}},
            {"vector_store": {"config": {"url": "http://h", "api_key": SECRET}}},
            {"vector_store": {"provider": "sqlite", "config": {"api_key": SECRET}}},
            {"busy_timeout": SECRET},
            {"openai_api_key": SECRET},
            [SECRET],
            SECRET,
        ],
    )
    def test_errors_do_not_show_them(self, config: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            Memory(config)
        error: BaseException | None = caught.value
        while error is not None:
            assert SECRET not in f"{error} {error!r}"
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

    def test_representations_do_not_show_them(self) -> None:
        config = MemoryConfig(embedder={"provider": "openai", "config": {"api_key": SECRET}})
        assert config.embedder is not None
        assert config.embedder.config == {"api_key": SECRET}
        for shown in (repr(config), str(config), repr(config.embedder), f"{config}"):
            assert SECRET not in shown
            assert "api_key" in shown

    def test_assignments_do_not_show_them(self) -> None:
        config = MemoryConfig()
        with pytest.raises(ValueError, match="embedder") as caught:
            config.embedder = {"provider": "x", "key": SECRET}  # type: ignore[assignment]
        assert SECRET not in str(caught.value)

    def test_a_memory_shows_where_it_is_and_no_more(self, tmp_path: Path) -> None:
        with memory(path=str(tmp_path / "mem0.db")) as m:
            shown = f"Memory(SQLiteVectorStore({str(tmp_path / 'mem0.db')!r}), collection='mem0')"
            assert repr(m) == shown


class TestParts:
    def test_they_are_public(self) -> None:
        embedder = DeterministicEmbedding()
        with FailingVectorStore() as store, memory(embedder=embedder, vector_store=store) as m:
            assert m.embedding_model is embedder
            assert m.vector_store is store
            assert isinstance(m.db, SQLiteManager)
            assert m.collection_name == "mem0"
            assert m.config == MemoryConfig(path=":memory:")

    def test_an_embedder_can_be_replaced(self) -> None:
        with memory() as m:
            m.add("likes tea")
            m.embedding_model = other = DeterministicEmbedding()
            m.search("tea")
            m.scope(user_id="alice").add("owns a dog")
            assert other.texts == ["tea", "owns a dog"]

    def test_a_store_and_a_history_can_be_replaced(self) -> None:
        with memory() as m, SQLiteVectorStore() as store, SQLiteManager(database=store.database) as history:
            m.add("likes tea")
            m.vector_store, m.db = store, history
            assert m.get_all() == []
            (added,) = m.add("owns a dog")
            assert [row.memory_id for row in history.rows(added["id"])] == [added["id"]]
            assert store.count("mem0") == 1

    def test_the_collection_can_be_replaced(self) -> None:
        with memory() as m:
            m.add("likes tea")
            m.collection_name = "other"
            assert m.get_all() == []
            m.add("owns a dog")
            assert m.vector_store.list_cols() == ["mem0", "other"]

    @pytest.mark.parametrize("part", ["embedding_model", "vector_store", "db"])
    @pytest.mark.parametrize("wrong", [None, "onnx", {"provider": "onnx"}])
    def test_by_what_can_do_the_work_only(self, part: str, wrong: Any) -> None:
        with memory() as m:
            before = getattr(m, part)
            with pytest.raises(ConfigError):
                setattr(m, part, wrong)
            assert getattr(m, part) is before

    def test_store_and_history_do_not_wait_for_each_other(self, tmp_path: Path) -> None:
        path = tmp_path / "mem0.db"
        with SQLiteManager(path) as history, SQLiteVectorStore({"path": str(path)}) as store:
            with pytest.raises(ConfigError, match="share the database"):
                memory(vector_store=store, history=history)
            with memory(vector_store=store) as m, pytest.raises(ConfigError, match="share the database"):
                m.db = history

    def test_they_are_made_by_the_factories_as_these_are_now(self) -> None:
        embedder, store = DeterministicEmbedding(), SQLiteVectorStore()
        with (
            mock.patch.object(EmbedderFactory, "create", return_value=embedder) as make_embedder,
            mock.patch.object(VectorStoreFactory, "create", return_value=store) as make_store,
            Memory(path=":memory:") as m,
        ):
            assert (m.embedding_model, m.vector_store) == (embedder, store)
        assert make_embedder.call_args.args[0] == "onnx"
        assert make_store.call_args.args[0] == "sqlite"

    @pytest.mark.parametrize("config", [None, {"llm": None}])
    def test_a_mock_with_the_published_method_is_enough(self, config: Any) -> None:
        fake = mock.Mock()
        fake.embed.return_value = [0.5, 0.5]
        with memory(config, embedder=fake) as m:
            m.add(["likes tea", "owns a dog"])
            assert len(m.search("tea")) == 2
        assert [call.args for call in fake.embed.call_args_list] == [("likes tea",), ("owns a dog",), ("tea",)]

    def test_a_clock(self) -> None:
        clock = FrozenClock("2020-02-29T00:00:00Z")
        with memory(clock=clock) as m:
            m.add("likes tea")
            assert m.get_all()[0]["created_at"] == "2020-02-29T00:00:00.000000+00:00"


class TestClosing:
    def test_a_later_use_raises_and_reopens_nothing(self, tmp_path: Path) -> None:
        m = memory(path=str(tmp_path / "mem0.db"))
        (added,) = m.add("likes tea")
        handle = m.scope(user_id="alice")
        m.close()
        m.close()
        before = sorted(path.name for path in tmp_path.iterdir())
        for verb in (
            lambda: m.add("x"),
            lambda: m.search("x"),
            lambda: m.search(""),
            lambda: m.get_all(),
            lambda: m.get(added["id"]),
            lambda: m.update(added["id"], "x"),
            lambda: m.delete(added["id"]),
            lambda: m.delete_all(user_id="alice"),
            lambda: m.reset(),
            lambda: m.history(added["id"]),
            lambda: handle.add("x"),
            lambda: m.scope(user_id="bob").get_all(),
        ):
            with pytest.raises(ClosedError, match="closed"):
                verb()
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert before == ["mem0.db"]

    def test_leaving_the_block_closes(self) -> None:
        with memory() as m:
            pass
        with pytest.raises(ClosedError):
            m.get_all()

    def test_what_was_injected_stays_open(self) -> None:
        class Watched(DeterministicEmbedding):
            closed = False

            def close(self) -> None:
                self.closed = True

        embedder = Watched()
        with SQLiteVectorStore() as store, SQLiteManager() as history:
            memory(embedder=embedder, vector_store=store, history=history).close()
            assert not embedder.closed
            assert (store.list_cols(), history.get_history("x")) == ([], [])

    def test_what_it_made_is_closed_also_when_building_fails(self) -> None:
        class Watched(SQLiteVectorStore):
            closed = 0

            def close(self) -> None:
                type(self).closed += 1
                super().close()

        with (
            mock.patch.object(VectorStoreFactory, "create", side_effect=lambda *_: Watched()),
            pytest.raises(ConfigError),
        ):
            Memory({"path": ":memory:", "embedder": {"provider": "nobody"}})
        assert Watched.closed == 1

    @pytest.mark.parametrize("embedder", [None, DeterministicEmbedding()])
    def test_a_store_that_cannot_be_asked_at_the_start(self, embedder: Any) -> None:
        with (
            FailingVectorStore(fail_on="embedder") as store,
            pytest.raises(StorageError, match="embedder fails on purpose"),
        ):
            Memory(path=":memory:", vector_store=store, embedder=embedder)

    def test_an_error_inside_the_block_comes_out(self) -> None:
        with pytest.raises(ZeroDivisionError), memory():
            1 / 0  # noqa: B018


class TestEnvironment:
    def test_no_other_variable_chooses_a_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (
            "ANTHROPIC_API_KEY",
            "MEM0_API_KEY",
            "MEM0_EMBEDDER",
            "EMBEDDING_DIMS",
            "QDRANT_HOST",
            "MEM0_TELEMETRY",
        ):
            monkeypatch.setenv(name, "1536")
        before = {*sys.modules}
        with Memory(path=":memory:") as m:
            assert (m.embedding_model.model, m.embedding_model.dims) == ("all-MiniLM-L6-v2", 384)
            assert type(m.vector_store) is SQLiteVectorStore
            assert m.llm is None
            assert m.add("likes tea")[0]["event"] == "ADD"
        loaded = {name.split(".")[0] for name in {*sys.modules} - before}
        assert not loaded & {"qdrant_client", "posthog"}

    def test_memory_text_is_never_logged_above_debug(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        with memory() as m:
            (added,) = m.add("likes tea", user_id="alice")
            m.update(added["id"], "likes rum")
            m.search("who likes tea")
            m.delete_all(user_id="alice", purge=True)
        assert caplog.records == []


def test_home_is_not_touched_by_these_tests(home: Path) -> None:
    assert os.environ["MEM0_DIR"] == str(home)


class TestTelemetry:
    def test_every_verb_is_told_by_name_and_number(self) -> None:
        telemetry = RecordingTelemetry()
        llm = ScriptedLLM([{"memory": [{"text": "Likes tea"}]}])
        with memory(telemetry=telemetry, llm=llm) as m:
            (added,) = m.add("I like tea", user_id="alice")
            m.search("tea", user_id="alice")
            m.get(added["id"])
            m.delete(added["id"])
        assert telemetry.events == [
            ("mem0.add", {"results": 1, "llm_calls": 1, "embed_calls": 2}),
            ("mem0.search", {"results": 1, "llm_calls": 0, "embed_calls": 1}),
            ("mem0.get", {"results": 1, "llm_calls": 0, "embed_calls": 0}),
            ("mem0.delete", {"results": 1, "llm_calls": 0, "embed_calls": 0}),
        ]
        assert not [word for word in ("tea", "alice", added["id"]) if word in str(telemetry.events)]

    def test_its_failures_are_its_own(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(RecordingTelemetry):
            def capture_event(self, event: str, facts: Any) -> None:
                raise OSError("no route")

        with memory(telemetry=Broken()) as m:
            assert m.add("likes tea")[0]["event"] == "ADD"
        assert "telemetry failed at mem0.add" in caplog.text
