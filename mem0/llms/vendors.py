"""LLMs of the vendors that speak OpenAI's chat protocol, made of their rows: ``vendors.deepseek`` and the others."""

from __future__ import annotations

from functools import cache
from typing import Any

from mem0.llms.openai import OpenAILLM
from mem0.wire.openai import of_vendor
from mem0.wire.vendors import VENDORS


@cache
def __getattr__(name: str) -> type[Any]:
    row = VENDORS.get(name)
    if row is None or not row.answers:
        raise AttributeError(f"module {__name__!r} has no LLM of a vendor {name!r}")
    return of_vendor(OpenAILLM, row, __name__, default_model=row.llm)
