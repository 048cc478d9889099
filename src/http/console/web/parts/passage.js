// One passage: what was decided, and why.

import { get } from "/assets/parts/api.js";
import { showDialog } from "/assets/parts/dialog.js";
import { h } from "/assets/parts/dom.js";
import { moment, sentence, words } from "/assets/parts/format.js";
import { meter } from "/assets/parts/meter.js";
import { gateNamed, personName } from "/assets/parts/people.js";

/** The decisions, as what somebody was. */
export const DECISIONS = [["grant", "granted"], ["deny", "refused"], ["retry", "asked again"]];

/** A decision as a coloured word. */
export const decisionTag = (decision) => h("span", { class: `tag ${decision}` }, words(decision));

/** Who it was about, as far as that is known: a link to the person, filled in once the name is there. */
export function whoLink(passage) {
  if (!passage.employee_id) return h("span", { class: "soft" }, passage.badge_id ? `badge ${passage.badge_id}` : "nobody known");
  const link = h("a", { href: `/console/people/${passage.employee_id}` }, "…");
  personName(passage.employee_id).then((name) => (link.textContent = name));
  return link;
}

/** The name of a gate, filled in once it is there. */
export function gateName(id) {
  const name = h("span", {}, "…");
  gateNamed(id).then((text) => (name.textContent = text), () => (name.textContent = id));
  return name;
}

/** Shows why a gate answered as it did. */
export async function explain(id) {
  const [passage, why] = await Promise.all([get(`/v1/passages/${id}`), get(`/v1/passages/${id}/explanation`)]);
  const fact = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];
  showDialog("Why the gate answered so",
    h("p", { class: "row" }, decisionTag(why.decision), h("strong", {}, words(why.reason))),
    h("p", {}, `${sentence(why.meaning)} ${why.advice === "nothing" ? "There is nothing to do." : `What to do: ${why.advice}.`}`),
    why.checks.length > 0 && h("div", { class: "stack", role: "group", "aria-label": "Figures against their limits" }, why.checks.map(meter)),
    h("dl", { class: "facts" },
      fact("Who", whoLink(passage)),
      fact("Gate", gateName(passage.gate_id)),
      fact("Decided", moment(passage.decided_at)),
      fact("Captured", moment(passage.captured_at)),
      fact("Frames", String(passage.frames)),
      fact("Compared with", passage.mode && words(passage.mode)),
      fact("Badge", passage.badge_id),
      fact("Notice", passage.notice && words(passage.notice)),
      fact("Opened for", passage.open_ms > 0 && `${passage.open_ms} ms`),
      fact("Model", passage.model_id && h("code", {}, passage.model_id)),
      fact("Event", h("code", {}, passage.event_id))));
}
