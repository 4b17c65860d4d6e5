"""A chat that remembers you, today and tomorrow.

    python examples/chat_loop.py                            talk to it; an empty line or Ctrl-D ends
    echo "What did I say?" | python examples/chat_loop.py   or let it read

Before each turn it looks up what it knows, and shows what it would hand to an LLM; none is called here.
Started with nobody to talk to, it plays a short conversation.
"""

import sys
from collections.abc import Iterator

from mem0 import Memory

USER = "you"

CANNED = [
    "Hi! I'm Mira, I teach chemistry in Graz.",
    "I stopped eating meat last summer.",
    "My daughter Lena is starting school in September.",
    "What could I cook tonight, without meat?",
    "When does Lena start school?",
    "Who won the world cup in 1998?",
]


def main() -> None:
    with Memory() as memory:
        print(f"I remember {memory.get_all(user_id=USER, limit=1).total} things you said.\n")
        for line in lines():
            # At most 100 tokens, and none where nothing it knows has to do with the line.
            known = memory.context(line, user_id=USER, max_tokens=100, threshold="auto")
            print(f"you: {line}")
            for row in prompt(line, known).splitlines():
                print(f"   | {row}")
            print()
            # After the search, or the question would find itself.  With an LLM, add its answer too:
            # [{"role": "user", "content": line}, {"role": "assistant", "content": answer}]
            memory.add(line, user_id=USER)


def lines() -> Iterator[str]:
    """Yield what the user says: typed, piped in, or made up."""
    if sys.stdin.isatty():
        while line := typed():
            yield line
    else:
        yield from [line.strip() for line in sys.stdin if line.strip()] or CANNED


def typed() -> str:
    """Return one typed line; empty when the user is done."""
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def prompt(line: str, known: str) -> str:
    """Return what an LLM would be handed."""
    return f"What the user told you earlier:\n{known or '- nothing about it'}\nAnswer: {line}"


if __name__ == "__main__":
    main()
