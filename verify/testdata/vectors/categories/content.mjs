// Content and media.
import { createRequire } from "node:module";
import Mux from "@mux/mux-node";
import { json, lib, refuseUnless } from "../lib.mjs";
import { joined, series, words } from "../series.mjs";

const require = createRequire(import.meta.url);
const sanity = require("@sanity/webhook");
const { WebflowClient } = require("webflow-api");
const mux = new Mux({ tokenId: "none", tokenSecret: "none" });
const webflow = new WebflowClient({ accessToken: "none" });

export const accepts = {
  "mux": (hook) => mux.webhooks.verifySignature(hook.body.toString(), hook.headers, hook.secret),
  "sanity": (hook) => {
    refuseUnless(sanity.isValidSignature(hook.body.toString(), hook.headers["sanity-webhook-signature"], hook.secret), "isValidSignature returned false");
  },
  "webflow": async (hook) => {
    const ok = await webflow.webhooks.verifySignature({ headers: hook.headers, body: hook.body.toString(), secret: hook.secret });
    refuseUnless(ok, "verifySignature returned false");
  },
};

export const trials = { "sanity": { bodies: ["JSON", "form", "large"] } }; // an empty body is a mistake to it

export const make = async () => ({
  "ghost": { evidence: "hand", vectors: await series({
    provider: "ghost", source: words("the sender's source, services/webhooks/WebhookTrigger.js"), secret: "a ghost's secret", other: "another",
    sign: (body, key, now) => ({ "x-ghost-signature": `sha256=${joined("sha256", key, [body, `${now * 1000}`], "hex")}, t=${now * 1000}` }), headers: { ...json, "content-version": "v5.118" },
    body: { event: "post.published", post: { current: { id: "6657a4a1b3a0f70001a3c5d2", title: "Coming soon", slug: "coming-soon", status: "published" }, previous: { status: "draft" } } },
    identity: { event_type: "post.published" },
  }) },
  "mux": { evidence: "sdk", vectors: await series({
    provider: "mux", source: "node:crypto, accepted by " + lib("@mux/mux-node", "webhooks.verifySignature"), accepts: accepts.mux, secret: "SuperSecret123", other: "OtherSecret456",
    sign: (body, key, now) => ({ "mux-signature": `t=${now},v1=${joined("sha256", key, [`${now}.`, body], "hex")}` }),
    body: { type: "video.asset.ready", id: "3a56ac3d-33da-4366-855b-f592d898409d", created_at: "2018-02-15T23:02:32.000Z", object: { type: "asset", id: "0201p02fGKPE7MrbC269XRD7LpcHhrmbu0002" }, data: { status: "ready", duration: 23.857167 } },
    identity: { event_id: "3a56ac3d-33da-4366-855b-f592d898409d", event_type: "video.asset.ready" },
    more: { "two signatures": { body: '{"id":"e2","type":"video.upload.created"}', event_id: "e2", event_type: "video.upload.created", several: true, sign: false,
      headers: { "mux-signature": `t=1767323045,v1=${"0".repeat(64)},v1=${joined("sha256", "SuperSecret123", ['1767323045.{"id":"e2","type":"video.upload.created"}'], "hex")}` } } },
  }) },
  "outline": { evidence: "hand", vectors: await series({
    provider: "outline", source: words("the sender's source, models/WebhookSubscription.ts"), secret: "ol_whs_q1w2e3r4t5y6u7i8o9p0", other: "ol_whs_another",
    sign: (body, key, now) => ({ "outline-signature": `t=${now * 1000},s=${joined("sha256", key, [`${now * 1000}.`, body], "hex")}` }),
    body: { id: "1fc3c5e2-4a7e-4e2c-9d2e-0f6c9b8a7d61", actorId: "7d9e", webhookSubscriptionId: "a1b2", createdAt: "2026-01-02T03:04:05.000Z", event: "documents.update", payload: { id: "d1", model: { title: "Handbook" } } },
    identity: { event_type: "documents.update" },
  }) },
  "sanity": { evidence: "sdk", vectors: await series({
    provider: "sanity", source: lib("@sanity/webhook", "encodeSignatureHeader, accepted by isValidSignature"), accepts: accepts.sanity, text: true, secret: "test", other: "another",
    sign: (body, key, now) => ({ "sanity-webhook-signature": sanity.encodeSignatureHeader(body.toString(), now * 1000, key) }),
    headers: { ...json, "idempotency-key": "5zKqB1NQ2mC", "sanity-operation": "update", "sanity-document-id": "abc" },
    body: { _id: "abc", _type: "post", title: "Hello" },
    identity: { event_id: "5zKqB1NQ2mC", event_type: "update" }, bare: { event_id: "5zKqB1NQ2mC", event_type: "update" },
  }) },
  "webflow": { evidence: "sdk", vectors: await series({
    provider: "webflow", source: "node:crypto, accepted by " + lib("webflow-api", "webhooks.verifySignature"), accepts: accepts.webflow, secret: "0afe5bc1e8bcdc1fa9e7d2c4b3a69788", other: "ffee5bc1e8bcdc1fa9e7d2c4b3a69788",
    sign: (body, key, now) => ({ "x-webflow-timestamp": String(now * 1000), "x-webflow-signature": joined("sha256", key, [`${now * 1000}:`, body], "hex") }),
    body: { triggerType: "form_submission", payload: { name: "Contact Us", siteId: "65427cf400e02b306eaa049c", data: { "First Name": "Zaphod" }, submittedAt: "2022-09-14T12:35:16.117Z", id: "6321ca84df3949bfc6752327" } },
    identity: { event_type: "form_submission" },
  }) },
});
