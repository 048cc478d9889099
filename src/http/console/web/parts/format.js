// Numbers, moments and codes, as people read them.

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** `2026-03-02T07:58:12Z` as a time of today, else with its date. */
export function moment(text) {
  if (!text) return "never";
  const at = new Date(text);
  return at.toDateString() === new Date().toDateString() ? TIME.format(at) : `${DATE.format(at)}, ${TIME.format(at)}`;
}

export const day = (text) => (text ? DATE.format(new Date(text)) : "");

/** How long ago, roughly. */
export function ago(text) {
  if (!text) return "never";
  const seconds = Math.max(0, (Date.now() - new Date(text)) / 1000);
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name} ago`;
  }
  return seconds < 5 ? "now" : `${Math.floor(seconds)} s ago`;
}

/** A code such as `unknown_person` in words. */
export const words = (code) => (code || "").replaceAll("_", " ");

/** A phrase as a sentence. */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** A count, with the thousands apart. */
export const count = (value) => (value ?? 0).toLocaleString();

/** With so many significant digits, without an exponent where that is legible. */
export function figure(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  return Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
}

/** A distance or a liveness, which mean nothing beyond their second decimal. */
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/** A rate as a percentage: `0.0123` is `1.23 %`. */
export const percent = (rate, digits = 2) => (rate === null || rate === undefined ? "–" : `${figure(rate * 100, digits)} %`);

/** A rate as one in so many. */
export const oneIn = (rate) => (rate > 0 ? `1 in ${Math.round(1 / rate).toLocaleString()}` : "none");
