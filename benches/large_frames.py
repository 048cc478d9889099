"""Makes large frames out of the portraits of LFW-dev, for `limen evaluate` (RESULTS.md, "Large frames").

    python benches/large_frames.py ../shared/data/lfw-dev/images FOLDER [WIDTH HEIGHT, at first 1920 1080]
    limen evaluate verification --images FOLDER --all-pairs --json

Up to four photos of everybody who has two, 250 to 500 pixels wide, near the middle of a grey frame with noise.
Needs opencv-python-headless.
"""

import pathlib
import sys

import cv2
import numpy as np

def frame(portrait, random, width, height):
    side = random.integers(250, 500)
    portrait = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_CUBIC)
    pixels = (110 + random.normal(0, 6, (height, width, 3))).clip(0, 255).astype(np.uint8)
    left = (width - side) // 2 + random.integers(-200, 200)
    top = (height - side) // 2 + random.integers(-150, 150)
    pixels[top : top + side, left : left + side] = portrait
    return pixels


def main(photos, frames, width=1920, height=1080):
    random = np.random.default_rng(1)
    for person in sorted(pathlib.Path(photos).iterdir()):
        files = sorted(person.glob("*.jpg"))[:4]
        if len(files) < 2:
            continue
        folder = pathlib.Path(frames) / person.name
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            pixels = frame(cv2.imread(str(file)), random, int(width), int(height))
            cv2.imwrite(str(folder / file.name), pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])


main(*sys.argv[1:])
