"""Limen against the Python stack that a user would assemble instead, in one run on the same frames.

`./dev bench peer [FRAMES]` calls this with everything ready: a built Limen, an empty database in
DATABASE_URL with its schema, and the peer's requirements in the Python that runs this.
Prints a table in Markdown: medians over the rounds, in which the two take turns.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "weights"))
import packages  # noqa: E402

LIMEN_URL, PEER_URL = "http://127.0.0.1:18080", "http://127.0.0.1:19090"
PHOTO = ROOT / "tests/fixtures/obama-1.jpg"
SECONDS_TO_START = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limen", type=Path, required=True)
    parser.add_argument("--psql", required=True)
    parser.add_argument("--peer", type=Path, required=True, help="the folder with server.py")
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    arguments = parser.parse_args()

    limen = str(arguments.limen)
    enrol_strangers(arguments)
    key = run(limen, "key", "create", "--name", "bench", "--scope", "gate").split()[-1]
    with contextlib.ExitStack() as stack:
        settings = {"LIMEN_SERVER__BIND": "127.0.0.1:18080", "LIMEN_LOG__FILTER": "warn"}
        ours = started(stack, [limen, "serve"], settings, f"{LIMEN_URL}/readyz")
        uvicorn = [sys.executable, "-m", "uvicorn", "server:app", "--app-dir", str(arguments.peer)]
        uvicorn += ["--port", "19090", "--workers", "2", "--log-level", "warning"]
        models = {"MODELS": str(peer_models()), "GALLERY": str(arguments.gallery)}
        peer = started(stack, uvicorn, models, f"{PEER_URL}/openapi.json")

        targets = {"limen": (LIMEN_URL, "/v1/recognize"), "peer": (PEER_URL, "/recognize")}
        measured: dict[tuple[str, int], list[dict]] = {}
        for _ in range(arguments.rounds):
            for connections in (1, 4):
                for name, (url, path) in targets.items():
                    report = run(
                        limen, "load", "--url", url, "--path", path, "--frames", str(arguments.frames),
                        "--connections", str(connections), "--duration", f"{arguments.seconds}s", "--json",
                        LIMEN_KEY=key,
                    )
                    measured.setdefault((name, connections), []).append(json.loads(report))
        memory = {"limen": pss_mib(ours.pid), "peer": pss_mib(peer.pid)}

    def median(name: str, connections: int, read) -> float:
        return statistics.median(read(report) for report in measured[name, connections])

    rows = [("memory, MiB", memory["limen"], memory["peer"])]
    for what, connections, read in (
        ("frames a second, 4 connections", 4, lambda r: r["per_second"]),
        ("frames a second, 1 connection", 1, lambda r: r["per_second"]),
        ("p50 of 1 connection, ms", 1, lambda r: r["latency_ms"]["p50"]),
        ("p99 of 1 connection, ms", 1, lambda r: r["latency_ms"]["p99"]),
        ("p99 of 4 connections, ms", 4, lambda r: r["latency_ms"]["p99"]),
    ):
        rows.append((what, median("limen", connections, read), median("peer", connections, read)))
    print(f"\n{processor()}; gallery of {arguments.gallery}; frames of {arguments.frames.name}\n")
    print("| | Limen | peer | ratio |\n|---|---|---|---|")
    for what, ours_value, peer_value in rows:
        print(f"| {what} | {ours_value:.1f} | {peer_value:.1f} | {ours_value / peer_value:.2f} |")
    for (name, connections), reports in measured.items():
        print(f"{name}, {connections}: outcomes {reports[-1]['outcomes']}, errors {reports[-1]['errors']}")


def run(*command: str, **environment: str) -> str:
    answer = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False)
    # 1 is an answer too: photos of two people, or a load without one success.
    if answer.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} {command[1]} failed")
    return answer.stdout.strip()


def enrol_strangers(arguments: argparse.Namespace) -> None:
    """Random templates, as the peer has them: nobody in the frames is enrolled."""
    verdict = json.loads(run(str(arguments.limen), "verify", str(PHOTO), str(PHOTO), "--json"))
    model, size, numbers = verdict["model_id"], 128, random.Random(1)
    people, faces = [], []
    for number in range(arguments.gallery):
        employee = uuid.UUID(int=numbers.getrandbits(128), version=4)
        values = [numbers.gauss(0, 1) for _ in range(size)]
        norm = sum(value * value for value in values) ** 0.5
        encoding = struct.pack(f"<{size}f", *(value / norm for value in values)).hex()
        people.append(f"{employee}\tStranger {number}")
        faces.append(
            f"{uuid.uuid4()}\t{employee}\t{model}\t\\\\x{encoding}\t{size}\t60\t120\t100\t0\t0\t0\t\\\\x{number:064x}"
        )
    for table, rows in (
        ("employees (id, name)", people),
        (
            "face_encodings (id, employee_id, model_id, encoding, size, pupil_distance_px, brightness, sharpness, "
            "yaw, pitch, roll_degrees, photo_sha256)",
            faces,
        ),
    ):
        copy = [arguments.psql, os.environ["DATABASE_URL"], "-qX", "-v", "ON_ERROR_STOP=1", "-c", f"copy {table} from stdin"]
        subprocess.run(copy, input="\n".join(rows) + "\n", text=True, check=True)


def peer_models() -> Path:
    """A folder with the original networks under the names that the peer looks for."""
    folder = packages.DEFAULT_CACHE / "peer"
    folder.mkdir(parents=True, exist_ok=True)
    for original in (packages.YUNET, packages.MINIFASNET, packages.MOBILEFACENET):
        (folder / Path(original.path).name).write_bytes(packages.original(original, packages.DEFAULT_CACHE))
    return folder


def started(stack: contextlib.ExitStack, command: list[str], environment: dict[str, str], ready: str) -> subprocess.Popen:
    process = stack.enter_context(subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL))
    stack.callback(process.terminate)
    for _ in range(SECONDS_TO_START * 5):
        with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
            return process
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit(f"{' '.join(command[:3])} does not answer")


def pss_mib(pid: int) -> float:
    """The memory of a process and its children, pages that they share counted once."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    return own + sum(pss_mib(int(child)) for child in children)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
