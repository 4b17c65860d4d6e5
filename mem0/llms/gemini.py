"""Google's Gemini LLMs, through its SDK."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import google.genai as genai  # so that a missing one is a ModuleNotFoundError, whatever else lies under `google`
from google.genai import types
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError, LLMResponseError
from mem0.llms.base import LLMBase, Message, options_of, read_arguments, report_tokens
from mem0.llms.shapes import OPENING, picture_of, schema_of, wants_json
from mem0.wire.connection import cleaned
from mem0.wire.gemini import GeminiConnection, Line

# What the model thinks counts, so the library's usual 3,000 would cut replies.
_MAX_TOKENS = 16_000

_OURS = (
    "automatic_function_calling",
    "http_options",
    "max_output_tokens",
    "response_json_schema",
    "response_mime_type",
    "response_schema",
    "system_instruction",
    "temperature",
    "tool_config",
    "tools",
    "top_k",
    "top_p",
)

# Reasons to stop that are no judgement of what was said: nothing usable came, and another try may bring it.
_GARBLED = ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER", "TOO_MANY_TOOL_CALLS", "UNEXPECTED_TOOL_CALL")

# Models refuse a function call without the signature they gave it; OpenAI's messages have no place for one.  This
# one is the vendor's for calls that it did not make itself, https://ai.google.dev/gemini-api/docs/thought-signatures.
_UNSIGNED = b"skip_thought_signature_validator"


class GeminiLlmConfig(GeminiConnection, BaseLlmConfig):
    """Options of :class:`GeminiLLM`."""

    temperature: float | None = Field(
        default=None, ge=0, description="How freely it chooses its words; Google advises against it since Gemini 3."
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Share of probable tokens it chooses from. Default: the model's."
    )
    top_k: int | None = Field(default=None, ge=1, description="Number of tokens it chooses from. Default: the model's.")
    max_tokens: int | None = Field(
        default=_MAX_TOKENS, ge=1, description="Length of a reply, in tokens; what the model thinks counts."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of each request's `GenerateContentConfig`, as the SDK has them, such as "
        "`{'thinking_config': {'thinking_level': 'low'}}`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in given:
            if name in _OURS:
                raise ValueError(f"{name} is set by the library, or an option of its own; leave it out here")
            if name not in types.GenerateContentConfig.model_fields:
                raise ValueError(f"the SDK's GenerateContentConfig has no field {name}")
        return given


class GeminiLLM(LLMBase):
    """Asks Gemini to generate content; safe to share between threads.

    Args:
        config: Its options; the default model is ``gemini-3.8-flash``.

    Raises:
        ConfigError: There is no key.
    """

    options: ClassVar[type[BaseLlmConfig]] = GeminiLlmConfig
    default_model: ClassVar[str] = "gemini-3.8-flash"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: GeminiLlmConfig = options_of(config, GeminiLlmConfig)
        self.model = self.config.model or self.default_model
        self._line = Line(self.config, lambda: genai.Client, self.default_model)
        self.client = self._line.client

    def __repr__(self) -> str:
        return f"GeminiLLM(model={self.model!r}, base_url={self._line.where!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = self._request(messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model):
            response = self.client.models.generate_content(**request)
        return self._read(response, bool(tools))

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        request = self._request(messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model):
            client = await self._line.here()
            response = await client.models.generate_content(**request)
        return self._read(response, bool(tools))

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _request(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        tool_choice: Any,
    ) -> dict[str, Any]:
        options = self.config
        system, contents = conversation(cleaned(messages))
        config: dict[str, Any] = {
            "system_instruction": "\n\n".join(system) or None,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "max_output_tokens": options.max_tokens,
        }
        if tools:  # beside them the API takes no JSON mode
            config |= {"tools": _tools(cleaned(tools)), "tool_config": _choice(tool_choice)}
            config["automatic_function_calling"] = {"disable": True}
        elif wants_json(response_format):
            config["response_mime_type"] = "application/json"
            config["response_json_schema"] = schema_of(response_format)
        config = {name: value for name, value in config.items() if value is not None} | options.model_kwargs
        return {"model": self.model, "contents": contents, "config": config}

    def _read(self, response: Any, with_tools: bool) -> Any:
        named = self._line.named(self.model)
        usage = getattr(response, "usage_metadata", None)
        counts = [getattr(usage, name, None) for name in ("candidates_token_count", "thoughts_token_count")]
        written = sum(count for count in counts if isinstance(count, int))
        report_tokens(getattr(usage, "prompt_token_count", None), written)
        candidates = getattr(response, "candidates", None)
        if not candidates:
            blocked = getattr(getattr(response, "prompt_feedback", None), "block_reason", None)
            if blocked is not None:
                raise LLMError(
                    f"{named}: the prompt was blocked ({_name(blocked)}); reword what was said, or use another model; "
                    "nothing was stored"
                )
            raise LLMResponseError(
                f"{named}: it did not answer as Gemini's API does; check base_url; nothing was stored", reply=None
            )
        parts = getattr(candidates[0].content, "parts", None) or []
        text = "".join(part.text for part in parts if part.text and not part.thought)
        wanted = [part.function_call for part in parts if part.function_call is not None]
        calls = [{"name": call.name, "arguments": read_arguments(call.args or {})} for call in wanted]
        reason = _name(candidates[0].finish_reason)
        if reason == "MAX_TOKENS" and not text and not calls:
            raise LLMError(f"{named}: max_tokens were used up by thinking; raise it in the config; nothing was stored")
        if reason in _GARBLED:
            raise LLMResponseError(f"{named}: its reply is unusable ({reason}); nothing was stored", reply=text or None)
        if reason not in ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", ""):
            raise LLMError(
                f"{named}: the reply was stopped ({reason}); reword what was said, or use another model; "
                "nothing was stored"
            )
        return {"content": text or None, "tool_calls": calls} if with_tools else text


def _name(value: Any) -> str:
    """Return the name that an enumeration of the SDK's has on the wire."""
    return str(getattr(value, "value", value) or "")


# -- from OpenAI's shapes to Gemini's --------------------------------------------------------------


def conversation(messages: Sequence[Message]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return what the system says, and the turns of user and model.

    Raises:
        LLMError: A message holds something that is neither text nor a picture.
    """
    system: list[str] = []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        parts = _parts(message, names)
        if message["role"] in ("system", "developer"):
            system += [part["text"] for part in parts if "text" in part]
            continue
        role = "model" if message["role"] == "assistant" else "user"
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"].extend(parts)
        elif parts:
            contents.append({"role": role, "parts": parts})
    return system, contents or [{"role": "user", "parts": [{"text": OPENING}]}]


def _parts(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return a message's parts.

    Args:
        message: In OpenAI's shape.
        names: By id, the functions that were called so far; the answer to a call says its function's name.
    """
    content = message.get("content")
    given = content if isinstance(content, (list, tuple)) else [content]
    parts = [found for part in given if (found := _part(part)) is not None]
    if message["role"] == "tool":
        called = str(message.get("tool_call_id"))
        result = "".join(part["text"] for part in parts if "text" in part)
        name = message.get("name") or names.get(called, called)
        return [{"function_response": {"id": called, "name": name, "response": {"result": result}}}]
    for call in message.get("tool_calls") or ():
        function, called = call["function"], str(call.get("id"))
        names[called] = function["name"]
        arguments = read_arguments(function.get("arguments")) or {}
        wanted = {"id": called, "name": function["name"], "args": arguments}
        parts.append({"function_call": wanted, "thought_signature": _UNSIGNED})
    return parts


def _part(part: Any) -> dict[str, Any] | None:
    if part is None or isinstance(part, str):
        return {"text": part} if part else None
    kind = part.get("type")
    if kind == "text":
        return {"text": part["text"]} if part["text"] else None
    if kind != "image_url":
        raise LLMError(f"Gemini is sent text and pictures, and a message holds {kind!r}; leave that part out")
    picture = picture_of(part)
    if picture.base64 is None:
        kind = mimetypes.guess_type(picture.url.partition("?")[0])[0] or "image/jpeg"
        return {"file_data": {"file_uri": picture.url, "mime_type": kind}}
    try:
        raw = base64.b64decode(picture.base64)
    except binascii.Error as error:
        raise LLMError("a picture's data URL is no base64; nothing was sent") from error
    return {"inline_data": {"mime_type": picture.kind, "data": raw}}


def _tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return OpenAI's functions as Gemini's; a tool of the vendor's own, such as its search, goes as it is."""
    functions = []
    others = []
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, Mapping):
            others.append(dict(tool))
            continue
        renamed = {"name": "name", "description": "description", "parameters": "parameters_json_schema"}
        functions.append({renamed[name]: function[name] for name in renamed if function.get(name)})
    return [*([{"function_declarations": functions}] if functions else []), *others]


def _choice(tool_choice: Any) -> dict[str, Any]:
    if isinstance(tool_choice, Mapping):
        name = tool_choice["function"]["name"]
        return {"function_calling_config": {"mode": "ANY", "allowed_function_names": [name]}}
    mode = {"required": "ANY", "none": "NONE"}.get(tool_choice, "AUTO")
    return {"function_calling_config": {"mode": mode}}
