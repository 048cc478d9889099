// What somebody may ask for: everything that is stored about them, and that it goes.

import { get, post, remove } from "/assets/parts/api.js";
import { card, trouble } from "/assets/parts/card.js";
import { formDialog } from "/assets/parts/dialog.js";
import { busy, field, h, toast } from "/assets/parts/dom.js";
import { download } from "/assets/parts/download.js";
import { count } from "/assets/parts/format.js";

/** The card; `gone` is called when the person is. Null where nothing of it is allowed. */
export function data(person, { may, mayChange, gone }) {
  const id = person.employee_id;
  const problem = trouble();
  const exporting = h("button", { type: "button", class: "quiet", on: { click: () => {
    problem.clear();
    busy(exporting, async () => download(`limen-${id}.json`, JSON.stringify(await get(`/v1/employees/${id}/export`), null, 2))).catch(problem.say);
  } } }, "Export everything");
  const buttons = [
    may("export_people") && exporting,
    mayChange && h("button", { type: "button", class: "danger", on: { click: removeThem } }, "Remove"),
    may("erase_people") && h("button", { type: "button", class: "danger", on: { click: eraseThem } }, "Erase"),
  ].filter(Boolean);
  if (!buttons.length) return null;
  return card("Their data",
    h("p", { class: "soft small" }, "Removed, the person and their faces are gone and the trail still says whose passages theirs were. Erased, it does not say that any more either."),
    problem.element, h("div", { class: "row" }, buttons));

  async function removeThem() {
    if (await byName("Remove", "The person and their faces go at once. Their passages stay in the trail.", () => remove(`/v1/employees/${id}`))) {
      toast(`${person.name} was removed.`);
      gone();
    }
  }

  async function eraseThem() {
    let erased;
    await byName("Erase", "Everything that is stored about the person goes, and the trail forgets whose passages theirs were. This cannot be undone.", async () => (erased = await post(`/v1/employees/${id}/erasure`)));
    if (!erased) return;
    toast(`${person.name} was erased, out of ${count(erased.passages)} passages and ${count(erased.changes)} changes.`);
    gone();
  }

  /** Asks for the name, so that it happens to nobody else. */
  function byName(action, text, submit) {
    const name = h("input", { name: "name", required: true, autocomplete: "off", spellcheck: "false" });
    return formDialog({
      title: `${action} ${person.name}?`,
      body: [h("p", {}, text), field("Their name, typed", name, person.name)],
      action,
      danger: true,
      submit: async (form) => {
        if (form.get("name").trim() !== person.name) throw new Error("That is another name.");
        await submit();
        return true;
      },
    });
  }
}
