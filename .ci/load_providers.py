"""Load the class of every provider that an extra brings; fails where one cannot be imported.

python .ci/load_providers.py all        every provider but LiteLLM, and what telemetry sends with
python .ci/load_providers.py litellm    LiteLLM
"""

from __future__ import annotations

import sys
from importlib import import_module

from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory


def main(extra: str) -> None:
    """Load them, and say which."""
    for factory in (LlmFactory, EmbedderFactory, VectorStoreFactory, RerankerFactory):
        for provider in factory.providers:
            if (provider == "litellm") == (extra == "litellm"):
                print(f"{factory.kind:12} {provider:24} {factory.load(provider).__name__}")
    if extra == "all":
        print(f"{'telemetry':37} {import_module('posthog.request').__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
