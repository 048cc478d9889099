// Signing in: by the organisation's provider, where there is one, or with an API key. A key is sent once, and kept by no
// script.

import { get, post } from "/assets/parts/api.js";
import { busy, field, fill, h } from "/assets/parts/dom.js";
import { REFUSALS } from "/assets/parts/refusals.js";

/** Where somebody wanted to go who is sent away to sign in. */
const WANTED = "limen-wanted";

/** Shows the ways; `done` gets the session. */
export async function signIn(view, done) {
  const door = h("div", { class: "door stack" }, h("h1", {}, "Sign in to Limen"),
    !isSecureContext && h("p", { class: "notice warn", role: "alert" }, "A browser stays signed in only on pages over https, or from this machine itself. Open the console that way."),
    refused());
  fill(view, door);
  // Whoever does not answer has no provider to offer; the key's form says what is wrong.
  const { provider } = await get("/v1/session/ways").catch(() => ({ provider: null }));
  const form = keyForm(done);
  if (provider) door.append(byProvider(provider));
  door.append(form);
  (door.querySelector("a.button") || form.querySelector("input")).focus();
}

/** Where somebody wanted to go before they were sent away to sign in; once. */
export function wanted() {
  const path = sessionStorage.getItem(WANTED);
  sessionStorage.removeItem(WANTED);
  return path?.startsWith("/console/") ? path : null;
}

function byProvider(provider) {
  // Whoever comes back refused is at /console, and still wants to go where they did.
  const remember = () => location.pathname !== "/console" && sessionStorage.setItem(WANTED, location.pathname);
  return h("div", { class: "card stack" },
    h("a", { class: "button", href: provider.url, on: { click: remember } }, `Sign in with ${provider.name}`),
    h("p", { class: "soft small" }, "Or with a key:"));
}

/** Why somebody comes back from the provider and is not signed in. */
function refused() {
  const why = REFUSALS.get(new URLSearchParams(location.search).get("refused"));
  if (!why) return null;
  // Said once: not again to whoever loads the page anew.
  history.replaceState(null, "", location.pathname);
  return h("p", { class: "notice bad", role: "alert" }, why);
}

function keyForm(done) {
  const key = h("input", { type: "password", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const trouble = h("p", { class: "notice bad", role: "alert", hidden: true });
  const send = h("button", { type: "submit" }, "Sign in");
  return h("form", { class: "card", on: { submit: async (event) => {
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
}
