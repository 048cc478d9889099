// Enrolling before a camera: it says what to do until the picture is good, and takes it then.

import { post } from "/assets/parts/api.js";
import { trouble } from "/assets/parts/card.js";
import { openCamera } from "/assets/parts/camera.js";
import { busy, h, svg } from "/assets/parts/dom.js";
import { figure, sentence } from "/assets/parts/format.js";

/** At most so often a picture is looked at. */
const CHECK_MS = 350;
/** And where the service is busy, or cannot be asked. */
const CHECK_AGAIN_MS = 1_000;
const JPEG_QUALITY = 0.92;
/** Good pictures in a row, after which the last of them is taken. */
const GOOD_IN_A_ROW = 2;

const ADVICE = {
  no_face: "Look at the camera: no face is seen.",
  multiple_faces: "One person at a time.",
  spoof: "This is not taken for a living face. Look straight at the camera, without a screen or a print before it.",
};

/**
 * The panel: `{element, start, stop}`. `take(photo)` enrols a picture and throws what is refused; `closed` is called
 * when somebody is done.
 */
export function enrolmentCamera({ take, closed }) {
  const video = h("video", { class: "mirrored", "aria-label": "The camera's picture" });
  const still = h("canvas", { class: "mirrored", hidden: true, "aria-hidden": "true" });
  const box = svg("rect", { class: "face", rx: 6 });
  const overlay = svg("svg", { preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" }, box);
  const advice = h("p", { class: "advice", role: "status" }, "The camera is being opened.");
  const problem = trouble();
  const byItself = h("input", { type: "checkbox", checked: true });
  const now = h("button", { type: "button", class: "quiet", disabled: true, on: { click: () => freeze() } }, "Take it now");
  const enrolIt = h("button", { type: "button", on: { click: () => busy(enrolIt, send) } }, "Enrol this photo");
  const again = h("button", { type: "button", class: "quiet", on: { click: watch } }, "Another");
  const close = h("button", { type: "button", class: "quiet", on: { click: () => {
    stop();
    closed();
  } } }, "Close the camera");
  const live = h("div", { class: "row" }, now, h("label", { class: "check" }, byItself, "Take it by itself when it is good"));
  const review = h("div", { class: "row", hidden: true }, enrolIt, again);
  const element = h("div", { class: "stack enrolment" }, h("div", { class: "camera" }, video, still, overlay), advice, problem.element, live, review, h("div", { class: "row" }, close));

  let camera = null;
  let turn = 0;
  let taken = null;

  async function start() {
    try {
      camera = await openCamera(video, { facingMode: "user", ended: (error) => lost(error) });
    } catch (error) {
      return lost(error);
    }
    if (!element.isConnected) return stop();
    now.disabled = false;
    now.focus({ preventScroll: true });
    element.scrollIntoView({ block: "center" });
    watch();
  }

  function lost(error) {
    turn += 1;
    now.disabled = true;
    advise("", "");
    problem.say(error);
  }

  function stop() {
    turn += 1;
    camera?.stop();
    camera = null;
  }

  /** Looks at picture after picture until one is taken. */
  async function watch() {
    const mine = (turn += 1);
    taken = null;
    problem.clear();
    still.hidden = true;
    video.hidden = live.hidden = false;
    review.hidden = true;
    advise("Look at the camera.", "");
    let good = 0;
    while (mine === turn && camera) {
      const began = performance.now();
      let pauseMs = CHECK_MS;
      try {
        if (!document.hidden) {
          const picture = await camera.capture({ quality: JPEG_QUALITY });
          const seen = await post("/v1/frames/check", picture);
          if (mine !== turn) return;
          problem.clear();
          showSeen(seen);
          good = seen.fit ? good + 1 : 0;
          if (good >= GOOD_IN_A_ROW && byItself.checked) return freeze(picture);
        }
      } catch (error) {
        if (mine !== turn) return;
        good = 0;
        pauseMs = CHECK_AGAIN_MS;
        // Gates go first: a hint less.
        if (error.status !== 429) problem.say(error);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, pauseMs - (performance.now() - began))));
    }
  }

  /** Says what a look at a picture found, and where. */
  function showSeen({ fit, outcome, issues, face, frame, shortfall }) {
    overlay.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    box.classList.toggle("fit", fit);
    box.toggleAttribute("hidden", !face);
    if (face) {
      // The video is a mirror; the picture is none.
      const place = { x: frame.width - face.x - face.width, y: face.y, width: face.width, height: face.height };
      for (const [name, value] of Object.entries(place)) box.setAttribute(name, value);
    }
    const missed = shortfall ? ` (${figure(shortfall.value)}, the limit is ${figure(shortfall.limit)})` : "";
    if (fit) advise("Good. Hold still.", "good");
    else advise(ADVICE[outcome] || sentence(`${issues.map((issue) => issue.detail).join(", ")}${missed}`), "warn");
  }

  function advise(text, kind) {
    // Only what is new is said aloud.
    if (advice.textContent !== text) advice.textContent = text;
    advice.className = `advice notice ${kind}`;
    advice.hidden = !text;
  }

  /** Keeps a picture, to be looked at and enrolled. */
  async function freeze(picture) {
    turn += 1;
    try {
      taken = picture || (await camera.capture({ quality: JPEG_QUALITY }));
      const bitmap = await createImageBitmap(taken);
      Object.assign(still, { width: bitmap.width, height: bitmap.height });
      still.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
    } catch (error) {
      return lost(error);
    }
    still.hidden = false;
    video.hidden = live.hidden = true;
    box.setAttribute("hidden", "");
    review.hidden = false;
    enrolIt.hidden = false;
    advise(picture ? "This one is good." : "Taken.", picture ? "good" : "");
    enrolIt.focus();
  }

  async function send() {
    problem.clear();
    try {
      await take(taken);
      enrolIt.hidden = true;
      advise("Enrolled. Another photo, in another light or with other glasses, makes refusals rarer.", "good");
    } catch (error) {
      problem.say(error);
    }
    again.focus();
  }

  return { element, start, stop };
}
