"""The default encoder's original file in ONNX Runtime, one thread, for `./dev bench encoder`: as it is, and
without denormal numbers, as Limen loads it. And SFace's, which takes one face at a time.
"""

import time

import numpy as np
import onnxruntime

from originals import NEGLIGIBLE, original, packages

random = np.random.default_rng(1)


def session(encoder: packages.Original, negligible: float) -> onnxruntime.InferenceSession:
    model = original(encoder, negligible)
    if encoder is packages.MOBILEFACENET:
        # The file fixes the batch at 1; the graph does not.
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(name: str, encoder: onnxruntime.InferenceSession, faces: int) -> None:
    chips = random.uniform(-1, 1, (faces, 3, 112, 112)).astype(np.float32)
    (chips_are, *_) = encoder.get_inputs()
    times = []
    for _ in range(max(5, 60 // faces)):
        start = time.perf_counter()
        encoder.run(None, {chips_are.name: chips})
        times.append(time.perf_counter() - start)
    median = np.median(times) * 1e3
    print(f"ONNX Runtime f32, {name}, {faces:>2} faces: median {median:.2f} ms", flush=True)


for negligible, weights in ((0.0, "its own weights"), (NEGLIGIBLE, "no denormals")):
    mobilefacenet = session(packages.MOBILEFACENET, negligible)
    for faces in (1, 8, 32):
        measure(f"MobileFaceNet, {weights}", mobilefacenet, faces)
measure("SFace", session(packages.SFACE, NEGLIGIBLE), 1)
