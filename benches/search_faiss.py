"""The same search in FAISS's IndexFlatIP, one thread: for `./dev bench search`."""

import time

import faiss
import numpy as np

SIZE = 128
faiss.omp_set_num_threads(1)
random = np.random.default_rng(1)


def encodings(count: int) -> np.ndarray:
    rows = random.standard_normal((count, SIZE), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


for people in (10_000, 100_000, 1_000_000):
    index = faiss.IndexFlatIP(SIZE)
    index.add(encodings(people))
    probes = encodings(64)
    times = []
    for probe in np.concatenate([probes, probes, probes]):
        start = time.perf_counter()
        index.search(probe[None], 2)
        times.append(time.perf_counter() - start)
    print(f"{people:>9} people  median {np.median(times) * 1e3:.3f} ms", flush=True)
