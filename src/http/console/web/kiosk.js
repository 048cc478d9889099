// The kiosk: turns the camera of this device into a turnstile's. It is one gate's, once it is paired.

import { fill, h } from "/assets/parts/dom.js";
import { pairing } from "/assets/kiosk/pairing.js";
import { turnstile } from "/assets/kiosk/turnstile.js";
import { handedOver, pair, paired } from "/assets/kiosk/vault.js";

const view = document.getElementById("view");
let leave = () => {};

/** Shows the gate that this device is, or the form that makes it one. */
async function show() {
  leave();
  leave = () => {};
  const gate = await paired();
  if (gate) leave = turnstile(view, gate, show);
  else pairing(view, { done: show });
}

try {
  if (!isSecureContext) throw new Error("A browser signs only on pages over https, or from this machine itself. Open the kiosk that way.");
  const credential = handedOver();
  if (credential) await pair(credential);
  await show();
} catch (problem) {
  // Besides, private windows of some browsers keep nothing.
  fill(view, h("div", { class: "door stack" }, h("h1", {}, "Limen kiosk"), h("p", { class: "notice bad", role: "alert" }, problem.message)));
}
