// What a risk comes to, in words.

import { h } from "/assets/parts/dom.js";
import { count, figure, oneIn } from "/assets/parts/format.js";

/** A rate as a percentage, without an exponent down to one in a hundred million. */
export const rateText = (rate) => `${Number((rate * 100).toPrecision(2))} %`;

/** A risk, as a percentage and as one in so many. */
export const riskText = (risk) => `${rateText(risk)}, ${oneIn(risk)}`;

/** How many of something that happens now and then. */
export const amount = (value) => (value >= 100 ? count(Math.round(value)) : figure(value, 2));

/** What an offer comes to, in one line. */
const offerText = (offer) =>
  `τ ${figure(offer.threshold)}, at most ${amount(offer.false_entries_per_year)} false entries a year, ${amount(offer.honest_retries_per_day)} honest retries a day`;

/** Why a risk is refused, and what is possible instead; `take` is called with the smallest risk that is supported. */
export function refusalNotice(answer, take) {
  const { reason, badge, largest_gallery: largest, smallest_fpir: smallest } = answer.refusal;
  const instead = [
    badge && `A badge first, and one comparison with its owner: ${offerText(badge)}.`,
    largest && `Among ${count(largest)} people at most this risk can be kept.`,
    smallest && [`Among ${count(answer.people)} people a risk of ${riskText(smallest)} can be kept. `, take && h("button", { type: "button", class: "quiet", on: { click: () => take(smallest) } }, "Take that")],
  ].filter(Boolean);
  return h("div", { class: "notice warn stack" },
    h("p", {}, "Refused: ", reason, "."),
    instead.length ? [h("p", {}, "What is possible instead:"), h("ul", {}, instead.map((each) => h("li", {}, each)))] : h("p", {}, "Nothing else is possible with this encoder."));
}
