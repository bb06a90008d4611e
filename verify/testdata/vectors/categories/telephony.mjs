// Telephony and messages.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import plivo from "plivo";
import { calculateWebhookSignature, validateSignatureHeader, validateWebhookSignature } from "@sinch/sdk-client";
import { base, checked, form, hmac, json, lib, NOW, refuseUnless } from "../lib.mjs";
import { cat, ed25519, keyed, vectorsOf } from "./chat.mjs";

const { TelnyxWebhook } = createRequire(import.meta.url)("telnyx/lib/webhooks");
globalThis.crypto ??= crypto.webcrypto; // Telnyx' library wants it; Node 18 has it elsewhere

const telnyxKey = ed25519("telnyx", "base64"), telnyxOther = ed25519("telnyx, another", "base64");
const sinchHeaders = (nonce) => ({ "x-sinch-webhook-signature-nonce": nonce, "x-sinch-webhook-signature-timestamp": `${NOW}`, "x-sinch-webhook-signature-algorithm": "HmacSHA256" });

// No trial: our side makes no nonce.
const sinchAccepts = (hook) => {
  refuseUnless(validateWebhookSignature(hook.secret, hook.headers, hook.body.toString()), "validateWebhookSignature returned false");
};

export const accepts = {
  telnyx: (hook) => new TelnyxWebhook(hook.secret).verify(hook.body.toString(), hook.headers),
  "sinch-numbers": (hook) => {
    refuseUnless(validateSignatureHeader(hook.secret, hook.headers, hook.body.toString()), "validateSignatureHeader returned false");
  },
};

export const trials = {
  telnyx: { sign: telnyxKey.pem, check: telnyxKey.public },
  "sinch-numbers": { sign: "callback-secret" },
};

const makeTelnyx = async () => ({ evidence: "sdk", vectors: await keyed("telnyx", {
  source: "node:crypto, accepted by " + lib("telnyx", "TelnyxWebhook.verify"), accepts: accepts.telnyx, pair: telnyxKey, other: telnyxOther,
  sign: (body, key) => ({ "telnyx-timestamp": `${NOW}`, "telnyx-signature-ed25519": crypto.sign(null, cat(`${NOW}|`, body), key).toString("base64") }),
  cases: [
    ["message received", '{"data":{"event_type":"message.received","id":"b301ed3f-1490-491f-995f-6e64e69674d4","occurred_at":"2024-01-15T20:16:07.588+00:00","payload":{"direction":"inbound","from":{"phone_number":"+13125550001"},"id":"84cca175-9755-4859-b67f-4730d7f58aa3","text":"Hello from Telnyx!"},"record_type":"event"},"meta":{"attempt":1,"delivered_to":"https://example.com/webhooks"}}',
      { event_id: "b301ed3f-1490-491f-995f-6e64e69674d4", event_type: "message.received" }],
    ["unicode", '{"data":{"event_type":"message.finalized","id":"2","payload":{"text":"größe 🎉"}}}', { event_id: "2", event_type: "message.finalized" }],
    ["minimal", "{}", {}],
  ] }) });

async function makeSinchConversation() {
  const nonce = "01FJA8B4A7BM43YGWSG9GBV067", secret = "foo_secret1234";
  const signed = { "x-sinch-webhook-signature": "ZoHei66PPN/kZjw7hFVfGhJOnml3iGNCMWoyQVcE5o0=", "x-sinch-webhook-signature-nonce": "01JHFFHWYY7HSS4FWTMDTQEK8V",
    "x-sinch-webhook-signature-timestamp": "1736760161", "x-sinch-webhook-signature-algorithm": "HmacSHA256" };
  const published = { name: "published SMS report", source: "Sinch, sinch-sdk-node, packages/sms, callbacks-webhook.test.ts", ...base, now: 1736760161, secrets: ["SMSWebhooksSecret"],
    headers: { ...json, ...signed }, event_type: "recipient_delivery_report_sms", sign: true,
    body: '{"at":"2025-01-13T09:22:40.914Z","batch_id":"01JHFFHQ0P99JPPNQPJDV7JTBP","client_reference":"a client reference","code":0,"operator_status_at":"2025-01-13T09:22:00Z","recipient":"33662162466","status":"Delivered","type":"recipient_delivery_report_sms"}' };
  const vectors = await vectorsOf("sinch-conversation", { source: lib("@sinch/sdk-client", "calculateWebhookSignature, accepted by validateWebhookSignature"),
    accepts: sinchAccepts, secret, old: "old secret", headers: { ...json, ...sinchHeaders(nonce) },
    sign: (body, key) => ({ "x-sinch-webhook-signature": calculateWebhookSignature(`${body}.${nonce}.${NOW}`, key) }),
    cases: [
      ["inbound message", '{"app_id":"01EB37HMH1M6SV18BSNS3G135H","accepted_time":"2020-11-17T15:09:11.659Z","event_time":"2020-11-17T15:09:13.267185Z","project_id":"c36f3d3d-1513-2edd-ae42-11995557ff61","message":{"id":"01EQBC1A3BEK731GY4YXEN0C2R","direction":"TO_APP"}}', {}],
      ["unicode", '{"app_id":"","project_id":"","contact_message":{"text":"größe 🎉"}}', {}],
      ["empty body", "", {}],
    ] });
  return { evidence: "sdk", vectors: [await checked("sinch-conversation", sinchAccepts, published), ...vectors] };
}

async function makeSinchNumbers() {
  const secret = "callback-secret";
  const published = { name: "published", source: "Sinch, sinch-sdk-node, packages/numbers, callbacks-webhook.test.ts", ...base, secrets: [secret], sign: true,
    headers: { ...json, "x-sinch-signature": "dcf80daac2f232f4b23d5f719db3aa0fdca6af43" }, event_id: "01hpa0mww4m79q8j2dwn3ggbgz", event_type: "DEPROVISIONING_FROM_VOICE_PLATFORM",
    body: '{"eventId":"01hpa0mww4m79q8j2dwn3ggbgz","timestamp":"2024-02-10T17:22:09.412722588","projectId":"37b62a7b-0177-abcd-efgh-e10f848de123","resourceId":"+17818510001","resourceType":"ACTIVE_NUMBER","eventType":"DEPROVISIONING_FROM_VOICE_PLATFORM","status":"SUCCEEDED","failureCode":null}' };
  const vectors = await vectorsOf("sinch-numbers", { source: "node:crypto, accepted by " + lib("@sinch/sdk-client", "validateSignatureHeader"), accepts: accepts["sinch-numbers"],
    secret, old: "old secret", sign: (body, key) => ({ "x-sinch-signature": hmac("sha1", key, body, "hex") }),
    cases: [
      ["provisioned", '{"eventId":"abcd1234","resourceId":"+12345612345","resourceType":"ACTIVE_NUMBER","eventType":"PROVISIONING_TO_CAMPAIGN","status":"FAILED","failureCode":"CAMPAIGN_NOT_AVAILABLE"}', { event_id: "abcd1234", event_type: "PROVISIONING_TO_CAMPAIGN" }],
      ["unicode", '{"eventId":"2","eventType":"x","note":"größe 🎉"}', { event_id: "2", event_type: "x" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "sdk", vectors: [await checked("sinch-numbers", accepts["sinch-numbers"], published), ...vectors] };
}

// The library checks the URL without its query, and a nonce; nothing of the body.
async function makePlivoV2() {
  const source = "node:crypto, accepted by " + lib("plivo", "validateSignature");
  const vector = (name, key, more) => {
    const vector = { name, source, ...base, url: "https://answer.example.com/answer", body_unsigned: true, secrets: [key], ...more };
    const nonce = "12345", [url] = vector.url.split("?");
    return { ...vector, headers: { ...(vector.method === "GET" ? {} : form), "x-plivo-signature-v2-nonce": nonce, "x-plivo-signature-v2": hmac("sha256", key, url + nonce, "base64") } };
  };
  const secret = "MTVhZTMyMmNjN2U0NTQxYjAwNzQ1", status = { body: "MessageUUID=5b40a428-bfc7-4daf-9d06-726c558bf3b8&Status=delivered&To=12025551111", event_type: "delivered" };
  const vectors = [
    vector("message status", secret, { ...status, sign: true }),
    vector("call status, unicode", secret, { body: "CallUUID=9a7b&CallStatus=completed&CallerName=Gr%C3%BC%C3%9Fe+%F0%9F%8E%89", event_type: "completed", sign: true }),
    vector("query and no body", secret, { method: "GET", url: "https://answer.example.com/answer?CallStatus=ringing&x=%20a", event_type: "ringing", body: "", sign: true }),
    vector("own port", secret, { url: "https://answer.example.com:8443/a/b", body: "", sign: true }),
    { ...vector("second secret of two", "old auth token", status), secrets: [secret, "old auth token"], secret_index: 1 },
  ];
  for (const v of vectors) {
    const accepted = (url) => plivo.validateSignature(url, "12345", v.headers["x-plivo-signature-v2"], v.secrets.at(-1));
    if (!accepted(v.url) || accepted(v.url.replace("answer.", "another."))) throw new Error(`plivo-v2: ${v.name}`);
  }
  return { evidence: "sdk", vectors };
}

async function makeRingCentral() {
  const vectors = await vectorsOf("ringcentral", { source: "docs: RingCentral Developer Guide, Verifying webhooks (the token itself is sent)",
    secret: "xzbcnzbcczxcnzxsjfhkjkfhsdkssfsfsfs", old: "old token", sign: (_, token) => ({ "verification-token": token }), fields: { body_unsigned: true },
    headers: { "content-type": "application/json; charset=UTF-8" },
    cases: [
      ["message store", '{"uuid":"6242343638330007102","event":"/restapi/v1.0/account/~/extension/~/message-store","timestamp":"2024-03-14T17:05:27.553Z","subscriptionId":"7d19d77e","ownerId":"401547458008","body":{"extensionId":62264425008}}',
        { event_id: "6242343638330007102", event_type: "/restapi/v1.0/account/~/extension/~/message-store" }],
      ["unicode", '{"uuid":"2","event":"/team-messaging/v1/posts","body":{"text":"größe 🎉"}}', { event_id: "2", event_type: "/team-messaging/v1/posts" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}


// The token is inside the body.
async function makeAircall() {
  const plain = { secret: "45XXYYZZa08", old: "old token", source: "docs: Aircall, API references, Webhooks (the token itself is sent)", sign: () => ({}), signs: false, fields: { body_unsigned: true } };
  const vectors = await vectorsOf("aircall", { ...plain, cases: [
    ["number closed", (token) => JSON.stringify({ resource: "number", event: "number.closed", timestamp: 1585001020, token, data: { id: 456, name: "My first Aircall Number", digits: "+33 1 76 36 06 95" } }), { event_type: "number.closed" }],
    ["unicode", (token) => JSON.stringify({ resource: "contact", event: "contact.created", token, data: { first_name: "größe 🎉" } }), { event_type: "contact.created" }],
    ["minimal", (token) => JSON.stringify({ token }), {}],
  ] });
  return { evidence: "hand", vectors };
}

async function makeSignalWire() {
  const source = "node:crypto, from the words of SignalWire's docs, Webhook security, and of @signalwire/web-api, validateRequest";
  const url = "https://hooks.example.com/start?a=%20b", secret = "PSK_0123456789abcdefghij", old = "PSK_another";
  const call = '{"call":{"call_id":"e2a5b1d6","node_id":"n1","call_state":"created","direction":"inbound","type":"phone"},"vars":{},"envs":{}}';
  const text = '{"message":{"body":"größe 🎉"},"vars":{}}';
  const sign = (hash, body, key) => hmac(hash, key, url + body, "hex");
  const make = (name, body, headers, more = {}) => ({ name, source, ...base, url, headers: { ...json, ...headers }, body, secrets: [secret], ...more });
  const fields = { From: "+15551234567", To: "+15557654321", CallStatus: "ringing", Body: "größe 🎉" };
  const twilio = url + Object.keys(fields).sort().map((name) => name + fields[name]).join("");
  return { evidence: "hand", vectors: [
    make("call", call, { "x-signalwire-sha256-signature": sign("sha256", call, secret) }, { sign: true }),
    make("message, SHA-1 only", text, { "x-signalwire-signature": sign("sha1", text, secret) }, { sign: true }),
    make("empty body", "", { "x-signalwire-sha256-signature": sign("sha256", "", secret) }, { sign: true }),
    make("second secret of two", call, { "x-signalwire-sha256-signature": sign("sha256", call, old) }, { secrets: [secret, old], secret_index: 1 }),
    make("Compatibility API", new URLSearchParams(fields).toString(), { ...form, "x-signalwire-signature": hmac("sha1", secret, twilio, "base64") }, { event_type: "ringing" }),
  ] };
}

async function makeBandwidth() {
  const vectors = await vectorsOf("bandwidth", { source: "node:crypto, from the words of Bandwidth's docs, Applications, callback credentials", secret: "hooks:p:äss", old: "hooks:old",
    sign: (_, key) => ({ authorization: "Basic " + Buffer.from(key).toString("base64") }), fields: { body_unsigned: true }, headers: { "content-type": "application/json; charset=utf-8" },
    cases: [
      ["message delivered", '[{"type":"message-delivered","time":"2016-09-14T18:20:16Z","description":"Message delivered to carrier.","to":"+12345678901","message":{"id":"14762070468292kw2fuqty55yp2b2","owner":"+12345678902","direction":"out","text":"größe 🎉"}}]', { event_type: "message-delivered" }],
      ["call", '{"eventType":"initiate","eventTime":"2022-06-16T13:15:07.160Z","accountId":"920012","from":"+15551112222","direction":"inbound","callId":"c-95ac8d6e"}', { event_type: "initiate" }],
      ["minimal", "[]", {}],
    ] });
  return { evidence: "hand", vectors };
}

export const make = async () => ({
  "telnyx": await makeTelnyx(),
  "sinch-conversation": await makeSinchConversation(),
  "sinch-numbers": await makeSinchNumbers(),
  "plivo-v2": await makePlivoV2(),
  "ringcentral": await makeRingCentral(),
  "aircall": await makeAircall(),
  "signalwire": await makeSignalWire(),
  "bandwidth": await makeBandwidth(),
});
