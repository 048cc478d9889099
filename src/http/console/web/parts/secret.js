// What is shown this once: keys and secrets, to be copied.

import { showDialog } from "/assets/parts/dialog.js";
import { field, h } from "/assets/parts/dom.js";

/** A button that copies a text, and says whether it did. */
export function copyButton(text, name = "Copy") {
  const button = h("button", { type: "button", class: "quiet", on: { click: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied: select the text";
    }
  } } }, name);
  return h("span", { role: "status" }, button);
}

/** Shows `[label, value]` pairs in a dialog, each to be copied; resolves once it is closed. */
export function showSecret(title, note, rows) {
  const fields = rows.map(([label, value]) => {
    const control = h("input", { class: "mono", readonly: true, value, spellcheck: "false", on: { focus: () => control.select() } });
    return h("div", { class: "copied" }, field(label, control), copyButton(value, "Copy"));
  });
  const dialog = showDialog(title, h("p", { class: "notice warn" }, note), fields);
  return new Promise((resolve) => dialog.addEventListener("close", resolve));
}
