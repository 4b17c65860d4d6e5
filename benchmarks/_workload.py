"""What both libraries are given: the same users, texts, questions and vectors on every machine and run.

Nothing here imports a library under test.  A text is a pure function of its number, so that a worker
makes only the ones it needs and its memory stays its own.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

DIMS = 384
USERS = 100
LIST_LENGTH = 100  # messages handed over in one call while a store is filled
VOCABULARY_SIZE = 4000
SEED = 20240607

# The head of the vocabulary is real, so that stop words and word endings occur as often as in real text.
_COMMON = (  # noqa: SIM905 - a list of 120 strings is harder to read
    "the I to a and of in my is it for on that with was at we have you she he they but this be are not her his had "
    "as so when from up about out if what last next very some our all me there been would will just after time day "
    "week year people friend friends family mother father sister brother work working worked home house city moved "
    "living liked likes loves loved hates favorite food coffee tea dinner lunch cooking music guitar piano running "
    "book books reading movie movies travel trip travelled flight train car bike school teacher doctor appointment "
    "birthday party weekend morning evening summer winter garden dog cat team project meeting company started plans"
).split()
_ONSETS = ("b", "br", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "w")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_ENDINGS = ("", "n", "r", "l", "s", "t", "ing", "ed", "er", "tion")


def user_id(index: int) -> str:
    """Return the id of a user, numbered from 0."""
    return f"user-{index:03d}"


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Return the words, commonest first, and their cumulative Zipf-like weights."""
    rng = random.Random(SEED)
    words = dict.fromkeys(_COMMON)
    while len(words) < VOCABULARY_SIZE:
        syllables = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(2, 3)))
        words["".join(syllables) + rng.choice(_ENDINGS)] = None
    weights = [1 / (rank + 2.7) for rank in range(VOCABULARY_SIZE)]
    return list(words), list(itertools.accumulate(weights))


def memory_text(number: int) -> str:
    """Return the text of one memory: a sentence of 12 to 20 words."""
    rng = random.Random(SEED * 10_000_000 + number)
    words, weights = vocabulary()
    chosen = rng.choices(words, cum_weights=weights, k=rng.randint(12, 20))
    return f"{' '.join(chosen)}.".capitalize()


def question(number: int) -> str:
    """Return a question of eight words, five of which occur in memory ``number``."""
    rng = random.Random(-number - 1)
    words = memory_text(number).rstrip(".").split()
    return f"What did the {' '.join(rng.sample(words, 5))}?"


def role(number: int) -> str:
    """Return who said memory ``number``: the two sides of a conversation take turns."""
    return ("user", "assistant")[number // USERS % 2]


def owner(number: int) -> str:
    """Return the id of the user whom memory ``number`` belongs to."""
    return user_id(number % USERS)


def lists_to_fill(count: int) -> Iterator[tuple[str, list[int]]]:
    """Split the memories 0 to ``count`` into calls: a user's id and the numbers to hand over, users in turn."""
    block = USERS * LIST_LENGTH
    for start in range(0, count, block):
        for user in range(min(USERS, count - start)):
            yield user_id(user), list(range(start + user, min(start + block, count), USERS))


class TableEmbedder:
    """Looks vectors up, so that a library is measured and not a model.

    A vector is the normalised sum of one random vector a word, rare words weighing more, and of one that all
    texts share: texts with words in common are close, the others have a cosine of about 0.2, as with real
    models.  Works for both libraries: it takes mem0ai's second argument.
    """

    model = "benchmark-table"
    dims = DIMS

    def __init__(self) -> None:
        words, cumulative = vocabulary()
        total = cumulative[-1]
        frequency = np.diff(np.asarray(cumulative), prepend=0.0) / total
        vectors = np.random.RandomState(SEED).standard_normal((len(words), DIMS))
        self._rows = {word.lower(): row for row, word in enumerate(words)}
        shared = vectors.mean(axis=0)
        self._shared: NDArray[np.float32] = (0.5 * shared / np.linalg.norm(shared)).astype(np.float32)
        self._words: NDArray[np.float32] = (vectors * (1e-3 / (1e-3 + frequency))[:, None]).astype(np.float32)
        self._table: dict[str, list[float]] = {}

    def prepare(self, texts: Sequence[str]) -> None:
        """Make the table anew from these texts; call it outside what is timed."""
        self._table = {text: self._vector(text) for text in texts}

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Return the vector of one text."""
        return self._table.get(text) or self._vector(text)

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        """Return one vector a text, in order."""
        return [self.embed(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        rows = [self._rows[word] for word in text.lower().strip(".?").split() if word in self._rows]
        total = self._words[rows].sum(axis=0)
        total = total / np.linalg.norm(total) + self._shared
        vector: list[float] = (total / np.linalg.norm(total)).tolist()
        return vector
