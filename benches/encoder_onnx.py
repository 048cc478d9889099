"""The default encoder's original file in ONNX Runtime, one thread, for `./dev bench encoder`.

Its weights hold numbers that are, or make, denormal ones, with which Intel's processors are slow (ONNX
Runtime's `session.set_denormal_as_zero` changes nothing here): a copy without them, as Limen loads them,
is measured too.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "weights"))
import packages  # noqa: E402

random = np.random.default_rng(1)


def session(negligible: float) -> onnxruntime.InferenceSession:
    model = onnx.load_from_string(packages.original(packages.MOBILEFACENET, packages.DEFAULT_CACHE))
    # The file fixes the batch at 1; the graph does not.
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for weight in model.graph.initializer:
        numbers = numpy_helper.to_array(weight)
        if numbers.dtype == np.float32:
            kept = np.where(np.abs(numbers) < negligible, np.float32(0), numbers)
            weight.CopyFrom(numpy_helper.from_array(kept, weight.name))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


for negligible, weights in ((0.0, "its own weights"), (1e-12, "none under 1e-12")):
    encoder = session(negligible)
    for faces in (1, 8, 32):
        chips = random.uniform(-1, 1, (faces, 3, 112, 112)).astype(np.float32)
        times = []
        for _ in range(max(5, 60 // faces)):
            start = time.perf_counter()
            encoder.run(None, {"input": chips})
            times.append(time.perf_counter() - start)
        median = np.median(times) * 1e3
        print(f"ONNX Runtime f32, {weights}, {faces:>2} faces: median {median:.2f} ms", flush=True)
