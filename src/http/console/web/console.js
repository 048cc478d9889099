// The console: who is signed in, which view the address names, and the bar above.

import { remove, session, setCsrf, whenSignedOut } from "/assets/parts/api.js";
import { closeDialogs } from "/assets/parts/dialog.js";
import { fill, h, toast } from "/assets/parts/dom.js";
import { firstView } from "/assets/parts/first_view.js";
import { forgetAll } from "/assets/parts/people.js";
import { signIn, wanted } from "/assets/pages/sign_in.js";

/** The views: name, what a key must be allowed to see it, and the module that shows it. */
const VIEWS = [
  ["live", "Live", "see_trail", () => import("/assets/pages/live.js")],
  ["people", "People", "see_people", () => import("/assets/pages/people.js")],
  ["gates", "Gates", "see_places", () => import("/assets/pages/gates.js")],
  ["risk", "Risk", "see_places", () => import("/assets/pages/risk.js")],
  ["system", "System", "see_changes", () => import("/assets/pages/system.js")],
  ["start", "Start", "change_places", () => import("/assets/pages/start.js")],
];

const bar = document.getElementById("bar");
const view = document.getElementById("view");
let who = null;
let leave = () => {};
let turn = 0;

/** Goes to a view of the console. */
export function go(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  show();
}

/** Shows what the address names. */
async function show() {
  const mine = (turn += 1);
  leave();
  leave = () => {};
  closeDialogs();
  if (!who) {
    bar.hidden = true;
    document.title = "Sign in · Limen";
    signIn(view, signedIn);
    return;
  }
  const [name = "", ...rest] = location.pathname.split("/").filter(Boolean).slice(1).map(decoded);
  const may = VIEWS.filter(([, , permission]) => who.permissions.includes(permission));
  const chosen = may.find(([code]) => code === name);
  if (!chosen) {
    const first = await firstView(may.map(([code]) => code));
    return mine === turn && go(`/console/${first}`, { replace: true });
  }
  showBar(may, name);
  document.title = `${chosen[1]} · Limen`;
  try {
    const page = await chosen[3]();
    if (mine !== turn) return;
    // A place of its own: what a page that was left has asked for comes too late to be seen.
    const place = h("div", { class: "place" });
    view.replaceChildren(place);
    const left = await page.show(place, { who, path: rest, go, may: (permission) => who.permissions.includes(permission) });
    if (mine === turn) leave = left || leave;
    else left?.();
  } catch (problem) {
    if (mine === turn) fill(view, h("h1", {}, chosen[1]), h("p", { class: "notice bad", role: "alert" }, problem.message));
  }
}

function showBar(may, current) {
  bar.hidden = false;
  fill(bar,
    h("a", { class: "brand", href: "/console" }, h("img", { src: "/assets/icon.svg", alt: "" }), "Limen"),
    h("nav", { "aria-label": "Views" }, h("ul", {}, may.filter(([code]) => code !== "start").map(([code, name]) =>
      h("li", {}, h("a", { href: `/console/${code}`, "aria-current": code === current ? "page" : null }, name))))),
    h("div", { class: "who" },
      h("span", { class: "name soft small" }, who.name),
      h("button", { type: "button", class: "bare", "aria-label": "Change between light and dark", on: { click: changeTheme } }, "◐"),
      h("button", { type: "button", class: "quiet", on: { click: signOut } }, "Sign out")));
}

function signedIn(session) {
  who = session;
  const path = wanted();
  if (path && location.pathname === "/console") history.replaceState(null, "", path);
  setCsrf(session.csrf_token);
  show();
}

const decoded = (part) => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

async function signOut() {
  try {
    await remove("/v1/session");
  } catch (problem) {
    // The cookie is still good: whoever comes next must not find it.
    if (problem.status !== 401) return toast(`You are still signed in: ${problem.message}.`);
  }
  signedOutNow();
}

/** Shows the way in. `why`: where nobody asked for it. */
function signedOutNow(why) {
  if (!who) return;
  who = null;
  setCsrf(null);
  forgetAll();
  show();
  if (why) toast(why.message);
}

const THEME = "limen-theme";

function changeTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, next);
  document.documentElement.dataset.theme = next;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const followTheme = () => (document.documentElement.dataset.theme = localStorage.getItem(THEME) || (dark.matches ? "dark" : "light"));
dark.addEventListener("change", followTheme);
followTheme();

// Links within the console change the view and load nothing anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/console']");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  view.focus();
});
addEventListener("popstate", show);
// Whoever goes back finds the page as it was left, perhaps for the provider: who is signed in may have changed.
addEventListener("pageshow", (event) => event.persisted && location.reload());
whenSignedOut(signedOutNow);

try {
  const found = await session();
  if (found) signedIn(found);
  else show();
} catch (problem) {
  fill(view, h("p", { class: "notice bad", role: "alert" }, `${problem.message}. Load the page again once the service is there.`));
}
