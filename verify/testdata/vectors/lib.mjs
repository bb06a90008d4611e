// What the scripts that make vectors share.
import crypto from "node:crypto";
import fs from "node:fs";

export const NOW = 1767323045; // 2026-01-02T03:04:05Z
export const json = { "content-type": "application/json" };
export const form = { "content-type": "application/x-www-form-urlencoded" };
export const versions = JSON.parse(fs.readFileSync(new URL("package.json", import.meta.url))).dependencies;
export const lib = (name, how) => `${name} ${versions[name]}, ${how}`;

export const flip = (buffer) => {
  const copy = Buffer.from(buffer);
  if (copy.length === 0) return Buffer.from("x");
  copy[copy.length >> 1] ^= 1;
  return copy;
};

// checked returns the vector if the provider's library, a function of the kind
// that sdks.mjs has, accepts it and refuses it when changed.
export async function checked(provider, accepts, vector, signedBy = vector.secrets[vector.secret_index ?? 0]) {
  Date.now = () => vector.now * 1000;
  const headers = Object.fromEntries(Object.entries(vector.headers).map(([k, v]) => [k.toLowerCase(), v]));
  const hook = { url: vector.url, method: vector.method ?? "POST", headers, body: bodyOf(vector), secret: signedBy };
  const name = `${provider}: ${vector.name}`;
  await Promise.resolve().then(() => accepts(hook)).catch((err) => { throw new Error(`${name}: ${err.message}`); });
  const changed = hook.method === "GET" ? { ...hook, url: hook.url + "0" } : { ...hook, body: flip(hook.body) };
  let refused = false;
  try { await accepts(changed); } catch { refused = true; }
  if (!refused) throw new Error(`${name}: accepted although changed`);
  return vector;
}

export const bodyOf = (v) => v.body_base64 !== undefined ? Buffer.from(v.body_base64, "base64") : Buffer.from(v.body ?? "");

// bodyFields puts a body into a vector: as text where that is exact.
export function bodyFields(body) {
  const buffer = Buffer.from(body);
  return Buffer.from(buffer.toString()).equals(buffer)
    ? { body: buffer.toString() } : { body_base64: buffer.toString("base64") };
}

// Bodies that every provider gets; the id and type are where most look.
export const bodies = {
  "small": '{"id":"evt_1","type":"invoice.paid","event_id":"evt_1"}',
  "unicode": '{"id":"evt_ü","type":"straße.gebaut","event_id":"evt_ü","text":"日本語 \u2028 🎉 \\u00e9"}',
  "spaces and line breaks": ' {\r\n  "id" : "evt_3",\t"type":"a.b", "event_id":"evt_3"}\n\n',
  "large number as id": '{"id":12345678901234567890123,"type":"n","event_id":12345678901234567890123}',
  "large": JSON.stringify({ id: "evt_large", type: "large", event_id: "evt_large", data: "x".repeat(20_000) }),
  "escapes in names": '{"i\\u0064":"evt_6","t\\u0079pe":"esc","event_i\\u0064":"evt_6"}',
};
export const ids = { "small": "evt_1", "unicode": "evt_ü", "spaces and line breaks": "evt_3", "large number as id": "12345678901234567890123", "large": "evt_large", "escapes in names": "evt_6" };
export const types = { "small": "invoice.paid", "unicode": "straße.gebaut", "spaces and line breaks": "a.b", "large number as id": "n", "large": "large", "escapes in names": "esc" };
export const binary = Buffer.from([0x00, 0xff, 0xfe, 0x0a, 0x80, 0xc3, 0x28, 0x0d, 0x0a, 0x00]);

export const base = { url: "https://hooks.example.com/in", now: NOW };
export const by = "node:crypto (the library would decode the body as text)";


// hmac is for what a library can only verify, not sign, and for vectors made by hand.
export const hmac = (hash, key, data, encoding) => crypto.createHmac(hash, key).update(data).digest(encoding);

export const refuseUnless = (ok, why) => {
  if (!ok) throw new Error(`refused: ${why}`);
};

// write writes the vectors of one provider. evidence is "sdk", "docs" or "hand".
export function write(provider, evidence, vectors) {
  const file = new URL(`${provider}.json`, import.meta.url);
  fs.writeFileSync(file, JSON.stringify({ provider, evidence, vectors }, null, 1) + "\n");
  console.log(`${provider}: ${vectors.length} vectors (${evidence})`);
}

// categories imports what stands in categories/: a module for each part of the
// table of providers. It exports
//   make      async () => ({ <provider>: { evidence, vectors } })
//   accepts   { <provider>: (hook) => … }, for the libraries that can verify (see sdks.mjs)
//   trials    { <provider>: { sign, check, bodies } } for TestOfficialLibraries, where the usual
//             does not do: the secret and `settings` that our side signs with (default: a whsec_…), the secret that
//             the library checks with (default: the same), and which of the bodies "JSON",
//             "form", "empty" and "large" the library can take (default: all)
export async function categories() {
  const directory = new URL("categories/", import.meta.url);
  const names = fs.readdirSync(directory).filter((name) => name.endsWith(".mjs")).sort();
  return Promise.all(names.map((name) => import(new URL(name, directory))));
}
