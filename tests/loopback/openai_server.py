"""A server on loopback that speaks OpenAI's wire format, and refuses what OpenAI refuses."""

from __future__ import annotations

import json
import uuid
from typing import Any

from loopback import Answer, LoopbackServer, Request

from mem0.testing import DeterministicEmbedding

KEY = "sk-loopback-0123456789"
REASONING_MODEL = "o4-loopback"
MODELS = {"gpt-4o", REASONING_MODEL, "text-embedding-3-small", "text-embedding-3-large", "of-somebody-else"}


def error(status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str) -> Answer:
    """Return an error as the vendor words it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class OpenAIServer(LoopbackServer):
    """The server; ``with OpenAIServer() as server``.

    Args:
        prefix: Where the API begins.

    Attributes:
        content: The text of chat completions.
        message: Further fields of their messages, such as ``tool_calls``.
        dims: Size of the embeddings where a request does not say.
        models: Which models there are.
    """

    def __init__(self, prefix: str = "/v1") -> None:
        super().__init__()
        self.prefix = prefix
        self.content: Any = '{"memory": []}'
        self.message: dict[str, Any] = {}
        self.finish_reason = "stop"
        self.dims = 1536
        self.models = {*MODELS}
        self.refused_parameters: dict[str, str] = {}

    @property
    def url(self) -> str:
        return super().url + self.prefix

    def usual(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return error(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")
        if request.body.get("model") not in self.models:
            message = f"The model `{request.body.get('model')}` does not exist or you do not have access to it."
            return error(404, message, code="model_not_found")
        for name, message in self.refused_parameters.items():
            if name in request.body:
                return error(400, message)
        if request.path == f"{self.prefix}/chat/completions":
            return self._chat(request.body)
        if request.path == f"{self.prefix}/embeddings":
            return self._embeddings(request.body)
        return error(404, f"Invalid URL (POST {request.path})")

    def _chat(self, body: dict[str, Any]) -> Answer:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all("role" in message for message in messages):
            return error(400, "Invalid 'messages': an array of messages is expected.", param="messages")
        if body.get("response_format") == {"type": "json_object"} and "json" not in json.dumps(messages).lower():
            message = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
            return error(400, message, param="messages")
        if body["model"] == REASONING_MODEL:
            if "max_tokens" in body:
                message = "Unsupported parameter: 'max_tokens' is not supported with this model."
                return error(400, message, param="max_tokens", code="unsupported_parameter")
            for name in ("temperature", "top_p"):
                if name in body:
                    message = f"Unsupported value: '{name}' does not support {body[name]} with this model."
                    return error(400, message, param=name, code="unsupported_value")
        message = {"role": "assistant", "content": self.content, "refusal": None, **self.message}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        return Answer(
            body={
                "id": f"chatcmpl-{uuid.uuid4().hex}",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 120, "completion_tokens": 8, "total_tokens": 128},
            }
        )

    def _embeddings(self, body: dict[str, Any]) -> Answer:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        if len(texts) > 2048 or not texts:
            return error(400, "'$.input' is invalid: an array of 1 to 2048 texts is expected.", param="input")
        if "" in texts:
            return error(400, "'$.input' is invalid: input cannot be an empty string.", param="input")
        if any(len(text.encode()) > 40_000 for text in texts):
            return error(400, "This model's maximum context length is 8192 tokens.", param="input")
        vectors = DeterministicEmbedding(int(body.get("dimensions") or self.dims)).embed_batch(texts)
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        data.reverse()  # the order is what `index` says, and nothing else
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return Answer(body={"object": "list", "data": data, "model": body["model"], "usage": usage})
