"""From a provider's name to the object: our own table, other people's entry points, and what was registered.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module, metadata
from typing import Any, ClassVar

from pydantic import BaseModel

from mem0.configs.base import validated
from mem0.exceptions import ConfigError, MissingDependencyError
from mem0.wire.vendors import VENDORS

# What to install where a module is missing that one of our providers imports; as in pyproject.toml.
_INSTALL = {
    "anthropic": "anthropic>=0.47,<3",
    "boto3": "boto3>=1.34.116,<2",
    "botocore": "boto3>=1.34.116,<2",
    "cohere": "cohere>=5.18,<8",
    "fastembed": "fastembed>=0.6,<1",
    "google": "google-genai>=1.51,<4",
    "groq": "groq>=1,<2",
    "httpx": "httpx>=0.27,<1",
    "litellm": "litellm>=1.60,<2,!=1.82.7,!=1.82.8,!=1.107.0",
    "numpy": "numpy>=1.24,<3",
    "ollama": "ollama>=0.6.2,<1",
    "onnxruntime": "onnxruntime>=1.19,<2",
    "openai": "openai>=1.56,<4",
    "qdrant_client": "qdrant-client>=1.16,<2",
    "sentence_transformers": "sentence-transformers>=3,<7",
    "together": "together>=3,<4",
    "tokenizers": "tokenizers>=0.15,<1",
}


# Published providers that are not here, and what to do instead.
_NOT_HERE = {
    "langchain": "pass the model as an object: llm= takes anything with generate_response(messages)",
    "minimax": "it speaks OpenAI's protocol: provider 'openai' with its base_url",
    "sarvam": "it speaks OpenAI's protocol: provider 'openai' with its base_url",
    "vertexai": "Gemini's models come through provider 'gemini', with a key",
}


class _Factory:
    """Base of the factories: each has a table of its own."""

    kind: ClassVar[str]
    group: ClassVar[str]
    providers: ClassVar[dict[str, str]]

    @classmethod
    def create(cls, provider: str, config: Any = None) -> Any:
        """Return a new object of a provider.

        Args:
            provider: A name from the table, of an installed package's entry point, or registered.
            config: The provider's options: its options object, a dict, or nothing.

        Raises:
            ConfigError: The name is unknown, or the options do not fit.
            MissingDependencyError: The provider needs a package that is not installed.
        """
        made = cls.load(provider)
        options = getattr(made, "options", None)
        if isinstance(config, Mapping) and isinstance(options, type) and issubclass(options, BaseModel):
            config = validated(options, config, f"{cls.kind} {provider!r} config")
        # A class written without options need not take any.
        return made(config) if config else made()

    @classmethod
    def load(cls, provider: str) -> type[Any]:
        """Return a provider's class."""
        if not isinstance(provider, str):
            raise ConfigError(f"{cls.kind} provider {provider!r}: expected a name, not {type(provider).__name__}")
        module, names = cls._place(provider)
        try:
            loaded: Any = import_module(module)
            for name in names:
                loaded = getattr(loaded, name)
        except ModuleNotFoundError as error:
            if error.name and f"{module}.".startswith(f"{error.name}."):
                raise ConfigError(f"{cls.kind} provider {provider!r}: there is no module {error.name!r}") from error
            package = _INSTALL.get((error.name or "").partition(".")[0], error.name)
            raise MissingDependencyError(
                f"{cls.kind} provider {provider!r} needs {error.name!r}: pip install {package!r}"
            ) from error
        except ImportError as error:  # the package is there, and has not what we need of it
            package = _INSTALL.get((error.name or "").partition(".")[0], error.name)
            raise MissingDependencyError(
                f"{cls.kind} provider {provider!r} needs another version of {error.name!r} ({error}): "
                f"pip install {package!r}"
            ) from error
        except AttributeError as error:
            path = ".".join((module, *names))
            raise ConfigError(f"{cls.kind} provider {provider!r}: {error}; its path is {path!r}") from error
        made: type[Any] = loaded
        return made

    @classmethod
    def _place(cls, provider: str) -> tuple[str, list[str]]:
        """Return the module of a provider, and what to look up in it."""
        path = cls.providers.get(provider)
        if path is not None:
            module, _, name = path.rpartition(".")
            return module, [name]
        for entry in metadata.entry_points(group=cls.group):
            if entry.name == provider:
                return entry.module, entry.attr.split(".")
        names = cls.names()
        near = difflib.get_close_matches(provider, names, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise ConfigError(f"{cls.kind} provider {provider!r} is unknown; {_NOT_HERE.get(provider) or remedy}")

    @classmethod
    def register(cls, provider: str, path: str) -> None:
        """Make a class known under a name, as ``package.module.Class``; it is imported on use."""
        path = path.replace(":", ".")  # as entry points write it
        if not path.rpartition(".")[0].strip("."):
            raise ConfigError(
                f"register({provider!r}, {path!r}): expected a dotted path such as 'package.module.Class'"
            )
        cls.providers[provider] = path

    @classmethod
    def names(cls) -> list[str]:
        """Return the names that can be asked for."""
        return sorted({*cls.providers, *(entry.name for entry in metadata.entry_points(group=cls.group))})


class LlmFactory(_Factory):
    """Makes LLMs."""

    kind = "llm"
    group = "mem0.llms"
    providers: ClassVar[dict[str, str]] = {
        "anthropic": "mem0.llms.anthropic.AnthropicLLM",
        "aws_bedrock": "mem0.llms.aws_bedrock.AWSBedrockLLM",
        "azure_openai": "mem0.llms.azure_openai.AzureOpenAILLM",
        "azure_openai_structured": "mem0.llms.azure_openai.AzureOpenAILLM",  # the published name of the same
        "gemini": "mem0.llms.gemini.GeminiLLM",
        "groq": "mem0.llms.groq.GroqLLM",
        "litellm": "mem0.llms.litellm.LiteLLM",
        "ollama": "mem0.llms.ollama.OllamaLLM",
        "openai": "mem0.llms.openai.OpenAILLM",
        "openai_structured": "mem0.llms.openai.OpenAILLM",  # the published name of the same
        "together": "mem0.llms.together.TogetherLLM",
        **{name: f"mem0.llms.vendors.{name}" for name, row in VENDORS.items() if row.answers},
    }


class EmbedderFactory(_Factory):
    """Makes embedders."""

    kind = "embedder"
    group = "mem0.embedders"
    providers: ClassVar[dict[str, str]] = {
        "aws_bedrock": "mem0.embeddings.aws_bedrock.AWSBedrockEmbedding",
        "azure_openai": "mem0.embeddings.azure_openai.AzureOpenAIEmbedding",
        "fastembed": "mem0.embeddings.fastembed.FastEmbedEmbedding",
        "gemini": "mem0.embeddings.gemini.GeminiEmbedding",
        "huggingface": "mem0.embeddings.huggingface.HuggingFaceEmbedding",
        "litellm": "mem0.embeddings.litellm.LiteLLMEmbedding",
        "ollama": "mem0.embeddings.ollama.OllamaEmbedding",
        "onnx": "mem0.embeddings.onnx.OnnxEmbedding",
        "openai": "mem0.embeddings.openai.OpenAIEmbedding",
        **{name: f"mem0.embeddings.vendors.{name}" for name, row in VENDORS.items() if row.embeds},
    }

    @classmethod
    def create(cls, provider: str, config: Any = None) -> Any:
        """Return a new embedder; arguments and errors are those of every factory."""
        if provider == "huggingface" and isinstance(config, Mapping) and config.get("huggingface_base_url"):
            # As published: a server of Text Embeddings Inference, reached without loading any model here.
            provider = "tei"
            config = {"tei_base_url" if name == "huggingface_base_url" else name: config[name] for name in config}
        return super().create(provider, config)


class VectorStoreFactory(_Factory):
    """Makes vector stores."""

    kind = "vector_store"
    group = "mem0.vector_stores"
    providers: ClassVar[dict[str, str]] = {
        "qdrant": "mem0.vector_stores.qdrant.Qdrant",
        "sqlite": "mem0.vector_stores.sqlite.SQLiteVectorStore",
    }


class RerankerFactory(_Factory):
    """Makes rerankers."""

    kind = "reranker"
    group = "mem0.rerankers"
    providers: ClassVar[dict[str, str]] = {
        "cohere": "mem0.rerankers.cohere.CohereReranker",
        "llm": "mem0.rerankers.llm.LLMReranker",
        "sentence_transformer": "mem0.rerankers.sentence_transformer.SentenceTransformerReranker",
    }
