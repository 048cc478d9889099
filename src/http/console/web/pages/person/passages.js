// Somebody's latest passages.

import { card } from "/assets/parts/card.js";
import { moment, words } from "/assets/parts/format.js";
import { decisionTag, gateName } from "/assets/parts/passage.js";
import { pagedTable } from "/assets/parts/table.js";

const ROWS = 10;

/** The card. */
export function passages(id) {
  const columns = [
    ["When", (row) => (row.unreadable ? "a record that cannot be read" : moment(row.decided_at))],
    ["Gate", (row) => gateName(row.gate_id)],
    ["Answer", (row) => !row.unreadable && decisionTag(row.decision)],
    ["Why", (row) => words(row.reason)],
  ];
  const list = pagedTable({ caption: "Passages", columns, path: "/v1/passages", query: () => ({ employee_id: id }), empty: "None yet.", limit: ROWS });
  list.reload();
  return card("Passages", list.element);
}
