// How a gate fares, in words.

import { h } from "/assets/parts/dom.js";
import { count } from "/assets/parts/format.js";
import { DECISIONS } from "/assets/parts/passage.js";

/** Whether a gate lets anybody through at all. */
export const enabledTag = (enabled) => h("span", { class: `tag ${enabled ? "good" : "warn"}` }, enabled ? "on" : "switched off");

/** What was decided in a day. */
export function decisionsText(decisions) {
  const parts = DECISIONS.filter(([code]) => decisions[code]);
  return parts.map(([code, text]) => `${count(decisions[code])} ${text}`).join(", ") || "nothing";
}

/** From capture to decision. */
export const latencyText = (latency) => (latency ? `${Math.round(latency.p50)} ms; 99 % within ${Math.round(latency.p99)} ms` : "–");
