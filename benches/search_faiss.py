"""The same search in FAISS's IndexFlatIP, one thread, among what benches/search.rs left: for `./dev bench search`."""

import pathlib
import time

import faiss
import numpy as np

SIZE = 128
faiss.omp_set_num_threads(1)
folder = pathlib.Path("target/tmp/search")


def read(people: int, what: str, kind) -> np.ndarray:
    file = folder / f"{people}.{what}"
    numbers = np.fromfile(file, kind)
    file.unlink()
    return numbers


def encodings(people: int, what: str) -> np.ndarray:
    return read(people, what, "<f4").reshape(-1, SIZE)


for people in (10_000, 100_000, 1_000_000):
    index = faiss.IndexFlatIP(SIZE)
    index.add(encodings(people, "enrolled"))
    probes, found = encodings(people, "probes"), read(people, "nearest", "<u4")
    times = []
    for probe in np.concatenate([probes, probes, probes]):
        start = time.perf_counter()
        index.search(probe[None], 2)
        times.append(time.perf_counter() - start)
    recall = np.mean(index.search(probes, 1)[1][:, 0] == found)
    print(f"{people:>9} people  median {np.median(times) * 1e3:.3f} ms, Limen's recall@1 {recall:.3f}", flush=True)
