// What the kiosk signs and shows, without a browser: `node --import ./tests/console/assets.mjs --test tests/console/kiosk.test.mjs`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { formOf } from "/assets/kiosk/form.js";
import { SHOWN, screenOf } from "/assets/kiosk/reasons.js";
import { importSecret, risingTimestamps, sign } from "/assets/kiosk/signer.js";
import { parseCredential } from "/assets/kiosk/vault.js";

const docs = (name) => readFile(new URL(`../../docs/${name}`, import.meta.url), "utf8");

test("the kiosk signs as docs/DEVICES.md has it", async () => {
  const text = await docs("DEVICES.md");
  const secret = text.match(/With the secret `(.+?)`/)[1];
  const [head] = text.match(/POST \/v1\/gates\/\S+ HTTP[\s\S]*?```/);
  const header = (name) => head.match(new RegExp(`^${name}: (.*)$`, "m"))[1];
  const [, path] = head.match(/^POST (\S+) /);
  const [, keyId, timestamp, nonce] = header("authorization").match(/key=(.+?),timestamp=(.+?),nonce=(.+?),/);

  const request = { method: "POST", path, contentType: "image/jpeg", body: new TextEncoder().encode("frame"), event: "event-1", capturedAt: "2027-01-15T08:00:00.000Z" };
  const headers = await sign({ keyId, key: await importSecret(secret) }, request, Number(timestamp), nonce);

  for (const name of ["authorization", "content-type", "x-content-sha256", "x-event-id", "x-captured-at"]) {
    assert.equal(headers[name], header(name), name);
  }
  assert.equal(headers["x-badge-id"], undefined);
});

test("the key of a secret cannot be read out again", async () => {
  const key = await importSecret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
  assert.equal(key.extractable, false);
  await assert.rejects(crypto.subtle.exportKey("raw", key));
});

test("a secret of another length, or that is no base64url, is refused in words", async () => {
  await assert.rejects(importSecret("AAEC"), /43 characters; this is 3/);
  await assert.rejects(importSecret("?"), /base64url/);
});

test("a badge goes into its header as UTF-8", async () => {
  const key = await importSecret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
  const request = { method: "POST", path: "/", contentType: "image/jpeg", body: new Uint8Array(), event: "e", badge: "Ä7" };
  const headers = await sign({ keyId: "k", key }, request, 1);
  assert.equal(headers["x-badge-id"], "\u00c3\u00847");
});

test("timestamps rise where the clock does not", () => {
  const times = [5, 5, 3, 9];
  const next = risingTimestamps(() => times.shift());
  assert.deepEqual([next(), next(), next(), next()], [5000, 5001, 5002, 9000]);
});

test("a form has each picture as a part named frame", async () => {
  const picture = (text) => new Blob([text], { type: "image/jpeg" });
  const { contentType, body } = await formOf([picture("one"), picture("two")]);
  const form = await new Response(body, { headers: { "content-type": contentType } }).formData();
  const parts = form.getAll("frame");
  assert.deepEqual(await Promise.all(parts.map((part) => part.text())), ["one", "two"]);
  assert.deepEqual(parts.map(({ type }) => type), ["image/jpeg", "image/jpeg"]);
});

test("every reason of docs/REASONS.md that a gate is told has its words", async () => {
  const rows = [...(await docs("REASONS.md")).matchAll(/^\| (?:grant|retry|deny) \| `(\w+)` \|/gm)].map(([, reason]) => reason);
  // The gate is told what a stranger would be.
  const told = rows.filter((reason) => reason !== "blocked");
  assert.ok(told.length > 20);
  assert.deepEqual(Object.keys(SHOWN).sort(), told.sort());
});

test("only an explicit grant is green", () => {
  assert.equal(screenOf({ decision: "grant", reason: "granted", open_ms: 3000 }).open, true);
  const others = [null, {}, { decision: "grant" }, { decision: "grant", reason: "granted" }, { decision: "deny", reason: "granted", open_ms: 3000 },
    { decision: "grant", reason: "unknown_person", open_ms: 3000 }, { decision: "grant", reason: "new_reason", open_ms: 3000 }, { decision: "retry", reason: "no_face", open_ms: 0 }];
  for (const answer of others) {
    const { open, title, text, openMs } = screenOf(answer);
    assert.deepEqual([open, openMs, title !== "Welcome", text.length > 0], [false, 0, true, true], JSON.stringify(answer));
  }
});

test("a credential is read out of what the console, the API and the command line show", () => {
  const credential = { gate_id: "0198c0de-0000-7000-8000-000000000001", key_id: "0198c0de-0000-7000-8000-0000000000aa", secret: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" };
  const lines = `gate_id ${credential.gate_id}\nkey_id  ${credential.key_id}\nsecret  ${credential.secret}`;
  assert.deepEqual(parseCredential(JSON.stringify({ ...credential, name: "North" })), { ...credential, name: "North" });
  assert.deepEqual(parseCredential(lines), credential);
  assert.equal(parseCredential("hello").secret, undefined);
});
