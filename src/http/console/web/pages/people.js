// People: who is known, found by name, badge or department.

import { all, get, post } from "/assets/parts/api.js";
import { formDialog } from "/assets/parts/dialog.js";
import { field, fill, h, select } from "/assets/parts/dom.js";
import { day } from "/assets/parts/format.js";
import { statusTags } from "/assets/pages/person/status.js";
import { personFields, personOf } from "/assets/pages/person/details.js";
import { afterTyping, pagedTable } from "/assets/parts/table.js";
import * as person from "/assets/pages/person.js";

const STATUSES = [["", "Any status"], ["active", "Active"], ["suspended", "Suspended"], ["revoked", "Revoked"], ["blocked", "On the blocklist"]];
const BADGES = [["", "All"], ["true", "Needs a badge"], ["false", "The face is enough"]];

const COLUMNS = [
  ["Name", (row) => h("a", { href: `/console/people/${row.employee_id}` }, row.name)],
  ["Status", (row) => statusTags(row)],
  ["Badge", (row) => row.badge_id && h("span", { class: "mono" }, row.badge_id)],
  ["Department", (row) => row.department],
  ["Valid until", (row) => day(row.valid_until)],
];

/** Shows the list, or the person that the address names. */
export async function show(view, context) {
  if (context.path.length) return person.show(view, context);
  const asked = new URLSearchParams(location.search);
  const search = h("input", { type: "search", name: "query", value: asked.get("query") || "", maxlength: 200, autocomplete: "off", spellcheck: "false" });
  const status = select(STATUSES, asked.get("status"));
  const badge = select(BADGES, asked.get("badge_required"));
  const asksGroup = asked.get("group_id");
  const group = select([["", "Any group"], ...(asksGroup ? [[asksGroup, "One group"]] : [])], asksGroup);
  const people = pagedTable({
    caption: "People",
    columns: COLUMNS,
    path: "/v1/employees",
    query: filters,
    empty: "Nobody is found.",
  });

  /** What the fields ask for; the address has it too, so that it survives a look at somebody. */
  function filters() {
    const query = { query: search.value.trim(), status: status.value, badge_required: badge.value, group_id: group.value };
    const address = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
    history.replaceState(null, "", address.size ? `?${address}` : location.pathname);
    return query;
  }

  // Somebody may have left for another page by then, whose address is its own.
  search.addEventListener("input", afterTyping(() => people.element.isConnected && people.reload()));
  for (const choice of [status, badge, group]) choice.addEventListener("change", people.reload);
  fill(view,
    h("div", { class: "heading" },
      h("h1", {}, "People"),
      context.may("change_people") && h("button", { type: "button", on: { click: () => create(context) } }, "Add somebody")),
    h("section", { class: "card", "aria-label": "Filters" },
      h("div", { class: "filters" }, field("Part of a name, badge or department", search), field("Status", status), field("Badge", badge), field("Group", group))),
    h("section", { class: "card", "aria-label": "List" }, people.element));
  all("/v1/access-groups").then((groups) => nameGroups(group, groups), () => {});
  await people.reload();
  if (context.may("change_places") && context.may("change_people")) await offerStart(people.element);
}

/** The groups to choose from. */
function nameGroups(choice, groups) {
  const { value } = choice;
  fill(choice, h("option", { value: "" }, "Any group"), groups.map(({ group_id, name }) => h("option", { value: group_id }, name)));
  choice.value = value;
}

/** Where nobody is known yet, the guided start is a click away. */
async function offerStart(list) {
  const { items } = await get("/v1/employees", { limit: 1 }).catch(() => ({ items: [true] }));
  if (items.length) return;
  list.append(h("p", { class: "notice" }, "Nobody is known yet. ", h("a", { href: "/console/start" }, "Try Limen with sample people"), "."));
}

async function create({ go }) {
  const fields = personFields({});
  const made = await formDialog({ title: "Add somebody", body: fields, action: "Add", submit: (form) => post("/v1/employees", personOf(form)) });
  if (made) go(`/console/people/${made.employee_id}`);
}
