"""From a provider's name to the object: our own table, other people's entry points, and what was registered.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module, metadata
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel

from mem0.configs.options import validated
from mem0.exceptions import ConfigError, Mem0Error, MissingDependencyError
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
    "litellm": "litellm>=1.81,<2,!=1.82.7,!=1.82.8,!=1.107.0",
    "numpy": "numpy>=1.24,<3",
    "ollama": "ollama>=0.6.2,<1",
    "onnxruntime": "onnxruntime>=1.19,<2",
    "openai": "openai>=1.56,<4",
    "qdrant_client": "qdrant-client>=1.16,<2",
    "sentence_transformers": "sentence-transformers>=3,<7",
    "together": "together>=3,<4",
    "tokenizers": "tokenizers>=0.15,<1",
}


_OPENAI_WIRE = "it speaks OpenAI's protocol: provider 'openai' with its base_url"
_HUGGINGFACE = "mem0.embeddings.huggingface.HuggingFaceEmbedding"
_GEMINI = "Gemini's models come through provider 'gemini', with a key"


_Table: TypeAlias = dict[str, str | tuple[str, type[Any] | None]]


class _Factory:
    """Base of the factories: each has a table of its own.

    Attributes:
        kind: What it makes, as the configuration calls it.
        group: The entry points it looks at.
        providers: By name, the path of a class, or of a class and the class of its options.
        elsewhere: Published providers that are not here, and what to do instead.
    """

    kind: ClassVar[str]
    group: ClassVar[str]
    providers: ClassVar[_Table]
    elsewhere: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def create(cls, provider: str, config: Any = None) -> Any:
        """Return a new object of a provider.

        Args:
            provider: A name from the table, of an installed package's entry point, or registered.
            config: The provider's options: its options object, a dict, or nothing.

        Raises:
            ConfigError: The name is unknown, the options do not fit, or no object could be made.
            MissingDependencyError: The provider needs a package that is not installed.
        """
        made = cls.load(provider)
        where = cls._called(provider)
        row = cls.providers.get(provider)
        beside = row[1] if isinstance(row, tuple) else None
        options = beside or getattr(made, "options", None)
        if isinstance(config, Mapping) and isinstance(options, type) and issubclass(options, BaseModel):
            config = validated(options, config, f"{cls.kind} {provider!r} config")
        try:
            if isinstance(config, Mapping) and beside is not None:
                config = beside(**config)
            # A class written without options need not take any.
            arguments = (config,) if config else ()
            _check_takes(made, arguments, where)
            return made(*arguments)
        except Mem0Error:
            raise
        except Exception as error:
            raise ConfigError(f"{where} cannot be made: {type(error).__name__}: {error}") from error

    @classmethod
    def load(cls, provider: str) -> type[Any]:
        """Return a provider's class.

        Raises:
            ConfigError: The name is unknown, or leads to no class.
            MissingDependencyError: The provider needs a package that is not installed.
        """
        where = cls._called(provider)
        if not isinstance(provider, str):
            raise ConfigError(f"{where}: expected a name, not {type(provider).__name__}")
        module, names = cls._place(provider)
        path = ".".join((module, *names))
        try:
            loaded: Any = import_module(module)
        except Mem0Error:
            raise
        except Exception as error:
            raise _not_imported(error, module, where, path) from error
        try:
            for name in names:
                loaded = getattr(loaded, name)
        except AttributeError as error:
            raise ConfigError(f"{where}: {error}; its path is {path!r}") from error
        if not callable(loaded):
            raise ConfigError(f"{where}: expected a class at {path!r}, not {type(loaded).__name__}")
        made: type[Any] = loaded
        return made

    @classmethod
    def register(cls, provider: str, path: str) -> None:
        """Make a class known under a name, as ``package.module.Class``; it is imported on use.

        It goes before one of that name that is there already.

        Raises:
            ConfigError: The name is no text, or the path no dotted one.
        """
        given: tuple[object, object] = (provider, path)
        if not isinstance(given[0], str) or not provider:
            raise ConfigError(f"register({provider!r}, ...): expected a name, not {type(provider).__name__}")
        dotted = path.replace(":", ".") if isinstance(given[1], str) else ""  # a colon, as entry points have it
        if not dotted.rpartition(".")[0].strip("."):
            raise ConfigError(
                f"register({provider!r}, {path!r}): expected a dotted path such as 'package.module.Class', as text; "
                "an object is passed to Memory as it is"
            )
        cls.providers[provider] = dotted

    @classmethod
    def register_provider(cls, name: str, class_path: str, config_class: type[Any] | None = None) -> None:
        """Do what :meth:`register` does, in the published form: with the class of its options."""
        cls.register(name, class_path)
        cls.providers[name] = (str(cls.providers[name]), config_class)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names that can be asked for."""
        return sorted({*cls.providers, *(entry.name for entry in metadata.entry_points(group=cls.group))})

    @classmethod
    def _called(cls, provider: object) -> str:
        """Return what to call a provider in an error."""
        return f"{cls.kind} provider {provider!r}"

    @classmethod
    def _place(cls, provider: str) -> tuple[str, list[str]]:
        """Return the module of a provider, and what to look up in it."""
        row = cls.providers.get(provider)
        if row is not None:
            module, _, name = (row if isinstance(row, str) else row[0]).rpartition(".")
            return module, [name]
        where = cls._called(provider)
        entries = {entry.value: entry for entry in metadata.entry_points(group=cls.group) if entry.name == provider}
        if not entries:
            raise ConfigError(f"{where} is unknown; {cls.elsewhere.get(provider) or _nearest(provider, cls.names())}")
        if len(entries) > 1:
            packages = ", ".join(sorted(f"{_package(entry)} ({value})" for value, entry in entries.items()))
            raise ConfigError(
                f"{where} is in more than one installed package: {packages}; uninstall all but one, or choose: "
                f"{cls.__name__}.register({provider!r}, 'package.module.Class')"
            )
        ((value, entry),) = entries.items()
        # Not `entry.module`, which takes only what is written rightly.
        module, _, name = value.partition("[")[0].partition(":")
        if not name.strip():
            raise ConfigError(
                f"{where}: the entry point of {_package(entry)} is {value!r}; it has to name a class: "
                "'package.module:Class'"
            )
        return module.strip(), name.strip().split(".")


def _check_takes(made: Any, arguments: tuple[Any, ...], where: str) -> None:
    """Check that a class takes the options that there are, or none where there are none."""
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):  # one made in C may not tell
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        trouble = "takes no options: leave its config out" if arguments else "needs options: give them in its config"
        raise ConfigError(f"{where} {trouble} ({getattr(made, '__name__', made)}(): {error})") from error


def _not_imported(error: Exception, module: str, where: str, path: str) -> ConfigError:
    """Return why a provider's module cannot be imported, and what to do."""
    missing = error.name or "" if isinstance(error, ImportError) else ""
    top = missing.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and top == module.partition(".")[0]:
        return ConfigError(f"{where}: there is no module {missing!r}; its path is {path!r}")
    install = f"pip install {_INSTALL[top]!r}" if top in _INSTALL else ""
    if isinstance(error, ModuleNotFoundError):
        return MissingDependencyError(
            f"{where} needs {missing!r}: {install or 'the package that has this module is not installed'}"
        )
    if install:  # the package is there, and has not what we need of it
        return MissingDependencyError(f"{where} needs another version of {missing!r} ({error}): {install}")
    kind = MissingDependencyError if isinstance(error, ImportError) else ConfigError
    return kind(f"{where} cannot be imported: {type(error).__name__}: {error}; its path is {path!r}")


def _nearest(provider: str, names: list[str]) -> str:
    """Return what to say of a name that is not among these."""
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(provider.strip().casefold(), folded, n=1)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    return f"there are: {', '.join(names)}; for another one, see 'Writing a provider' in the documentation"


def _package(entry: metadata.EntryPoint) -> str:
    return repr(entry.dist.name) if entry.dist is not None else "an installed package"


class LlmFactory(_Factory):
    """Makes LLMs."""

    kind = "llm"
    group = "mem0.llms"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "grok": "did you mean 'xai', whose models are called so, or 'groq'?",
        "minimax": _OPENAI_WIRE,
        "sarvam": _OPENAI_WIRE,
        "vertexai": _GEMINI,
    }
    providers: ClassVar[_Table] = {
        "anthropic": "mem0.llms.anthropic.AnthropicLLM",
        "aws_bedrock": "mem0.llms.aws_bedrock.AWSBedrockLLM",
        "azure_openai": "mem0.llms.azure_openai.AzureOpenAILLM",
        "azure_openai_structured": "mem0.llms.azure_openai.AzureOpenAILLM",  # the published name of the same
        "gemini": "mem0.llms.gemini.GeminiLLM",
        "groq": "mem0.llms.groq.GroqLLM",
        "langchain": "mem0.llms.langchain.LangChainLLM",
        "litellm": "mem0.llms.litellm.LiteLLM",
        "ollama": "mem0.llms.ollama.OllamaLLM",
        "openai": "mem0.llms.openai.OpenAILLM",
        "openai_structured": "mem0.llms.openai.OpenAILLM",  # the published name of the same
        "together": "mem0.llms.together.TogetherLLM",
        **{name: f"mem0.llms.vendors.{name}" for name, row in VENDORS.items() if row.answers},
    }
    provider_to_class = providers  # its published name


class EmbedderFactory(_Factory):
    """Makes embedders."""

    kind = "embedder"
    group = "mem0.embedders"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "vertexai": _GEMINI,
    }
    providers: ClassVar[_Table] = {
        "aws_bedrock": "mem0.embeddings.aws_bedrock.AWSBedrockEmbedding",
        "azure_openai": "mem0.embeddings.azure_openai.AzureOpenAIEmbedding",
        "fastembed": "mem0.embeddings.fastembed.FastEmbedEmbedding",
        "gemini": "mem0.embeddings.gemini.GeminiEmbedding",
        "huggingface": _HUGGINGFACE,
        "langchain": "mem0.embeddings.langchain.LangChainEmbedding",
        "litellm": "mem0.embeddings.litellm.LiteLLMEmbedding",
        "ollama": "mem0.embeddings.ollama.OllamaEmbedding",
        "onnx": "mem0.embeddings.onnx.OnnxEmbedding",
        "openai": "mem0.embeddings.openai.OpenAIEmbedding",
        **{name: f"mem0.embeddings.vendors.{name}" for name, row in VENDORS.items() if row.embeds},
    }
    provider_to_class = providers  # its published name

    @classmethod
    def create(cls, provider: str, config: Any = None) -> Any:
        """Return a new embedder; arguments and errors are those of every factory."""
        is_ours = provider == "huggingface" and cls.providers.get(provider) == _HUGGINGFACE
        if is_ours and isinstance(config, Mapping) and config.get("huggingface_base_url"):
            # As published: a server of Text Embeddings Inference, reached without loading any model here.
            provider = "tei"
            config = {"tei_base_url" if name == "huggingface_base_url" else name: config[name] for name in config}
        return super().create(provider, config)


class VectorStoreFactory(_Factory):
    """Makes vector stores."""

    kind = "vector_store"
    group = "mem0.vector_stores"
    elsewhere: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("chroma", "faiss"), "for a store in files of this machine leave vector_store out"
    )
    providers: ClassVar[_Table] = {
        "qdrant": "mem0.vector_stores.qdrant.Qdrant",
        "sqlite": "mem0.vector_stores.sqlite.SQLiteVectorStore",
    }
    provider_to_class = providers  # its published name


class RerankerFactory(_Factory):
    """Makes rerankers."""

    kind = "reranker"
    group = "mem0.rerankers"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "huggingface": "the same models come through provider 'sentence_transformer'",
    }
    providers: ClassVar[_Table] = {
        "cohere": "mem0.rerankers.cohere.CohereReranker",
        "llm": "mem0.rerankers.llm.LLMReranker",
        "llm_reranker": "mem0.rerankers.llm.LLMReranker",  # the published name of the same
        "sentence_transformer": "mem0.rerankers.sentence_transformer.SentenceTransformerReranker",
    }
    provider_to_class = providers  # its published name
