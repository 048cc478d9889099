// Tables that load page by page: never more rows at once than somebody can read.

import { get } from "/assets/parts/api.js";
import { busy, fill, h } from "/assets/parts/dom.js";

/** A table. `columns`: `[heading, row => cell, class?]`; on a phone each cell shows its heading. */
export function table(caption, columns, rows = []) {
  const body = h("tbody", {}, rows.map((row) => tableRow(columns, row)));
  const head = h("thead", {}, h("tr", {}, columns.map(([name, , kind]) => h("th", { scope: "col", class: kind }, name || h("span", { class: "visually-hidden" }, "Actions")))));
  return h("table", { class: "cells" }, h("caption", { class: "visually-hidden" }, caption), head, body);
}

export const tableRow = (columns, row) =>
  h("tr", {}, columns.map(([name, cell, kind]) => h("td", { class: kind, data: { label: name } }, cell(row))));

/** So many rows a table has at most; whoever looks for more narrows the question. */
const ROWS_MAX = 500;

/**
 * A table over a paged list of the API, with a button for more. `query` is asked anew by `reload`; `added` is called
 * once the rows of a further page are there.
 */
export function pagedTable({ caption, columns, path, query = () => ({}), empty, limit = 50, added = () => {} }) {
  const shown = table(caption, columns);
  const body = shown.querySelector("tbody");
  const more = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => busy(more, () => load(cursor)) } }, "Show more");
  const note = h("p", { class: "empty", role: "status", hidden: true });
  const element = h("div", { class: "stack" }, shown, note, h("div", { class: "row" }, more));
  let cursor = null;
  let asked = 0;

  async function load(from) {
    const turn = (asked += 1);
    let page;
    try {
      page = await get(path, { ...query(), limit, cursor: from });
    } catch (problem) {
      if (turn === asked) say(problem.message);
      return;
    }
    // Another question was asked meanwhile.
    if (turn !== asked) return;
    const rows = page.items.map((row) => tableRow(columns, row));
    if (from) body.append(...rows);
    else fill(body, rows);
    cursor = page.next_cursor ?? null;
    const full = body.childElementCount >= ROWS_MAX;
    more.hidden = !cursor || full;
    shown.hidden = body.childElementCount === 0;
    if (shown.hidden) say(empty);
    else say(cursor && full ? `These are the first ${body.childElementCount}: narrow the question for others.` : "");
    if (from) added();
  }

  function say(text) {
    note.hidden = !text;
    note.textContent = text;
  }

  return { element, reload: () => load(null) };
}

/** Calls `action` once typing pauses. */
export function afterTyping(action, ms = 250) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
