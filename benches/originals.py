"""The original networks, as their packages have them and without numbers so small that they only slow down.

MobileFaceNet's weights hold numbers that are, or make, denormal ones, with which Intel's processors are
slow (ONNX Runtime's `session.set_denormal_as_zero` changes nothing here); Limen loads it without them.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "weights"))
import packages  # noqa: E402

NEGLIGIBLE = 1e-12


def original(network: packages.Original, negligible: float = 0.0) -> onnx.ModelProto:
    """The network; weights under `negligible` are zero."""
    model = onnx.load_from_string(packages.original(network, packages.DEFAULT_CACHE))
    for weight in model.graph.initializer:
        numbers = numpy_helper.to_array(weight)
        if numbers.dtype == np.float32:
            kept = np.where(np.abs(numbers) < negligible, np.float32(0), numbers)
            weight.CopyFrom(numpy_helper.from_array(kept, weight.name))
    return model
