// Who changed what: each change with what was before and after.

import { card } from "/assets/parts/card.js";
import { showDialog } from "/assets/parts/dialog.js";
import { field, fill, h, select } from "/assets/parts/dom.js";
import { moment, words } from "/assets/parts/format.js";
import { personName } from "/assets/parts/people.js";
import { time } from "/assets/parts/section.js";
import { afterTyping, pagedTable, table } from "/assets/parts/table.js";

/** What can have changed. */
const KINDS = ["access_groups", "access_rules", "alarms", "api_keys", "chains", "consents", "employees", "erasures", "exports", "face_encodings", "face_photos", "gates", "group_members", "imports", "invitations", "pardons", "purges", "schedules", "sites", "webhook_dead_letters", "webhooks", "zones"];

export async function showChanges(place, { may }) {
  const kind = select([["", "everything"], ...KINDS.map((code) => [code, words(code)])], "");
  const from = h("input", { type: "datetime-local" });
  const until = h("input", { type: "datetime-local" });
  const changes = pagedTable({
    caption: "Changes, the newest first",
    path: "/v1/changes",
    query: () => ({ kind: kind.value, from: utc(from.value), until: utc(until.value) }),
    empty: "Nothing was changed.",
    columns: [
      ["When", (change) => (change.unreadable ? "cannot be read" : time(change.changed_at, moment))],
      ["Who", (change) => change.author || ""],
      ["What", (change) => (change.unreadable ? h("code", {}, change.change_id) : h("span", {}, `${words(change.kind)} `, h("strong", {}, change.action), !change.by_limen && [" ", h("span", { class: "tag warn" }, "not by Limen")]))],
      ["Which", (change) => (change.unreadable ? "" : subject(change, may))],
      ["", (change) => (change.details ? h("button", { type: "button", class: "bare", "aria-label": `Show what changed: ${words(change.kind)} ${change.action}, ${moment(change.changed_at)}`, on: { click: () => showChange(change) } }, "Show") : ""), "right"],
    ],
  });
  for (const control of [kind, from, until]) control.addEventListener("input", afterTyping(changes.reload));
  fill(place, card("Changes",
    h("div", { class: "filters" }, field("Kind", kind), field("From", from), field("Until", until)),
    changes.element));
  await changes.reload();
}

/** A time of this device as the API takes it. */
const utc = (local) => (local ? new Date(local).toISOString() : "");

/** Whom or what a change was about. */
function subject(change, may) {
  if (change.employee_id && may("see_people")) {
    const link = h("a", { href: `/console/people/${change.employee_id}` }, "…");
    personName(change.employee_id).then((name) => (link.textContent = name));
    return link;
  }
  const { before, after } = change.details || {};
  const name = after?.name || before?.name;
  if (change.kind === "gates" && after) return h("a", { href: `/console/gates/${change.subject_id}` }, name);
  return name || h("code", {}, change.subject_id.slice(0, 8));
}

/** What was before and after, of each value that is not the same. */
function showChange({ kind, action, details, author, changed_at: at, subject_id: id }) {
  const { before, after } = details;
  const both = before !== undefined || after !== undefined;
  const names = both ? [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])] : [];
  const rows = names.map((name) => [name, before?.[name], after?.[name]]).filter(([, was, is]) => JSON.stringify(was) !== JSON.stringify(is));
  showDialog(`${words(kind)} ${action}`,
    h("p", { class: "soft small" }, `${author}, ${moment(at)}, `, h("code", {}, id)),
    both
      ? table("What was before and after", [["Value", ([name]) => words(name)], ["Before", ([, was]) => plain(was)], ["After", ([, , is]) => plain(is)]], rows)
      : h("pre", { class: "code", tabindex: "0" }, JSON.stringify(details, null, 2)));
}

function plain(value) {
  if (value === undefined || value === null) return "–";
  return typeof value === "object" ? h("code", {}, JSON.stringify(value)) : String(value);
}
