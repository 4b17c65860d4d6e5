"""How each library is driven: the same few verbs over both, everything else as a user would have it.

Both packages import as ``mem0``; a process sees one of them, so imports happen inside the methods.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from datetime import datetime, timezone
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Any

from _workload import TableEmbedder, lists_to_fill, memory_text, role


class Library(ABC):
    """One library under test.  ``memory`` below is whatever its :meth:`open` returned."""

    default_limit = 100  # what our search returns unless told; asked of both, so that both return as much
    searches_everything = True  # without naming a user
    shares_its_folder = True  # with another process

    def __init__(self, embedder: Any = None) -> None:
        self.embedder = embedder or TableEmbedder()

    @abstractmethod
    def open(self, folder: Path) -> Any:
        """Open the memories in a folder, or start them."""

    @abstractmethod
    def close(self, memory: Any) -> None:
        """Release everything, so that another process can open the folder."""

    @abstractmethod
    def fill(self, memory: Any, count: int) -> list[float] | None:
        """Store the memories 0 to ``count``; return CPU ms a memory for each call if ``add`` did it."""

    @abstractmethod
    def add(self, memory: Any, text: str, user: str) -> None:
        """Store one memory without an LLM."""

    @abstractmethod
    def learn(self, memory: Any, said: str, facts: list[str], user: str) -> None:
        """Store what an LLM that takes no time makes of a message."""

    @abstractmethod
    def search(self, memory: Any, query: str, user: str | None, limit: int = default_limit) -> list[dict[str, Any]]:
        """Return the memories found for a user, or in the whole collection."""

    @abstractmethod
    def get_all(self, memory: Any, user: str, limit: int) -> list[dict[str, Any]]:
        """Return a user's memories."""


class FreeLLM:
    """An LLM that answers at once, always with new facts: what is left is what the library itself takes."""

    def __init__(self) -> None:
        self.facts: list[str] = []

    def generate_response(self, messages: Any, response_format: Any = None, **_: Any) -> str:
        """Answer in the shape that both libraries ask for."""
        entries = [{"id": str(at), "event": "ADD", "text": fact} for at, fact in enumerate(self.facts)]
        return json.dumps({"memory": entries})


class Ours(Library):
    """The library in this repository, as ``Memory(path=…, embedder=…)`` sets it up."""

    def open(self, folder: Path) -> Any:
        from mem0 import Memory

        self.llm = FreeLLM()
        return Memory(path=str(folder / "mem0.db"), embedder=self.embedder, llm=self.llm)

    def learn(self, memory: Any, said: str, facts: list[str], user: str) -> None:
        self.llm.facts = facts
        result = memory.add(said, user_id=user)
        if len(result) != len(facts):
            raise SystemExit(f"{len(facts)} facts were learned and {len(result)} stored")

    def close(self, memory: Any) -> None:
        memory.close()

    def fill(self, memory: Any, count: int) -> list[float]:
        from time import process_time

        costs = []
        for user, numbers in lists_to_fill(count):
            messages = [{"role": role(number), "content": memory_text(number)} for number in numbers]
            self.embedder.prepare([message["content"] for message in messages])
            start = process_time()
            result = memory.add(messages, user_id=user, infer=False)
            costs.append((process_time() - start) * 1000 / len(messages))
            stored = sum(change["event"] == "ADD" for change in result)
            if stored != len(messages):
                raise SystemExit(f"{stored} of {len(messages)} memories were stored for {user}")
        return costs

    def add(self, memory: Any, text: str, user: str) -> None:
        memory.add(text, user_id=user, infer=False)

    def search(
        self, memory: Any, query: str, user: str | None, limit: int = Library.default_limit
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            memory.search(query, limit=limit) if user is None else memory.search(query, user_id=user, limit=limit)
        )
        return found

    def get_all(self, memory: Any, user: str, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = memory.get_all(user_id=user, limit=limit)
        return found


class Mem0ai(Library):
    """``mem0ai`` with its default store, Qdrant's local mode, in a folder of its own.

    Only the model calls are replaced.  ``threshold=0`` because its default drops results below 0.1, and both
    libraries are to return equally many.
    """

    searches_everything = False
    shares_its_folder = False
    batch = 500

    def open(self, folder: Path) -> Any:
        # By name, because to a type checker these modules are the ones of this repository.
        package, configs, factory = map(import_module, ("mem0", "mem0.configs.base", "mem0.utils.factory"))
        # mem0ai takes no ready-made objects, so its two factories hand these over.
        factory.EmbedderFactory.create = lambda *_args, **_kwargs: self.embedder
        self.llm = FreeLLM()
        factory.LlmFactory.create = lambda *_args, **_kwargs: self.llm
        store = {"path": str(folder / "qdrant"), "embedding_model_dims": self.embedder.dims}
        config = configs.MemoryConfig(
            vector_store={"provider": "qdrant", "config": store}, history_db_path=str(folder / "history.db")
        )
        return package.Memory(config)

    def close(self, memory: Any) -> None:
        memory.close()
        memory.vector_store.client.close()  # mem0ai leaves it, and its lock on the folder, open

    def fill(self, memory: Any, count: int) -> None:
        """Put rows where ``add`` would, in its payload layout, 500 at once: ``add`` takes two commits each."""
        from qdrant_client.models import PointStruct

        points: list[Any] = []
        for user, numbers in lists_to_fill(count):
            points += [self._point(PointStruct, number, user) for number in numbers]
            if len(points) >= self.batch:
                self._upsert(memory, points)
                points = []
        if points:
            self._upsert(memory, points)

    def _point(self, point: Any, number: int, user: str) -> Any:
        text = memory_text(number)
        now = datetime.now(timezone.utc).isoformat()
        payload = {
            "user_id": user,
            "role": role(number),
            "data": text,
            "hash": md5(text.encode()).hexdigest(),
            "created_at": now,
            "updated_at": now,
            "text_lemmatized": text,
        }
        return point(id=str(uuid.uuid4()), vector={"": self.embedder.embed(text)}, payload=payload)

    def _upsert(self, memory: Any, points: list[Any]) -> None:
        memory.vector_store.client.upsert(collection_name=memory.collection_name, points=points)

    def add(self, memory: Any, text: str, user: str) -> None:
        memory.add(text, user_id=user, infer=False)

    def learn(self, memory: Any, said: str, facts: list[str], user: str) -> None:
        self.llm.facts = facts
        result = memory.add(said, user_id=user)["results"]
        if len(result) != len(facts):
            raise SystemExit(f"{len(facts)} facts were learned and {len(result)} stored")

    def search(
        self, memory: Any, query: str, user: str | None, limit: int = Library.default_limit
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = memory.search(query, filters={"user_id": user}, top_k=limit, threshold=0.0)[
            "results"
        ]
        return found

    def get_all(self, memory: Any, user: str, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = memory.get_all(filters={"user_id": user}, top_k=limit)["results"]
        return found


LIBRARIES: dict[str, type[Library]] = {"ours": Ours, "mem0ai": Mem0ai}
