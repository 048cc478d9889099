// A gate's policy, in words and as a form.

import { field, h, select } from "/assets/parts/dom.js";
import { words } from "/assets/parts/format.js";

/** Whom a gate compares a face with. */
const MODES = [["badge_or_face", "Badge or face"], ["face", "Face alone"], ["badge_and_face", "Badge and face"]];

/** The policy in a line. `zones`: names by id. */
export function policyText(gate, zones) {
  const zone = gate.zone_id && `${gate.direction === "in" ? "into" : "out of"} ${zones.get(gate.zone_id) || "a zone that is gone"}`;
  const liveness = gate.liveness_threshold === null ? "liveness not checked" : `liveness at least ${gate.liveness_threshold}`;
  return [words(gate.mode), zone, liveness, gate.signed_requests && "signed requests alone"].filter(Boolean).join(", ");
}

/** The name, the mode and where it leads, which a new gate is asked for; the rest has its defaults. */
export function placeFields(gate, zones) {
  const zone = select([["", "None"], ...zones], gate.zone_id, { name: "zone_id" });
  const direction = select([["in", "Into the zone"], ["out", "Out of the zone"]], gate.direction, { name: "direction" });
  return [
    field("Name", h("input", { name: "name", value: gate.name, required: true, maxlength: "100", autocomplete: "off" })),
    field("Asks for", select(MODES, gate.mode, { name: "mode" }), "With a badge the face must be its owner's; without one, anybody's who is enrolled."),
    field("Zone", zone, "Without one it opens for everybody of good standing."),
    field("Direction", direction, "Counts where there is a zone."),
  ];
}

/** What else it demands. */
export function demandFields(gate) {
  const seconds = (name, ms, min, max) => h("input", { type: "number", name, value: ms / 1000, min, max, step: 0.001, required: true });
  const threshold = h("input", { type: "number", name: "liveness_threshold", value: gate.liveness_threshold ?? 0.5, min: "0", max: "1", step: "any", required: true });
  const checked = h("input", { type: "checkbox", name: "liveness", checked: gate.liveness_threshold !== null });
  const follow = () => (threshold.disabled = !checked.checked);
  checked.addEventListener("change", follow);
  follow();
  return [
    field("Least liveness", threshold, "0 to 1. Higher refuses more prints and screens, and more honest people."),
    field("Least face size", h("input", { type: "number", name: "pupil_distance_px_min", value: gate.pupil_distance_px_min, min: "8", max: "1000", step: "any", required: true }), "Pixels between the pupils: a smaller face is asked to come closer."),
    field("Stays open for", seconds("open_ms", gate.open_ms, 0.1, 60), "Seconds, 0.1 to 60."),
    field("Oldest frame", seconds("frame_age_ms_max", gate.frame_age_ms_max, 0.1, 600), "Seconds: what was captured longer ago is refused."),
    field("Shut to the same person for", seconds("debounce_ms", gate.debounce_ms, 0, 600), "Seconds after a grant."),
    h("label", { class: "check" }, checked, "Check that the face is alive"),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "signed_requests", checked: gate.signed_requests }), "Takes signed requests alone: an API key asks in vain"),
  ];
}

/** What the fields of a form say of the place. */
export const placeOf = (form) => ({
  name: form.get("name").trim(),
  mode: form.get("mode"),
  zone_id: form.get("zone_id") || null,
  direction: form.get("direction"),
});

/** The same of the demands. */
export const demandsOf = (form) => ({
  // A box that is not checked disables the field, which is then not in the form.
  liveness_threshold: form.has("liveness") ? Number(form.get("liveness_threshold")) : null,
  pupil_distance_px_min: Number(form.get("pupil_distance_px_min")),
  open_ms: milliseconds(form.get("open_ms")),
  frame_age_ms_max: milliseconds(form.get("frame_age_ms_max")),
  debounce_ms: milliseconds(form.get("debounce_ms")),
  signed_requests: form.has("signed_requests"),
});

const milliseconds = (seconds) => Math.round(Number(seconds) * 1000);
