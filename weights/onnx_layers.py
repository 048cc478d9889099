"""Reads the weights of an ONNX graph, layer by layer in the order in which the graph runs."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper

from architectures import Layer

KINDS = {
    "Conv": "conv", "PRelu": "prelu", "MatMul": "linear", "Gemm": "linear",
    "BatchNormalization": "batch_norm",
}
BATCH_NORM_EPSILON = 1e-5


def named_tensors(model: bytes, layers: Iterable[Layer]) -> dict[str, np.ndarray]:
    """The model's tensors in f32, laid out as PyTorch does, under the names of `layers`."""
    graph = onnx.load_from_string(model).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = iter([node for node in graph.node if node.op_type in KINDS])
    tensors: dict[str, np.ndarray] = {}
    channels = 0  # of what the last layer puts out
    for name, kind in layers:
        if kind == "relu":  # a PReLU that lets nothing below zero through
            tensors[f"{name}.weight"] = np.zeros(channels)
            continue
        node = next(nodes)
        if KINDS[node.op_type] != kind:
            raise SystemExit(f"{name}: the graph has {node.op_type} where a {kind} is expected")
        weights = [values[parameter] for parameter in node.input[1:]]
        channels = len(weights[-1])
        tensors.update({f"{name}.{part}": value for part, value in _parts(node, kind, weights)})
    if next(nodes, None) is not None:
        raise SystemExit("the graph has more layers than expected")
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}


def _parts(node, kind: str, weights: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
    match kind:
        case "conv":
            weight, bias = weights
            return [("weight", weight), ("bias", bias)]
        case "prelu":
            return [("weight", weights[0].reshape(-1))]
        case "linear" if node.op_type == "Gemm":
            if [(a.name, a.i) for a in node.attribute if a.name.startswith("trans")] != [("transB", 1)]:
                raise SystemExit("a Gemm that does not multiply by the transpose")
            return list(zip(("weight", "bias"), weights, strict=True))
        case "linear":
            # ONNX multiplies x @ W; PyTorch keeps the transpose.
            return [("weight", weights[0].T)]
        case "batch_norm":
            epsilon = next(a.f for a in node.attribute if a.name == "epsilon")
            if not np.isclose(epsilon, BATCH_NORM_EPSILON):
                raise SystemExit(f"unexpected epsilon {epsilon} in batch normalisation")
            return list(zip(("weight", "bias", "running_mean", "running_var"), weights, strict=True))
    raise ValueError(kind)
