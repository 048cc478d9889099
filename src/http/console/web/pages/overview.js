// What runs here, and how it fares at a glance.

import { get } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { h } from "/assets/parts/dom.js";
import { every } from "/assets/parts/every.js";
import { count, figure, moment, percent, words } from "/assets/parts/format.js";
import { asked, bigFigure, facts } from "/assets/parts/section.js";
import { table } from "/assets/parts/table.js";
import { auditCard } from "/assets/pages/audit.js";

/** How often the figures are asked anew. */
const REFRESH_MS = 10_000;

export function showOverview(place) {
  const glance = h("div", { class: "stack" });
  const parts = h("div", { class: "cards" });
  const networks = h("div", { class: "stack" });
  const audit = auditCard();
  const drawn = new Map();

  /** Draws what changes seldom only where it has changed, so that nobody's place in it is lost. */
  function draw(part, of, ...cards) {
    const key = JSON.stringify(of);
    if (drawn.get(part) !== key) part.replaceChildren(...cards);
    drawn.set(part, key);
  }

  place.append(card("At a glance", glance), audit.element, parts, networks);
  return every(REFRESH_MS, () => asked(glance, () => get("/v1/system"), (system) => {
    audit.know(system.audit);
    const { version, gallery: known, model_id: model, database } = system;
    draw(parts, [version, known, model, system.calibration, database.schema_version, database.connections_open], service(system), gallery(system), calibration(system));
    draw(networks, system.networks, networkCard(system));
    return atAGlance(system);
  }));
}

function atAGlance({ passages_24h: day, latency_ms: latency, queue, uptime_s: uptime, overloads, database }) {
  const refused = Object.entries(overloads || {}).filter(([, times]) => times > 0);
  return [
    h("div", { class: "cards figures" },
      bigFigure(count(day.grant), "granted in 24 hours"),
      bigFigure(count(day.deny), "refused in 24 hours"),
      bigFigure(count(day.retry), "asked again in 24 hours"),
      bigFigure(latency ? `${Math.round(latency.p50)} ms` : "–", latency ? `from capture to decision; 99 % within ${Math.round(latency.p99)} ms` : "from capture to decision: nothing to tell it of"),
      bigFigure(`${count(queue.waiting)} of ${count(queue.max)}`, "frames wait for a worker"),
      bigFigure(duration(uptime), "since it began to serve")),
    !database.ready && h("p", { class: "notice bad", role: "alert" }, "Postgres does not answer: no gate opens."),
    refused.length ? h("p", { class: "notice warn" }, "Refused since the start because there was too much at once: ", refused.map(([limit, times]) => `${count(times)} × ${words(limit)}`).join(", "), ".") : null,
    h("p", { class: "soft small" }, `As of ${moment(new Date().toISOString())}. Prometheus reads more from `, h("code", {}, "/metrics"), "."),
  ];
}

const service = (system) => card("Service", facts([
  ["Version", system.version],
  ["Revision", h("code", {}, system.revision)],
  ["Device", `${system.device}, ${system.precision}`],
  ["Workers", system.workers],
  ["Database", `schema ${system.database.schema_version ?? "not known"}, ${system.database.connections_open} connections`],
]));

const gallery = ({ gallery: { people, faces, models }, model_id: model }) => card("Gallery", facts([
  ["People", count(people)],
  ["Faces", count(faces)],
  ["Encoder", h("code", {}, model)],
  ...(models?.length > 1 ? models.map((each) => [each.model_id, `${count(each.people)} people, ${count(each.faces)} faces`]) : []),
]));

const calibration = ({ calibration: known }) => card("Calibration", known
  ? facts([
    ["Fingerprint", h("code", {}, known.fingerprint)],
    ["Measured on", known.sources.join(", ")],
    ["People", count(known.people)],
    ["Photos", `${count(known.photos)}${known.failures_to_acquire ? `, and ${count(known.failures_to_acquire)} without a face` : ""}`],
    ["Strangers compared", `${count(known.impostor_pairs)} pairs`],
    ["Same person compared", `${count(known.genuine_pairs)} pairs`],
    ["Rarest error shown", `${percent(known.smallest_fmr)} of comparisons`],
  ])
  : h("p", {}, "None: τ is a fixed number, and its error rates are not known."));

const networkCard = ({ networks }) => card("Networks", table("The networks that are loaded", [
  ["Role", (network) => network.role],
  ["Id", (network) => network.id],
  ["Licence", (network) => network.licence],
  ["Trained on", (network) => network.training],
  ["SHA-256", (network) => h("code", { class: "hash" }, network.sha256)],
], networks));

/** Seconds, roughly. */
function duration(seconds) {
  for (const [size, name] of [[86400, "days"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${figure(Math.floor(seconds / size))} ${name}`;
  }
  return `${Math.floor(seconds)} s`;
}
