// Dialogs: the browser's own, which keep the focus and close with Escape.

import { busy, fill, h, uniqueId } from "/assets/parts/dom.js";

/**
 * A form in a dialog. `submit` is called with the form's values; what it throws is shown, else the dialog closes and
 * the promise has its result. Null: it was dismissed.
 */
export function formDialog({ title, body, action = "Save", danger = false, submit }) {
  return new Promise((resolve) => {
    const titleId = uniqueId("dialog");
    const trouble = h("p", { class: "notice bad", role: "alert", hidden: true });
    const send = h("button", { type: "submit", class: danger ? "danger" : null }, action);
    const cancel = h("button", { type: "button", class: "quiet", on: { click: () => dialog.close() } }, "Cancel");
    let result = null;
    const form = h("form", { method: "dialog", on: { submit: async (event) => {
      event.preventDefault();
      trouble.hidden = true;
      try {
        // What is under way is not called off by closing its dialog, and what it gives may be shown this once.
        result = (await busy(cancel, () => busy(send, () => submit(new FormData(form))))) ?? true;
        dialog.close();
      } catch (problem) {
        trouble.hidden = false;
        fill(trouble, problem.message, problem.advice?.length ? h("ul", {}, problem.advice.map((line) => h("li", {}, line))) : null);
      }
    } } },
      h("h2", { id: titleId }, title), body, trouble,
      h("div", { class: "buttons" }, cancel, send));
    const dialog = h("dialog", { "aria-labelledby": titleId, on: {
      cancel: (event) => cancel.disabled && event.preventDefault(),
      close: () => {
        dialog.remove();
        resolve(result);
      },
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks before something is done; `true` once it was. */
export const confirmDialog = ({ title, text, action, submit }) =>
  formDialog({ title, body: h("p", {}, text), action, danger: true, submit: async () => (await submit(), true) });

/** Shows something until it is closed. */
export function showDialog(title, ...body) {
  const titleId = uniqueId("dialog");
  const dialog = h("dialog", { "aria-labelledby": titleId, on: { close: () => dialog.remove() } },
    h("div", { class: "body" }, h("h2", { id: titleId }, title), body,
      h("div", { class: "buttons" }, h("button", { type: "button", on: { click: () => dialog.close() } }, "Close"))));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Closes what is open over a page that is left. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}
