// A figure against its limit, for whoever looks and whoever listens.

import { h, svg } from "/assets/parts/dom.js";
import { figure, words } from "/assets/parts/format.js";

/** What each figure is on, at most. */
const SCALE = { distance: 2.5, second_distance: 2.5, liveness: 1, probability: 1, brightness: 255, pupil_distance_px: 200, yaw: 1, pitch: 1, roll_degrees: 90 };
const LABELS = { distance: "Distance", second_distance: "Next person", liveness: "Liveness", probability: "Probability", pupil_distance_px: "Face size", feature_norm: "Clarity" };

/** A check of an explanation: `{figure, value, limit, passed}`. */
export function meter({ figure: name, value, limit, passed }) {
  const most = SCALE[name] || Math.max(Math.abs(value), Math.abs(limit)) * 1.5 || 1;
  const at = (number) => Math.max(0, Math.min(100, (Math.abs(number) / most) * 100));
  const text = `${figure(value)} ${passed ? "passes" : "fails"} ${figure(limit)}`;
  return h("div", { class: "meter" },
    h("span", {}, LABELS[name] || words(name)),
    svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 10, rx: 2 }),
      svg("rect", { class: passed ? "passed" : "failed", width: at(value), height: 10, rx: 2 }),
      svg("rect", { class: "limit", x: Math.min(99, at(limit)), width: 1, height: 10 })),
    h("span", { class: "number" }, text));
}
