"""The bundled embedder: what its vectors are worth, what it makes of odd input, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tiny_model

import mem0
from mem0.embeddings.base import embed_texts
from mem0.embeddings.onnx import BUNDLED_MODEL, OnnxEmbedding, OnnxEmbeddingConfig
from mem0.exceptions import ClosedError, ConfigError, EmbeddingError

REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_fp32.json").read_text("utf-8"))
TEXTS = [entry["text"] for entry in REFERENCE]
FP32 = np.array([entry["vector"] for entry in REFERENCE], dtype=np.float32)
BUNDLED = Path(mem0.__file__).parent / "embeddings" / "minilm"


@pytest.fixture(scope="module")
def embedder() -> Iterator[OnnxEmbedding]:
    with OnnxEmbedding() as embedder:
        yield embedder


# -- the vectors ------------------------------------------------------------------------------------


def test_single_vectors_are_those_of_the_original_model(embedder: OnnxEmbedding) -> None:
    cosines = (np.array([embedder.embed(text) for text in TEXTS]) * FP32).sum(axis=1)
    assert cosines.min() >= 0.98, TEXTS[cosines.argmin()]
    assert cosines.mean() >= 0.994


def test_batched_vectors_are_those_of_the_original_model(embedder: OnnxEmbedding) -> None:
    cosines = (embedder.embed_batch(TEXTS) * FP32).sum(axis=1)
    assert cosines.min() >= 0.98, TEXTS[cosines.argmin()]
    assert cosines.mean() >= 0.993


def test_a_batch_gives_what_its_texts_give_alone_in_their_order(embedder: OnnxEmbedding) -> None:
    texts = [TEXTS[at] for at in np.random.default_rng(1).permutation(np.repeat(np.arange(len(TEXTS)), 4))]
    matrix = embedder.embed_batch(texts)
    alone = {text: np.array(embedder.embed(text)) for text in TEXTS}
    assert matrix.shape == (len(texts), 384)
    assert matrix.dtype == np.float32
    for text, vector in zip(texts, matrix, strict=True):
        assert vector @ alone[text] >= 0.97, text
        assert max(alone, key=lambda other: float(vector @ alone[other])) == text
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 3}, {"threads": 2}])
def test_options_of_speed_change_no_meaning(embedder: OnnxEmbedding, options: dict[str, int]) -> None:
    with OnnxEmbedding(options) as other:
        cosines = (other.embed_batch(TEXTS) * embedder.embed_batch(TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.97


def test_one_text_is_a_list_of_floats_of_length_one(embedder: OnnxEmbedding) -> None:
    vector = embedder.embed("I moved to Lisbon.")
    assert isinstance(vector, list)
    assert isinstance(vector[0], float)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector == embedder.embed("I moved to Lisbon.")


def test_no_texts_are_no_vectors(embedder: OnnxEmbedding) -> None:
    assert embedder.embed_batch([]).shape == (0, 384)
    assert embedder.embed_tokens([]) == []


def test_near_is_nearer_than_far(embedder: OnnxEmbedding) -> None:
    question, fact, other = embedder.embed_batch(
        ["what can't she eat?", "She is allergic to peanuts.", "The train leaves at nine."]
    )
    assert question @ fact > question @ other + 0.2


def test_token_vectors_pool_to_the_sentence_vector(embedder: OnnxEmbedding) -> None:
    texts = ["I moved to Lisbon.", "", "word " * 400]
    found = embedder.embed_tokens(texts)
    assert [len(tokens.ids) for tokens in found] == [7, 2, 256]
    for text, (ids, vectors) in zip(texts, found, strict=True):
        assert (ids[0], ids[-1]) == (101, 102)
        assert vectors.shape == (len(ids), 384)
        assert vectors.dtype == np.float32
        pooled = vectors.mean(axis=0)
        assert pooled / np.linalg.norm(pooled) @ embedder.embed(text) == pytest.approx(1, abs=1e-4)


def test_the_library_accepts_what_it_returns(embedder: OnnxEmbedding) -> None:
    assert embed_texts(embedder, ["a", "", "b c"]).shape == (3, 384)


# -- odd texts --------------------------------------------------------------------------------------

ODD = [
    "",
    " \n\t",
    "👍",
    "👩‍👩‍👧‍👦" * 200,
    "我住在北京",
    "\ud800",
    "a \udfff b",
    "\x00",
    "a\x00b",
    "\u200b\ufeff\u202e",
]
ODD += ["\ufffd", "e" + "\u0301" * 5000, "﷽" * 300, "\U0010ffff", "a" * 500, "." * 3000]


def test_odd_texts_have_finite_vectors(embedder: OnnxEmbedding) -> None:
    for vector in [*embedder.embed_batch(ODD), *(embedder.embed(text) for text in ODD)]:
        assert np.isfinite(vector).all()
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    for text in ODD:
        embedder.understands(text)
        embedder.was_cut(text)


@pytest.mark.parametrize("text", ["all work and no play " * 50_000, "a" * 1_000_000, "日" * 1_000_000, " ." * 500_000])
def test_a_megabyte_costs_no_more_than_a_page(embedder: OnnxEmbedding, text: str) -> None:
    before = time.process_time()
    vector = embedder.embed(text)
    assert embedder.was_cut(text)
    embedder.understands(text)
    assert time.process_time() - before < 1
    assert np.isfinite(vector).all()


def test_spaces_around_do_not_count(embedder: OnnxEmbedding) -> None:
    padded = " " * 100_000 + "I moved to Lisbon." + "\n" * 100_000
    assert embedder.embed(padded) == embedder.embed("I moved to Lisbon.")
    assert not embedder.was_cut(padded)


def test_only_the_first_tokens_carry_the_vector(embedder: OnnxEmbedding) -> None:
    assert not embedder.was_cut("word " * 254)  # and two special tokens
    assert embedder.was_cut("word " * 255)
    assert embedder.embed("word " * 254 + "house") == embedder.embed("word " * 254)
    with OnnxEmbedding({"max_tokens": 8}) as short:
        assert short.was_cut("one two three four five six seven")
        assert not short.was_cut("one two three four five six")
        assert short.embed("one two three four five six seven") == short.embed("one two three four five six")


# -- what it understands ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I moved to Lisbon.", True),
        ("Müllers Straße in Łódź", True),
        ("Tiếng Việt", True),
        ("e\u0301te\u0301", True),
        ("C++ 🎉", True),
        ("2024-05-17", True),
        ("$5.00", True),
        ("我住在北京", False),
        ("東京 Tokyo", True),
        ("東京に住んでいます Tokyo", False),
        ("Завтра", False),
        ("مرحبا", False),
        ("ＡＢＣ", False),  # full width: unknown tokens
        ("👍", False),
        ("?!", False),
        ("", False),
    ],
)
def test_the_bundled_model_understands_latin_script(embedder: OnnxEmbedding, text: str, expected: bool) -> None:
    assert embedder.understands(text) is expected


def test_another_model_understands_what_is_said_of_it(tmp_path: Path) -> None:
    folder = str(tiny_model.write(tmp_path / "tiny"))
    assert OnnxEmbedding({"model": folder}).understands("我住在北京 👍")
    chosen = OnnxEmbedding({"model": folder, "scripts": ["Cyrillic", "CJK"]})
    assert [chosen.understands(text) for text in ("我住在北京", "Завтра", "tomorrow")] == [True, True, False]
    with pytest.raises(ConfigError, match="latn"):
        OnnxEmbedding({"scripts": ["latn"]})


# -- other folders, options, errors -----------------------------------------------------------------


def test_any_folder_with_both_files_will_do(tmp_path: Path) -> None:
    with OnnxEmbedding({"model": str(tiny_model.write(tmp_path / "tiny"))}) as tiny:
        assert (tiny.model, tiny.dims) == ("tiny", None)
        assert tiny.embed("red green") == pytest.approx([0.5**0.5, 0.5**0.5, 0])
        assert tiny.dims == 3
        # A text longer than the tokenizer's own limit, one that needs padding, and one without tokens.
        texts = ["red " * 9 + "blue", "blue", ""]
        assert tiny.embed_batch(texts) == pytest.approx(np.array([tiny.embed(text) for text in texts]))
        assert tiny.embed(texts[0]) == pytest.approx(np.array([9, 0, 2]) / np.linalg.norm([9, 0, 2]))
        assert tiny.embed_tokens(["blue red"])[0].vectors.tolist() == [[0, 0, 2], [1, 0, 0]]
    with OnnxEmbedding({"model": str(tmp_path / "tiny"), "pooling": "cls"}) as tiny:
        assert tiny.embed("red green") == pytest.approx([1, 0, 0])


def test_the_model_is_named() -> None:
    embedder = OnnxEmbedding()
    assert (embedder.model, embedder.dims) == (BUNDLED_MODEL, 384) == ("all-MiniLM-L6-v2", 384)
    assert repr(embedder) == "OnnxEmbedding(model='all-MiniLM-L6-v2')"


def test_options_come_in_every_form() -> None:
    assert OnnxEmbedding().config == OnnxEmbedding({}).config == OnnxEmbedding(OnnxEmbeddingConfig()).config
    assert OnnxEmbedding({"max_tokens": 16}).config.max_tokens == 16


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_token": 5}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 513}, "512"),
        ({"threads": 0}, "threads"),
        ({"model": ""}, "model"),
        ({"model": "acme/no-such-model"}, "model.onnx"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        OnnxEmbedding(options)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named_at_once(tmp_path: Path, name: str) -> None:
    (tiny_model.write(tmp_path) / name).unlink()
    with pytest.raises(ConfigError, match=name):
        OnnxEmbedding({"model": str(tmp_path)})


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_named_on_first_use(tmp_path: Path, name: str) -> None:
    whole = shutil.copytree(BUNDLED, tmp_path / "damaged") / name
    whole.write_bytes(whole.read_bytes()[:100_000])
    embedder = OnnxEmbedding({"model": str(tmp_path / "damaged")})
    with pytest.raises(ConfigError, match=name) as caught:
        embedder.embed("a")
    assert str(tmp_path) in str(caught.value)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    tiny_model.write(tmp_path, inputs=("pixels", "attention_mask"))
    with pytest.raises(ConfigError, match="pixels"):
        OnnxEmbedding({"model": str(tmp_path)}).embed("a")


def test_a_model_that_fails_says_so(tmp_path: Path) -> None:
    tokenizer = json.loads((tiny_model.write(tmp_path) / "tokenizer.json").read_text("utf-8"))
    tokenizer["model"]["vocab"]["beyond"] = 99
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with pytest.raises(EmbeddingError, match="failed on 1 text"):
        OnnxEmbedding({"model": str(tmp_path)}).embed("beyond")


# -- loading and closing ----------------------------------------------------------------------------


def test_threads_that_come_together_load_the_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    class CountedSession(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, *arguments: object, **options: object) -> None:
            loaded.append(self)
            time.sleep(0.05)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", CountedSession)
    # Of these options no other test has a model.
    embedder, found = OnnxEmbedding({"max_tokens": 199}), []
    assert not loaded
    threads = [threading.Thread(target=lambda: found.append(embedder.embed("I moved to Lisbon."))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert found == [found[0]] * 8
    OnnxEmbedding({"max_tokens": 199}).embed("One for each tenant is still one model.")
    assert len(loaded) == 1


def test_after_close_it_is_closed() -> None:
    with OnnxEmbedding() as embedder:
        embedder.embed("a")
    embedder.close()
    for use in (embedder.embed, embedder.embed_batch, embedder.embed_tokens):
        with pytest.raises(ClosedError, match="all-MiniLM-L6-v2"):
            use("a")
