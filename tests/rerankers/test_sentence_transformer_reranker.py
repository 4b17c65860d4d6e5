"""SentenceTransformerReranker; run where sentence-transformers is installed (`.ci/run huggingface`).

The model is made here, with random weights: what is tested is how it is asked, not what it knows.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from mem0 import ConfigError, RerankError
from mem0.exceptions import ClosedError
from mem0.rerankers.sentence_transformer import SentenceTransformerReranker
from mem0.testing import RerankerContract, memory
from mem0.utils.factory import RerankerFactory

pytestmark = pytest.mark.filterwarnings("default")  # torch's and transformers' own are not ours to mend

QUESTION = "who likes tea"
TEXTS = ["Alice likes tea", "Bob owns a dog", "", "tea tea tea", "你好"]


def model(folder: Path, labels: int = 1, activation: str | None = None) -> str:
    """Make a tiny cross-encoder in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "tea"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=1.0,
    )
    if activation is not None:
        config.sbert_ce_default_activation_function = activation  # as models in the wild have it
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return model(tmp_path_factory.mktemp("models") / "tiny")


class TestContract(RerankerContract):
    other = None  # random weights mean nothing

    @pytest.fixture(autouse=True)
    def _with(self, folder: str) -> None:
        self.folder = folder

    def reranker(self) -> SentenceTransformerReranker:
        return SentenceTransformerReranker(model=self.folder, device="cpu")


@pytest.fixture(scope="module")
def reranker(folder: str) -> SentenceTransformerReranker:
    made: SentenceTransformerReranker = RerankerFactory.create(
        "sentence_transformer", {"model": folder, "device": "cpu", "batch_size": 2}
    )
    return made


def test_the_score_is_the_sigmoid_of_the_models_logit(reranker: SentenceTransformerReranker, folder: str) -> None:
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    bare = BertForSequenceClassification.from_pretrained(folder).eval()
    scores = reranker.score(QUESTION, TEXTS)
    for text, score in zip(TEXTS, scores, strict=True):
        with torch.no_grad():
            logit = float(bare(**tokenizer(QUESTION, text, return_tensors="pt")).logits[0, 0])
        assert score == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-5)
    assert len({round(score, 4) for score in scores}) > 1


@pytest.mark.parametrize("activation", ["torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"])
def test_whatever_the_models_last_step_is(
    reranker: SentenceTransformerReranker, tmp_path: Path, activation: str
) -> None:
    with SentenceTransformerReranker(model=model(tmp_path / "other", activation=activation), device="cpu") as other:
        assert other.score(QUESTION, TEXTS) == pytest.approx(reranker.score(QUESTION, TEXTS), abs=1e-5)


def test_a_model_that_gives_more_than_one_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gives 3 numbers for a text"):
        SentenceTransformerReranker(model=model(tmp_path / "three", labels=3), device="cpu")


def test_threads_share_it(reranker: SentenceTransformerReranker) -> None:
    expected = reranker.score(QUESTION, TEXTS)
    with ThreadPoolExecutor(8) as threads:
        for scores in threads.map(lambda _: reranker.score(QUESTION, TEXTS), range(32)):
            assert scores == pytest.approx(expected, abs=1e-5)


def test_mistakes_are_told(folder: str) -> None:
    with pytest.raises(ConfigError, match="give the path of a folder that holds the model"):
        SentenceTransformerReranker(model="nobody/has-this-model")
    for config, told in (
        ({"modell": "x"}, "did you mean 'model'"),
        ({"top_k": 0}, "greater than or equal to 1"),
        ({"model": "a", "model_name": "b"}, "mean the same and differ"),
    ):
        with pytest.raises(ConfigError, match=told):
            RerankerFactory.create("sentence_transformer", config)
    reranker = SentenceTransformerReranker({"model_name": folder, "show_progress_bar": False}, device="cpu", top_k=3)
    assert reranker.top_k == 3
    reranker.close()
    with pytest.raises(ClosedError):
        reranker.score(QUESTION, TEXTS)


def test_a_model_that_fails_leaves_the_order(folder: str) -> None:
    config: dict[str, Any] = {"reranker": {"provider": "sentence_transformer", "config": {"model": folder}}}
    with memory(config) as m:
        m.add(["Alice likes tea", "Bob owns a dog"], user_id="alice")
        assert m.search(QUESTION, user_id="alice").rerank_error is None
        usual = m.search(QUESTION, user_id="alice", rerank=False)
        with mock.patch.object(CrossEncoder, "predict", side_effect=RuntimeError("out of memory")):
            found = m.search(QUESTION, user_id="alice")
        assert found == usual
        assert isinstance(found.rerank_error, RerankError)
        assert "out of memory" in str(found.rerank_error)
