"""What ``Memory(config)`` accepts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mem0.configs.options import told
from mem0.exceptions import ConfigError

# Published keys that mean nothing here, and what to do instead.
_NO_GRAPH = "there is no graph store; leave it out (related memories are found by search itself)"
_REFUSED = {
    "custom_categories": "categories are of the hosted service only; leave it out",
    "embedding": "the embedder is configured under 'embedder'",
    "embedding_model": "the embedder is configured under 'embedder'",
    "enable_graph": _NO_GRAPH,
    "graph_store": _NO_GRAPH,
    "history_store": "the history's file is named by history_db_path",
}

# Older names of a key.
_OLDER_NAMES = {"custom_fact_extraction_prompt": "custom_instructions", "custom_prompt": "custom_instructions"}

_LONGEST_INSTRUCTIONS = 20_000

#: What may also stand among a store's options in a memory's configuration, where published ones have it.
OF_ANY_STORE = ("collection_name", "embedding_model_dims")
_OF_THE_EMBEDDED_STORE = ("path", "busy_timeout", "cache_mb")


class MemoryItem(BaseModel):
    """A memory, as a model for those who want one; the verbs return plain dicts of the same shape."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="The memory's id.")
    memory: str = Field(description="Its text.")
    hash: str | None = Field(default=None, description="A hash of the text.")
    metadata: dict[str, Any] | None = Field(default=None, description="The user's own metadata.")
    score: float | None = Field(default=None, description="From `search`: 0-1, higher is better.")
    created_at: str | None = Field(default=None, description="When it was said, ISO-8601 in UTC.")
    updated_at: str | None = Field(default=None, description="When it last changed, ISO-8601 in UTC.")


class ProviderConfig(BaseModel):
    """A part named in the configuration: which provider, and that provider's own options."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: str = Field(min_length=1, description="Name of the provider.")
    config: dict[str, Any] = Field(default_factory=dict, description="Its options; see the provider's own table.")

    @field_validator("config", mode="before")
    @classmethod
    def _without(cls, config: object) -> object:
        return {} if config is None else config

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        # Options hold API keys; which ones are set is enough for a log.
        return [("provider", self.provider), ("config", sorted(self.config))]


# Published names of the same.
LlmConfig = EmbedderConfig = VectorStoreConfig = ProviderConfig


class MemoryConfig(BaseModel):
    """What a :class:`~mem0.Memory` is made of; every field may be left out.

    Raises:
        ConfigError: A key is unknown, has no meaning here, or holds an unusable value.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)

    path: str | None = Field(
        default=None,
        min_length=1,
        description='The SQLite file that holds everything, or `":memory:"`. Default: `$MEM0_DIR/mem0.db`, '
        "where `MEM0_DIR` is `~/.mem0` if unset.",
    )
    collection_name: str = Field(
        default="mem0", min_length=1, max_length=200, description="The collection; several may share a file."
    )
    llm: ProviderConfig | None = Field(
        default=None,
        description="The LLM: `{provider, config}`. Default: OpenAI's where `OPENAI_API_KEY` is set, else none.",
    )
    embedder: ProviderConfig | None = Field(
        default=None,
        description="The embedder: `{provider, config}`. Default: the one recorded with the collection; else "
        "OpenAI's where the LLM is OpenAI's; else the bundled `onnx`.",
    )
    vector_store: ProviderConfig | None = Field(
        default=None, description="The vector store: `{provider, config}`. Default: `sqlite`, in the file at `path`."
    )
    reranker: ProviderConfig | None = Field(
        default=None,
        description="The reranker: `{provider, config}`; `search` then uses it. Default: none.",
    )
    history_db_path: str | None = Field(
        default=None,
        min_length=1,
        description="A file of its own for the history. Default: the same file, which is faster and safer.",
    )
    embedding_model_dims: int | None = Field(
        default=None, ge=1, description="Only checked: an embedder of another size is refused."
    )
    busy_timeout: float = Field(default=10.0, gt=0, description="Seconds a writer waits for another writer.")
    cache_mb: float = Field(
        default=1024.0, gt=0, description="Megabytes of memories kept in memory for searching, embedded store only."
    )
    recency_half_life: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Days after which a memory has half the weight of a new one in the order of a search. Default: age "
        "has none.",
    )
    add_strategy: Literal["single_pass", "two_pass"] = Field(
        default="single_pass",
        description="How `add` asks the LLM: for all changes in one call, or first for facts and then, by calls of "
        "tools, for what they change.",
    )
    custom_instructions: str | None = Field(
        default=None,
        max_length=_LONGEST_INSTRUCTIONS,
        description="What the LLM shall mind besides when it decides what is worth keeping. Older names: "
        "`custom_prompt`, `custom_fact_extraction_prompt`.",
    )
    custom_update_memory_prompt: str | None = Field(
        default=None,
        max_length=_LONGEST_INSTRUCTIONS,
        description="The same for the second of two passes; where it is given, `add_strategy` is `two_pass`.",
    )
    max_llm_chars: int = Field(
        default=100_000, ge=1_000, description="Characters of conversation that one call of the LLM is given at most."
    )
    max_llm_calls: int = Field(
        default=1, ge=1, description="Over how many calls of the LLM one longer `add` may be split."
    )
    telemetry: bool | None = Field(
        default=None,
        description="Whether counts of use are sent to the project whose key is in `MEM0_TELEMETRY_KEY`. Default: what "
        "`MEM0_TELEMETRY` says, else no.",
    )
    version: Any = Field(default=None, description="Accepted from older configurations; changes nothing.")

    if not TYPE_CHECKING:  # type checkers know the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**_gathered(values))
            except pydantic.ValidationError as error:
                raise told(error, type(self), "config") from None

    @field_validator("path", "history_db_path", mode="before")
    @classmethod
    def _text_of_path(cls, path: object) -> object:
        return os.fspath(path) if isinstance(path, os.PathLike) else path

    @property
    def custom_fact_extraction_prompt(self) -> str | None:
        """The older name of ``custom_instructions``."""
        return self.custom_instructions

    @custom_fact_extraction_prompt.setter
    def custom_fact_extraction_prompt(self, given: str | None) -> None:
        self.custom_instructions = given

    @classmethod
    def of(cls, config: MemoryConfig | Mapping[str, Any] | None) -> MemoryConfig:
        """Return a configuration from a model, a dict, or nothing.

        Raises:
            ConfigError: A key is unknown, has no meaning here, or holds an unusable value.
        """
        if config is None:
            return cls()
        if isinstance(config, cls):
            return config
        if not isinstance(config, Mapping):
            raise ConfigError(f"config: expected a MemoryConfig, a dict, or nothing, not {type(config).__name__}")
        for key in config:
            if not isinstance(key, str):
                raise ConfigError(f"config[{key!r}]: a key is text, not {type(key).__name__}")
        return cls(**config)

    def at(self, path: str | os.PathLike[str] | None) -> MemoryConfig:
        """Return this configuration with the path that was given as a keyword, if one was.

        Raises:
            ConfigError: It is no path, or the configuration names another one.
        """
        given = MemoryConfig(path=path).path  # type: ignore[arg-type]
        if given is None:
            return self
        if self.path not in (None, given):
            raise ConfigError(f"path={given!r} and config['path']={self.path!r} mean the same; give one")
        return self.model_copy(update={"path": given})

    def file(self) -> str:
        """Return the path of the SQLite file."""
        if self.path is not None:
            return self.path
        return str(data_folder() / "mem0.db")


def data_folder() -> Path:
    """Return the folder for what is given no other place: `$MEM0_DIR`, or `~/.mem0`."""
    return Path(os.environ.get("MEM0_DIR") or Path.home() / ".mem0")


def _gathered(found: dict[str, Any]) -> dict[str, Any]:
    """Bring a configuration found in the wild into our shape; what lies inside stays as it is."""
    for key, reason in _REFUSED.items():
        given = found.get(key)
        if any(given.values()) if isinstance(given, Mapping) else given:
            raise ConfigError(f"config[{key!r}]: {reason}")
        found.pop(key, None)
    if found.get("history_db_path") == "":  # of a variable that is not set
        del found["history_db_path"]
    for older, name in _OLDER_NAMES.items():
        value = found.pop(older, None)
        if value is not None and found.get(name) not in (None, value):
            raise ConfigError(f"config[{older!r}] and config[{name!r}] mean the same and differ; give one")
        if value is not None:
            found[name] = value
    if found.get("custom_update_memory_prompt") and found.setdefault("add_strategy", "two_pass") != "two_pass":
        raise ConfigError(
            "config['custom_update_memory_prompt'] is for add_strategy='two_pass'; leave one of the two keys out, "
            "or say it in custom_instructions"
        )
    store = found.get("vector_store")
    if isinstance(store, ProviderConfig):
        store = store.model_dump()
    if not isinstance(store, Mapping):
        return found
    options = store.get("config") or {}
    if not isinstance(options, Mapping):
        return found
    if store.get("provider") is None:
        remote = [key for key in ("host", "url") if key in options]
        hint = f" (config has {remote[0]!r}: a server's store, such as 'qdrant', must be named)" if remote else ""
        raise ConfigError(
            f"config['vector_store']['provider'] is missing{hint}; name the store, such as 'sqlite' or 'qdrant'"
        )
    options = dict(options)
    for key in (*OF_ANY_STORE, *(_OF_THE_EMBEDDED_STORE if store["provider"] == "sqlite" else ())):
        value = options.pop(key, None)
        if value is None:
            continue
        if found.get(key) is None:
            found[key] = value
        elif str(found[key]) != str(value):
            raise ConfigError(
                f"config[{key!r}] is {found[key]!r} and config['vector_store']['config'][{key!r}] is {value!r}; "
                "they mean the same, give one"
            )
    found["vector_store"] = {**store, "config": options}
    return found
