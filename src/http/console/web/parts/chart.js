// Curves on logarithmic axes, as an SVG with nothing but classes for its looks.

import { svg } from "/assets/parts/dom.js";

/** What the text of a tick takes, at most. */
const TICK_PX = 58;

/** Room for what stands at the axes. */
const MARGIN = { left: 58, right: 24, top: 12, bottom: 46 };

/**
 * A chart of `width` by `height` pixels. `x`, `y`: `{min, max, title, tick}`, both logarithmic with a tick at each
 * power of ten, which `tick` writes. `curves`: `{points: [[x, y]], kind}`, where `kind` is a class. `marks`: `{x, y,
 * kind}`; one without `y` is a line across the chart. `label` says what it shows, for who cannot see it.
 */
export function logChart({ label, width, height, x, y, curves, marks }) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const share = ({ min, max }, value) => Math.min(1, Math.max(0, Math.log10(Math.max(value, min) / min) / Math.log10(max / min)));
  const across = (value) => MARGIN.left + share(x, value) * inner.width;
  const up = (value) => MARGIN.top + (1 - share(y, value)) * inner.height;
  const ticks = powers(x);
  const apart = Math.ceil((TICK_PX * ticks.length) / inner.width);
  const [right, bottom] = [MARGIN.left + inner.width, MARGIN.top + inner.height];
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    ticks.map((value, at) => [
      svg("line", { class: "grid", x1: across(value), x2: across(value), y1: MARGIN.top, y2: bottom }),
      (ticks.length - 1 - at) % apart === 0 && svg("text", { x: across(value), y: bottom + 18, "text-anchor": "middle" }, x.tick(value)),
    ]),
    powers(y).map((value) => [
      svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: up(value), y2: up(value) }),
      svg("text", { x: MARGIN.left - 8, y: up(value) + 4, "text-anchor": "end" }, y.tick(value)),
    ]),
    svg("path", { class: "axis", fill: "none", d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}` }),
    svg("text", { x: MARGIN.left + inner.width / 2, y: height - 6, "text-anchor": "middle" }, x.title),
    svg("text", { transform: `translate(13 ${MARGIN.top + inner.height / 2}) rotate(-90)`, "text-anchor": "middle" }, y.title),
    curves.map(({ points, kind }) => points.length > 1 && svg("polyline", { class: `curve ${kind}`, points: points.map(([a, b]) => `${round(across(a))},${round(up(b))}`).join(" ") })),
    marks.map((mark) => mark.y === undefined
      ? svg("line", { class: `guide ${mark.kind}`, x1: across(mark.x), x2: across(mark.x), y1: MARGIN.top, y2: bottom })
      : [
        svg("path", { class: `guide ${mark.kind}`, fill: "none", d: `M${MARGIN.left} ${up(mark.y)}H${across(mark.x)}V${bottom}` }),
        svg("circle", { class: `mark ${mark.kind}`, cx: across(mark.x), cy: up(mark.y), r: 6 }),
      ]));
}

const round = (value) => Math.round(value * 10) / 10;

/** The powers of ten within an axis. */
function powers({ min, max }) {
  const [first, last] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, step) => 10 ** (first + step));
}
