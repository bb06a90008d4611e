// Sending and receiving email.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { verifyWebhookSignature as mailtrapVerifies } from "mailtrap";
import { Resend } from "resend";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { base, bodyFields, checked, form, hmac, json, lib, NOW, refuseUnless } from "../lib.mjs";
import { cat, ed25519, keyed, rsa, vectorsOf } from "./chat.mjs";

const { EventWebhook } = createRequire(import.meta.url)("@sendgrid/eventwebhook");

// P-256 keys for these vectors only.
const p256 = (scalar) => {
  const ecdh = crypto.createECDH("prime256v1");
  ecdh.setPrivateKey(crypto.createHash("sha256").update(scalar).digest());
  const point = ecdh.getPublicKey();
  const jwk = { kty: "EC", crv: "P-256", d: ecdh.getPrivateKey("base64url"), x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
  const key = crypto.createPrivateKey({ key: jwk, format: "jwk" });
  return { private: key, pem: key.export({ format: "pem", type: "pkcs8" }), public: crypto.createPublicKey(key).export({ format: "der", type: "spki" }).toString("base64") };
};
const sendgridKey = p256("sendgrid"), sendgridOther = p256("sendgrid, another");

export const accepts = {
  sendgrid: (hook) => {
    const webhook = new EventWebhook();
    const ok = webhook.verifySignature(webhook.convertPublicKeyToECDSA(hook.secret), hook.body,
      hook.headers["x-twilio-email-event-webhook-signature"], hook.headers["x-twilio-email-event-webhook-timestamp"]);
    refuseUnless(ok, "verifySignature returned false");
  },
  mailtrap: (hook) => {
    refuseUnless(mailtrapVerifies(hook.body, hook.headers["mailtrap-signature"], hook.secret), "verifyWebhookSignature returned false");
  },
  resend: (hook) => {
    const headers = { id: hook.headers["svix-id"], timestamp: hook.headers["svix-timestamp"], signature: hook.headers["svix-signature"] };
    new Resend("re_none").webhooks.verify({ payload: hook.body.toString(), headers, webhookSecret: hook.secret });
  },
};

export const trials = {
  sendgrid: { sign: sendgridKey.pem, check: sendgridKey.public },
  mailtrap: { sign: "8a2f1c4b6d9e0f3a", bodies: ["JSON", "form", "large"] }, // an empty body is refused
  resend: { bodies: ["JSON"] }, // the library parses what it verified
};

const sendgridSign = (body, key) => ({ "x-twilio-email-event-webhook-timestamp": `${NOW}`,
  "x-twilio-email-event-webhook-signature": crypto.sign("sha256", cat(`${NOW}`, body), key).toString("base64") });

async function makeSendGrid() {
  const published = { name: "published", source: "SendGrid, sendgrid-go, helpers/eventwebhook/eventwebhook_test.go", ...base, now: 1600112502, event_type: "dropped",
    headers: { ...json, "x-twilio-email-event-webhook-timestamp": "1600112502", "x-twilio-email-event-webhook-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=" },
    body: '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
    public_keys: ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="] };
  const vectors = await keyed("sendgrid", { source: "node:crypto, accepted by " + lib("@sendgrid/eventwebhook", "verifySignature"), accepts: accepts.sendgrid,
    sign: sendgridSign, pair: sendgridKey, other: sendgridOther, stable: false,
    cases: [
      ["two events", '[{"email":"example@test.com","timestamp":1513299569,"event":"processed","sg_event_id":"sendgrid_internal_event_id=="},\r\n{"email":"example@test.com","event":"delivered","sg_event_id":"2=="}]\r\n', { event_type: "processed" }],
      ["unicode", '[{"event":"click","category":"größe 🎉"}]\r\n', { event_type: "click" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "sdk", vectors: [await checked("sendgrid", accepts.sendgrid, published, published.public_keys[0]), ...vectors] };
}

async function makeResend() {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  const signature = (body, key) => new StandardWebhook(key).sign(id, new Date(NOW * 1000), body);
  const keys = { secret, old: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", headers: { ...json, "svix-id": id, "svix-timestamp": `${NOW}` }, fields: { event_id: id } };
  const source = lib("standardwebhooks", "sign, accepted by ") + lib("resend", "webhooks.verify");
  const vectors = await vectorsOf("resend", { ...keys, source, accepts: accepts.resend, sign: (body, key) => ({ "svix-signature": signature(body, key) }),
    cases: [
      ["delivered", '{"type":"email.delivered","created_at":"2024-02-22T23:41:12.126Z","data":{"broadcast_id":"8b146471-e88e-4322-86af-016cd36fd216","created_at":"2024-02-22T23:41:11.894719+00:00","email_id":"56761188-7520-42d8-8898-ff6fc54ce618","from":"Acme <onboarding@resend.dev>","to":["delivered@resend.dev"],"subject":"Sending this example"}}', { event_type: "email.delivered" }],
      ["unicode", '{"type":"email.opened","data":{"subject":"größe 🎉"}}', { event_type: "email.opened" }],
      ["minimal", "{}", {}],
    ] });
  vectors.push(...(await vectorsOf("resend", { ...keys, source, accepts: accepts.resend, signs: false, fields: { event_id: id, several: true },
    sign: (body, key) => ({ "svix-signature": `${signature(body, keys.old)} v9,zz ${signature(body, key)}` }),
    cases: [["rotated: two signatures", '{"type":"email.bounced"}', { event_type: "email.bounced" }]] })).slice(0, 1));
  return { evidence: "sdk", vectors };
}

async function makePostmark() {
  const vectors = await vectorsOf("postmark", { source: "node:crypto, from the words of Postmark's docs, Webhooks overview, Basic HTTP authentication",
    secret: "postmark:p:äss", old: "postmark:old", sign: (_, key) => ({ authorization: "Basic " + Buffer.from(key).toString("base64") }), fields: { body_unsigned: true },
    cases: [
      ["bounce", '{"RecordType":"Bounce","MessageStream":"outbound","ID":4323372036854775807,"Type":"HardBounce","TypeCode":1,"MessageID":"883953f4-6105-42a2-a16a-77a8eac79483","Email":"john@example.com","BouncedAt":"2019-11-05T16:33:54.9070259Z"}', { event_type: "Bounce" }],
      ["inbound", '{"FromName":"Grüße 🎉","MessageID":"22c74902-a0c1-4511-804f-341342852c90","Subject":"Test subject"}', {}],
      ["minimal", "{}", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeMandrill() {
  const source = "node:crypto, from the words of Mailchimp Transactional, How to authenticate webhook requests";
  const secret = "KfFuThPttL_KoUyDndHW3A";
  const vector = (name, key, fields, more = {}) => {
    const url = more.url ?? "https://hooks.example.com/mandrill?handler=a%20b";
    const signed = url + Object.keys(fields).sort().map((field) => field + fields[field]).join("");
    return { name, source, ...base, url, headers: { ...form, "x-mandrill-signature": hmac("sha1", key, signed, "base64") },
      ...bodyFields(new URLSearchParams(fields).toString()), secrets: [key], sign: true, ...more };
  };
  const send = { mandrill_events: '[{"event":"send","msg":{"ts":1365109999,"subject":"This an example webhook message","email":"example.webhook@mandrillapp.com","_id":"exampleaaaaaaaaaaaaaaaaaaaaaaaaa","state":"sent"},"_id":"exampleaaaaaaaaaaaaaaaaaaaaaaaaa","ts":1384954004}]' };
  return { evidence: "hand", vectors: [
    vector("sent", secret, send),
    vector("unicode", secret, { mandrill_events: '[{"event":"inbound","msg":{"subject":"größe 🎉 a+b=c&d"}}]' }),
    vector("the test when the webhook is made", "test-webhook", { mandrill_events: "[]" }, { url: "https://hooks.example.com/mandrill" }),
    vector("second secret of two", "old key", send, { secrets: [secret, "old key"], secret_index: 1, sign: false }),
  ] };
}

async function makeMailtrap() {
  const vectors = await vectorsOf("mailtrap", { source: "node:crypto, accepted by " + lib("mailtrap", "verifyWebhookSignature"), accepts: accepts.mailtrap,
    secret: trials.mailtrap.sign, old: "0000000000000000", sign: (body, key) => ({ "mailtrap-signature": hmac("sha256", key, body, "hex") }),
    cases: [
      ["delivered", '{"events":[{"event":"delivery","timestamp":1696418364,"sending_stream":"transactional","message_id":"1df37d17-0286-4d8b-8edf-bc4ec5be86e6","email":"receiver@example.com","event_id":"bede7236-2284-43d6-a953-1fdcafd0fdbc"}]}', { event_type: "delivery" }],
      ["unicode", '{"events":[{"event":"open","category":"größe 🎉"}]}', { event_type: "open" }],
      ["minimal", "{}", {}],
    ] });
  return { evidence: "sdk", vectors };
}

const makeMailPace = async () => ({ evidence: "hand", vectors: await keyed("mailpace", { source: "node:crypto, from the words of MailPace's docs, Webhooks, Verification",
  pair: ed25519("mailpace", "base64"), other: ed25519("mailpace, another", "base64"), sign: (body, key) => ({ "x-mailpace-signature": crypto.sign(null, Buffer.from(body), key).toString("base64") }),
  cases: [
    ["queued", '{"event":"email.queued","payload":{"status":"queued","id":1,"domain_id":1,"created_at":"2021-11-16T14:50:15.445Z","from":"a@example.com","to":"b@example.com","message_id":"<1@mailer.mailpace.com>"}}', { event_type: "email.queued" }],
    ["unicode", '{"event":"email.bounced","payload":{"subject":"größe 🎉"}}', { event_type: "email.bounced" }],
    ["empty body", "", {}],
  ] }) });

async function makeEmailit() {
  const vectors = await vectorsOf("emailit", { source: "node:crypto, from the words of Emailit's docs, Webhooks, Request signature", secret: "5f0c2e4b8d7a1f3e", old: "0000000000000000",
    sign: (body, key) => ({ "x-emailit-timestamp": `${NOW}`, "x-emailit-signature": hmac("sha256", key, cat(`${NOW}.`, body), "hex") }),
    cases: [
      ["delivered", '{"event_id":"evt_2bH7kNwP5mQaV1sXgIdKe6pZr","type":"email.delivered","data":{"object":{"id":"em_4yM2nTvR8oPcX3uZiKeLg7sB","object":"email"}}}', { event_id: "evt_2bH7kNwP5mQaV1sXgIdKe6pZr", event_type: "email.delivered" }],
      ["several events", '[{"event_id":"evt_1","type":"email.loaded"},{"event_id":"evt_2","type":"email.clicked"}]', { event_type: "email.loaded" }],
      ["unicode", '{"event_id":"evt_3","type":"email.bounced","data":{"subject":"größe 🎉"}}', { event_id: "evt_3", event_type: "email.bounced" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeLettermint() {
  const vectors = await vectorsOf("lettermint", { source: "node:crypto, from Lettermint's library for Python, webhook.py", secret: "whsec_abc123DEF456", old: "whsec_old",
    headers: { ...json, "x-lettermint-delivery": `${NOW}` }, sign: (body, key) => ({ "x-lettermint-signature": `t=${NOW},v1=` + hmac("sha256", key, cat(`${NOW}.`, body), "hex") }),
    cases: [
      ["delivered", '{"event":"message.delivered","data":{"message_id":"1","recipient":"a@example.com"}}', { event_type: "message.delivered" }],
      ["unicode", '{"event":"message.inbound","data":{"subject":"größe 🎉"}}', { event_type: "message.inbound" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

const makePostal = async () => ({ evidence: "hand", vectors: await keyed("postal", { source: "node:crypto, from the sender, postalserver/postal, lib/postal/http.rb and signer.rb", pair: rsa(), other: rsa(),
  headers: { ...json, "x-postal-signature-kid": "0".repeat(64) }, sign: (body, key) => ({ "x-postal-signature-256": crypto.sign("sha256", Buffer.from(body), key).toString("base64"),
    "x-postal-signature": crypto.sign("sha1", Buffer.from(body), key).toString("base64") }),
  cases: [
    ["sent", '{"event":"MessageSent","timestamp":1477945177.12994,"payload":{"status":"Sent","message":{"id":12345,"token":"abcdef123","subject":"Welcome to AwesomeApp"}},"uuid":"0458fed6-1d85-4e2b-8d7a-5f1f0a3c9b7e"}', { event_id: "0458fed6-1d85-4e2b-8d7a-5f1f0a3c9b7e", event_type: "MessageSent" }],
    ["unicode", '{"event":"MessageHeld","payload":{"subject":"größe 🎉"},"uuid":"2"}', { event_id: "2", event_type: "MessageHeld" }],
    ["empty body", "", {}],
  ] }) });

async function makeBrevo() {
  const vectors = await vectorsOf("brevo", { source: "docs: Brevo, Secure webhook calls, Bearer token authorization (the token itself is sent)", secret: "wh-tok_new", old: "wh-tok_old",
    sign: (_, token) => ({ authorization: "Bearer " + token }), fields: { body_unsigned: true },
    cases: [
      ["delivered", '{"event":"delivered","email":"example@example.com","id":26224,"date":"2022-07-11 12:12:31","ts":1657527151,"message-id":"<201798300811.5787683@relay.domain.com>","subject":"My first Transactional"}', { event_type: "delivered" }],
      ["unicode", '{"event":"opened","subject":"größe 🎉"}', { event_type: "opened" }],
      ["minimal", "{}", {}],
    ] });
  return { evidence: "hand", vectors };
}

export const make = async () => ({
  "sendgrid": await makeSendGrid(),
  "resend": await makeResend(),
  "postmark": await makePostmark(),
  "mandrill": await makeMandrill(),
  "mailtrap": await makeMailtrap(),
  "mailpace": await makeMailPace(),
  "emailit": await makeEmailit(),
  "lettermint": await makeLettermint(),
  "postal": await makePostal(),
  "brevo": await makeBrevo(),
});
