"""The values that cross rooms, and the shapes of what users get back."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mem0.exceptions import RerankError

SCOPE_KEYS = ("user_id", "agent_id", "run_id")

#: The payload's own keys; the user's metadata stands beside them and may not use these names.
RESERVED_KEYS = (
    "data",
    "hash",
    "created_at",
    "updated_at",
    *SCOPE_KEYS,
    "role",
    "actor_id",
    "expiration_date",
    "_mem0",
)


class Scope(NamedTuple):
    """Whose memories: as a scope to read, ``None`` matches anything; as an identity, it is absent."""

    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None

    def ids(self) -> dict[str, str]:
        """Return the ids that are given, by name."""
        return {key: value for key, value in zip(SCOPE_KEYS, self, strict=True) if value is not None}

    def covers(self, identity: Mapping[str, Any] | Scope) -> bool:
        """Tell whether a memory of this identity (a scope, or a payload) lies in the scope."""
        found = identity._asdict() if isinstance(identity, Scope) else identity
        return all(found.get(key) == value for key, value in self.ids().items())

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Scope:
        """Return the identity of a stored memory."""
        return cls(*(payload.get(key) for key in SCOPE_KEYS))


#: The scope without ids: everything, or the identity of a memory that names nobody.
ANYONE = Scope()


class Record(NamedTuple):
    """One row of a vector store.

    Attributes:
        id: The memory's id.
        payload: What is stored beside the vector, flat.
        score: ``max(0, cosine)`` where the row comes from a search, else ``None``.
        vector: The vector where it was asked for, else ``None``.
        tokens: Beside a vector those of the text's tokens, int8, one behind the other, where the store has them.
    """

    id: str
    payload: dict[str, Any]
    score: float | None = None
    vector: Sequence[float] | None = None
    tokens: bytes | None = None


def own_notes(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the library keeps in a payload for itself; rows of other programs have nothing."""
    notes = payload.get("_mem0")
    return notes if isinstance(notes, Mapping) else {}


#: What stands for 1 among the whole numbers of :class:`TokenVectors`.
TOKEN_UNIT = 127


class TokenVectors(NamedTuple):
    """A text's vectors token by token, made small, for late interaction.

    Attributes:
        words: The word that each token is of or is a piece of.
        vectors: One row per token, int8; :data:`TOKEN_UNIT` stands for 1.
    """

    words: Sequence[str]
    vectors: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Embedder:
    """Which embedder made a collection's vectors.

    Attributes:
        dims: Size of the vectors.
        model: The model's own name.
        provider: What the embedder is called in a configuration.
        configured: The model's name as it was configured, which may tell the way to it too (``openai/...``): so it
            was recorded once.  It is not recorded any more.
    """

    dims: int
    model: str | None = None
    provider: str | None = None
    configured: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a commit shall do.

    Attributes:
        event: ``ADD``, ``UPDATE`` or ``DELETE``; ``NONE`` once it turned out that an UPDATE changes nothing.
        id: The memory's id.
        payload: The whole new payload; empty for a deletion.
        vector: The new vector; ``None`` keeps the present one, and what belongs to it.
        tokens: Beside a new vector the vectors of the text's tokens, where the embedder makes them.
        version: For UPDATE and DELETE the version of the row that was decided on; ``None`` takes any.
        patch: For an UPDATE instead of ``payload``: makes the new payload of the row as the commit finds it, or
            ``None`` where that would be the same.
    """

    event: str
    id: str
    payload: dict[str, Any] = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None
    tokens: NDArray[np.int8] | None = None
    version: int | None = None
    patch: Callable[[Mapping[str, Any]], dict[str, Any] | None] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change.

    Attributes:
        change: The change.
        status: ``applied``; ``duplicate`` (nothing stored, ``other`` is the memory already there);
            ``missing`` (the id names nothing); ``stale`` (the row has another version by now);
            ``unchanged`` (the row says so already);
            ``withheld`` (not done, because another change of the commit could not be);
            ``failed`` (a store without transactions could not delete the row).
        previous: The row as it was, for UPDATE and DELETE.
        other: The memory that already holds this text, for ``duplicate``.
        error: What the store said, for ``failed``.
    """

    change: Change
    status: str = "applied"
    previous: Record | None = None
    other: Record | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One event of one memory, as recorded."""

    id: str
    memory_id: str
    prev_value: str | None
    new_value: str | None
    event: str
    timestamp: str
    is_deleted: int
    collection: str
    scope: Scope = ANYONE
    payload: Mapping[str, Any] | None = None  # what else was stored, so that it can be restored; not of older layouts


class Damage(NamedTuple):
    """Something that a store finds wrong inside itself.

    Attributes:
        memory_id: Of which memory; ``None`` of the file.
        kind: ``structure``, ``payload``, ``scope``, ``vector``, ``tokens``, ``traits`` or ``words``.
        detail: What is wrong.
    """

    memory_id: str | None
    kind: str
    detail: str


class Finding(NamedTuple):
    """Something that ``check()`` found.

    Attributes:
        kind: What the store finds in itself (``structure``, ``payload``, ``scope``, ``vector``, ``tokens``,
            ``traits``); ``text`` (it does not fit its hash); ``lost`` (only the history has it); ``undeleted`` (the
            history says that it is gone); ``behind`` (the history says another text); ``unrecorded`` (the history does
            not know it, as of rows that another program wrote: that is no damage); ``words`` (it was stored without the
            vectors of words that others have, as by an earlier version: that is no damage either).
        memory_id: Of which memory; ``None`` of the file.
        detail: What is wrong.
        repaired: Whether ``check(repair=True)`` has put it right.
    """

    kind: str
    memory_id: str | None
    detail: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check()`` returns.

    Attributes:
        memories: How many memories the store has.
        recorded: Of how many memories there is a history, deleted ones included.
        findings: What was found.
        ok: Whether nothing is wrong, or all of it was put right.
    """

    memories: int
    recorded: int
    findings: tuple[Finding, ...]
    ok: bool


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What ``rebuild()`` returns.

    Attributes:
        memories: How many current memories the history has.
        restored: How many of them were stored anew; the others were there.
        unknown: Ids of rows that the history does not know; they were left as they are.
    """

    memories: int
    restored: int
    unknown: tuple[str, ...]


class MemoryDict(TypedDict, total=False):
    """A memory, as users get it; ``id``, ``memory``, ``hash``, ``metadata`` and the times are always there."""

    id: str
    memory: str
    hash: str | None
    metadata: dict[str, Any]
    created_at: str | None
    updated_at: str | None
    user_id: str
    agent_id: str
    run_id: str
    role: str
    actor_id: str
    expiration_date: str
    score: float
    explain: dict[str, Any]


class ChangeDict(TypedDict, total=False):
    """One change that ``add`` made (or found already made: ``NONE``).

    ``verified`` is there where an LLM quoted what a change rests on: whether those words were said.
    """

    id: str
    memory: str
    event: str
    previous_memory: str
    verified: bool


class ProposedChange(TypedDict, total=False):
    """A change, as ``on_before_write`` is shown it; it may change ``memory`` and ``metadata``, or leave the change out.

    ``event`` is ``ADD``, ``UPDATE``, ``DELETE``, ``DELETE_ALL`` (of a scope) or ``RESET``.  ``metadata`` is that of
    an added memory, or what an update lays over.
    """

    event: str
    id: str
    memory: str
    previous_memory: str
    metadata: dict[str, Any]
    user_id: str
    agent_id: str
    run_id: str


class HistoryDict(TypedDict):
    """One row of a memory's history."""

    id: str
    memory_id: str
    prev_value: str | None
    new_value: str | None
    event: str
    timestamp: str
    is_deleted: int


class Receipt(TypedDict):
    """What a purge removed for good."""

    memories: int
    history_rows: int
    complete: bool


class DeletionDict(TypedDict, total=False):
    """What ``delete``, ``delete_all`` and ``reset`` return; ``receipt`` only with ``purge=True``."""

    message: str
    deleted: int
    failed: list[str]
    receipt: Receipt


@dataclass(slots=True)
class Usage:
    """What a call cost.

    Attributes:
        llm_calls: Calls of the LLM; not those of a reranker that asks one.
        prompt_tokens: Tokens sent to LLMs, a reranker's included, as the providers report them.
        completion_tokens: Tokens they wrote.
        embed_calls: Calls of the embedder (a batch is one).
        rerank_calls: Calls of the reranker: one for a search, however many requests it makes of it.
        seconds: Wall-clock seconds by stage (``embed``, ``find``, ``commit``, ...).
    """

    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    embed_calls: int = 0
    rerank_calls: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


Item = TypeVar("Item", bound=Mapping[str, Any])


class MemoryList(list[Item]):
    """A list of plain dicts that also answers to ``["results"]``, as later generations of the API do.

    Attributes:
        total: How many there are in all, of which this list may be a page.
        usage: What the call cost.
        rejected: What an LLM returned that could not be used, each with the reason.
        rerank_error: Why a search could not be reranked, and stands in the order without; ``None`` where it could,
            or was not to be.
        dropped: With ``explain=True``, what would be in the result of a search without its threshold: dicts with
            ``id``, ``memory``, ``score`` and the ``reason``.
    """

    total: int
    usage: Usage
    rejected: list[dict[str, Any]]
    rerank_error: RerankError | None
    dropped: list[dict[str, Any]]

    def __init__(
        self, items: Iterable[Item] = (), *, total: int | None = None, rejected: Iterable[dict[str, Any]] = ()
    ) -> None:
        super().__init__(items)
        self.total = len(self) if total is None else total
        self.usage = Usage()
        self.rejected = list(rejected)
        self.rerank_error = None
        self.dropped = []

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key == "results":
                return self
            raise KeyError(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key == "results" if isinstance(key, str) else super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the list itself for ``"results"``, as a dict would; ``default`` for any other key."""
        return self if key == "results" else default

    def _repr_html_(self) -> str:
        columns = [
            key
            for key in ("memory", "event", "score", "user_id", "created_at", "id")
            if any(key in row for row in self)
        ]
        head = "".join(f"<th>{html.escape(key)}</th>" for key in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(row.get(key)))}</td>" for key in columns) + "</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Context(str):
    """Memories as a text to put into a prompt: a ``str``, empty where there is nothing.

    Attributes:
        memories: Those that are in the text, whole, in its order; ``.total`` is how many were looked at.
        tokens: How many tokens the text has, by the counter of the call.
        left_out: How many memories were found and are not in the text: they did not fit, or said what is there already.
        usage: What the call cost.
    """

    memories: MemoryList[MemoryDict]
    tokens: int
    left_out: int

    def __new__(
        cls,
        text: str = "",
        memories: MemoryList[MemoryDict] | None = None,
        *,
        tokens: int = 0,
        left_out: int = 0,
    ) -> Context:
        """Return a text with what is known of it."""
        made = super().__new__(cls, text)
        made.memories = MemoryList() if memories is None else memories
        made.tokens = tokens
        made.left_out = left_out
        return made

    @property
    def usage(self) -> Usage:
        """What the call cost; the same as ``.memories.usage``."""
        return self.memories.usage


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
