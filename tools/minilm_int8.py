"""The model of ``build_minilm.py``: BERT in numpy, and the same as an ONNX graph with int8 weights.

Arrays in, bytes out; no file is touched.  The graph is written node by node in the operators onnxruntime runs
fastest, and three things keep the rounding small.

* Token embeddings keep one scale per row, weight matrices one per output column.
* Weights use 7 of their 8 bits: without VNNI, processors add pairs of products in 16 bits, and 8 x 8 bits
  would saturate there.
* onnxruntime quantises activations with one scale per tensor, so a single large channel makes all others
  coarse, and BERT has such channels.  Before attention and the feed-forward layer they are shrunk and their
  weights grown by the same power of two; inside the feed-forward layer each is spread over several copies.
  Which channels these are is read off a few texts run in float64, so that it is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
WEIGHT_LEVELS = 64  # 7 bits: 255 * 64 * 2 still fits the 16-bit sums
SPARE_CHANNELS = 16  # copies per feed-forward layer; more changes nothing
PEAK = 4.0  # a channel may reach this many times the median channel's peak

Array = np.ndarray[Any, np.dtype[Any]]
Weights = dict[str, Array]
Peaks = dict[tuple[int, str], Array]


def linear(weights: Weights, *names: str) -> tuple[Array, Array]:
    """Return weight ``[in, out]`` and bias of a linear layer, or of several side by side."""
    return (
        np.concatenate([weights[f"{name}.weight"].T for name in names], axis=1),
        np.concatenate([weights[f"{name}.bias"] for name in names]),
    )


def layer_names(layer: int) -> dict[str, tuple[str, ...]]:
    """Return what the weights call the parts of one layer."""
    prefix = f"encoder.layer.{layer}"
    return {
        "qkv": tuple(f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")),
        "attention": (f"{prefix}.attention.output.dense",),
        "attention_norm": (f"{prefix}.attention.output.LayerNorm",),
        "up": (f"{prefix}.intermediate.dense",),
        "down": (f"{prefix}.output.dense",),
        "norm": (f"{prefix}.output.LayerNorm",),
    }


def forward(weights: Weights, ids: Sequence[int], peaks: Peaks | None = None) -> Array:
    """Run the original model in float64 on one text.

    Args:
        weights: The tensors of the safetensors file, as float64.
        ids: The token ids, special tokens included.
        peaks: Filled with the largest absolute input of each channel of each linear layer.

    Returns:
        The last hidden state, ``[tokens, 384]``.
    """
    erf = np.vectorize(math.erf)

    def norm(x: Array, name: str) -> Array:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPSILON)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def apply(x: Array, layer: int, part: str) -> Array:
        if peaks is not None:
            peak = np.abs(x).max(0)
            peaks[layer, part] = np.maximum(peaks.get((layer, part), peak), peak)
        weight, bias = linear(weights, *layer_names(layer)[part])
        return x @ weight + bias

    x = weights["embeddings.word_embeddings.weight"][np.asarray(ids)]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        names = layer_names(layer)
        heads = apply(x, layer, "qkv").reshape(len(ids), 3, HEADS, HIDDEN // HEADS).transpose(1, 2, 0, 3)
        query, key, value = heads
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        attended = (scores @ value).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        x = norm(apply(attended, layer, "attention") + x, names["attention_norm"][0])
        y = apply(x, layer, "up")
        y = y * 0.5 * (1 + erf(y / math.sqrt(2)))
        x = norm(apply(y, layer, "down") + x, names["norm"][0])
    return x


def sentence_vector(hidden: Array) -> Array:
    """Pool the last hidden state into the vector of the text: the mean, at length 1."""
    mean: Array = hidden.mean(0)
    mean /= np.linalg.norm(mean)
    return mean


def quantize_rows(table: Array) -> tuple[Array, Array]:
    """Quantise an embedding table to int8 with one scale per row."""
    scale = (np.abs(table).max(axis=1, keepdims=True) / 127).astype(np.float32)
    scale[scale == 0] = 1
    return np.rint(table / scale).astype(np.int8), scale


def quantize_columns(weight: Array, copies: Array | None = None) -> tuple[Array, Array]:
    """Quantise a matrix ``[in, out]`` to int8 with one scale per column, spreading rows over copies.

    Args:
        weight: The matrix.
        copies: For each row, over how many consecutive rows of the result it is spread, if not over one.
            Each copy will meet that fraction of the row's input; what one rounds away the others make up for.

    Returns:
        The int8 matrix ``[copies.sum(), out]`` and the float32 scales ``[out]``.
    """
    scale = (np.abs(weight).max(axis=0) / WEIGHT_LEVELS).astype(np.float32)
    rows = []
    for row, count in zip(weight, np.ones(len(weight), np.int64) if copies is None else copies, strict=True):
        total = np.rint(row * count / scale).astype(np.int64)
        for copy in range(count):
            rows.append((total + copy) // count)
    return np.stack(rows).astype(np.int8), scale


def shrink(peaks: Array) -> Array:
    """Return the power of two by which each channel is shrunk so that no peak stands out."""
    excess = np.maximum(peaks / (np.median(peaks) * PEAK), 1)
    factor: Array = np.exp2(np.rint(np.log2(excess))).astype(np.float32)
    return factor


def spread(peaks: Array) -> Array:
    """Share out the spare copies, each to the channel whose share of its peak is then the largest."""
    copies = np.ones(len(peaks), np.int64)
    for _ in range(SPARE_CHANNELS):
        copies[np.argmax(peaks / copies)] += 1
    return copies


class Graph:
    """The model under construction: nodes and constants in the order they are added."""

    def __init__(self, weights: Weights, peaks: Peaks) -> None:
        self.weights, self.peaks = weights, peaks
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Array) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its (first) output; ``ms.`` marks onnxruntime's own operators."""
        outputs = outputs or (f"{operator}.{len(self.nodes)}",)
        attributes |= {"name": outputs[0], "domain": "com.microsoft" if operator.startswith("ms.") else ""}
        self.nodes.append(helper.make_node(operator.removeprefix("ms."), inputs, outputs, **attributes))
        return outputs[0]

    def norm(self, x: str, name: str, output: str) -> str:
        """Add a layer normalisation."""
        inputs = [x, *(self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=EPSILON)

    def add_and_norm(self, x: str, y: str, name: str, output: str) -> str:
        """Add a residual and the layer normalisation after it."""
        # Of an Add, onnxruntime would make its SkipLayerNormalization, which is four times slower than this.
        return self.norm(self.node("Sum", [x, y]), name, output)

    def matmul(self, x: str, name: str, weight: Array, bias: Array, copies: Array | None = None) -> str:
        """Add a linear layer with int8 weights; ``x`` is quantised as it comes."""
        quantized, scale = quantize_columns(weight, copies)
        inputs = [x, self.constant(f"{name}.weight", quantized), self.constant(f"{name}.scale", scale), ""]
        return self.node("ms.DynamicQuantizeMatMul", [*inputs, self.constant(f"{name}.bias", bias)])

    def embeddings(self) -> str:
        """Add the sum of token and position vectors."""
        table, scale = quantize_rows(self.weights["embeddings.word_embeddings.weight"])
        x = self.node("Gather", [self.constant("words", table), "input_ids"])
        x = self.node("Cast", [x], to=TensorProto.FLOAT)
        x = self.node("Mul", [x, self.node("Gather", [self.constant("words.scale", scale), "input_ids"])])
        # There is one token type, so its vector is part of every position's.
        types = self.weights["embeddings.token_type_embeddings.weight"]
        positions = self.constant("positions", self.weights["embeddings.position_embeddings.weight"] + types[0])
        zero = self.constant("zero", np.array([0], np.int64))
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        x = self.node("Add", [x, self.node("Slice", [positions, zero, length, zero])])
        return self.norm(x, "embeddings.LayerNorm", "embeddings")

    def attention(self, x: str, mask: str, layer: int) -> str:
        """Add the first half of a layer."""
        names = layer_names(layer)
        factor = shrink(self.peaks[layer, "qkv"])
        weight, bias = linear(self.weights, *names["qkv"])
        quantized, scale = quantize_columns(weight * factor[:, None])
        small = self.node("Mul", [x, self.constant(f"{layer}.qkv.shrink", 1 / factor)])
        small_int, small_scale, small_zero = (f"{layer}.small.{part}" for part in ("int", "scale", "zero"))
        self.node("DynamicQuantizeLinear", [small], small_int, small_scale, small_zero)
        inputs = [small_int, self.constant(f"{layer}.qkv.weight", quantized), self.constant(f"{layer}.qkv.bias", bias)]
        inputs += [small_scale, self.constant(f"{layer}.qkv.scale", scale), mask, small_zero]
        y = self.node("ms.QAttention", inputs, num_heads=HEADS)
        y = self.matmul(y, f"{layer}.attention", *linear(self.weights, *names["attention"]))
        return self.add_and_norm(y, x, names["attention_norm"][0], f"{layer}.attended")

    def feed_forward(self, x: str, layer: int, output: str) -> str:
        """Add the second half of a layer."""
        names = layer_names(layer)
        factor = shrink(self.peaks[layer, "up"])
        copies = spread(self.peaks[layer, "down"])
        weight, bias = linear(self.weights, *names["up"])
        weight, bias = np.repeat(weight * factor[:, None], copies, axis=1), np.repeat(bias, copies)
        y = self.node("Mul", [x, self.constant(f"{layer}.up.shrink", 1 / factor)])
        y = self.node("ms.Gelu", [self.matmul(y, f"{layer}.up", weight, bias)])
        share = np.repeat(1 / copies, copies).astype(np.float32)
        y = self.node("Mul", [y, self.constant(f"{layer}.down.share", share)])
        y = self.matmul(y, f"{layer}.down", *linear(self.weights, *names["down"]), copies)
        return self.add_and_norm(y, x, names["norm"][0], output)

    def pool(self, x: str, output: str) -> str:
        """Add the mean over the mask, at length 1."""
        one = self.constant("one", np.array([1], np.int64))
        mask = self.node("Unsqueeze", [self.node("Cast", ["attention_mask"], to=TensorProto.FLOAT), one])
        # The sum has the direction of the mean, and only the direction stays.
        total = self.node("Squeeze", [self.node("MatMul", [mask, x]), one])
        return self.node("LpNormalization", [total], output, axis=-1, p=2)


def build_model(weights: Weights, peaks: Peaks) -> bytes:
    """Return the ONNX file: the model of :func:`forward` with int8 weights.

    Inputs are ``input_ids`` and ``attention_mask`` (int64, ``[batch, tokens]``); outputs are
    ``sentence_embedding`` (``[batch, 384]``, length 1) and ``token_embeddings`` (``[batch, tokens, 384]``).
    """
    graph = Graph(weights, peaks)
    mask = graph.node("Cast", ["attention_mask"], to=TensorProto.INT32)
    x = graph.embeddings()
    for layer in range(LAYERS):
        x = graph.attention(x, mask, layer)
        x = graph.feed_forward(x, layer, "token_embeddings" if layer == LAYERS - 1 else f"{layer}.output")
    graph.pool(x, "sentence_embedding")

    tokens = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, tokens) for n in ("input_ids", "attention_mask")]
    shapes = {"sentence_embedding": ["batch", HIDDEN], "token_embeddings": [*tokens, HIDDEN]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
