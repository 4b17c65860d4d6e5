"""An LLM that answers whatever it is asked with what is in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from mem0.configs.llms.base import BaseLlmConfig
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase, Message, options_of, report_tokens


class FileLlmConfig(BaseLlmConfig, extra="forbid"):
    """Options of :class:`FileLLM`."""

    path: str = Field(default="answer.json", min_length=1, description="The file that holds the answer.")


class FileLLM(LLMBase):
    """Answers with the text of a file.

    Args:
        config: Its options.
    """

    options: ClassVar[type[BaseLlmConfig]] = FileLlmConfig

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        self.config: FileLlmConfig = options_of(config, FileLlmConfig)

    def generate_response(
        self,
        messages: list[Message],
        response_format: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: Any = "auto",
    ) -> Any:
        """Answer; see the base class."""
        try:
            answer = Path(self.config.path).read_text(encoding="utf-8")
        except OSError as error:
            raise LLMError(f"FileLLM: path={self.config.path!r} cannot be read: {error}; nothing was stored") from error
        report_tokens(len(str(messages)) // 4, len(answer) // 4)  # what the call cost, if it is known
        return {"content": answer, "tool_calls": []} if tools else answer
