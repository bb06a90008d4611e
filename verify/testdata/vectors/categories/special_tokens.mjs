// Providers that sign with JSON Web Tokens or detached JSON Web Signatures.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { compactVerify, importJWK, jwtVerify } from "jose";
import { decodeWebhook as kindeDecodes } from "@kinde/webhooks";
import { WebhookReceiver } from "livekit-server-sdk";
import { Receiver } from "@upstash/qstash";
import { ecKey, otherKey, rsaKey } from "../keys.mjs";
import { NOW, base, bodyFields, hmac, json, lib, refuseUnless } from "../lib.mjs";
import { publicOf, rotated, taken } from "./special.mjs";

globalThis.crypto ??= crypto.webcrypto; // jose wants it; Node 18 has it elsewhere
const require = createRequire(import.meta.url);
const messagebird = require("messagebird/lib/webhook-signature-jwt");
const reference = require("messagebird/lib/testdata/webhook-signature-jwt-reference.json");

// The libraries ask for the time by new Date(), the vectors set it by Date.now.
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) { args.length ? super(...args) : super(Date.now()); }
};

const b64 = (data) => Buffer.from(data).toString("base64url");
const sha256 = (data, encoding) => crypto.createHash("sha256").update(data).digest(encoding);
const jwkOf = (key, more) => ({ ...crypto.createPublicKey(key).export({ format: "jwk" }), ...more });

// token makes a compact JWT. With node:crypto, so that it needs nobody's opinion of the claims.
function token(alg, key, claims, header = {}) {
  const content = `${b64(JSON.stringify({ alg, typ: "JWT", ...header }))}.${b64(JSON.stringify(claims))}`;
  const bits = alg.slice(2);
  const signature = alg.startsWith("HS") ? crypto.createHmac(`sha${bits}`, key).update(content).digest()
    : crypto.sign(`sha${bits}`, Buffer.from(content), { key, dsaEncoding: "ieee-p1363" });
  return `${content}.${b64(signature)}`;
}
// detached makes a detached JWS of a body.
function detached(alg, key, header, body) {
  const content = b64(JSON.stringify({ alg, ...header }));
  return `${content}..${b64(crypto.sign(`sha${alg.slice(2)}`, Buffer.from(`${content}.${b64(body)}`), key))}`;
}
const otherBody = (hook) => ({ body: Buffer.concat([Buffer.from("x"), hook.body]), url: hook.url + "0" });
const otherURL = (hook) => ({ url: hook.url + "0", body: hook.body });
const encoder = (text) => new TextEncoder().encode(text);

export const accepts = {
  "livekit": async (hook) => { await new WebhookReceiver("APIkey", hook.secret).receive(hook.body.toString(), hook.headers.authorization); },
  "upstash-qstash": async (hook) => {
    await new Receiver({ currentSigningKey: hook.secret, nextSigningKey: hook.secret }).verify({ signature: hook.headers["upstash-signature"], body: hook.body.toString(), url: hook.url });
  },
  "messagebird-jwt": async (hook) => {
    await messagebird.verify(hook.url, hook.body, hook.headers["messagebird-signature-jwt"], crypto.createSecretKey(Buffer.from(hook.secret)));
  },
};
export const trials = {
  "livekit": { sign: "a secret of LiveKit's, long enough", settings: { api_key: ["APIkey"] }, bodies: ["JSON"] },
  "upstash-qstash": { sign: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r" }, "messagebird-jwt": { sign: "36efdd1aace2e26cd490f0d951138253" },
};

async function makeLiveKit() {
  const secret = "thiskeyistotallyunsafe-but-long-enough", key = "APIkey";
  const make = (name, body, identity) => taken(accepts.livekit, { name, source: "node:crypto, accepted by " + lib("livekit-server-sdk", "WebhookReceiver.receive"), ...base,
    headers: { "content-type": "application/webhook+json", authorization: token("HS256", secret, { exp: NOW + 300, iss: key, nbf: NOW, sha256: sha256(body, "base64") }) },
    ...bodyFields(body), secrets: [secret], settings: { api_key: [key] }, ...identity }, otherBody);
  return { evidence: "sdk", vectors: rotated([
    await make("room started", '{"event":"room_started","room":{"sid":"RM_hycBMAjmt6Ub","name":"Demo Room","emptyTimeout":300,"creationTime":"1692627281"},"id":"EV_eugWmGhovZmm","createdAt":"1692985556"}',
      { event_id: "EV_eugWmGhovZmm", event_type: "room_started" }),
    await make("unicode", '{"event":"participant_joined","id":"EV_2","participant":{"name":"größe 🎉"}}', { event_id: "EV_2", event_type: "participant_joined" }),
    await make("minimal", "{}", {}),
  ]) };
}

async function makeQStash() {
  const secret = "sig_4Wp8qg9hRmy2kGwBKnQbN3DvYzJx";
  const make = (name, body, more = {}) => {
    const url = more.url ?? base.url;
    const { pad = true, ...rest } = more;
    const hash = sha256(body, "base64").replaceAll("+", "-").replaceAll("/", "_");
    return taken(accepts["upstash-qstash"], { name, source: "node:crypto, accepted by " + lib("@upstash/qstash", "Receiver.verify"), ...base, url,
      headers: { ...json, "upstash-message-id": "msg_26hZCxZCuWyyTWPmSVBrNB882ANh", "upstash-signature": token("HS256", secret, { iss: "Upstash", sub: url, exp: NOW + 300, nbf: NOW, iat: NOW, jti: "jwt_67kxXD6UBAk7DqU6hzuHMDdXFXfP", body: pad ? hash : hash.replaceAll("=", "") }) },
      ...bodyFields(body), secrets: [secret], event_id: "msg_26hZCxZCuWyyTWPmSVBrNB882ANh", ...rest }, otherBody);
  };
  return { evidence: "sdk", vectors: rotated([
    await make("JSON", '{"hello":"world"}'), await make("unicode, query", "größe 🎉", { url: base.url + "?a=1&b=%20" }),
    await make("empty body", ""), await make("digest without padding", "x", { pad: false }),
  ]) };
}

async function makeMessagebird() {
  const secret = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb";
  const make = (name, body, more = {}) => {
    const { alg = "HS256", ...rest } = more, url = more.url ?? base.url;
    return taken(accepts["messagebird-jwt"], { name, source: "node:crypto, accepted by " + lib("messagebird", "lib/webhook-signature-jwt verify"), ...base, url,
      headers: { ...json, "messagebird-signature-jwt": token(alg, secret, { iss: "MessageBird", nbf: NOW, exp: NOW + 60, jti: "59a244dc-e9ad-4e23-9778-371faa238f72", url_hash: sha256(url, "hex"),
        ...(body && { payload_hash: sha256(body, "hex") }) }) },
      ...bodyFields(body), secrets: [secret], ...rest }, otherBody);
  };
  const published = reference.filter((x) => x.valid && ["POST", "GET"].includes(x.method)).map((x) => ({ name: "published: " + x.name, source: lib("messagebird", "lib/testdata"),
    ...(x.method !== "POST" && { method: x.method }), url: x.url, now: Math.floor(RealDate.parse(x.timestamp) / 1000), headers: { "messagebird-signature-jwt": x.token },
    ...bodyFields(x.payload ?? ""), secrets: [x.secret] }));
  return { evidence: "sdk", vectors: rotated([
    await make("JSON", '{"message":{"id":"1","status":"delivered"}}'), await make("unicode", "größe 🎉", { url: base.url + "?b=2&a=%20" }),
    await make("empty body", "", { method: "GET" }), await make("HS384", "x", { alg: "HS384" }), await make("HS512", "x", { alg: "HS512" }), ...published,
  ]) };
}

const joseAccepts = (alg, key, options, header, check) => async (hook) => {
  const { payload } = await jwtVerify(header(hook), key, { algorithms: [alg], ...options });
  check(payload, hook);
};

async function makeNetlify() {
  const secret = "netlify secret";
  const valid = joseAccepts("HS256", encoder(secret), { issuer: "netlify" }, (hook) => hook.headers["x-webhook-signature"],
    (claims, hook) => refuseUnless(claims.sha256 === sha256(hook.body, "hex"), "sha256"));
  const make = (name, body, event) => taken(valid, { name, source: "node:crypto, from the words of Deploy notifications (Netlify), accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, "x-netlify-event": event, "x-webhook-signature": token("HS256", secret, { iss: "netlify", sha256: sha256(body, "hex") }) },
    ...bodyFields(body), secrets: [secret], event_type: event, sign: true }, otherBody);
  const vectors = [
    await make("deploy succeeded", '{"id":"5ebc34bf4fea0b01f02efa3a","site_id":"fa4dd95a-994e-4f89-8a7a-2d9e9fc36a32","state":"ready","name":"www-jvt-me","branch":"master"}', "deploy_created"),
    await make("unicode", '{"id":"1","title":"größe 🎉"}', "deploy_building"), await make("minimal", "{}", "deploy_failed"),
  ];
  return { evidence: "hand", vectors: rotated(vectors) };
}

async function makeMonday() {
  const secret = "monday signing secret";
  const claims = { accountId: 1825529, userId: 4012689, aud: base.url, exp: NOW + 300, shortLivedToken: "t", iat: NOW };
  const valid = joseAccepts("HS256", encoder(secret), {}, (hook) => hook.headers.authorization, (payload, hook) => refuseUnless(payload.aud === hook.url, "aud"));
  const make = (name, body, identity, more = claims) => ({ name, source: "node:crypto, from the words of Authorization header (monday.com), accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, authorization: token("HS256", secret, more) }, ...bodyFields(body), secrets: [secret], body_unsigned: true, ...identity });
  const event = '{"event":{"userId":9603417,"originalTriggerUuid":null,"boardId":1771812698,"pulseId":1772099344,"type":"create_pulse","triggerUuid":"b5ed2e17c530f43668de130142445cba"}}';
  const { aud, ...rest } = claims;
  return { evidence: "hand", vectors: rotated([
    await taken(valid, make("item created", event, { event_id: "b5ed2e17c530f43668de130142445cba", event_type: "create_pulse" }), otherURL),
    await taken(valid, make("unicode", '{"event":{"type":"x","pulseName":"größe 🎉"}}', { event_type: "x" }), otherURL),
    { ...make("without aud", `{"type":"install"}`, { event_type: "install" }, rest), url_unsigned: true },
  ]) };
}

async function makeVonage() {
  const secret = "6cwRbtZQoZ2M8D3UGJ1TJ5tSJ9Bu7Jt1ohM0vHZ3rmGCd3S4cb";
  const valid = joseAccepts("HS256", encoder(secret), {}, (hook) => hook.headers.authorization.slice(7),
    (claims, hook) => refuseUnless(hook.body.length === 0 ? hook.url === base.url : claims.payload_hash === sha256(hook.body, "hex"), "payload_hash"));
  const make = (name, body, more = {}) => taken(valid, { name, source: "node:crypto, from the words of Signed webhooks (Vonage), accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, authorization: "Bearer " + token("HS256", secret, { iat: NOW, jti: "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", iss: "Vonage", ...(body && { payload_hash: sha256(body, "hex") }), api_key: "a1b2c3d", application_id: "aaaaaaaa-bbbb-cccc-dddd-0123456789ab" }) },
    ...bodyFields(body), secrets: [secret], ...more }, otherBody);
  return { evidence: "hand", vectors: rotated([
    await make("call status", '{"from":"442079460000","to":"447700900000","uuid":"aaaaaaaa-bbbb-cccc-dddd-0123456789ab","status":"started","direction":"outbound"}', { event_type: "started" }),
    await make("unicode", '{"text":"größe 🎉","message_type":"text"}', { event_type: "text" }), await make("GET", "", { method: "GET" }),
  ]) };
}

async function makeGong() {
  const valid = joseAccepts("RS256", crypto.createPublicKey(rsaKey), {}, (hook) => hook.headers.authorization.replace(/^Bearer /, ""),
    (claims, hook) => refuseUnless(claims.webhook_url === hook.url && claims.body_sha256 === sha256(hook.body, "hex"), "claims"));
  const make = (name, body, more = {}, key = rsaKey, prefix = "") => ({ name, source: "node:crypto, from the words of Prepare your receiving application (Gong), accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, authorization: prefix + token("RS256", key, { webhook_url: base.url, body_sha256: sha256(body, "hex"), exp: NOW + 60 }) },
    ...bodyFields(body), public_keys: [publicOf(rsaKey)], ...more });
  const call = '{"callData":{"metaData":{"id":"7782342274025937895","title":"größe 🎉"}}}';
  return { evidence: "hand", vectors: [
    await taken(valid, make("call", call), otherBody), await taken(valid, make("with the scheme's name", call, {}, rsaKey, "Bearer "), otherBody), await taken(valid, make("minimal", "{}"), otherBody),
    { ...make("second public key of two, bare", call, { secret_index: 1 }, otherKey), public_keys: [publicOf(rsaKey), publicOf(otherKey).split("\n").slice(1, -2).join("")] },
  ] };
}

function makeDialpad() {
  const secret = "dialpad secret";
  const make = (name, claims) => ({ name, source: "node:crypto, from the words of Event Subscriptions (Dialpad)", ...base, headers: {}, body: token("HS256", secret, claims), secrets: [secret] });
  return { evidence: "hand", vectors: rotated([
    make("call", { call_id: 4521558128238592, state: "hangup", direction: "inbound", date_ended: 1767323045000, event_timestamp: 1767323045000 }), make("unicode", { text: "größe 🎉" }),
    make("large", { text: "x".repeat(12_000) }),
  ]) };
}

async function makePubSub() {
  const url = "https://www.googleapis.com/oauth2/v3/certs", kid = "7d680d8c70d44e947133cbd499ebc1a61c3d5abc";
  const audience = "https://example.com", account = "push@project.iam.gserviceaccount.com";
  const claims = { aud: audience, azp: "113774264463038321964", email: account, sub: "113774264463038321964", email_verified: true, exp: NOW + 3600, iat: NOW - 60, iss: "https://accounts.google.com" };
  const valid = joseAccepts("RS256", crypto.createPublicKey(rsaKey), { issuer: "https://accounts.google.com", audience }, (hook) => hook.headers.authorization.slice(7),
    (payload, hook) => refuseUnless(payload.email === account && !hook.url.endsWith("0"), "email"));
  const fetched = { [url]: JSON.stringify({ keys: [jwkOf(otherKey, { kid: "other", use: "sig", alg: "RS256" }), jwkOf(rsaKey, { kid, use: "sig", alg: "RS256" })] }) };
  const make = (name, body, identity, more = {}) => ({ name, source: "node:crypto, from the words of Authentication for push subscriptions, accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, authorization: "Bearer " + token("RS256", rsaKey, claims, { kid }) }, ...bodyFields(body), body_unsigned: true, fetched,
    settings: { audience: ["https://hooks.example.com/other", audience], service_account: [account] }, ...identity, ...more });
  const push = '{"message":{"attributes":{"key":"value"},"data":"SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==","messageId":"2070443601311540","publishTime":"2021-02-26T19:13:55.749Z"},"subscription":"projects/myproject/subscriptions/mysubscription"}';
  return { evidence: "hand", vectors: [
    await taken(valid, make("push", push, { event_id: "2070443601311540" }), otherURL),
    await taken(valid, make("unicode", '{"message":{"messageId":"2","attributes":{"x":"größe 🎉"}}}', { event_id: "2" }), otherURL),
    await taken(valid, make("with the key at hand", "{}", {}, { fetched: undefined, public_keys: [publicOf(otherKey), publicOf(rsaKey)], secret_index: 1 }), otherURL),
    { ...make("the other issuer", "{}", {}), headers: { ...json, authorization: "bearer " + token("RS256", rsaKey, { ...claims, iss: "accounts.google.com" }, { kid }) } },
  ] };
}

async function makePlaid() {
  const kid = "bfbd5111-8e33-4643-8ced-b2e642a72f3c", url = "https://production.plaid.com/webhook_verification_key/get";
  const jwk = jwkOf(ecKey, { alg: "ES256", kid, use: "sig", created_at: 1560466143, expired_at: null });
  const valid = joseAccepts("ES256", crypto.createPublicKey(ecKey), { maxTokenAge: "5 min" }, (hook) => hook.headers["plaid-verification"],
    (claims, hook) => refuseUnless(claims.request_body_sha256 === sha256(hook.body, "hex"), "request_body_sha256"));
  const make = (name, body, identity, more = {}) => taken(valid, { name, source: "node:crypto, from the words of Verify webhooks (Plaid), accepted by " + lib("jose", "jwtVerify"), ...base,
    headers: { ...json, "plaid-verification": token("ES256", ecKey, { iat: NOW, request_body_sha256: sha256(body, "hex") }, { kid }) }, ...bodyFields(body), ...identity,
    settings: { client_id: ["client"], client_secret: ["secret"] }, fetched: { [url]: JSON.stringify({ key: jwk, request_id: "r" }) }, ...more }, otherBody);
  return { evidence: "hand", vectors: [
    await make("transactions", '{\n  "webhook_type": "TRANSACTIONS",\n  "webhook_code": "DEFAULT_UPDATE",\n  "item_id": "wz666MBjYWTp2PDzzggYhM6oWWmBb",\n  "new_transactions": 19\n}', { event_type: "DEFAULT_UPDATE" }),
    await make("unicode", '{"webhook_code":"größe 🎉"}', { event_type: "größe 🎉" }), await make("minimal", "{}", {}),
    await make("with the key at hand", "{}", {}, { settings: undefined, fetched: undefined, public_keys: [JSON.stringify(jwk)] }),
  ] };
}

async function makeFireblocks() {
  const url = "https://keys.fireblocks.io/.well-known/jwks.json", kid = "k1", workspace = "9ee73ea2-9c2d-4b3c-a8e4-9b1b2a8e0c11";
  const valid = async (hook) => {
    const [header, , signature] = hook.headers["fireblocks-webhook-signature"].split(".");
    await compactVerify(`${header}.${b64(hook.body)}.${signature}`, await importJWK(jwkOf(rsaKey), "RS512"), { algorithms: ["RS512"] });
  };
  const make = (name, fields, more = {}) => {
    const body = JSON.stringify({ id: "5af2d7b3-7d4a-4d3e-9a9b-1", workspaceId: workspace, eventType: "transaction.created", createdAt: 1767323045000, ...fields });
    return taken(valid, { name, source: "node:crypto, from the words of Validating webhooks (Fireblocks), accepted by " + lib("jose", "compactVerify"), ...base,
      headers: { ...json, "fireblocks-webhook-signature": detached("RS512", rsaKey, { kid }, body) }, ...bodyFields(body), event_id: "5af2d7b3-7d4a-4d3e-9a9b-1", event_type: "transaction.created",
      settings: { workspace_id: [workspace] }, fetched: { [url]: JSON.stringify({ keys: [jwkOf(rsaKey, { kid, alg: "RS512", use: "sig" })] }) }, ...more }, otherBody);
  };
  return { evidence: "hand", vectors: [
    await make("transaction created", { data: { id: "1", status: "SUBMITTED" } }), await make("unicode", { data: { note: "größe 🎉" } }),
    await make("any workspace", { workspaceId: "another" }, { settings: { environment: ["us"] } }),
    await make("with the key at hand", {}, { fetched: undefined, public_keys: [publicOf(rsaKey)] }),
  ] };
}

async function makeFusionAuth() {
  const secret = "a secret of the Key Master", kid = "EQnJRW7Nq0PEKk2ysbN6aMRVw90";
  const make = (name, body, identity, { alg = "HS256", key = secret, keys = { secrets: [secret] } } = {}) => {
    const valid = joseAccepts(alg, alg === "RS256" ? crypto.createPublicKey(key) : encoder(key), {}, (hook) => hook.headers["x-fusionauth-signature-jwt"],
      (claims, hook) => refuseUnless(claims.request_body_sha256 === sha256(hook.body, "base64"), "request_body_sha256"));
    return taken(valid, { name, source: "node:crypto, from the words of Signing webhooks (FusionAuth), accepted by " + lib("jose", "jwtVerify"), ...base,
      headers: { ...json, "x-fusionauth-signature-jwt": token(alg, key, { request_body_sha256: sha256(body, "base64") }, { kid }) }, ...bodyFields(body), ...keys, ...identity }, otherBody);
  };
  const created = '{"event":{"createInstant":1505762615056,"id":"e502168a-b469-45d9-a079-fd45f83e0406","type":"user.create","user":{"username":"größe 🎉"}}}';
  const identity = { event_id: "e502168a-b469-45d9-a079-fd45f83e0406", event_type: "user.create" };
  return { evidence: "hand", vectors: rotated([
    await make("user created", created, identity), await make("minimal", "{}", {}), await make("HS384", created, identity, { alg: "HS384" }), await make("HS512", created, identity, { alg: "HS512" }),
    await make("RS256", created, identity, { alg: "RS256", key: rsaKey, keys: { public_keys: [publicOf(otherKey), publicOf(rsaKey)], secret_index: 1 } }),
  ]) };
}

async function makeKinde() {
  const domain = "example.kinde.com", kid = "cc:1a", url = `https://${domain}/.well-known/jwks.json`;
  const set = JSON.stringify({ keys: [jwkOf(rsaKey, { kid, use: "sig", alg: "RS256" })] });
  const valid = async (hook) => {
    const before = globalThis.fetch;
    globalThis.fetch = async () => new Response(set, { status: 200, headers: json });
    try { refuseUnless(await kindeDecodes(hook.body.toString(), `https://${domain}`), "decodeWebhook returned null"); } finally { globalThis.fetch = before; }
  };
  const make = (name, claims, more = {}) => taken(valid, { name, source: "node:crypto, accepted by " + lib("@kinde/webhooks", "decodeWebhook"), ...base, headers: { "content-type": "application/jwt" },
    body: token("RS256", rsaKey, claims, { kid }), settings: { domain: [domain] }, fetched: { [url]: set }, event_type: claims.type, ...more }, (hook) => ({ body: Buffer.concat([hook.body, Buffer.from("A")]) }));
  return { evidence: "sdk", vectors: [
    await make("user created", { data: { user: { email: "a@example.com", id: "kp_1" } }, event_id: "event_0192", event_timestamp: "2026-01-02T03:04:05+00:00", source: "admin", timestamp: "2026-01-02T03:04:05+00:00", type: "user.created" }),
    await make("unicode", { event_id: "event_ü", type: "x", data: "größe 🎉" }), await make("minimal", { event_id: "e" }),
    await make("with the key at hand", { event_id: "event_2", type: "x" }, { fetched: undefined, public_keys: [publicOf(rsaKey)] }),
  ] };
}

export async function make() {
  return {
    "livekit": await makeLiveKit(), "upstash-qstash": await makeQStash(), "messagebird-jwt": await makeMessagebird(), "netlify": await makeNetlify(),
    "monday": await makeMonday(), "vonage": await makeVonage(), "gong": await makeGong(), "dialpad": makeDialpad(),
    "google-pubsub": await makePubSub(), "plaid": await makePlaid(), "fireblocks-v2": await makeFireblocks(),
    "fusionauth": await makeFusionAuth(), "kinde": await makeKinde(),
  };
}
