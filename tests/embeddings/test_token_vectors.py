"""An embedder's vectors of tokens are checked before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mem0 import EmbeddingError
from mem0.embeddings.base import EmbeddingBase
from mem0.testing import memory
from mem0.types import TokenVectors


class Telling(EmbeddingBase):
    """Makes of each text the tokens that it is told to make."""

    dims = 4

    def __init__(self, tokens: Callable[[Sequence[str]], Any]) -> None:
        self.tokens = tokens

    def embed(self, text: str) -> list[float]:
        return [1.0, 2.0, 3.0, 4.0]

    def embed_with_tokens(self, texts: Sequence[str]) -> tuple[list[list[float]], Any]:
        return [self.embed(text) for text in texts], self.tokens(texts)


@pytest.mark.parametrize("good", [None, [TokenVectors(["tea"], np.ones((1, 8), np.int8))] * 2])
def test_good_ones_and_none_at_all_are_taken(good: Any) -> None:
    with memory(embedder=Telling(lambda texts: good and good[: len(texts)])) as m:
        m.add(["tea", "Tea!"], user_id="a", infer=False)
        late = m.search("tea", user_id="a", explain=True)[0]["explain"]["legs"]["late"]
        assert (late is None) is (good is None)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([], "tokens of 0 for 1 text"),
        ([None], "not TokenVectors"),
        ([TokenVectors(["tea"], np.ones((1, 8), np.float32))], "not TokenVectors"),
        ([TokenVectors(["green", "tea"], np.ones((1, 8), np.int8))], "not TokenVectors"),
        ([TokenVectors(["tea"], np.ones(8, np.int8))], "not TokenVectors"),
        ([TokenVectors(["tea"], np.ones((1, 0), np.int8))], "not TokenVectors"),
        ([TokenVectors(["tea"], [[1]])], "not TokenVectors"),  # type: ignore[arg-type]
    ],
)
def test_others_are_refused(bad: Any, told: str) -> None:
    with memory(embedder=Telling(lambda texts: bad)) as m:
        with pytest.raises(EmbeddingError, match=f"embedder Telling returned .*{told}"):
            m.add("tea", user_id="a", infer=False)
        assert m.get_all() == []
