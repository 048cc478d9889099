// Links with which somebody photographs themself.

import { get, post, remove } from "/assets/parts/api.js";
import { loadedCard, trouble } from "/assets/parts/card.js";
import { formDialog } from "/assets/parts/dialog.js";
import { busy, field, h, select } from "/assets/parts/dom.js";
import { moment } from "/assets/parts/format.js";
import { row, rows } from "/assets/parts/rows.js";
import { showSecret } from "/assets/parts/secret.js";

const LIFETIMES = [["", "as the site has it"], ["3600", "one hour"], ["86400", "one day"], ["604800", "one week"]];
const STATES = { open: "open", used: "used", expired: "expired", revoked: "taken back", exhausted: "too many photos refused" };
const SHOWN_MAX = 5;

/** The card. */
export function invitations(id, { mayChange }) {
  return loadedCard("Invitation", async (reload) => {
    const { items } = await get(`/v1/employees/${id}/invitations`);
    const problem = trouble();
    const newest = items.slice(-SHOWN_MAX).reverse();
    return [
      h("p", { class: "soft small" }, "A link with which the person takes their own photo, once, on their own phone."),
      newest.length > 0 && rows(newest.map((invitation) => row(
        [h("span", { class: `tag ${invitation.state === "open" ? "good" : ""}` }, STATES[invitation.state] || invitation.state), h("span", { class: "soft small" }, when(invitation))],
        mayChange && invitation.state === "open" && h("button", { type: "button", class: "bare", on: { click: ({ target }) =>
          busy(target, () => remove(`/v1/employees/${id}/invitations/${invitation.invitation_id}`)).then(reload, problem.say) } }, "Take back")))),
      problem.element,
      mayChange && h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: () => invite(reload) } }, "Invite")),
    ];
  });

  async function invite(reload) {
    const lifetime = select(LIFETIMES, "", { name: "expires_in_s" });
    const version = h("input", { name: "consent_version", maxlength: 100, autocomplete: "off" });
    const made = await formDialog({
      title: "Invite to take a photo",
      body: [h("p", {}, "A link that is open now is over then."), field("It holds for", lifetime), field("Text to agree to", version, "As your site names its versions. Empty: no consent is asked for.")],
      action: "Make a link",
      submit: (form) => post(`/v1/employees/${id}/invitations`, {
        expires_in_s: form.get("expires_in_s") ? Number(form.get("expires_in_s")) : undefined,
        consent_version: form.get("consent_version").trim() || undefined,
      }),
    });
    if (!made) return;
    const note = `Whoever has it enrols their face as this person's: send it to them alone. It holds until ${moment(made.expires_at)}.`;
    showSecret("The link, shown this once", note, [["Link", new URL(made.link, location.origin).href]]);
    reload();
  }
}

function when({ state, used_at, expires_at, attempts_left }) {
  if (used_at) return `on ${moment(used_at)}`;
  if (state === "open") return `until ${moment(expires_at)}, ${attempts_left} photos may still be tried`;
  return `would have held until ${moment(expires_at)}`;
}
