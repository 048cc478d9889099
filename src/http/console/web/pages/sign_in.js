// Signing in with an API key. It is sent once, and kept by no script.

import { post } from "/assets/parts/api.js";
import { busy, field, fill, h } from "/assets/parts/dom.js";

/** Shows the form; `done` gets the session. */
export function signIn(view, done) {
  const key = h("input", { type: "password", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const trouble = h("p", { class: "notice bad", role: "alert", hidden: true });
  const send = h("button", { type: "submit" }, "Sign in");
  const form = h("form", { class: "card", on: { submit: async (event) => {
    event.preventDefault();
    trouble.hidden = true;
    key.removeAttribute("aria-invalid");
    try {
      done(await busy(send, () => post("/v1/session", { key: key.value.trim() })));
    } catch (problem) {
      trouble.textContent = problem.message;
      trouble.hidden = false;
      key.setAttribute("aria-invalid", "true");
      key.focus();
    }
  } } },
    field("API key", key, "It begins with limen_. ./dev run keeps one in .dev/key; limen key create makes others."),
    trouble, send);
  const plain = !isSecureContext && h("p", { class: "notice warn", role: "alert" }, "A browser stays signed in only on pages over https, or from this machine itself. Open the console that way.");
  fill(view, h("div", { class: "door stack" }, h("h1", {}, "Sign in to Limen"), plain, form));
  key.focus();
}
