"""A server on loopback that speaks the Gemini API's wire format (https://ai.google.dev/api)."""

from __future__ import annotations

import re
from typing import Any

from loopback import Answer, LoopbackServer, Request

from mem0.testing import DeterministicEmbedding

KEY = "AIza-loopback-0123456789"
MODELS = {"gemini-3.8-flash", "gemini-embedding-001", "gemini-embedding-2", "of-somebody-else"}

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, message: str, *details: dict[str, Any], **headers: str) -> Answer:
    """Return an error as the vendor words it."""
    body = {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}}
    if details:
        body["error"]["details"] = list(details)
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def wrong_key(message: str = "API key not valid. Please pass a valid API key.") -> Answer:
    """Return what the vendor answers to a wrong key: a 400."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return error(400, message, {"@type": kind, "reason": "API_KEY_INVALID", "domain": "googleapis.com"})


def retry_in(seconds: int) -> dict[str, str]:
    """Return how the vendor says when to come again."""
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}


class GeminiServer(LoopbackServer):
    """The server; ``with GeminiServer() as server``.

    Attributes:
        parts: The parts of a reply.
        finish_reason: Why it ended.
        dims: Size of the embeddings where a request does not say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: Any = [{"text": '{"memory": []}'}]
        self.finish_reason = "STOP"
        self.dims = 3072

    def usual(self, request: Request) -> Answer:
        asked = re.fullmatch(r"/v1beta/models/([\w.-]+):(\w+)", request.path)
        if asked is None or request.method != "POST":
            return Answer(404, "<html>Error 404 (Not Found)!!1</html>")
        if request.headers.get("x-goog-api-key") != KEY:
            return wrong_key()
        model, verb = asked.groups()
        if model not in MODELS:
            return error(404, f"models/{model} is not found for API version v1beta, or is not supported for {verb}.")
        if verb == "generateContent":
            return self._content(request.body)
        if verb == "batchEmbedContents":
            return self._embeddings(request.body["requests"])
        if verb == "embedContent":
            answer = self._embeddings([request.body])
            return answer if answer.status != 200 else Answer(body={"embedding": answer.body["embeddings"][0]})
        return error(404, f"no {verb}")

    def _content(self, body: dict[str, Any]) -> Answer:
        problem = _problem(body)
        if problem:
            return error(400, problem)
        candidate = {
            "content": {"role": "model", "parts": self.parts},
            "finishReason": self.finish_reason,
            "index": 0,
        }
        usage = {
            "promptTokenCount": 120,
            "candidatesTokenCount": 8,
            "thoughtsTokenCount": 30,
            "totalTokenCount": 158,
        }
        return Answer(body={"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-loopback"})

    def _embeddings(self, requests: list[dict[str, Any]]) -> Answer:
        if len(requests) > 100:
            return error(400, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
        texts = ["".join(part["text"] for part in one["content"]["parts"]) for one in requests]
        if "" in texts:
            return error(400, "content is empty")
        # Versions of the SDK put it into one place or the other.
        sizes = [{**one, **one.get("embedContentConfig", {})}.get("outputDimensionality") for one in requests]
        vectors = [
            DeterministicEmbedding(int(size or self.dims)).embed(text) for size, text in zip(sizes, texts, strict=True)
        ]
        return Answer(body={"embeddings": [{"values": list(vector)} for vector in vectors]})


def _problem(body: dict[str, Any]) -> str | None:
    """Return what the vendor would complain of in a request."""
    contents = body.get("contents")
    if not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    for content in contents:
        if content.get("role") not in ("user", "model") or not content.get("parts"):
            return "* GenerateContentRequest.contents: each content has a valid role and at least one part"
        for part in content["parts"]:
            if "functionCall" in part and "thoughtSignature" not in part:
                return "Function call is missing a thought_signature in functionCall parts."
    config = body.get("generationConfig", {})
    if body.get("tools") and config.get("responseMimeType"):
        return "Function calling with a response mime type: 'application/json' is unsupported"
    return None
