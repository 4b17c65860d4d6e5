"""How long the prompts of one ``add`` are, side by side with mem0ai: the same conversation, the same memories.

    python benchmarks/prompt_tokens.py

A recording LLM keeps what it is asked and finds nothing to remember, so no model is needed.  Tokens are counted with
the WordPiece vocabulary of the bundled embedder for both: OpenAI's own tokenizers need a download, and count a few
per cent less for English.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from _libraries import LIBRARIES, FreeLLM
from _workload import memory_text, user_id
from overhead import MEM0AI, Runner, mem0ai_python

CONVERSATION = [
    {
        "role": "user",
        "content": "We finally signed for the flat in Porto, the one with the lemon tree in the courtyard.",
    },
    {"role": "assistant", "content": "Congratulations! When do you move, and shall I look for a moving company?"},
    {"role": "user", "content": "On the first of next month. Yes please, but nothing above 900 euros, and no Sundays."},
    {
        "role": "assistant",
        "content": "I found two that fit: Mudafacil for 780 and Casa Leve for 850. I'll ask both for a date.",
    },
    {
        "role": "user",
        "content": "Great. By the way, my sister is staying with us until Easter, so we need room for her cello.",
    },
    {"role": "assistant", "content": "Noted: a cello needs a padded crate. I'll add that to both requests today."},
]
MEMORIES = (0, 20)


class Recorder(FreeLLM):
    """Keeps every prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def generate_response(self, messages: Any, response_format: Any = None, tools: Any = None, **rest: Any) -> str:
        """Note what was asked; there is nothing to remember, or one fact where there are two passes."""
        self.prompts.append(
            "\n".join(message["content"] for message in messages) + (json.dumps(tools) if tools else "")
        )
        return super().generate_response(messages, response_format, **rest)


def record(name: str, strategy: str) -> list[list[str]]:
    """Return the prompts of one ``add``, with so many memories there already, for each of the numbers."""
    found = []
    for count in MEMORIES:
        with tempfile.TemporaryDirectory() as folder:
            library = LIBRARIES[name]()
            memory = library.open(Path(folder))
            for number in range(count):
                library.add(memory, memory_text(number), user_id(0))
            recorder = Recorder()
            if strategy == "two_pass":
                recorder.facts = ["The user moves to Porto on the first of next month"]
            if name == "ours":
                memory.config.add_strategy = strategy
            memory.llm = recorder
            memory.add(CONVERSATION, user_id=user_id(0))
            found.append(recorder.prompts)
            library.close(memory)
    return found


def main() -> None:
    """Print a table, or, as the process of one library, the prompts."""
    parser = argparse.ArgumentParser(description="Compare the prompts of one add.")
    parser.add_argument("--library", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--strategy", default="single_pass", help=argparse.SUPPRESS)
    parser.add_argument("--mem0ai-python", type=Path, help="an interpreter that has mem0ai already")
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(record(arguments.library, arguments.strategy)))
        return
    tokenizer = import_module("tokenizers").Tokenizer.from_file(
        str(Path(__file__).parents[1] / "mem0" / "embeddings" / "minilm" / "tokenizer.json")
    )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    print(f"{'':<34}{'calls':>6}{'characters':>12}{'tokens':>8}")
    with tempfile.TemporaryDirectory() as home:
        for title, name, strategy, python in (
            ("this library", "ours", "single_pass", Path(sys.executable)),
            ("this library, two_pass", "ours", "two_pass", Path(sys.executable)),
            (f"mem0ai {MEM0AI}", "mem0ai", "single_pass", mem0ai_python(arguments.mem0ai_python)),
        ):
            runner = Runner(name, python, Path(home), 1)
            done = subprocess.run(
                [str(python), __file__, "--library", name, "--strategy", strategy],
                env=runner.environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            for count, prompts in zip(MEMORIES, json.loads(done.stdout.splitlines()[-1]), strict=True):
                characters = sum(map(len, prompts))
                tokens = sum(len(tokenizer.encode(prompt, add_special_tokens=False).ids) for prompt in prompts)
                print(f"{f'{title}, {count} memories':<34}{len(prompts):>6}{characters:>12}{tokens:>8}")


if __name__ == "__main__":
    main()
