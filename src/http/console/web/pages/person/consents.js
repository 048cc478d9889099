// What somebody agreed to, and when.

import { get, post, remove } from "/assets/parts/api.js";
import { loadedCard, trouble } from "/assets/parts/card.js";
import { confirmDialog } from "/assets/parts/dialog.js";
import { busy, field, h } from "/assets/parts/dom.js";
import { day } from "/assets/parts/format.js";
import { row, rows } from "/assets/parts/rows.js";

/** The card; `facesGone` is called when faces may have gone with a consent. */
export function consents(id, { mayChange, facesGone }) {
  return loadedCard("Consent", async (reload) => {
    const { items } = await get(`/v1/employees/${id}/consents`);
    const problem = trouble();
    const version = h("input", { name: "text_version", required: true, maxlength: 100, autocomplete: "off" });
    const send = h("button", { type: "submit", class: "quiet" }, "Record");
    return [
      items.length ? rows(items.map((consent) => row(
        [
          h("span", {}, consent.text_version),
          consent.withdrawn_at ? h("span", { class: "tag bad" }, "withdrawn") : h("span", { class: "tag good" }, "holds"),
          h("span", { class: "soft small" }, `given ${day(consent.given_at)}${consent.withdrawn_at ? `, withdrawn ${day(consent.withdrawn_at)}` : ""}`),
        ],
        mayChange && !consent.withdrawn_at && h("button", { type: "button", class: "bare", "aria-label": `Withdraw ${consent.text_version}`, on: { click: () => withdraw(consent, reload) } }, "Withdraw"))))
        : h("p", { class: "soft" }, "None is on record."),
      problem.element,
      mayChange && h("form", { class: "row ends", on: { submit: (event) => {
        event.preventDefault();
        problem.clear();
        busy(send, () => post(`/v1/employees/${id}/consents`, { text_version: version.value })).then(reload, problem.say);
      } } }, field("Agreed to now: the text, as your site names it", version), send),
    ];
  });

  async function withdraw(consent, reload) {
    const done = await confirmDialog({ title: `Withdraw ${consent.text_version}?`, text: "With the last consent that holds the person's faces go, and no gate knows them any more.", action: "Withdraw", submit: () => remove(`/v1/employees/${id}/consents/${consent.consent_id}`) });
    if (!done) return;
    reload();
    facesGone();
  }
}
