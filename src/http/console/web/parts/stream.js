// Events as they happen, over a stream that comes back by itself.

import { checkSession } from "/assets/parts/api.js";

/** How long to wait before a stream that the service refused is asked for again. */
const AGAIN_MS = 3000;

/**
 * Follows `path`. `on.event(name, data)` gets each event once, `on.state` "live" or "waiting". Returns what ends it.
 * What was decided a moment before a break may come again (docs/EVENTS.md): events that were seen are left out.
 */
export function follow(path, on) {
  const seen = new Set();
  let last = null;
  let source = null;
  let timer = null;
  let over = false;

  function open() {
    const url = new URL(path, location.origin);
    if (last) url.searchParams.set("after", last);
    source = new EventSource(url);
    source.onopen = () => on.state("live");
    source.onerror = () => {
      on.state("waiting");
      // The browser tries again by itself after a break, and gives up after a refusal.
      if (source.readyState === EventSource.CLOSED && !over) {
        checkSession();
        clearTimeout(timer);
        timer = setTimeout(open, AGAIN_MS);
      }
    };
    for (const name of ["passage", "input", "unreadable"]) source.addEventListener(name, (event) => told(name, event));
  }

  function told(name, event) {
    last = event.lastEventId || last;
    const data = JSON.parse(event.data);
    const key = `${data.gate_id} ${data.position}`;
    if (seen.has(key)) return;
    seen.add(key);
    // A minute comes again at most: of more events than this nobody follows each.
    if (seen.size > 5000) seen.delete(seen.values().next().value);
    on.event(name, data);
  }

  open();
  return () => {
    over = true;
    clearTimeout(timer);
    source.close();
  };
}
