"""How long every pair of as many photos as LFW has takes, and how much memory (RESULTS.md, "All pairs").

    python3 benches/all_pairs.py ../shared/data/lfw-dev/images [--limen target/release/limen] [--photos N]

IMAGES is a folder with a folder for each person. A tree of 13,233 links to these photos is made, each time round under
other names, and `limen evaluate verification --all-pairs` run on it three times, after once on IMAGES, so that every encoding is
kept.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def evaluate(limen: str, images: Path, folder: str) -> tuple[int, float, float]:
    """The pairs, the seconds, and the most memory in MiB."""
    command = [limen, "evaluate", "verification", "--images", images, "--all-pairs", "--json"]
    with open(f"{folder}/answer.json", "w+") as answer:
        begin = time.monotonic()
        process = subprocess.Popen([*command, "--cache", f"{folder}/cache"], stdout=answer)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        if status != 0:
            sys.exit(f"{limen} ended with {os.waitstatus_to_exitcode(status)}")
        answer.seek(0)
        return json.load(answer)["pairs"], seconds, used.ru_maxrss / 1024


def tree(images: Path, folder: Path, photos: int) -> None:
    files = sorted(images.glob("*/*.jpg"))
    if not files:
        sys.exit(f"no photos */*.jpg in {images}")
    rounds = ((turn, file) for turn in itertools.count() for file in files)
    for turn, file in itertools.islice(rounds, photos):
        person = folder / f"{turn}-{file.parent.name}"
        person.mkdir(parents=True, exist_ok=True)
        (person / file.name).symlink_to(file.resolve())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("--limen", default="target/release/limen")
    parser.add_argument("--photos", type=int, default=13_233)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        many = Path(folder) / "images"
        tree(given.images, many, given.photos)
        evaluate(given.limen, given.images, folder)
        runs = [evaluate(given.limen, many, folder) for _ in range(3)]
    seconds, memory = (statistics.median(run[at] for run in runs) for at in (1, 2))
    print(f"{runs[0][0]:,} pairs of {given.photos:,} photos in {seconds:.1f} s, at most {memory:.0f} MiB")


main()
