// Short lists, each row with what can be done about it at its end.

import { h } from "/assets/parts/dom.js";

/** A list of rows. */
export const rows = (items, props = {}) => h("ul", { class: "rows", ...props }, items);

/** A row: what it says, and a button or none. */
export const row = (what, button) => h("li", { class: "row" }, h("div", { class: "what" }, what), button);
