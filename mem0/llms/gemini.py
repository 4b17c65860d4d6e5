"""Google's Gemini LLMs, through its SDK."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import google.genai as genai  # so that a missing one is a ModuleNotFoundError, whatever else lies under `google`
from google.genai import types
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError, LLMResponseError
from mem0.llms import shapes
from mem0.llms.base import LLMBase, Message, options_of, report_tokens
from mem0.llms.shapes import Block, schema_of, wants_json
from mem0.wire.connection import without_ours
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


class GeminiLlmConfig(GeminiConnection, BaseLlmConfig, extra="forbid"):
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
        repr=False,  # headers may stand in it
        description="Further fields of each request's `GenerateContentConfig`, as the SDK has them, such as "
        "`{'thinking_config': {'thinking_level': 'low'}}`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in without_ours(given, _OURS):
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
        self._line = Line(self.config, lambda: genai.Client)
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
        response = self._line.call(LLMError, self.model, lambda models: models.generate_content(**request))
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
        response = await self._line.acall(LLMError, self.model, lambda models: models.generate_content(**request))
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
        system, contents = conversation(messages)
        config: dict[str, Any] = {
            "system_instruction": "\n\n".join(system) or None,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "max_output_tokens": options.max_tokens,
        }
        if tools:  # beside them the API takes no JSON mode
            config |= {"tools": _tools(shapes.checked_tools(tools)), "tool_config": _choice(tool_choice)}
            config["automatic_function_calling"] = {"disable": True}
        elif wants_json(response_format):
            config["response_mime_type"] = "application/json"
            config["response_json_schema"] = schema_of(response_format)
        config = {name: value for name, value in config.items() if value is not None} | options.model_kwargs
        self._line.check(LLMError, self.model, types.GenerateContentConfig, config)
        return {"model": self.model, "contents": contents, "config": config}

    def _read(self, response: Any, with_tools: bool) -> Any:
        named = self._line.named(self.model)
        usage = getattr(response, "usage_metadata", None)
        counts = [getattr(usage, name, None) for name in ("candidates_token_count", "thoughts_token_count")]
        written = sum(count for count in counts if isinstance(count, int))
        report_tokens(getattr(usage, "prompt_token_count", None), written)
        if not getattr(response, "candidates", None):
            blocked = getattr(getattr(response, "prompt_feedback", None), "block_reason", None)
            if blocked is not None:
                raise LLMError(
                    f"{named}: the prompt was blocked ({_name(blocked)}); reword what was said, or use another model; "
                    "nothing was stored"
                )
        strange = f"{named}: it did not answer as Gemini's API does; check base_url"
        with shapes.reading(strange):
            candidate = response.candidates[0]
            parts = getattr(candidate.content, "parts", None) or []
            text = "".join(part.text for part in parts if part.text and not part.thought)
            wanted = [part.function_call for part in parts if part.function_call is not None]
            calls = [shapes.called(call.name, call.args or {}) for call in wanted]
            reason = _name(candidate.finish_reason)
        if reason == "MAX_TOKENS" and not text and not calls:
            raise shapes.used_up(named)
        if reason in _GARBLED:
            raise LLMResponseError(f"{named}: its reply is unusable ({reason}); nothing was stored", reply=text or None)
        if reason not in ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", ""):
            raise LLMError(
                f"{named}: the reply was stopped ({reason}); reword what was said, or use another model; "
                "nothing was stored"
            )
        if candidate.content is None:
            raise LLMResponseError(f"{strange}; nothing was stored", reply=None)
        return {"content": text or None, "tool_calls": calls} if with_tools else text


def _name(value: Any) -> str:
    """Return the name that an enumeration of the SDK's has on the wire."""
    return str(getattr(value, "value", value) or "")


# -- from OpenAI's shapes to Gemini's --------------------------------------------------------------


def conversation(messages: Sequence[Message]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return what the system says, and the turns of user and model.

    Raises:
        LLMError: A message has another shape than OpenAI's, or holds something that is neither text nor a picture.
    """
    system, turns = shapes.conversation(messages, partial(_parts, {}))
    roles = {"assistant": "model", "user": "user"}
    said = [part["text"] for part in system if "text" in part]
    return said, [{"role": roles[turn.role], "parts": turn.blocks} for turn in turns]


def _parts(names: dict[str, str], message: Message) -> list[Block]:
    """Return a message's parts.

    Args:
        names: By id, the functions that were called so far; the answer to a call says its function's name.
        message: In OpenAI's shape.
    """
    parts = [found for part in shapes.parts_of(message) if (found := _part(part)) is not None]
    if message["role"] == "tool":
        called = str(message.get("tool_call_id"))
        result = "".join(part["text"] for part in parts if "text" in part)
        name = message.get("name") or names.get(called, called)
        return [{"function_response": {"id": called, "name": name, "response": {"result": result}}}]
    for call in shapes.calls_of(message):
        names[call.id] = call.name
        wanted = {"id": call.id, "name": call.name, "args": call.arguments}
        parts.append({"function_call": wanted, "thought_signature": _UNSIGNED})
    return parts


def _part(part: Block) -> Block | None:
    kind = part["type"]
    if kind == "text":
        return {"text": part["text"]} if part["text"] else None
    if kind != "image_url":
        raise LLMError(f"Gemini is sent text and pictures, and a message holds {kind!r}; leave that part out")
    picture = shapes.picture_of(part)
    if picture.base64 is None:
        kind = mimetypes.guess_type(picture.url.partition("?")[0])[0] or "image/jpeg"
        return {"file_data": {"file_uri": picture.url, "mime_type": kind}}
    return {"inline_data": {"mime_type": picture.kind, "data": picture.raw()}}


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
    mode, name = shapes.choice_of(tool_choice)
    only = {"allowed_function_names": [name]} if name else {}
    return {"function_calling_config": {"mode": {"auto": "AUTO", "none": "NONE"}.get(mode, "ANY"), **only}}
