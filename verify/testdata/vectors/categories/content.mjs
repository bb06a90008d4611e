// Content and media.
import { createRequire } from "node:module";
import Mux from "@mux/mux-node";
import { json, lib, refuseUnless } from "../lib.mjs";
import { bodyHMAC, hashed, joined, series, words } from "../series.mjs";

const require = createRequire(import.meta.url);
const sanity = require("@sanity/webhook");
const { WebflowClient } = require("webflow-api");
const { v2: cloudinary } = require("cloudinary");
const ImageKit = require("imagekit");
const { signatureHelper: kontent } = require("@kontent-ai/webhook-helper");
const imagekit = new ImageKit({ publicKey: "none", privateKey: "none", urlEndpoint: "https://ik.imagekit.io/none" });
const mux = new Mux({ tokenId: "none", tokenSecret: "none" });
const webflow = new WebflowClient({ accessToken: "none" });

const cloudinaryAccepts = (signature_algorithm) => (hook) => {
  cloudinary.config({ api_secret: hook.secret, signature_algorithm });
  const ok = cloudinary.utils.verifyNotificationSignature(hook.body.toString(), Number(hook.headers["x-cld-timestamp"]), hook.headers["x-cld-signature"]);
  refuseUnless(ok, "verifyNotificationSignature returned false");
};

// What Kontent.ai's library is tested with: line breaks are those of Windows.
const kontentPublished = JSON.stringify({ notifications: [{
  data: { system: { id: "aa7f127f-1920-4454-a89a-0609aba8ea6f", name: "This changes everything!", codename: "this_changes_everything_", collection: "marketing", workflow: "default",
    workflow_step: "published", language: "default", type: "product_update", last_modified: "2024-03-25T07:55:57.0563735Z" } },
  message: { environment_id: "0f5b6cb2-ea82-014e-ac74-f71e7e8b6aee", object_type: "content_item", action: "published", delivery_slot: "published" },
}] }, null, 2).replace(/\n/g, "\r\n");

const makeCloudinary = (provider, algorithm) => series({
  provider, source: "node:crypto, accepted by " + lib("cloudinary", "utils.verifyNotificationSignature"), accepts: accepts[provider], secret: "X7qLTrsES31MzxxkxPPA-pAGGfU", other: "another API secret",
  sign: (body, key, now) => ({ "x-cld-timestamp": String(now), ...hashed("x-cld-signature", algorithm, () => [body, String(now), key])(body, key, now) }),
  body: { notification_type: "upload", timestamp: "2021-08-17T13:41:31+00:00", request_id: "80ea9ca29f8ad3cf0fb9ea4cb6ba2b4c", asset_id: "f7c0c1a2", public_id: "jhon_doe", version: 1629207691 },
  identity: { event_type: "upload" },
});

export const accepts = {
  "cloudinary": cloudinaryAccepts("sha1"),
  "cloudinary-sha256": cloudinaryAccepts("sha256"),
  "imagekit": (hook) => { imagekit.verifyWebhookEvent(hook.body, hook.headers["x-ik-signature"], hook.secret); },
  "kontent-ai": (hook) => {
    refuseUnless(kontent.isValidSignatureFromString(hook.body.toString(), hook.secret, hook.headers["x-kontent-ai-signature"] ?? hook.headers["x-kc-signature"]), "isValidSignatureFromString returned false");
  },
  "mux": (hook) => mux.webhooks.verifySignature(hook.body.toString(), hook.headers, hook.secret),
  "sanity": (hook) => {
    refuseUnless(sanity.isValidSignature(hook.body.toString(), hook.headers["sanity-webhook-signature"], hook.secret), "isValidSignature returned false");
  },
  "webflow": async (hook) => {
    const ok = await webflow.webhooks.verifySignature({ headers: hook.headers, body: hook.body.toString(), secret: hook.secret });
    refuseUnless(ok, "verifySignature returned false");
  },
};

const notEmpty = ["JSON", "form", "large"]; // an empty body is a mistake to these libraries
export const trials = {
  "cloudinary": { bodies: notEmpty }, "cloudinary-sha256": { bodies: notEmpty }, "sanity": { bodies: notEmpty },
  "imagekit": { bodies: ["JSON"] }, // it parses the body
};

export const make = async () => ({
  "cloudinary": { evidence: "sdk", vectors: await makeCloudinary("cloudinary", "sha1") },
  "cloudinary-sha256": { evidence: "sdk", vectors: await makeCloudinary("cloudinary-sha256", "sha256") },
  "ghost": { evidence: "hand", vectors: await series({
    provider: "ghost", source: words("the sender's source, services/webhooks/WebhookTrigger.js"), secret: "a ghost's secret", other: "another",
    sign: (body, key, now) => ({ "x-ghost-signature": `sha256=${joined("sha256", key, [body, `${now * 1000}`], "hex")}, t=${now * 1000}` }), headers: { ...json, "content-version": "v5.118" },
    body: { event: "post.published", post: { current: { id: "6657a4a1b3a0f70001a3c5d2", title: "Coming soon", slug: "coming-soon", status: "published" }, previous: { status: "draft" } } },
    identity: { event_type: "post.published" },
  }) },
  "imagekit": { evidence: "sdk", vectors: await series({
    provider: "imagekit", source: "node:crypto, accepted by " + lib("imagekit", "verifyWebhookEvent"), accepts: accepts.imagekit, secret: "whsec_xeO2UNkfKMQnfJf7Qv/Fx+kYL1Pd0jp0", other: "whsec_another",
    sign: (body, key, now) => ({ "x-ik-signature": `t=${now * 1000},v1=${joined("sha256", key, [`${now * 1000}.`, body], "hex")}` }),
    body: { type: "video.transformation.accepted", id: "58e6d24d-6098-4319-be8d-40c3cb0a402d", created_at: "2022-06-20T11:59:58.461Z", request: { x_request_id: "fa98fa2e", url: "https://ik.imagekit.io/demo/sample-video.mp4/ik-thumbnail.jpg" }, data: { asset: { url: "https://ik.imagekit.io/demo/sample-video.mp4" } } },
    identity: { event_id: "58e6d24d-6098-4319-be8d-40c3cb0a402d", event_type: "video.transformation.accepted" },
  }) },
  "kontent-ai": { evidence: "sdk", vectors: await series({
    provider: "kontent-ai", source: "node:crypto, accepted by " + lib("@kontent-ai/webhook-helper", "isValidSignatureFromString"), accepts: accepts["kontent-ai"], secret: "BHPyfqwSy1iJjcscOB+GSkDf9THrBlfcKkwtADJdbP4=", other: "4INSnqn9ZA9pOWHpRySS+rsEqL6qHF3CIAftipJeuDc=",
    sign: bodyHMAC("x-kontent-ai-signature", "sha256", "base64"),
    body: { notifications: [{ data: { system: { id: "aa7f127f-1920-4454-a89a-0609aba8ea6f", name: "This changes everything!", type: "product_update" } }, message: { object_type: "content_item", action: "published", delivery_slot: "published" } }] },
    more: {
      "published by its tests": { source: "@kontent-ai/webhook-helper, its tests, accepted by " + lib("@kontent-ai/webhook-helper", "isValidSignatureFromString"), headers: { "x-kontent-ai-signature": "CF9/hYLw2CDcVp2wW39OFUglh++fGdHFeOhiWxM3jZg=" }, body: kontentPublished },
      "old header": { body: '{"data":{"items":[]},"message":{"operation":"archive"}}', sign: true, headers: { "x-kontent-ai-signature": undefined, ...bodyHMAC("x-kc-signature", "sha256", "base64")('{"data":{"items":[]},"message":{"operation":"archive"}}', "BHPyfqwSy1iJjcscOB+GSkDf9THrBlfcKkwtADJdbP4=") } },
    },
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
  "storyblok": { evidence: "hand", vectors: await series({
    provider: "storyblok", source: words("Storyblok docs, Securing webhooks: verifying signatures"), secret: "hello", other: "another webhook secret",
    sign: bodyHMAC("webhook-signature", "sha1", "hex"),
    body: { text: "The user test@domain.com published the Story XYZ (xyz)", action: "published", space_id: 123, story_id: 123, full_slug: "xyz" },
    identity: { event_type: "published" },
  }) },
  "webflow": { evidence: "sdk", vectors: await series({
    provider: "webflow", source: "node:crypto, accepted by " + lib("webflow-api", "webhooks.verifySignature"), accepts: accepts.webflow, secret: "0afe5bc1e8bcdc1fa9e7d2c4b3a69788", other: "ffee5bc1e8bcdc1fa9e7d2c4b3a69788",
    sign: (body, key, now) => ({ "x-webflow-timestamp": String(now * 1000), "x-webflow-signature": joined("sha256", key, [`${now * 1000}:`, body], "hex") }),
    body: { triggerType: "form_submission", payload: { name: "Contact Us", siteId: "65427cf400e02b306eaa049c", data: { "First Name": "Zaphod" }, submittedAt: "2022-09-14T12:35:16.117Z", id: "6321ca84df3949bfc6752327" } },
    identity: { event_type: "form_submission" },
  }) },
});
