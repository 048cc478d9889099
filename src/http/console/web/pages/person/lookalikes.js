// Whom somebody's face is nearest to.

import { get } from "/assets/parts/api.js";
import { loadedCard } from "/assets/parts/card.js";
import { h } from "/assets/parts/dom.js";
import { figure } from "/assets/parts/format.js";
import { row, rows } from "/assets/parts/rows.js";

/** The card. */
export function lookalikes(id) {
  return loadedCard("Look-alikes", async () => {
    let found;
    try {
      found = await get(`/v1/employees/${id}/lookalikes`);
    } catch (problem) {
      if (problem.code === "not_enrolled") return h("p", { class: "soft" }, "No face is enrolled yet.");
      throw problem;
    }
    const { items, threshold, look_alike_limit } = found;
    if (!items.length) return h("p", { class: "soft" }, "Nobody else is enrolled.");
    const alike = items.filter((other) => other.is_look_alike);
    return [
      alike.length > 0 && h("p", { class: "notice warn" }, "Too near to be told apart by the face alone: these people need a badge, or are one person entered twice."),
      rows(items.map((other) => row([
        h("a", { href: `/console/people/${other.employee_id}` }, other.name),
        h("span", { class: "soft number" }, `distance ${figure(other.distance)}`),
        other.is_look_alike && h("span", { class: "tag warn" }, "look-alike"),
        other.badge_required && h("span", { class: "tag" }, "needs a badge"),
      ]))),
      h("p", { class: "soft small" }, `The smaller the distance, the more alike. Under ${figure(threshold)} two faces are taken for one person; under ${figure(look_alike_limit)} they are look-alikes.`),
    ];
  });
}
