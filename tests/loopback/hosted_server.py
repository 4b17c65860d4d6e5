"""A server on loopback that speaks the hosted service's wire format, and refuses what that service refuses.

What it answers are the examples of the vendor's public documentation (facts of the format, abridged), read in the
repository mem0ai/mem0:

- REFERENCE: docs/openapi.json, as published at https://docs.mem0.ai/api-reference
- ADD: https://docs.mem0.ai/api-reference/memory/add-memories
- SEARCH: https://docs.mem0.ai/api-reference/memory/search-memories
- LIST: https://docs.mem0.ai/api-reference/memory/get-memories
- BATCH: https://docs.mem0.ai/api-reference/memory/batch-update
- V3: https://docs.mem0.ai/migration/platform-v2-to-v3
- DELETE: https://docs.mem0.ai/core-concepts/memory-operations/delete (what "*" means, ``delete_linked``)
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Answer, LoopbackServer, Request

KEY = "m0-loopback-0123456789abcdef"
MEMORY_ID = "f38b689d-6b24-45b7-bced-17fbb4d8bac7"

# ADD
SAID = {"role": "user", "content": "I moved to Austin last month."}
ADDED_V1 = [
    {"id": "mem_01JF8ZS4Y0R0SPM13R5R6H32CJ", "event": "ADD", "data": {"memory": "The user moved to Austin in 2025."}}
]
REFUSED_V1 = {"error": "400 Bad Request", "details": {"message": "Invalid input data."}}
# V3
QUEUED_V3 = {
    "message": "Memory processing has been queued for background execution",
    "status": "PENDING",
    "event_id": "evt-uuid",
}
# SEARCH
FOUND = {
    "id": "ea925981-272f-40dd-b576-be64e4871429",
    "memory": "Likes to play cricket and plays cricket on weekends.",
    "user_id": "alice",
    "metadata": {"category": "hobbies"},
    "score": 0.82,
    "created_at": "2024-07-26T10:29:36.630547-07:00",
    "updated_at": None,
    "categories": ["hobbies"],
}
# LIST
MEMORY = {
    "id": MEMORY_ID,
    "memory": "Name: Alex. Vegetarian. Allergic to nuts.",
    "user_id": "alex",
    "hash": "62bc074f56d1f909f1b4c2b639f56f6a",
    "metadata": None,
    "created_at": "2024-07-25T23:57:00.108347-07:00",
    "updated_at": "2024-07-25T23:57:00.108367-07:00",
}
NO_SCOPE = {"message": "One of the filters: app_id, user_id, agent_id, run_id is required!"}
# REFERENCE
NOT_FOUND = {"error": "Memory not found!"}
ENTITY_DELETED = {"message": "Entity deleted successfully!"}
HISTORY = [
    {
        "id": "1",
        "memory_id": MEMORY_ID,
        "input": [],
        "old_memory": None,
        "new_memory": MEMORY["memory"],
        "user_id": "alex",
        "event": "ADD",
        "metadata": None,
        "created_at": MEMORY["created_at"],
        "updated_at": MEMORY["updated_at"],
    }
]
# BATCH
BATCH = [
    {"memory_id": "285ed74b-6e05-4043-b16b-3abd5b533496", "text": "Watches football"},
    {"memory_id": "2c9bd859-d1b7-4d33-a6b8-94e0147c4f07", "text": "Likes to travel"},
]
# What a wrong key gets (the reference names the status only).
WRONG_KEY = {"detail": "Invalid API key"}
PING = {"status": "ok", "user_email": "alex@example.com", "org_id": "org-1", "project_id": "proj-1"}

_SCOPE = {"user_id", "agent_id", "app_id", "run_id"}


class HostedServer(LoopbackServer):
    """The server; ``with HostedServer() as server``.

    Attributes:
        memories: What lists hold.
        entities: Who has memories, as ``(type, name)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memories: list[dict[str, Any]] = [MEMORY]
        self.entities: list[tuple[str, str]] = [("user", "alex"), ("agent", "travel-agent")]

    @property
    def asked(self) -> tuple[str, str, dict[str, str], Any]:
        """The last request: method, raw path, parameters, body."""
        request = self.requests[-1]
        parts = urlsplit(request.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return request.method, parts.path, params, request.body

    def usual(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Token {KEY}":
            return Answer(401, WRONG_KEY)
        parts = urlsplit(request.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = request.body or {}
        route = f"{request.method} {parts.path}"
        if route == "POST /v1/memories/":
            return Answer(200, ADDED_V1) if body.get("messages") else Answer(400, REFUSED_V1)
        if route == "POST /v3/memories/add/":
            return Answer(200, QUEUED_V3) if body.get("messages") else Answer(400, REFUSED_V1)
        if route == "POST /v1/memories/search/":
            return Answer(200, [FOUND])
        if route in ("POST /v2/memories/search/", "POST /v3/memories/search/"):
            return self._scoped(body) or Answer(200, {"results": [FOUND]})
        if route == "GET /v1/memories/":
            # One page only if asked for, as before there were pages.
            return Answer(200, self._page(self.memories, parts.path, params) if "page" in params else self.memories)
        if route in ("POST /v2/memories/", "POST /v3/memories/"):
            return self._scoped(body) or Answer(200, self._page(self.memories, parts.path, params))
        if route == "DELETE /v1/memories/":
            return Answer(204, "") if _SCOPE & params.keys() else Answer(400, NO_SCOPE)
        if route == "GET /v1/entities/":
            rows = [{"id": str(at), "type": kind, "name": name} for at, (kind, name) in enumerate(self.entities)]
            return Answer(200, self._page(rows, parts.path, params))
        if route == "PUT /v1/batch/":
            return Answer(200, {"message": f"Successfully updated {len(body['memories'])} memories"})
        if route == "DELETE /v1/batch/":
            return Answer(200, {"message": f"Successfully deleted {len(body['memories'])} memories"})
        if route == "GET /v1/ping/":
            return Answer(200, PING)
        return self._one(request.method, parts.path, body)

    def _one(self, method: str, path: str, body: Any) -> Answer:
        """Answer what is about one memory or one entity."""
        entity = re.fullmatch(r"/v2/entities/([^/]+)/([^/]+)/", path)
        if entity and method == "DELETE":
            named = unquote(entity[1]), unquote(entity[2])
            if named not in self.entities:
                return Answer(404, {"error": "Entity not found"})
            self.entities.remove(named)
            return Answer(200, ENTITY_DELETED)
        memory = re.fullmatch(r"/v1/memories/([^/]+)/(history/)?", path)
        if not memory or unquote(memory[1]) != MEMORY_ID:
            return Answer(404, NOT_FOUND)
        if memory[2]:
            return Answer(200, HISTORY)
        if method == "PUT":
            return Answer(200, {**MEMORY, **body})
        return Answer(200, MEMORY) if method == "GET" else Answer(204, "")

    def _scoped(self, body: Any) -> Answer | None:
        """Refuse what the later versions refuse: ids outside of ``filters``, or none."""
        if _SCOPE & body.keys():
            return Answer(400, {"message": "Entity ids belong into filters."})
        return None if body.get("filters") else Answer(400, NO_SCOPE)

    def _page(self, rows: list[dict[str, Any]], path: str, params: dict[str, str]) -> dict[str, Any]:
        page, size = int(params.get("page", 1)), int(params.get("page_size", 100))
        beyond = f"https://elsewhere.example{path}?page={page + 1}&page_size={size}"
        return {
            "count": len(rows),
            "next": beyond if page * size < len(rows) else None,
            "previous": None if page == 1 else f"https://elsewhere.example{path}?page={page - 1}",
            "results": rows[(page - 1) * size : page * size],
        }
