"""FastEmbedEmbedding with a real model in a local folder: the bundled one, with the files that FastEmbed wants."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mem0.embeddings.onnx
from mem0 import ConfigError, Memory
from mem0.embeddings.fastembed import FastEmbedEmbedding
from mem0.exceptions import ClosedError
from mem0.testing import EmbedderContract
from mem0.testing.contracts.checks import cosine
from mem0.utils.factory import EmbedderFactory

BUNDLED = Path(mem0.embeddings.onnx.__file__).with_name("minilm")
# FastEmbed takes a model that pools by itself only under the name of one that needs no pooling.
MODEL, FILE = "BAAI/bge-small-en-v1.5", "model_optimized.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / FILE).symlink_to(BUNDLED / "model.onnx")
    (folder / "tokenizer.json").symlink_to(BUNDLED / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 256, "pad_token": "[PAD]"}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return folder


@pytest.fixture
def config(folder: Path) -> dict[str, Any]:
    return {"model": MODEL, "model_path": str(folder), "local_files_only": True}


class TestContract(EmbedderContract):
    agreement = 0.97  # the activations of a batch are quantised together

    @pytest.fixture(autouse=True)
    def started(self, config: dict[str, Any]) -> None:
        self.config = config

    def embedder(self) -> FastEmbedEmbedding:
        made: FastEmbedEmbedding = EmbedderFactory.create("fastembed", self.config)
        return made


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_cache_is_enough(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    repository = tmp_path / "models--qdrant--bge-small-en-v1.5-onnx-q"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "snapshots" / "abc").symlink_to(folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path if given == "variable" else tmp_path / "elsewhere"))
    cache = {"cache_dir": str(tmp_path)} if given == "option" else {}
    with EmbedderFactory.create("fastembed", {"local_files_only": True, **cache}) as embedder:
        assert len(embedder.embed("The cat sleeps on the sofa.")) == embedder.dims == 384


def test_it_agrees_with_the_bundled_embedder(config: dict[str, Any]) -> None:
    with FastEmbedEmbedding(config) as embedder, mem0.embeddings.onnx.OnnxEmbedding() as bundled:
        assert embedder.dims == 384
        text = "The cat sleeps on the sofa."
        assert cosine(embedder.embed(text), bundled.embed(text)) > 0.97
        with ThreadPoolExecutor(8) as threads:
            assert len(list(threads.map(embedder.embed, ["tea"] * 16))) == 16
    with pytest.raises(ClosedError):
        embedder.embed(text)


def test_what_cannot_be_had_is_told(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be had.*list_supported_models"):
        FastEmbedEmbedding(model="nobody/has-this-model")
    with pytest.raises(ConfigError, match="give model_path"):
        FastEmbedEmbedding(cache_dir=str(tmp_path), local_files_only=True)
    with pytest.raises(ConfigError, match="vectors of size 384"):
        FastEmbedEmbedding(config, embedding_dims=512)
    with pytest.raises(ConfigError, match="did you mean 'model_path'"):
        EmbedderFactory.create("fastembed", {"model_pth": "x"})


def test_in_a_memory(config: dict[str, Any]) -> None:
    with Memory({"path": ":memory:", "embedder": {"provider": "fastembed", "config": config}}) as m:
        m.add("The cat sleeps on the sofa.", user_id="alice")
        assert m.search("Where does the cat sleep?", user_id="alice")[0]["memory"] == "The cat sleeps on the sofa."
