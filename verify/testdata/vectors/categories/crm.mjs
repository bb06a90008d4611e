// CRM, support and marketing.
import { createRequire } from "node:module";
import { form, json, lib, refuseUnless } from "../lib.mjs";
import { bodyHMAC, hashed, joined, series, words } from "../series.mjs";

const { Signature } = createRequire(import.meta.url)("@hubspot/api-client");

const hubspot = (signatureVersion) => (hook) => {
  const ok = Signature.isValid({ signatureVersion, signature: hook.headers["x-hubspot-signature"], clientSecret: hook.secret, requestBody: hook.body.toString(), method: hook.method, url: hook.url });
  refuseUnless(ok, "isValid returned false");
};

export const accepts = { "hubspot-v1": hubspot("v1"), "hubspot-v2": hubspot("v2") };

const hubspotSource = (how) => how + "accepted by " + lib("@hubspot/api-client", "Signature.isValid");
const hubspotSecret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"; // as in the library's tests
const klaviyoAt = (now) => new Date(now * 1000).toUTCString();

export const make = async () => ({
  "attio": { evidence: "hand", vectors: await series({
    provider: "attio", source: words("Attio docs, Webhooks, Authenticating"), secret: "d26f58e0ad0cdbb6bd8b2a2f4e8b8b7c", other: "1f1bb1a45bfb3c5bd8b2e6d5c4f3a2b1",
    sign: bodyHMAC("attio-signature", "sha256", "hex"),
    headers: { ...json, "idempotency-key": "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11" },
    body: { webhook_id: "23e42eaf-323a-41da-b5bb-fd67eebda553", events: [{ event_type: "note.created", id: { workspace_id: "14beef7a", note_id: "6b8e29f2" }, actor: { type: "workspace-member", id: "50cf242c" } }] },
    identity: { event_id: "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11", event_type: "note.created" }, bare: { event_id: "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11" },
  }) },
  "close": { evidence: "hand", vectors: await series({
    provider: "close", source: words("Close docs, Webhook signatures"), secret: "2c1f4a6b8d0e3f5a7c9b1d3e5f7a9c1b3d5e7f9a1c3b5d7e9f1a3c5b7d9e1f3a", other: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    sign: (body, key, now) => ({ "close-sig-timestamp": String(now), "close-sig-hash": joined("sha256", Buffer.from(key, "hex"), [String(now), body], "hex") }),
    body: { event: { id: "ev_2sYKRjcrA79yKxi3S4Crd7", action: "updated", object_type: "opportunity", object_id: "oppo_7H4sjNso7FyBFaeR3RXi5PMJbilfo0c6UPCxsJtEhCO", changed_fields: ["confidence"] }, subscription_id: "whsub_8wFaCLDxD2Tde6L3NKVFn9" },
    identity: { event_id: "ev_2sYKRjcrA79yKxi3S4Crd7", event_type: "opportunity" },
  }) },
  "customerio": { evidence: "hand", vectors: await series({
    provider: "customerio", source: words("Customer.io docs, Securely verifying requests, as receivers quote them"), secret: "755781b5e03a973f3405a85474d5a032a60fd56fabaad66039b12eadd83955fa", other: "0011223344556677889900aabbccddeeff",
    sign: (body, key, now) => ({ "x-cio-timestamp": String(now), "x-cio-signature": joined("sha256", key, [`v0:${now}:`, body], "hex") }),
    body: { data: { customer_id: "0200102", delivery_id: "RPILAgUBcRhIBqSp7kiPekGBIeVh", recipient: "a@example.com" }, event_id: "01ASDG7S9P6MAKJCVPFLPSK1H2", object_type: "email", metric: "sent", timestamp: 1613063089 },
    identity: { event_id: "01ASDG7S9P6MAKJCVPFLPSK1H2", event_type: "sent" },
  }) },
  "frappe": { evidence: "hand", vectors: await series({
    provider: "frappe", source: words("the sender's source, frappe/integrations/doctype/webhook/webhook.py"), secret: "a random webhook secret", other: "another",
    sign: bodyHMAC("x-frappe-webhook-signature", "sha256", "base64"), headers: {},
    body: '{"name": "SAL-ORD-2026-00001", "customer": "Gr\\u00fcn", "grand_total": 12.5}',
    more: { "empty list": { body: "[]" } },
  }) },
  "front": { evidence: "hand", vectors: await series({
    provider: "front", source: words("Front docs, Application webhooks, Verifying integrity"), secret: "f8b1c9e06d3a4c2b9a7e5d4c3b2a1908", other: "00112233445566778899aabbccddeeff",
    sign: (body, key, now) => ({ "x-front-request-timestamp": String(now * 1000), "x-front-signature": joined("sha256", key, [`${now * 1000}:`, body], "base64") }),
    body: { type: "inbound_received", authorization: { id: "cmp_abc" }, payload: { id: "evt_55c8c149", type: "inbound", emitted_at: 1453770984.123 } },
    identity: { event_type: "inbound_received" },
    more: { "validation": { body: '{"type":"sync","authorization":{"id":"cmp_abc"}}', event_type: "sync", headers: { "x-front-challenge": "2Bq7xYz" } } },
  }) },
  "front-rules": { evidence: "hand", vectors: await series({
    provider: "front-rules", source: words("Front docs, Rule webhooks, Validating data integrity"), secret: "f8b1c9e06d3a4c2b", other: "0011223344556677",
    sign: bodyHMAC("x-front-signature", "sha1", "base64"),
    body: { type: "inbound", conversation: { id: "cnv_55c8c149", subject: "Where is my order?" }, emitted_at: 1453770984.123 },
    identity: { event_type: "inbound" },
  }) },
  "help-scout": { evidence: "hand", vectors: await series({
    provider: "help-scout", source: words("the official helpscout-api-php, Webhooks/IncomingWebhook.php"), secret: "asdfasdf", other: "qwertyuiop",
    sign: bodyHMAC("x-helpscout-signature", "sha1", "base64"), headers: { ...json, "x-helpscout-event": "convo.created" },
    body: { id: 10, folderId: 12, number: 1, subject: "I need help!", mailbox: { id: 3 } },
    identity: { event_type: "convo.created" }, bare: { event_type: "convo.created" },
  }) },
  "hubspot-v1": { evidence: "sdk", vectors: await series({
    provider: "hubspot-v1", source: hubspotSource("node:crypto, "), accepts: accepts["hubspot-v1"], secret: hubspotSecret, other: "another client secret",
    sign: hashed("x-hubspot-signature", "sha256", (body, key) => [key, body]), headers: { ...json, "x-hubspot-signature-version": "v1" },
    body: [{ eventId: 1, subscriptionId: 12345, portalId: 62515, occurredAt: 1564113600000, subscriptionType: "contact.creation", attemptNumber: 0, objectId: 123, changeSource: "CRM", changeFlag: "NEW", appId: 54321 }], identity: { event_type: "contact.creation" },
    more: { "published": { event_type: "contact.creation", source: hubspotSource("@hubspot/api-client, its tests, "), headers: { "x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de" },
      body: '[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]' } },
  }) },
  "hubspot-v2": { evidence: "sdk", vectors: await series({
    provider: "hubspot-v2", source: hubspotSource("node:crypto, "), accepts: accepts["hubspot-v2"], secret: hubspotSecret, other: "another client secret",
    sign: hashed("x-hubspot-signature", "sha256", (body, key) => [key, "POST", "https://hooks.example.com/in?a=1&b=%20", body]), headers: { ...json, "x-hubspot-signature-version": "v2" },
    fields: { url: "https://hooks.example.com/in?a=1&b=%20" }, body: { example_field: "example_value", portalId: 62515 },
    more: {
      "published": { source: hubspotSource("@hubspot/api-client, its tests, "), url: "https://www.example.com/webhook_uri", headers: { "x-hubspot-signature": "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900" }, body: '{"example_field":"example_value"}' },
      "published, GET": { source: hubspotSource("@hubspot/api-client, its tests, "), method: "GET", url: "https://www.example.com/webhook_uri", headers: { "x-hubspot-signature": "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e" }, body: "" },
    },
  }) },
  "intercom": { evidence: "hand", vectors: await series({
    provider: "intercom", source: words("Intercom docs, Signed notifications"), secret: "2b6b2d6b-4a5e-4b5f-9d43-1f4d3b8ef0a1", other: "another-client-secret",
    sign: bodyHMAC("x-hub-signature", "sha1", "hex", "sha1="),
    body: { type: "notification_event", id: "notif_78c122d0-23ba-11e4-9464-79b01267cc2e", topic: "user.created", app_id: "a86dr8yl", data: { type: "notification_event_data", item: { type: "user", id: "530370b477ad7120001d", name: "Hoban Washburne" } } },
    identity: { event_id: "notif_78c122d0-23ba-11e4-9464-79b01267cc2e", event_type: "user.created" },
  }) },
  "klaviyo": { evidence: "hand", vectors: await series({
    provider: "klaviyo", source: words("Klaviyo docs, Working with system webhooks"), secret: "a secret of 16 or more characters", other: "another secret of 16 or more", whole: true,
    sign: (body, key, now) => ({ "klaviyo-timestamp": klaviyoAt(now), "klaviyo-signature": joined("sha256", key, [body, klaviyoAt(now)], "hex") }), headers: { ...json, "klaviyo-webhook-id": "01HPXJTRGFKTDWM4W6E4BXFD9N" }, fields: { sign: false },
    body: { meta: { klaviyo_account_id: "XYZabc", klaviyo_webhook_id: "01HPXJTRGFKTDWM4W6E4BXFD9N", timestamp: "2026-01-02T03:04:05.101159+00:00" }, data: [{ topic: "event:klaviyo.email_delivered", external_id: "4vRpBT", payload: { data: { type: "event", id: "4vRpBT" } } }] }, identity: { event_type: "event:klaviyo.email_delivered" },
    more: { "a time of the other form in the header": { body: '{"data":[],"meta":{"timestamp":"2026-01-02T03:04:05+00:00"}}',
      headers: { "klaviyo-timestamp": "2026-01-02T03:04:05+00:00", "klaviyo-signature": joined("sha256", "a secret of 16 or more characters", ['{"data":[],"meta":{"timestamp":"2026-01-02T03:04:05+00:00"}}', "2026-01-02T03:04:05+00:00"], "hex") } } },
  }) },
  "mautic": { evidence: "hand", vectors: await series({
    provider: "mautic", source: words("the sender's source, WebhookBundle/Http/Client.php"), secret: "8c3f5d2e9a1b", other: "0f0e0d0c0b0a",
    sign: bodyHMAC("webhook-signature", "sha256", "base64"), headers: { ...json, "x-origin-base-url": "https://mautic.example.com" },
    body: { "mautic.lead_post_save_new": [{ contact: { id: 12, points: 0, fields: { core: { email: { value: "a@example.com" } } } }, timestamp: "2026-01-02T03:04:05+00:00" }] },
  }) },
  "segment": { evidence: "hand", vectors: await series({
    provider: "segment", source: words("Segment docs, Webhooks (Actions) and Webhooks, Authentication"), secret: "sharedsecretvalue", other: "another one",
    sign: bodyHMAC("x-signature", "sha1", "hex"),
    body: { version: 1, type: "track", messageId: "segment-test-message-1dy0v", userId: "019mr8mf4r", event: "Purchased an Item", properties: { revenue: 39.95 }, timestamp: "2012-12-02T00:30:08.276Z" },
    identity: { event_id: "segment-test-message-1dy0v", event_type: "track" },
  }) },
  "twenty": { evidence: "hand", vectors: await series({
    provider: "twenty", source: words("the sender's source, call-webhook.job.ts"), secret: "7f3c1a9e5d2b4860", other: "0011223344556677",
    sign: (body, key, now) => ({ "x-twenty-webhook-timestamp": String(now * 1000), "x-twenty-webhook-signature": joined("sha256", key, [`${now * 1000}:`, body], "hex") }),
    headers: { ...json, "x-twenty-webhook-nonce": "2d5b0e7f9c3a41688d1f0b6c4e2a7593" },
    body: { targetUrl: "https://hooks.example.com/in", eventName: "person.created", objectMetadata: { id: "370985db", nameSingular: "person" }, workspaceId: "872cfcf1", webhookId: "90ef8a1e", eventDate: "2026-01-02T03:04:05.000Z", record: { id: "b11a1c3e" } },
    identity: { event_type: "person.created" },
  }) },
  "zammad": { evidence: "hand", vectors: await series({
    provider: "zammad", source: words("Zammad docs, Adding webhooks"), secret: "a signature token", other: "another token",
    sign: bodyHMAC("x-hub-signature", "sha1", "hex", "sha1="), headers: { ...json, "x-zammad-trigger": "Notify on new tickets", "x-zammad-delivery": "e2f9c1b0-6a7f-4f0d-8a55-2f0c1d3b4a59" },
    body: { ticket: { id: 81, number: "10081", title: "Printer", state: "new" }, article: { id: 109, body: "It is on fire" } },
    identity: { event_id: "e2f9c1b0-6a7f-4f0d-8a55-2f0c1d3b4a59", event_type: "Notify on new tickets" }, bare: { event_id: "e2f9c1b0-6a7f-4f0d-8a55-2f0c1d3b4a59", event_type: "Notify on new tickets" },
  }) },
  "zendesk": { evidence: "hand", vectors: await series({
    provider: "zendesk", source: words("Zendesk docs, Verifying webhook authenticity"), secret: "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", other: "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=",
    sign: (body, key, now) => { const at = new Date(now * 1000).toISOString().replace(".000", ""); return { "x-zendesk-webhook-signature-timestamp": at, "x-zendesk-webhook-signature": joined("sha256", key, [at, body], "base64") }; },
    headers: { ...json, "x-zendesk-webhook-invocation-id": "01FP1QHGGTJ8ZV4ZY7XJ2C5Y3H", "x-zendesk-webhook-id": "01FNF5XJ3M3Q5Q" },
    body: { type: "zen:event-type:user.created", account_id: 22129848, id: "2b24ef10-19d2-4740-93cf-2f98ec4776c0", time: "2099-07-04T05:33:18Z", zendesk_event_version: "2022-11-06", event: {}, detail: { email: "a@example.com", id: "6596848315901" } },
    identity: { event_id: "01FP1QHGGTJ8ZV4ZY7XJ2C5Y3H", event_type: "zen:event-type:user.created" }, bare: { event_id: "01FP1QHGGTJ8ZV4ZY7XJ2C5Y3H" },
    more: {
      "form": { body: "ticket=35436&title=Hilfe%21+%C3%BC", event_id: "01FP1QHGGTJ8ZV4ZY7XJ2C5Y3H", headers: form },
      "no body": { body: "", event_id: "01FP1QHGGTJ8ZV4ZY7XJ2C5Y3H" },
    },
  }) },
});
