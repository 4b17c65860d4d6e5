"""Which parts a memory is made of: those that were injected, configured, recorded, or the defaults."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from mem0.configs.base import MemoryConfig, ProviderConfig
from mem0.exceptions import ConfigError
from mem0.history.base import HistoryBase
from mem0.history.sqlite import SQLiteManager
from mem0.memory.operations import Parts
from mem0.parts import is_coroutine_function
from mem0.rerankers.base import is_awaitable
from mem0.storage import Database, same_path
from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory
from mem0.vector_stores.base import VectorStoreBase

logger = logging.getLogger("mem0.memory")

_BUNDLED = "onnx"
_OPENAI = "openai"


def assembled(
    config: MemoryConfig,
    opened: list[Any],
    llm: Any | None,
    embedder: Any | None,
    vector_store: VectorStoreBase | None,
    history: HistoryBase | None,
    clock: Callable[[], datetime] | None,
    reranker: Any | None = None,
) -> Parts:
    """Return the parts of a memory: those that were injected, and the others made.

    Args:
        config: What was configured.
        opened: Is given what was made here, to be closed with the memory, also where this fails.
        llm: The injected LLM, if there is one; and so on.
        embedder: The embedder.
        vector_store: The vector store.
        history: The history.
        clock: Where the time is taken from.
        reranker: The reranker.

    Raises:
        ConfigError: They cannot be made, or cannot do their work.
    """

    def opening(part: Any) -> Any:
        opened.append(part)
        return part

    injected = any(part is not None for part in (llm, embedder, vector_store, history, reranker))
    check_parts(llm, embedder, vector_store, history)
    if vector_store is None:
        vector_store = opening(_store(config))
    if history is None:
        history = opening(_history(config, vector_store))
    check_parts(llm, embedder, vector_store, history)
    parts = Parts(
        embedder,
        vector_store,
        history,
        config.collection_name,
        clock or _utc_now,
        expected_dims=config.embedding_model_dims,
        llm=llm,
    )
    named = None if llm is not None else _llm_named(config, injected)
    if named is not None:
        parts.llm = opening(LlmFactory.create(named.provider, named.config))
        check_parts(parts.llm, None, None, None)
    if reranker is None and config.reranker is not None:
        reranker = opening(RerankerFactory.create(config.reranker.provider, config.reranker.config))
    check_reranker(reranker, parts.llm)
    parts.reranker = reranker
    if embedder is None:
        chosen = _embedder_named(config, parts, named)
        parts.embedder_provider = chosen.provider
        embedder = opening(EmbedderFactory.create(chosen.provider, chosen.config))
        check_parts(None, embedder, None, None)
        parts.embedding_model = embedder
    dims = getattr(embedder, "dims", None)
    if isinstance(dims, int):
        parts.check_embedder(parts.made_by(embedder, dims))
    parts.committer.recover()
    return parts


def _store(config: MemoryConfig) -> VectorStoreBase:
    named = config.vector_store
    if named is not None and named.provider != "sqlite":
        store: VectorStoreBase = VectorStoreFactory.create(named.provider, named.config)
        return store
    options = {
        "path": config.file(),
        "busy_timeout": config.busy_timeout,
        "cache_mb": config.cache_mb,
        **(named.config if named else {}),
    }
    embedded: VectorStoreBase = VectorStoreFactory.create("sqlite", options)
    return embedded


def _history(config: MemoryConfig, store: VectorStoreBase) -> HistoryBase:
    path = config.history_db_path
    database = getattr(store, "database", None)
    if isinstance(database, Database) and (path is None or same_path(path, database.path)):
        return SQLiteManager(database=database)
    return SQLiteManager(path or config.file(), busy_timeout=config.busy_timeout)


def _llm_named(config: MemoryConfig, injected: bool) -> ProviderConfig | None:
    """Return which LLM is to be made: the configured one, or OpenAI's where its key is there.

    Who injects a part, as a unit test does, gets no other that was not asked for.
    """
    if config.llm is not None:
        return config.llm
    return ProviderConfig(provider=_OPENAI) if not injected and os.environ.get("OPENAI_API_KEY") else None


def _embedder_named(config: MemoryConfig, parts: Parts, llm: ProviderConfig | None) -> ProviderConfig:
    """Return which embedder is to be made: the configured one, the recorded one, or the LLM's vendor's."""
    if config.embedder is not None:
        return config.embedder
    default = _embedder_beside(llm)
    recorded = parts.recorded_embedder()
    if recorded is None or recorded.provider in (None, default.provider):
        return default
    name, provider = config.collection_name, str(recorded.provider)
    if provider not in EmbedderFactory.names():
        raise ConfigError(
            f"collection {name!r} was made by embedder {provider!r}, which is not known here: install the package "
            "it comes from, EmbedderFactory.register it, or pass embedder="
        )
    logger.info("collection %r was made by embedder %r, which is used again", name, provider)
    return ProviderConfig(provider=provider)


def _embedder_beside(llm: ProviderConfig | None) -> ProviderConfig:
    """Return the embedder that goes with an LLM: OpenAI's beside OpenAI's own, with the same key.

    An LLM at another ``base_url`` only speaks as OpenAI does; texts are not sent to OpenAI because of it.
    """
    if llm is None or llm.provider != _OPENAI or any("base_url" in key for key in llm.config):
        return ProviderConfig(provider=_BUNDLED)
    key = {"api_key": llm.config["api_key"]} if "api_key" in llm.config else {}
    return ProviderConfig(provider=_OPENAI, config=key)


def check_parts(llm: object, embedder: object, store: object, history: object) -> None:
    """Refuse parts that cannot do their work; ``None`` is one still to be made.

    Raises:
        ConfigError: The message says which, and never shows it: configurations end up here by mistake,
            with keys in them.
    """
    if llm is not None and (isinstance(llm, type) or not callable(getattr(llm, "generate_response", None))):
        raise ConfigError(f"llm={shown(llm)}: expected an object with generate_response(messages){_as_config(llm)}")
    if is_coroutine_function(getattr(llm, "generate_response", None)):
        raise ConfigError(
            f"llm={shown(llm)}: generate_response(messages) does not block; call it agenerate_response, beside a "
            "generate_response"
        )
    if embedder is not None and (isinstance(embedder, type) or not callable(getattr(embedder, "embed", None))):
        raise ConfigError(f"embedder={shown(embedder)}: expected an object with embed(text){_as_config(embedder)}")
    if is_coroutine_function(getattr(embedder, "embed", None)):
        raise ConfigError(f"embedder={shown(embedder)}: embed(text) does not block; call it aembed, beside an embed")
    if store is not None and not isinstance(store, VectorStoreBase):
        raise ConfigError(f"vector_store={shown(store)}: expected a VectorStoreBase, subclass it{_as_config(store)}")
    if history is not None and not isinstance(history, HistoryBase):
        raise ConfigError(f"history={shown(history)}: expected a HistoryBase, such as SQLiteManager(path)")
    if history is not None and store is not None and _same_file(history, store):
        raise ConfigError(
            "history= stands on the vector store's file with a connection of its own, and the two would wait for "
            "each other; leave history= out, or share the database: SQLiteManager(database=store.database)"
        )


def check_reranker(reranker: object, llm: object) -> None:
    """Refuse a reranker that cannot do its work; ``None`` is none.

    Args:
        reranker: It.
        llm: The LLM of the memory.

    Raises:
        ConfigError: The message never shows it.
    """
    if reranker is None:
        return
    method = getattr(reranker, "score", None)
    if isinstance(reranker, type) or not (callable(method) or callable(reranker)):
        raise ConfigError(
            f"reranker={shown(reranker)}: expected an object with score(query, texts), or a function of these two that "
            f"returns a score for each text{_as_config(reranker)}"
        )
    if is_coroutine_function(method):
        raise ConfigError(
            f"reranker={shown(reranker)}: score(query, texts) does not block; call it ascore, beside a score"
        )
    if getattr(reranker, "borrows_llm", False) is True and llm is None:
        raise ConfigError(
            f"reranker={shown(reranker)} asks the memory's LLM, and this memory has none: name one in the "
            "configuration, pass llm=, or name one in the reranker's own config"
        )


def check_reranker_blocks(reranker: object) -> None:
    """Refuse a reranker that can only be awaited.

    Raises:
        ConfigError: It is a coroutine function.
    """
    if reranker is not None and not hasattr(reranker, "score") and is_awaitable(reranker):
        raise ConfigError("reranker is a coroutine function: only AsyncMemory can await it")


def given(name: str, part: object) -> object:
    """Return a part that replaces another; none cannot."""
    if part is None:
        raise ConfigError(f"{name}=None: a memory cannot do without it; give another one to replace it")
    return part


def shown(part: object) -> str:
    """Return what a part is, without showing what is in it."""
    return f"<the class {part.__name__}>" if isinstance(part, type) else f"<{type(part).__name__}>"


def _as_config(part: object) -> str:
    return '; a provider and its options go into config={"...": {"provider": ...}}' if isinstance(part, Mapping) else ""


def _same_file(history: HistoryBase, store: VectorStoreBase) -> bool:
    """Tell whether both stand on one file without sharing the database that is open on it."""
    one, other = getattr(history, "database", None), getattr(store, "database", None)
    if not isinstance(one, Database) or not isinstance(other, Database) or one is other:
        return False
    return same_path(one.path, other.path)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)
