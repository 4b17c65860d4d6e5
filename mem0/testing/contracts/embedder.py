"""What every embedder must do, as tests to be inherited."""

from __future__ import annotations

import asyncio
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from typing import Any, ClassVar

from mem0.embeddings.base import EmbeddingBase, embed_texts, embed_texts_async, offers
from mem0.testing.contracts.checks import check_coroutines, check_options, cosine, in_two_event_loops

_TEXTS = [
    "I moved to Lisbon in March.",
    "Die Straßenbahn fährt bis Mitternacht.",
    "我的猫叫小雨，她三岁了。",
    "C++ and C are two languages; -5 and 5 are two numbers.",
    "Привет, мир",
]

_ODD_TEXTS = {
    "the empty text": "",
    "a space": " ",
    "line breaks": "\n\n\t\r\n",
    "an emoji": "👍",
    "a family of emoji": "👨‍👩‍👧‍👦",
    "punctuation": "?!…",
    "Chinese": "明天早上我们要去爬崂山。",
    "Japanese": "猫はソファの上で寝ています。",
    "Arabic": "القطة نائمة على الأريكة",
    "a combining accent": "e\u0301te\u0301",
    "a NUL": "a\0b",
    "a lone surrogate": "broken \ud83d emoji",
    "nothing but a lone surrogate": "\udc00",
    "a word of 5,000 letters": "x" * 5_000,
    "a long text": "The harbour was quiet, and nobody knew when the ferry would leave. " * 500,
}


class EmbedderContract(ABC):
    """Tests that every embedder passes; inherit them and say how yours is made.

        class TestMyEmbedder(EmbedderContract):
            def embedder(self) -> MyEmbedder:
                return MyEmbedder()

    Attributes:
        agreement: The least cosine between two vectors of one text, made alone or in a batch.  Models
            whose numbers depend a little on the rest of the batch need less than the default.
        related: Two texts that mean much the same.
        unrelated: A text that has nothing to do with them.
    """

    agreement: ClassVar[float] = 0.999
    related: ClassVar[tuple[str, str]] = ("The cat sleeps on the sofa.", "A cat is asleep on our sofa.")
    unrelated: ClassVar[str] = "Interest rates rose again last quarter."

    @abstractmethod
    def embedder(self) -> EmbeddingBase:
        """Return a new embedder; each test asks for one, and closes it."""

    def test_unknown_options_are_refused(self) -> None:
        with closing(self.embedder()) as embedder:
            check_options(embedder)

    def test_vectors_have_the_size_that_is_declared(self) -> None:
        with closing(self.embedder()) as embedder:
            sizes = {len(embedder.embed(text)) for text in _TEXTS}
            assert len(sizes) == 1, f"vectors are of different sizes: {sorted(sizes)}"
            assert embedder.dims in (None, *sizes), f"dims is {embedder.dims}, vectors have size {sizes.pop()}"

    def test_the_model_is_named_by_text_or_not_at_all(self) -> None:
        with closing(self.embedder()) as embedder:
            model: Any = embedder.model
            assert model is None or (isinstance(model, str) and model.strip()), (
                f"model is {model!r}; it is recorded with the collection, and None means unknown"
            )

    def test_a_vector_is_a_flat_row_of_finite_numbers(self) -> None:
        with closing(self.embedder()) as embedder:
            _check_vector("embed()", embedder.embed(_TEXTS[0]))
            for vector in embedder.embed_batch(_TEXTS):
                _check_vector("embed_batch()", vector)

    def test_the_same_text_has_the_same_vector(self) -> None:
        with closing(self.embedder()) as embedder, closing(self.embedder()) as another:
            for text in _TEXTS:
                first = embedder.embed(text)
                self._check_same(f"{text!r}, embedded twice", first, embedder.embed(text))
                self._check_same(f"{text!r}, by a second embedder", first, another.embed(text))

    def test_different_texts_have_different_vectors(self) -> None:
        with closing(self.embedder()) as embedder:
            first, second = (embedder.embed(text) for text in (self.related[0], self.unrelated))
            found = cosine(first, second)
            assert found < 0.99, f"{self.related[0]!r} and {self.unrelated!r} have cosine {found:.3f}"

    def test_related_texts_are_closer_than_unrelated_ones(self) -> None:
        with closing(self.embedder()) as embedder:
            first, second, other = (embedder.embed(text) for text in (*self.related, self.unrelated))
            near, far = cosine(first, second), cosine(first, other)
            assert near > far, (
                f"{self.related[0]!r} has cosine {near:.3f} with {self.related[1]!r} and {far:.3f} with "
                f"{self.unrelated!r}"
            )

    def test_a_batch_gives_each_text_its_own_vector_in_order(self) -> None:
        texts = [*_TEXTS, *_ODD_TEXTS.values(), *reversed(_TEXTS)]
        with closing(self.embedder()) as embedder:
            vectors = embedder.embed_batch(texts)
            assert len(vectors) == len(texts), f"{len(vectors)} vectors for {len(texts)} texts"
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
                self._check_same(f"text {number} of a batch, {text[:40]!r}", embedder.embed(text), vector)

    def test_a_batch_of_one(self) -> None:
        with closing(self.embedder()) as embedder:
            (vector,) = embedder.embed_batch(_TEXTS[:1])
            self._check_same("a batch of one", embedder.embed(_TEXTS[0]), vector)

    def test_an_empty_batch_gives_nothing(self) -> None:
        with closing(self.embedder()) as embedder:
            assert len(embedder.embed_batch([])) == 0, "embed_batch([]) returned something"

    def test_odd_texts_have_usable_vectors(self) -> None:
        with closing(self.embedder()) as embedder:
            for what, text in _ODD_TEXTS.items():
                vector = embedder.embed(text)
                _check_vector(what, vector)
                assert any(vector), f"{what}: the vector is zero and has no direction to compare"

    def test_understands_and_was_cut_answer_for_every_text(self) -> None:
        with closing(self.embedder()) as embedder:
            for what, text in _ODD_TEXTS.items():
                for question in (embedder.understands, embedder.was_cut):
                    answer = question(text)
                    assert isinstance(answer, bool), f"{what}: {question.__name__}() returned {answer!r}"

    def test_the_library_takes_its_vectors(self) -> None:
        with closing(self.embedder()) as embedder:
            texts = [*_TEXTS, *_ODD_TEXTS.values()]
            assert embed_texts(embedder, texts).shape[0] == len(texts)

    def test_the_texts_given_are_not_changed(self) -> None:
        with closing(self.embedder()) as embedder:
            texts = list(_TEXTS)
            embedder.embed_batch(texts)
            assert texts == _TEXTS, "embed_batch() changed the list it was given"

    def test_threads_may_share_it(self) -> None:
        texts = _TEXTS * 4
        with closing(self.embedder()) as embedder:
            expected = [embedder.embed(text) for text in _TEXTS] * 4
            with ThreadPoolExecutor(4) as threads:
                found = list(threads.map(embedder.embed, texts))
            for text, first, second in zip(texts, expected, found, strict=True):
                self._check_same(f"{text!r}, embedded by one of several threads", first, second)

    def test_it_can_be_awaited_from_one_event_loop_after_another(self) -> None:
        with closing(self.embedder()) as embedder:
            check_coroutines(embedder, "aembed", "aembed_batch", "aclose")
            if not offers(embedder, "aembed", "aembed_batch"):
                return  # AsyncMemory uses a thread
            expected = [embedder.embed(text) for text in _TEXTS]

            async def asked() -> list[Any]:
                return await asyncio.gather(*(embed_texts_async(embedder, _TEXTS) for _ in range(3)))

            for vectors in chain.from_iterable(in_two_event_loops(embedder, asked)):
                for text, first, second in zip(_TEXTS, expected, vectors, strict=True):
                    self._check_same(f"{text!r}, embedded by a coroutine", first, second.tolist())

    def test_closing_twice_is_harmless(self) -> None:
        embedder = self.embedder()
        embedder.close()
        embedder.close()

    def _check_same(self, what: str, first: Sequence[float], second: Sequence[float]) -> None:
        assert len(first) == len(second), f"{what}: sizes {len(first)} and {len(second)}"
        found = cosine(first, second)
        assert found >= self.agreement, f"{what}: cosine {found:.6f} with the vector it had before"


def _check_vector(what: str, vector: Sequence[Any]) -> None:
    assert len(vector) > 0, f"{what}: the vector is empty"
    for number in vector:
        assert isinstance(number, numbers.Real), f"{what}: the vector holds {number!r}, which is no number"
        assert math.isfinite(number), f"{what}: the vector holds {number!r}"
