// The chains of the trail: how long they are, whether their newest records are as they were written, and their heads.

import { get, post } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { busy, field, fill, h, select } from "/assets/parts/dom.js";
import { download } from "/assets/parts/download.js";
import { count } from "/assets/parts/format.js";
import { refusal } from "/assets/parts/section.js";

const RECORDS = [["100", "100 of each chain"], ["1000", "1,000 of each chain"], ["10000", "10,000 of each chain"]];

/** The card; `know` gets what `/v1/system` says of the trail. */
export function auditCard() {
  const extent = h("p", {});
  const outcome = h("div", { class: "stack", "aria-live": "polite" });
  const records = select(RECORDS, "1000");
  const check = h("button", { type: "button", on: { click: () => busy(check, () => run()) } }, "Check");
  const save = h("button", { type: "button", class: "quiet", on: { click: () => busy(save, saveHeads) } }, "Save the heads");

  async function run() {
    fill(outcome, h("p", { class: "soft" }, "Checking…"));
    try {
      fill(outcome, verdict(await post("/v1/audit-checks", { records: Number(records.value) })));
    } catch (problem) {
      fill(outcome, refusal(problem));
    }
  }

  async function saveHeads() {
    try {
      const { items } = await get("/v1/audit-heads");
      // As `limen audit verify --heads` reads them: one to a line.
      download(`limen-heads-${new Date().toISOString().slice(0, 10)}.jsonl`, items.map((head) => `${JSON.stringify(head)}\n`).join(""), "application/jsonl");
    } catch (problem) {
      fill(outcome, refusal(problem));
    }
  }

  const element = card("Audit trail",
    h("p", { class: "soft small" }, "Every passage and every change is chained to the one before and signed: what is altered afterwards breaks a chain."),
    extent,
    h("div", { class: "row end" }, field("The newest records", records), check, save),
    outcome,
    h("p", { class: "soft small" }, "The heads say where each chain ends. Kept elsewhere, they show where an old copy of the database was put back: ", h("code", {}, "limen audit verify --heads FILE"), " checks everything against them."));
  return { element, know: (audit) => fill(extent, audit ? `${plural(audit.records, "record")} in ${plural(audit.chains, "chain")}, ${audit.signed === audit.chains ? "all signed" : `${count(audit.signed)} signed`}.` : null) };
}

function verdict({ checked, chains, sound, faults, faults_found: found, complete, erased }) {
  return [
    h("p", { class: `notice ${sound ? "good" : "bad"}` },
      sound ? `Sound: ${plural(checked, "record")} of ${plural(chains, "chain")} are as they were written.` : `Not sound: ${plural(found ?? faults.length, "fault")} in ${plural(checked, "record")} of ${plural(chains, "chain")}.`,
      !complete && " The time was over before all was read.",
      erased ? ` Of ${count(erased)} the personal part is not there any more; only limen audit verify tells whether it was erased as people may ask.` : null),
    faults.length ? h("ul", {}, faults.map(({ fault, record_id: record }) => h("li", {}, fault, record && [" ", h("code", {}, record)]))) : null,
    !sound && h("p", {}, "Tell whoever answers for the system, keep the database as it is, and run ", h("code", {}, "limen audit verify"), "."),
  ];
}

const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
