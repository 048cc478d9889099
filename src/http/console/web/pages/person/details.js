// Who somebody is, and from when until when they may pass.

import { patch } from "/assets/parts/api.js";
import { formDialog } from "/assets/parts/dialog.js";
import { field, h, toast } from "/assets/parts/dom.js";
import { moment } from "/assets/parts/format.js";
import { card } from "/assets/parts/card.js";
import { changesOf } from "/assets/parts/changes.js";

/** The fields of a person. */
export function personFields({ name, badge_id, department, valid_from, valid_until, badge_required }) {
  const text = (field, value, most, props) => h("input", { name: field, value: value ?? "", maxlength: most, autocomplete: "off", ...props });
  const at = (field, value) => h("input", { type: "datetime-local", name: field, value: localMoment(value) });
  return h("div", { class: "stack" },
    field("Name", text("name", name, 200, { required: true })),
    h("div", { class: "fields" },
      field("Badge", text("badge_id", badge_id, 64, { spellcheck: "false" }), "The code that a reader reads from it"),
      field("Department", text("department", department, 200))),
    h("div", { class: "fields" },
      field("May pass from", at("valid_from", valid_from), "Empty: at once"),
      field("Until", at("valid_until", valid_until), "Empty: without end")),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "badge_required", checked: Boolean(badge_required) }), "The face alone does not open: a badge is needed too"));
}

/** What the fields say, as the API takes it. `person`: whom they were filled with, if anybody. */
export function personOf(form, person = {}) {
  const text = (name) => form.get(name).trim() || null;
  const at = (name) => {
    const said = form.get(name);
    // A field has no seconds: what it was filled with stands for the whole moment.
    if (said === localMoment(person[name])) return person[name] ?? null;
    return said ? new Date(said).toISOString() : null;
  };
  return {
    name: form.get("name"),
    badge_id: text("badge_id"),
    department: text("department"),
    valid_from: at("valid_from"),
    valid_until: at("valid_until"),
    badge_required: form.has("badge_required"),
  };
}

/** A card that shows them. */
export function details(person, { mayChange, changed }) {
  const facts = [
    ["Badge", person.badge_id && h("span", { class: "mono" }, person.badge_id)],
    ["Department", person.department],
    ["May pass from", person.valid_from ? moment(person.valid_from) : "at once"],
    ["Until", person.valid_until ? moment(person.valid_until) : "without end"],
    ["Badge needed", person.badge_required ? "yes: the face alone does not open" : "no"],
    ["Known since", moment(person.created_at)],
    ["Id", h("span", { class: "mono" }, person.employee_id)],
  ];
  const extra = Object.entries(person.metadata).slice(0, EXTRA_MAX);
  return card("Details",
    h("dl", { class: "facts" }, [...facts, ...extra.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])]
      .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value || "–")])),
    mayChange && h("div", { class: "row" }, h("button", { type: "button", class: "quiet", on: { click: change } }, "Change")));

  async function change() {
    const done = await formDialog({ title: `Change ${person.name}`, body: personFields(person), submit });
    if (done) changed(done);
  }

  function submit(form) {
    const changes = changesOf(person, personOf(form, person));
    if (Object.keys(changes).length) return patch(`/v1/employees/${person.employee_id}`, changes);
    toast("Nothing has changed.");
    return person;
  }
}

/** Of what the site keeps beside, so many are shown. */
const EXTRA_MAX = 20;

/** A moment as a field for local time takes it. */
function localMoment(text) {
  if (!text) return "";
  const at = new Date(text);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
