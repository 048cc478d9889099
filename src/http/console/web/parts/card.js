// A part of a page, with its heading.

import { fill, h, uniqueId } from "/assets/parts/dom.js";

/** A card. */
export function card(title, ...body) {
  const id = uniqueId("card");
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), body);
}

/**
 * A card whose content is asked for: `load` resolves to it. What the service refuses is said in its place. Returns
 * `{element, reload}`.
 */
export function loadedCard(title, load) {
  const body = h("div", { class: "stack" }, h("p", { class: "soft" }, "Loading"));
  let asked = 0;

  async function reload() {
    const turn = (asked += 1);
    let content;
    try {
      content = await load(reload);
    } catch (problem) {
      content = h("p", { class: "notice bad", role: "alert" }, problem.message);
    }
    if (turn === asked) fill(body, content);
  }

  reload();
  return { element: card(title, body), reload };
}

/** What went wrong, where it did: hidden until there is something to say. */
export function trouble() {
  const element = h("div", { class: "notice bad", role: "alert", hidden: true });
  return {
    element,
    clear: () => (element.hidden = true),
    say(problem) {
      fill(element, h("p", {}, problem.message), problem.advice?.length ? h("ul", {}, problem.advice.map((line) => h("li", {}, line))) : null);
      element.hidden = false;
    },
  };
}
