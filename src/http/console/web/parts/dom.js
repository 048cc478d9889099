// Elements, made without markup: no text ever becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props`: attributes; `on` has listeners, `data` dataset entries; null, undefined and false are left out.
 * Children are nodes, texts, or lists of them; null, undefined and false are left out.
 */
export function h(tag, props = {}, ...children) {
  return made(document.createElement(tag), props, children);
}

/** The same, of an SVG. */
export function svg(tag, props = {}, ...children) {
  return made(document.createElementNS(SVG, tag), props, children);
}

function made(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "srcObject") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Puts children in the place of what an element has. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Says something to everybody, who listens and who looks. */
export function toast(text) {
  const line = h("p", {}, text);
  document.getElementById("toasts").append(line);
  setTimeout(() => line.remove(), 6000);
}

let numbers = 0;

/** An id that nothing else has. */
export const uniqueId = (stem) => `${stem}-${(numbers += 1)}`;

/** A labelled field; `control` is an input, select or textarea. */
export function field(label, control, hint) {
  control.id ||= uniqueId("field");
  const hintId = hint ? `${control.id}-hint` : null;
  if (hintId) control.setAttribute("aria-describedby", hintId);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, hint && h("span", { class: "hint", id: hintId }, hint));
}

/** A select of `[value, text]` pairs. */
export function select(options, value, props = {}) {
  const element = h("select", props, options.map(([code, text]) => h("option", { value: code }, text)));
  element.value = value ?? "";
  return element;
}

/** Runs `action` while `button` waits, so that nothing is asked twice. */
export async function busy(button, action) {
  button.disabled = true;
  try {
    return await action();
  } finally {
    button.disabled = false;
  }
}
