"""Services to be measured, and a database full of strangers."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LIMEN_URL = "http://127.0.0.1:18080"
LIMEN_SETTINGS = {"LIMEN_SERVER__BIND": "127.0.0.1:18080", "LIMEN_LOG__FILTER": "warn"}
PHOTO = ROOT / "tests/fixtures/obama-1.jpg"
SECONDS_TO_START = 120
ROWS_AT_ONCE = 50_000


def run(*command: str, **environment: str) -> str:
    answer = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False)
    # 1 is an answer too: photos of two people, or a load without one success.
    if answer.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} {command[1]} failed")
    return answer.stdout.strip()


def enrol_strangers(limen: str, psql: str, count: int) -> None:
    """Random templates, as the peer has them: nobody in the frames is enrolled. Whoever was enrolled before is removed."""
    verdict = json.loads(run(limen, "verify", str(PHOTO), str(PHOTO), "--json"))
    model, size, numbers = verdict["model_id"], 128, np.random.default_rng(1)
    copy = {
        "people": "employees (id, name)",
        "faces": "face_encodings (id, employee_id, model_id, encoding, size, pupil_distance_px, brightness, "
        "sharpness, yaw, pitch, roll_degrees, photo_sha256)",
    }
    command = [psql, os.environ["DATABASE_URL"], "-qX", "-v", "ON_ERROR_STOP=1", "-c"]
    # As a database from before templates were sealed, which the migration seals at once.
    unsealed = "face_encodings_sealed_check"
    # Nobody listens yet, and nothing of this is for the trail.
    tables = ("employees", "face_encodings", "group_members", "pardons", "consents", "invitations", "face_photos")
    for table in tables:
        subprocess.run([*command, f"alter table {table} disable trigger user"], check=True)
    for statement in (
        "truncate face_encodings, employees cascade",
        f"alter table face_encodings drop constraint {unsealed}",
    ):
        subprocess.run([*command, statement], check=True)
    for first in range(0, count, ROWS_AT_ONCE):
        rows = numbers.standard_normal((min(ROWS_AT_ONCE, count - first), size))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f4")
        ids = [in_order(first + at) for at in range(len(rows))]
        lines = {
            "people": (f"{employee}\tStranger {first + at}\n" for at, employee in enumerate(ids)),
            "faces": (
                f"{in_order(first + at)}\t{employee}\t{model}\t\\\\x{row.tobytes().hex()}\t{size}"
                f"\t60\t120\t100\t0\t0\t0\t\\\\x{first + at:064x}\n"
                for at, (employee, row) in enumerate(zip(ids, rows))
            ),
        }
        for what, table in copy.items():
            subprocess.run([*command, f"copy {table} from stdin"], input="".join(lines[what]), text=True, check=True)
    for table in tables:
        subprocess.run([*command, f"alter table {table} enable trigger user"], check=True)
    not_yet = f"alter table face_encodings add constraint {unsealed} check (key_id is not null) not valid"
    subprocess.run([*command, not_yet], check=True)
    run(limen, "migrate")
    subprocess.run([*command, "analyze"], check=True)


def in_order(number: int) -> uuid.UUID:
    """A version 7 id, as Limen makes them: in the order in which people were enrolled."""
    return uuid.UUID(int=(0x019A_0000_0000 + number) << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1)


def started(stack: contextlib.ExitStack, command: list[str], environment: dict[str, str], ready: str) -> subprocess.Popen:
    """A process that answers; it ends with the stack."""
    process = stack.enter_context(subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL))
    stack.callback(process.terminate)
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
            return process
        if process.poll() is not None:
            break
        time.sleep(0.02)
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
