"""The parts of docs/ that are made from the code: tables of options and providers, the tree of errors.

    python tools/generate_docs.py --write    # bring the pages up to date
    python tools/generate_docs.py --check    # say which are not, and fail

A page marks where a part stands; what is between the two marks is replaced:

    <!-- generated: options MemoryConfig -->
    <!-- end generated -->
"""

from __future__ import annotations

import argparse
import importlib
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
from mem0.utils.factory import EmbedderFactory, LlmFactory, VectorStoreFactory

DOCS = Path(__file__).resolve().parents[1] / "docs"

MODELS = {
    "MemoryConfig": "mem0.configs.base",
    "OnnxEmbeddingConfig": "mem0.embeddings.onnx",
    "OpenAIEmbeddingConfig": "mem0.embeddings.openai",
    "OpenAILlmConfig": "mem0.llms.openai",
    "SQLiteVectorStoreConfig": "mem0.vector_stores.sqlite",
}
FACTORIES = {"llm": LlmFactory, "embedder": EmbedderFactory, "vector_store": VectorStoreFactory}

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
    for provider, path in sorted(factory.providers.items()):
        summary = (inspect.getdoc(factory.load(provider)) or "").splitlines()[0]
        rows.append((f"`{provider}`", f"`{path}`", summary))
    return table(("`provider`", "class", "what it is"), rows)


def errors(_name: str) -> str:
    """Return the tree that stands in ``mem0.exceptions``."""
    text = inspect.getdoc(mem0.exceptions) or ""
    tree = re.search(r"^ *Mem0Error$.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert tree, "mem0.exceptions says nothing of its tree"
    return f"```text\n{inspect.cleandoc(tree[0]).strip()}\n```"


PARTS: dict[str, Callable[[str], str]] = {"options": options, "providers": providers, "errors": errors}


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
