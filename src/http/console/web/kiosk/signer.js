// What a gate signs with its credential, as docs/DEVICES.md has it.

import { headerText } from "/assets/parts/api.js";

const SCHEME = "Limen-HMAC-SHA256";
const SECRET_BYTES = 32;
const NONCE_BYTES = 18;
const HMAC = { name: "HMAC", hash: "SHA-256" };
const text = new TextEncoder();

/** The key that a secret is (32 bytes in base64url): it signs, and nobody can read it out again. Throws in words. */
export async function importSecret(secret) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(secret.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch {
    throw new Error("The secret is not written in base64url.");
  }
  if (bytes.length !== SECRET_BYTES) throw new Error(`The secret must be ${SECRET_BYTES} bytes, which are 43 characters; this is ${bytes.length}.`);
  return crypto.subtle.importKey("raw", bytes, HMAC, false, ["sign"]);
}

/** A text that nobody guesses: a nonce, or part of a name. */
export const randomText = (bytes = NONCE_BYTES) => base64url(crypto.getRandomValues(new Uint8Array(bytes)));

/**
 * The headers of a signed request. `request`: `{method, path, contentType, body, event, capturedAt, badge}`, the body
 * as bytes; `timestamp` in microseconds since 1970, more than in any request before.
 */
export async function sign({ keyId, key }, request, timestamp, nonce = randomText()) {
  const { method, path, contentType, body, event, capturedAt = "", badge = "" } = request;
  const sha256 = hex(await crypto.subtle.digest("SHA-256", body));
  const lines = ["limen.request.1", method, path, contentType, sha256, timestamp, nonce, event, capturedAt, badge];
  const signature = base64url(new Uint8Array(await crypto.subtle.sign(HMAC.name, key, text.encode(lines.join("\n")))));
  const headers = {
    authorization: `${SCHEME} key=${keyId},timestamp=${timestamp},nonce=${nonce},signature=${signature}`,
    "content-type": contentType,
    "x-content-sha256": sha256,
    "x-event-id": event,
  };
  if (capturedAt) headers["x-captured-at"] = capturedAt;
  if (badge) headers["x-badge-id"] = headerText(badge);
  return headers;
}

/** Timestamps that only rise, also where the clock is set back by a moment or two requests meet in one. */
export function risingTimestamps(now = () => Date.now()) {
  let last = 0;
  return () => (last = Math.max(last + 1, now() * 1000));
}

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
