// The API, as the cookie of the session lets us use it.

/** What the service refused: an RFC 9457 problem, or that there was no answer. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || "the service did not answer");
    Object.assign(this, { status, code: body.code || "unreachable", issues: body.issues || [], advice: body.advice || [], instance: body.instance });
  }
}

let csrf = null;
let signedOut = () => {};

/** Whom to tell that the session is over. */
export const whenSignedOut = (listener) => (signedOut = listener);

/** What must come along with whatever changes something. */
export const setCsrf = (token) => (csrf = token);

/** How often a question is asked again that the service was too busy for: gates go first. */
const ASKED_AGAIN_MAX = 3;

/** Asks the service. `body`: an object (sent as JSON), a Blob or FormData; returns the JSON of the answer. */
export async function ask(method, path, { body, query, headers = {}, signal, again = ASKED_AGAIN_MAX } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const sent = { ...headers };
  if (method !== "GET" && csrf) sent["x-csrf-token"] = csrf;
  let payload = body;
  if (body instanceof Blob) sent["content-type"] ||= body.type;
  else if (body !== undefined && !(body instanceof FormData)) {
    sent["content-type"] = "application/json";
    payload = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, { method, body: payload, headers: sent, signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "the service cannot be reached" });
  }
  const text = await response.text();
  let json = null;
  try {
    json = text ? JSON.parse(text) : null;
  } catch {
    json = { detail: text.slice(0, 200) };
  }
  if (response.ok) return json;
  const problem = new Problem(response.status, json || {});
  // Nothing was done: what only reads may be asked again.
  if (method === "GET" && problem.code === "overloaded" && again > 0) {
    const seconds = Number(response.headers.get("retry-after")) || 1;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * (0.5 + Math.random())));
    return ask(method, path, { query, headers, signal, again: again - 1 });
  }
  if (problem.status === 401 && path !== "/v1/session") signedOut(problem);
  throw problem;
}

export const get = (path, query, signal) => ask("GET", path, { query, signal });
export const post = (path, body, more) => ask("POST", path, { body, ...more });
export const patch = (path, body) => ask("PATCH", path, { body });
export const put = (path, body) => ask("PUT", path, { body });
export const remove = (path) => ask("DELETE", path);

/** Every row of a list that is short by nature (gates, groups), at most `most`. */
export async function all(path, query = {}, most = 2000) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, limit: 100, cursor });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

/** Asks whether the session goes on, where something else ended that does not say why. */
export async function checkSession() {
  const found = await session().catch(() => true);
  if (!found) signedOut(new Problem(401, { detail: "the session is over; sign in again" }));
}

/** The session, or null where nobody is signed in. */
export async function session() {
  try {
    return await get("/v1/session");
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

/** A text whose UTF-8 goes into a header: fetch takes a character for each byte. */
export const headerText = (text) => String.fromCharCode(...new TextEncoder().encode(text));
