// Vectors of the usual kind: one way of signing, and bodies that differ.
import crypto from "node:crypto";
import { base, binary, bodyFields, checked, hmac, json } from "./lib.mjs";

// words tells what vouches for vectors that are made by hand.
export const words = (page) => `node:crypto, from the words of ${page}`;

const asText = (body) => typeof body === "string" ? body : JSON.stringify(body);
const withText = (body) => Array.isArray(body) ? [...body, { text: unicode }] : { ...body, text: unicode };
const unicode = "ü 日本語 \u2028 🎉 \\u00e9 </b>";

// series makes the vectors of one provider.
//   provider   its id
//   source     what vouches for the signatures
//   secret     the secret, as the operator configures it; other is a second one
//   sign       (body as Buffer, secret) => the headers that carry the signature
//   body       a webhook as documented: an object, a list, or text
//   identity   its { event_id, event_type }
//   bare       what is left of identity when the body is only "{}" (default: nothing)
//   headers    what comes with every webhook, besides the signature
//   accepts    the provider's library, if it can verify (see sdks.mjs)
//   text       true if the library takes the body as text only: then no body is binary
//   whole      true if only bodies that are like the one documented can be signed
//   fields     further fields of every vector, such as url or body_unsigned
//   more       further vectors: name => { body, secret, secrets, … }, which go before the above
export async function series(options) {
  const { provider, source, secret, other, sign, body, identity = {}, bare = {}, headers = json, accepts, text, whole, fields = {}, more = {} } = options;
  const plans = {
    "as documented": { body: asText(body), ...identity },
    ...typeof body !== "string" && { "unicode": { body: asText(withText(body)), ...identity } },
    ...!whole && { "empty object": { body: "{}", ...bare } },
    ...!text && !whole && { "not UTF-8": { body: binary, ...bare, sealed: true } },
    "second secret of two": { body: asText(body), ...identity, secrets: [secret, other], secret_index: 1, sign: false },
    ...more,
  };
  const vectors = [];
  for (const [name, plan] of Object.entries(plans)) {
    const { body, sealed, headers: own = {}, ...rest } = plan;
    const secrets = rest.secrets ?? [secret];
    const signer = secrets[rest.secret_index ?? 0];
    const vector = { name, source, ...base, headers: { ...headers, ...sign(Buffer.from(body), signer, rest.now ?? base.now), ...own }, ...bodyFields(body), sign: true, ...fields, ...rest, secrets };
    vectors.push(accepts && !sealed ? await checked(provider, accepts, vector, signer) : vector);
  }
  return vectors;
}

// bodyHMAC signs the raw body, and nothing else, into one header.
export const bodyHMAC = (header, hash, encoding, prefix = "") =>
  (body, key) => ({ [header]: prefix + hmac(hash, key, body, encoding) });

// joined signs Buffers and texts one after the other.
export const joined = (hash, key, parts, encoding) => hmac(hash, key, Buffer.concat(parts.map((p) => Buffer.from(p))), encoding);

// token sends the secret itself.
export const token = (header, prefix = "") => (body, key) => ({ [header]: prefix + key });

// hashed is for plain hashes: parts is (body, secret, now) => what is hashed, in order.
export const hashed = (header, hash, parts) => (body, key, now) => {
  const all = parts(body, key, now).map((p) => Buffer.from(p));
  return { [header]: crypto.createHash(hash).update(Buffer.concat(all)).digest("hex") };
};
