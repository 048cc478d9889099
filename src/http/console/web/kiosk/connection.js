// Whether the service is there: asked by itself, so that nobody stands before a gate that cannot answer.

const ASK_MS = 10_000;
const ASK_AGAIN_MS = 2_000;
const ANSWER_MS_MAX = 3_000;

/**
 * Watches the service; `changed(state)` hears `ready`, `starting` or `lost`. Returns `{heard, stop}`: `heard(answered)`
 * tells it what somebody else's request met.
 */
export function connection(changed) {
  let state = null;
  let timer = null;
  let stopped = false;

  async function ask() {
    clearTimeout(timer);
    if (stopped) return;
    let next = "lost";
    try {
      const response = await fetch("/readyz", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      next = response.ok ? "ready" : "starting";
    } catch {
      // Asked again below.
    }
    if (stopped) return;
    become(next);
    clearTimeout(timer);
    timer = setTimeout(ask, next === "ready" ? ASK_MS : ASK_AGAIN_MS);
  }

  function become(next) {
    if (next !== state) changed((state = next));
  }

  const lost = () => {
    become("lost");
    ask();
  };
  addEventListener("online", ask);
  addEventListener("offline", lost);
  ask();
  return {
    heard(answered) {
      if (!answered) lost();
      else if (state === "lost") ask();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      removeEventListener("online", ask);
      removeEventListener("offline", lost);
    },
  };
}
