// Webhooks: who is told of passages and inputs without asking, and what they did not take.

import { get, patch, post, remove } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { confirmDialog, formDialog, showDialog } from "/assets/parts/dialog.js";
import { busy, field, fill, h, toast } from "/assets/parts/dom.js";
import { count, day, moment } from "/assets/parts/format.js";
import { DECISIONS } from "/assets/parts/passage.js";
import { gatesById } from "/assets/parts/people.js";
import { asked, time } from "/assets/parts/section.js";
import { showSecret } from "/assets/parts/secret.js";
import { pagedTable, table } from "/assets/parts/table.js";

export async function showWebhooks(place) {
  const gates = await gatesById();
  const list = h("div", { class: "stack" });
  const reload = () => asked(list, () => get("/v1/webhooks"), ({ items }) => (items.length ? webhookTable(items, gates, reload) : h("p", { class: "empty" }, "Nobody is told of anything by webhook.")));
  fill(place, card("Webhooks",
    h("div", { class: "heading" }, h("p", { class: "soft small" }, "Limen posts what happens at gates to these addresses, signed, until it is taken. What was not taken after all attempts is kept and can be tried once more."), h("button", { type: "button", on: { click: () => create().then((made) => made && reload()) } }, "New webhook")),
    list));
  await reload();
}

function webhookTable(webhooks, gates, reload) {
  return table("Webhooks", [
    ["Address", (hook) => h("code", {}, hook.url)],
    ["Told of", (hook) => toldOf(hook, gates)],
    ["Since", (hook) => time(hook.created_at, day)],
    ["State", (hook) => h("span", { class: `tag ${hook.enabled ? "good" : "warn"}` }, hook.enabled ? "on" : "switched off")],
    ["", (hook) => buttons(hook, reload)],
  ], webhooks);
}

/** What a webhook hears: where it asks for some decisions, passages alone, for inputs have none. */
function toldOf({ decisions, gate_ids: only, alarms }, gates) {
  const passages = `only passages that were ${decisions.map((code) => Object.fromEntries(DECISIONS)[code]).join(" or ")}`;
  const what = decisions.length ? `${passages}${alarms ? " and raise an alarm" : ""}` : alarms ? "alarms of passages and inputs" : "everything";
  if (!only.length) return what;
  const [first, ...more] = only;
  return `${what}, at ${gates.get(first)?.name || "a gate that is gone"}${more.length ? ` and ${count(more.length)} more` : ""}`;
}

function buttons(hook, reload) {
  const path = `/v1/webhooks/${hook.webhook_id}`;
  const toggle = h("button", { type: "button", class: "quiet", "aria-label": `${hook.enabled ? "Switch off" : "Switch on"} ${hook.url}`, on: { click: () => busy(toggle, async () => {
    try {
      await patch(path, { enabled: !hook.enabled });
      await reload();
    } catch (problem) {
      toast(problem.message);
    }
  }) } }, hook.enabled ? "Switch off" : "Switch on");
  const letters = h("button", { type: "button", class: "quiet", "aria-label": `Not taken by ${hook.url}`, on: { click: () => showLetters(hook) } }, "Not taken");
  const erase = h("button", { type: "button", class: "danger", "aria-label": `Remove ${hook.url}`, on: { click: () => confirmDialog({
    title: "Remove the webhook",
    text: `${hook.url} is told of nothing any more, and what it did not take is forgotten.`,
    action: "Remove",
    submit: () => remove(path),
  }).then((done) => done && reload()) } }, "Remove");
  return h("div", { class: "row tight" }, toggle, letters, erase);
}

/** What a webhook did not take, the oldest first. */
function showLetters(hook) {
  const path = `/v1/webhooks/${hook.webhook_id}/dead-letters`;
  const letters = pagedTable({
    caption: "What was not taken",
    path,
    empty: "Everything was taken.",
    columns: [
      ["When", (letter) => time(letter.failed_at, moment)],
      ["Attempts", (letter) => letter.attempts, "number"],
      ["Why", (letter) => letter.last_error],
      ["", (letter) => (letter.retrying ? "is tried once more" : "")],
    ],
  });
  const said = h("p", { role: "status" });
  const retry = h("button", { type: "button", class: "quiet", on: { click: () => busy(retry, async () => {
    try {
      const { retried } = await post(`${path}/retry`);
      said.textContent = `${count(retried)} are tried once more.`;
      await letters.reload();
    } catch (problem) {
      said.textContent = problem.message;
    }
  }) } }, "Try all once more");
  showDialog("Not taken", h("p", {}, h("code", {}, hook.url)), letters.element, h("div", { class: "row" }, retry), said);
  letters.reload();
}

async function create() {
  const decisions = DECISIONS.map(([code, text]) => [h("input", { type: "checkbox", name: "decision", value: code, checked: true }), `Passages that were ${text}`]);
  const alarms = h("input", { type: "checkbox", name: "alarms", on: { change: () => {
    // An input has no decision: asked for along with some, no forced door would be told of.
    for (const [box] of decisions) box.disabled = alarms.checked;
  } } });
  const made = await formDialog({
    title: "New webhook",
    body: [
      field("Address", h("input", { type: "url", name: "url", required: true, placeholder: "https://", autocomplete: "off" })),
      h("fieldset", {}, h("legend", {}, "Told of"),
        decisions.map((choice) => h("label", { class: "check" }, choice)),
        h("p", { class: "soft small" }, "With all three also of inputs, which is what gates notice: a door that was forced or held open, the button inside. With fewer of no input."),
        h("label", { class: "check" }, alarms, "Alarms alone, those of inputs too")),
    ],
    action: "Create",
    submit: (form) => {
      const alone = form.has("alarms");
      const chosen = form.getAll("decision");
      if (!alone && !chosen.length) throw new Error("Say what it is told of: at least one.");
      return post("/v1/webhooks", { url: form.get("url"), decisions: chosen.length === DECISIONS.length ? [] : chosen, alarms: alone });
    },
  });
  if (made) await showSecret("The webhook's secret", "Deliveries are signed with it. It is shown this once.", [["Secret", made.secret]]);
  return made;
}
