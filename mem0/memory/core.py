"""What ``Memory`` and ``AsyncMemory`` share: the parts they are made of, and arguments made ready for the conductor."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from mem0 import when
from mem0.configs.base import MemoryConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import ClosedError, ConfigError, ValidationError
from mem0.history.base import HistoryBase
from mem0.llms.base import LLMBase, vision_of
from mem0.memory import conductor, inputs, mending
from mem0.memory.adding import verbs
from mem0.memory.adding.messages import heard
from mem0.memory.adding.planning import Said
from mem0.memory.assembly import assembled, check_parts, check_reranker, given, shown
from mem0.memory.base import MemoryBase
from mem0.memory.operations import Parts, Verb
from mem0.memory.packing import estimated_tokens
from mem0.memory.telemetry import TelemetryBase, chosen
from mem0.memory.threshold import Threshold
from mem0.rerankers.base import RerankerBase, most_of
from mem0.text import quoted
from mem0.times import Moment, expiration, iso, moment
from mem0.traits import Fading
from mem0.types import (
    ChangeDict,
    CheckReport,
    Context,
    DeletionDict,
    MemoryDict,
    MemoryList,
    ProposedChange,
    RebuildReport,
    Scope,
)
from mem0.vector_stores.base import VectorStoreBase

Self = TypeVar("Self", bound="MemoryCore")

_WAYS_OUT = (
    "set OPENAI_API_KEY, name one in the configuration ({'llm': {'provider': ..., 'config': {...}}}), or pass llm="
)

_DAY = 24 * 3600.0
_TO_RERANK = "name one in the configuration ({'reranker': {'provider': ..., 'config': {...}}}), or pass reranker="


class MemoryCore(MemoryBase):
    """Base of both memories; see :class:`~mem0.Memory`."""

    def __init__(
        self,
        config: MemoryConfig | Mapping[str, Any] | None = None,
        *,
        llm: LLMBase | Any | None = None,
        embedder: EmbeddingBase | Any | None = None,
        vector_store: VectorStoreBase | None = None,
        history: HistoryBase | None = None,
        telemetry: TelemetryBase | bool | None = None,
        path: str | os.PathLike[str] | None = None,
        clock: Callable[[], datetime] | None = None,
        on_before_write: Callable[[list[ProposedChange]], Any] | None = None,
        reranker: RerankerBase | Callable[[str, list[str]], Any] | Any | None = None,
    ) -> None:
        """Open a memory; see the class for the arguments."""
        self._check_hook(on_before_write)
        self._check_reranker(reranker)
        if telemetry not in (None, False) and not isinstance(telemetry, TelemetryBase):
            raise ConfigError(
                f"telemetry={shown(telemetry)}: expected a TelemetryBase, such as AnonymousTelemetry(api_key=...), "
                "or False; config['telemetry']=True is the switch"
            )
        self.config = MemoryConfig.of(config).at(path)
        self._bound = Scope()
        self._is_handle = False
        self._opened: list[Any] = []
        self._closed = [False]  # shared with the handles that scope() makes
        try:
            self._parts = assembled(self.config, self._opened, llm, embedder, vector_store, history, clock, reranker)
            self._parts.on_before_write = on_before_write
            self._parts.telemetry = chosen(telemetry, self.config.telemetry, self._parts)
        except BaseException:
            with suppress(Exception):  # what the user must learn is why there is no memory
                self._release()
            raise

    @classmethod
    def _check_hook(cls, hook: object) -> None:
        """Refuse a hook that cannot be called here."""
        if hook is not None and not callable(hook):
            raise ConfigError(f"on_before_write={shown(hook)}: expected a function of a list of changes")

    @classmethod
    def _check_reranker(cls, reranker: object) -> None:
        """Refuse a reranker that cannot be called here."""

    @classmethod
    def from_config(cls: type[Self], config_dict: Mapping[str, Any]) -> Self:
        """Return a memory built from a plain dict."""
        return cls(config_dict)

    def __repr__(self) -> str:
        scope = "".join(f", {key}={value!r}" for key, value in self._bound.ids().items())
        return f"{type(self).__name__}({self._parts.vector_store!r}, collection={self.collection_name!r}{scope})"

    # -- parts --------------------------------------------------------------------------------------

    @property
    def llm(self) -> Any:
        """The LLM, or ``None``; may be replaced."""
        return self._parts.llm

    @llm.setter
    def llm(self, llm: Any) -> None:
        check_parts(llm, self.embedding_model, self.vector_store, self.db)
        self._parts.llm = llm

    @property
    def embedding_model(self) -> Any:
        """The embedder; may be replaced."""
        return self._parts.embedding_model

    @embedding_model.setter
    def embedding_model(self, embedder: Any) -> None:
        check_parts(self.llm, given("embedding_model", embedder), self.vector_store, self.db)
        self._parts.embedding_model = embedder
        self._parts.embedder_provider = None

    @property
    def vector_store(self) -> VectorStoreBase:
        """The vector store; may be replaced."""
        return self._parts.vector_store

    @vector_store.setter
    def vector_store(self, store: VectorStoreBase) -> None:
        check_parts(self.llm, self.embedding_model, given("vector_store", store), self.db)
        self._parts.vector_store = store

    @property
    def db(self) -> HistoryBase:
        """The history; may be replaced."""
        return self._parts.db

    @db.setter
    def db(self, history: HistoryBase) -> None:
        check_parts(self.llm, self.embedding_model, self.vector_store, given("db", history))
        self._parts.db = history

    @property
    def reranker(self) -> Any:
        """The reranker, or ``None``; may be replaced."""
        return self._parts.reranker

    @reranker.setter
    def reranker(self, reranker: Any) -> None:
        self._check_reranker(reranker)
        check_reranker(reranker, self.llm)
        self._parts.reranker = reranker

    @property
    def collection_name(self) -> str:
        """The collection; may be replaced."""
        return self._parts.collection_name

    @collection_name.setter
    def collection_name(self, name: str) -> None:
        self._parts.collection_name = MemoryConfig.of({"collection_name": name}).collection_name

    def scope(self: Self, user_id: object = None, agent_id: object = None, run_id: object = None) -> Self:
        """Return a handle with the same verbs, bound to a scope.

        What the handle stores belongs to the scope, and it sees nothing outside: a stranger's id is
        "not found".  The handle shares this object's parts: it lives until that is closed, and its own
        ``close()`` does nothing.

        Raises:
            ValidationError: An id is unusable, or contradicts the scope this handle is bound to.
        """
        handle = copy.copy(self)
        handle._bound = inputs.scope_of(self._bound, {"user_id": user_id, "agent_id": agent_id, "run_id": run_id})
        handle._is_handle = True
        return handle

    # -- arguments, made ready ----------------------------------------------------------------------

    def _open(self) -> Parts:
        if self._closed[0]:
            raise ClosedError("this Memory was closed; build a new one")
        return self._parts

    def _add(
        self,
        messages: Any,
        data: Any,
        scope: Mapping[str, object],
        metadata: Mapping[str, Any] | None,
        filters: Mapping[str, Any] | None,
        prompt: str | None,
        infer: bool | None,
        timestamp: Moment | None,
        expiration_date: Moment | None,
        memory_type: str | None,
        dry_run: bool,
    ) -> Verb[MemoryList[ChangeDict]]:
        if messages is not None and data is not None:
            raise ValidationError("messages and data are two names of one argument; give one")
        if messages is None and data is None:
            raise ValidationError("messages: nothing was given; pass text, a message dict, or a list of them")
        infers = self._infers(infer, prompt, memory_type)
        reading = inputs.reading(self._bound, scope, filters)
        identity = inputs.scope_of(self._bound, scope)
        told = heard(data if messages is None else messages)
        now = self._parts.clock()
        said = Said(
            told.turns,
            told.skipped,
            identity,
            inputs.typed(memory_type, inputs.metadata(metadata), identity),
            created_at=iso(now if timestamp is None else moment("timestamp", timestamp)),
            expiration_date=None if expiration_date is None else expiration(expiration_date),
            dry_run=dry_run,
            wall=iso(now),
            now=now.timestamp(),
        )
        if not infers:
            return verbs.verbatim(said)
        guidance = self._guidance(reading, inputs.guidance(prompt))
        if memory_type is not None:
            return verbs.procedure(said, guidance)
        two_pass = self.config.add_strategy == "two_pass"
        return verbs.two_pass(said, guidance) if two_pass else verbs.single_pass(said, guidance)

    def _infers(self, infer: bool | None, prompt: str | None, memory_type: str | None) -> bool:
        """Tell whether an LLM takes part in an ``add``.

        Raises:
            ConfigError: It must, and there is none.
            ValidationError: It must and must not.
        """
        asked = (
            "prompt" if prompt is not None else None if memory_type is None else f"memory_type={quoted(memory_type)}"
        )
        if infer is False and asked:
            raise ValidationError(f"infer=False asks no LLM, and {asked} is for one; leave one of the two out")
        there_is = self._parts.llm is not None
        if not there_is and (infer or asked):
            raise ConfigError(
                f"{asked or 'infer=True'} needs an LLM, and this memory has none: {_WAYS_OUT}; "
                "or leave it out, to keep what was said verbatim"
            )
        return there_is if infer is None else bool(infer)

    def _guidance(self, reading: inputs.Reading, prompt: list[str]) -> verbs.Guidance:
        config = self.config
        instructions = [config.custom_instructions] if config.custom_instructions else []
        merging = [config.custom_update_memory_prompt] if config.custom_update_memory_prompt else []
        return verbs.Guidance(
            reading,
            instructions + prompt,
            merging + prompt,
            config.max_llm_chars,
            config.max_llm_calls,
            vision_of(self._parts.llm),
        )

    def _search(
        self,
        query: str,
        scope: Mapping[str, object],
        limit: int,
        filters: Mapping[str, Any] | None,
        top_k: int | None,
        threshold: Threshold,
        rerank: bool | None,
        explain: bool,
        show_expired: bool,
    ) -> Verb[MemoryList[MemoryDict]]:
        if not isinstance(query, str):
            raise ValidationError(f"query={quoted(query)}: expected text, not {type(query).__name__}")
        reranker = self._parts.reranker
        if rerank and reranker is None:
            raise ConfigError(f"rerank=True needs a reranker, and this memory has none: {_TO_RERANK}; or leave it out")
        reranks = reranker is not None and (rerank is None or bool(rerank))
        most = most_of(reranker) if reranks else None
        limit = inputs.limit_of(limit, top_k)
        now, half_life = self._parts.clock(), self.config.recency_half_life
        return conductor.search(
            query,
            inputs.reading(self._bound, scope, filters),
            limit=limit if most is None else min(limit, most),
            threshold=inputs.threshold_of(threshold),
            explain=explain,
            periods=when.periods(query, now),
            fading=None if half_life is None else Fading(now.timestamp(), half_life * _DAY),
            alive_at=self._alive_at(show_expired),
            reranks=reranks,
        )

    def _context(
        self,
        query: str,
        scope: Mapping[str, object],
        max_tokens: int,
        limit: int,
        filters: Mapping[str, Any] | None,
        threshold: Threshold,
        count_tokens: Callable[[str], int] | None,
        show_expired: bool,
        rerank: bool | None,
    ) -> Verb[Context]:
        return conductor.context(
            self._search(query, scope, limit, filters, None, threshold, rerank, False, show_expired),
            max_tokens=inputs.whole("max_tokens", max_tokens, least=1),
            count_tokens=inputs.counter_of(count_tokens, estimated_tokens),
        )

    def _get_all(
        self,
        scope: Mapping[str, object],
        limit: int,
        filters: Mapping[str, Any] | None,
        offset: int,
        top_k: int | None,
        show_expired: bool,
    ) -> Verb[MemoryList[MemoryDict]]:
        return conductor.get_all(
            inputs.reading(self._bound, scope, filters),
            limit=inputs.limit_of(limit, top_k),
            offset=inputs.whole("offset", offset, least=0),
            alive_at=self._alive_at(show_expired),
        )

    def _update(
        self, memory_id: str, data: str | None, metadata: Mapping[str, Any] | None, text: str | None
    ) -> Verb[MemoryDict]:
        if data is None and text is None and metadata is None:
            raise ValidationError("update: nothing to change was named; give data, metadata, or both")
        return conductor.update(
            inputs.memory_id(memory_id),
            self._bound,
            text=inputs.new_text(data, text),
            metadata=inputs.metadata(metadata),
            now=iso(self._parts.clock()),
        )

    def _delete_all(self, scope: Mapping[str, object], purge: bool) -> Verb[DeletionDict]:
        target = inputs.scope_of(self._bound, scope)
        if not target.ids():
            raise ValidationError("delete_all needs user_id, agent_id or run_id; reset() deletes the whole collection")
        return conductor.delete_all(target, purge=purge)

    def _reset(self, purge: bool) -> Verb[DeletionDict]:
        if self._bound.ids():
            raise ValidationError("a scope handle cannot reset the collection; delete_all() deletes its scope")
        return conductor.reset(purge=purge)

    def _check(self, repair: bool) -> Verb[CheckReport]:
        self._require_whole("check")
        return mending.check(repair=repair, timestamp=iso(self._parts.clock()))

    def _rebuild(self, ledger: str | None) -> Verb[RebuildReport]:
        self._require_whole("rebuild")
        return mending.rebuild(ledger=ledger)

    def _require_whole(self, verb: str) -> None:
        if self._bound.ids():
            raise ValidationError(
                f"{verb}() is about the whole collection; call it on the memory, not on a scope handle"
            )

    def _alive_at(self, show_expired: bool) -> float | None:
        return None if show_expired else self._parts.clock().timestamp()

    async def _release_awaited(self) -> None:
        """Release what parts hold of the event loop that is running."""
        for part in () if self._is_handle else self._opened:
            if callable(getattr(type(part), "aclose", None)):
                await part.aclose()

    def _release(self) -> None:
        if self._is_handle:
            return  # the parts are those of the memory it was made from
        self._closed[0] = True
        try:
            while self._opened:
                # Whoever wrote a provider with the two published methods only has nothing to close.
                close = getattr(self._opened.pop(), "close", None)
                if close is not None:
                    close()
        finally:
            if self._opened:  # one could not be closed; the others are
                self._release()
