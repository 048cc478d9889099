// What a page is made of: facts, figures, and what went wrong, where it did.

import { fill, h } from "/assets/parts/dom.js";

/** Names and values, one pair to a line; a value that is null is left out. */
export const facts = (rows) =>
  h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** One figure, large, and what it is of. */
export const bigFigure = (value, label) => h("p", { class: "figure" }, h("strong", {}, value), h("span", { class: "soft small" }, label));

/** What the service refused, in its own words; `again` is called where somebody asks once more. */
export function refusal(problem, again) {
  return h("div", { class: "notice bad", role: "alert" },
    h("p", {}, problem.message),
    problem.advice?.length ? h("ul", {}, problem.advice.map((line) => h("li", {}, line))) : null,
    again && h("button", { type: "button", class: "quiet", on: { click: again } }, "Try again"));
}

/** Fills an element with `show` of what `ask` gives, or with why it gave nothing. */
export async function asked(element, ask, show) {
  try {
    fill(element, show(await ask()));
    delete element.dataset.trouble;
  } catch (problem) {
    // What goes wrong in the same way again and again is said once.
    if (element.dataset.trouble === problem.message) return;
    fill(element, refusal(problem, () => {
      delete element.dataset.trouble;
      asked(element, ask, show);
    }));
    element.dataset.trouble = problem.message;
  }
}

/** A moment, with what is shown of it: an age, a time. */
export const time = (text, show) => (text ? h("time", { datetime: text, title: new Date(text).toLocaleString() }, show(text)) : "never");
