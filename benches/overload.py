"""What is left of Limen's goodput and latency at five times its capacity.

`./dev bench overload [FRAMES]` calls this with a built Limen and an empty database in DATABASE_URL with its schema.
Prints a table in Markdown: a row for each round, in which one connection, four and the overload follow each other.
"""

import argparse
import contextlib
import json

from service import LIMEN_SETTINGS, LIMEN_URL, enrol_strangers, processor, run, started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limen", required=True)
    parser.add_argument("--psql", required=True)
    parser.add_argument("--frames", required=True)
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--times", type=float, default=5.0, help="the capacity that is asked for")
    arguments = parser.parse_args()

    enrol_strangers(arguments.limen, arguments.psql, arguments.gallery)
    key = run(arguments.limen, "key", "create", "--name", "bench", "--scope", "gate").split()[-1]

    def load(*how: str) -> dict:
        command = ["load", "--url", LIMEN_URL, "--path", "/v1/recognize", "--frames", arguments.frames, "--json"]
        report = run(arguments.limen, *command, "--duration", f"{arguments.seconds}s", *how, LIMEN_KEY=key)
        return json.loads(report)

    print(f"{processor()}; gallery of {arguments.gallery}; {arguments.times:g} times the capacity\n")
    print("| asked a second | saturated | goodput | share | p99 alone, ms | accepted p99 | times | refused after, p50 and p99 |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with contextlib.ExitStack() as stack:
        started(stack, [arguments.limen, "serve"], LIMEN_SETTINGS, f"{LIMEN_URL}/readyz")
        load("--connections", "4")
        for _ in range(arguments.rounds):
            alone, saturated = load("--connections", "1"), load("--connections", "4")
            rate = round(arguments.times * saturated["per_second"])
            over = load("--connections", "64", "--rate", str(rate))
            goodput, peak = over["per_second"], saturated["per_second"]
            p99, unloaded = over["latency_ms"]["p99"], alone["latency_ms"]["p99"]
            refused = over.get("failed_after_ms", {})
            print(
                f"| {rate} | {peak:.0f} | {goodput:.0f} | {goodput / peak:.0%} | {unloaded:.1f} | {p99:.1f} "
                f"| {p99 / unloaded:.2f} | {refused.get('p50', 0):.1f}, {refused.get('p99', 0):.1f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
