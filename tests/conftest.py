"""What tests of several folders share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "loopback"))

from openai_server import OpenAIServer

# What tests need that not everybody who tests the core has; `.ci/run` has an environment for each.
NEEDS = {
    "embeddings/test_aws_bedrock_embedding.py": "boto3",
    "embeddings/test_fastembed_embedding.py": "fastembed",
    "embeddings/test_gemini_embedding.py": "google.genai",
    "embeddings/test_huggingface_embedding.py": "sentence_transformers",
    "embeddings/test_langchain_embedding.py": "langchain_openai",
    "embeddings/test_ollama_embedding.py": "ollama",
    "llms/test_anthropic_llm.py": "anthropic",
    "llms/test_aws_bedrock_llm.py": "boto3",
    "llms/test_chat_vendors.py": "groq",
    "llms/test_gemini_llm.py": "google.genai",
    "llms/test_langchain_llm.py": "langchain_openai",
    "llms/test_litellm.py": "litellm",
    "llms/test_ollama_llm.py": "ollama",
    "llms/test_provider_edges.py": "ollama",
    "llms/test_shapes.py": "google.genai",
    "mem0ai/test_collections_of_mem0ai.py": "qdrant_client",
    "memory/test_telemetry.py": "posthog",
    "rerankers/test_cohere_reranker.py": "cohere",
    "rerankers/test_sentence_transformer_reranker.py": "sentence_transformers",
    "test_generated_docs.py": "anthropic",
    "vector_stores/test_qdrant.py": "qdrant_client",
    "vector_stores/test_qdrant_commits.py": "qdrant_client",
    "vector_stores/test_qdrant_engine.py": "qdrant_edge",
    "vector_stores/test_qdrant_grpc.py": "qdrant_client",
    "vector_stores/test_qdrant_server.py": "qdrant_client",
}


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package it would lie in
        return False


collect_ignore = [file for file, module in NEEDS.items() if not _is_here(module)]


def pytest_report_header() -> list[str]:
    """Say which tests are left out, and why."""
    return [f"left out, because {NEEDS[file]} is not installed: {file}" for file in collect_ignore]


@pytest.fixture
def openai_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server that speaks OpenAI's wire format; the test's file needs ``pytest.mark.allow_hosts(["127.0.0.1"])``."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    with OpenAIServer() as server:
        yield server
