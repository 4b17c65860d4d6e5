"""A server on loopback that speaks Cohere's wire format for reranking (https://docs.cohere.com/reference/rerank)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loopback import Answer, LoopbackServer, Request

KEY = "co-loopback-0123456789"
MODELS = {"rerank-v3.5", "rerank-v4.0-fast"}
_KNOWN = {"model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"}


def error(status: int, message: str, **headers: str) -> Answer:
    """Return an error as the vendor words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"id": "0f3c-loopback", "message": message}, named)


class CohereServer(LoopbackServer):
    """The server; ``with CohereServer() as server``.  A text's score is the share of the question's words in it."""

    def usual(self, request: Request) -> Answer:
        if request.path != "/v2/rerank" or request.method != "POST":
            return error(404, "not found")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return error(401, "invalid api token")
        body = request.body
        problem = _problem(body)
        if problem:
            return error(400, problem)
        if body["model"] not in MODELS:
            return error(404, f"model '{body['model']}' not found")
        scores = [_share(body["query"], text) for text in body["documents"]]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return Answer(
            body={
                "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
                "results": [{"index": place, "relevance_score": scores[place]} for place in order],
                "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
            }
        )


def _problem(body: Mapping[str, Any]) -> str | None:
    for name in body:
        if name not in _KNOWN:
            return f"unknown field: parameter '{name}' is not a valid field"
    if not body.get("query"):
        return "invalid request: query must not be empty"
    texts = body.get("documents")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        return "invalid request: list of documents must not be empty"
    return None


def _share(query: str, text: str) -> float:
    words = {*re.findall(r"\w+", query.lower())}
    return len(words & {*re.findall(r"\w+", text.lower())}) / max(1, len(words))
