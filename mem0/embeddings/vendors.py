"""Embedders of the vendors that speak OpenAI's protocol, made of their rows: ``vendors.mistral`` and the others."""

from __future__ import annotations

from functools import cache
from typing import Any

from mem0.embeddings.openai import OpenAIEmbedding
from mem0.wire.openai import of_vendor
from mem0.wire.vendors import VENDORS


@cache
def __getattr__(name: str) -> type[Any]:
    row = VENDORS.get(name)
    if row is None or not row.embeds:
        raise AttributeError(f"module {__name__!r} has no embedder of a vendor {name!r}")
    limits = {"most_texts": row.most_texts, "most_bytes": row.most_bytes}
    return of_vendor(OpenAIEmbedding, row, __name__, default_model=row.embedder, **limits)
