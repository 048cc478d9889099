// API keys: who has one, what for, until when; and what each role may do.

import { post, remove } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { confirmDialog, formDialog } from "/assets/parts/dialog.js";
import { field, fill, h, select } from "/assets/parts/dom.js";
import { ago, day } from "/assets/parts/format.js";
import { gatesById } from "/assets/parts/people.js";
import { time } from "/assets/parts/section.js";
import { showSecret } from "/assets/parts/secret.js";
import { pagedTable } from "/assets/parts/table.js";

/** What each scope is for. */
const SCOPES = [
  ["viewer", "Sees people, places and the trail, and changes nothing"],
  ["enroller", "The HR desk: people, their faces and their groups; no trail"],
  ["officer", "The security desk: who may pass now, pardons, the trail, and who changed what"],
  ["admin", "Everything that is administered, the keys included; no frames"],
  ["gate", "Sends frames: passages, verify, recognize, liveness"],
  ["metrics", "Reads /metrics"],
];

/** For how long a key may last, in days. */
const LIFETIMES = [["", "until it is revoked"], ["1", "for a day"], ["30", "for 30 days"], ["90", "for 90 days"], ["365", "for a year"]];

export async function showKeys(place, { who }) {
  const gates = await gatesById();
  const keys = pagedTable({
    caption: "API keys, in the order of their creation",
    path: "/v1/keys",
    empty: "There is no key.",
    columns: [
      ["Name", (key) => [key.name, key.key_id === who.key_id && h("span", { class: "soft" }, " (yours)"), key.identity && h("span", { class: "soft" }, `, ${key.identity.subject} at ${new URL(key.identity.issuer).host}`)].map((part) => part && h("span", {}, part))],
      ["May", (key) => h("span", { class: "row tight" }, key.scopes.map((scope) => h("span", { class: "tag" }, scope)))],
      ["Gate", (key) => key.gate_id && h("span", {}, h("a", { href: `/console/gates/${key.gate_id}` }, gates.get(key.gate_id)?.name || "a gate that is gone"), key.signs ? ", signs" : null)],
      ["Last used", (key) => time(key.last_used_at, ago)],
      ["State", (key) => state(key)],
      ["", (key) => action(key, who, () => keys.reload()), "right"],
    ].map(([name, cell, kind]) => [name, (key) => cell(key) || "", kind]),
  });
  fill(place,
    card("Keys",
      h("div", { class: "heading" }, h("p", { class: "soft small" }, "A key is shown once and stored as a hash. A revoked one stays listed, so that what it did can be traced to it."), h("button", { type: "button", on: { click: () => create(gates).then((made) => made && keys.reload()) } }, "New key")),
      keys.element),
    card("Roles", h("dl", { class: "facts" }, SCOPES.map(([scope, text]) => [h("dt", {}, h("code", {}, scope)), h("dd", {}, text)]))));
  await keys.reload();
}

function state(key) {
  if (key.revoked_at) return h("span", {}, h("span", { class: "tag bad" }, "revoked"), " ", time(key.revoked_at, day));
  if (!key.expires_at) return h("span", { class: "tag good" }, "valid");
  const over = new Date(key.expires_at) <= new Date();
  return h("span", {}, h("span", { class: `tag ${over ? "bad" : "good"}` }, over ? "ended" : "valid"), over ? " " : " until ", time(key.expires_at, day));
}

function action(key, who, reload) {
  const button = (name, kind, ask) => h("button", { type: "button", class: kind, "aria-label": `${name}: ${key.name}`, on: { click: () => ask(key, who).then((done) => done && reload()) } }, name);
  if (!key.revoked_at) return button("Revoke", "danger", revoke);
  return key.identity && !key.identity.readmitted_at && button("Let in again", "quiet", readmit);
}

const revoke = (key, who) => confirmDialog({
  title: `Revoke ${key.name}`,
  text: revoking(key, who),
  action: "Revoke",
  submit: () => remove(`/v1/keys/${key.key_id}`),
});

function revoking(key, who) {
  if (key.key_id === who.key_id) return "This is the key that you signed in with: you are signed out at once.";
  if (key.identity) return "They are signed out at once, and may not sign in by the provider until they are let in again.";
  return "It opens nothing any more, from now on, and neither do the sessions that were signed in with it.";
}

const readmit = (key) => confirmDialog({
  title: `Let ${key.name} in again`,
  text: "They may sign in by the provider again, with what it then says of them, and get another key.",
  action: "Let in again",
  submit: () => remove(`/v1/keys/${key.key_id}/identity`),
});

async function create(gates) {
  const gate = select([["", "any gate"], ...[...gates.values()].map((each) => [each.gate_id, each.name])], "", { name: "gate_id" });
  const boxes = SCOPES.map(([scope, text]) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "scope", value: scope }), h("span", {}, h("strong", {}, scope), `: ${text}`)));
  const made = await formDialog({
    title: "New key",
    body: [
      field("Who will use it", h("input", { name: "name", required: true, maxlength: "100", autocomplete: "off" })),
      h("fieldset", {}, h("legend", {}, "What it is for"), boxes),
      field("It works for", gate, "A key of one gate has the scope gate alone."),
      field("It lasts", select(LIFETIMES, "90", { name: "days" })),
    ],
    action: "Create",
    submit: (form) => {
      const scopes = form.getAll("scope");
      if (!scopes.length) throw new Error("Say what it is for: at least one.");
      const days = Number(form.get("days"));
      return post("/v1/keys", {
        name: form.get("name").trim(),
        scopes,
        gate_id: form.get("gate_id") || undefined,
        expires_at: days ? new Date(Date.now() + days * 86_400_000).toISOString() : undefined,
      });
    },
  });
  if (made) await showSecret("The key", "It is shown this once. Whoever has it may do what it is for.", [[made.name, made.key]]);
  return made;
}
