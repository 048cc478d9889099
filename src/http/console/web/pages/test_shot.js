// What a gate would make of a picture of this device's camera. Nothing opens, and nothing is recorded.

import { headerText, post } from "/assets/parts/api.js";
import { openCamera } from "/assets/parts/camera.js";
import { card } from "/assets/parts/card.js";
import { busy, field, fill, h } from "/assets/parts/dom.js";
import { sentence, words } from "/assets/parts/format.js";
import { meter } from "/assets/parts/meter.js";
import { facts, refusal } from "/assets/parts/section.js";

const DECISIONS = { grant: "It would open", deny: "It would stay shut", retry: "It would ask again" };

/** The card, and what lets go of the camera. */
export function testShot(gate, may) {
  const video = h("video", { class: "mirrored", "aria-label": "What the camera sees" });
  const box = h("div", { class: "camera", hidden: true }, video);
  const badge = h("input", { autocomplete: "off", maxlength: "64", name: "badge" });
  const file = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp", on: { change: () => file.files[0] && send(file, () => file.files[0]) } });
  const outcome = h("div", { class: "stack", "aria-live": "polite" });
  const start = h("button", { type: "button", class: "quiet", on: { click: () => busy(start, begin) } }, "Start the camera");
  const shoot = h("button", { type: "button", hidden: true, on: { click: () => send(shoot, () => camera.capture()) } }, "Take a test shot");
  const stopButton = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => (stop(), start.focus()) } }, "Stop");
  let camera = null;
  let left = false;

  async function begin() {
    outcome.replaceChildren();
    box.hidden = false;
    try {
      camera = await openCamera(video, { ended: (error) => (stop(), fill(outcome, refusal(error))) });
    } catch (error) {
      box.hidden = true;
      fill(outcome, refusal(error));
      return;
    }
    // Somebody may have left the page while the browser asked for leave.
    if (left) return stop();
    start.hidden = true;
    shoot.hidden = stopButton.hidden = false;
    shoot.focus();
  }

  function stop() {
    camera?.stop();
    camera = null;
    box.hidden = shoot.hidden = stopButton.hidden = true;
    start.hidden = false;
  }

  async function send(control, picture) {
    const shown = badge.value.trim();
    const headers = shown ? { "x-badge-id": headerText(shown) } : {};
    try {
      const frame = await picture();
      const shot = await busy(control, () => post(`/v1/gates/${gate.gate_id}/test-shots`, frame, { headers }));
      fill(outcome, outcomeOf(shot, may));
    } catch (problem) {
      fill(outcome, refusal(problem));
    } finally {
      // The same file can be chosen again.
      file.value = "";
      if (!control.hidden) control.focus();
    }
  }

  const element = card("Test shot",
    h("p", { class: "soft small" }, "What the gate would make of a picture. Nothing opens, nothing is recorded."),
    box,
    h("div", { class: "row" }, start, shoot, stopButton),
    gate.mode !== "face" && field("Badge", badge, "As if it were shown; may stay empty."),
    field("Or a photo", file), outcome);
  return { element, stop: () => {
    left = true;
    stop();
  } };
}

function outcomeOf(shot, may) {
  const took = Object.values(shot.timings_ms || {}).reduce((sum, ms) => sum + ms, 0);
  const name = shot.name || shot.employee_id;
  return [
    h("p", {}, h("span", { class: `tag ${shot.would_be}` }, DECISIONS[shot.would_be] || words(shot.would_be)), " ", sentence(shot.meaning)),
    (shot.checks || []).map(meter),
    facts([
      ["Person", name && (may("see_people") ? h("a", { href: `/console/people/${shot.employee_id}` }, name) : name)],
      ["The gate shows", shot.show],
      ["What helps", shot.advice && shot.advice !== "nothing" ? shot.advice : null],
      ["Notice", shot.notice && words(shot.notice)],
      ["Faces", shot.faces],
      ["Took", took ? `${Math.round(took)} ms` : null],
    ]),
  ];
}
