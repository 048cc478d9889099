// What is nice to have, asked for a little at a time, and only for what is still shown.

/** Questions at once, and those that may wait: of more, the oldest are dropped. */
const AT_ONCE = 2;
const WAITING_MAX = 50;

const waiting = [];
let running = 0;

/** Runs `action` when there is time, unless `element` is gone by then; its failure matters to nobody. */
export function lazily(element, action) {
  waiting.push({ element, action });
  if (waiting.length > WAITING_MAX) waiting.shift();
  // The element is put into the page after this returns.
  queueMicrotask(next);
}

async function next() {
  if (running >= AT_ONCE) return;
  const { element, action } = waiting.pop() || {};
  if (!action) return;
  running += 1;
  try {
    if (element.isConnected) await action();
  } catch {
    // It stays as it is.
  } finally {
    running -= 1;
    next();
  }
}
