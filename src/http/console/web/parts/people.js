// Names for ids: asked once each, and forgotten when they may have changed.

import { all, get } from "/assets/parts/api.js";

/** Names that are remembered; of more, the oldest go. */
const NAMES_MAX = 5000;
const names = new Map();
let gates = null;
/** When the gates were last asked for, and how soon they may be again because of one that nobody knows. */
let gatesAskedAt = 0;
const GATES_AGAIN_MS = 10_000;

/** The name of a person; `somebody who is gone` where the id names nobody any more. */
export function personName(id) {
  if (!names.has(id)) {
    if (names.size >= NAMES_MAX) names.delete(names.keys().next().value);
    names.set(id, get(`/v1/employees/${id}`).then((person) => person.name, (problem) => {
      if (problem.status === 404) return "somebody who is gone";
      names.delete(id);
      return "somebody";
    }));
  }
  return names.get(id);
}

/** All gates, by their ids. */
export function gatesById() {
  if (!gates) gatesAskedAt = Date.now();
  gates ||= all("/v1/gates").then((rows) => new Map(rows.map((gate) => [gate.gate_id, gate])));
  gates.catch(() => (gates = null));
  return gates;
}

/** The name of a gate: one that is new is asked for. */
export async function gateNamed(id) {
  const known = (await gatesById()).get(id);
  if (known) return known.name;
  if (Date.now() - gatesAskedAt > GATES_AGAIN_MS) gates = null;
  return (await gatesById()).get(id)?.name || "a gate that is gone";
}

export const forgetPerson = (id) => names.delete(id);
export const forgetGates = () => (gates = null);

/** Signing out forgets everybody. */
export function forgetAll() {
  names.clear();
  gates = null;
}
