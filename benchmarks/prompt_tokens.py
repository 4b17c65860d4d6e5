"""How long the prompts of one ``add`` are, side by side with mem0ai: the same conversations, the same memories.

    python benchmarks/prompt_tokens.py

A recording LLM keeps what it is asked, so no model is needed.  Both libraries' prompts are counted by the same
tokenizer, the WordPiece vocabulary of the bundled embedder; with ``--o200k`` also by OpenAI's ``o200k_base`` (GPT-4o
and later).  Its ranks are a download otherwise, and ship inside the package ``bpe-openai``, a small one of a third
party, which is therefore installed only when asked for, into a virtual environment of its own.
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
from overhead import HERE, MEM0AI, Runner, mem0ai_python, python_with

BPE_OPENAI = "0.1.4"
BPE_CODE = """
import json, sys
from bpe_openai import get_encoding
encode = get_encoding("o200k_base").encode
print(json.dumps([len(encode(text, disallowed_special=())) for text in json.load(sys.stdin)]))
"""
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
CONVERSATIONS = {"6 messages": CONVERSATION, "2 messages": CONVERSATION[:2]}
FACT = "The user signed for a flat in Porto"  # what the first of two passes finds
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


def record(name: str, strategy: str) -> list[tuple[str, int, list[str]]]:
    """Return the prompts of one ``add`` for each conversation and each number of memories there already."""
    found = []
    for title, conversation in CONVERSATIONS.items():
        for count in MEMORIES:
            with tempfile.TemporaryDirectory() as folder:
                library = LIBRARIES[name]()
                memory = library.open(Path(folder))
                for number in range(count):
                    library.add(memory, memory_text(number), user_id(0))
                recorder = Recorder()
                if strategy == "two_pass":
                    recorder.facts = [FACT]
                if name == "ours":
                    memory.config.add_strategy = strategy
                memory.llm = recorder
                memory.add(conversation, user_id=user_id(0))
                offered = sum(memory_text(number) in "\n".join(recorder.prompts) for number in range(count))
                found.append((f"{title}, {offered} of {count} memories", len(recorder.prompts), recorder.prompts))
                library.close(memory)
    return found


def bpe_tokens(texts: list[str]) -> list[int]:
    """Count tokens of ``o200k_base``."""
    python = python_with("bpe-openai", BPE_OPENAI)
    done = subprocess.run(
        [str(python), "-c", BPE_CODE], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    counts: list[int] = json.loads(done.stdout)
    return counts


def word_piece_tokens(texts: list[str]) -> list[int]:
    """Count tokens of the bundled embedder's vocabulary."""
    tokenizer = import_module("tokenizers").Tokenizer.from_file(
        str(HERE.parent / "mem0" / "embeddings" / "minilm" / "tokenizer.json")
    )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


def main() -> None:
    """Print a table, or, as the process of one library, the prompts."""
    parser = argparse.ArgumentParser(description="Compare the prompts of one add.")
    parser.add_argument("--library", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--strategy", default="single_pass", help=argparse.SUPPRESS)
    parser.add_argument("--mem0ai-python", type=Path, help="an interpreter that has mem0ai already")
    parser.add_argument("--o200k", action="store_true", help="also count by OpenAI's tokenizer (installs bpe-openai)")
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(record(arguments.library, arguments.strategy)))
        return
    counted = {"WordPiece": word_piece_tokens, **({"o200k": bpe_tokens} if arguments.o200k else {})}
    print(f"{'':<52}{'calls':>6}{'characters':>12}" + "".join(f"{name:>11}" for name in counted))
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
            for what, calls, prompts in json.loads(done.stdout.splitlines()[-1]):
                characters = sum(map(len, prompts))
                counts = "".join(f"{sum(count(prompts)):>11}" for count in counted.values())
                print(f"{f'{title}, {what}':<52}{calls:>6}{characters:>12}{counts}")


if __name__ == "__main__":
    main()
