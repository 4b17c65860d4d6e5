"""The I/O a verb may ask for: what it is, and how it is done.

The conductor yields these; the runners have them done.  One is done in one go: no lock and no
transaction outlives it, so a call that is cancelled between two has stored all of a commit or nothing.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from mem0.embeddings.base import embed_texts_async, embed_with_tokens, offers
from mem0.exceptions import ConfigError, Mem0Error, RerankError, StorageError
from mem0.llms.base import Message, Reply, Tokens, ask, ask_async, is_awaitable, metered
from mem0.memory.approving import approved
from mem0.memory.commit import Committer, require_same_embedder
from mem0.memory.packing import packed
from mem0.parts import is_coroutine_function
from mem0.rerankers import base as rerankers
from mem0.times import iso
from mem0.types import (
    Change,
    Context,
    Embedder,
    HistoryRow,
    MemoryDict,
    MemoryList,
    Outcome,
    ProposedChange,
    Record,
    Scope,
    TokenVectors,
    Usage,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.history.base import HistoryBase
    from mem0.memory.checking import Survey
    from mem0.memory.telemetry import TelemetryBase
    from mem0.vector_stores.base import Candidates, Query, VectorStoreBase

Result = TypeVar("Result")


@dataclass
class Parts:
    """What a memory is made of; each part is read anew whenever it is used."""

    embedding_model: Any
    vector_store: VectorStoreBase
    db: HistoryBase
    collection_name: str
    clock: Callable[[], datetime]
    embedder_provider: str | None = None
    expected_dims: int | None = None
    llm: Any = None
    reranker: Any = None
    telemetry: TelemetryBase | None = None
    on_before_write: Callable[[list[ProposedChange]], Any] | None = None

    @property
    def committer(self) -> Committer:
        """What changes store and history together."""
        return Committer(self.vector_store, self.db, self.collection_name)

    def recorded_embedder(self) -> Embedder | None:
        """Return the embedder that made the collection, or ``None`` where there is no vector yet."""
        with _translated(self.vector_store, "open"):
            return self.vector_store.embedder(self.collection_name)

    def made_by(self, embedder: Any, dims: int) -> Embedder:
        """Return what is known of an embedder that makes vectors of a size."""
        names = (getattr(embedder, "model", None), getattr(getattr(embedder, "config", None), "model", None))
        model, configured = (name if isinstance(name, str) else None for name in names)  # a mock has every attribute
        return Embedder(dims, model, self.embedder_provider, configured)

    def check_embedder(self, found: Embedder) -> None:
        """Compare an embedder with the size that was configured, and with the one the collection was made by.

        Raises:
            ConfigError: It is of another size than ``embedding_model_dims`` says.
            EmbedderMismatchError: They differ in size, or in model where both are known.
        """
        if self.expected_dims not in (None, found.dims):
            raise ConfigError(
                f"embedding_model_dims={self.expected_dims}: the embedder's vectors have size {found.dims}; "
                "leave the key out, the size is asked of the embedder"
            )
        require_same_embedder(self.collection_name, self.recorded_embedder(), found)


@contextmanager
def _translated(part: VectorStoreBase | HistoryBase, stage: str) -> Iterator[None]:
    """Let the foreign errors of a store or a history leave the block as ours."""
    try:
        yield
    except Mem0Error:
        raise
    except Exception as error:
        raise StorageError(f"{type(part).__name__} failed at {stage}: {type(error).__name__}: {error}") from error


async def in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """Call something that blocks without blocking the event loop."""
    import asyncio  # here, because it takes a tenth of the time that importing this library takes

    def call() -> Result:
        try:
            return work(*arguments)
        except StopIteration as error:
            # No future can carry it: it would be waited for without end.  A generator makes the same of it.
            raise RuntimeError("what was called raised StopIteration") from error

    return await asyncio.to_thread(call)


class Operation(ABC):
    """One thing that touches the world."""

    stage: ClassVar[str]

    @abstractmethod
    def run(self, parts: Parts) -> Any:
        """Do it, blocking."""

    async def run_async(self, parts: Parts) -> Any:
        """Do it without blocking the event loop; in a thread, where the part has nothing of its own."""
        return await in_thread(self.run, parts)

    def attempt(self, usage: Usage) -> None:  # noqa: B027 - most cost nothing unless they succeed
        """Add to the call's account what is spent even where it fails."""

    def count(self, usage: Usage, answer: Any) -> None:  # noqa: B027 - most cost nothing that is counted
        """Add what it cost to the call's account."""


class Embedded(NamedTuple):
    """Vectors of texts, and what the embedder said of each.

    Attributes:
        vectors: One row per text; ``None`` when the embedder understands none of them and was told
            to embed only what it understands.
        tokens: The vectors of each text's tokens, where the embedder makes them.
        understood: Whether the vector means anything.
        cut: Whether it stands for only the beginning of the text.
        embedder: What made them.
    """

    vectors: NDArray[np.float32] | None
    tokens: Sequence[TokenVectors] | None
    understood: list[bool]
    cut: list[bool]
    embedder: Embedder | None

    def stored(self, at: int) -> dict[str, Any]:
        """Return what a change keeps of one text: ``vector`` and ``tokens``."""
        assert self.vectors is not None
        tokens = self.tokens[at].vectors if self.tokens is not None and self.understood[at] else None
        return {"vector": self.vectors[at], "tokens": tokens}

    def asked(self, at: int) -> dict[str, Any]:
        """Return what a query asks with of one text: ``vector`` and ``tokens``, ``None`` where it is not understood."""
        if self.vectors is None or not self.understood[at]:
            return {"vector": None, "tokens": None}
        return {"vector": self.vectors[at], "tokens": self.tokens[at] if self.tokens is not None else None}


@dataclass(frozen=True)
class Embed(Operation):
    """Turn texts into vectors, in one call of the embedder."""

    texts: Sequence[str]
    only_understood: bool = False
    stage = "embed"

    def run(self, parts: Parts) -> Embedded:
        model = parts.embedding_model
        understood = self._understood(model)
        if self.only_understood and not any(understood):
            return self._nothing(understood)
        vectors, tokens = embed_with_tokens(model, self.texts)
        return self._finished(parts, model, understood, vectors, tokens)

    async def run_async(self, parts: Parts) -> Embedded:
        model = parts.embedding_model
        if not offers(model, "aembed_batch", "aembed"):
            embedded: Embedded = await super().run_async(parts)
            return embedded
        understood = self._understood(model)
        if self.only_understood and not any(understood):
            return self._nothing(understood)
        vectors = await embed_texts_async(model, self.texts)
        return await in_thread(self._finished, parts, model, understood, vectors, None)

    def _nothing(self, understood: list[bool]) -> Embedded:
        return Embedded(None, None, understood, [False] * len(self.texts), None)

    def _understood(self, model: Any) -> list[bool]:
        known = offers(model, "understands")
        return [model.understands(text) if known else True for text in self.texts]

    def _finished(
        self,
        parts: Parts,
        model: Any,
        understood: list[bool],
        vectors: NDArray[np.float32],
        tokens: Sequence[TokenVectors] | None,
    ) -> Embedded:
        made_by = parts.made_by(model, vectors.shape[1])
        parts.check_embedder(made_by)
        known = offers(model, "was_cut")
        cut = [model.was_cut(text) if known else False for text in self.texts]
        return Embedded(vectors, tokens, understood, cut, made_by)

    def count(self, usage: Usage, answer: Embedded) -> None:
        usage.embed_calls += answer.vectors is not None


@dataclass(frozen=True)
class Ask(Operation):
    """Ask the LLM; the answer is a :class:`~mem0.llms.base.Reply`."""

    messages: list[Message]
    json_reply: bool = False
    tools: Sequence[Mapping[str, Any]] | None = None
    stage = "llm"

    def run(self, parts: Parts) -> Reply:
        return ask(parts.llm, self.messages, json_reply=self.json_reply, tools=self.tools)

    async def run_async(self, parts: Parts) -> Reply:
        if is_awaitable(parts.llm):
            return await ask_async(parts.llm, self.messages, json_reply=self.json_reply, tools=self.tools)
        reply: Reply = await super().run_async(parts)
        return reply

    def attempt(self, usage: Usage) -> None:
        usage.llm_calls += 1

    def count(self, usage: Usage, answer: Reply) -> None:
        usage.prompt_tokens += answer.tokens.prompt
        usage.completion_tokens += answer.tokens.completion


class Reranked(NamedTuple):
    """What a reranker says of texts.

    Attributes:
        scores: One score for each, 0-1; empty where it failed.
        tokens: What it cost, where it asks an LLM.
        error: Why it failed.
    """

    scores: list[float]
    tokens: Tokens
    error: RerankError | None = None


@dataclass(frozen=True)
class Rerank(Operation):
    """Have the reranker score texts, in one call; the answer is a :class:`Reranked`, also where it fails."""

    query: str
    texts: Sequence[str]
    stage = "rerank"

    def run(self, parts: Parts) -> Reranked:
        with rerankers.lending(parts.llm), metered() as tokens:
            try:
                return Reranked(rerankers.score_texts(parts.reranker, self.query, self.texts), tokens)
            except RerankError as error:
                return Reranked([], tokens, error)

    async def run_async(self, parts: Parts) -> Reranked:
        if not rerankers.is_awaitable(parts.reranker):
            answer: Reranked = await super().run_async(parts)
            return answer
        with rerankers.lending(parts.llm), metered() as tokens:
            try:
                scores = await rerankers.score_texts_async(parts.reranker, self.query, self.texts)
                return Reranked(scores, tokens)
            except RerankError as error:
                return Reranked([], tokens, error)

    def count(self, usage: Usage, answer: Reranked) -> None:
        usage.rerank_calls += 1
        usage.prompt_tokens += answer.tokens.prompt
        usage.completion_tokens += answer.tokens.completion


class _StoreOperation(Operation):
    """Something asked of the store; its foreign errors become ours."""

    def run(self, parts: Parts) -> Any:
        with _translated(parts.vector_store, self.stage):
            return self.ask(parts.vector_store, parts.collection_name)

    async def run_async(self, parts: Parts) -> Any:
        if not parts.vector_store.awaits:
            return await super().run_async(parts)
        with _translated(parts.vector_store, self.stage):
            return await self.ask_async(parts.vector_store, parts.collection_name)

    @abstractmethod
    def ask(self, store: VectorStoreBase, name: str) -> Any:
        """Ask it."""

    @abstractmethod
    async def ask_async(self, store: Any, name: str) -> Any:
        """Ask one that can be awaited."""


@dataclass(frozen=True)
class Find(_StoreOperation):
    """Search; the answer is a :class:`~mem0.vector_stores.base.Candidates`."""

    query: Query
    stage = "find"

    def ask(self, store: VectorStoreBase, name: str) -> Candidates:
        return store.candidates(name, self.query)

    async def ask_async(self, store: Any, name: str) -> Candidates:
        found: Candidates = await store.acandidates(name, self.query)
        return found


@dataclass(frozen=True)
class Fetch(_StoreOperation):
    """Bring the rows of candidates; ``None`` for one gone since."""

    keys: Sequence[Any]
    stage = "fetch"

    def ask(self, store: VectorStoreBase, name: str) -> Sequence[Record | None]:
        return store.fetch(name, self.keys)

    async def ask_async(self, store: Any, name: str) -> Sequence[Record | None]:
        rows: Sequence[Record | None] = await store.afetch(name, self.keys)
        return rows


@dataclass(frozen=True)
class Get(_StoreOperation):
    """Read one row."""

    memory_id: str
    stage = "fetch"

    def ask(self, store: VectorStoreBase, name: str) -> Record | None:
        return store.get(name, self.memory_id)

    async def ask_async(self, store: Any, name: str) -> Record | None:
        row: Record | None = await store.aget(name, self.memory_id)
        return row


@dataclass(frozen=True)
class List(_StoreOperation):
    """Read a page of rows and how many there are in all."""

    filters: Mapping[str, Any] | None
    limit: int | None
    offset: int = 0
    alive_at: float | None = None
    stage = "fetch"

    def ask(self, store: VectorStoreBase, name: str) -> tuple[list[Record], int]:
        return store.page(name, self.filters, self.limit, self.offset, alive_at=self.alive_at)

    async def ask_async(self, store: Any, name: str) -> tuple[list[Record], int]:
        found: tuple[list[Record], int] = await store.apage(
            name, self.filters, self.limit, self.offset, alive_at=self.alive_at
        )
        return found


@dataclass(frozen=True)
class Recover(Operation):
    """Undo what an earlier commit left half done, before something is decided on what is read.

    Where nothing is pending, that is one look into the history's own file.
    """

    stage = "commit"

    def run(self, parts: Parts) -> None:
        parts.committer.recover()


@dataclass(frozen=True)
class Holders(Operation):
    """Find the rows that hold texts already."""

    fingerprints: Mapping[str, Scope]
    stage = "find"

    def run(self, parts: Parts) -> list[Record]:
        return parts.committer.holders(self.fingerprints)


@dataclass(frozen=True)
class Commit(Operation):
    """Carry out changes and record them, wholly or not at all.

    With ``whole``, none is carried out where one of them cannot be any more.
    """

    changes: Sequence[Change]
    embedder: Embedder | None
    whole: bool = False
    stage = "commit"

    def run(self, parts: Parts) -> list[Outcome]:
        now = parts.clock()
        return parts.committer.commit(self.changes, self.embedder, iso(now), now.timestamp(), whole=self.whole)


@dataclass(frozen=True)
class Delete(Operation):
    """Delete one memory or a scope, with ``purge`` their history too."""

    target: str | Scope
    purge: bool
    stage = "commit"

    def run(self, parts: Parts) -> tuple[list[Outcome], int]:
        return parts.committer.delete(self.target, iso(parts.clock()), purge=self.purge)


@dataclass(frozen=True)
class Reset(Operation):
    """Delete the collection and its history."""

    purge: bool
    stage = "commit"

    def run(self, parts: Parts) -> tuple[int, int]:
        return parts.committer.reset(purge=self.purge)


@dataclass(frozen=True)
class Compact(Operation):
    """Leave no trace of deleted rows on disk; the answer is whether that is certain."""

    stage = "purge"

    def run(self, parts: Parts) -> bool:
        with _translated(parts.db, self.stage):
            complete = parts.db.compact()
        if parts.committer.shares_file:
            return complete
        with _translated(parts.vector_store, self.stage):
            return parts.vector_store.compact() and complete


@dataclass(frozen=True)
class Approve(Operation):
    """Show changes to the hook; the answer is, for each of them, what is to be written, or ``None``.

    What the hook raises is the caller's own, and leaves the call as it is.
    """

    changes: Sequence[ProposedChange]
    stage = "approve"

    def run(self, parts: Parts) -> list[ProposedChange | None]:
        hook = parts.on_before_write
        if hook is None or not self.changes:
            return [*self.changes]
        return approved(self.changes, hook(self._shown()))

    async def run_async(self, parts: Parts) -> list[ProposedChange | None]:
        hook = parts.on_before_write
        if hook is None or not self.changes:
            return [*self.changes]
        shown = self._shown()
        answer = await hook(shown) if is_coroutine_function(hook) else await in_thread(hook, shown)
        return approved(self.changes, answer)

    def _shown(self) -> list[ProposedChange]:
        return copy.deepcopy([*self.changes])  # what it changes is its own


@dataclass(frozen=True)
class Pack(Operation):
    """Pack memories into a text for a prompt.

    ``count_tokens`` is somebody else's, may take its time, and what it raises is the caller's own.
    """

    found: MemoryList[MemoryDict]
    max_tokens: int
    count_tokens: Callable[[str], int]
    stage = "pack"

    def run(self, parts: Parts) -> Context:
        return packed(self.found, self.max_tokens, self.count_tokens)


@dataclass(frozen=True)
class Inspect(Operation):
    """Read everything that store and history know; the answer is a :class:`~mem0.memory.checking.Survey`."""

    stage = "check"

    def run(self, parts: Parts) -> Survey:
        return parts.committer.survey()


@dataclass(frozen=True)
class Ledgers(Operation):
    """Ask under which name the history keeps this collection, and under which it keeps any of this name."""

    stage = "check"

    def run(self, parts: Parts) -> tuple[str, list[str]]:
        with _translated(parts.db, self.stage):
            known = parts.db.collections()
        name = parts.collection_name
        return parts.committer.ledger, [one for one in known if one == name or one.startswith(f"{name} in ")]


@dataclass(frozen=True)
class Adopt(Operation):
    """Have the history keep under this collection's name what it kept under another."""

    ledger: str
    stage = "commit"

    def run(self, parts: Parts) -> None:
        with _translated(parts.db, self.stage):
            parts.db.rename(self.ledger, parts.committer.ledger)


@dataclass(frozen=True)
class Mend(Operation):
    """Put store and history right, without recording it as a change."""

    changes: Sequence[Change]
    recorded: Sequence[HistoryRow]
    embedder: Embedder | None
    stage = "commit"

    def run(self, parts: Parts) -> None:
        parts.committer.mend(self.changes, self.recorded, self.embedder)


@dataclass(frozen=True)
class ReadHistory(Operation):
    """Read a memory's history."""

    memory_id: str
    stage = "fetch"

    def run(self, parts: Parts) -> list[HistoryRow]:
        with _translated(parts.db, self.stage):
            return parts.db.rows(self.memory_id, parts.committer.ledger)


#: A verb, as the conductor writes it: it yields the I/O it wants, gets the answers, and returns its result.
Verb = Generator[Operation, Any, Result]
