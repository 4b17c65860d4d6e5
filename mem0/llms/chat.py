"""What LLMs behind OpenAI's chat protocol share: how they are asked, and how their answers are read."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError, LLMResponseError, retryable_status
from mem0.llms.base import LLMBase, Message, options_of, report_tokens
from mem0.llms.shapes import called, check_json, checked_tools, reading, used_up
from mem0.wire.connection import check_arguments, cleaned, named_model, without_ours
from mem0.wire.dispensed import Dispensed
from mem0.wire.sdk import Line


class ChatLlmConfig(BaseLlmConfig, extra="forbid"):
    """Options of every LLM that is asked with OpenAI's chat protocol."""

    reasoning_effort: str | None = Field(
        default=None, description="How long a reasoning model may think: `low`, `medium`, `high`, ..."
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,  # headers may stand in it
        description="Further arguments of each request, as the SDK's `chat.completions.create` has them (the published "
        "`store` is one); what the SDK does not know goes inside `extra_body`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "store" not in values:
            return values
        values = dict(values)
        store, more = values.pop("store"), values.get("model_kwargs") or {}
        if store is not None and isinstance(more, Mapping):
            values["model_kwargs"] = {"store": store, **more}
        return values

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        return without_ours(given, ("messages", "model", "response_format", "stream", "tool_choice", "tools"))


class ChatLLM(LLMBase):
    """Base of the LLMs that are asked with OpenAI's chat protocol, through an SDK of its make.

    Options that a model refuses (``temperature`` and ``max_tokens`` of reasoning models, ``response_format``
    of some servers) are learned from its answer and left out from then on.

    Args:
        config: Its options.

    Raises:
        ConfigError: There is no key, or no model is named where one must be.
    """

    options: ClassVar[type[BaseLlmConfig]]
    config: Any
    default_model: ClassVar[str]

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        options: Any = options_of(config, self.options)
        self.config = options
        self.model = named_model(self.config, self.default_model)
        self._line = self._connected()
        self.client = self._line.client
        create = self.client.chat.completions.create
        check_arguments(options.model_kwargs, create, f"llm {self._line.vendor.provider!r} config")
        self._dispensed = Dispensed()

    @abstractmethod
    def _connected(self) -> Line[Any]:
        """Return the SDK's clients for the options."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={self._line.where!r})"

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        request = chat_request(self.config, self.model, messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model):
            while True:
                sent = self._dispensed.apply(request)
                try:
                    return self._read(self.client.chat.completions.create(**sent), bool(tools))
                except self._line.refused as error:
                    self._dispensed.learn(error, sent)

    async def agenerate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Do what :meth:`generate_response` does, awaiting."""
        if self._line.is_half_doubled:
            return await asyncio.to_thread(self.generate_response, messages, response_format, tools, tool_choice)
        client = await self._line.here()
        request = chat_request(self.config, self.model, messages, response_format, tools, tool_choice)
        with self._line.translated(LLMError, self.model, client):
            while True:
                sent = self._dispensed.apply(request)
                try:
                    return self._read(await client.chat.completions.create(**sent), bool(tools))
                except self._line.refused as error:
                    self._dispensed.learn(error, sent)

    def close(self) -> None:
        self._line.close()

    async def aclose(self) -> None:
        """Release the connections of the event loop that is running."""
        await self._line.aclose()

    def _read(self, response: Any, with_tools: bool) -> Any:
        named = self._line.named(self.model)
        return read_chat(response, with_tools, named, self._line.hidden)


def chat_request(
    config: ChatLlmConfig,
    model: str,
    messages: list[Message],
    response_format: Mapping[str, Any] | None,
    tools: Sequence[Mapping[str, Any]] | None,
    tool_choice: Any,
) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create`."""
    request: dict[str, Any] = {
        "model": model,
        "messages": cleaned(messages),
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "top_p": config.top_p,
        "response_format": response_format,
    }
    check_json("response_format", response_format)
    if tools:
        request |= {"tools": checked_tools(tools), "tool_choice": tool_choice}
    request = {name: value for name, value in request.items() if value is not None} | config.model_kwargs
    if config.reasoning_effort is not None:
        # Not as an argument: the SDK has it only since 1.58, and each model's own values only since later.
        request["extra_body"] = {"reasoning_effort": config.reasoning_effort, **request.get("extra_body", {})}
    return request


def read_chat(response: Any, with_tools: bool, named: str, hidden: Callable[[str], str]) -> Any:
    """Return what an LLM answered, in the shape that :meth:`LLMBase.generate_response` returns.

    Args:
        response: A chat completion, as OpenAI's SDK has them.
        with_tools: Whether the LLM could call tools.
        named: Who was asked, for messages.
        hidden: Takes the secrets out of a text.

    Raises:
        LLMError: A content filter stopped it, or an error stands in place of the answer.
        LLMResponseError: It is no chat completion, or a refusal.
    """
    choice: Any
    try:
        choice = response.choices[0]
    except (AttributeError, LookupError, TypeError):
        choice = None
    problem = getattr(choice if getattr(choice, "finish_reason", None) == "error" else response, "error", None)
    if problem and (choice is None or choice.finish_reason == "error"):
        raise _said_instead(problem, named, hidden)
    strange = f"{named}: it did not answer as OpenAI's API does; check base_url"
    message: Any = getattr(choice, "message", None)
    text = _text(getattr(message, "content", ...))
    if text is None:
        raise LLMResponseError(f"{strange}; nothing was stored", reply=response if isinstance(response, str) else None)
    usage = getattr(response, "usage", None)
    report_tokens(getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
    if choice.finish_reason == "content_filter":
        raise LLMError(
            f"{named}: a content filter stopped the reply; reword what was said, or use another model; "
            "nothing was stored"
        )
    refusal = getattr(message, "refusal", None)
    if isinstance(refusal, str) and refusal and not text:
        raise LLMResponseError(f"{named}: it refused to answer; nothing was stored", reply=refusal)
    wanted = message.tool_calls if with_tools else None
    if choice.finish_reason == "length" and not text and not wanted:
        raise used_up(named)
    if not with_tools:
        return text
    with reading(strange):
        calls = [
            called(call.function.name, call.function.arguments)
            for call in wanted or ()
            if getattr(call, "function", None) is not None
        ]
    return {"content": text or None, "tool_calls": calls}


def _text(content: Any) -> str | None:
    """Return the text of an answer, which may come in parts with thoughts among them; ``None`` where it is none."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)) or not all(isinstance(part, Mapping) for part in content):
        return None
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _said_instead(problem: Any, named: str, hidden: Callable[[str], str]) -> LLMError:
    """Return the error that some servers send in place of an answer, with status 200."""
    known = problem if isinstance(problem, Mapping) else {"message": problem}
    code = known.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    said = hidden(str(known.get("message")))[:500]
    return LLMError(f"{named}: {said}; nothing was stored", status=status, retryable=retryable_status(status))
