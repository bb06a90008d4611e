// Providers whose schemes are special: signatures of each item in the body, contents by rules
// of their own. Those whose keys are fetched are in special_fetched.mjs, tokens in special_tokens.mjs.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import adyen from "@adyen/api-library";
import { signRequest, verifyRequest } from "@contentful/node-apps-toolkit";
import { Signature as hubspot } from "@hubspot/api-client";
import { generateAuthorizationHeader, validateAuthenticationHeader } from "@sinch/sdk-client";
import braintree from "braintree";
import { WebhookSignatureValidator } from "mercadopago";
import plivo from "plivo";
import { otherKey, rsaKey } from "../keys.mjs";
import { NOW, base, bodyFields, bodyOf, form, hmac, json, lib, refuseUnless } from "../lib.mjs";

const require = createRequire(import.meta.url);
const messagebird = require("messagebird/lib/signature");

export const publicOf = (key) => crypto.createPublicKey(key).export({ format: "pem", type: "spki" });
export const rsa = (hash, content, key = rsaKey) => crypto.sign(hash, Buffer.from(content), key).toString("base64");
export const encode = (fields) => new URLSearchParams(Object.entries(fields).flatMap(([k, v]) => [v].flat().map((x) => [k, x]))).toString();
const formFields = (hook) => {
  const fields = {};
  for (const [name, value] of new URLSearchParams(hook.body.toString())) fields[name] = name in fields ? [fields[name], value].flat() : value;
  return fields;
};

// taken returns the vector if the library takes it, and refuses what `change` makes of it.
export async function taken(accepts, vector, change) {
  Date.now = () => vector.now * 1000;
  const headers = Object.fromEntries(Object.entries(vector.headers).map(([k, v]) => [k.toLowerCase(), v]));
  const secret = (vector.secrets ?? vector.public_keys)?.[vector.secret_index ?? 0];
  const hook = { url: vector.url, method: vector.method ?? "POST", headers, body: bodyOf(vector), secret };
  await Promise.resolve().then(() => accepts(hook)).catch((err) => { throw new Error(`${vector.name}: ${err.message}`); });
  let refused = false;
  try { await accepts({ ...hook, ...change(hook) }); } catch { refused = true; }
  if (!refused) throw new Error(`${vector.name}: accepted although changed`);
  return vector;
}
export const otherBody = (hook) => ({ body: Buffer.concat([Buffer.from("x"), hook.body]), url: hook.url + "0" });

// rotated appends the same vector with a new secret before the one that has signed.
export const rotated = (vectors) => [...vectors, { ...vectors[0], name: "second secret of two", sign: undefined,
  secrets: ["D00DFEED", vectors[0].secrets[0]], secret_index: 1 }];

export const accepts = {
  "contentful": (hook) => {
    const url = new URL(hook.url), path = hook.url.slice(url.origin.length);
    refuseUnless(verifyRequest(hook.secret, { method: hook.method, path, headers: hook.headers, body: hook.body.toString() }, 300), "verifyRequest returned false");
  },
  "hubspot-v3": (hook) => {
    refuseUnless(hubspot.isValid({ method: hook.method, signatureVersion: "v3", clientSecret: hook.secret, requestBody: hook.body.toString(),
      url: hook.url, signature: hook.headers["x-hubspot-signature-v3"], timestamp: Number(hook.headers["x-hubspot-request-timestamp"]) }), "isValid returned false");
  },
  "messagebird-legacy": (hook) => {
    const query = Object.fromEntries(new URL(hook.url).searchParams), request = { headers: hook.headers, query, body: hook.body.toString() };
    const made = messagebird.generate(request, hook.secret);
    refuseUnless(made.toString("base64") === hook.headers["messagebird-signature"], "generate returned another signature");
  },
  "plivo-v3": (hook) => {
    const fields = hook.method === "POST" ? formFields(hook) : {};
    refuseUnless(plivo.validateV3Signature(hook.method, hook.url, hook.headers["x-plivo-signature-v3-nonce"], hook.secret,
      hook.headers["x-plivo-signature-v3"], fields), "validateV3Signature returned false");
  },
  "sinch-voice": (hook) => {
    refuseUnless(validateAuthenticationHeader("669E367E-6BBA-48AB-AF15-266871C28135", hook.secret, hook.headers, hook.body.toString(),
      new URL(hook.url).pathname, hook.method), "validateAuthenticationHeader returned false");
  },
};

const contentfulSecret = "c0ffee".repeat(10) + "beef";
export const trials = {
  "contentful": { sign: contentfulSecret, bodies: ["JSON", "large"] }, "hubspot-v3": { sign: "yyyyyyyy-yyyy" },
  "messagebird-legacy": { sign: "key" }, "plivo-v3": { sign: "token", bodies: ["form", "empty"] },
  "sinch-voice": { sign: "BeIukql3pTKJ8RGL5zo0DA==", settings: { application_key: ["669E367E-6BBA-48AB-AF15-266871C28135"] }, bodies: ["JSON", "large"] },
};

async function makeContentful() {
  const topic = { "x-contentful-topic": "ContentManagement.Entry.publish", "x-contentful-idempotency-key": "k1" };
  const identity = { event_id: "k1", event_type: topic["x-contentful-topic"] };
  const make = (name, path, body, signed, more = {}) => taken(accepts.contentful, { name, source: lib("@contentful/node-apps-toolkit", "signRequest, accepted by verifyRequest"),
    ...base, url: "https://hooks.example.com" + path, headers: { ...json, ...topic,
      ...signed, ...signRequest(contentfulSecret, { method: "POST", path, headers: signed, body }, NOW * 1000) },
    ...bodyFields(body), secrets: [contentfulSecret], ...identity, ...more }, otherBody);
  const entry = '{"sys":{"type":"Entry","id":"e1"},"fields":{"title":{"en":"Grüße 🎉"}}}';
  const out = [
    await make("entry", "/in", entry, {}, { sign: true }),
    await make("signed headers", "/in", entry, { "content-type": "application/vnd.contentful.management.v1+json; charset=utf-8", "x-contentful-topic": topic["x-contentful-topic"] }),
    await make("query and odd characters", "/in/a%20b?x=1&y=ä%C3%A4+~!'()*", entry, {}),
    await make("empty body", "/in", "", {}),
  ];
  return { evidence: "sdk", vectors: rotated(out) };
}

async function makeHubspot() {
  const secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
  const events = '[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]';
  const first = { event_id: "1", event_type: "contact.creation" };
  const make = (name, method, url, body, identity, more = {}) => {
    const signedURL = more.signedURL ?? url;
    const vector = { name, source: lib("@hubspot/api-client", "Signature.getSignature, accepted by isValid"), ...base, url, ...(method !== "POST" && { method }),
      headers: { ...json, "x-hubspot-request-timestamp": `${NOW * 1000}`,
        "x-hubspot-signature-v3": hubspot.getSignature(method, "v3", { clientSecret: secret, requestBody: body, url: signedURL, timestamp: NOW * 1000 }) },
      ...bodyFields(body), secrets: [secret], ...identity };
    if (more.signedURL) return { ...vector, source: "node:crypto, from the words of Validating requests (v3): the URL is decoded" };
    return taken(accepts["hubspot-v3"], { ...vector, sign: more.sign ?? true }, otherBody);
  };
  return { evidence: "sdk", vectors: rotated([
    await make("contact created", "POST", base.url, events, first),
    await make("unicode", "POST", base.url + "?a=b", '[{"eventId":2,"subscriptionType":"größe 🎉"}]', { event_id: "2", event_type: "größe 🎉" }),
    await make("GET", "GET", base.url + "?userId=1&associatedObjectType=CONTACT", "", {}),
    await make("escapes that are undone", "POST", base.url + "?to=%3Aa%2Fb%3F%40%21%24%27%28%29%2A%2C%3B%20c", events, first,
      { signedURL: base.url + "?to=:a/b?@!$'()*,;%20c" }),
    await make("escapes as they are", "POST", base.url + "?to=a%40b", events, first, { sign: false }),
  ]) };
}

async function makeMessagebird() {
  const secret = "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd", source = lib("messagebird", "lib/signature generate");
  const make = (name, query, body, more = {}) => {
    const headers = { "messagebird-request-timestamp": `${NOW}` };
    const url = base.url + (query ? "?" + query : "");
    headers["messagebird-signature"] = messagebird.generate({ headers, query: Object.fromEntries(new URLSearchParams(query)), body }, secret).toString("base64");
    return taken(accepts["messagebird-legacy"], { name, source, ...base, url, headers, ...bodyFields(body), secrets: [secret], sign: true, ...more }, otherBody);
  };
  return { evidence: "sdk", vectors: rotated([
    await make("status report", "reference=ref&status=delivered&id=eef0ab57a9e049be946f3821568c2b2e&recipient=31612345678&mccmnc=20408", "", { method: "GET" }),
    await make("JSON", "", '{"a key":"some value"}'),
    await make("unicode", "b=%C3%BC+x%2F(1)*~!'&a=", '{"text":"größe 🎉"}'),
    await make("nothing", "", ""),
  ]) };
}

async function makePlivo() {
  const token = "c3c46bc4f1d1e2b3a4958687", nonce = "12345678901234567890", source = "node:crypto, accepted by " + lib("plivo", "validateV3Signature");
  const sorted = (pairs, join) => pairs.sort(([a, x], [b, y]) => a < b ? -1 : a > b ? 1 : x < y ? -1 : 1).map(([k, v]) => k + join + v);
  const sign = (method, url, fields, key) => {
    const u = new URL(url), query = sorted([...u.searchParams], "=").join("&");
    const text = sorted(Object.entries(fields).flatMap(([k, v]) => [v].flat().map((x) => [k, x])), "").join("");
    const content = u.origin + u.pathname + (query || text ? "?" : "") + query + (query && text ? "." : "") + text + "." + nonce;
    return hmac("sha256", key, content, "base64");
  };
  const make = (name, url, fields, more = {}, key = token) => {
    const method = more.method ?? "POST";
    return taken(accepts["plivo-v3"], { name, source, ...base, url, headers: { ...form, "x-plivo-signature-v3": sign(method, url, fields, key), "x-plivo-signature-v3-nonce": nonce },
      body: encode(fields), secrets: [token], sign: true, ...more }, otherBody);
  };
  const call = { From: "+14155551234", To: "+14155555678", CallUUID: "97ceeb52-58b6-11e1-86da-77300b68f8bb", CallStatus: "ringing", Event: "StartApp", Direction: "inbound" };
  const list = await make("a list, any of them", base.url, call, { event_type: "StartApp" });
  list.headers["x-plivo-signature-v3"] = `AAAA,${list.headers["x-plivo-signature-v3"]}`;
  return { evidence: "sdk", vectors: rotated([
    await make("call", base.url, call, { event_type: "StartApp" }),
    await make("query and form", base.url + "?b=2&a=x%20y&b=1", call, { event_type: "StartApp" }),
    await make("unicode", base.url, { Text: "größe 🎉 a+b=c&d", a: ["2", "1"] }),
    await make("GET", base.url + "?CallUUID=1&CallStatus=completed", {}, { method: "GET", body: "", event_type: "completed" }),
    await make("nothing", base.url, {}),
    { ...list, sign: undefined, several: true },
  ]) };
}

async function makeSinch() {
  const secret = "BeIukql3pTKJ8RGL5zo0DA==", key = "669E367E-6BBA-48AB-AF15-266871C28135", at = "2026-01-02T03:04:05Z";
  const make = (name, path, body, identity = {}, stamp = at) => taken(accepts["sinch-voice"], { name,
    source: lib("@sinch/sdk-client", "generateAuthorizationHeader, accepted by validateAuthenticationHeader"), ...base, url: "https://hooks.example.com" + path,
    headers: { "content-type": "application/json; charset=utf-8", "x-timestamp": stamp,
      authorization: generateAuthorizationHeader("POST", body, "application/json; charset=utf-8", `x-timestamp:${stamp}`, new URL("http://h" + path).pathname, key, secret)
        .replace("Application", "application") },
    ...bodyFields(body), secrets: [secret], settings: { application_key: [key] }, ...identity, sign: stamp === at }, (hook) => ({ body: Buffer.concat([hook.body, Buffer.from("x")]) }));
  const out = [
    await make("incoming call", "/sinch/callback/ice", '{"event":"ice","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257","timestamp":"2014-09-24T10:59:41Z","version":1}', { event_type: "ice" }),
    await make("unicode", "/in?x=1", '{"event":"größe 🎉"}', { event_type: "größe 🎉" }),
    await make("fractions of a second", "/in", '{"event":"dice"}', { event_type: "dice" }, "2026-01-02T03:04:05.2729234Z"),
    await make("empty body", "/in", ""),
  ];
  return { evidence: "sdk", vectors: [...out, { ...out[0], name: "second secret of two", sign: undefined, secrets: ["AAAA", secret], secret_index: 1 }] };
}

async function makeMercadoPago() {
  const secret = "d5f7a1b2c3", source = "node:crypto, accepted by " + lib("mercadopago", "WebhookSignatureValidator.validate");
  const valid = (hook) => WebhookSignatureValidator.validate({ xSignature: hook.headers["x-signature"], xRequestId: hook.headers["x-request-id"],
    dataId: new URL(hook.url).searchParams.get("data.id")?.toLowerCase(), secret: hook.secret });
  const make = (name, id, request, ts, body, identity) => {
    const parts = [id && `id:${id.toLowerCase()}`, request && `request-id:${request}`, `ts:${ts}`].filter(Boolean);
    return taken(valid, { name, source, ...base, url: base.url + (id ? `?data.id=${id}&type=payment` : ""),
      headers: { ...json, "x-signature": `ts=${ts},v1=${hmac("sha256", secret, parts.join(";") + ";", "hex")}`, ...(request && { "x-request-id": request }) },
      ...bodyFields(body), secrets: [secret], body_unsigned: true, ...identity }, (hook) => ({ headers: { ...hook.headers, "x-request-id": "another" } }));
  };
  const payment = '{"id":12345,"live_mode":true,"type":"payment","date_created":"2015-03-25T10:04:58.396-04:00","user_id":44444,"api_version":"v1","action":"payment.created","data":{"id":"999999999"}}';
  const paid = { event_id: "12345", event_type: "payment.created" };
  return { evidence: "sdk", vectors: rotated([
    await make("payment", "999999999", "bb56a2f1-6aae-46ac-982e-9dcd3581d08e", NOW, payment, paid),
    await make("milliseconds", "999999999", "bb56a2f1-6aae-46ac-982e-9dcd3581d08e", NOW * 1000, payment, paid),
    await make("an id with capitals", "ORD01JQ4S4KY8HWQ6NA5PXB65B3D3", "bb56a2f1", NOW, '{"type":"order","id":"x"}', { event_id: "x", event_type: "order" }),
    await make("without an id", "", "bb56a2f1", NOW, '{"type":"größe"}', { event_type: "größe" }),
    await make("without a request id", "1", "", NOW, "{}", {}),
  ]) };
}

async function makeAdyen() {
  const key = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", validator = new adyen.hmacValidator();
  const item = (fields) => {
    const it = { pspReference: "7914073381342284", merchantAccountCode: "YourAccount", merchantReference: "TestPayment-1407325143704", amount: { value: 1130, currency: "EUR" },
      eventCode: "AUTHORISATION", success: "true", eventDate: "2019-05-06T17:15:34.121+02:00", paymentMethod: "visa", ...fields };
    it.additionalData = { ...it.additionalData, hmacSignature: validator.calculateHmac(it, key) };
    return { NotificationRequestItem: it };
  };
  const valid = (hook) => {
    const { notificationItems } = JSON.parse(hook.body.toString());
    refuseUnless(notificationItems.every((it) => validator.validateHMAC(it.NotificationRequestItem, hook.secret)), "validateHMAC returned false");
  };
  const make = (name, items, identity) => taken(valid, { name, source: lib("@adyen/api-library", "calculateHmac, accepted by validateHMAC"), ...base, headers: json,
    ...bodyFields(JSON.stringify({ live: "false", notificationItems: items })), secrets: [key], body_unsigned: true, ...identity },
  (hook) => ({ body: Buffer.from(hook.body.toString().replace('"value":', '"value":9')) }));
  return { evidence: "sdk", vectors: rotated([
    { name: "published content", source: "adyen-go-api-library, hmacvalidator_test.go", ...base, headers: json, body_unsigned: true, event_type: "EVENT", secrets: [key],
      body: '{"notificationItems":[{"NotificationRequestItem":{"pspReference":"pspReference","originalReference":"originalReference","merchantAccountCode":"merchantAccount","merchantReference":"reference","amount":{"value":1000,"currency":"EUR"},"eventCode":"EVENT","success":"true","additionalData":{"hmacSignature":"ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="}}}]}' },
    await make("authorisation", [item({})], { event_type: "AUTHORISATION" }),
    await make("two items, one with a colon in its reference", [item({ eventCode: "CAPTURE", originalReference: "8313547924770610" }), item({ merchantReference: "größe:1:🎉", success: "false" })], { event_type: "CAPTURE" }),
    await make("report, a colon and a backslash in its name", [item({ eventCode: "REPORT_AVAILABLE", pspReference: "payouts_2026-01-02T03:04:05\\x.csv", merchantReference: "", amount: { value: 0, currency: "EUR" } })], { event_type: "REPORT_AVAILABLE" }),
    await make("report, colons everywhere", [item({ eventCode: "REPORT_AVAILABLE", pspReference: "a:b", originalReference: ":", merchantAccountCode: "c:d", merchantReference: "e\\:f", amount: { value: 0 } })], { event_type: "REPORT_AVAILABLE" }),
    await make("colons in what is no reference of a payment", [item({ pspReference: "a:b" }), item({ originalReference: "c:d\\" }), item({ pspReference: "e", merchantAccountCode: "f:g" })], { event_type: "AUTHORISATION" }),
    await make("backslashes", [item({ originalReference: "8313547924770610", merchantAccountCode: "a\\b", merchantReference: "\\:\\\\" })], { event_type: "AUTHORISATION" }),
    await make("an amount of nothing", [item({ amount: { value: 0, currency: "JPY" }, merchantReference: "" })], { event_type: "AUTHORISATION" }),
  ]) };
}

async function makeBraintree() {
  const gateway = (privateKey) => new braintree.BraintreeGateway({ environment: braintree.Environment.Sandbox, merchantId: "m", publicKey: "integration_public_key", privateKey });
  const valid = async (hook) => {
    const fields = formFields(hook);
    await gateway(hook.secret).webhookNotification.parse(fields.bt_signature, fields.bt_payload);
  };
  const make = (name, fields) => taken(valid, { name, source: lib("braintree", "webhookTesting.sampleNotification, accepted by webhookNotification.parse"), ...base,
    headers: form, body: encode(fields), secrets: ["integration_private_key"], settings: { public_key: ["integration_public_key"] } },
  (hook) => ({ body: Buffer.from(hook.body.toString().replace("bt_payload=", "bt_payload=A")) }));
  const { webhookTesting } = gateway("integration_private_key");
  const sample = async (kind) => {
    const { bt_signature, bt_payload } = await webhookTesting.sampleNotification(kind, "my_id");
    return { bt_signature, bt_payload };
  };
  const one = await sample(braintree.WebhookNotification.Kind.SubscriptionWentPastDue);
  return { evidence: "sdk", vectors: rotated([
    await make("subscription past due", one),
    await make("dispute", await sample(braintree.WebhookNotification.Kind.DisputeOpened)),
    { ...await make("two key pairs", { ...one, bt_signature: `another_public_key|${"0".repeat(40)}&${one.bt_signature}` }), several: true },
    await make("without the last line break", { ...one, bt_payload: one.bt_payload.replace(/\n$/, "") }),
  ]) };
}

function makePaddle() {
  const serialize = (fields) => `a:${Object.keys(fields).length}:{` + Object.keys(fields).sort().map((k) =>
    `s:${Buffer.byteLength(k)}:"${k}";s:${Buffer.byteLength(fields[k])}:"${fields[k]}";`).join("") + "}";
  const make = (name, fields, identity, key = rsaKey) => ({ name, source: "node:crypto, from the words of Verifying webhooks (Paddle Classic)", ...base, headers: form,
    body: encode({ p_signature: rsa("sha1", serialize(fields), key), ...fields }), public_keys: [publicOf(rsaKey)], ...identity });
  const alert = { alert_name: "payment_succeeded", alert_id: "889192781", balance_currency: "USD", customer_name: "Jörg 🎉", email: "a+b@example.com", passthrough: '{"x":"a:1;"}', quantity: "1" };
  const identity = { event_id: "889192781", event_type: "payment_succeeded" };
  return { evidence: "hand", vectors: [
    make("payment", alert, identity), make("minimal", { alert_id: "1", alert_name: "x" }, { event_id: "1", event_type: "x" }),
    make("an empty value", { coupon: "", ...alert }, identity),
    { ...make("second public key of two", alert, identity, otherKey), public_keys: [publicOf(rsaKey), publicOf(otherKey)], secret_index: 1 },
  ] };
}

function makeMailgun() {
  const key = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0";
  const source = "node:crypto, from the words of Securing webhooks (Mailgun)";
  const signature = (now, k = key) => ({ timestamp: `${now}`, token, signature: hmac("sha256", k, `${now}${token}`, "hex") });
  const make = (name, event, identity) => ({ name, source, ...base, headers: json, ...bodyFields(JSON.stringify({ signature: signature(NOW), "event-data": event })),
    secrets: [key], body_unsigned: true, ...identity });
  const boundary = "2f1bdf04ee0c4a2b9d7d3e4c5a6b7c8d";
  const multipart = (fields) => Object.entries(fields).map(([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join("") + `--${boundary}--\r\n`;
  const inbound = { "Message-Id": "<1@example.com>", subject: "größe 🎉", ...signature(NOW) };
  return { evidence: "hand", vectors: rotated([
    make("opened", { event: "opened", timestamp: 1529006854.329574, id: "DACSsAdVSeGpLid7TN03WA" }, { event_id: "DACSsAdVSeGpLid7TN03WA", event_type: "opened" }),
    make("unicode", { event: "failed", id: "1", reason: "größe 🎉" }, { event_id: "1", event_type: "failed" }),
    { ...make("inbound route", {}, {}), headers: form, body: encode(inbound) },
    { ...make("inbound route with attachments", {}, {}), headers: { "content-type": `multipart/form-data; boundary=${boundary}` }, body: multipart(inbound) },
  ]) };
}

function makeDropboxSign() {
  const key = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782", boundary = "----------------------------9a5e3d1b";
  const make = (name, event, source = "node:crypto, from the words of Events and callbacks (Dropbox Sign)") => ({ name, source, ...base,
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: `--${boundary}\r\nContent-Disposition: form-data; name="json"\r\n\r\n${JSON.stringify({ event, account_guid: "größe" })}\r\n--${boundary}--\r\n`,
    secrets: [key], event_type: event.event_type, body_unsigned: true });
  const signed = (event_time, event_type, more) => ({ event_type, event_time, event_hash: hmac("sha256", key, event_time + event_type, "hex"), ...more });
  return { evidence: "docs", vectors: rotated([
    make("published", { event_type: "account_confirmed", event_time: "1669926463", event_hash: "ff8b03439122f9160500c3fb855bdee5a9ccba5fff27d3b258745d8f3074832f" }, "Dropbox Sign's SDK, example of the event callback"),
    make("signed", signed("1767323045", "signature_request_signed", { event_metadata: { related_signature_id: "ad4d8a769b555fa5ef38691465d426682bf2c992" } })),
    make("unicode", signed("1767323045", "template_created", { event_metadata: { event_message: "größe 🎉" } })),
  ]) };
}

function makeGraph() {
  const make = (name, items, identity, more = {}) => ({ name, source: "node:crypto, from the words of Receive change notifications through webhooks", ...base, headers: json,
    ...bodyFields(JSON.stringify({ value: items })), secrets: ["secretClientState"], body_unsigned: true, ...identity, ...more });
  const item = { id: "lsgTZMr9KwAAA", subscriptionId: "7f105c7d-2dc5-4530-97cd-4e7ae6534c07", clientState: "secretClientState", changeType: "created", resource: "users/1/messages/2" };
  const identity = { event_id: "lsgTZMr9KwAAA", event_type: "created" };
  return { evidence: "hand", vectors: rotated([
    make("message created", [item], identity),
    make("two", [item, { ...item, id: "2", resource: "größe 🎉" }], identity),
    make("lifecycle", [{ subscriptionId: "1", clientState: "secretClientState", lifecycleEvent: "reauthorizationRequired" }], { event_type: "reauthorizationRequired" }),
  ]) };
}

export async function make() {
  return {
    "contentful": await makeContentful(), "hubspot-v3": await makeHubspot(), "messagebird-legacy": await makeMessagebird(), "plivo-v3": await makePlivo(),
    "sinch-voice": await makeSinch(), "mercado-pago": await makeMercadoPago(), "adyen-payments": await makeAdyen(), "braintree": await makeBraintree(),
    "paddle-classic": makePaddle(),
    "mailgun": makeMailgun(), "dropbox-sign": makeDropboxSign(), "ms-graph": makeGraph(),
  };
}
