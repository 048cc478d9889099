"""Limen against what a user would put in its place, in one run on the same frames.

`./dev bench peer [FRAMES]` (the Python stack of the same networks) and `./dev bench face-recognition [FRAMES]` (the package
of that name) call this with everything ready: a built Limen, an empty database in DATABASE_URL with its schema, the peer's
requirements in the Python that runs this, and the package in the one that is named.
Prints a table in Markdown: medians over the rounds, in which all take turns.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from pathlib import Path

from originals import NEGLIGIBLE, original, packages
from service import LIMEN_SETTINGS, LIMEN_URL, enrol_strangers, processor, pss_mib, run, started

FACE_RECOGNITION = Path(__file__).resolve().parent / "face_recognition"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limen", type=Path, required=True)
    parser.add_argument("--psql", required=True)
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--peer", type=Path, help="the folder with server.py")
    other.add_argument("--face-recognition", metavar="PYTHON", help="one that has the package")
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    arguments = parser.parse_args()

    limen = str(arguments.limen)
    enrol_strangers(limen, arguments.psql, arguments.gallery)
    key = run(limen, "key", "create", "--name", "bench", "--scope", "gate").split()[-1]
    with contextlib.ExitStack() as stack:
        ours = started(stack, [limen, "serve"], LIMEN_SETTINGS, f"{LIMEN_URL}/readyz")
        targets = {"limen": (ours, LIMEN_URL, "/v1/recognize")}
        for name, (process, url) in start_others(stack, arguments).items():
            targets[name] = process, url, "/recognize"
        measured: dict[tuple[str, int], list[dict]] = {}
        for _ in range(arguments.rounds):
            for connections in (1, 4):
                for name, (_, url, path) in targets.items():
                    report = run(
                        limen, "load", "--url", url, "--path", path, "--frames", str(arguments.frames),
                        "--connections", str(connections), "--duration", f"{arguments.seconds}s", "--json",
                        LIMEN_KEY=key,
                    )
                    measured.setdefault((name, connections), []).append(json.loads(report))
        memory = {name: pss_mib(process.pid) for name, (process, _, _) in targets.items()}

    def median(name: str, connections: int, read) -> float:
        return statistics.median(read(report) for report in measured[name, connections])

    rows = [("memory, MiB", [memory[name] for name in targets])]
    for what, connections, read in (
        ("frames a second, 4 connections", 4, lambda r: r["per_second"]),
        ("frames a second, 1 connection", 1, lambda r: r["per_second"]),
        ("p50 of 1 connection, ms", 1, lambda r: r["latency_ms"]["p50"]),
        ("p99 of 1 connection, ms", 1, lambda r: r["latency_ms"]["p99"]),
        ("p99 of 4 connections, ms", 4, lambda r: r["latency_ms"]["p99"]),
    ):
        rows.append((what, [median(name, connections, read) for name in targets]))
    print(f"\n{processor()}; gallery of {arguments.gallery}; frames of {arguments.frames.name}\n")
    others = [name for name in targets if name != "limen"]
    print("| | Limen |" + "".join(f" {name} | ratio |" for name in others))
    print("|---|---|" + "---|---|" * len(others))
    for what, (own, *theirs) in rows:
        print(f"| {what} | {own:.1f} |" + "".join(f" {figure:.1f} | {own / figure:.2f} |" for figure in theirs))
    for (name, connections), reports in measured.items():
        print(f"{name}, {connections}: outcomes {reports[-1]['outcomes']}, errors {reports[-1]['errors']}")


def start_others(
    stack: contextlib.ExitStack, arguments: argparse.Namespace
) -> dict[str, tuple[subprocess.Popen, str]]:
    def start(port: int, python: str, app: Path, **environment: str) -> tuple[subprocess.Popen, str]:
        url = f"http://127.0.0.1:{port}"
        uvicorn = [python, "-m", "uvicorn", "server:app", "--app-dir", str(app)]
        uvicorn += ["--port", str(port), "--workers", "2", "--log-level", "warning"]
        environment["GALLERY"] = str(arguments.gallery)
        return started(stack, uvicorn, environment, f"{url}/openapi.json"), url

    if arguments.face_recognition:
        return {"face_recognition": start(19090, arguments.face_recognition, FACE_RECOGNITION)}
    return {
        "peer": start(19090, sys.executable, arguments.peer, MODELS=str(peer_models(0.0))),
        "peer without denormals": start(19091, sys.executable, arguments.peer, MODELS=str(peer_models(NEGLIGIBLE))),
    }


def peer_models(negligible: float) -> Path:
    """A folder with the original networks under the names that the peer looks for."""
    folder = packages.DEFAULT_CACHE / f"peer-{negligible:g}"
    folder.mkdir(parents=True, exist_ok=True)
    for network in (packages.YUNET, packages.MINIFASNET, packages.MOBILEFACENET):
        (folder / Path(network.path).name).write_bytes(original(network, negligible).SerializeToString())
    return folder


if __name__ == "__main__":
    main()
