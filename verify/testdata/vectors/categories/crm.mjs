// CRM, support and marketing.
import { form, json } from "../lib.mjs";
import { bodyHMAC, joined, series, words } from "../series.mjs";

export const make = async () => ({
  "attio": { evidence: "hand", vectors: await series({
    provider: "attio", source: words("Attio docs, Webhooks, Authenticating"), secret: "d26f58e0ad0cdbb6bd8b2a2f4e8b8b7c", other: "1f1bb1a45bfb3c5bd8b2e6d5c4f3a2b1",
    sign: bodyHMAC("attio-signature", "sha256", "hex"),
    headers: { ...json, "idempotency-key": "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11" },
    body: { webhook_id: "23e42eaf-323a-41da-b5bb-fd67eebda553", events: [{ event_type: "note.created", id: { workspace_id: "14beef7a", note_id: "6b8e29f2" }, actor: { type: "workspace-member", id: "50cf242c" } }] },
    identity: { event_id: "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11" }, bare: { event_id: "f2b7e1f0-5a4f-4a5e-9d0b-3f8f0a6d7c11" },
  }) },
  "customerio": { evidence: "hand", vectors: await series({
    provider: "customerio", source: words("Customer.io docs, Reporting webhooks, Securely verify requests"), secret: "755781b5e03a973f3405a85474d5a032a60fd56fabaad66039b12eadd83955fa", other: "0011223344556677889900aabbccddeeff",
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
  "intercom": { evidence: "hand", vectors: await series({
    provider: "intercom", source: words("Intercom docs, Signed notifications"), secret: "2b6b2d6b-4a5e-4b5f-9d43-1f4d3b8ef0a1", other: "another-client-secret",
    sign: bodyHMAC("x-hub-signature", "sha1", "hex", "sha1="),
    body: { type: "notification_event", id: "notif_78c122d0-23ba-11e4-9464-79b01267cc2e", topic: "user.created", app_id: "a86dr8yl", data: { type: "notification_event_data", item: { type: "user", id: "530370b477ad7120001d", name: "Hoban Washburne" } } },
    identity: { event_id: "notif_78c122d0-23ba-11e4-9464-79b01267cc2e", event_type: "user.created" },
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
