"""Token vectors made small: what late interaction keeps of a text's words.

MaxSim (Khattab and Zaharia, "ColBERT", SIGIR 2020) compares every token of a question with every token of a text.  The
bundled model's 384 numbers a token would be thirty times the sentence's own vector; their first principal components,
as 8-bit integers, rank the same.  The components are in ``minilm/tokens.npy``, made by ``tools/build_token_basis.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mem0.exceptions import ConfigError
from mem0.types import TOKEN_UNIT

Floats = NDArray[np.float32]

#: Of a longer text only so many tokens of content words are kept: more found no more evidence, in short turns or long
#: answers, and so few are less than twice a sentence's own vector.
MOST_TOKENS = 40


class Basis(NamedTuple):
    """Where a model's token vectors lie.

    Attributes:
        center: Their mean, ``[dims]``.
        directions: Their principal components, ``[dims, size]``.
    """

    center: Floats
    directions: Floats

    def small(self, vectors: Floats) -> NDArray[np.int8]:
        """Return token vectors ``[tokens, dims]`` as int8 ``[tokens, size]``, each of length 1 before rounding."""
        centered = of_length_one(vectors) - self.center
        rounded = np.rint(of_length_one(centered @ self.directions) * TOKEN_UNIT)
        return rounded.astype(np.int8)


def fitted(vectors: Floats, size: int) -> Basis:
    """Return the basis of some token vectors ``[tokens, dims]``."""
    known = of_length_one(vectors)
    center: Floats = known.mean(axis=0)
    covariance = (known - center).T @ (known - center)
    _, directions = np.linalg.eigh(covariance.astype(np.float64))
    return Basis(center, directions[:, ::-1][:, :size].astype(np.float32))


def read(path: Path) -> Basis:
    """Read a basis from its file: the mean in the first row, the components below.

    Raises:
        ConfigError: It is missing or damaged.
    """
    try:
        rows = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}; install the package again") from error
    return Basis(rows[0], rows[1:].T.copy())


def write(path: Path, basis: Basis) -> None:
    """Write a basis to its file, in half precision."""
    np.save(path, np.vstack((basis.center, basis.directions.T)).astype(np.float16), allow_pickle=False)


def of_length_one(vectors: NDArray[Any]) -> Floats:
    """Return vectors ``[rows, dims]`` at length 1; one without a length stays as it is."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalized: Floats = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return normalized
