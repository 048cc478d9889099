// The guided start: sample people and a gate with one click, and the first grant with the second.

import { trouble } from "/assets/parts/card.js";
import { busy, fill, h } from "/assets/parts/dom.js";
import { figure, words } from "/assets/parts/format.js";
import { askGate, findSamples, makeSamples, PEOPLE, removeSamples, ROUNDS } from "/assets/pages/start/samples.js";

/** Answers that are shown, the newest. */
const ANSWERS_MAX = 12;

/** Shows it. */
export async function show(view, { who }) {
  const problem = trouble();
  const said = h("p", { class: "notice", role: "status", hidden: true });
  const steps = h("div", { class: "stack" });
  const answers = h("ol", { class: "answers", "aria-live": "polite", reversed: true });
  let samples = await findSamples();

  fill(view,
    h("h1", { tabindex: "-1" }, "Try Limen"),
    h("p", {}, "Portraits in the public domain stand in for people, and a picture for the camera of a gate. Everything else is real: faces are found, checked for life and compared, and each answer is recorded."),
    problem.element, said, steps);
  showSteps();

  function showSteps() {
    fill(steps, firstStep(), samples.ready && secondStep(), (samples.people.length > 0 || samples.gate?.enabled) && lastStep());
  }

  function firstStep() {
    const button = h("button", { type: "button", on: { click: () => run(button, async () => {
      await makeSamples((text) => (note.textContent = text));
      samples = await findSamples();
      showSteps();
      (steps.querySelector(".round") || view.querySelector("h1")).focus();
    }) } }, "Make sample people and a gate");
    const note = h("p", { role: "status", class: "soft" });
    return h("section", { class: "card" },
      h("h2", {}, "1. Sample people and a gate"),
      h("ul", { class: "portraits" }, PEOPLE.map(({ name, file }) => h("li", {}, h("img", { src: `/samples/${file}`, alt: "", width: 96, height: 96 }), h("span", {}, name)))),
      samples.ready ? h("p", { class: "notice good" }, "They are enrolled with one photo each, and the gate “", samples.gate.name, "” is there.") : h("div", { class: "row" }, button),
      note);
  }

  function secondStep() {
    return h("section", { class: "card" },
      h("h2", {}, "2. Somebody comes to the gate"),
      who.scopes.includes("gate")
        ? h("ul", { class: "rounds" }, ROUNDS.map(round))
        : h("p", { class: "notice warn" }, "This key has not the scope “gate”, so it may not send pictures as a gate does. Sign in with a key that has it: ", h("code", {}, "limen key create --name trial --scope admin --scope gate"), "; ./dev run keeps one in .dev/key."),
      answers);
  }

  function round({ label, hint, file }, index) {
    const button = h("button", { type: "button", class: `round ${index ? "quiet" : ""}`, on: { click: () => run(button, async () => {
      const began = performance.now();
      const answer = await askGate(samples.gate, file);
      answers.prepend(answerLine(label, answer, performance.now() - began));
      answers.children[ANSWERS_MAX]?.remove();
    }) } }, label);
    return h("li", {}, h("img", { src: `/samples/${file}`, alt: "", width: 96, height: 96 }), button, h("span", { class: "soft small" }, hint));
  }

  function lastStep() {
    const removal = h("button", { type: "button", class: "danger", on: { click: () => run(removal, async () => {
      const { gateStays } = await removeSamples(samples);
      samples = await findSamples();
      fill(answers);
      said.textContent = `The sample people are gone.${gateStays ? " The gate stays, switched off, because the trail names it." : ""}`;
      said.hidden = false;
      showSteps();
      view.querySelector("h1").focus();
    }) } }, "Remove the samples");
    return h("section", { class: "card" },
      h("h2", {}, "And then"),
      h("p", {}, h("a", { href: "/console/live" }, "Look at Live"), " for each answer and what it rests on. Then add your own people under ", h("a", { href: "/console/people" }, "People"), ", and make a device a gate's camera under ", h("a", { href: "/console/gates" }, "Gates"), "."),
      h("div", { class: "row" }, removal));
  }

  /** What goes wrong is said at the top. */
  async function run(button, action) {
    problem.clear();
    said.hidden = true;
    try {
      await busy(button, action);
    } catch (error) {
      problem.say(error);
    }
  }
}

function answerLine(label, { decision, reason, employee_id: id, open_ms: openMs, name }, ms) {
  return h("li", { class: `answer ${decision}` },
    h("strong", {}, decision === "grant" ? `Open for ${openMs / 1000} s` : "Shut"),
    h("span", { class: `tag ${decision}` }, `${decision}: ${words(reason)}`),
    id && h("a", { href: `/console/people/${id}` }, name || "who it is"),
    h("span", { class: "soft small" }, `${label}, answered in ${figure(ms)} ms`));
}
