// Commerce; Shopify is in make.mjs.
import EasyPost from "@easypost/api";
import { StandardWebhook } from "../sdks.mjs";
import { json, lib } from "../lib.mjs";
import { bodyHMAC, hashed, series, words } from "../series.mjs";

const easypost = new (EasyPost.default ?? EasyPost)("none");

// BigCommerce has the client secret brought into base64 for the library, which decodes it.
const bigcommerce = (secret) => new StandardWebhook(Buffer.from(secret).toString("base64"));

export const accepts = {
  "bigcommerce": (hook) => { bigcommerce(hook.secret).verify(hook.body, hook.headers, { jsonParse: false }); },
  "easypost": (hook) => { easypost.Utils.validateWebhook(hook.body, hook.headers, hook.secret); },
};

export const trials = { "bigcommerce": { sign: "3f9ea420af83450d7ef9f78b08c8af25" }, "easypost": { bodies: ["JSON"] } }; // it parses the body

const squarespace = (body, key) => bodyHMAC("squarespace-signature", "sha256", "hex")(body, Buffer.from(key, "hex"));
const aftership = { event: "tracking_update", event_id: "fa9eb9a2-5c0f-4b8f-9d26-1f3d3a5c7e90", is_tracking_first_tag: true, ts: 1767323045, msg: { id: "5b7658cec7c33c0e007de3c5", tracking_number: "1234567890", tag: "Delivered" } };

export const make = async () => ({
  "aftership": { evidence: "hand", vectors: await series({
    provider: "aftership", source: words("AfterShip docs, Webhook signature"), secret: "15d79e5c1b7d3b4a", other: "another webhook secret",
    sign: bodyHMAC("aftership-hmac-sha256", "sha256", "base64"), body: aftership, identity: { event_id: aftership.event_id, event_type: "tracking_update" },
    more: Object.fromEntries(["am-webhook-signature", "as-signature-hmac-sha256"].map((name) => [`${name}`, { body: '{"event":"label.create"}', event_type: "label.create",
      headers: { "aftership-hmac-sha256": undefined, ...bodyHMAC(name, "sha256", "base64")('{"event":"label.create"}', "15d79e5c1b7d3b4a") } }])),
  }) },
  "bigcommerce": { evidence: "sdk", vectors: await series({
    provider: "bigcommerce", source: lib("standardwebhooks", "sign, accepted by verify, with the secret encoded as BigCommerce's documentation does"), accepts: accepts.bigcommerce, text: true,
    secret: "6b1f0a8d3c5e7b9d2f4a6c8e0b1d3f5a7c9e1b3d5f7a9c1e3b5d7f9a1c3e5b7d", other: "another client secret",
    sign: (body, key, now) => ({ "webhook-id": "msg_3f9ea420", "webhook-timestamp": String(now), "webhook-signature": bigcommerce(key).sign("msg_3f9ea420", new Date(now * 1000), body.toString()) }),
    body: { store_id: "11111", producer: "stores/abcde", scope: "store/order/statusUpdated", data: { type: "order", id: 173331 }, hash: "3f9ea420af83450d7ef9f78b08c8af25b2213637", created_at: 1688588419 },
    identity: { event_id: "msg_3f9ea420", event_type: "store/order/statusUpdated" }, bare: { event_id: "msg_3f9ea420" },
  }) },
  "easypost": { evidence: "sdk", vectors: await series({
    provider: "easypost", source: "node:crypto, accepted by " + lib("@easypost/api", "Utils.validateWebhook"), accepts: accepts.easypost, secret: "sekret", other: "another secret",
    sign: bodyHMAC("x-hmac-signature", "sha256", "hex", "hmac-sha256-hex="),
    body: { description: "tracker.updated", mode: "test", id: "evt_f8b9d6f2c4a04e0f", object: "Event", result: { id: "trk_1", object: "Tracker", status: "delivered" } },
    identity: { event_id: "evt_f8b9d6f2c4a04e0f", event_type: "tracker.updated" },
    more: { "a weight": { body: '{"id":"evt_2","description":"batch.created","result":{"weight": 136.0}}', event_id: "evt_2", event_type: "batch.created" } },
  }) },
  "recharge": { evidence: "hand", vectors: await series({
    provider: "recharge", source: words("Recharge docs, Validating webhooks, as receivers quote them"), secret: "a1b2c3d4e5f60718293a4b5c6d7e8f90", other: "another client secret",
    sign: hashed("x-recharge-hmac-sha256", "sha256", (body, key) => [key, body]), headers: { ...json, "x-recharge-topic": "charge/paid" },
    body: { charge: { id: 123, status: "success", total_price: "10.00", customer: { email: "a@example.com" } } }, identity: { event_type: "charge/paid" }, bare: { event_type: "charge/paid" },
  }) },
  "shopware": { evidence: "hand", vectors: await series({
    provider: "shopware", source: words("the official Shopware\\App\\SDK, RequestVerifier"), secret: "5f3a9c1b7e2d4860a1b2c3d4e5f60718", other: "another shop's secret",
    sign: bodyHMAC("shopware-shop-signature", "sha256", "hex"), headers: { ...json, "sw-version": "6.6.0.0" },
    body: { data: { payload: [{ entity: "product", operation: "update", primaryKey: "7b04ebe416db4ebc93de4d791325e1d9", updatedFields: ["manufacturerId"] }], event: "product.written" }, source: { url: "http://localhost:8000", appVersion: "0.0.1", shopId: "dgrH7nLU6tlE" } },
    identity: { event_type: "product.written" },
  }) },
  "squarespace": { evidence: "hand", vectors: await series({
    provider: "squarespace", source: words("Squarespace docs, Verifying notifications"), secret: "F3F9B981C78E7A6187E42853F6CE2804177E98206164779423B02DEC981ACD6B", other: "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
    sign: squarespace, body: { id: "5c2ba184b63ed3cb411ce2b1", websiteId: "5f3c3d55ac435e1a051f77b3", subscriptionId: "5f3c2155d947844beedda991", topic: "extension.uninstall", createdOn: "2020-04-22T22:18+00:00", data: {} },
    identity: { event_id: "5c2ba184b63ed3cb411ce2b1", event_type: "extension.uninstall" },
  }) },
  "woocommerce": { evidence: "hand", vectors: await series({
    provider: "woocommerce", source: words("WooCommerce docs, Webhooks"), secret: "|Z&Y0l)nV#>#r@R3uC", other: "another secret",
    sign: bodyHMAC("x-wc-webhook-signature", "sha256", "base64"),
    headers: { ...json, "x-wc-webhook-topic": "order.updated", "x-wc-webhook-resource": "order", "x-wc-webhook-event": "updated", "x-wc-webhook-id": "535", "x-wc-webhook-delivery-id": "a8b1f3d2c4e5f60718293a4b5c6d7e8f" },
    body: { id: 727, number: "727", status: "processing", currency: "USD", total: "29.35", line_items: [] },
    identity: { event_id: "a8b1f3d2c4e5f60718293a4b5c6d7e8f", event_type: "order.updated" }, bare: { event_id: "a8b1f3d2c4e5f60718293a4b5c6d7e8f", event_type: "order.updated" },
  }) },
});
