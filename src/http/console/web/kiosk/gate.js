// One gate of the service, as its firmware would ask: signed, one request after another, and again where an answer
// got lost.

import { formOf } from "/assets/kiosk/form.js";
import { randomText, risingTimestamps, sign } from "/assets/kiosk/signer.js";

/** For so long a passage is asked again: a gate's frames are too old after 5 s, unless its policy says otherwise. */
const PASSAGE_MS_MAX = 4_000;
/** For so long one answer may take. */
const ANSWER_MS_MAX = 3_000;
const PAUSE_MS = 250;
/** Events without an answer that are remembered; of more the oldest go. */
const LOST_MAX = 100;

/** Why there is no answer. `status` 0: the service did not answer in time. */
export class Refusal extends Error {
  constructor(status, body, headers) {
    super(body.detail || body.title || "the service did not answer");
    Object.assign(this, { status, code: body.code || "unreachable", retryAfterMs: 1000 * Number(headers?.get("retry-after")) || 0 });
  }

  /** Whether the same request, signed anew, may be answered. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500 || this.code === "replayed_request";
  }

  /** Whether the device itself was refused, whatever it asked: its clock or its credential has to be seen to. */
  get ofDevice() {
    return this.status === 401 || this.status === 403;
  }
}

/** The gate of a pairing. `heard` is called after each try: whether the service answered at all. */
export function gateOf({ gateId, keyId, key }, heard) {
  const timestamp = risingTimestamps();
  const lost = lostEvents(gateId);
  let last = Promise.resolve();
  let settling = null;

  /** After whatever is under way: of two at once, the service takes only the newer. */
  const inTurn = (action) => (last = last.catch(() => {}).then(action));

  async function send(path, request) {
    const whole = { method: "POST", path, ...request };
    const headers = await sign({ keyId, key }, whole, timestamp());
    let response;
    try {
      response = await fetch(path, { method: "POST", body: request.body, headers, credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      const body = await response.json();
      heard(true);
      if (response.ok) return body;
      throw new Refusal(response.status, body, response.headers);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      heard(false);
      // Some proxy's page, half an answer, or none.
      throw new Refusal(response && !response.ok ? response.status : 0, {});
    }
  }

  /** Asks whether the gate opens for whom the pictures show; throws a Refusal. */
  async function pass(pictures, capturedAt, badge) {
    const { contentType, body } = await formOf(pictures);
    const event = `kiosk-${randomText()}`;
    const request = { contentType, body, event, capturedAt: capturedAt.toISOString(), badge };
    const until = capturedAt.getTime() + PASSAGE_MS_MAX;
    let mayBeDecided = false;
    for (;;) {
      try {
        return await send(`/v1/gates/${gateId}/passages`, request);
      } catch (refusal) {
        mayBeDecided ||= refusal.status === 0 || refusal.status >= 500 || refusal.status === 408;
        const pauseMs = Math.max(PAUSE_MS, refusal.retryAfterMs);
        if (!refusal.passes || Date.now() + pauseMs > until) {
          if (mayBeDecided) lost.add(event);
          throw refusal;
        }
        await pause(pauseMs);
      }
    }
  }

  /** Says of the events whose answers never came that nobody went through, so that no grant is held against anybody. */
  async function settle() {
    // Each in a turn of its own: whoever comes meanwhile waits for one at most.
    for (let next; (next = lost.all()[0]); ) {
      if (!(await inTurn(() => settled(next)))) return;
    }
  }

  /** Whether nothing more is to be said of an event. */
  async function settled({ event, at }) {
    const report = { input: "grant_unused", happened_at: at, passage_event_id: event };
    const body = new TextEncoder().encode(JSON.stringify(report)).buffer;
    try {
      await send(`/v1/gates/${gateId}/inputs`, { contentType: "application/json", body, event: `unused-${event}` });
    } catch (refusal) {
      // Nobody has heard of it yet, or a turnstile might still open on it: later. Everything else that is told is
      // final: there was no grant.
      if (refusal.passes || refusal.ofDevice || refusal.code === "grant_not_over") return false;
    }
    lost.remove(event);
    return true;
  }

  return {
    pass: (...asked) => inTurn(() => pass(...asked)),
    settle: () => (settling ||= settle().finally(() => (settling = null))),
    /** The device is this gate's no longer. */
    forget: lost.clear,
  };
}

/** Events of a gate whose answers never came; they outlive the page. */
function lostEvents(gateId) {
  const name = `limen-kiosk-lost-${gateId}`;
  const all = () => JSON.parse(localStorage.getItem(name) || "[]");
  const keep = (events) => localStorage.setItem(name, JSON.stringify(events.slice(-LOST_MAX)));
  return {
    all,
    add: (event) => keep([...all(), { event, at: new Date().toISOString() }]),
    remove: (event) => keep(all().filter((other) => other.event !== event)),
    clear: () => localStorage.removeItem(name),
  };
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
