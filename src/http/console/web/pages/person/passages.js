// Somebody's latest passages.

import { gatesById } from "/assets/parts/people.js";
import { card } from "/assets/parts/card.js";
import { h } from "/assets/parts/dom.js";
import { moment, words } from "/assets/parts/format.js";
import { pagedTable } from "/assets/parts/table.js";

const ROWS = 10;

/** The card. */
export function passages(id) {
  const gateName = (row) => {
    const cell = h("span", {}, "");
    gatesById().then((gates) => (cell.textContent = gates.get(row.gate_id)?.name || "a gate that is gone"), () => (cell.textContent = row.gate_id));
    return cell;
  };
  const columns = [
    ["When", (row) => (row.unreadable ? "a record that cannot be read" : moment(row.decided_at))],
    ["Gate", gateName],
    ["Answer", (row) => !row.unreadable && h("span", { class: `tag ${row.decision}` }, row.decision)],
    ["Why", (row) => words(row.reason)],
  ];
  const list = pagedTable({ caption: "Passages", columns, path: "/v1/passages", query: () => ({ employee_id: id }), empty: "None yet.", limit: ROWS });
  list.reload();
  return card("Passages", list.element);
}
