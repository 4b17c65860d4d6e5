"""A model folder of a few hundred bytes: one table, looked up; for what the bundled model cannot show.

The ONNX file is protobuf written by hand, so that the tests need no package for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WORDS = ("<unk>", "<pad>", "red", "green", "blue")
TABLE = np.array([[9, 9, 9], [7, 7, 7], [1, 0, 0], [0, 1, 0], [0, 0, 2]], dtype=np.float32)

_FLOAT, _INT64 = 1, 7


def write(folder: Path, inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids")) -> Path:
    """Write ``model.onnx``, which says nothing of its size and doesn't pool, and ``tokenizer.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_model(inputs))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()), "utf-8")
    return folder


def _tokenizer() -> dict[str, object]:
    # As some are packaged: every text is filled and cut to six tokens, and none has special tokens.
    padding = {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>"}
    return {
        "version": "1.0",
        "truncation": {"max_length": 6, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": padding,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)}, "unk_token": "<unk>"},
    }


def _model(inputs: Sequence[str]) -> bytes:
    table = _field(1, len(TABLE)) + _field(1, TABLE.shape[1]) + _field(2, _FLOAT)
    table += _field(8, b"table") + _field(9, TABLE.tobytes())
    lookup = _field(1, b"table") + _field(1, inputs[0].encode()) + _field(2, b"last_hidden_state")
    graph = _field(1, lookup + _field(4, b"Gather")) + _field(2, b"tiny") + _field(5, table)
    for name in inputs:
        graph += _field(11, _value(name, _INT64, ("batch", "tokens")))
    graph += _field(12, _value("last_hidden_state", _FLOAT, ("batch", "tokens", "size")))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 17))


def _value(name: str, kind: int, shape: Sequence[str]) -> bytes:
    dimensions = b"".join(_field(1, _field(2, dimension.encode())) for dimension in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, kind) + _field(2, dimensions)))


def _field(number: int, value: int | bytes) -> bytes:
    """Return one protobuf field: a number, or bytes with their length before them."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
