// Making a device a gate's, by the credential that the console or `limen gate add` shows once.

import { busy, field, fill, h } from "/assets/parts/dom.js";
import { pair, parseCredential } from "/assets/kiosk/vault.js";

/** A credential is some 200 characters; whatever is longer is another file. */
const TEXT_MAX = 4096;

/** Shows the form; `done` is called once the device is paired. */
export function pairing(view, { done }) {
  const input = (name, props) => h("input", { name, required: true, spellcheck: "false", autocomplete: "off", autocapitalize: "none", ...props });
  const inputs = { gate_id: input("gate_id"), key_id: input("key_id"), secret: input("secret", { type: "password" }), name: input("name", { required: false, maxlength: 100 }) };
  const trouble = h("p", { class: "notice bad", role: "alert", hidden: true });
  const send = h("button", { type: "submit" }, "Pair this device");
  const whole = h("textarea", { rows: 3, maxlength: TEXT_MAX, spellcheck: "false", autocomplete: "off", on: { input: () => take(whole.value) } });
  const file = h("input", { type: "file", accept: ".json,.txt,application/json,text/plain", on: { change: async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    if (chosen.size > TEXT_MAX) return say(`A credential is at most ${TEXT_MAX} bytes; this file has ${chosen.size}.`);
    take(await chosen.text());
  } } });

  /** Fills the fields from a text that holds them all. */
  function take(text) {
    const found = Object.entries(parseCredential(text)).filter(([, value]) => typeof value === "string");
    for (const [name, value] of found) inputs[name].value = value;
    if (found.length) whole.value = "";
    say(text.trim() && !found.length ? "There is no gate_id, key_id or secret in this text." : "");
    if (inputs.secret.value) send.focus();
  }

  function say(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
  }

  const form = h("form", { class: "card", on: { submit: async (event) => {
    event.preventDefault();
    say("");
    const credential = Object.fromEntries(Object.entries(inputs).map(([name, { value }]) => [name, value.trim()]));
    try {
      await busy(send, () => pair(credential));
      done();
    } catch (problem) {
      say(problem.message);
    }
  } } },
    field("The whole credential, pasted", whole, "As the console shows it, or limen gate credential GATE --json. It fills the fields below."),
    field("Or a file that holds it", file),
    field("gate_id", inputs.gate_id),
    field("key_id", inputs.key_id),
    field("secret", inputs.secret, "It is turned into a key that signs and that nobody can read out of this device again."),
    field("Name on the screen", inputs.name),
    trouble, send);
  fill(view, h("div", { class: "door stack" },
    h("h1", {}, "Make this device a gate's camera"),
    h("p", {}, "This needs the credential of a gate: in the console, under Gates, choose one and open the kiosk from there, or paste it here."),
    form));
  whole.focus();
}
