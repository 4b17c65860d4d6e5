"""How to test an agent that remembers: no network, no key, no model, no files, no waiting.

python -m pytest examples/unit_testing_an_agent
"""

from collections.abc import Iterator
from datetime import date

import pytest
from agent import DinnerAgent

from mem0 import Memory
from mem0.testing import FailingVectorStore, FrozenClock, memory


class ScriptedLLM:
    """Answers always the same, and keeps what it was asked."""

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
def llm() -> ScriptedLLM:
    return ScriptedLLM()


def test_it_minds_what_it_was_told(fake_memory: Memory, llm: ScriptedLLM) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm allergic to peanuts.")
    assert agent.suggest("alice", "something with noodles") == "Pumpkin risotto"
    assert "- I'm allergic to peanuts." in llm.prompts[0]


def test_it_tells_nobody_else(fake_memory: Memory, llm: ScriptedLLM) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm allergic to peanuts.")
    agent.suggest("bob", "something with noodles")
    assert "peanuts" not in llm.prompts[0]


def test_it_remembers_what_it_suggested(fake_memory: Memory, llm: ScriptedLLM) -> None:
    DinnerAgent(fake_memory, llm).suggest("alice", "something warm")
    said = [(found["role"], found["memory"]) for found in fake_memory.get_all(user_id="alice")]
    assert said == [("assistant", "Pumpkin risotto"), ("user", "something warm")]


def test_what_holds_for_a_while_ends(fake_memory: Memory, clock: FrozenClock, llm: ScriptedLLM) -> None:
    agent = DinnerAgent(fake_memory, llm)
    agent.tell("alice", "I'm fasting.", until=date(2026, 3, 2))
    agent.suggest("alice", "soup?")
    clock.advance(days=2)  # to the 3rd
    agent.suggest("alice", "soup again?")
    assert ["fasting" in prompt for prompt in llm.prompts] == [True, False]


def test_it_does_not_guess_when_it_cannot_remember(llm: ScriptedLLM) -> None:
    with FailingVectorStore(fail_on="candidates") as store, memory(vector_store=store) as m:
        answer = DinnerAgent(m, llm).suggest("alice", "something with noodles")
    assert answer.startswith("I can't look up")
    assert llm.prompts == []
