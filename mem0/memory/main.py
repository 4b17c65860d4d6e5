"""``Memory`` and ``AsyncMemory``: the published verbs, each run by its driver of the one conductor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from mem0.exceptions import ConfigError
from mem0.memory import conductor, inputs
from mem0.memory.assembly import check_reranker_blocks
from mem0.memory.core import MemoryCore
from mem0.memory.operations import in_thread
from mem0.memory.runners import run, run_async
from mem0.memory.threshold import Threshold
from mem0.parts import is_coroutine_function
from mem0.times import Moment
from mem0.types import (
    ChangeDict,
    CheckReport,
    Context,
    DeletionDict,
    HistoryDict,
    MemoryDict,
    MemoryList,
    RebuildReport,
)


class Memory(MemoryCore):
    """Long-term memory of an agent.

    Args:
        config: A :class:`~mem0.MemoryConfig`, a dict of the same shape, or nothing.
        llm: An LLM to use instead of the configured one: an :class:`~mem0.llms.base.LLMBase`, or any
            object with ``generate_response(messages)``.
        embedder: An embedder to use instead of the configured one: an
            :class:`~mem0.embeddings.base.EmbeddingBase`, or any object with ``embed(text)``.
        vector_store: A vector store to use instead of the configured one.
        history: A history to use instead of the configured one.
        telemetry: A :class:`~mem0.memory.telemetry.TelemetryBase` that is told which verbs were called and
            how much they did.  ``False``: none.  Default: none, unless ``config["telemetry"]`` or
            ``MEM0_TELEMETRY`` switches :class:`~mem0.memory.telemetry.AnonymousTelemetry` on.
        path: The SQLite file, or ``":memory:"``; the same as ``config["path"]``.
        clock: Where the time is taken from; returns an aware datetime.
        on_before_write: Is shown the changes of each call before anything is embedded or stored, as a list of
            :class:`~mem0.ProposedChange`, and returns those that are to be written, with ``memory`` and
            ``metadata`` changed where it wants.  For :class:`AsyncMemory` it may be a coroutine function.
        reranker: A reranker to use instead of the configured one: a
            :class:`~mem0.rerankers.base.RerankerBase`, any object with ``score(query, texts)``, or a function of
            these two.  For :class:`AsyncMemory` it may be a coroutine function.

    Injected objects are their owner's to close.

    Raises:
        ConfigError: The configuration cannot be used; the message says why.
        StorageError: The file cannot be opened; the message names it.
    """

    @classmethod
    def _check_hook(cls, hook: object) -> None:
        super()._check_hook(hook)
        if is_coroutine_function(hook):
            raise ConfigError("on_before_write is a coroutine function: only AsyncMemory can await it")

    @classmethod
    def _check_reranker(cls, reranker: object) -> None:
        check_reranker_blocks(reranker)

    def add(
        self,
        messages: Any = None,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        metadata: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        prompt: str | None = None,
        *,
        data: Any = None,
        infer: bool | None = None,
        timestamp: Moment | None = None,
        expiration_date: Moment | None = None,
        memory_type: str | None = None,
        dry_run: bool = False,
    ) -> MemoryList[ChangeDict]:
        """Remember what was said.

        Args:
            messages: Text, a message dict ``{"role", "content"}``, or a list of either.
            user_id: Whose memory it is; together with ``agent_id`` and ``run_id`` its identity.
            agent_id: The agent it belongs to.
            run_id: The run or session it belongs to.
            metadata: The user's own data, JSON, kept beside each memory.
            filters: Which memories the LLM is offered, and so may replace; checked, and otherwise unused
                without one.
            prompt: What the LLM shall mind besides, in this call.
            data: Another name of ``messages``.
            infer: Whether the LLM distils facts; ``False`` keeps the messages verbatim.  Default: whether
                there is one.
            timestamp: When it was said, as datetime, ISO-8601 text or Unix seconds (naive means UTC);
                becomes ``created_at``.  Default: now.
            expiration_date: After this the memory is no longer found; a bare date ends with that day, UTC.
            memory_type: ``"procedural_memory"`` keeps a summary of an agent's run; needs ``agent_id``.
            dry_run: Say what would happen, store nothing; the LLM is asked all the same.

        Returns:
            One dict per change: ``id``, ``memory``, ``event`` (``ADD``, ``UPDATE``, ``DELETE``, or ``NONE``
            with the id of the memory that said the same already), ``previous_memory`` where there was one,
            ``verified`` where the LLM quoted what it rests on.  ``.rejected`` lists what could not be used.
            Empty for empty input, and where the LLM found nothing worth keeping.

        Raises:
            ValidationError: An argument cannot be accepted; nothing was stored.
            ConfigError: What was asked for needs an LLM, and there is none.
            LLMError: The LLM failed; nothing was stored, and ``retryable`` says whether to try again.
            LLMResponseError: Twice its reply could not be used; nothing was stored.
            EmbeddingError: The embedder failed; nothing was stored.
            StorageError: Store or history refused; nothing was stored.
        """
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return run(
            "add",
            self._add(
                messages,
                data,
                scope,
                metadata,
                filters,
                prompt,
                infer,
                timestamp,
                expiration_date,
                memory_type,
                dry_run,
            ),
            parts,
        )

    def search(
        self,
        query: str,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        *,
        top_k: int | None = None,
        threshold: Threshold = None,
        rerank: bool | None = None,
        explain: bool = False,
        show_expired: bool = False,
    ) -> MemoryList[MemoryDict]:
        """Find the memories that answer a question, best first.

        Args:
            query: The question; blank finds nothing.
            user_id: Only memories with this id; an id not given matches anything.
            agent_id: The same for the agent.
            run_id: The same for the run.
            limit: How many at most; default 100.
            filters: Further conditions, in the filter language; scope ids may stand here too.
            top_k: Another name of ``limit``.
            threshold: The least ``score``; or ``"auto"``: nothing where no memory is convincing, else those nearly as
                convincing as the best.  Default: nothing is cut.
            rerank: Whether the reranker has the last word on order and score; ``True`` is refused without one.
                Default: whether there is one.
            explain: Add ``explain`` to each memory: every leg's score, why a leg did not run, and the reranker's score;
                and to the result ``.dropped``: what the threshold left out, and why.
            show_expired: Include expired memories.

        Returns:
            Memories with ``score``: 0-1, higher is better, absolute; results stand in rank order, which
            the score need not follow.  ``.total`` is how many were looked at.

            Reranked, ``score`` is the reranker's, and the order follows it; ``threshold`` acts on it, and only the
            best ``limit`` or 50 memories, whichever is more, were given to it.  Where it fails, also with
            ``rerank=True``, the result is that of ``rerank=False``, and ``.rerank_error`` says why.

        Raises:
            ValidationError: An argument cannot be accepted.
            ConfigError: ``rerank=True`` without a reranker.
            EmbeddingError: The embedder failed.
            StorageError: The store could not be read.
        """
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return run(
            "search", self._search(query, scope, limit, filters, top_k, threshold, rerank, explain, show_expired), parts
        )

    def context(
        self,
        query: str,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        *,
        max_tokens: int = 1000,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        threshold: Threshold = None,
        count_tokens: Callable[[str], int] | None = None,
        show_expired: bool = False,
        rerank: bool | None = None,
    ) -> Context:
        """Return what is remembered of a question as text for a prompt, within a budget of tokens.

        One search; of what it finds the best that fits, each on a line of its own with its date (UTC) and, of a
        verbatim turn, its speaker, oldest first: ``- 2023-05-08, Caroline: I moved to Lisbon.``

        Args:
            query: The question, or what the user just said; blank finds nothing.
            user_id: Only memories with this id; an id not given matches anything.
            agent_id: The same for the agent.
            run_id: The same for the run.
            max_tokens: How many tokens the text has at most.
            limit: How many memories the search finds at most, of which those that fit are taken.
            filters: Further conditions, in the filter language; scope ids may stand here too.
            threshold: The least ``score``; or ``"auto"``: nothing where no memory is convincing, else those nearly as
                convincing as the best.  Default: nothing is cut.
            count_tokens: Returns how many tokens a text has; what it raises leaves the call as it is.  Default: an
                estimate, :func:`~mem0.memory.packing.estimated_tokens`.
            show_expired: Include expired memories.
            rerank: As of :meth:`search`.

        Returns:
            A ``str`` with ``.memories``, ``.tokens``, ``.left_out`` and ``.usage``; empty where nothing was found.
            What does not fit is passed over, and what is said twice stands there once.  Where nothing would fit,
            the beginning of the best memory stands there, ended with ``…``.

        Raises:
            ValidationError: An argument cannot be accepted, or ``count_tokens`` returned no whole number.
            ConfigError: ``rerank=True`` without a reranker.
            EmbeddingError: The embedder failed.
            StorageError: The store could not be read.
        """
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return run(
            "context",
            self._context(query, scope, max_tokens, limit, filters, threshold, count_tokens, show_expired, rerank),
            parts,
        )

    def get_all(
        self,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        *,
        offset: int = 0,
        top_k: int | None = None,
        show_expired: bool = False,
    ) -> MemoryList[MemoryDict]:
        """List memories, newest first (``created_at``, then insertion).

        Args:
            user_id: Only memories with this id; an id not given matches anything.
            agent_id: The same for the agent.
            run_id: The same for the run.
            limit: How many at most; default 100.
            filters: Further conditions, in the filter language; scope ids may stand here too.
            offset: How many of the newest to pass over.
            top_k: Another name of ``limit``.
            show_expired: Include expired memories.

        Returns:
            A page of memories; ``.total`` says how many there are in all.

        Raises:
            ValidationError: An argument cannot be accepted.
            StorageError: The store could not be read.
        """
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return run("get_all", self._get_all(scope, limit, filters, offset, top_k, show_expired), parts)

    def get(self, memory_id: str) -> MemoryDict | None:
        """Return a memory by its id, expired or not, or ``None``."""
        return run("get", conductor.get(inputs.memory_id(memory_id), self._bound), self._open())

    def update(
        self,
        memory_id: str,
        data: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        text: str | None = None,
    ) -> MemoryDict:
        """Change a memory; what is not named is kept.

        Args:
            memory_id: The memory.
            data: The new text.
            metadata: Keys to set; a value of ``None`` removes its key.
            text: Another name of ``data``.

        Returns:
            The memory as it is now.

        Raises:
            MemoryNotFoundError: No such memory, or not in this handle's scope.
            DuplicateMemoryError: Another memory already has this text; the message names it.
            ValidationError: An argument cannot be accepted.
            ConflictError: The memory kept changing meanwhile.
        """
        return run("update", self._update(memory_id, data, metadata, text), self._open())

    def delete(self, memory_id: str, *, purge: bool = False) -> DeletionDict:
        """Delete a memory; its history stays, unless ``purge`` removes every trace of it from the disk.

        Returns:
            ``{"message", "deleted", "failed"}``, with ``purge`` also ``"receipt"``.

        Raises:
            MemoryNotFoundError: No such memory, or not in this handle's scope.
        """
        return run("delete", conductor.delete(inputs.memory_id(memory_id), self._bound, purge=purge), self._open())

    def delete_all(
        self, user_id: object = None, agent_id: object = None, run_id: object = None, *, purge: bool = False
    ) -> DeletionDict:
        """Delete all memories of a scope, with ``purge`` every trace of them, also of those deleted before.

        Returns:
            ``{"message", "deleted", "failed"}``, with ``purge`` also ``"receipt"``.

        Raises:
            ValidationError: No id was given; ``"*"`` is an id like any other.
        """
        parts = self._open()
        return run(
            "delete_all", self._delete_all({"user_id": user_id, "agent_id": agent_id, "run_id": run_id}, purge), parts
        )

    def reset(self, *, purge: bool = False) -> DeletionDict:
        """Delete this collection and its history; other collections in the file stay."""
        return run("reset", self._reset(purge), self._open())

    def history(self, memory_id: str) -> list[HistoryDict]:
        """Return a memory's changes, oldest first; ``[]`` for an unknown id."""
        return run("history", conductor.history(inputs.memory_id(memory_id), self._bound), self._open())

    def check(self, *, repair: bool = False) -> CheckReport:
        """Hold the store against itself, its texts against their hashes, and all of it against the history.

        The embedded store also has its file checked by SQLite, and each memory's vectors against a checksum.
        Writers wait until it is done.

        Args:
            repair: Put right what can be: what is made of a text (vectors, search terms) is made anew; a text that
                does not fit its hash, and a memory that is lost, are taken from the history; what the history says
                was deleted is deleted; a history that lacks a change is told of it.  Rows that the history does
                not know are left as they are.

        Returns:
            ``.ok``, ``.findings`` and how many memories there are.

        Raises:
            EmbeddingError: What had to be embedded anew could not be; what was repaired before stays so.
            StorageError: Store or history could not be read or written.
        """
        return run("check", self._check(repair), self._open())

    def rebuild(self, *, ledger: str | None = None) -> RebuildReport:
        """Store anew what the history says is current and the store has not: after a vector store was lost.

        Texts are embedded with the embedder in use.  It can be interrupted and called again.  It only adds and
        replaces: rows that the history does not know are named, and left as they are.

        Args:
            ledger: Under which name the history has what is to be restored, where it has several stores'.  A store
                at another place takes over the history of the one that was lost.

        Raises:
            ConfigError: The history has several candidates, or not the one that was named.
            EmbeddingError: The embedder failed; what was restored before stays so.
            StorageError: Store or history could not be read or written.
        """
        return run("rebuild", self._rebuild(ledger), self._open())

    def close(self) -> None:
        """Release everything; the object and its handles cannot be used afterwards.

        A handle releases nothing: what it stands on is closed by whoever built it.
        """
        self._release()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncMemory(MemoryCore):
    """:class:`Memory` for asyncio: the same arguments and verbs, to be awaited.

    Building one opens the file; everything else leaves the event loop free.
    """

    async def add(
        self,
        messages: Any = None,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        metadata: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        prompt: str | None = None,
        *,
        data: Any = None,
        infer: bool | None = None,
        timestamp: Moment | None = None,
        expiration_date: Moment | None = None,
        memory_type: str | None = None,
        dry_run: bool = False,
    ) -> MemoryList[ChangeDict]:
        """See :meth:`Memory.add`."""
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return await run_async(
            "add",
            self._add(
                messages,
                data,
                scope,
                metadata,
                filters,
                prompt,
                infer,
                timestamp,
                expiration_date,
                memory_type,
                dry_run,
            ),
            parts,
        )

    async def search(
        self,
        query: str,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        *,
        top_k: int | None = None,
        threshold: Threshold = None,
        rerank: bool | None = None,
        explain: bool = False,
        show_expired: bool = False,
    ) -> MemoryList[MemoryDict]:
        """See :meth:`Memory.search`."""
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return await run_async(
            "search", self._search(query, scope, limit, filters, top_k, threshold, rerank, explain, show_expired), parts
        )

    async def context(
        self,
        query: str,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        *,
        max_tokens: int = 1000,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        threshold: Threshold = None,
        count_tokens: Callable[[str], int] | None = None,
        show_expired: bool = False,
        rerank: bool | None = None,
    ) -> Context:
        """See :meth:`Memory.context`."""
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return await run_async(
            "context",
            self._context(query, scope, max_tokens, limit, filters, threshold, count_tokens, show_expired, rerank),
            parts,
        )

    async def get_all(
        self,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        limit: int = 100,
        filters: Mapping[str, Any] | None = None,
        *,
        offset: int = 0,
        top_k: int | None = None,
        show_expired: bool = False,
    ) -> MemoryList[MemoryDict]:
        """See :meth:`Memory.get_all`."""
        parts = self._open()
        scope = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        return await run_async("get_all", self._get_all(scope, limit, filters, offset, top_k, show_expired), parts)

    async def get(self, memory_id: str) -> MemoryDict | None:
        """See :meth:`Memory.get`."""
        return await run_async("get", conductor.get(inputs.memory_id(memory_id), self._bound), self._open())

    async def update(
        self,
        memory_id: str,
        data: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        text: str | None = None,
    ) -> MemoryDict:
        """See :meth:`Memory.update`."""
        return await run_async("update", self._update(memory_id, data, metadata, text), self._open())

    async def delete(self, memory_id: str, *, purge: bool = False) -> DeletionDict:
        """See :meth:`Memory.delete`."""
        return await run_async(
            "delete", conductor.delete(inputs.memory_id(memory_id), self._bound, purge=purge), self._open()
        )

    async def delete_all(
        self, user_id: object = None, agent_id: object = None, run_id: object = None, *, purge: bool = False
    ) -> DeletionDict:
        """See :meth:`Memory.delete_all`."""
        parts = self._open()
        return await run_async(
            "delete_all", self._delete_all({"user_id": user_id, "agent_id": agent_id, "run_id": run_id}, purge), parts
        )

    async def reset(self, *, purge: bool = False) -> DeletionDict:
        """See :meth:`Memory.reset`."""
        return await run_async("reset", self._reset(purge), self._open())

    async def history(self, memory_id: str) -> list[HistoryDict]:
        """See :meth:`Memory.history`."""
        return await run_async("history", conductor.history(inputs.memory_id(memory_id), self._bound), self._open())

    async def check(self, *, repair: bool = False) -> CheckReport:
        """See :meth:`Memory.check`."""
        return await run_async("check", self._check(repair), self._open())

    async def rebuild(self, *, ledger: str | None = None) -> RebuildReport:
        """See :meth:`Memory.rebuild`."""
        return await run_async("rebuild", self._rebuild(ledger), self._open())

    async def close(self) -> None:
        """See :meth:`Memory.close`."""
        try:
            await self._release_awaited()
        finally:
            await in_thread(self._release)

    def __await__(self) -> Generator[Any, None, AsyncMemory]:
        # `await AsyncMemory.from_config(...)` is a published form; there is nothing to wait for.
        async def itself() -> AsyncMemory:
            return self

        return itself().__await__()

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
