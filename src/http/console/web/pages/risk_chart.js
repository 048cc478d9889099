// The detection error trade-off: how often strangers get in against how often the enrolled do not.

import { logChart } from "/assets/parts/chart.js";
import { fill, h } from "/assets/parts/dom.js";
import { count, figure } from "/assets/parts/format.js";
import { table } from "/assets/parts/table.js";
import { amount, rateText, riskText } from "/assets/pages/risk_words.js";

/** What the axes span; what is rarer lies on the edge. */
const FALSE_MATCH = { min: 1e-6, max: 1 };
const MISS = { min: 1e-3, max: 1 };

/** Draws the curves of an answer into an element; returns what draws them anew where its width has changed. */
export function detChart(element, answer) {
  const place = element.querySelector(".det") || h("div", { class: "det" });
  const numbers = curveNumbers(answer);
  // Whoever has the numbers open keeps them open.
  numbers.open = element.querySelector("details")?.open ?? false;
  fill(element, place,
    h("ul", { class: "legend soft small" },
      h("li", { class: "search" }, `A search among ${count(answer.people)}; dashed where the data do not show errors so rare, or more fail than may`),
      h("li", { class: "comparison" }, "One comparison: a badge says whose the face should be"),
      h("li", { class: "point" }, "The risk of the slider")),
    numbers);
  let width = 0;
  const draw = () => {
    const now = Math.round(Math.min(1100, Math.max(280, place.clientWidth || 640)));
    if (now === width) return;
    width = now;
    fill(place, drawing(answer, width));
  };
  draw();
  return draw;
}

function drawing(answer, width) {
  const { offer, det, people } = answer;
  // Where max_fmr decides, a higher risk changes nothing.
  const risks = answer.by_risk.filter((risk) => !risk.limited_by_max_fmr);
  const supported = risks.filter((risk) => risk.supported);
  const point = ({ max_fpir, fnir }) => [max_fpir, fnir];
  const first = risks.indexOf(supported[0]);
  const last = risks.indexOf(supported.at(-1));
  return logChart({
    label: `Curves of how many enrolled people fail against how many strangers match. ${offer ? `Among ${count(people)} people at a risk of ${riskText(answer.max_fpir)}, ${rateText(offer.fnir)} of honest attempts fail.` : `A risk of ${riskText(answer.max_fpir)} among ${count(people)} people is refused.`}`,
    width,
    height: Math.round(Math.min(420, Math.max(260, width * 0.5))),
    x: { ...FALSE_MATCH, title: "Strangers' attempts that match somebody", tick },
    y: { ...MISS, title: "Honest attempts that fail", tick },
    curves: [
      { kind: "comparison", points: det.filter((each) => each.fnmr > 0 && each.fmr > 0).map((each) => [each.fmr, each.fnmr]) },
      { kind: "unsupported", points: risks.slice(0, Math.max(0, first) + 1).map(point) },
      { kind: "unsupported", points: supported.length ? risks.slice(last).map(point) : risks.map(point) },
      { kind: "search", points: supported.map(point) },
    ],
    marks: [offer ? { kind: "point", x: offer.fpir, y: offer.fnir } : { kind: "point", x: answer.max_fpir }],
  });
}

const tick = (rate) => `${Number((rate * 100).toPrecision(1))} %`;

/** The same as numbers, for who cannot see it. */
const curveNumbers = ({ by_risk: risks, people }) =>
  h("details", {}, h("summary", {}, "The curve as numbers"),
    table(`What other risks come to among ${count(people)} people`, [
      ["Risk", (risk) => rateText(risk.max_fpir), "number"],
      ["τ", (risk) => figure(risk.threshold, 4), "number"],
      ["Honest attempts that fail", (risk) => rateText(risk.fnir), "number"],
      ["False entries a year", (risk) => (risk.false_entries_per_year === null ? "not known" : `≤ ${amount(risk.false_entries_per_year)}`), "number"],
      ["Honest retries a day", (risk) => amount(risk.honest_retries_per_day), "number"],
      ["Can be kept", (risk) => (risk.supported ? "yes" : "no")],
    ], risks));
