// Forms, scheduling and documents.
import { createRequire } from "node:module";
import { StandardWebhook } from "../sdks.mjs";
import { form, json, lib, refuseUnless } from "../lib.mjs";
import { bodyHMAC, joined, series, token, words } from "../series.mjs";

const Box = createRequire(import.meta.url)("box-node-sdk");

export const accepts = {
  "box": (hook) => {
    const headers = { "box-signature-version": "1", "box-signature-algorithm": "HmacSHA256", ...hook.headers };
    const keyOf = (which) => headers[`box-signature-${which}`] && hook.secret;
    refuseUnless(Box.validateWebhookMessage(hook.body.toString(), headers, keyOf("primary"), keyOf("secondary")), "validateWebhookMessage returned false");
  },
  "formbricks": (hook) => { new StandardWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false }); },
};

export const trials = { "box": { sign: "Tk9UIEEgS0VZ" } };

const boxHeaders = { ...json, "box-delivery-id": "673a081b-bb4b-4d45-b4f1-4131a29c1d07", "box-signature-version": "1", "box-signature-algorithm": "HmacSHA256" };
const boxSign = (which) => (body, key, now) => {
  const at = new Date(now * 1000).toISOString().replace(".000Z", "Z");
  return { "box-delivery-timestamp": at, [`box-signature-${which}`]: joined("sha256", key, [body, at], "base64") };
};
const standard = (id) => (body, key, now) => ({ "webhook-id": id, "webhook-timestamp": String(now), "webhook-signature": new StandardWebhook(key).sign(id, new Date(now * 1000), body.toString()) });
const envelope = '{"event":"envelope-completed","apiVersion":"v2.1","uri":"/restapi/v2.1/accounts/1/envelopes/6e4b2b1c","retryCount":0,"configurationId":10418598,"generatedDateTime":"2026-01-02T03:04:05.0000000Z","data":{"accountId":"1","envelopeId":"6e4b2b1c"}}';

export const make = async () => ({
  "box": { evidence: "sdk", vectors: await series({
    provider: "box", source: "node:crypto, accepted by " + lib("box-node-sdk", "validateWebhookMessage"), accepts: accepts.box, secret: "Fd28OJrZ8oNxkgmS7TbjXNgrG8v", other: "WGNyvHCe0Pal4yrKIFMGrBCkxUX",
    sign: boxSign("primary"), headers: boxHeaders,
    body: { type: "webhook_event", id: "eb0c4e06-751f-442c-86f8-fd5bb404dbec", created_at: "2016-07-11T10:10:32-07:00", trigger: "FILE.UPLOADED", webhook: { id: "53", type: "webhook" }, source: { id: "73835521473", type: "file", name: "Test-Image-3.png" } },
    identity: { event_id: "eb0c4e06-751f-442c-86f8-fd5bb404dbec", event_type: "FILE.UPLOADED" },
    more: {
      "a zone of its own, escaped as Box writes": { body: '{"type":"webhook_event","id":"e2","trigger":"FILE.UPLOADED","name":"\\u00fc \\/"}', event_id: "e2", event_type: "FILE.UPLOADED", sign: false,
        headers: { "box-delivery-timestamp": "2026-01-01T20:04:05-07:00", "box-signature-primary": joined("sha256", "Fd28OJrZ8oNxkgmS7TbjXNgrG8v", ['{"type":"webhook_event","id":"e2","trigger":"FILE.UPLOADED","name":"\\u00fc \\/"}', "2026-01-01T20:04:05-07:00"], "base64") } },
    },
  }).then(async (vectors) => vectors.concat(await series({
    provider: "box", source: "node:crypto, accepted by " + lib("box-node-sdk", "validateWebhookMessage"), accepts: accepts.box, secret: "Fd28OJrZ8oNxkgmS7TbjXNgrG8v", other: "WGNyvHCe0Pal4yrKIFMGrBCkxUX",
    sign: boxSign("secondary"), headers: boxHeaders, body: { type: "webhook_event", id: "e3", trigger: "COMMENT.CREATED" }, identity: { event_id: "e3", event_type: "COMMENT.CREATED" }, fields: { sign: false },
  }).then((list) => list.filter((v) => v.name === "second secret of two").map((v) => ({ ...v, name: "secondary header and key" })))) ) },
  "calcom": { evidence: "hand", vectors: await series({
    provider: "calcom", source: words("the sender's source, features/webhooks/lib/sendPayload.ts"), secret: "my-webhook-secret", other: "another",
    sign: bodyHMAC("x-cal-signature-256", "sha256", "hex"),
    body: { triggerEvent: "BOOKING_CREATED", createdAt: "2023-05-24T09:30:00.538Z", payload: { type: "60min", title: "60min between Pro Example and John Doe", uid: "bFJeNb2uX8ANpT3JL5EfXw", bookingId: 91 } },
    identity: { event_type: "BOOKING_CREATED" },
    more: { "form": { body: "content=Booked+%C3%BC&a=1", headers: form } },
  }) },
  "calendly": { evidence: "hand", vectors: await series({
    provider: "calendly", source: words("Calendly docs, Webhook signatures"), secret: "5mEzn9C-I28UtwOjZJtFoob0sAAFZ95GbZkqj4y3i0I", other: "another signing key",
    sign: (body, key, now) => ({ "calendly-webhook-signature": `t=${now},v1=${joined("sha256", key, [`${now}.`, body], "hex")}` }),
    body: { created_at: "2020-11-23T17:51:19.000000Z", created_by: "https://api.calendly.com/users/AAAAAAAAAAAAAAAA", event: "invitee.created", payload: { email: "test@example.com", uri: "https://api.calendly.com/scheduled_events/AAAAAAAAAAAAAAAA/invitees/BBBBBBBBBBBBBBBB" } },
    identity: { event_type: "invitee.created" },
  }) },
  "documenso": { evidence: "hand", vectors: await series({
    provider: "documenso", source: words("Documenso docs, Verification"), secret: "your_webhook_secret_here", other: "another",
    sign: token("x-documenso-secret"), fields: { body_unsigned: true },
    body: { event: "DOCUMENT_COMPLETED", payload: { id: 10, envelopeId: "envelope_abcdefghijklmnop", title: "contract.pdf", status: "COMPLETED" }, createdAt: "2024-04-22T11:52:18.277Z", webhookEndpoint: "https://hooks.example.com/in" },
    identity: { event_type: "DOCUMENT_COMPLETED" },
  }) },
  "docusign": { evidence: "hand", vectors: await series({
    provider: "docusign", source: words("the official sample code-examples-node, validateWebhookMessage.js"), secret: "t7VSa1k5RZCM0WWQnxYt2mP4bXo9cLdE8hJ3fUgI6sA=", other: "0KqE1wRrT2yYuU3iIoO4pPaA5sSdD6fFgG7hHjJ8kK0=",
    sign: bodyHMAC("x-docusign-signature-1", "sha256", "base64"), body: JSON.parse(envelope), identity: { event_type: "envelope-completed" },
    more: {
      "the third key's": { body: envelope, event_type: "envelope-completed", sign: false, headers: { "x-docusign-signature-1": undefined, ...bodyHMAC("x-docusign-signature-3", "sha256", "base64")(envelope, "t7VSa1k5RZCM0WWQnxYt2mP4bXo9cLdE8hJ3fUgI6sA=") } },
      "XML": { body: '<?xml version="1.0" encoding="utf-8"?><DocuSignEnvelopeInformation/>', headers: { "content-type": "text/xml; charset=utf-8" } },
    },
  }) },
  "dropbox": { evidence: "hand", vectors: await series({
    provider: "dropbox", source: words("the official sample mdwebhook, app.py"), secret: "abcdefghijklmno", other: "pqrstuvwxyz0123",
    sign: bodyHMAC("x-dropbox-signature", "sha256", "hex"),
    body: { list_folder: { accounts: ["dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"] }, delta: { users: [12345678] } },
  }) },
  "formbricks": { evidence: "sdk", vectors: await series({
    provider: "formbricks", source: lib("standardwebhooks", "sign, accepted by verify"), accepts: accepts.formbricks, text: true,
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", other: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhro=",
    sign: standard("019ba292-c1f6-7618-aaf2-ecf8e39d1cc7"),
    body: { webhookId: "cljwxvjos0003qhnvj2jg4k5i", event: "responseCreated", data: { id: "cljwy2m8r0001qhclco1godnu", surveyId: "cljsf3d7a000019cv9apt2t27", finished: false } },
    identity: { event_id: "019ba292-c1f6-7618-aaf2-ecf8e39d1cc7", event_type: "responseCreated" }, bare: { event_id: "019ba292-c1f6-7618-aaf2-ecf8e39d1cc7" },
  }) },
  "google-channel": { evidence: "hand", vectors: await series({
    provider: "google-channel", source: words("Google Drive docs, Notifications for resource changes"), secret: "target=myApp-myFilesChannelDest", other: "another channel token", fields: { body_unsigned: true }, text: true,
    sign: token("x-goog-channel-token"), body: "",
    headers: { "x-goog-channel-id": "4ba78bf0-6a47-11e2-bcfd-0800200c9a66", "x-goog-channel-expiration": "Fri, 02 Jan 2026 09:04:05 GMT", "x-goog-resource-id": "ret08u3rv24htgh289g", "x-goog-resource-uri": "https://www.googleapis.com/drive/v3/files/ret08u3rv24htgh289g", "x-goog-resource-state": "update", "x-goog-changed": "content,properties", "x-goog-message-number": "10" },
    identity: { event_id: "10", event_type: "update" }, bare: { event_id: "10", event_type: "update" },
    more: { "sync": { body: "", headers: { "x-goog-resource-state": "sync", "x-goog-message-number": "1" }, event_id: "1", event_type: "sync" } },
  }) },
  "nylas": { evidence: "hand", vectors: await series({
    provider: "nylas", source: words("the official Nylas CLI, webhookserver/signature.go"), secret: "KhiqmuvZkyfE4gx2rr5pi5vEkGBC9xuP", other: "another webhook secret",
    sign: bodyHMAC("x-nylas-signature", "sha256", "hex"),
    body: { specversion: "1.0", type: "message.created", source: "/google/emails/realtime", id: "mock-id", time: 1723821985, webhook_delivery_attempt: 1, data: { application_id: "NYLAS_APPLICATION_ID", object: { id: "18df98cadcc8534a", grant_id: "9f2a3c", object: "message" } } },
    identity: { event_id: "mock-id", event_type: "message.created" },
  }) },
  "tally": { evidence: "hand", vectors: await series({
    provider: "tally", source: words("Tally help, Webhooks, Add a signing secret"), secret: "3c2f6f2e-7a8e-4f9a-9c1d-0d8a8d1d5c11", other: "another signing secret",
    sign: bodyHMAC("tally-signature", "sha256", "base64"),
    body: { eventId: "a4cb511e-d513-4fa5-baee-b815d718dfd1", eventType: "FORM_RESPONSE", createdAt: "2023-06-28T15:00:21.889Z", data: { responseId: "2wgx4n", formId: "VwbNEw", fields: [] } },
    identity: { event_id: "a4cb511e-d513-4fa5-baee-b815d718dfd1", event_type: "FORM_RESPONSE" },
  }) },
  "typeform": { evidence: "hand", vectors: await series({
    provider: "typeform", source: words("Typeform docs, Secure your webhooks"), secret: "f10dcf2d80c0ce5a2f0b9e9d5f3b1a4e7c6d8b9a", other: "another",
    sign: bodyHMAC("typeform-signature", "sha256", "base64", "sha256="),
    body: { event_id: "LtWXD3crgy", event_type: "form_response", form_response: { form_id: "lT4Z3j", token: "a3a12ec67a1365927098a606107fac15", submitted_at: "2018-01-18T18:17:02Z", answers: [] } },
    identity: { event_id: "LtWXD3crgy", event_type: "form_response" },
  }) },
  "yousign": { evidence: "hand", vectors: await series({
    provider: "yousign", source: words("Yousign docs, Webhook signature"), secret: "f3b1a9c7d5e2486090a1b2c3d4e5f607", other: "another secret key",
    sign: bodyHMAC("x-yousign-signature-256", "sha256", "hex", "sha256="), headers: { ...json, "x-yousign-retry": "0", "x-yousign-issued-at": "2026-01-02T03:04:05+00:00" },
    body: { event_id: "b6c63685-c556-4a30-8fe9-b6f2b187d936", event_name: "signature_request.activated", event_time: "1670855889", subscription_id: "webhook-subscription-id", sandbox: false, data: { signature_request: { id: "xxx-xxx", status: "approval" } } },
    identity: { event_id: "b6c63685-c556-4a30-8fe9-b6f2b187d936", event_type: "signature_request.activated" },
  }) },
});
