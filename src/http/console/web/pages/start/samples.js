// The samples: who they are, how they come and how they go.

import { all, get, patch, post, Problem, remove } from "/assets/parts/api.js";
import { forgetGates, forgetPerson } from "/assets/parts/people.js";

/** Whom the first click makes known. By the badge they are found again, and nobody else is touched. */
export const PEOPLE = [
  { name: "Barack Obama", badge_id: "LIMEN-SAMPLE-1", file: "obama-1.jpg" },
  { name: "Eileen Collins", badge_id: "LIMEN-SAMPLE-2", file: "collins-1.jpg" },
  { name: "Grace Hopper", badge_id: "LIMEN-SAMPLE-3", file: "hopper-1.jpg" },
];

/** Who comes to the gate. */
export const ROUNDS = [
  { label: "Barack Obama comes", hint: "Another photo than the enrolled one", file: "obama-3.jpg" },
  { label: "A stranger comes", hint: "Joe Biden, who is not enrolled", file: "biden-1.jpg" },
  { label: "A print is held up", hint: "Obama's photo on paper", file: "print-attack-obama.jpg" },
];

const GATE = "Sample gate";
const DEPARTMENT = "Samples";

/** What is there of them: `{people, gate}`; a gate that is switched off counts as none. */
export async function findSamples() {
  const found = PEOPLE.map(({ badge_id }) => get("/v1/employees", { badge_id }).then(({ items }) => items[0]));
  const [gates, ...people] = await Promise.all([all("/v1/gates"), ...found]);
  const gate = gates.find(({ name }) => name === GATE);
  return { people: people.filter(Boolean), gate: gate?.enabled ? gate : null, closedGate: gate?.enabled === false ? gate : null };
}

/** Makes what is missing; `say` hears what is being done. */
export async function makeSamples({ people, gate, closedGate }, say) {
  for (const { name, badge_id, file } of PEOPLE) {
    say(`Enrolling ${name}.`);
    const known = people.find((person) => person.badge_id === badge_id);
    const { employee_id: id } = known || (await post("/v1/employees", { name, badge_id, department: DEPARTMENT }));
    const { items } = known ? await get(`/v1/employees/${id}/faces`) : { items: [] };
    if (!items.length) await post(`/v1/employees/${id}/faces`, await picture(file));
  }
  say("Making the gate.");
  // Shown twice in a row, somebody is let in twice: this gate has no turnstile that is still open.
  const policy = { enabled: true, debounce_ms: 0 };
  if (closedGate) await patch(`/v1/gates/${closedGate.gate_id}`, policy);
  else if (!gate) await post("/v1/gates", { name: GATE, ...policy });
  forgetGates();
  say("");
}

/** Asks the gate about a picture, as its firmware would: the answer, and whose face it is. */
export async function askGate(gate, file) {
  const headers = { "x-event-id": `start-${crypto.randomUUID()}`, "x-captured-at": new Date().toISOString() };
  const answer = await post(`/v1/gates/${gate.gate_id}/passages`, await picture(file), { headers });
  const person = answer.employee_id && (await get(`/v1/employees/${answer.employee_id}`));
  return { ...answer, name: person?.name };
}

/** Removes them. A gate that the trail names stays, switched off: `{gateStays}`. */
export async function removeSamples({ people, gate }) {
  for (const { employee_id: id } of people) {
    await remove(`/v1/employees/${id}`);
    forgetPerson(id);
  }
  let gateStays = false;
  try {
    await remove(`/v1/gates/${gate.gate_id}`);
  } catch (problem) {
    if (problem.code !== "gate_has_passages") throw problem;
    await patch(`/v1/gates/${gate.gate_id}`, { enabled: false });
    gateStays = true;
  }
  forgetGates();
  return { gateStays };
}

async function picture(file) {
  const response = await fetch(`/samples/${file}`).catch(() => null);
  if (!response?.ok) throw new Problem(response?.status ?? 0, { detail: `the picture ${file} cannot be loaded` });
  return response.blob();
}
