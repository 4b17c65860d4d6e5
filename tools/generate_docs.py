"""The parts of docs/ that are made from the code: tables of options and providers, the tree of errors, an example.

    python tools/generate_docs.py --write    # bring the pages up to date
    python tools/generate_docs.py --check    # say which are not, and fail

A page marks where a part stands; what is between the two marks is replaced:

    <!-- generated: options MemoryConfig -->
    <!-- end generated -->
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import mem0.exceptions
import mem0.legs
from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory
from mem0.wire.vendors import VENDORS

# The tables are of our own classes: SDKs that have environments of their own are stood in for.
for _absent in ("litellm", "sentence_transformers"):
    if importlib.util.find_spec(_absent) is None:
        sys.modules[_absent] = types.ModuleType(_absent)
        sys.modules[_absent].SentenceTransformer = object  # type: ignore[attr-defined]
        sys.modules[_absent].CrossEncoder = object  # type: ignore[attr-defined]
        sys.modules[_absent].provider_list = []  # type: ignore[attr-defined]

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

MODELS = {
    "MemoryConfig": "mem0.configs.base",
    "AWSBedrockEmbeddingConfig": "mem0.embeddings.aws_bedrock",
    "AzureOpenAIEmbeddingConfig": "mem0.embeddings.azure_openai",
    "FastEmbedEmbeddingConfig": "mem0.embeddings.fastembed",
    "GeminiEmbeddingConfig": "mem0.embeddings.gemini",
    "HuggingFaceEmbeddingConfig": "mem0.embeddings.huggingface",
    "LangChainEmbeddingConfig": "mem0.embeddings.langchain",
    "LiteLLMEmbeddingConfig": "mem0.embeddings.litellm",
    "OllamaEmbeddingConfig": "mem0.embeddings.ollama",
    "OnnxEmbeddingConfig": "mem0.embeddings.onnx",
    "OpenAIEmbeddingConfig": "mem0.embeddings.openai",
    "AWSBedrockLlmConfig": "mem0.llms.aws_bedrock",
    "AnthropicLlmConfig": "mem0.llms.anthropic",
    "AzureOpenAILlmConfig": "mem0.llms.azure_openai",
    "GeminiLlmConfig": "mem0.llms.gemini",
    "GroqLlmConfig": "mem0.llms.groq",
    "LangChainLlmConfig": "mem0.llms.langchain",
    "LiteLlmConfig": "mem0.llms.litellm",
    "OllamaLlmConfig": "mem0.llms.ollama",
    "OpenAILlmConfig": "mem0.llms.openai",
    "TogetherLlmConfig": "mem0.llms.together",
    "CohereRerankerConfig": "mem0.rerankers.cohere",
    "LLMRerankerConfig": "mem0.rerankers.llm",
    "SentenceTransformerRerankerConfig": "mem0.rerankers.sentence_transformer",
    "QdrantConfig": "mem0.vector_stores.qdrant",
    "SQLiteVectorStoreConfig": "mem0.vector_stores.sqlite",
}
FACTORIES = {
    "llm": LlmFactory,
    "embedder": EmbedderFactory,
    "reranker": RerankerFactory,
    "vector_store": VectorStoreFactory,
}

# Of each provider: its extra, the variable of its key, and the test that drives it.  Those that speak OpenAI's protocol
# need no extra, and are in the tests of all of them together.
_VENDORS = "tests/llms/test_chat_vendors.py"
PROVIDERS = {
    "llm": {
        "anthropic": ("anthropic", "tests/llms/test_anthropic_llm.py"),
        "aws_bedrock": ("bedrock", "tests/llms/test_aws_bedrock_llm.py"),
        "azure_openai": ("", "tests/llms/test_azure_openai.py"),
        "azure_openai_structured": ("", "tests/llms/test_azure_openai.py"),
        "gemini": ("gemini", "tests/llms/test_gemini_llm.py"),
        "groq": ("groq", _VENDORS),
        "langchain": ("", "tests/llms/test_langchain_llm.py"),
        "litellm": ("litellm", "tests/llms/test_litellm.py"),
        "ollama": ("ollama", "tests/llms/test_ollama_llm.py"),
        "openai": ("", "tests/llms/test_openai_llm.py"),
        "openai_structured": ("", "tests/llms/test_openai_llm.py"),
        "together": ("together", _VENDORS),
        **{row.provider: ("", _VENDORS) for row in VENDORS.values() if row.answers},
    },
    "embedder": {
        "aws_bedrock": ("bedrock", "tests/embeddings/test_aws_bedrock_embedding.py"),
        "azure_openai": ("", "tests/llms/test_azure_openai.py"),
        "fastembed": ("fastembed", "tests/embeddings/test_fastembed_embedding.py"),
        "gemini": ("gemini", "tests/embeddings/test_gemini_embedding.py"),
        "huggingface": ("huggingface", "tests/embeddings/test_huggingface_embedding.py"),
        "langchain": ("", "tests/embeddings/test_langchain_embedding.py"),
        "litellm": ("litellm", "tests/llms/test_litellm.py"),
        "ollama": ("ollama", "tests/embeddings/test_ollama_embedding.py"),
        "onnx": ("", "tests/embeddings/test_onnx.py"),
        "openai": ("", "tests/embeddings/test_openai_embedding.py"),
        **{row.provider: ("", "tests/embeddings/test_vendor_embeddings.py") for row in VENDORS.values() if row.embeds},
    },
    "reranker": {
        "cohere": ("cohere", "tests/rerankers/test_cohere_reranker.py"),
        "llm": ("", "tests/rerankers/test_llm_reranker.py"),
        "llm_reranker": ("", "tests/rerankers/test_llm_reranker.py"),
        "sentence_transformer": ("huggingface", "tests/rerankers/test_sentence_transformer_reranker.py"),
    },
    "vector_store": {
        "qdrant": ("qdrant", "tests/vector_stores/test_qdrant.py"),
        "sqlite": ("", "tests/vector_stores/test_sqlite_store.py"),
    },
}
# Files of the example package that a page shows.
EXAMPLE = {
    "package": "pyproject.toml",
    **{name: f"src/mem0_example_plugin/{name}.py" for name in ("embedder", "llm", "reranker", "store")},
}
# Where the key is not simply in one variable.
KEYS = {
    "aws_bedrock": "what boto3 finds",
    "langchain": "the model object's",
    "litellm": "the model's vendor's",
    "gemini": "`GOOGLE_API_KEY`, `GEMINI_API_KEY`",
}

PART = re.compile(
    r"^(?P<begin><!-- generated: (?P<kind>\w+) ?(?P<name>\w*) -->)\n.*?^(?P<end><!-- end generated -->)$",
    re.MULTILINE | re.DOTALL,
)


def generated(page: str) -> str:
    """Return the text of a page with every part made anew."""

    def part(found: re.Match[str]) -> str:
        return f"{found['begin']}\n\n{PARTS[found['kind']](found['name'])}\n\n{found['end']}"

    return PART.sub(part, page)


def options(name: str) -> str:
    """Return the table of a model's fields."""
    model: type[BaseModel] = getattr(importlib.import_module(MODELS[name]), name)
    rows = [
        (f"`{key}`", written(field), f"`{default(field)}`", sentence(field, f"{name}.{key}"))
        for key, field in model.model_fields.items()
    ]
    return table(("key", "type", "default", "meaning"), rows)


def providers(name: str) -> str:
    """Return the table of what a factory makes."""
    factory = FACTORIES[name]
    rows = []
    for provider in sorted(factory.providers):
        extra, test = PROVIDERS[name][provider]
        made = factory.load(provider)
        rows.append(
            (
                f"`{provider}`",
                (inspect.getdoc(made) or "").splitlines()[0].partition(";")[0].rstrip("."),
                f"`{extra}`" if extra else "",
                key_of(provider, made),
                model_of(made),
                f"`{test}`",
            )
        )
    return table(("`provider`", "what it is", "extra", "key", "default model", "test"), rows)


def key_of(provider: str, made: type[Any]) -> str:
    """Return where a provider's key is looked for, where the configuration has none."""
    vendor = getattr(getattr(made, "options", None), "vendor", None)
    key = getattr(vendor, "key", None)
    return KEYS.get(provider) or (f"`{key}`" if key else "")


def model_of(made: type[Any]) -> str:
    """Return the model that a provider asks where none is named."""
    fields = made.options.model_fields if hasattr(made, "options") else {}
    if "model" not in fields:
        return ""
    model = getattr(made, "default_model", None)
    model = fields["model"].default if model is None else model
    return f"`{model}`" if model else "to be named"


def errors(_name: str) -> str:
    """Return the tree that stands in ``mem0.exceptions``."""
    text = inspect.getdoc(mem0.exceptions) or ""
    tree = re.search(r"^ *Mem0Error$.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert tree, "mem0.exceptions says nothing of its tree"
    return f"```text\n{inspect.cleandoc(tree[0]).strip()}\n```"


def weights(_name: str) -> str:
    """Return the table of what each leg of a search counts."""
    rows = [
        (f"`{name}`", *(f"{counts[name]:g}" if name in counts else "" for counts in (mem0.legs.FINE, mem0.legs.COARSE)))
        for name in {**mem0.legs.FINE, **mem0.legs.COARSE}
    ]
    return table(("leg", "word by word", "otherwise"), rows)


def example(name: str) -> str:
    """Return a file of the example package as it is."""
    path = ROOT / "examples" / "plugin" / EXAMPLE[name]
    language = {".py": "python", ".toml": "toml"}[path.suffix]
    return f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"


PARTS: dict[str, Callable[[str], str]] = {
    "example": example,
    "options": options,
    "providers": providers,
    "errors": errors,
    "weights": weights,
}


# -- cells ------------------------------------------------------------------------------------------


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def written(field: FieldInfo) -> str:
    """Return a field's type and bounds, as one would say them."""
    bounds = []
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            bounds.append(f"from {bound.ge}")
        elif isinstance(bound, annotated_types.Gt):
            bounds.append(f"above {bound.gt}")
    return ", ".join([kind(field.annotation), *bounds])


def kind(annotation: Any) -> str:
    """Return a type in words; that a field may be left out is said by its default."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(member) for member in arguments if member is not type(None))
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin is tuple:
        return f"list of {kind(arguments[0])}"
    if origin is Callable:
        return "function"
    # On Python 3.10, dict[str, Any] passes for a class.
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "dict"
    words = {str: "text", SecretStr: "text", int: "whole number", float: "number", bool: "`True` or `False`"}
    return "anything" if annotation is Any else words[annotation]


def default(field: FieldInfo) -> str:
    """Return a field's default as Python."""
    value = field.get_default(call_default_factory=True)
    return json.dumps(value) if isinstance(value, str) else repr(value)


def sentence(field: FieldInfo, name: str) -> str:
    """Return what a field means."""
    assert field.description, f"{name} has no description"
    return field.description


# -- command ----------------------------------------------------------------------------------------


def main() -> int:
    """Write the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(description="Make the generated parts of docs/ from the code.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="bring the pages up to date")
    mode.add_argument("--check", action="store_true", help="fail if one is out of date")
    write: bool = parser.parse_args().write

    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = generated(before)
        if after != before:
            stale.append(page.relative_to(DOCS.parent).as_posix())
            if write:
                page.write_text(after, encoding="utf-8", newline="\n")
    if write:
        print("\n".join(f"written: {page}" for page in stale) or "nothing to change")
        return 0
    if stale:
        print(f"out of date: {', '.join(stale)}; run: python tools/generate_docs.py --write", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
