// What a gate signs its requests with, and a device that becomes its camera.

import { all, post, remove } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { confirmDialog, formDialog } from "/assets/parts/dialog.js";
import { field, h, select } from "/assets/parts/dom.js";
import { ago, day } from "/assets/parts/format.js";
import { asked, time } from "/assets/parts/section.js";
import { showSecret } from "/assets/parts/secret.js";

/** Where the kiosk page finds what it is to sign with: in this tab alone. */
const KIOSK = "limen-kiosk";

/** Of more keys than these, a gate's own are looked up on the page of all keys. */
const KEYS_MAX = 1000;

/** For how long older credentials go on, in seconds. */
const OVERLAPS = [["86400", "for a day"], ["604800", "for a week"], ["2592000", "for 30 days"], ["3600", "for an hour"], ["0", "not at all: they end now"]];

export function credentials(gate) {
  const list = h("div", {});
  const reload = () => asked(list, () => keysOf(gate), (keys) => keyList(keys, reload));
  reload();
  return card("Credentials",
    h("p", { class: "soft small" }, "A secret that the gate signs each request with, and never sends. It is shown once."),
    list,
    h("div", { class: "row" },
      h("button", { type: "button", class: "quiet", on: { click: () => create(gate).then(reload) } }, "New credential"),
      h("button", { type: "button", class: "quiet", on: { click: () => openKiosk(gate) } }, "Open as a kiosk")));
}

async function keysOf(gate) {
  const keys = await all("/v1/keys", {}, KEYS_MAX);
  const now = Date.now();
  return keys.filter((key) => key.gate_id === gate.gate_id && !key.revoked_at && !(key.expires_at && new Date(key.expires_at) <= now));
}

function keyList(keys, reload) {
  if (!keys.length) return h("p", { class: "soft" }, "It has none of its own.");
  return h("ul", { class: "plain" }, keys.map((key) => h("li", { class: "row" },
    h("span", { class: "grow" }, h("code", {}, key.key_id), h("br"),
      h("span", { class: "soft small" }, key.signs ? "signs" : "an API key", ", used ", time(key.last_used_at, ago), key.expires_at && [", ends ", time(key.expires_at, day)])),
    h("button", { type: "button", class: "danger", "aria-label": `Revoke ${key.key_id}`, on: { click: () => revoke(key).then((done) => done && reload()) } }, "Revoke"))));
}

const revoke = (key) => confirmDialog({
  title: "Revoke the credential",
  text: "The gate can ask for nothing with it any more, from now on. A passage that is under way is refused.",
  action: "Revoke",
  submit: () => remove(`/v1/keys/${key.key_id}`),
});

const overlapField = () => field("The gate's older credentials go on", select(OVERLAPS, "86400", { name: "overlap" }));

const make = (gate, form) => post(`/v1/gates/${gate.gate_id}/credentials`, { overlap_s: Number(form.get("overlap")) });

async function create(gate) {
  const made = await formDialog({
    title: `New credential for ${gate.name}`,
    body: overlapField(),
    action: "Create",
    submit: (form) => make(gate, form),
  });
  if (!made) return;
  await showSecret("The credential", "The secret is shown this once. Whoever has it asks as this gate.", [["Gate", made.gate_id], ["Key", made.key_id], ["Secret", made.secret]]);
}

/** Makes this tab the gate's camera. */
async function openKiosk(gate) {
  const signOut = h("input", { type: "checkbox", name: "sign_out", checked: true });
  await formDialog({
    title: `Make this device the camera of ${gate.name}`,
    body: [
      h("p", {}, "A credential is made and handed to the kiosk page, which keeps it on this device until it is told to forget it."),
      overlapField(),
      h("label", { class: "check" }, signOut, "Sign out of the console here first: whoever stands before a kiosk could use it"),
    ],
    action: "Open",
    submit: async (form) => {
      const { gate_id, key_id, secret } = await make(gate, form);
      sessionStorage.setItem(KIOSK, JSON.stringify({ gate_id, key_id, secret, name: gate.name }));
      try {
        if (form.has("sign_out")) await remove("/v1/session");
      } catch (problem) {
        // Nothing is left that nobody uses.
        sessionStorage.removeItem(KIOSK);
        await remove(`/v1/keys/${key_id}`).catch(() => {});
        throw problem;
      }
      location.assign("/kiosk");
    },
  });
}
