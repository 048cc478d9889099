// The gate's credential, kept on this device: its key signs, and no script can read it out again.

import { importSecret } from "/assets/kiosk/signer.js";

const DATABASE = "limen-kiosk";
const STORE = "pairing";
/** A device is one gate's. */
const ONLY = "gate";
/** Where the console leaves a credential that it has just made, in this tab alone. */
const HANDED_OVER = "limen-kiosk";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The gate that this device is: `{gateId, keyId, name, key}`, or null. */
export const paired = () => inStore("readonly", (store) => store.get(ONLY)).then((found) => found ?? null);

/** Makes this device a gate's, by a credential as the API shows it: `{gate_id, key_id, secret, name?}`. */
export async function pair({ gate_id: gateId, key_id: keyId, secret, name }) {
  for (const [id, what] of [[gateId, "gate_id"], [keyId, "key_id"]]) {
    if (!UUID.test(id || "")) throw new Error(`${what} must be an id such as 0198c0de-0000-7000-8000-000000000001.`);
  }
  if (!secret) throw new Error("The secret is missing.");
  const pairing = { gateId, keyId, name: name || "This gate", key: await importSecret(secret) };
  await inStore("readwrite", (store) => store.put(pairing, ONLY));
  return pairing;
}

/** Forgets the gate, and the key with it. */
export const unpair = () => inStore("readwrite", (store) => store.delete(ONLY));

/** A credential that the console handed over, once: nobody finds it here a second time. */
export function handedOver() {
  const text = sessionStorage.getItem(HANDED_OVER);
  sessionStorage.removeItem(HANDED_OVER);
  return text ? parseCredential(text) : null;
}

/** A credential out of a text: JSON as the API and `limen gate add --json` give it, or lines of a name and a value. */
export function parseCredential(text) {
  try {
    const { gate_id, key_id, secret, name } = JSON.parse(text);
    return { gate_id, key_id, secret, name };
  } catch {
    const value = (name) => text.match(new RegExp(`${name}["']?\\s*[:= ]\\s*["']?([A-Za-z0-9_-]+)`))?.[1];
    return { gate_id: value("gate_id"), key_id: value("key_id"), secret: value("secret") };
  }
}

async function inStore(mode, action) {
  const database = await answered(Object.assign(indexedDB.open(DATABASE, 1), {
    onupgradeneeded: ({ target }) => target.result.createObjectStore(STORE),
  }));
  try {
    const transaction = database.transaction(STORE, mode);
    const written = new Promise((resolve, reject) => Object.assign(transaction, { oncomplete: resolve, onerror: () => reject(transaction.error), onabort: () => reject(transaction.error) }));
    const result = await answered(action(transaction.objectStore(STORE)));
    await written;
    return result;
  } finally {
    database.close();
  }
}

const answered = (request) =>
  new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }));
