// What a page asks again and again, while somebody looks at it.

/** Calls `action` now and then every `ms`, one call after the other, not while the page is hidden. Returns what ends it. */
export function every(ms, action) {
  let ended = false;
  let timer = null;
  async function turn() {
    if (!document.hidden) await action();
    if (!ended) timer = setTimeout(turn, ms);
  }
  turn();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
