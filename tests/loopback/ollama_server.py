"""A server on loopback that speaks Ollama's wire format (https://github.com/ollama/ollama/blob/main/docs/api.md)."""

from __future__ import annotations

from typing import Any

from loopback import Answer, LoopbackServer, Request

from mem0.testing import DeterministicEmbedding


def error(status: int, message: str) -> Answer:
    """Return an error as Ollama words it."""
    return Answer(status, {"error": message})


class OllamaServer(LoopbackServer):
    """The server; ``with OllamaServer() as server``.

    Attributes:
        content: The text of answers.
        tool_calls: The calls of tools in them.
        models: Which models it has pulled.
        library: Which it could pull.
        dims: Size of the embeddings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.content = '{"memory": []}'
        self.tool_calls: list[dict[str, Any]] = []
        self.models = {"llama3", "nomic-embed-text", "of-somebody-else"}
        self.library = {"llama3.2"}
        self.dims = 768

    def usual(self, request: Request) -> Answer:
        model = request.body.get("model")
        if request.path == "/api/pull":
            if model not in self.library:
                return Answer(body={"error": "pull model manifest: file does not exist"})
            self.models.add(model)
            return Answer(body={"status": "success"})
        if model not in self.models:
            return error(404, f"model '{model}' not found")
        if request.path == "/api/chat":
            return self._chat(request.body)
        if request.path == "/api/embed":
            texts = request.body["input"] if isinstance(request.body["input"], list) else [request.body["input"]]
            # As the real one: an empty text brings no vector.
            dims = int(request.body.get("dimensions") or self.dims)
            vectors = DeterministicEmbedding(dims).embed_batch([text for text in texts if text])
            return Answer(body={"model": model, "embeddings": vectors, "prompt_eval_count": 5})
        return Answer(404, "404 page not found")

    def _chat(self, body: dict[str, Any]) -> Answer:
        for message in body["messages"]:
            if not isinstance(message.get("content", ""), str):
                return error(400, "json: cannot unmarshal array into Go struct field ChatRequest.messages.content")
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        if body.get("tools") and self.tool_calls:
            message["tool_calls"] = self.tool_calls
        return Answer(
            body={
                "model": body["model"],
                "created_at": "2026-01-01T00:00:00Z",
                "message": message,
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 26,
                "eval_count": 12,
            }
        )
