"""The tool that makes the bundled model: what it refuses, and that what is shipped is what it made."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from pathlib import Path
from types import ModuleType

import pytest

import mem0

BUNDLED = Path(mem0.__file__).parent / "embeddings" / "minilm"
TOOL = Path(__file__).parents[2] / "tools" / "build_minilm.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("build_minilm", TOOL)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_shipped_is_what_the_tool_made(tool: ModuleType) -> None:
    assert sha256(BUNDLED / "model.onnx") == tool.MODEL_SHA256
    assert sha256(BUNDLED / "tokenizer.json") == tool.SOURCE_SHA256["tokenizer.json"]
    assert (BUNDLED / "model.onnx").stat().st_size < 24_000_000


def test_what_is_shipped_says_where_it_is_from(tool: ModuleType) -> None:
    text = (BUNDLED / "README.md").read_text("utf-8")
    for fact in (tool.REVISION, tool.MODEL_SHA256, tool.SOURCE_SHA256["tokenizer.json"], "Apache License 2.0"):
        assert fact in text


def test_other_weights_are_refused(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    (tmp_path / "tokenizer.json").write_bytes((BUNDLED / "tokenizer.json").read_bytes())
    assert tool.main(["--source", str(tmp_path), "--output", str(tmp_path / "made")]) == 1
    said = capsys.readouterr().err
    for fact in (str(tmp_path / "model.safetensors"), tool.SOURCE_SHA256["model.safetensors"], tool.REVISION):
        assert fact in said
    assert hashlib.sha256(b"other weights").hexdigest() in said
    assert not (tmp_path / "made").exists()


def test_another_tokenizer_is_refused(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer.json").write_bytes((BUNDLED / "tokenizer.json").read_bytes() + b" ")
    monkeypatch.setitem(tool.SOURCE_SHA256, "model.safetensors", hashlib.sha256(b"").hexdigest())
    with pytest.raises(tool.SourceError, match="json is not the pinned file"):
        tool.read_source(tmp_path)


def test_a_missing_file_is_named(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--source", str(tmp_path)]) == 1
    assert str(tmp_path / "model.safetensors") in capsys.readouterr().err


def test_safetensors_are_read(tool: ModuleType) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "ids": {"dtype": "I64", "shape": [1], "data_offsets": [8, 16]},
        "weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
    }
    raw = json.dumps(header).encode()
    tensors = tool.parse_safetensors(struct.pack("<Q", len(raw)) + raw + struct.pack("<ffq", 1.5, -2.0, 7))
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"weight": [[1.5, -2.0]], "ids": [7]}
