// The gates: which there are, what each demands, and how it fares.

import { all, post } from "/assets/parts/api.js";
import { formDialog } from "/assets/parts/dialog.js";
import { fill, h } from "/assets/parts/dom.js";
import { every } from "/assets/parts/every.js";
import { ago, moment } from "/assets/parts/format.js";
import { forgetGates } from "/assets/parts/people.js";
import { zoneNames } from "/assets/parts/places.js";
import { time } from "/assets/parts/section.js";
import { pagedTable } from "/assets/parts/table.js";
import { showGate } from "/assets/pages/gate.js";
import { placeFields, placeOf, policyText } from "/assets/pages/gate_policy.js";
import { decisionsText, enabledTag, latencyText } from "/assets/pages/gate_state.js";

/** How often the states are asked anew. */
const REFRESH_MS = 15_000;

export async function show(view, context) {
  const { path, may } = context;
  if (path[0]) return showGate(view, path[0], context);
  const zones = await zoneNames();
  const states = new States();
  const columns = [
    ["Gate", (gate) => h("a", { href: `/console/gates/${gate.gate_id}` }, gate.name)],
    ["State", (gate) => enabledTag(gate.enabled)],
    ["Policy", (gate) => policyText(gate, zones)],
    ["Last contact", (gate) => states.cell(gate, (state) => time(state.last_contact_at, ago))],
    ...(may("see_trail") ? [
      ["24 hours", (gate) => states.cell(gate, (state) => decisionsText(state.last_24h))],
      ["Latency", (gate) => states.cell(gate, (state) => latencyText(state.latency_ms))],
    ] : []),
  ];
  const trouble = h("p", { class: "notice warn", role: "status", hidden: true });
  const asOf = h("p", { class: "soft small" });
  const gates = pagedTable({
    caption: "Gates",
    columns,
    path: "/v1/gates",
    empty: "There is no gate yet.",
    added: () => refresh(),
  });
  const refresh = () => states.refresh().then(said, said);

  function said(problem) {
    trouble.hidden = !problem;
    trouble.textContent = problem ? `How the gates fare is not known: ${problem.message}.` : "";
    asOf.textContent = problem ? "" : `As of ${moment(new Date().toISOString())}. Latency is from the capture of a frame to its decision.`;
  }

  fill(view,
    h("div", { class: "heading" }, h("h1", {}, "Gates"), may("change_places") && h("button", { type: "button", on: { click: () => newGate(zones, view, context) } }, "New gate")),
    h("section", { class: "card", "aria-label": "List" }, trouble, gates.element, asOf));
  await gates.reload();
  return every(REFRESH_MS, refresh);
}

/** How the gates of a list fare, each in its cells. */
class States {
  #cells = new Map();

  /** A cell of a gate that shows something of its state. */
  cell(gate, show) {
    const element = h("span", {}, "…");
    const cells = this.#cells.get(gate.gate_id) || [];
    this.#cells.set(gate.gate_id, [...cells, { element, show }]);
    return element;
  }

  /** Asks for the states of all gates that are shown: both lists are in the order of creation. */
  async refresh() {
    if (!this.#cells.size) return;
    const states = new Map((await all("/v1/gate-states", {}, this.#cells.size)).map((state) => [state.gate_id, state]));
    for (const [id, cells] of this.#cells) {
      const state = states.get(id);
      if (state) for (const { element, show } of cells) fill(element, show(state));
    }
  }
}

async function newGate(zones, view, { go }) {
  const gate = await formDialog({
    title: "New gate",
    body: [placeFields({ name: "", mode: "badge_or_face", direction: "in" }, zones), h("p", { class: "soft small" }, "The rest of its policy begins as config.toml says, and is changed on the gate's own page.")],
    action: "Create",
    submit: (form) => post("/v1/gates", placeOf(form)),
  });
  if (!gate) return;
  forgetGates();
  go(`/console/gates/${gate.gate_id}`);
  view.focus();
}
