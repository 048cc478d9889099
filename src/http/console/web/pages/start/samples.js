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

/** What is there of them: `{people, gate, ready}`; people have `faces`, their number. */
export async function findSamples() {
  const [gates, ...found] = await Promise.all([all("/v1/gates"), ...PEOPLE.map(findPerson)]);
  const gate = gates.find(({ name }) => name === GATE);
  const people = found.filter(Boolean);
  const enrolled = people.filter(({ faces }) => faces > 0);
  return { people, gate, ready: Boolean(gate?.enabled) && enrolled.length === PEOPLE.length };
}

async function findPerson({ badge_id }) {
  const { items: [person] } = await get("/v1/employees", { badge_id });
  if (!person) return null;
  const { items } = await get(`/v1/employees/${person.employee_id}/faces`);
  return { ...person, faces: items.length };
}

/** Makes what is missing; `say` hears what is being done. */
export async function makeSamples(say) {
  const { people, gate } = await findSamples();
  for (const { name, badge_id, file } of PEOPLE) {
    say(`Enrolling ${name}.`);
    const person = people.find((known) => known.badge_id === badge_id) || (await post("/v1/employees", { name, badge_id, department: DEPARTMENT }));
    if (!person.faces) await post(`/v1/employees/${person.employee_id}/faces`, await picture(file));
  }
  say("Making the gate.");
  // Shown twice in a row, somebody is let in twice: this gate has no turnstile that is still open.
  const policy = { enabled: true, debounce_ms: 0 };
  if (gate) await patch(`/v1/gates/${gate.gate_id}`, policy);
  else await post("/v1/gates", { name: GATE, ...policy });
  forgetGates();
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
  forgetGates();
  if (!gate) return { gateStays };
  try {
    await remove(`/v1/gates/${gate.gate_id}`);
  } catch (problem) {
    if (problem.code !== "gate_has_passages") throw problem;
    await patch(`/v1/gates/${gate.gate_id}`, { enabled: false });
    gateStays = true;
  }
  return { gateStays };
}

async function picture(file) {
  const response = await fetch(`/samples/${file}`).catch(() => null);
  if (!response?.ok) throw new Problem(response?.status ?? 0, { detail: `the picture ${file} cannot be loaded` });
  return response.blob();
}
