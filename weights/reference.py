"""The recipe of the whole pipeline in OpenCV and ONNX Runtime, against which Limen is measured.

Frames and chips are `[H, W, 3]` uint8 arrays in BGR, as OpenCV reads them. Coordinates have their
origin at the centre of the top left pixel.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

import packages

STRIDES = (8, 16, 32)
SIDE_MULTIPLE = 32
IOU_MAX = 0.3

ENCODER_SIDE = 112
ENCODER_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
LANDMARK_SIDE = 64
# Centre and size, in pixels of the encoder's template, of what the landmark network is shown.
LANDMARK_CENTRE, LANDMARK_SHOWN = np.array([55.64, 64.82]), np.array([81.72, 109.32])
# Which of the 68 landmarks each of the five is the mean of.
FIVE_OF_68 = [[37, 38, 40, 41], [43, 44, 46, 47], [30], [48, 60], [54, 64]]
MIRRORED = [1, 0, 2, 4, 3]
GREY = np.array([0.114, 0.587, 0.299])  # of BGR
DLIB_SIDE = 150
DLIB_EYES = np.array([[47.73, 47.14], [100.28, 47.12]])
LIVENESS_SIDE = 128
LIVENESS_GROWTH = 2.7


@dataclass(frozen=True)
class Face:
    """`box` is x, y, width, height; `landmarks` is [5, 2]."""

    score: float
    box: np.ndarray
    landmarks: np.ndarray


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Detector:
    def __init__(self, cache: Path):
        self.session = session(_any_size(packages.original(packages.YUNET, cache)))

    def levels(self, frame: np.ndarray) -> list[dict[str, np.ndarray]]:
        """The raw outputs for a frame whose sides are multiples of 32, one table per stride."""
        names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]
        outputs = dict(zip(names, self.session.run(names, {"input": _nchw(frame)}), strict=True))
        return [
            {kind: outputs[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps")}
            for stride in STRIDES
        ]

    def detect(self, frame: np.ndarray, score_min: float = 0.6) -> list[Face]:
        """Faces, best first, after non-maximum suppression."""
        padded = letterbox(frame)
        faces: list[Face] = []
        for stride, level in zip(STRIDES, self.levels(padded), strict=True):
            faces += _decode(level, stride, padded.shape[1] // stride, score_min)
        return _suppress(sorted(faces, key=lambda face: -face.score))


def letterbox(frame: np.ndarray) -> np.ndarray:
    """The frame with zeros at the bottom and right, so that both sides are multiples of 32."""
    height, width = frame.shape[:2]
    bottom, right = -height % SIDE_MULTIPLE, -width % SIDE_MULTIPLE
    return cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def main_face(faces: list[Face], frame: np.ndarray) -> Face | None:
    """The largest face, weighted towards the centre of the frame."""
    height, width = frame.shape[:2]

    def weight(face: Face) -> float:
        x, y, w, h = face.box
        offset = np.hypot((x + w / 2) / width - 0.5, (y + h / 2) / height - 0.5)
        return float(w * h * np.exp(-4 * offset**2))

    return max(faces, key=weight, default=None)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity from `source` to `target`, as a 2x3 matrix (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = target_centred.T @ source_centred / len(source)
    u, singular, vt = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = (singular * signs).sum() / source_centred.var(0).sum()
    shift = target_mean - scale * rotation @ source_mean
    return np.hstack([scale * rotation, shift[:, None]])


def warp(frame: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """A chip of the frame; where it shrinks by more than two, areas are averaged first."""
    scale = np.sqrt(np.linalg.det(matrix[:, :2]))  # of an affine matrix too
    if scale < 0.5:
        height, width = frame.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        ratio = np.array([width / size[0], height / size[1]])
        # x_full = (x_small + 1/2) * ratio - 1/2
        shift = matrix[:, :2] @ (ratio / 2 - 0.5) + matrix[:, 2]
        matrix = np.hstack([matrix[:, :2] * ratio, shift[:, None]])
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)


def landmark_matrix(face: Face) -> np.ndarray:
    """From the frame to the picture of the face alone, stretched to the landmark network's square."""
    stretch = LANDMARK_SIDE / LANDMARK_SHOWN
    matrix = similarity(face.landmarks, ENCODER_TEMPLATE) * stretch[:, None]
    matrix[:, 2] += (LANDMARK_SIDE - 1) / 2 - LANDMARK_CENTRE * stretch
    return matrix


class Landmarks:
    def __init__(self, cache: Path):
        self.session = session(packages.original(packages.LANDMARK_68, cache))

    def places(self, chip: np.ndarray) -> np.ndarray:
        """x and y of 68 landmarks, as shares of the chip's side."""
        grey = (chip @ GREY / 256).astype(np.float32)
        return self.session.run(None, {"input": grey[None, None]})[0].reshape(68, 2)

    def refine(self, frame: np.ndarray, face: Face) -> Face:
        """Landmarks halfway between the detector's and those placed in the chip and its mirror image."""
        matrix = landmark_matrix(face)
        chip = warp(frame, matrix, LANDMARK_SIDE)
        plain = self._five(chip)
        mirrored = self._five(np.ascontiguousarray(chip[:, ::-1]))[MIRRORED]
        mirrored[:, 0] = LANDMARK_SIDE - 1 - mirrored[:, 0]
        placed = np.linalg.solve(matrix[:, :2], ((plain + mirrored) / 2 - matrix[:, 2]).T).T
        return Face(face.score, face.box, (face.landmarks + placed) / 2)

    def _five(self, chip: np.ndarray) -> np.ndarray:
        places = self.places(chip) * LANDMARK_SIDE - 0.5
        return np.array([places[group].mean(0) for group in FIVE_OF_68])


def encoder_chip(frame: np.ndarray, face: Face) -> np.ndarray:
    return warp(frame, similarity(face.landmarks, ENCODER_TEMPLATE), ENCODER_SIDE)


def dlib_chip(frame: np.ndarray, face: Face) -> np.ndarray:
    return warp(frame, similarity(face.landmarks[:2], DLIB_EYES), DLIB_SIDE)


def liveness_chip(frame: np.ndarray, face: Face) -> np.ndarray:
    """The box grown around its centre as far as the frame allows, shifted inside, resized."""
    height, width = frame.shape[:2]
    x, y, w, h = face.box
    growth = min((height - 1) / h, (width - 1) / w, LIVENESS_GROWTH)
    w_grown, h_grown = w * growth, h * growth
    left = float(np.clip(x + w / 2 - w_grown / 2, 0, width - 1 - w_grown))
    top = float(np.clip(y + h / 2 - h_grown / 2, 0, height - 1 - h_grown))
    crop = frame[int(top) : int(top + h_grown) + 1, int(left) : int(left + w_grown) + 1]
    return cv2.resize(crop, (LIVENESS_SIDE, LIVENESS_SIDE))


class Encoder:
    def __init__(self, cache: Path):
        self.session = session(packages.original(packages.MOBILEFACENET, cache))

    def encode(self, chip: np.ndarray) -> np.ndarray:
        """512 numbers, not normalised."""
        return self.session.run(None, {"input": (_nchw(chip) - 127) / 128})[0][0]


class Sface:
    """Wants the chip of `Encoder`, in RGB; the graph scales it."""

    def __init__(self, cache: Path):
        self.session = session(packages.original(packages.SFACE, cache))

    def encode(self, chip: np.ndarray) -> np.ndarray:
        """128 numbers, not normalised."""
        return self.session.run(None, {"data": _nchw(chip[:, :, ::-1])})[0][0]


class Liveness:
    def __init__(self, cache: Path):
        self.session = session(packages.original(packages.MINIFASNET, cache))

    def classify(self, chip: np.ndarray) -> np.ndarray:
        """Three probabilities; the first is that of a live face."""
        logits = self.session.run(None, {"input": _nchw(chip)})[0][0].astype(np.float64)
        exponentials = np.exp(logits - logits.max())
        return exponentials / exponentials.sum()


def unit(encodings: np.ndarray) -> np.ndarray:
    return encodings / np.linalg.norm(encodings, axis=-1, keepdims=True)


def _nchw(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None], dtype=np.float32)


def _any_size(model: bytes) -> bytes:
    """YuNet's graph was exported for 640x640 only because of its declared shapes; free them."""
    network = onnx.load_from_string(model)
    for value in (*network.graph.input, *network.graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if value in network.graph.output or axis >= 2:
                dimension.dim_param = f"{value.name}_{axis}"
    targets = {node.input[1] for node in network.graph.node if node.op_type == "Reshape"}
    for tensor in network.graph.initializer:
        if tensor.name in targets:
            _, _, values_per_cell = onnx.numpy_helper.to_array(tensor)
            shape = np.array([1, -1, values_per_cell], dtype=np.int64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(shape, tensor.name))
    return network.SerializeToString()


def _decode(level: dict[str, np.ndarray], stride: int, columns: int, score_min: float) -> list[Face]:
    scores = np.sqrt(np.clip(level["cls"][:, 0], 0, 1) * np.clip(level["obj"][:, 0], 0, 1))
    faces = []
    for cell in np.flatnonzero(scores >= score_min):
        corner = np.array([cell % columns, cell // columns])
        centre = (corner + level["bbox"][cell, :2]) * stride
        size = np.exp(level["bbox"][cell, 2:]) * stride
        landmarks = (corner + level["kps"][cell].reshape(5, 2)) * stride
        faces.append(Face(float(scores[cell]), np.concatenate([centre - size / 2, size]), landmarks))
    return faces


def _suppress(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in faces:
        if all(_iou(face.box, other.box) <= IOU_MAX for other in kept):
            kept.append(face)
    return kept


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    overlap = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    intersection = np.prod(np.clip(overlap, 0, None))
    return float(intersection / (np.prod(a[2:]) + np.prod(b[2:]) - intersection))
