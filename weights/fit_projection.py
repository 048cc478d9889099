"""Fits the projection of MobileFaceNet's 512 numbers to 128 and measures what it costs.

    python weights/fit_projection.py LFW [--cache FOLDER]

LFW is a folder with `pairs.txt` and `images/PERSON/*.jpg`. People who are measured are never people
the measured projection was fitted on; the one that ships is then fitted on everybody. Run
convert.py afterwards, so that the manifest tells the new figures.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

import packages
import reference

SIZE = 128
FMRS = (1e-3, 1e-4)
OUTPUT = Path(__file__).resolve().parent / "mobilefacenet-pca128.safetensors"

Projection = tuple[np.ndarray, np.ndarray]
"""Weight [128, 512] and bias [128]."""


class Faces:
    """Unit encodings of every face found, plain and mirrored, and whose they are."""

    def __init__(self, lfw: Path, cache: Path):
        paths = sorted((lfw / "images").glob("*/*.jpg"))
        detector, encoder = reference.Detector(cache), reference.Encoder(cache)
        landmarks = reference.Landmarks(cache)
        self.names, plain, mirrored = [], [], []
        for path in paths:
            frame = cv2.imread(str(path))
            face = reference.main_face(detector.detect(frame), frame)
            if face is None:
                print(f"no face in {path.name}")
                continue
            chip = reference.encoder_chip(frame, landmarks.refine(frame, face))
            self.names.append(path.stem)
            plain.append(encoder.encode(chip))
            mirrored.append(encoder.encode(chip[:, ::-1]))
        self.plain = reference.unit(np.array(plain, dtype=np.float64))
        self.mirrored = reference.unit(np.array(mirrored, dtype=np.float64))
        self.people = np.array([name.rsplit("_", 1)[0] for name in self.names])

    def fit(self, chosen: np.ndarray, centred: bool) -> Projection:
        """Principal components of the chosen faces; mirrored faces are samples of their own."""
        samples = np.concatenate([self.plain[chosen], self.mirrored[chosen]])
        mean = samples.mean(0) if centred else np.zeros(samples.shape[1])
        moments = (samples - mean).T @ (samples - mean) / len(samples)
        _, vectors = np.linalg.eigh(moments)  # ascending
        weight = vectors[:, ::-1][:, :SIZE].T
        # A component's sign is arbitrary: the largest coordinate is made positive.
        largest = np.abs(weight).argmax(1)
        weight = weight * np.sign(weight[np.arange(SIZE), largest])[:, None]
        return weight, -weight @ mean


def project(encodings: np.ndarray, projection: Projection | None) -> np.ndarray:
    if projection is None:
        return encodings
    weight, bias = projection
    return reference.unit(encodings @ weight.T + bias)


def tars(encodings: np.ndarray, people: np.ndarray) -> list[float]:
    """The true match rates of all pairs at each false match rate of FMRS."""
    rows, columns = np.triu_indices(len(people), 1)
    similarity = (encodings @ encodings.T)[rows, columns]
    same = people[rows] == people[columns]
    thresholds = np.quantile(similarity[~same], [1 - fmr for fmr in FMRS])
    return [float((similarity[same] > threshold).mean()) for threshold in thresholds]


def ten_fold_accuracy(faces: Faces, pairs: list[tuple[str, str, bool, int]], centred: bool | None) -> float:
    """LFW's accuracy; threshold and projection (none if `centred` is None) from the other folds."""
    index = {name: place for place, name in enumerate(faces.names)}
    pairs = [pair for pair in pairs if pair[0] in index and pair[1] in index]
    left = np.array([index[pair[0]] for pair in pairs])
    right = np.array([index[pair[1]] for pair in pairs])
    same = np.array([pair[2] for pair in pairs])
    folds = np.array([pair[3] for pair in pairs])
    accuracies = []
    for fold in np.unique(folds):
        tested = folds == fold
        strangers = ~np.isin(faces.people, faces.people[np.concatenate([left[tested], right[tested]])])
        projection = None if centred is None else faces.fit(strangers, centred)
        encodings = project(faces.plain, projection)
        similarity = (encodings[left] * encodings[right]).sum(1)
        candidates = np.sort(similarity[~tested])
        right_at = [((similarity[~tested] > t) == same[~tested]).mean() for t in candidates]
        threshold = candidates[int(np.argmax(right_at))]
        accuracies.append(((similarity[tested] > threshold) == same[tested]).mean())
    return float(np.mean(accuracies))


def read_pairs(path: Path) -> list[tuple[str, str, bool, int]]:
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    _, per_fold = map(int, lines[0])
    pairs = []
    for number, line in enumerate(lines[1:]):
        first, second = (line[0], line[2]) if len(line) == 4 else (line[0], line[0])
        left, right = f"{first}_{int(line[1]):04d}", f"{second}_{int(line[-1]):04d}"
        pairs.append((left, right, len(line) == 3, number // (2 * per_fold)))
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--cache", type=Path, default=packages.DEFAULT_CACHE)
    arguments = parser.parse_args()

    faces = Faces(arguments.lfw, arguments.cache)
    pairs = read_pairs(arguments.lfw / "pairs.txt")
    everybody = np.unique(faces.people)
    fitted_on = np.isin(faces.people, everybody[::2])
    held_out, held_out_people = faces.plain[~fitted_on], faces.people[~fitted_on]

    whole = tars(held_out, held_out_people), ten_fold_accuracy(faces, pairs, None)
    print("512 numbers", whole)
    measured = {}
    for centred in (False, True):
        projected = project(held_out, faces.fit(fitted_on, centred))
        measured[centred] = tars(projected, held_out_people), ten_fold_accuracy(faces, pairs, centred)
        print(f"128 numbers, centred={centred}", measured[centred])

    centred = max(measured, key=lambda option: (measured[option][0][-1], measured[option][1]))
    weight, bias = faces.fit(np.full(len(faces.names), True), centred)
    training = (
        f"{'centred' if centred else 'uncentred'} PCA on the unit encodings, plain and mirrored, of "
        f"{len(faces.names)} faces of {len(everybody)} people of LFW (deep-funneled). "
        f"Cost, on people left out of the fit, from 512 to 128 numbers: "
        f"{_row('TAR at FMR 1e-3', whole[0][0], measured[centred][0][0])}, "
        f"{_row('at 1e-4', whole[0][1], measured[centred][0][1])}; "
        f"{_row('LFW 10-fold accuracy', whole[1], measured[centred][1])}"
    )
    print(training)
    tensors = {"weight": weight, "bias": bias}
    tensors = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}
    save_file(tensors, OUTPUT, metadata={"training": training})
    OUTPUT.chmod(0o644)  # safetensors makes private files


def _row(name: str, before: float, after: float) -> str:
    return f"{name} {before:.2%} to {after:.2%}"


if __name__ == "__main__":
    main()
