"""What to test an agent, or a provider for the library, with; needs no network, no key and no pytest.

Doubles, each a real subclass of what it stands for:

    from mem0.testing import memory

    def test_agent() -> None:
        with memory() as m:  # in memory, a fake embedder, a clock that stands still
            m.add("I'm allergic to peanuts.", user_id="alice")
            assert "peanuts" in m.search("peanuts?", user_id="alice")[0]["memory"]

Contracts, classes of tests that every LLM, embedder, vector store or reranker must pass:

    from mem0.testing import VectorStoreContract

    class TestMyStore(VectorStoreContract):  # found by pytest; for unittest, add unittest.TestCase
        def store(self) -> MyStore:
            return MyStore()
"""

from mem0.testing.clock import FrozenClock
from mem0.testing.contracts.embedder import EmbedderContract
from mem0.testing.contracts.llm import LLMContract
from mem0.testing.contracts.reranker import RerankerContract
from mem0.testing.contracts.vector_store import VectorStoreContract
from mem0.testing.embedder import DeterministicEmbedding
from mem0.testing.llm import LLMCall, ScriptedLLM
from mem0.testing.memories import async_memory, memory
from mem0.testing.telemetry import RecordingTelemetry
from mem0.testing.vector_store import FailingVectorStore, StoreCall

__all__ = [
    "DeterministicEmbedding",
    "EmbedderContract",
    "FailingVectorStore",
    "FrozenClock",
    "LLMCall",
    "LLMContract",
    "RecordingTelemetry",
    "RerankerContract",
    "ScriptedLLM",
    "StoreCall",
    "VectorStoreContract",
    "async_memory",
    "memory",
]
