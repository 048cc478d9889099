// Passages as they happen, and those before.

import { get } from "/assets/parts/api.js";
import { busy, field, fill, h, select, toast } from "/assets/parts/dom.js";
import { count, moment, score, words } from "/assets/parts/format.js";
import { lazily } from "/assets/parts/lazily.js";
import { decisionTag, explain, gateName, whoLink } from "/assets/parts/passage.js";
import { gatesById } from "/assets/parts/people.js";
import { REASONS } from "/assets/parts/reasons.js";
import { follow } from "/assets/parts/stream.js";
import { table, tableRow } from "/assets/parts/table.js";

/** Rows that are kept: who wants older ones asks for them. */
const ROWS_MAX = 200;
/** Rows that the page begins with, and that "older" adds. */
const ROWS_BEGIN = 50;
/** How often what arrived is shown: a crowd at the gates must not keep the page from answering. */
const SHOWN_EVERY_MS = 200;

const NOBODY = "No passage fits these filters yet. Whoever comes to a gate appears here at once.";
const DECISIONS = [["", "All decisions"], ["grant", "Granted"], ["deny", "Denied"], ["retry", "To be tried again"]];

export async function show(view) {
  const filters = { gate_id: "", decision: "", reason: "" };
  const gates = await gatesById();
  let older = null;
  let waiting = [];
  let paused = false;

  const columns = [
    ["When", (row) => h("span", { class: "number" }, row.decided_at || row.recorded_at ? moment(row.decided_at || row.recorded_at) : "")],
    ["Gate", (row) => gateName(row.gate_id)],
    ["Decision", (row) => (row.decision ? decisionTag(row.decision) : h("span", { class: `tag ${row.alarm ? "deny" : ""}` }, row.input ? "input" : "unreadable"))],
    ["Reason", (row) => [words(row.reason || row.input || "a record that cannot be read"), row.notice && h("span", { class: "soft" }, ` · ${words(row.notice)}`)]],
    ["Who", (row) => (row.decision ? whoLink(row) : "")],
    ["Scores", scores],
    ["", (row) => row.passage_id && row.decision && h("button", { type: "button", class: "bare", "aria-label": `Why: ${words(row.reason)}`, on: { click: (event) => why(event.currentTarget, row.passage_id) } }, "Why?")],
  ];
  const shown = table("Passages, the newest first", columns);
  const rows = shown.querySelector("tbody");
  const state = h("span", { class: "tag warn", role: "status" }, "connecting");
  const pause = h("button", { type: "button", class: "quiet", "aria-pressed": "false", on: { click: () => hold(!paused) } }, "Pause");
  const note = h("p", { class: "empty", role: "status", hidden: true });
  const more = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => busy(more, () => loadOlder().catch(said)) } }, "Show older");
  const tally = h("p", { class: "soft", "aria-live": "off" });
  const counts = { grant: 0, deny: 0, retry: 0 };

  const change = (name) => ({ change: (event) => {
    filters[name] = event.target.value;
    begin().catch(said);
  } });
  const reasons = REASONS.map((code) => [code, words(code)]);
  fill(view,
    h("div", { class: "heading" }, h("h1", {}, "Live"), h("div", { class: "row" }, state, pause)),
    h("section", { class: "card filters", "aria-label": "Filters" },
      field("Gate", select([["", "All gates"], ...[...gates.values()].map((gate) => [gate.gate_id, gate.name])], "", { on: change("gate_id") })),
      field("Decision", select(DECISIONS, "", { on: change("decision") })),
      field("Reason", select([["", "All reasons"], ...reasons], "", { on: change("reason") }))),
    tally,
    h("section", { class: "card", "aria-label": "Passages" }, shown, note, h("div", { class: "row" }, more)));

  /** The scores that decided, against their limits; an event has none, so they are asked for. */
  function scores(row) {
    const cell = h("div", { class: "number small" });
    const line = (name, value, limit) => typeof value === "number" && h("div", {}, `${name} ${score(value)} of ${score(limit)}`);
    const put = (passage) => fill(cell, line("distance", passage.distance, passage.threshold), line("liveness", passage.liveness, passage.liveness_threshold));
    if (row.distance !== undefined) put(row);
    else if (row.decision) lazily(cell, () => get(`/v1/passages/${row.passage_id}`).then(put));
    return cell;
  }

  async function why(button, id) {
    await busy(button, () => explain(id).catch((problem) => toast(problem.message)));
  }

  /** Whether what just happened is to be shown. */
  function fits(event) {
    if (filters.gate_id && event.gate_id !== filters.gate_id) return false;
    if (filters.decision && event.decision !== filters.decision) return false;
    return !filters.reason || event.reason === filters.reason;
  }

  function arrived(name, event) {
    if (event.decision in counts) counts[event.decision] += 1;
    if (!fits(event)) return;
    waiting.push(event);
    if (waiting.length > ROWS_MAX) waiting.shift();
  }

  function showArrived() {
    const text = `Since this page was opened: ${count(counts.grant)} granted, ${count(counts.deny)} denied, ${count(counts.retry)} to be tried again.`;
    if (tally.textContent !== text) tally.textContent = text;
    if (paused) pause.textContent = `Go on (${waiting.length} waiting)`;
    if (paused || waiting.length === 0) return;
    // What was recorded while the page was read may be told of as well.
    const there = shownIds();
    const arrived = waiting.splice(0).filter((event) => !there.has(event.passage_id)).map((event) => rowOf(event, "new"));
    rows.prepend(...arrived.reverse());
    note.hidden = true;
    shown.hidden = false;
    while (rows.childElementCount > ROWS_MAX) rows.lastElementChild.remove();
  }

  const shownIds = () => new Set([...rows.children].map((row) => row.dataset.id).filter(Boolean));

  function rowOf(item, kind) {
    const row = tableRow(columns, item);
    row.dataset.id = item.passage_id || item.input_id || "";
    if (kind) row.classList.add(kind);
    return row;
  }

  function hold(on) {
    paused = on;
    pause.setAttribute("aria-pressed", String(on));
    pause.textContent = on ? "Go on" : "Pause";
  }

  /** What the service refused, where the rows would be. */
  function said(problem) {
    note.hidden = false;
    fill(note, `${problem.message}. `, h("button", { type: "button", class: "quiet", on: { click: () => begin().catch(said) } }, "Try again"));
  }

  async function begin() {
    older = null;
    fill(rows);
    waiting = [];
    await loadOlder();
  }

  async function loadOlder() {
    const asked = JSON.stringify(filters);
    const page = await get("/v1/passages", { ...filters, limit: ROWS_BEGIN, cursor: older });
    if (asked !== JSON.stringify(filters)) return;
    const there = shownIds();
    rows.append(...page.items.filter((item) => !there.has(item.passage_id)).map((item) => rowOf(item)));
    older = page.next_cursor ?? null;
    more.hidden = !older || rows.childElementCount >= ROWS_MAX;
    fill(note, NOBODY);
    note.hidden = rows.childElementCount > 0;
    shown.hidden = !note.hidden;
  }

  // Followed before what is there is read: nothing falls between the two.
  const end = follow("/v1/events", {
    event: arrived,
    state: (now) => {
      state.textContent = now === "live" ? "live" : "waiting for the service";
      state.className = `tag ${now === "live" ? "good" : "warn"}`;
    },
  });
  const timer = setInterval(showArrived, SHOWN_EVERY_MS);
  const leave = () => {
    clearInterval(timer);
    end();
  };
  try {
    await begin();
  } catch (problem) {
    leave();
    throw problem;
  }
  return leave;
}
