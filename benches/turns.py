"""Two builds of Limen against each other: both serve, and are loaded in turns of a second.

Hours of a machine differ by more than most changes do, and so do its seconds where somebody shares its cores: what counts is
each build's figure over the other's of the second beside it.

`./dev bench turns OLD [FRAMES]` calls this with a built Limen and an empty database in DATABASE_URL with its schema. Prints a
table in Markdown: medians of the rounds, and the medians of the new one's figures over the old one's.
"""

import argparse
import contextlib
import json
from statistics import median

from service import LIMEN_SETTINGS, enrol_strangers, processor, pss_mib, run, started

PORTS = {"old": 18080, "new": 18081}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", required=True)
    parser.add_argument("--limen", required=True, help="the new one, which loads both")
    parser.add_argument("--psql", required=True)
    parser.add_argument("--frames", required=True)
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--connections", type=int, nargs="+", default=[4, 1])
    arguments = parser.parse_args()

    enrol_strangers(arguments.limen, arguments.psql, arguments.gallery)
    key = run(arguments.limen, "key", "create", "--name", "bench", "--scope", "gate").split()[-1]

    def load(build: str, connections: int) -> dict[str, float]:
        url = f"http://127.0.0.1:{PORTS[build]}"
        command = ["load", "--url", url, "--path", "/v1/recognize", "--frames", arguments.frames, "--json"]
        how = ["--duration", "1s", "--connections", str(connections)]
        report = json.loads(run(arguments.limen, *command, *how, LIMEN_KEY=key))
        if report["errors"] or not report["per_second"]:
            raise SystemExit(f"the {build} one did not answer every frame: {report}")
        return {"frames a second": report["per_second"], "p50, ms": report["latency_ms"]["p50"]}

    print(f"{processor()}; gallery of {arguments.gallery}; {arguments.rounds} rounds\n")
    print("| | old | new | new over old |\n|---|---|---|---|", flush=True)
    with contextlib.ExitStack() as stack:
        services = {}
        for build, limen in (("old", arguments.old), ("new", arguments.limen)):
            bind = f"127.0.0.1:{PORTS[build]}"
            settings = LIMEN_SETTINGS | {"LIMEN_SERVER__BIND": bind}
            services[build] = started(stack, [limen, "serve"], settings, f"http://{bind}/readyz")
        for connections in arguments.connections:
            seen: dict[str, list[dict[str, float]]] = {build: [] for build in PORTS}
            for build in PORTS:
                load(build, connections)
            for number in range(arguments.rounds):
                # Each is the first of a round as often as the other.
                for build in sorted(PORTS, reverse=number % 2 == 0):
                    seen[build].append(load(build, connections))
            for figure in seen["old"][0]:
                old, new = ([one[figure] for one in seen[build]] for build in PORTS)
                ratio = median(second / first for first, second in zip(old, new))
                print(f"| {figure}, {connections} connections | {median(old):.1f} | {median(new):.1f} | {ratio:.2f} |", flush=True)
        old, new = (pss_mib(services[build].pid) for build in PORTS)
        print(f"| memory (PSS), MiB | {old:.0f} | {new:.0f} | {new / old:.2f} |")


if __name__ == "__main__":
    main()
