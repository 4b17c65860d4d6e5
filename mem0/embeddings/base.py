"""What an embedder is: one abstract method, a batch made of it, and the checks every batch passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from mem0.configs.embeddings.base import BaseEmbedderConfig
from mem0.configs.options import options_from
from mem0.exceptions import EmbeddingError, Mem0Error, judged
from mem0.parts import Closing
from mem0.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.types import TokenVectors

Options = TypeVar("Options", bound=BaseModel)


class EmbeddingBase(Closing, ABC):
    """Turns text into vectors of one fixed size.

    One that can also be awaited has ``async def aembed_batch(texts)`` or ``async def aembed(text)`` beside
    the blocking methods; :class:`~mem0.AsyncMemory` uses it, and a thread where there is none.

    One that can tell words apart has ``embed_with_tokens(texts)`` too, which returns what :meth:`embed_batch` does and,
    for each text, its :class:`~mem0.types.TokenVectors` (or ``None`` instead of all of them).

    Args:
        config: Its options: an object, a dict, or nothing; kept as ``config``, an object.

    Attributes:
        model: Name of the model, recorded with the collection and compared when it is opened again: its own, without
            what tells the way to it, so that it is the same by whatever vendor it is reached.  ``None`` means
            unknown: only sizes are compared.
        dims: Length of the vectors, or ``None`` when only a first embedding can tell.
    """

    model: str | None = None
    dims: int | None = None
    config: Any

    def __init__(self, config: Any = None) -> None:
        if config is None or isinstance(config, Mapping):
            config = embedder_options(BaseEmbedderConfig, config, {})
        self.config = config

    @abstractmethod
    def embed(self, text: str) -> Sequence[float]:
        """Return the vector of one text."""

    def embed_batch(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return one vector per text, in order; the default calls :meth:`embed` for each."""
        return [self.embed(text) for text in texts]

    def understands(self, text: str) -> bool:
        """Tell whether vectors of this text mean anything; where not, search leaves them out."""
        return True

    def was_cut(self, text: str) -> bool:
        """Tell whether the vector of this text stands for only its beginning; search's ``explain`` says so."""
        return False


def embedder_options(
    kind: type[Options], config: Options | Mapping[str, Any] | None, more: Mapping[str, Any]
) -> Options:
    """Return an embedder's options, however they were given.

    Args:
        kind: Their class.
        config: An object of it, a dict, or nothing.
        more: The same as keywords; they win.

    Raises:
        ConfigError: An option is unknown or unusable.
    """
    return options_from(kind, config, more, f"embedder {kind.__name__}")


def beginning(text: str, most_bytes: int) -> str:
    """Return as much of a text as fits into so many bytes, and a space for an empty one, which vendors refuse."""
    return clean(text).encode()[:most_bytes].decode(errors="ignore") or " "


def is_longer(text: str, most_bytes: int) -> bool:
    """Tell whether :func:`beginning` leaves out something of a text."""
    return len(clean(text).encode()) > most_bytes


def size_of(vectors: Sequence[Sequence[float]]) -> int | None:
    """Return the size of vectors, or ``None`` where they have none in common, which :func:`embed_texts` refuses."""
    sizes = {len(vector) for vector in vectors}
    return (sizes.pop() or None) if len(sizes) == 1 else None


def embed_texts(embedder: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts with any object that has ``embed`` and check what comes back.

    Args:
        embedder: An :class:`EmbeddingBase`, or any object with ``embed(text)``.
        texts: The texts, in the order the vectors are wanted.

    Returns:
        A float32 matrix with one row per text.

    Raises:
        EmbeddingError: The embedder raised, returned fewer or more vectors than texts, or a vector is
            empty, not numeric, not finite, all zero, or of another size than the rest.
    """
    with _translated(embedder, texts):
        if offers(embedder, "embed_batch"):
            vectors = embedder.embed_batch(list(texts))
        else:
            vectors = [embedder.embed(text) for text in texts]
    return _checked(embedder, texts, vectors)


def embed_with_tokens(embedder: Any, texts: Sequence[str]) -> tuple[NDArray[np.float32], Sequence[TokenVectors] | None]:
    """Do what :func:`embed_texts` does, with the vectors of the tokens where the embedder makes them.

    Raises:
        EmbeddingError: As :func:`embed_texts`; or tokens are not those of each text, or have no word or no int8 vector.
    """
    if not offers(embedder, "embed_with_tokens"):
        return embed_texts(embedder, texts), None
    with _translated(embedder, texts):
        vectors, tokens = embedder.embed_with_tokens(list(texts))
    if tokens is not None:
        _check_tokens(f"embedder {type(embedder).__name__}", texts, tokens)
    return _checked(embedder, texts, vectors), tokens


def offers(embedder: Any, *names: str) -> bool:
    """Tell whether an embedder has one of these methods beside ``embed``.

    Its class is asked: a mock, as unit tests are full of, has every method and means none of them.
    """
    return any(callable(getattr(type(embedder), name, None)) for name in names)


async def embed_texts_async(embedder: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Do what :func:`embed_texts` does with an embedder's own coroutine."""
    with _translated(embedder, texts):
        if offers(embedder, "aembed_batch"):
            vectors = await embedder.aembed_batch(list(texts))
        else:
            vectors = [await embedder.aembed(text) for text in texts]
    return _checked(embedder, texts, vectors)


@contextmanager
def _translated(embedder: Any, texts: Sequence[str]) -> Iterator[None]:
    """Let an embedder's errors leave the block as ours."""
    try:
        yield
    except Mem0Error:
        raise
    except Exception as error:
        name = type(embedder).__name__
        status, retryable = judged(error)
        raise EmbeddingError(
            f"embedder {name} failed on {len(texts)} text(s): {type(error).__name__}: {error}",
            status=status,
            retryable=retryable,
        ) from error


def _check_tokens(name: str, texts: Sequence[str], tokens: Sequence[TokenVectors]) -> None:
    if len(tokens) != len(texts):
        raise EmbeddingError(f"{name} returned tokens of {len(tokens)} for {len(texts)} text(s)")
    for one in tokens:
        shape: tuple[int, ...] = getattr(getattr(one, "vectors", None), "shape", ())
        if len(shape) != 2 or not shape[1] or shape[0] != len(one.words) or one.vectors.dtype != "int8":
            raise EmbeddingError(f"{name} returned tokens that are not TokenVectors: a word and a row of int8 for each")


def _checked(embedder: Any, texts: Sequence[str], vectors: Any) -> NDArray[np.float32]:
    import numpy as np

    name = f"embedder {type(embedder).__name__}"
    if not hasattr(vectors, "__len__") or len(vectors) != len(texts):
        count = f"{len(vectors)} vector(s)" if hasattr(vectors, "__len__") else type(vectors).__name__
        raise EmbeddingError(f"{name} returned {count} for {len(texts)} text(s); nothing was stored")
    try:
        with np.errstate(over="ignore"):  # what does not fit becomes inf, and is refused below
            matrix = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:  # the last of a whole number beyond any float
        raise EmbeddingError(f"{name} returned vectors of different sizes or not of numbers: {error}") from error
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        found = f"shape {matrix.shape}" if matrix.ndim > 1 else f"{type(vectors[0]).__name__} in place of a vector"
        raise EmbeddingError(f"{name} returned {found} for {len(texts)} text(s); one flat vector each is wanted")
    expected = getattr(embedder, "dims", None)
    if isinstance(expected, int) and matrix.shape[1] != expected:
        raise EmbeddingError(
            f"{name} declares dims={expected} but returned vectors of size {matrix.shape[1]}; where its config has "
            "embedding_dims, give that size, or leave it out"
        )
    if not np.isfinite(matrix).all():
        raise EmbeddingError(f"{name} returned a vector with inf or NaN")
    if not matrix.any(axis=1).all():
        raise EmbeddingError(f"{name} returned an all-zero vector, which has no direction to compare")
    return matrix
