"""The bundled embedder: a small model in one ONNX file, run on this machine's processor.

Nothing is downloaded and no text leaves the process.  The folder ``minilm`` beside this file holds
all-MiniLM-L6-v2; any other local folder with ``model.onnx`` and ``tokenizer.json`` can be named instead.
"""

from __future__ import annotations

import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mem0.configs.options import validated
from mem0.embeddings import late
from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import ClosedError, ConfigError, EmbeddingError
from mem0.languages import folded
from mem0.text import clean, function_words
from mem0.types import TokenVectors
from mem0.wire.environment import environment

# Read while onnxruntime is first imported: without it, versions from 1.32 on write a device id and an
# event store under the user's cache.
with environment("ORT_DISABLE_TELEMETRY", "1"):
    import onnxruntime

from tokenizers import Tokenizer

BUNDLED_MODEL = "all-MiniLM-L6-v2"
_BUNDLED_FOLDER = Path(__file__).with_name("minilm")
_BUNDLED_DIMS = 384
_BUNDLED_POSITIONS = 512
_BUNDLED_SCRIPTS = ("latin",)

# A text is cut to this many characters per token before it is tokenised, so that a megabyte costs no more
# than a page.  Ordinary text has four; the rest is room for long runs of spaces and words without any.
_CHARACTERS_PER_TOKEN = 32

# Tokens that stand for the beginning and the end of a text.
_ENDS = 2

# Beyond this many tokens (padding included) a larger batch is no faster, it only takes more memory.
_TOKENS_PER_BATCH = 512


class OnnxEmbeddingConfig(BaseModel):
    """Options of :class:`OnnxEmbedding`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        default=BUNDLED_MODEL,
        min_length=1,
        description="The bundled model's name, or the path of a folder with `model.onnx` and `tokenizer.json`.",
    )
    max_tokens: int = Field(
        default=256, ge=4, description="Of a longer text only the first tokens carry the vector; special ones count."
    )
    batch_size: int = Field(default=32, ge=1, description="How many texts at most go through the model at once.")
    threads: int = Field(default=1, ge=1, description="Threads one call may use.")
    scripts: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Scripts the model knows, as Unicode names them: `latin`, `cyrillic`, `cjk`, ... "
        "Default: Latin for the bundled model, all of them for another.",
    )
    late_interaction: bool = Field(
        default=True,
        description="Keep the vectors of content words too, 64 bytes for a token and 2.5 kB at most, and compare them "
        "one by one; the bundled model only.",
    )
    pooling: Literal["mean", "cls"] = Field(
        default="mean", description="How a folder's model makes one vector of its tokens', if it doesn't do so itself."
    )

    @field_validator("scripts")
    @classmethod
    def _known_scripts(cls, scripts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for script in scripts or ():
            if not any(_in_scripts(chr(code), (script,)) for code in range(sys.maxunicode + 1)):
                raise ValueError(f"no letter's Unicode name starts with {script!r}; try latin, cyrillic, cjk, hangul")
        return scripts


class TokenStates(NamedTuple):
    """One text as the model has it, token by token, special tokens included.

    Attributes:
        ids: Token ids, int64, ``[tokens]``.
        vectors: The model's last hidden state, float32, ``[tokens, dims]``; not normalised.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]


class OnnxEmbedding(EmbeddingBase):
    """Embeds text with a local ONNX model; safe to share between threads.

    The model is loaded on first use.  Vectors have length 1.  The activations of a batch are quantised together,
    so that a text's vector depends a little on its company: cosine 0.98 and more with the one it gets alone.

    Args:
        config: The options, as an object or a dict; ``None`` for the bundled model as it is.

    Raises:
        ConfigError: An option is unknown or out of range, or the folder lacks a file; later, from the first
            use, that a file is damaged or is no text embedding model.
    """

    options: ClassVar[type[BaseModel]] = OnnxEmbeddingConfig

    def __init__(self, config: OnnxEmbeddingConfig | Mapping[str, Any] | None = None) -> None:
        if not isinstance(config, OnnxEmbeddingConfig):
            config = validated(OnnxEmbeddingConfig, config or {}, "embedder 'onnx' config")
        self.config = config
        bundled = self.config.model == BUNDLED_MODEL
        self._folder = _BUNDLED_FOLDER if bundled else Path(self.config.model).expanduser().resolve()
        for name in ("model.onnx", "tokenizer.json"):
            if not (self._folder / name).is_file():
                remedy = (
                    "install the package again" if bundled else f"name a folder that has both, or {BUNDLED_MODEL!r}"
                )
                raise ConfigError(f"model={self.config.model!r}: there is no file {self._folder / name}; {remedy}")
        if bundled and self.config.max_tokens > _BUNDLED_POSITIONS:
            raise ConfigError(
                f"max_tokens={self.config.max_tokens}: {BUNDLED_MODEL} takes {_BUNDLED_POSITIONS} at most"
            )
        self.model: str = BUNDLED_MODEL if bundled else self._folder.name
        self.dims: int | None = _BUNDLED_DIMS if bundled else None
        self._basis_file = self._folder / "tokens.npy" if bundled and self.config.late_interaction else None
        self._scripts = self.config.scripts or (_BUNDLED_SCRIPTS if bundled else None)
        self._lock = threading.Lock()
        self._loaded: _Model | None = None
        self._closed = False

    def embed(self, text: str) -> list[float]:
        """Return the vector of one text."""
        model = self._model()
        vector: list[float] = model.sentences([model.tokenize(text).ids])[0].tolist()
        return vector

    # A matrix is read like the sequence of sequences the base promises, and spares a list of lists.
    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:  # type: ignore[override]
        """Return a matrix with one row per text, in order."""
        model = self._model()
        encodings = [model.tokenize(text) for text in texts]
        matrix = np.empty((len(texts), model.dims), dtype=np.float32)
        for batch in _batches(encodings, self.config.batch_size):
            matrix[batch] = model.sentences([encodings[index].ids for index in batch])
        return matrix

    def embed_with_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[TokenVectors] | None]:
        """Return what :meth:`embed_batch` does, and the vectors of each text's tokens, from the same run."""
        model = self._model()
        if self._basis_file is None or model.sentence_output is None or model.token_output is None:
            return self.embed_batch(texts), None
        encodings = [model.tokenize(text) for text in texts]
        matrix = np.empty((len(texts), model.dims), dtype=np.float32)
        tokens: list[Any] = [None] * len(texts)
        basis = _basis(self._basis_file)
        for batch in _batches(encodings, self.config.batch_size):
            vectors, states = model.both([encodings[index].ids for index in batch])
            matrix[batch] = vectors
            for index, state in zip(batch, states, strict=True):
                tokens[index] = _kept(_looked_at(texts[index], self.config.max_tokens), encodings[index], state, basis)
        return matrix, tokens

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenStates]:
        """Return the vector of every token of every text, in order."""
        model = self._model()
        return [model.tokens(model.tokenize(text).ids) for text in texts]

    def was_cut(self, text: str) -> bool:
        """Tell whether the text has more tokens than the vector is made of."""
        most, length = self.config.max_tokens, len(text.strip())
        if text.isascii() and length + _ENDS <= most:  # a token is at least a letter
            return False
        return length > most * _CHARACTERS_PER_TOKEN or bool(self._model().tokenize(text).overflowing)

    def understands(self, text: str) -> bool:
        """Tell whether at least half of the text's letters belong to a script the model knows.

        Of a text without letters it is asked whether it has a digit: a number can be looked for, while a
        lone emoji is an unknown token to the model and the same as any other.
        """
        if self._scripts is None:
            return True
        text = text.strip()[: self.config.max_tokens * _CHARACTERS_PER_TOKEN]
        letters = [character for character in text if character.isalpha()]
        if not letters:
            return any(character.isdecimal() for character in text)
        known = sum(_in_scripts(character, self._scripts) for character in letters)
        return 2 * known >= len(letters)

    def close(self) -> None:
        """Let go of the model; a later use raises :class:`ClosedError`."""
        with self._lock:
            self._closed = True
            self._loaded = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"

    def _model(self) -> _Model:
        """Return the model, loaded by whichever thread comes first."""
        with self._lock:
            if self._closed:
                raise ClosedError(f"{self!r} was closed")
            if self._loaded is None:
                self._loaded = _loaded_model(self._folder, self.config)
                self.dims = self._loaded.dims
            return self._loaded


# Loaded models, for as long as somebody uses them: one memory for each tenant must not mean one model each.
_models: WeakValueDictionary[tuple[Path, OnnxEmbeddingConfig], _Model] = WeakValueDictionary()
_models_lock = threading.Lock()


def _loaded_model(folder: Path, config: OnnxEmbeddingConfig) -> _Model:
    with _models_lock:
        model = _models.get((folder, config))
        if model is None:
            model = _models[folder, config] = _Model(folder, config)
        return model


class _Model:
    """A model folder, loaded: text to tokens, tokens to vectors."""

    def __init__(self, folder: Path, config: OnnxEmbeddingConfig) -> None:
        self._folder, self._config = folder, config
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
            path = folder / "model.onnx"
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ConfigError(
                f"cannot load {path}: {type(error).__name__}: {error}; restore the file, or name another model"
            ) from error
        padding = self._tokenizer.padding or {}
        self._pad: int = padding.get("pad_id", self._tokenizer.token_to_id("[PAD]") or 0)
        # As packaged, a tokenizer may fill every text up to one length, which makes short ones many times slower.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(config.max_tokens)

        self._inputs = {entry.name for entry in self._session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs <= {"input_ids", "attention_mask", "token_type_ids"}:
            raise ConfigError(
                f"{path} wants the inputs {sorted(self._inputs)}; a text embedding model has input_ids, "
                "attention_mask and perhaps token_type_ids"
            )
        shapes = {entry.name: entry.shape for entry in self._session.get_outputs()}
        self.sentence_output = "sentence_embedding" if len(shapes.get("sentence_embedding", ())) == 2 else None
        self.token_output = next((name for name, shape in shapes.items() if len(shape) == 3), None)
        output = self.sentence_output or self.token_output
        if output is None:
            raise ConfigError(
                f"{path} has the outputs {shapes}; one named sentence_embedding [batch, size], "
                "or one of shape [batch, tokens, size], is wanted"
            )
        size = shapes[output][-1]
        self.dims: int = size if isinstance(size, int) else self.sentences([self.tokenize("size").ids]).shape[1]

    def tokenize(self, text: str) -> Any:
        """Return the tokenizer's encoding of the text, cut at ``max_tokens``; offsets are into :func:`_looked_at`."""
        return self._tokenizer.encode(_looked_at(text, self._config.max_tokens))

    def sentences(self, batch: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the vectors ``[texts, dims]`` of tokenized texts, at length 1."""
        if self.sentence_output is not None:
            (vectors,), _ = self._run(batch, self.sentence_output)
        else:
            (hidden,), mask = self._run(batch, self.token_output)
            vectors = hidden[:, 0] if self._config.pooling == "cls" else (hidden * mask[..., None]).sum(1)
        return late.of_length_one(vectors.astype(np.float32))  # some models are float16

    def both(self, batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the vectors ``[texts, dims]`` of tokenized texts, and those of their tokens, padding included."""
        (vectors, hidden), _ = self._run(batch, self.sentence_output, self.token_output)
        return vectors, hidden

    def tokens(self, ids: Sequence[int]) -> TokenStates:
        """Return the vectors of a tokenized text's tokens."""
        if self.token_output is None:
            raise EmbeddingError(f"{self._folder / 'model.onnx'} has no output with one vector per token")
        (hidden,), _ = self._run([ids], self.token_output)
        return TokenStates(np.array(ids, dtype=np.int64), hidden[0].astype(np.float32))

    def _run(
        self, batch: Sequence[Sequence[int]], *outputs: str | None
    ) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        """Run the model and return some of its outputs, and the mask that tells tokens from padding."""
        # A tokenizer without special tokens makes nothing of an empty text; the model needs something.
        width = max(1, *map(len, batch))
        ids = np.full((len(batch), width), self._pad, dtype=np.int64)
        mask = np.zeros((len(batch), width), dtype=np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : max(1, len(tokens))] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(ids)
        try:
            return self._session.run([*outputs], feed), mask
        except Exception as error:
            raise EmbeddingError(
                f"model {self._folder} failed on {len(batch)} text(s) of up to {width} tokens: {error}"
            ) from error


def _looked_at(text: str, max_tokens: int) -> str:
    """Return what a tokenizer is shown of a text."""
    return clean(text.strip()[: max_tokens * _CHARACTERS_PER_TOKEN])


def _kept(shown: str, encoding: Any, states: NDArray[np.float32], basis: late.Basis) -> TokenVectors:
    """Return the vectors of a text's content words, each once, token by token, and each token with its whole word."""
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            spans[word] = (spans[word][0] if word in spans else start, end)
    words = {word: shown[start:end] for word, (start, end) in spans.items()}
    grammar = function_words(shown)
    first: dict[str, int] = {}
    for number, word in words.items():
        if any(map(str.isalnum, word)):
            first.setdefault(folded(word), number)
    content = {number for word, number in first.items() if word not in grammar and not _is_letter(word)}
    content = content or {*first.values()}
    places = [at for at, word in enumerate(encoding.word_ids) if word in content][: late.MOST_TOKENS]
    return TokenVectors([words[encoding.word_ids[at]] for at in places], basis.small(states[places]))


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii() and word.isalpha()


@lru_cache(maxsize=4)
def _basis(path: Path) -> late.Basis:
    return late.read(path)


def _batches(encodings: Sequence[Any], size: int) -> Iterator[list[int]]:
    """Yield the places of tokenized texts, at most ``size`` and so many tokens at a time."""
    # Texts of like length share a batch, so that little of it is padding.
    lengths = [len(encoding.ids) for encoding in encodings]
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == size or (len(batch) + 1) * lengths[index] > _TOKENS_PER_BATCH):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@lru_cache(maxsize=4096)
def _in_scripts(letter: str, scripts: tuple[str, ...]) -> bool:
    """Tell whether a letter's Unicode name starts with one of the scripts' names."""
    return unicodedata.name(letter, "").lower().startswith(tuple(f"{script.lower()} " for script in scripts))
