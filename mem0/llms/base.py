"""What an LLM is: one abstract method; and how the library asks any object that has it."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

from mem0.configs.llms.base import BaseLlmConfig
from mem0.configs.options import options_from
from mem0.exceptions import LLMError, LLMResponseError, Mem0Error, judged
from mem0.parts import Closing, has_coroutine

Message = dict[str, Any]
Options = TypeVar("Options", bound=BaseLlmConfig)


class LLMBase(Closing, ABC):
    """Answers messages in the shape of OpenAI's chat API.

    One that can also be awaited has ``async def agenerate_response(...)`` with the same arguments;
    :class:`~mem0.AsyncMemory` uses it, and a thread where there is none; what it holds of an event loop is
    released by ``async def aclose()``.  One that knows what a call cost says so with :func:`report_tokens`.

    Args:
        config: Its options.

    Attributes:
        options: The class of its options, which checks what a configuration names.
    """

    options: ClassVar[type[BaseLlmConfig]] = BaseLlmConfig

    def __init__(self, config: Any = None) -> None:
        self.config = options_of(config, BaseLlmConfig) if config is None or isinstance(config, Mapping) else config

    @abstractmethod
    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Answer messages.

        Args:
            messages: Dicts with ``role`` and ``content``.
            response_format: ``{"type": "json_object"}`` where the reply shall be JSON.
            tools: Functions it may call, as OpenAI describes them.
            tool_choice: Whether it may, must, or which.

        Returns:
            The text; with ``tools`` a dict: ``content`` (text or ``None``) and ``tool_calls``, a list of
            ``{"name", "arguments"}`` with the arguments as a dict.

        Raises:
            LLMError: The provider refused or failed; ``retryable`` says whether to try again.
        """


def options_of(given: BaseLlmConfig | Mapping[str, Any] | None, wanted: type[Options]) -> Options:
    """Return options as a provider's own class, made of the base class, or a dict, where that was given.

    Raises:
        ConfigError: They do not fit.
    """
    if isinstance(given, wanted):
        return given
    return options_from(wanted, given, {}, f"llm {wanted.__name__}")


# -- what a call cost -------------------------------------------------------------------------------


@dataclass(slots=True)
class Tokens:
    """Tokens of one or more calls, as a provider reports them."""

    prompt: int = 0
    completion: int = 0


_meter: ContextVar[Tokens | None] = ContextVar("mem0_llm_tokens", default=None)


def report_tokens(prompt: int | None, completion: int | None) -> None:
    """Tell the call under way what it cost; a provider calls this once a reply is there."""
    tokens = _meter.get()
    if tokens is not None:
        tokens.prompt += prompt if isinstance(prompt, int) else 0
        tokens.completion += completion if isinstance(completion, int) else 0


@contextmanager
def metered() -> Iterator[Tokens]:
    """Count what is reported inside the block."""
    tokens = Tokens()
    before = _meter.set(tokens)
    try:
        yield tokens
    finally:
        _meter.reset(before)


# -- asking -----------------------------------------------------------------------------------------


class ToolCall(NamedTuple):
    """A function the LLM wants called; ``arguments`` is ``None`` where they could not be read."""

    name: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an LLM answered.

    Attributes:
        text: The text; empty where it only called tools.
        tool_calls: The functions it wants called.
        tokens: What it cost.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tokens: Tokens = field(default_factory=Tokens)


def ask(llm: Any, messages: list[Message], *, json_reply: bool = False, tools: Sequence[Any] | None = None) -> Reply:
    """Ask any object that has ``generate_response``, with only those arguments that it takes.

    Raises:
        LLMError: It failed; ``retryable`` says whether to try again.
        LLMResponseError: It returned something that is no reply.
    """
    with metered() as tokens, _translated(llm):
        answer = llm.generate_response(messages, **_taken(llm.generate_response, json_reply, tools))
    return _reply(llm, answer, tokens)


async def ask_async(
    llm: Any, messages: list[Message], *, json_reply: bool = False, tools: Sequence[Any] | None = None
) -> Reply:
    """Do what :func:`ask` does with an LLM's own coroutine."""
    method: Callable[..., Awaitable[Any]] = llm.agenerate_response
    with metered() as tokens, _translated(llm):
        answer = await method(messages, **_taken(method, json_reply, tools))
    return _reply(llm, answer, tokens)


def is_awaitable(llm: Any) -> bool:
    """Tell whether an LLM has a coroutine of its own."""
    return has_coroutine(llm, "agenerate_response")


def vision_of(llm: Any) -> str | None:
    """Return how closely an LLM is to look at pictures; ``None`` where it is not to describe any."""
    config = getattr(llm, "config", None)
    if getattr(config, "enable_vision", False) is not True:  # a mock has every attribute
        return None
    details = getattr(config, "vision_details", None)
    return details if isinstance(details, str) else "auto"


def _taken(method: Callable[..., Any], json_reply: bool, tools: Sequence[Any] | None) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if json_reply:
        wanted["response_format"] = {"type": "json_object"}
    if tools:
        wanted["tools"] = list(tools)
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # a callable of C has none
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return wanted
    names = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    return {name: value for name, value in wanted.items() if name in names}


@contextmanager
def _translated(llm: Any) -> Iterator[None]:
    """Let an LLM's errors leave the block as ours."""
    try:
        yield
    except Mem0Error:
        raise
    except Exception as error:
        status, retryable = judged(error)
        raise LLMError(
            f"LLM {type(llm).__name__} failed: {type(error).__name__}: {error}; nothing was stored",
            status=status,
            retryable=retryable,
        ) from error


def _reply(llm: Any, answer: object, tokens: Tokens) -> Reply:
    calls: list[ToolCall] = []
    if isinstance(answer, Mapping) and ("tool_calls" in answer or {*answer} == {"content"}):
        wanted = answer.get("tool_calls") or ()
        if not isinstance(wanted, (list, tuple)):
            raise LLMResponseError(
                f"LLM {type(llm).__name__} returned {type(wanted).__name__} as tool_calls; that is a list", reply=None
            )
        calls = [_tool_call(call) for call in wanted]
        answer = answer.get("content")
    if answer is None:
        answer = ""
    if isinstance(answer, (Mapping, list)):  # a fake that hands over what others write down
        try:
            answer = json.dumps(answer, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            raise LLMResponseError(
                f"LLM {type(llm).__name__} returned a {type(answer).__name__} that is no JSON ({error})", reply=None
            ) from error
    if not isinstance(answer, str):
        raise LLMResponseError(
            f"LLM {type(llm).__name__} returned {type(answer).__name__}; generate_response returns text, "
            "or with tools a dict with content and tool_calls",
            reply=None,
        )
    return Reply(answer, tuple(calls), tokens)


def _tool_call(call: Any) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) and "name" not in call else call
    if not isinstance(function, Mapping):
        return ToolCall(str(function), None)
    return ToolCall(str(function.get("name")), read_arguments(function.get("arguments")))


def read_arguments(arguments: object) -> dict[str, Any] | None:
    """Return a tool call's arguments, which may be JSON text, or ``None`` where they are no object."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return None
    return dict(arguments) if isinstance(arguments, Mapping) else None
