// The groups that somebody belongs to, which say where they may go and when.

import { all, get, put, remove } from "/assets/parts/api.js";
import { loadedCard, trouble } from "/assets/parts/card.js";
import { busy, field, h, select } from "/assets/parts/dom.js";
import { day } from "/assets/parts/format.js";
import { row, rows } from "/assets/parts/rows.js";

/** The card. */
export function groups(id, { mayChange }) {
  return loadedCard("Groups", async (reload) => {
    const [{ items }, every] = await Promise.all([get(`/v1/employees/${id}/access`), mayChange ? all("/v1/access-groups") : []]);
    const others = every.filter((group) => !items.some((own) => own.group_id === group.group_id));
    const problem = trouble();
    const act = (button, action) => busy(button, action).then(reload, problem.say);
    const list = items.map((own) => row(
      [h("span", {}, own.group_name), h("span", { class: "soft small" }, `${zones(own)}${validity(own)}`)],
      mayChange && h("button", { type: "button", class: "bare", "aria-label": `Take out of ${own.group_name}`, on: { click: ({ target }) =>
        act(target, () => remove(`/v1/access-groups/${own.group_id}/members/${id}`)) } }, "Take out")));
    const choice = select(others.map((group) => [group.group_id, group.name]), others[0]?.group_id);
    const join = h("button", { type: "submit", class: "quiet" }, "Put in");
    return [
      items.length ? rows(list) : h("p", { class: "soft" }, "In no group: only gates outside all zones open."),
      problem.element,
      others.length > 0 && h("form", { class: "row ends", on: { submit: (event) => {
        event.preventDefault();
        act(join, () => put(`/v1/access-groups/${choice.value}/members/${id}`, {}));
      } } }, field("Another group", choice), join),
    ];
  });
}

const zones = ({ rules }) => {
  const count = new Set(rules.map((rule) => rule.zone_id)).size;
  return count === 1 ? "1 zone" : `${count} zones`;
};

const validity = ({ valid_from, valid_until }) =>
  `${valid_from ? `, from ${day(valid_from)}` : ""}${valid_until ? `, until ${day(valid_until)}` : ""}`;
