"""A server on loopback that speaks Anthropic's wire format (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

from typing import Any

from loopback import Answer, LoopbackServer, Request

KEY = "sk-ant-loopback-0123456789"

# What models take of `temperature`, `top_p` and `top_k`: all, one of the first two, none.
OLD_MODEL = "claude-3-loopback"
CHOOSY_MODEL = "claude-sonnet-4-6"
MODELS = {"claude-sonnet-5-5", CHOOSY_MODEL, OLD_MODEL}

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str, **headers: str) -> Answer:
    """Return an error as the vendor words it."""
    kind = _KINDS.get(status, "api_error")
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011loopback"}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class AnthropicServer(LoopbackServer):
    """The server; ``with AnthropicServer() as server``.

    Attributes:
        content: The blocks of a reply.
        stop_reason: Why it ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.content: Any = [{"type": "text", "text": '{"memory": []}'}]
        self.stop_reason = "end_turn"

    def usual(self, request: Request) -> Answer:
        if request.path != "/v1/messages" or request.method != "POST":
            return error(404, "Not found")
        if "anthropic-version" not in request.headers:
            return error(400, "anthropic-version: header is required")
        # The SDK's first generation sends the key in the one header, later ones in the other.
        if request.headers.get("x-api-key", request.headers.get("authorization", "")).removeprefix("Bearer ") != KEY:
            return error(401, "invalid x-api-key")
        body = request.body
        if body.get("model") not in MODELS:
            return error(404, f"model: {body.get('model')}")
        problem = _problem(body) or _sampling_problem(body)
        if problem:
            return error(400, problem)
        return Answer(
            body={
                "id": "msg_01loopback",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": self.content,
                "stop_reason": self.stop_reason,
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 100,
                    "cache_creation_input_tokens": 5,
                    "cache_read_input_tokens": 15,
                    "output_tokens": 8,
                },
            }
        )


def _sampling_problem(body: dict[str, Any]) -> str | None:
    given = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if body["model"] == CHOOSY_MODEL and {"temperature", "top_p"} <= {*given}:
        return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    if body["model"] not in (CHOOSY_MODEL, OLD_MODEL) and given:
        return f"`{given[0]}` is deprecated for this model."
    if body.get("temperature", 0) > 1:
        return "temperature: range: 0..1"
    return None


def _problem(body: dict[str, Any]) -> str | None:
    """Return what the vendor would complain of in a request."""
    known = {
        *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "temperature", "top_p"),
        *("top_k", "metadata", "stop_sequences", "output_config", "service_tier"),
    }
    for name in body:
        if name not in known:
            return f"{name}: Extra inputs are not permitted"
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    if "system" in body and not (isinstance(body["system"], str) and body["system"].strip()):
        return "system: text content blocks must be non-empty"
    for at, tool in enumerate(body.get("tools", ())):
        if tool.get("input_schema", {}).get("type") != "object":
            return f"tools.{at}.custom.input_schema.type: Field required"
    choice = body.get("tool_choice", {"type": "auto"})
    if choice.get("type") not in ("auto", "any", "tool", "none") or ("tool_choice" in body and not body.get("tools")):
        return "tool_choice: Input should be a valid dictionary"
    return _message_problem(body.get("messages"))


def _message_problem(messages: Any) -> str | None:
    if not messages:
        return "messages: at least one message is required"
    called: set[str] = set()
    for at, message in enumerate(messages):
        if message["role"] != ("assistant" if at % 2 else "user"):
            return f'messages.{at}: roles must alternate between "user" and "assistant", beginning with "user"'
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "text" and not block["text"].strip():
                return f"messages.{at}: text content blocks must contain non-whitespace text"
            if block["type"] == "tool_use":
                called.add(block["id"])
            if block["type"] == "tool_result" and block["tool_use_id"] not in called:
                return f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks"
            if block["type"] not in ("text", "image", "tool_use", "tool_result", "document"):
                return f"messages.{at}: Input tag '{block['type']}' found using 'type' does not match any expected tag"
    return None
