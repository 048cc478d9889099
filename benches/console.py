"""How long the console takes with many people and a long trail: each view in Chromium, and what it asks of the API.

`./dev bench console` calls this with a built Limen, an empty database in DATABASE_URL with its schema, and Chromium's
driver in LIMEN_TEST_CHROMEDRIVER. The passages are rows of SQL, in no chain: what reads them for a list does not ask.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import time
import urllib.request

from service import LIMEN_SETTINGS, LIMEN_URL, enrol_strangers, processor, run, started

PASSAGES = """
insert into gates (id, name, open_ms, frame_age_ms_max, pupil_distance_px_min, liveness_threshold)
    select gen_random_uuid(), 'Gate ' || n, 3000, 5000, 40, 0.5 from generate_series(1, {gates}) n;
with g as (select array_agg(id) as ids from gates), e as (select array_agg(id) as ids from employees),
kinds as (select array['granted','granted','granted','granted','unknown_person','spoof','no_face','too_small'] as reasons),
rows as (select n, now() - (n * interval '10 days' / {passages}) as at, (1 + n::bigint * 7919 % 8)::int as kind from generate_series(1, {passages}) n)
insert into passages (id, gate_id, event_id, captured_at, decided_at, decision, reason, open_ms, employee_id, distance,
    threshold, liveness, liveness_threshold, model_id, frames, frames_sha256, key_id, mode)
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
        || substr(md5(n::text), 4, 15))::uuid,
    g.ids[1 + n % {gates}], 'event-' || n, at - interval '200 ms', at,
    case when kind <= 4 then 'grant' when kind <= 6 then 'deny' else 'retry' end, kinds.reasons[kind],
    case when kind <= 4 then 3000 else 0 end, case when kind <= 4 then e.ids[(1 + n::bigint * 104729 % cardinality(e.ids))::int] end,
    case when kind <= 5 then 0.4 end, case when kind <= 5 then 0.9 end, case when kind <= 6 then 0.9 end,
    case when kind <= 6 then 0.5 end, 'a-model', 1, decode(md5(n::text) || md5(n::text), 'hex'), gen_random_uuid(), 'face'
from rows, g, e, kinds;
vacuum analyze passages, gates, employees;
"""

# View, and what must be there before somebody can read it.
VIEWS = {"live": "tbody tr", "people": "tbody tr", "gates": "tbody tr", "risk": ".chart", "system": ".figure"}

QUESTIONS = {
    "people, the first 50": "/v1/employees?limit=50",
    "people by part of a name": "/v1/employees?query=ger%2049&limit=50",
    "people by what nobody is called": "/v1/employees?query=zzzz&limit=50",
    "passages, the newest 50": "/v1/passages?limit=50",
    "passages of one reason": "/v1/passages?limit=50&reason=spoof",
    "how 50 gates fare": "/v1/gate-states?limit=50",
    "the risk": "/v1/risk",
    "the system": "/v1/system",
}

SHOW = """
const [path, wanted, done] = arguments, began = performance.now();
const link = Object.assign(document.createElement("a"), {href: path});
document.body.append(link); link.click(); link.remove();
const name = path.split("/").pop();
const look = () => document.querySelector("h1")?.textContent.toLowerCase() === name && document.querySelector("main " + wanted)
  ? requestAnimationFrame(() => done(performance.now() - began)) : setTimeout(look, 2);
look();
"""


class Driver:
    """Chromium, as far as this needs it: https://www.w3.org/TR/webdriver2/."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        driver = stack.enter_context(subprocess.Popen([os.environ["LIMEN_TEST_CHROMEDRIVER"], "--port=0"], stdout=subprocess.PIPE, text=True))
        stack.callback(driver.terminate)
        port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        self.session = f"http://127.0.0.1:{port}/session"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.session += "/" + self.ask("", wanted)["sessionId"]
        stack.callback(lambda: urllib.request.urlopen(urllib.request.Request(self.session, method="DELETE")).close())
        self.ask("/timeouts", {"script": 60_000})

    def ask(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(self.session + path, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def run(self, script: str, *arguments: str):
        return self.ask("/execute/async", {"script": script, "args": arguments})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limen", required=True)
    parser.add_argument("--psql", required=True)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--gates", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    enrol_strangers(arguments.limen, arguments.psql, arguments.people)
    statements = PASSAGES.format(gates=arguments.gates, passages=arguments.passages)
    psql = [arguments.psql, os.environ["DATABASE_URL"], "-qX", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(psql, input=statements, text=True, check=True)
    key = run(arguments.limen, "key", "create", "--name", "console", "--scope", "admin").splitlines()[-1]
    print(f"{processor()}: {arguments.people:,} people, {arguments.passages:,} passages, {arguments.gates} gates\n")
    with contextlib.ExitStack() as stack:
        started(stack, [arguments.limen, "serve"], LIMEN_SETTINGS, f"{LIMEN_URL}/readyz")
        print("| asked of the API | first, ms | median, ms |\n|---|---|---|", flush=True)
        for name, path in QUESTIONS.items():
            took = []
            for _ in range(arguments.rounds):
                began = time.monotonic()
                request = urllib.request.Request(LIMEN_URL + path, headers={"authorization": f"Bearer {key}"})
                urllib.request.urlopen(request, timeout=60).read()
                took.append(1000 * (time.monotonic() - began))
            print(f"| {name} | {took[0]:.0f} | {statistics.median(took[1:]):.0f} |", flush=True)
        driver = Driver(stack)
        driver.ask("/url", {"url": f"{LIMEN_URL}/console"})
        sign_in = """const [key, done] = arguments;
            fetch("/v1/session", {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({key})})
              .then((answer) => done(answer.status));"""
        assert driver.run(sign_in, key) == 201
        driver.ask("/url", {"url": f"{LIMEN_URL}/console/start"})
        time.sleep(2)
        print("\n| view in Chromium, until it can be read | first, ms | median, ms |\n|---|---|---|", flush=True)
        took = {view: [] for view in VIEWS}
        for _ in range(arguments.rounds):
            for view, wanted in VIEWS.items():
                took[view].append(driver.run(SHOW, f"/console/{view}", wanted))
        for view, times in took.items():
            print(f"| {view} | {times[0]:.0f} | {statistics.median(times[1:]):.0f} |", flush=True)


if __name__ == "__main__":
    main()
