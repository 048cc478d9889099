// The screen of a turnstile: the camera while nobody is there, green for a grant, red for everything else.

import { openCamera } from "/assets/parts/camera.js";
import { confirmDialog, showDialog } from "/assets/parts/dialog.js";
import { fill, h, svg } from "/assets/parts/dom.js";
import { changeFullScreen, keepAwake } from "/assets/kiosk/awake.js";
import { connection } from "/assets/kiosk/connection.js";
import { gateOf, pause } from "/assets/kiosk/gate.js";
import { presence } from "/assets/kiosk/presence.js";
import { screenOf, screenOfTrouble } from "/assets/kiosk/reasons.js";
import { unpair } from "/assets/kiosk/vault.js";

/** Pictures of a passage, and the pause between two: all must show the same person. */
const PICTURES = 3;
const PICTURE_PAUSE_MS = 120;
const JPEG_QUALITY = 0.88;
const LOOK_MS = 150;
/** So often events whose answers got lost are reported. */
const SETTLE_MS = 30_000;
const RED_MS = 2_500;
/** Green is shown while the gate is open, but long enough to be read and never for long. */
const GREEN_MS = [1_500, 10_000];
/** So often somebody is asked to stand otherwise before they have to touch the screen. */
const TRIES_MAX = 4;
const CAMERA_PAUSE_MS = [1_000, 30_000];
const AUTOMATIC = "limen-kiosk-automatic";
const FACING = "limen-kiosk-facing";

const CONNECTION = { ready: ["good", "Connected"], starting: ["warn", "The service is starting"], lost: ["bad", "No connection"] };

/** Shows the turnstile of a pairing; `unpaired` is called when the device is no gate any more. Returns what ends it. */
export function turnstile(view, pairing, unpaired) {
  const video = h("video", { class: facing() === "user" ? "mirrored" : null, "aria-hidden": "true" });
  const link = h("span", { class: "tag", role: "status" }, "Connecting");
  const hint = h("p", { class: "hint", role: "status" });
  const badge = h("input", { name: "badge", "aria-label": "Badge", placeholder: "Badge", maxlength: 64, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const go = h("button", { type: "submit", class: "go" }, "Let me in");
  const form = h("form", { class: "ask", on: { submit: (event) => (event.preventDefault(), ask({ byHand: true })) } }, badge, go);
  const verdict = h("div", { class: "verdict", role: "alert" });
  const oval = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" }, svg("ellipse", { cx: 50, cy: 46, rx: 26, ry: 35 }));

  let camera = null;
  let opening = Promise.resolve();
  let openings = 0;
  let watch = null;
  let busyNow = false;
  let tries = 0;
  let stopped = false;
  let pictures = PICTURES;
  const service = connection((state) => {
    const [kind, text] = CONNECTION[state];
    link.className = `tag ${kind}`;
    link.textContent = text;
    view.dataset.service = state;
    idle();
    settleLost();
  });
  const gate = gateOf(pairing, service.heard);
  const sleep = keepAwake();
  const looking = setInterval(look, LOOK_MS);
  const settling = setInterval(settleLost, SETTLE_MS);

  view.className = "turnstile";
  fill(view,
    h("header", {}, h("h1", {}, pairing.name), link,
      h("button", { type: "button", class: "quiet", on: { click: settings } }, "Settings")),
    h("div", { class: "stage" }, video, oval, hint),
    form, verdict);
  document.title = `${pairing.name} · Limen`;
  document.addEventListener("keydown", typed);
  openAgain();

  /** Opens the camera, and again for as long as there is none. What was being opened before is let go. */
  async function openAgain(pauseMs = CAMERA_PAUSE_MS[0]) {
    const mine = (openings += 1);
    const wanted = () => !stopped && mine === openings;
    camera?.stop();
    camera = null;
    idle("The camera is being opened.");
    // One after the other: all show in the same video.
    const open = () => wanted() && openCamera(video, { facingMode: facing(), ended: () => wanted() && openAgain() });
    opening = opening.catch(() => {}).then(open);
    try {
      const opened = await opening;
      if (!wanted()) return opened && opened.stop();
      camera = opened;
      watch = presence(video);
      idle();
    } catch (problem) {
      if (!wanted()) return;
      idle(problem.message);
      await pause(pauseMs);
      if (wanted()) openAgain(Math.min(2 * pauseMs, CAMERA_PAUSE_MS[1]));
    }
  }

  /** Whoever stands there goes first. */
  function settleLost() {
    if (!busyNow && view.dataset.service === "ready") gate.settle().catch(() => {});
  }

  /** What is said while nobody is answered. */
  function idle(trouble) {
    if (busyNow) return;
    go.disabled = !camera;
    hint.textContent = trouble || (camera ? invitation() : hint.textContent);
  }

  function invitation() {
    if (view.dataset.service === "lost") return "No connection: this gate stays shut.";
    return automatic() ? "Stand before the camera." : "Look at the camera and press the button.";
  }

  function look() {
    if (!automatic() || busyNow || !camera || document.hidden || document.querySelector("dialog[open]")) return;
    if (view.dataset.service !== "ready" || !watch.look()) return;
    if (document.activeElement === badge && badge.value) return;
    ask({ byHand: false });
  }

  /** Asks whether the gate opens, and shows the answer. */
  async function ask({ byHand }) {
    if (busyNow || !camera) return;
    busyNow = true;
    go.disabled = true;
    hint.textContent = "One moment.";
    const shownBadge = badge.value.trim();
    badge.value = "";
    if (byHand) tries = 0;
    let shown;
    let reason;
    try {
      watch.asks();
      const capturedAt = new Date();
      const answer = await gate.pass(await burst(), capturedAt, shownBadge);
      reason = answer.reason;
      shown = screenOf(answer);
    } catch (problem) {
      if (problem.code === "too_many_frames") pictures = 1;
      shown = screenOfTrouble(problem);
    }
    await show(shown);
    busyNow = false;
    if (stopped) return;
    rearm(shown, reason);
    idle();
  }

  /** A few pictures, one shortly after the other. */
  async function burst() {
    const taken = [];
    while (taken.length < pictures) {
      if (taken.length) await pause(PICTURE_PAUSE_MS);
      taken.push(await camera.capture({ quality: JPEG_QUALITY }));
    }
    return taken;
  }

  /** What counts as somebody new from here on. */
  function rearm(shown, reason) {
    tries += 1;
    if (reason === "no_face") watch?.nobody();
    else if (!shown.again || tries >= TRIES_MAX) {
      watch?.answered();
      tries = 0;
    }
    if (shown.badge) badge.focus();
  }

  /** Green or red, over everything, for as long as it takes to read. */
  async function show({ open, title, text, openMs }) {
    verdict.className = `verdict ${open ? "open" : "shut"}`;
    fill(verdict, h("span", { class: "sign", "aria-hidden": "true" }, open ? "✓" : "✕"), h("strong", {}, title), h("span", {}, text));
    await pause(open ? Math.min(Math.max(openMs, GREEN_MS[0]), GREEN_MS[1]) : RED_MS);
    verdict.className = "verdict";
    fill(verdict);
  }

  /** A reader that types a badge, and the keys that stand for the button. */
  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, button, select, dialog")) return;
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      ask({ byHand: true });
    } else if (event.key.length === 1) badge.focus();
  }

  function settings() {
    const dialog = showDialog("Settings",
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: automatic(), on: { change: ({ target }) => {
        localStorage.setItem(AUTOMATIC, target.checked ? "yes" : "no");
        idle();
      } } }), "Ask by itself when somebody stands there"),
      h("div", { class: "row" },
        h("button", { type: "button", class: "quiet", on: { click: changeFullScreen } }, "Full screen on or off"),
        h("button", { type: "button", class: "quiet", on: { click: turn } }, "Other camera")),
      h("p", { class: "soft small" }, `Gate ${pairing.gateId}. Its key signs on this device and cannot be read out of it.`),
      h("div", { class: "row" }, h("button", { type: "button", class: "danger", on: { click: async () => {
        dialog.close();
        await confirmDialog({ title: "Unpair this device?", text: "The key is forgotten here. It stays valid until it is revoked in the console, under System.", action: "Unpair", submit: forget });
      } } }, "Unpair this device")));
  }

  function turn() {
    localStorage.setItem(FACING, facing() === "user" ? "environment" : "user");
    video.classList.toggle("mirrored", facing() === "user");
    openAgain();
  }

  async function forget() {
    await unpair();
    gate.forget();
    unpaired();
  }

  return () => {
    stopped = true;
    clearInterval(looking);
    clearInterval(settling);
    document.removeEventListener("keydown", typed);
    camera?.stop();
    service.stop();
    sleep();
    view.className = "";
    delete view.dataset.service;
  };
}

const automatic = () => localStorage.getItem(AUTOMATIC) !== "no";
const facing = () => localStorage.getItem(FACING) || "user";
