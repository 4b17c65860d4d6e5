"""LLMs of Amazon Bedrock, through boto3's ``converse``.

``invoke_model`` is for what ``converse`` does not take: models of one's own, imported from Qwen2.5, Qwen2-VL,
Qwen2.5-VL or GPT-OSS (https://docs.aws.amazon.com/bedrock/latest/userguide/invoke-imported-model.html).  They answer
in the form of OpenAI's chat completions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import boto3
from botocore.exceptions import ClientError
from pydantic import Field, field_validator

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import ConfigError, LLMError, LLMResponseError
from mem0.llms import shapes
from mem0.llms.base import LLMBase, Message, options_of, report_tokens
from mem0.llms.shapes import Block, json_instruction, unfenced, wants_json
from mem0.wire.aws import AWSConnection, BedrockRuntime
from mem0.wire.connection import without_ours

# What some models refuse, in their words, and what is then left out (or, of `system`, said by the user).
_REFUSALS = (
    (re.compile(r"temperature\W+and\W+top_?p\W+cannot both", re.I), "topP"),
    (re.compile(r"temperature\W+(?:is deprecated|(?:is|are) not support)", re.I), "temperature"),
    (re.compile(r"top_?p\W+(?:is deprecated|(?:is|are) not support)", re.I), "topP"),
    (re.compile(r"top_?k\W+(?:is deprecated|(?:is|are) not support)|extraneous key \[top_k\]", re.I), "top_k"),
    (re.compile(r"support system messages", re.I), "system"),
)
_OURS = ("max_tokens", "messages", "stream", "system", "temperature", "tool_choice", "tools", "top_p")
_PICTURES = ("gif", "jpeg", "png", "webp")
_STOPPED = {"content_filtered": "a content filter", "guardrail_intervened": "a guardrail"}


class AWSBedrockLlmConfig(AWSConnection, BaseLlmConfig, extra="forbid"):
    """Options of :class:`AWSBedrockLLM`."""

    model: str | None = Field(
        default=None,
        min_length=1,
        description="A model's id, an inference profile's (`us.anthropic.…`), or an ARN. Default: the provider's.",
    )
    top_k: int | None = Field(
        default=None,
        ge=1,
        description="Number of tokens it chooses from, under the name that Anthropic's and Mistral's models have for "
        "it; left out for models that refuse it (another name goes inside `model_kwargs`). Default: the model's.",
    )
    api: Literal["converse", "invoke_model"] = Field(
        default="converse",
        description="`invoke_model` is for imported models that `converse` does not take (Qwen2.5, Qwen2-VL, "
        "Qwen2.5-VL, GPT-OSS); there are no tools then.",
    )
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of each request, as the model's own API has them, such as "
        "`{'stop_sequences': ['END']}`.",
    )

    @field_validator("model_kwargs")
    @classmethod
    def _not_ours(cls, given: dict[str, Any]) -> dict[str, Any]:
        return without_ours(given, _OURS)


class AWSBedrockLLM(LLMBase):
    """Asks a model on Amazon Bedrock; safe to share between threads.  boto3 cannot be awaited.

    What a model refuses (``top_p`` beside ``temperature``, ``temperature`` or ``top_k`` at all, system messages) is
    learned from its answer and left out from then on; what the system says is then said by the user.  JSON mode is an
    instruction in the system prompt.

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
        self._runtime = BedrockRuntime(self.config, lambda: boto3)
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
            "additionalModelRequestFields": {"top_k": config.top_k},
        }
        return self._read(self._runtime.call(LLMError, self.model, lambda client: self._taken(client, request)))

    def _taken(self, client: Any, request: Mapping[str, Any]) -> Any:
        """Send a request, without what its model turns out to refuse."""
        while True:
            sent = self._accepted(request)
            try:
                response = client.converse(**sent)
            except ClientError as error:
                self._learn(error, sent)
                continue
            _ = response["output"]  # of a body that was cut off botocore makes an empty answer: here it fails
            return response

    def _accepted(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request as its model takes it, without what is empty."""
        model = request["modelId"]
        sent = dict(request)
        for field in ("inferenceConfig", "additionalModelRequestFields"):
            given = request[field].items()
            sent[field] = {name: value for name, value in given if value is not None}
            sent[field] = {name: value for name, value in sent[field].items() if (model, name) not in self._refused}
        sent["additionalModelRequestFields"] |= self.config.model_kwargs
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
        further = {*sent.get("additionalModelRequestFields", {})} - {*self.config.model_kwargs}
        ours = {*sent, *sent.get("inferenceConfig", {}), *further}
        for pattern, name in _REFUSALS:
            if name in ours and said.get("Code") == "ValidationException" and pattern.search(str(said.get("Message"))):
                self._refused.add((sent["modelId"], name))
                return
        raise error

    def _read(self, response: Any) -> dict[str, Any]:
        with shapes.reading(self._strange()):
            usage = response.get("usage") or {}
            report_tokens(usage.get("inputTokens"), usage.get("outputTokens"))
            reason = response.get("stopReason")
            if reason in _STOPPED:
                raise LLMError(
                    f"{self._named()}: {_STOPPED[reason]} stopped the reply; reword what was said, or use another "
                    "model; nothing was stored"
                )
            blocks = response["output"]["message"]["content"]
            if not all(blocks):
                raise ValueError("a block is empty")
            # Any other block, such as its reasoning, is not part of the answer.
            text = "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
            wanted = [block["toolUse"] for block in blocks if "toolUse" in block]
            calls = [shapes.called(call["name"], call.get("input")) for call in wanted]
        if reason == "malformed_model_output" and not text and not calls:
            raise LLMResponseError(f"{self._named()}: its output was malformed; nothing was stored", reply=None)
        if reason == "max_tokens" and not text and not calls:
            raise shapes.used_up(self._named())
        return {"content": text or None, "tool_calls": calls}

    def _invoked(self, messages: Sequence[Message], response_format: Mapping[str, Any] | None) -> dict[str, Any]:
        config = self.config
        said = [*shapes.checked(messages)]
        if wants_json(response_format):
            said.insert(0, {"role": "system", "content": json_instruction(response_format)})
        body = {
            "messages": said,
            "max_tokens": config.max_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "top_k": config.top_k,
        }
        body = {name: value for name, value in body.items() if value is not None} | config.model_kwargs
        shapes.check_json("the request", body)
        answer = self._runtime.invoke(LLMError, self.model, body)
        with shapes.reading(self._strange()):
            usage = answer.get("usage") or {}
            text = answer["choices"][0]["message"]["content"]
            if not isinstance(text, (str, type(None))):
                raise TypeError(f"the content is text, not {type(text).__name__}")
            report_tokens(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return {"content": text, "tool_calls": []}

    def _named(self) -> str:
        return self._runtime.named(self.model)

    def _strange(self) -> str:
        return f"{self._named()}: it did not answer as Bedrock does, or was cut off; check endpoint_url and api"


# -- OpenAI's shape, as converse takes it ---------------------------------------------------------------


def conversation(messages: Sequence[Message]) -> tuple[list[Block], list[dict[str, Any]]]:
    """Return what the system says, and the turns: user and assistant by turns, the user first.

    Raises:
        LLMError: A message has another shape than OpenAI's, or a part of it cannot be sent.
    """
    system, turns = shapes.conversation(messages, _blocks)
    return system, [{"role": turn.role, "content": turn.blocks} for turn in turns]


def _blocks(message: Message) -> list[Block]:
    blocks = [block for part in shapes.parts_of(message) if (block := _block(part)) is not None]
    if message["role"] == "tool":
        return [{"toolResult": {"toolUseId": str(message.get("tool_call_id")), "content": blocks}}]
    for call in shapes.calls_of(message):
        blocks.append({"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}})
    return blocks


def _block(part: Block) -> Block | None:
    if part["type"] == "text":
        return {"text": part["text"]} if part["text"].strip() else None  # a blank one is refused
    if part["type"] != "image_url":
        raise LLMError(f"AWS Bedrock: a content part of type {part['type']!r} cannot be sent; nothing was stored")
    picture = shapes.picture_of(part)
    kind = (picture.kind or "").lower().removeprefix("image/").replace("jpg", "jpeg")
    if picture.base64 is None or kind not in _PICTURES:
        raise LLMError(
            "AWS Bedrock takes a picture only as a data URL (data:image/png;base64,…; png, jpeg, gif or webp), not "
            f"{picture.url[:40]!r}: load it first; nothing was stored"
        )
    return {"image": {"format": kind, "source": {"bytes": picture.raw()}}}


def _tool_config(tools: Sequence[Mapping[str, Any]] | None, choice: Any) -> dict[str, Any] | None:
    if not tools:
        return None
    mode, name = shapes.choice_of(choice)
    if mode == "none":
        return None
    specs = []
    for tool in shapes.checked_tools(tools):
        function = tool.get("function", tool)
        spec = {"name": function.get("name"), "description": function.get("description")}
        spec["inputSchema"] = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
        specs.append({"toolSpec": {name: value for name, value in spec.items() if value}})
    if mode == "auto":  # what it does anyway; some models refuse to be told
        return {"tools": specs}
    return {"tools": specs, "toolChoice": {"tool": {"name": name}} if name else {"any": {}}}
