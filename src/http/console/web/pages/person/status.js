// Whether somebody may pass at all.

import { patch } from "/assets/parts/api.js";
import { confirmDialog } from "/assets/parts/dialog.js";
import { h } from "/assets/parts/dom.js";

const NAMES = { active: ["good", "active"], suspended: ["warn", "suspended"], revoked: ["bad", "revoked"], blocked: ["bad", "on the blocklist"] };

/** A status in colour and words, and whether a badge is needed. */
export function statusTags({ status, badge_required }) {
  const [kind, name] = NAMES[status] || ["", status];
  return h("span", { class: "row" }, h("span", { class: `tag ${kind}` }, name), badge_required && h("span", { class: "tag" }, "needs a badge"));
}

/** What can be made of each status: the new one, what the button says, what it means, and whether it needs the right to block. */
const REVOKE = ["revoked", "Revoke", "No gate opens for them any more. Their faces stay, so that they can be reinstated."];
const BLOCK = ["blocked", "Put on the blocklist", "No gate opens for them, gates do not say why, and the security desk gets an alarm when they are seen.", true];
const REINSTATE = ["active", "Reinstate", "Gates open for them again where their groups allow it."];
const CHANGES = {
  active: [["suspended", "Suspend", "No gate opens for them until they are reinstated."], REVOKE, BLOCK],
  suspended: [REINSTATE, REVOKE, BLOCK],
  revoked: [REINSTATE, BLOCK],
  blocked: [["active", "Take off the blocklist", "Gates open for them again where their groups allow it.", true]],
};

/** The buttons that change it; `changed` gets the person as they then are. */
export function statusButtons(person, { may, changed }) {
  const possible = (CHANGES[person.status] || []).filter(([, , , blocks]) => may(blocks ? "block_people" : "change_status"));
  return possible.map(([status, name, meaning]) =>
    h("button", { type: "button", class: status === "active" ? "quiet" : "danger", on: { click: () => change(status, name, meaning) } }, name));

  async function change(status, name, meaning) {
    let now = null;
    await confirmDialog({ title: `${name}: ${person.name}?`, text: meaning, action: name, submit: async () => (now = await patch(`/v1/employees/${person.employee_id}`, { status })) });
    if (now) changed(now);
  }
}
