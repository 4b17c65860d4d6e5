"""What a reranker is: one abstract method, or any callable; and the checks every answer passes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from mem0.configs.options import options_from
from mem0.exceptions import RerankError, judged
from mem0.parts import Closing, has_coroutine, is_coroutine_function

# What arithmetic in 32 bits may be off by.
_ROUNDING = 1e-6


class BaseRerankerConfig(BaseModel):
    """Options of any reranker."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    #: Published keys that have no place here, and what to do instead.
    hints: ClassVar[Mapping[str, str]] = {"top_n": "here it is called top_k"}

    top_k: int | None = Field(
        default=None, ge=1, description="Memories that a reranked search returns at most, whatever its `limit`."
    )


Options = TypeVar("Options", bound=BaseModel)


class RerankerBase(Closing, ABC):
    """Says how well each of some texts answers a question.

    One that can also be awaited has ``async def ascore(query, texts)`` with the same meaning;
    :class:`~mem0.AsyncMemory` uses it, and a thread where there is none; what it holds of an event loop is
    released by ``async def aclose()``.

    Attributes:
        borrows_llm: Whether it asks the LLM of the memory that it serves; see :func:`borrowed_llm`.
        top_k: How many memories a search that it reranks returns at most; ``None`` leaves that to the search.
    """

    borrows_llm: bool = False
    top_k: int | None = None

    @abstractmethod
    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Judge texts.

        Args:
            query: The question.
            texts: The texts; never empty.

        Returns:
            One score per text, in order: 0-1, higher is better, absolute, so that what a text gets does not
            depend on the others.

        Raises:
            RerankError: It cannot; ``retryable`` says whether to try again.
        """


def reranker_options(
    kind: type[Options], config: Options | Mapping[str, Any] | None, more: Mapping[str, Any]
) -> Options:
    """Return a reranker's options, however they were given.

    Args:
        kind: Their class.
        config: An object of it, a dict, or nothing.
        more: The same as keywords; they win.

    Raises:
        ConfigError: An option is unknown or unusable.
    """
    return options_from(kind, config, more, f"reranker {kind.__name__}")


def most_of(reranker: Any) -> int | None:
    """Return how many memories a search returns at most, as its reranker has it."""
    most = getattr(reranker, "top_k", None)
    return most if type(most) is int and most > 0 else None  # a mock has every attribute


# -- scoring ----------------------------------------------------------------------------------------


def score_texts(reranker: Any, query: str, texts: Sequence[str]) -> list[float]:
    """Have texts scored by a :class:`RerankerBase`, an object with ``score``, or a callable, and check the answer.

    Returns:
        One score per text, 0-1.

    Raises:
        RerankError: The reranker failed; or it returned fewer or more scores than texts, or one that is no
            number, not finite, or outside 0-1.
    """
    if not texts:
        return []
    with _translated(reranker):
        scores = _blocking(reranker)(query, list(texts))
    return _checked(reranker, texts, scores)


async def score_texts_async(reranker: Any, query: str, texts: Sequence[str]) -> list[float]:
    """Do what :func:`score_texts` does with a reranker's own coroutine; see :func:`is_awaitable`."""
    if not texts:
        return []
    with _translated(reranker):
        method = reranker.ascore if has_coroutine(reranker, "ascore") else reranker
        scores = await method(query, list(texts))
    return _checked(reranker, texts, scores)


def is_awaitable(reranker: Any) -> bool:
    """Tell whether a reranker has a coroutine of its own: ``ascore``, or itself."""
    return has_coroutine(reranker, "ascore") or (_blocking(reranker) is reranker and is_coroutine_function(reranker))


def _blocking(reranker: Any) -> Callable[[str, list[str]], Any]:
    method = getattr(reranker, "score", None)
    return method if callable(method) else reranker  # type: ignore[no-any-return]


@contextmanager
def _translated(reranker: Any) -> Iterator[None]:
    """Let a reranker's errors leave the block as one of ours, also those of an LLM that it asks."""
    try:
        yield
    except RerankError:
        raise
    except Exception as error:
        status, retryable = judged(error)
        raise RerankError(
            f"{_named(reranker)} failed: {type(error).__name__}: {error}",
            status=status,
            retryable=getattr(error, "retryable", retryable) is True,
        ) from error


def _checked(reranker: Any, texts: Sequence[str], scores: Any) -> list[float]:
    name = _named(reranker)
    if isinstance(scores, (str, bytes, Mapping)) or not hasattr(scores, "__len__"):
        raise RerankError(
            f"{name} returned {type(scores).__name__} for {len(texts)} text(s); a list of scores is wanted"
        )
    if len(scores) != len(texts):
        raise RerankError(f"{name} returned {len(scores)} score(s) for {len(texts)} text(s)")
    return [_score(name, score) for score in scores]


def _score(name: str, score: Any) -> float:
    try:
        if isinstance(score, (str, bytes, bool)):
            raise TypeError("a score is a number")
        number = float(score)
    except (TypeError, ValueError, OverflowError) as error:
        raise RerankError(f"{name} returned {type(score).__name__} as a score; that is a number from 0 to 1") from error
    if not math.isfinite(number):
        raise RerankError(f"{name} returned the score {number}")
    if not -_ROUNDING <= number <= 1 + _ROUNDING:
        raise RerankError(f"{name} returned the score {number:g}; scores are absolute, from 0 to 1")
    return min(1.0, max(0.0, number))


def _named(reranker: Any) -> str:
    name = getattr(reranker, "__name__", None) if not isinstance(reranker, RerankerBase) else None
    return f"reranker {name if isinstance(name, str) else type(reranker).__name__}"


# -- the memory's LLM -------------------------------------------------------------------------------

_lent: ContextVar[Any] = ContextVar("mem0_lent_llm", default=None)


@contextmanager
def lending(llm: Any) -> Iterator[None]:
    """Lend a memory's LLM to the reranker that is asked inside the block."""
    before = _lent.set(llm)
    try:
        yield
    finally:
        _lent.reset(before)


def borrowed_llm() -> Any:
    """Return the LLM of the memory that a reranker is asked for, as it is at this moment, or ``None``."""
    return _lent.get()
