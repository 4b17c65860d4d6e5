"""What the hosted service is asked, as values: paths, parameters and bodies.  Nothing here sends anything.

The paths, and what stands where, are those of the vendor's public reference: https://docs.mem0.ai/api-reference
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mem0.client import inputs
from mem0.exceptions import ValidationError

VERSIONS = ("v1", "v2", "v3")

#: Stands for an argument that was left out where ``None`` must not mean the same: a missing id is no order
#: to delete everybody.
NOT_GIVEN: Any = type("NotGiven", (), {"__repr__": lambda _: "NOT_GIVEN"})()

# Method and path of each verb under the versions above.
_ROUTES: Mapping[str, tuple[str, str, str]] = {
    "add": ("POST /v1/memories/", "POST /v1/memories/", "POST /v3/memories/add/"),
    "search": ("POST /v1/memories/search/", "POST /v2/memories/search/", "POST /v3/memories/search/"),
    "get_all": ("GET /v1/memories/", "POST /v2/memories/", "POST /v3/memories/"),
    "delete_all": ("DELETE /v1/memories/",) * 3,
    "get": ("GET /v1/memories/{0}/",) * 3,
    "update": ("PUT /v1/memories/{0}/",) * 3,
    "delete": ("DELETE /v1/memories/{0}/",) * 3,
    "history": ("GET /v1/memories/{0}/history/",) * 3,
    "users": ("GET /v1/entities/",) * 3,
    "delete_user": ("DELETE /v2/entities/{0}/{1}/",) * 3,
    "batch_update": ("PUT /v1/batch/",) * 3,
    "batch_delete": ("DELETE /v1/batch/",) * 3,
    "ping": ("GET /v1/ping/",) * 3,
}
_PAGE_SIZE = 100
# What delete_all may be given beside the ids.
_NARROWING = ("metadata", "org_id", "project_id")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: The HTTP method.
        path: The path below the host; ids in it are percent-encoded.
        params: What stands behind the question mark.
        json: The body; ``None`` for none.
        idempotent: Whether sending it twice does the same as sending it once, so that it may be tried again.
        listed: Whether the answer must be a list.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    idempotent: bool = True
    listed: bool = False

    @property
    def may_be_done_at_404(self) -> bool:
        """Whether 404 can mean that it was done before: a deletion's can; of a batch, some rows may still be there."""
        return self.method == "DELETE" and self.json is None


def following(request: Request, envelope: Mapping[str, Any]) -> Request | None:
    """Return the request for the page after one, or ``None`` after the last.

    Args:
        request: What was asked.
        envelope: What stood around the rows of the answer; ``next`` says whether there are more.
    """
    # The address in `next` is not followed: it may name another host, which must not get the key.
    if not envelope.get("next") or not envelope.get("results"):
        return None
    params = {**request.params, "page": int(request.params.get("page", 1)) + 1}
    return Request(request.method, request.path, params, request.json, request.idempotent, request.listed)


@dataclass(frozen=True)
class Api:
    """Builds the requests of one client.

    Attributes:
        version: One of ``VERSIONS``: which paths ``add``, ``search`` and ``get_all`` have; where it is ``v1``, filters
            that this has no words for go to ``v2``.
        org_id: The organisation, where the key alone does not say it.
        project_id: The same for the project.
    """

    version: str = "v1"
    org_id: str | None = None
    project_id: str | None = None

    def add(self, given: Mapping[str, Any]) -> Request | None:
        """Return the request to remember messages; ``None`` where nothing was said."""
        scope, options = inputs.parted(given)
        scope = inputs.widened("add", scope, options.pop("filters", None))
        messages, data = options.pop("messages", None), options.pop("data", None)
        if messages is not None and data is not None:
            raise ValidationError("messages and data mean the same; give one")
        said = inputs.messages(data if messages is None else messages)
        if not said:
            return None
        body = {"messages": said, **scope, **inputs.timed(options)}
        return self._request("add", body=body, idempotent=False)

    def search(self, given: Mapping[str, Any]) -> Request | None:
        """Return the request to find memories; ``None`` for a blank question, which finds nothing."""
        scope, options = inputs.parted(given)
        query, top_k, limit = options.pop("query", None), options.pop("top_k", None), options.pop("limit", None)
        filters = inputs.filters(options.pop("filters", None))
        version = self._reading(options.pop("version", None), filters)
        if not isinstance(query, str):
            raise ValidationError(f"query={query!r}: give the question as text")
        if None not in (top_k, limit) and top_k != limit:
            raise ValidationError(f"top_k={top_k} and limit={limit} mean the same and differ; give one")
        count = inputs.positive("top_k", limit if top_k is None else top_k)
        inputs.agree(scope, filters)
        if not query.strip():
            return None
        body = {"query": query, "top_k": count, **options}
        if version == "v1":
            body.update(inputs.ids(filters), **scope)
        else:
            body["filters"] = inputs.joined(scope, filters)
        return self._request("search", body=body, version=version, listed=True)

    def get_all(self, given: Mapping[str, Any]) -> Request:
        """Return the request to list memories."""
        scope, options = inputs.parted(given)
        filters = inputs.filters(options.pop("filters", None))
        version = self._reading(options.pop("version", None), filters)
        inputs.agree(scope, filters)
        paging = {name: inputs.positive(name, options.pop(name, None)) for name in ("page", "page_size")}
        if version != "v1":
            body = {"filters": inputs.joined(scope, filters), **options}
            return self._request("get_all", paging, body, version=version, listed=True)
        params = {**inputs.ids(filters), **scope, **paging, **options}
        return self._request("get_all", params, version=version, listed=True)

    def every(self, given: Mapping[str, Any]) -> Request:
        """Return the request for the first of all pages of memories."""
        if given.get("page") is not None:
            raise ValidationError(f"page={given['page']!r}: all pages are read; get_all() gives one")
        size = given.get("page_size")
        return self.get_all({**given, "page": 1, "page_size": _PAGE_SIZE if size is None else size})

    def get(self, memory_id: object) -> Request:
        """Return the request for one memory."""
        return self._request("get", segments=[inputs.segment("memory_id", memory_id)])

    def update(self, memory_id: object, given: Mapping[str, Any]) -> Request:
        """Return the request to change one memory."""
        segment = inputs.segment("memory_id", memory_id)
        body = inputs.changes(given)
        if not body:
            raise ValidationError("update: nothing to change; give text, metadata, timestamp or expiration_date")
        return self._request("update", body=body, segments=[segment], cleared=inputs.CLEARED_BY_NONE)

    def delete(self, memory_id: object, options: Mapping[str, Any]) -> Request:
        """Return the request to delete one memory."""
        return self._request("delete", options, segments=[inputs.segment("memory_id", memory_id)])

    def delete_all(self, given: Mapping[str, Any]) -> Request:
        """Return the request to delete all memories of a scope."""
        scope, options = inputs.parted(given)
        scope = inputs.widened("delete_all", scope, options.pop("filters", None))
        if not scope:
            raise ValidationError(
                f"delete_all: whose? give at least one of {', '.join(inputs.ENTITY_KEYS)}; reset() deletes everything"
            )
        beyond = [name for name, value in options.items() if value is not None and name not in _NARROWING]
        if beyond:
            raise ValidationError(
                f"delete_all: {beyond[0]!r} is nothing the service narrows a deletion by: more would be gone than was "
                f"meant; give {', '.join(inputs.ENTITY_KEYS)} and metadata only"
            )
        return self._request("delete_all", {**options, **scope})

    def history(self, memory_id: object) -> Request:
        """Return the request for what happened to one memory."""
        return self._request("history", segments=[inputs.segment("memory_id", memory_id)], listed=True)

    def users(self, page: int | None = None, page_size: int | None = None) -> Request:
        """Return the request for the users, agents, apps and runs that have memories."""
        paging = {"page": inputs.positive("page", page), "page_size": inputs.positive("page_size", page_size)}
        return self._request("users", paging, listed=True)

    def delete_user(self, kind: object, name: object) -> Request:
        """Return the request to delete one of them, with its memories."""
        return self._request("delete_user", segments=[inputs.segment("type", kind), inputs.segment(f"{kind}_id", name)])

    def batch_update(self, memories: Any) -> Request:
        """Return the request to change several memories."""
        rows = []
        for given in inputs.rows(memories):
            if not isinstance(given, Mapping):
                raise ValidationError(f"memories: {given!r} is no row; give {{'memory_id', 'text', 'metadata'}}")
            row = inputs.changes(given)
            row["memory_id"] = inputs.literal("memory_id", row.get("memory_id"))
            if not {"text", "metadata"} & row.keys():
                raise ValidationError(f"batch_update of {row['memory_id']!r}: give text or metadata")
            rows.append(row)
        return self._request("batch_update", body={"memories": rows})

    def batch_delete(self, memories: Any) -> Request:
        """Return the request to delete several memories, given as ids or as ``{"memory_id": ...}``."""
        given = [row if isinstance(row, Mapping) else {"memory_id": row} for row in inputs.rows(memories)]
        rows = [{**row, "memory_id": inputs.literal("memory_id", row.get("memory_id"))} for row in given]
        return self._request("batch_delete", body={"memories": rows})

    def ping(self) -> Request:
        """Return the request that only asks whether the key is good."""
        return self._request("ping")

    def _reading(self, asked: str | None, filters: Mapping[str, Any]) -> str:
        """Return the version that a call which reads goes to.

        The service's v1 has the ids beside the question, and nothing else that a filter says: it would drop it, and
        find more than was asked for.  That is for v2, unless the call itself names v1.
        """
        version = self._version(asked)
        beyond = [key for key, value in filters.items() if not inputs.is_id(key, value)]
        if version != "v1" or not beyond:
            return version
        if asked is not None:
            raise ValidationError(
                f"filters with {beyond[0]!r}: the version 'v1' of the service knows ids only; leave version out, "
                "or give version='v2'"
            )
        return "v2"

    def _version(self, version: str | None = None) -> str:
        found = self.version if version is None else version
        if found not in VERSIONS:
            raise ValidationError(f"version={found!r}: the service has {', '.join(VERSIONS)}")
        return found

    def _request(
        self,
        verb: str,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        segments: list[str] | None = None,
        version: str | None = None,
        cleared: tuple[str, ...] = (),
        idempotent: bool = True,
        listed: bool = False,
    ) -> Request:
        method, _, path = _ROUTES[verb][VERSIONS.index(self._version(version))].partition(" ")
        ours = {"org_id": self.org_id, "project_id": self.project_id}
        params = dict(params or {})
        # The service reads them from the body of a POST, and behind the question mark of everything else.
        if method == "POST":
            body = {**ours, **(body or {})}
        else:
            params = {**ours, **params}
        asked = {
            key: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            for key, value in inputs.plain(verb, params).items()
        }
        content = None if body is None else inputs.plain(verb, body, cleared)
        return Request(method, path.format(*(segments or [])), asked, content, idempotent, listed)
