// The service itself: what runs, who may do what, and who changed what.

import { fill, h } from "/assets/parts/dom.js";
import { showChanges } from "/assets/pages/changes.js";
import { showKeys } from "/assets/pages/keys.js";
import { showOverview } from "/assets/pages/overview.js";
import { showWebhooks } from "/assets/pages/webhooks.js";

/** The parts: name, what a key must be allowed to see it, and what shows it. */
const PARTS = [
  ["overview", "Overview", "see_changes", showOverview],
  ["keys", "Keys", "manage_keys", showKeys],
  ["changes", "Changes", "see_changes", showChanges],
  ["webhooks", "Webhooks", "manage_webhooks", showWebhooks],
];

export async function show(view, context) {
  const { path, may, go } = context;
  const parts = PARTS.filter(([, , permission]) => may(permission));
  const [name = "overview"] = path;
  const chosen = parts.find(([code]) => code === name);
  if (!chosen) return go("/console/system", { replace: true });
  const place = h("div", { class: "stack" });
  fill(view,
    h("h1", {}, "System"),
    h("nav", { class: "parts", "aria-label": "Parts of the system" }, h("ul", {}, parts.map(([code, title]) =>
      h("li", {}, h("a", { href: code === "overview" ? "/console/system" : `/console/system/${code}`, "aria-current": code === name ? "page" : null }, title))))),
    place);
  return chosen[3](place, context);
}
