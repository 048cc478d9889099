"""Writes tests/goldens: what the original networks say about real faces of tests/fixtures.

    python weights/goldens.py [--cache FOLDER]

Each network's input is stored beside its output, so that a network's parity is tested apart from
the warp that made the input. The fixtures are in the public domain, and so are their chips.
"""

import argparse
import json
from pathlib import Path

import cv2
import dlib
import numpy as np

import packages
import reference

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
GOLDENS = ROOT / "tests" / "goldens"

PORTRAITS = ("biden-1", "collins-1", "hopper-1", "obama-1", "obama-2")
FRAME_SIDE_MAX = 256
SCORE_MIN = 0.6
CELL_SCORE_MIN = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=packages.DEFAULT_CACHE)
    cache = parser.parse_args().cache

    detector = reference.Detector(cache)
    opencv = cv2.FaceDetectorYN.create(
        str(packages.original_file(packages.YUNET, cache)), "", (320, 320), SCORE_MIN, reference.IOU_MAX
    )
    encoder, liveness = reference.Encoder(cache), reference.Liveness(cache)
    landmarks, sface = reference.Landmarks(cache), reference.Sface(cache)
    dlib_encoder = dlib.face_recognition_model_v1(str(packages.original_file(packages.DLIB_RESNET, cache)))

    GOLDENS.mkdir(exist_ok=True)
    for name in PORTRAITS:
        frame = cv2.imread(str(FIXTURES / f"{name}.jpg"))
        small = reference.letterbox(shrink(frame, FRAME_SIDE_MAX))
        faces = detector.detect(small, SCORE_MIN)
        expect_opencv_agrees(opencv, small, faces)
        face = reference.main_face(faces, small)

        # The chips come from the full frame, as they do in the service.
        full_face = scaled(face, frame.shape[1] / shrink(frame, FRAME_SIDE_MAX).shape[1])
        chips = {
            "yunet": small,
            "landmark": reference.warp(frame, reference.landmark_matrix(full_face), reference.LANDMARK_SIDE),
            "mobilefacenet": reference.encoder_chip(frame, full_face),
            "minifasnet": reference.liveness_chip(frame, full_face),
            "dlib": reference.dlib_chip(frame, full_face),
        }
        for network, chip in chips.items():
            cv2.imwrite(str(GOLDENS / f"{name}.{network}.png"), chip, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        rgb = np.ascontiguousarray(chips["dlib"][:, :, ::-1])
        golden = {
            "faces": [face_row(face) for face in faces],
            "cells": cells(detector.levels(small)),
            "landmark": numbers(landmarks.places(chips["landmark"]).ravel()),
            "mobilefacenet": numbers(encoder.encode(chips["mobilefacenet"])),
            "minifasnet": numbers(liveness.classify(chips["minifasnet"])),
            "sface": numbers(sface.encode(chips["mobilefacenet"])),
            "dlib": numbers(dlib_encoder.compute_face_descriptor(rgb)),
        }
        (GOLDENS / f"{name}.json").write_text(json.dumps(golden) + "\n")


def shrink(frame: np.ndarray, side_max: int) -> np.ndarray:
    scale = min(1, side_max / max(frame.shape[:2]))
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def scaled(face: reference.Face, scale: float) -> reference.Face:
    return reference.Face(face.score, face.box * scale, face.landmarks * scale)


def expect_opencv_agrees(opencv: cv2.FaceDetectorYN, frame: np.ndarray, faces: list[reference.Face]) -> None:
    """OpenCV's own decoder, a second opinion on ours."""
    opencv.setInputSize((frame.shape[1], frame.shape[0]))
    _, rows = opencv.detect(frame)
    ours = np.array([[*face.box, *face.landmarks.ravel(), face.score] for face in faces])
    if rows is None or rows.shape != ours.shape or np.abs(rows - ours).max() > 0.01:
        raise SystemExit("the reference and OpenCV's FaceDetectorYN disagree")


def face_row(face: reference.Face) -> dict:
    return {
        "score": round(face.score, 6),
        "box": numbers(face.box),
        "landmarks": [numbers(landmark) for landmark in face.landmarks],
    }


def cells(levels: list[dict[str, np.ndarray]]) -> list[dict]:
    """The raw outputs of every cell that could be a face."""
    rows = []
    for stride, level in zip(reference.STRIDES, levels, strict=True):
        scores = np.sqrt(level["cls"][:, 0] * level["obj"][:, 0])
        for cell in np.flatnonzero(scores >= CELL_SCORE_MIN):
            raw = {kind: numbers(values[cell]) for kind, values in level.items()}
            rows.append({"stride": stride, "cell": int(cell), **raw})
    return rows


def numbers(values) -> list[float]:
    # Seven significant digits are what an f32 holds.
    return [float(f"{value:.7g}") for value in values]


if __name__ == "__main__":
    main()
