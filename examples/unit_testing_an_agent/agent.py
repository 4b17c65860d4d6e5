"""A small agent: it suggests dinner, and remembers what you told it."""

from collections.abc import Callable
from datetime import date

from mem0 import Mem0Error, Memory


class DinnerAgent:
    """Suggests dinner.

    Args:
        memory: What it remembers with.
        llm: Takes a prompt, returns an answer.
    """

    def __init__(self, memory: Memory, llm: Callable[[str], str]) -> None:
        self.memory = memory
        self.llm = llm

    def tell(self, user: str, text: str, *, until: date | None = None) -> None:
        """Remember something about a user, until a day where that is known."""
        self.memory.add(text, user_id=user, expiration_date=until)

    def suggest(self, user: str, wish: str) -> str:
        """Return a suggestion that minds what the user told."""
        try:
            known = [found["memory"] for found in self.memory.search(wish, user_id=user, limit=5)]
        except Mem0Error:
            # A guess could be dangerous here: somebody may be allergic.
            return "I can't look up what you told me right now; please ask again later."
        facts = "\n".join(f"- {fact}" for fact in known) or "- nothing"
        answer = self.llm(f"The user told you:\n{facts}\nSuggest dinner: {wish}")
        self.memory.add(
            [{"role": "user", "content": wish}, {"role": "assistant", "content": answer}],
            user_id=user,
        )
        return answer
