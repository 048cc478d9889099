"""How long `limen serve` takes until it is ready, by the size of the gallery.

`./dev bench start` calls this with a built Limen and an empty database in DATABASE_URL with its schema.
"""

import argparse
import contextlib
import statistics
import time

from service import LIMEN_SETTINGS, LIMEN_URL, enrol_strangers, processor, pss_mib, started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limen", required=True)
    parser.add_argument("--psql", required=True)
    parser.add_argument("--galleries", type=int, nargs="+", default=[0, 10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    print(f"{processor()}\n\n| people | ready after, s | memory, MiB |\n|---|---|---|", flush=True)
    for people in sorted(arguments.galleries):
        enrol_strangers(arguments.limen, arguments.psql, people)
        seconds, memory = [], []
        for _ in range(arguments.rounds):
            with contextlib.ExitStack() as stack:
                begun_at = time.monotonic()
                service = started(stack, [arguments.limen, "serve"], LIMEN_SETTINGS, f"{LIMEN_URL}/readyz")
                seconds.append(time.monotonic() - begun_at)
                memory.append(pss_mib(service.pid))
        print(f"| {people:,} | {statistics.median(seconds):.2f} | {statistics.median(memory):.0f} |", flush=True)


if __name__ == "__main__":
    main()
