"""Which embedder made a collection is recorded with its first vector, and checked ever after."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mem0 import ConfigError, EmbedderMismatchError, EmbeddingError, Memory
from mem0.testing import DeterministicEmbedding, memory
from mem0.types import Embedder
from mem0.utils.factory import EmbedderFactory


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "mem0.db")


class Minimal:
    """An embedder as the published signature asks for it, and nothing more."""

    def __init__(self, size: int) -> None:
        self.size = size

    def embed(self, text: str) -> list[float]:
        return [1.0] * self.size


class Sized(Minimal):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.dims = size


def recorded(m: Memory) -> Embedder | None:
    return m.vector_store.embedder(m.collection_name)


class TestSize:
    @pytest.mark.parametrize("kind", [Minimal, Sized, DeterministicEmbedding])
    @pytest.mark.parametrize("size", [1, 3, 768])
    def test_it_is_the_embedders(self, kind: Any, size: int) -> None:
        with memory(embedder=kind(size)) as m:
            m.add("likes tea")
            found = recorded(m)
            assert found is not None
            assert found.dims == size
            assert m.search("tea")[0]["memory"] == "likes tea"

    def test_it_is_recorded_with_the_first_vector(self, path: str) -> None:
        with memory(embedder=Sized(3), path=path) as m:
            m.search("tea")
            m.add("likes tea", dry_run=True)
            m.add("")
            assert recorded(m) is None
        with memory(embedder=Sized(5), path=path) as m:
            m.add("likes tea")
            assert recorded(m) == Embedder(5)

    def test_another_size_fails_at_the_start(self, path: str) -> None:
        with memory(embedder=DeterministicEmbedding(768, "big"), path=path) as m:
            m.add("likes tea")
        with pytest.raises(EmbedderMismatchError) as caught:
            memory(embedder=DeterministicEmbedding(384, "small"), path=path)
        for told in ("'mem0'", "big of size 768", "small of size 384", "embedder=", "collection_name"):
            assert told in str(caught.value)
        with memory(embedder=DeterministicEmbedding(768, "big"), path=path) as m:
            assert m.get_all().total == 1

    def test_one_that_cannot_tell_its_size_fails_at_the_first_use(self, path: str) -> None:
        with memory(embedder=Minimal(3), path=path) as m:
            m.add("likes tea")
        with memory(embedder=Minimal(4), path=path) as m:
            id = m.get_all()[0]["id"]
            for verb in (lambda: m.add("owns a dog"), lambda: m.search("tea"), lambda: m.update(id, "likes rum")):
                with pytest.raises(EmbedderMismatchError, match=r"size 3.*size 4"):
                    verb()
            assert [row["memory"] for row in m.get_all()] == ["likes tea"]

    def test_one_that_changes_its_mind(self) -> None:
        embedder = Minimal(3)
        with memory(embedder=embedder) as m:
            m.add("likes tea")
            embedder.size = 4
            with pytest.raises(EmbedderMismatchError):
                m.add("owns a dog")
            assert m.get_all().total == 1

    def test_vectors_of_two_sizes_in_one_call(self) -> None:
        class Growing(Minimal):
            def embed(self, text: str) -> list[float]:
                self.size += 1
                return super().embed(text)

        with memory(embedder=Growing(3)) as m:
            with pytest.raises(EmbeddingError, match="different sizes"):
                m.add(["likes tea", "owns a dog"])
            assert recorded(m) is None


class TestModel:
    def test_another_model_of_the_same_size_is_refused(self, path: str) -> None:
        with memory(embedder=DeterministicEmbedding(8, "one"), path=path) as m:
            m.add("likes tea")
        with pytest.raises(EmbedderMismatchError, match=r"made by one of size 8.*is other of size 8"):
            memory(embedder=DeterministicEmbedding(8, "other"), path=path)

    @pytest.mark.parametrize(
        ("first", "second"), [(Sized(8), DeterministicEmbedding(8)), (DeterministicEmbedding(8), Sized(8))]
    )
    def test_an_object_without_a_model_is_compared_by_size_only(self, path: str, first: Any, second: Any) -> None:
        with memory(embedder=first, path=path) as m:
            m.add("likes tea")
        with memory(embedder=second, path=path) as m:
            m.add("owns a dog")
            assert m.get_all().total == 2

    def test_the_same_model_through_another_class_is_no_mismatch(self, path: str) -> None:
        class Vendor(Sized):
            model = "deterministic"

        with memory(embedder=DeterministicEmbedding(8), path=path) as m:
            m.add("likes tea")
        memory(embedder=Vendor(8), path=path).close()

    def test_a_model_that_was_recorded_as_it_was_configured(self, path: str) -> None:
        def reached_by(way: str) -> Sized:
            embedder: Any = Sized(8)
            embedder.model, embedder.config = "small", SimpleNamespace(model=f"{way}/small")
            return embedder

        with memory(embedder=DeterministicEmbedding(8, "vendor/small"), path=path) as m:
            m.add("likes tea")
        with memory(embedder=reached_by("vendor"), path=path) as m:
            m.add("owns a dog")
            assert m.get_all().total == 2
        with pytest.raises(EmbedderMismatchError):
            memory(embedder=reached_by("another"), path=path)

    def test_a_replaced_embedder_is_checked_at_its_first_use(self) -> None:
        with memory(embedder=DeterministicEmbedding(8, "one")) as m:
            m.add("likes tea")
            m.embedding_model = DeterministicEmbedding(8, "other")
            for verb in (lambda: m.add("owns a dog"), lambda: m.search("tea")):
                with pytest.raises(EmbedderMismatchError):
                    verb()
            assert len(m.get_all()) == 1

    def test_every_collection_has_its_own(self, path: str) -> None:
        with memory(embedder=DeterministicEmbedding(8), path=path) as m:
            m.add("likes tea")
        with memory({"collection_name": "other"}, embedder=DeterministicEmbedding(16), path=path) as m:
            m.add("likes tea")
            assert m.vector_store.embedder("mem0") == Embedder(8, "deterministic")
            assert recorded(m) == Embedder(16, "deterministic")


class TestDimsInTheConfiguration:
    """`embedding_model_dims` is only checked."""

    @pytest.mark.parametrize(
        "config",
        [
            {"embedding_model_dims": 8},
            {"vector_store": {"provider": "sqlite", "config": {"embedding_model_dims": 8}}},
        ],
    )
    def test_right(self, config: Any) -> None:
        with memory(config, embedder=DeterministicEmbedding(8)) as m:
            m.add("likes tea")

    def test_wrong(self) -> None:
        with pytest.raises(ConfigError, match=r"embedding_model_dims=1536: the embedder's vectors have size 8"):
            memory({"embedding_model_dims": 1536}, embedder=DeterministicEmbedding(8))

    def test_wrong_for_one_that_cannot_tell_its_size(self) -> None:
        with memory({"embedding_model_dims": 1536}, embedder=Minimal(8)) as m:
            with pytest.raises(ConfigError, match=r"embedding_model_dims=1536: the embedder's vectors have size 8"):
                m.add("likes tea")
            assert m.get_all() == []


class TestNotNamed:
    """With no embedder named: the one the collection's record names, else the bundled one."""

    def test_the_bundled_one(self, path: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="mem0")
        for _ in range(2):
            with Memory(path=path) as m:
                m.add("likes tea")
                assert recorded(m) == Embedder(384, "all-MiniLM-L6-v2", "onnx")
        assert caplog.records == []

    def test_the_recorded_one_and_one_line_says_so(
        self, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(EmbedderFactory, "providers", dict(EmbedderFactory.providers))
        EmbedderFactory.register("mine", "mem0.testing.DeterministicEmbedding")
        with Memory({"embedder": {"provider": "mine"}}, path=path) as m:
            m.add("likes tea")
            assert recorded(m) == Embedder(64, "deterministic", "mine")
        caplog.set_level(logging.INFO, logger="mem0")
        with Memory(path=path) as m:
            assert type(m.embedding_model) is DeterministicEmbedding
            m.add("owns a dog")
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("INFO", "collection 'mem0' was made by embedder 'mine', which is used again")
        ]
        del EmbedderFactory.providers["mine"]
        with pytest.raises(ConfigError, match=r"'mem0' was made by embedder 'mine', which is not known here"):
            Memory(path=path)

    def test_a_replaced_one_is_recorded_without_the_others_name(self) -> None:
        with Memory(path=":memory:") as m:
            m.embedding_model = DeterministicEmbedding()
            m.add("likes tea")
            assert recorded(m) == Embedder(64, "deterministic", None)

    def test_a_collection_of_an_injected_one_needs_it_again(self, path: str) -> None:
        with memory(embedder=DeterministicEmbedding(8), path=path) as m:
            m.add("likes tea")
        with pytest.raises(EmbedderMismatchError, match=r"deterministic of size 8.*all-MiniLM-L6-v2 of size 384"):
            Memory(path=path)


def test_a_collection_made_by_another_while_this_one_embedded(tmp_path: Path) -> None:
    path = str(tmp_path / "shared.db")
    with memory(path=path, embedder=DeterministicEmbedding(8, "theirs")) as theirs:

        class Slow(DeterministicEmbedding):
            def embed_batch(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
                theirs.add("It was here first.")
                return super().embed_batch(texts)

        with memory(path=path, embedder=Slow(8, "ours")) as ours:
            with pytest.raises(EmbedderMismatchError, match="theirs of size 8, the embedder in use is ours"):
                ours.add("It came a moment later.")
            assert [found["memory"] for found in ours.get_all()] == ["It was here first."]
