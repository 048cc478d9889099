"""The default encoder's original file in ONNX Runtime, one thread, for `./dev bench encoder`: as it is, and
without denormal numbers, as Limen loads it.
"""

import time

import numpy as np
import onnxruntime

from originals import NEGLIGIBLE, original, packages

random = np.random.default_rng(1)


def session(negligible: float) -> onnxruntime.InferenceSession:
    model = original(packages.MOBILEFACENET, negligible)
    # The file fixes the batch at 1; the graph does not.
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


for negligible, weights in ((0.0, "its own weights"), (NEGLIGIBLE, "no denormals")):
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
