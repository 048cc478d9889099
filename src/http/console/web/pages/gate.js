// One gate: how it fares, its policy, its credentials, a test shot, and what passed of late.

import { get, patch, remove } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { changesOf } from "/assets/parts/changes.js";
import { confirmDialog } from "/assets/parts/dialog.js";
import { busy, fill, h, toast } from "/assets/parts/dom.js";
import { every } from "/assets/parts/every.js";
import { ago, moment, words } from "/assets/parts/format.js";
import { decisionTag, whoLink } from "/assets/parts/passage.js";
import { forgetGates } from "/assets/parts/people.js";
import { zoneNames } from "/assets/parts/places.js";
import { asked, facts, refusal, time } from "/assets/parts/section.js";
import { pagedTable } from "/assets/parts/table.js";
import { credentials } from "/assets/pages/gate_credentials.js";
import { demandFields, demandsOf, placeFields, placeOf, policyText } from "/assets/pages/gate_policy.js";
import { decisionsText, enabledTag, latencyText } from "/assets/pages/gate_state.js";
import { testShot } from "/assets/pages/test_shot.js";

/** How often the state is asked anew. */
const REFRESH_MS = 10_000;

/** Rows of what passed of late. */
const ROWS = 20;

export async function showGate(view, id, context) {
  const { may } = context;
  const path = `/v1/gates/${encodeURIComponent(id)}`;
  const [gate, zones] = await Promise.all([get(path), zoneNames()]);
  const passages = may("see_trail") ? lastPassages(gate, may) : null;
  const shot = may("change_places") ? testShot(gate, may) : null;
  const stateLine = h("div", {});
  const title = h("h1", {}, gate.name);

  const body = h("div", { class: "columns" },
    h("div", { class: "stack" },
      card("How it fares", stateLine),
      may("change_places") ? policyForm(gate, zones, title) : card("Policy", h("p", {}, policyText(gate, zones))),
      passages && card("Passages", passages.element)),
    h("div", { class: "stack" },
      shot?.element,
      may("manage_keys") && credentials(gate)));
  fill(view,
    h("p", { class: "small" }, h("a", { href: "/console/gates" }, "All gates")),
    h("div", { class: "heading" }, h("div", { class: "row" }, title, enabledTag(gate.enabled)), may("change_places") && actions(gate, view, context)),
    body);
  passages?.reload();

  let last = null;
  const stop = every(REFRESH_MS, () => asked(stateLine, () => get(`${path}/state`), (state) => {
    const newest = state.last_passage?.passage_id;
    if (last && newest !== last) passages?.reloadUnlessRead();
    last = newest ?? "none";
    return stateFacts(state);
  }));
  return () => {
    stop();
    shot?.stop();
  };
}

const stateFacts = (state) => facts([
  ["Last contact", time(state.last_contact_at, ago)],
  ["Last passage", state.last_passage ? [time(state.last_passage.decided_at, ago), ", ", words(state.last_passage.reason)].map((part) => h("span", {}, part)) : state.last_passage === null ? "none" : null],
  ["24 hours", state.last_24h && decisionsText(state.last_24h)],
  ["Latency", state.latency_ms !== undefined ? `${latencyText(state.latency_ms)}${state.latency_ms ? `, of ${state.latency_ms.samples} passages` : ""}` : null],
]);

function actions(gate, view, { go }) {
  const change = (enabled) => patch(`/v1/gates/${gate.gate_id}`, { enabled });
  const changed = () => {
    forgetGates();
    go(`/console/gates/${gate.gate_id}`, { replace: true });
    view.focus();
  };
  const on = h("button", { type: "button", on: { click: () => busy(on, () => change(true)).then(changed, (problem) => toast(problem.message)) } }, "Switch on");
  const off = h("button", { type: "button", class: "danger", on: { click: async () => {
    const done = await confirmDialog({
      title: `Switch off ${gate.name}`,
      text: "It refuses everybody until it is switched on again.",
      action: "Switch off",
      submit: () => change(false),
    });
    if (done) changed();
  } } }, "Switch off");
  const erase = h("button", { type: "button", class: "danger", on: { click: async () => {
    const done = await confirmDialog({
      title: `Remove ${gate.name}`,
      text: "A gate that never decided anything can be removed. One that the trail names cannot: switch it off.",
      action: "Remove",
      submit: () => remove(`/v1/gates/${gate.gate_id}`),
    });
    if (!done) return;
    forgetGates();
    go("/console/gates", { replace: true });
    view.focus();
  } } }, "Remove");
  return h("div", { class: "row" }, gate.enabled ? off : on, erase);
}

function policyForm(gate, zones, title) {
  const refused = h("div", {});
  const save = h("button", { type: "submit" }, "Save");
  const form = h("form", { class: "stack", on: { submit: async (event) => {
    event.preventDefault();
    refused.replaceChildren();
    const said = new FormData(form);
    const changes = changesOf(gate, { ...placeOf(said), ...demandsOf(said) });
    if (!Object.keys(changes).length) return toast("Nothing has changed.");
    try {
      Object.assign(gate, await busy(save, () => patch(`/v1/gates/${gate.gate_id}`, changes)));
      forgetGates();
      title.textContent = gate.name;
      toast("Saved. It counts for passages from now on.");
    } catch (problem) {
      fill(refused, refusal(problem));
    }
  } } },
    h("div", { class: "fields" }, placeFields(gate, zones), demandFields(gate)),
    refused, h("div", { class: "buttons" }, save));
  return card("Policy", form);
}

/** The newest passages of the gate, which come anew unless somebody reads further down. */
function lastPassages(gate, may) {
  const rows = pagedTable({
    caption: `Passages of ${gate.name}, the newest first`,
    path: "/v1/passages",
    query: () => ({ gate_id: gate.gate_id }),
    limit: ROWS,
    empty: "Nobody has passed yet.",
    columns: [
      ["When", (passage) => (passage.unreadable ? "cannot be read" : time(passage.decided_at, moment))],
      ["Decision", (passage) => passage.decision && decisionTag(passage.decision)],
      ["Why", (passage) => words(passage.reason)],
      ["Person", (passage) => passage.employee_id && (may("see_people") ? whoLink(passage) : h("code", {}, passage.employee_id))],
    ],
  });
  const read = () => rows.element.contains(document.activeElement) || rows.element.querySelectorAll("tbody tr").length > ROWS;
  return { ...rows, reloadUnlessRead: () => read() || rows.reload() };
}
