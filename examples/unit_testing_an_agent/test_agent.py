"""How to test an agent that remembers: no network, no key, no model, no files, no waiting.

python -m pytest examples/unit_testing_an_agent
"""

from collections.abc import Iterator
from datetime import date

import pytest
from agent import DinnerAgent

from mem0 import LLMError, Memory
from mem0.testing import FailingVectorStore, FrozenClock, ScriptedLLM, memory


class Cook:
    """The agent's own LLM: answers always the same, and keeps what it was asked."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return "Pumpkin risotto"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock("2026-03-01T12:00:00Z")


@pytest.fixture
def fake_memory(clock: FrozenClock) -> Iterator[Memory]:
    with memory(clock=clock) as m:
        yield m


@pytest.fixture
def llm() -> Cook:
    return Cook()


def test_it_minds_what_it_was_told(fake_memory: Memory, llm: Cook) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm allergic to peanuts.")
    assert agent.suggest("alice", "something with noodles") == "Pumpkin risotto"
    assert "- I'm allergic to peanuts." in llm.prompts[0]


def test_it_tells_nobody_else(fake_memory: Memory, llm: Cook) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm allergic to peanuts.")
    agent.suggest("bob", "something with noodles")
    assert "peanuts" not in llm.prompts[0]


def test_it_remembers_what_it_suggested(fake_memory: Memory, llm: Cook) -> None:
    DinnerAgent(fake_memory, llm).suggest("alice", "something warm")
    said = [(found["role"], found["memory"]) for found in fake_memory.get_all(user_id="alice")]
    assert said == [("assistant", "Pumpkin risotto"), ("user", "something warm")]


def test_what_holds_for_a_while_ends(fake_memory: Memory, clock: FrozenClock, llm: Cook) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm fasting.", until=date(2026, 3, 2))
    agent.suggest("alice", "soup?")
    clock.advance(days=2)  # to the 3rd
    agent.suggest("alice", "soup again?")
    assert ["fasting" in prompt for prompt in llm.prompts] == [True, False]


def test_it_does_not_guess_when_it_cannot_remember(llm: Cook) -> None:
    with FailingVectorStore(fail_on="candidates") as store, memory(vector_store=store) as m:
        answer = DinnerAgent(m, llm).suggest("alice", "something with noodles")
    assert answer.startswith("I can't look up")
    assert llm.prompts == []


# With an LLM in the memory too, which makes facts of what was said: here it is told what to answer.


def test_the_latest_truth_is_what_counts(llm: Cook) -> None:
    facts = ScriptedLLM(
        [
            {"memory": [{"event": "ADD", "text": "Alice is a vegetarian", "quote": "I'm a vegetarian"}]},
            {"memory": [{"event": "UPDATE", "id": "0", "text": "Alice eats fish, and no meat", "quote": "fish"}]},
            {"memory": []},  # a wish and a suggestion are nothing to remember
        ]
    )
    with memory(llm=facts) as m:
        agent = DinnerAgent(m, llm)
        agent.tell("alice", "I'm a vegetarian.")
        agent.tell("alice", "I eat fish now.")
        agent.suggest("alice", "something for Alice without meat")
        (known,) = m.get_all(user_id="alice")
        events = [row["event"] for row in m.history(known["id"])]
    assert "- Alice eats fish, and no meat\n" in llm.prompts[0]
    assert "vegetarian" not in llm.prompts[0]
    assert events == ["ADD", "UPDATE"]


def test_what_could_not_be_understood_is_not_lost_silently(llm: Cook) -> None:
    facts = ScriptedLLM([ConnectionError("the network is down"), {"memory": [{"text": "Alice is a vegetarian"}]}])
    with memory(llm=facts) as m:
        agent = DinnerAgent(m, llm)
        with pytest.raises(LLMError) as caught:
            agent.tell("alice", "I'm a vegetarian.")
        assert caught.value.retryable
        assert m.get_all(user_id="alice") == []
        agent.tell("alice", "I'm a vegetarian.")
        assert m.get_all(user_id="alice").total == 1
