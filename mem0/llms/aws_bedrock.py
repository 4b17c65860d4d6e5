"""LLMs of Amazon Bedrock, through boto3's ``converse``.

``invoke_model`` is for what ``converse`` does not take: models of one's own, imported from Qwen2.5, Qwen2-VL,
Qwen2.5-VL or GPT-OSS (https://docs.aws.amazon.com/bedrock/latest/userguide/invoke-imported-model.html).  They answer
in the form of OpenAI's chat completions.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar, Literal

import boto3
from botocore.exceptions import ClientError
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import ConfigError, LLMError, LLMResponseError, ValidationError
from mem0.llms.base import LLMBase, Message, options_of, read_arguments, report_tokens
from mem0.llms.shapes import OPENING, json_instruction, picture_of, unfenced, wants_json
from mem0.text import clean
from mem0.wire.aws import CREDENTIALS, AWSConnection, BedrockRuntime
from mem0.wire.failures import Vendor

_VENDOR = Vendor(
    "aws_bedrock",
    "AWS Bedrock",
    key="AWS_BEARER_TOKEN_BEDROCK",
    ending="",
    model="global.anthropic.claude-sonnet-5-5",
    key_help=CREDENTIALS,
)

# What some models refuse, in their words, and what is then left out (or, of `system`, said by the user).
_REFUSALS = (
    (re.compile(r"temperature\W+and\W+top_?p\W+cannot both", re.I), "topP"),
    (re.compile(r"temperature\W+(?:is deprecated|(?:is|are) not support)", re.I), "temperature"),
    (re.compile(r"top_?p\W+(?:is deprecated|(?:is|are) not support)", re.I), "topP"),
    (re.compile(r"support system messages", re.I), "system"),
)
_PICTURES = ("gif", "jpeg", "png", "webp")
_STOPPED = {"content_filtered": "a content filter", "guardrail_intervened": "a guardrail"}


class AWSBedrockLlmConfig(AWSConnection, BaseLlmConfig):
    """Options of :class:`AWSBedrockLLM`."""

    model: str | None = Field(
        default=None,
        min_length=1,
        description="A model's id, an inference profile's (`us.anthropic.…`), or an ARN. Default: the provider's.",
    )
    api: Literal["converse", "invoke_model"] = Field(
        default="converse",
        description="`invoke_model` is for imported models that `converse` does not take (Qwen2.5, Qwen2-VL, "
        "Qwen2.5-VL, GPT-OSS); there are no tools then.",
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of each request, as the model's own API has them, such as `{'top_k': 50}`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in ("max_tokens", "messages", "stream", "system", "temperature", "tool_choice", "tools", "top_p"):
            if name in given:
                raise ValueError(f"{name} is set by the library, or an option of its own; leave it out here")
        return given


class AWSBedrockLLM(LLMBase):
    """Asks a model on Amazon Bedrock; safe to share between threads.  boto3 cannot be awaited.

    What a model refuses (``top_p`` beside ``temperature``, ``temperature`` at all, system messages) is learned from its
    answer and left out from then on; what the system says is then said by the user.  JSON mode is an instruction in
    the system prompt.

    Args:
        config: Its options; the default model is ``anthropic.claude-3-5-sonnet-20240620-v1:0``.

    Raises:
        ConfigError: There is no region, or there are no credentials; where boto3 must ask the network for those
            (a machine's role), the first call raises it.
    """

    options: ClassVar[type[BaseLlmConfig]] = AWSBedrockLlmConfig
    default_model: ClassVar[str] = "anthropic.claude-3-5-sonnet-20240620-v1:0"

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: AWSBedrockLlmConfig = options_of(config, AWSBedrockLlmConfig)
        self.model = self.config.model or self.default_model
        self._runtime = BedrockRuntime(_VENDOR, self.config, lambda: boto3)
        self._refused: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"AWSBedrockLLM(model={self.model!r}, region={self._runtime.region!r})"

    @property
    def client(self) -> Any:
        """boto3's client."""
        return self._runtime.client

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        is_json = wants_json(response_format)
        if self.config.api == "invoke_model":
            if tools:
                raise ConfigError(
                    "provider 'aws_bedrock' has no tools with api='invoke_model': use a model that converse takes"
                )
            answer = self._invoked(messages, response_format)
        else:
            answer = self._conversed(messages, response_format, tools, tool_choice)
        if tools:
            return answer
        text = answer["content"] or ""
        return unfenced(text) if is_json else text

    def close(self) -> None:
        self._runtime.close()

    def _conversed(
        self,
        messages: Sequence[Message],
        response_format: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        tool_choice: Any,
    ) -> dict[str, Any]:
        config = self.config
        system, turns = conversation(messages)
        if wants_json(response_format):
            system.append({"text": json_instruction(response_format)})
        request: dict[str, Any] = {
            "modelId": self.model,
            "messages": turns,
            "system": system,
            "inferenceConfig": {
                "maxTokens": config.max_tokens,
                "temperature": config.temperature,
                "topP": config.top_p,
            },
            "toolConfig": _tool_config(tools, tool_choice),
            "additionalModelRequestFields": config.model_kwargs,
        }
        with self._runtime.translated(LLMError, self.model) as client:
            while True:
                sent = self._accepted(request)
                try:
                    return self._read(client.converse(**sent))
                except ClientError as error:
                    self._learn(error, sent)

    def _accepted(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as its model takes it, without what is empty."""
        model = request["modelId"]
        sent = dict(request)
        sent["inferenceConfig"] = {
            name: value
            for name, value in request["inferenceConfig"].items()
            if value is not None and (model, name) not in self._refused
        }
        if (model, "system") in self._refused:
            first, *rest = request["messages"]
            sent["messages"] = [{**first, "content": [*request["system"], *first["content"]]}, *rest]
            sent["system"] = None
        return {name: value for name, value in sent.items() if value}

    def _learn(self, error: ClientError, sent: Mapping[str, Any]) -> None:
        """Note what a request was refused for; raise the error where that is nothing that can be left out.

        What was learned is not sent again, so a caller that tries again comes to an end.
        """
        said = error.response.get("Error", {})
        for pattern, name in _REFUSALS:
            was_sent = name in sent or name in sent.get("inferenceConfig", {})
            if was_sent and said.get("Code") == "ValidationException" and pattern.search(str(said.get("Message"))):
                self._refused.add((sent["modelId"], name))
                return
        raise error

    def _read(self, response: Mapping[str, Any]) -> dict[str, Any]:
        usage = response.get("usage") or {}
        report_tokens(usage.get("inputTokens"), usage.get("outputTokens"))
        reason = response.get("stopReason")
        if reason in _STOPPED:
            raise LLMError(
                f"{self._named()}: {_STOPPED[reason]} stopped the reply; reword what was said, or use another model; "
                "nothing was stored"
            )
        blocks = ((response.get("output") or {}).get("message") or {}).get("content")
        if not isinstance(blocks, list):
            raise self._no_answer()
        # Any other block, such as its reasoning, is not part of the answer.
        text = "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
        calls = [
            {"name": block["toolUse"]["name"], "arguments": read_arguments(block["toolUse"].get("input"))}
            for block in blocks
            if "toolUse" in block
        ]
        if reason == "malformed_model_output" and not text and not calls:
            raise LLMResponseError(f"{self._named()}: its output was malformed; nothing was stored", reply=None)
        return {"content": text or None, "tool_calls": calls}

    def _invoked(self, messages: Sequence[Message], response_format: Mapping[str, Any] | None) -> dict[str, Any]:
        config = self.config
        said = [*messages]
        if wants_json(response_format):
            said.insert(0, {"role": "system", "content": json_instruction(response_format)})
        body = {
            "messages": said,
            "max_tokens": config.max_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
        }
        body = {name: value for name, value in body.items() if value is not None} | config.model_kwargs
        raw = clean(json.dumps(body, ensure_ascii=False)).encode()
        with self._runtime.translated(LLMError, self.model) as client:
            response = client.invoke_model(
                modelId=self.model, body=raw, contentType="application/json", accept="application/json"
            )
            with closing(response["body"]) as stream:
                raw = stream.read()
        try:
            answer = json.loads(raw)
            usage = answer.get("usage") or {}
            text = answer["choices"][0]["message"]["content"]
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise self._no_answer() from error
        report_tokens(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return {"content": text, "tool_calls": []}

    def _named(self) -> str:
        return f"AWS Bedrock model {self.model!r} at {self._runtime.where}"

    def _no_answer(self) -> LLMResponseError:
        return LLMResponseError(
            f"{self._named()}: it did not answer as Bedrock does, or was cut off; check endpoint_url and api; nothing "
            "was stored",
            reply=None,
        )


# -- OpenAI's shape, as converse takes it ---------------------------------------------------------------


def conversation(messages: Sequence[Message]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the system says, and the turns: user and assistant by turns, the user first.

    Raises:
        LLMError: A part of a message cannot be sent.
    """
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        blocks = _blocks(message.get("content"))
        role = message.get("role")
        if role in ("system", "developer"):
            system += blocks
            continue
        if role == "tool":
            blocks = [{"toolResult": {"toolUseId": str(message.get("tool_call_id")), "content": blocks}}]
        elif role == "assistant":
            blocks += [_tool_use(call) for call in message.get("tool_calls") or ()]
        role = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:  # an empty one is refused
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [{"text": OPENING}]})
    return system, turns


def _blocks(content: Any) -> list[dict[str, Any]]:
    parts = content if isinstance(content, (list, tuple)) else [content]
    blocks: list[dict[str, Any]] = []
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            if text.strip():  # a blank one is refused
                blocks.append({"text": clean(text)})
        elif isinstance(part, Mapping) and "image_url" in part:
            blocks.append(_image(part))
        elif part is not None:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise LLMError(f"AWS Bedrock: a content part of type {kind!r} cannot be sent; nothing was stored")
    return blocks


def _image(part: Mapping[str, Any]) -> dict[str, Any]:
    picture = picture_of(part)
    kind = (picture.kind or "").lower().removeprefix("image/").replace("jpg", "jpeg")
    if picture.base64 is None or kind not in _PICTURES:
        raise LLMError(
            "AWS Bedrock takes a picture only as a data URL (data:image/png;base64,…; png, jpeg, gif or webp), not "
            f"{picture.url[:40]!r}: load it first; nothing was stored"
        )
    try:
        raw = base64.b64decode(picture.base64, validate=True)
    except binascii.Error as error:
        raise LLMError(f"AWS Bedrock: a picture's data URL is no base64 ({error}); nothing was stored") from error
    return {"image": {"format": kind, "source": {"bytes": raw}}}


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = read_arguments(function.get("arguments")) or {}
    return {"toolUse": {"toolUseId": str(call.get("id")), "name": str(function.get("name")), "input": arguments}}


def _tool_config(tools: Sequence[Mapping[str, Any]] | None, choice: Any) -> dict[str, Any] | None:
    if not tools or choice == "none":
        return None
    specs = []
    for tool in tools:
        function = tool.get("function", tool)
        spec = {"name": function["name"], "description": clean(function.get("description") or "")}
        spec["inputSchema"] = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
        specs.append({"toolSpec": {name: value for name, value in spec.items() if value}})
    if choice in (None, "auto"):  # what it does anyway; some models refuse to be told
        return {"tools": specs}
    if choice == "required":
        return {"tools": specs, "toolChoice": {"any": {}}}
    name = (choice.get("function") or {}).get("name") if isinstance(choice, Mapping) else None
    if not isinstance(name, str):
        raise ValidationError(f"tool_choice={choice!r}: expected 'auto', 'required', 'none', or a function's name")
    return {"tools": specs, "toolChoice": {"tool": {"name": name}}}
