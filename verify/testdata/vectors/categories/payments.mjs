// Payments and billing.
import crypto from "node:crypto";
import HmacValidator from "@adyen/api-library/lib/src/utils/hmacValidator.js";
import { basicAuthValidator } from "chargebee";
import DodoPayments from "dodopayments";
import * as gocardless from "gocardless-nodejs/webhooks";
import Metronome from "@metronome/sdk";
import { Paddle } from "@paddle/paddle-node-sdk";
import { webhooks as polar } from "@polar-sh/sdk/2026-04";
import razorpay from "razorpay/dist/utils/razorpay-utils.js";
import { WebhooksHelper as Square } from "square";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { NOW, base, binary, bodyFields, bodyOf, checked, form, hmac, json, lib, refuseUnless } from "../lib.mjs";

globalThis.crypto ??= crypto.webcrypto; // which Polar's library wants

// vectorsOf makes the vectors that every provider gets, from
//   by        what vouches for the signatures
//   secrets   the one that signs, and another
//   sign      (body, secret) => the headers that prove it
//   headers   further headers
//   body      a typical webhook, with the id and type that are found in it
//   inHeaders what of { event_id, event_type } a webhook without a body has, too
//   accepts   what the provider's library says, as in sdks.mjs
//   untried   the names of vectors that the library cannot take
//   unsigned  the signature does not cover the body
//   signs     false if we cannot make the same signature
//   several   there are items beside the signature that do not matter
//   without   the names of vectors that the provider cannot have
//   more      async (vector) => further vectors; vector is the function that makes one
//   finish    (vector) => what becomes of each in the end
export async function vectorsOf(provider, s) {
  const [secret, old] = s.secrets;
  const identity = { ...(s.id && { event_id: s.id }), ...(s.type && { event_type: s.type }) };
  const vector = async (name, body, fields = {}, key = secret) => {
    const { proof, ...rest } = fields;
    const v = { name, source: s.by, ...base, secrets: [secret], ...bodyFields(body), ...identity,
      ...(s.signs !== false && { sign: true }), ...(s.unsigned && { body_unsigned: true }), ...(s.several && { several: true }), ...rest,
      headers: { ...(s.media ?? json), ...s.headers, ...(proof ?? await s.sign(Buffer.from(body), key)), ...rest.headers } };
    if (!s.accepts) return v;
    if (s.untried?.includes(name)) return { ...v, source: "node:crypto (the library does not take it)" };
    return s.unsigned ? proven(provider, s.accepts, v, key) : checked(provider, s.accepts, v, key);
  };
  const form = s.media !== undefined;
  const out = [
    await vector("typical", s.body),
    await vector("unicode", form ? s.body + "&note=Gr%C3%BC%C3%9Fe+%F0%9F%8E%89" : s.body.replace("{", '{"note":"Grüße, 日本語 \u2028 🎉 \\u00e9",')),
    await vector("spaces and line breaks", form ? s.body + "&a=+&b=%0D%0A" : ` \r\n${s.body}\t\n\n`),
    await vector("second secret of two", s.body, { secrets: [old, secret], secret_index: 1, sign: undefined }),
  ];
  for (const [name, body] of [["empty body", ""], ["not UTF-8", binary]]) {
    if (!s.without?.includes(name)) out.push(await vector(name, body, { event_id: undefined, event_type: undefined, ...s.inHeaders }));
  }
  return [...out, ...(await s.more?.(vector) ?? [])].map(s.finish ?? ((v) => v));
}

// proven is checked for what proves only who sent it: it must not hold for another secret.
async function proven(provider, accepts, vector, key) {
  const hook = { headers: vector.headers, body: bodyOf(vector), url: vector.url, method: "POST", secret: key };
  await accepts(hook);
  let refused = false;
  try { await accepts({ ...hook, secret: key + "x" }); } catch { refused = true; }
  if (!refused) throw new Error(`${provider}: ${vector.name}: accepted with another secret`);
  return vector;
}

// words says of a hand-made vector where its recipe stands.
export const words = (page) => `node:crypto, from the words of ${page}`;

// inHeader signs the body alone, the signature in a header of its own.
export const inHeader = (name, hash = "sha256", encoding = "hex", prefix = "") =>
  (body, secret) => ({ [name]: prefix + hmac(hash, secret, body, encoding) });

const after = (head, body) => Buffer.concat([Buffer.from(head), body]);
const text = (hook) => hook.body.toString();
const adyen = new HmacValidator.default();
const paddle = new Paddle("none");
const dodo = new DodoPayments({ bearerToken: "none" });
const metronome = new Metronome({ bearerToken: "none" });
const httpDate = new Date(NOW * 1000).toUTCString();
const standardID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";

// standard signs as the Standard Webhooks library does, with a key in base64.
export const standard = (keyOf) => (body, secret) => ({ "webhook-id": standardID, "webhook-timestamp": String(NOW),
  "webhook-signature": "v1," + hmac("sha256", Buffer.from(keyOf(secret), "base64"), after(`${standardID}.${NOW}.`, body), "base64") });
export const standardIdentity = { id: standardID, inHeaders: { event_id: standardID } };

export const accepts = {
  "square": (hook) => {
    refuseUnless(Square.isValidWebhookEventSignature(text(hook), hook.headers["x-square-hmacsha256-signature"], hook.secret, hook.url), "false");
  },
  "adyen-header": (hook) => {
    refuseUnless(adyen.validateHMACSignature(hook.secret, hook.headers["hmacsignature"], text(hook)), "false");
  },
  "paddle-billing": async (hook) => {
    const ask = () => paddle.webhooks.isSignatureValid(text(hook), hook.secret, hook.headers["paddle-signature"]);
    refuseUnless(await atDateNow(ask), "false");
  },
  "razorpay": (hook) => {
    refuseUnless(razorpay.validateWebhookSignature(text(hook), hook.headers["x-razorpay-signature"], hook.secret), "false");
  },
  "gocardless": (hook) => gocardless.verifySignature(hook.body, hook.secret, hook.headers["webhook-signature"]),
  "polar": async (hook) => {
    try {
      await polar.validateEvent(text(hook), hook.headers, hook.secret);
    } catch (err) { // what it says of the event comes after the signature
      if (err instanceof polar.PolarWebhookVerificationError) throw err;
    }
  },
  "dodo-payments": (hook) => { dodo.webhooks.unwrap(text(hook), { headers: hook.headers, key: hook.secret }); },
  "metronome": (hook) => metronome.webhooks.verifySignature(text(hook), hook.headers, hook.secret),
};

// Basic authentication: for the vectors only, since it says nothing of the body.
const chargebee = async (hook) => {
  const [user, password] = hook.secret.split(":");
  await basicAuthValidator((u, p) => u === user && p === password)(hook.headers);
};

// atDateNow calls f while `new Date()` tells the time of Date.now, which the scripts set.
function atDateNow(f) {
  const real = globalThis.Date;
  globalThis.Date = class extends real {
    constructor(...args) { super(...(args.length ? args : [real.now()])); }
  };
  try { return f(); } finally { globalThis.Date = real; }
}

const hexKey = "11223344d785fbae710e7f943f307971bb61b21281c98c9129b3d4018a57b2eb";
export const trials = {
  "adyen-header": { sign: hexKey },
  "gocardless": { sign: "ED7D658C-D8EB-4941-948B-3973214F2D49" },
  "polar": { sign: "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK" },
  "dodo-payments": { bodies: ["JSON"] },
  "razorpay": { bodies: ["JSON", "form", "large"] },
};

export async function make() {
  const specs = {
    "square": { evidence: "sdk", by: "node:crypto, accepted by " + lib("square", "WebhooksHelper.isValidWebhookEventSignature"),
      secrets: ["asdf1234", "old signature key"], accepts: accepts["square"], untried: ["not UTF-8"],
      sign: (body, secret) => ({ "x-square-hmacsha256-signature": hmac("sha256", secret, after(base.url, body), "base64") }),
      body: '{"merchant_id":"6SSW7HV8K2ST5","type":"customer.created","event_id":"6a8f5f28-54a1-4eb0-a98a-3111513fd4fc","created_at":"2026-01-02T03:04:05.000Z","data":{"type":"customer","id":"QPTXM8PQNX3Q726ZYHPMNP46XC"}}',
      id: "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc", type: "customer.created",
      more: async (vector) => [
        await vector("published", '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}',
          { source: "square-nodejs-sdk, tests/integration/webhooks.test.ts", url: "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
            secrets: ["Ibxx_5AKakO-3qeNVR61Dw"], proof: { "x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=" },
            event_id: "ac3ac95b-f97d-458c-a6e6-18981597e05f", event_type: "webhooks.test_notification" }, "Ibxx_5AKakO-3qeNVR61Dw"),
        await vector("published, characters to escape", '{"data":{"type":"webhooks","id":">id<"}}',
          { source: "square-nodejs-sdk, tests/integration/webhooks.test.ts", url: "https://webhook.site/webhooks", secrets: ["signature-key"],
            proof: { "x-square-hmacsha256-signature": "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U=" }, event_id: undefined, event_type: undefined }, "signature-key"),
      ] },

    "adyen-header": { evidence: "sdk", by: "node:crypto, accepted by " + lib("@adyen/api-library", "HmacValidator.validateHMACSignature"),
      secrets: [hexKey, "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056"], accepts: accepts["adyen-header"], untried: ["not UTF-8"],
      sign: (body, secret) => ({ hmacsignature: hmac("sha256", Buffer.from(secret, "hex"), body, "base64"), protocol: "HmacSHA256" }),
      body: '{"data":{"balancePlatform":"YOUR_BALANCE_PLATFORM","accountHolder":{"id":"AH32272223222B5CM4MWJ892H","status":"suspended"}},"environment":"test","type":"balancePlatform.accountHolder.updated"}',
      type: "balancePlatform.accountHolder.updated" },

    "paddle-billing": { evidence: "sdk", by: "node:crypto, accepted by " + lib("@paddle/paddle-node-sdk", "webhooks.isSignatureValid"),
      secrets: ["pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwIUuqiTBgI7gnWoV0Gr", "pdl_ntfset_old"], accepts: accepts["paddle-billing"], untried: ["not UTF-8"],
      sign: (body, secret) => ({ "paddle-signature": `ts=${NOW};h1=` + hmac("sha256", secret, after(`${NOW}:`, body), "hex") }),
      body: '{"data":{"id":"txn_01hv8wptq8987qeep44cyrewp9","status":"completed"},"event_id":"evt_01hv8x29kz0t586xy6zn1a62ny","event_type":"transaction.completed","occurred_at":"2026-01-02T03:04:05.6789Z","notification_id":"ntf_01hv8x29nm0ddnx4wpdkmz4zsq"}',
      id: "evt_01hv8x29kz0t586xy6zn1a62ny", type: "transaction.completed",
      more: async (vector) => [
        await vector("published", '{"data":{"id":"pri_01hsdn96k2hxjzsq5yerecdj9j","name":null,"status":"active","quantity":{"maximum":999999,"minimum":1},"tax_mode":"account_setting","product_id":"pro_01hsdn8qp7yydry3x1yeg6a9rv","unit_price":{"amount":"1000","currency_code":"USD"},"custom_data":null,"description":"testing","import_meta":null,"trial_period":null,"billing_cycle":{"interval":"month","frequency":1},"unit_price_overrides":[]},"event_id":"evt_01hsdn97563968dy0szkmgjwh3","event_type":"price.created","occurred_at":"2024-03-20T10:07:35.590857Z","notification_id":"ntf_01hsdn977e920kbgzt6r6c9rqc"}',
          { source: "paddle-go-sdk, example_webhook_verifier_test.go", now: 1710929255, event_id: "evt_01hsdn97563968dy0szkmgjwh3", event_type: "price.created",
            proof: { "paddle-signature": "ts=1710929255;h1=6c05ef8fa83c44d751be6d259ec955ce5638e2c54095bf128e408e2fce1589c8" } }),
        await vector("rotated: two signatures", '{"event_id":"evt_1","event_type":"a.b"}', { several: true, sign: undefined, event_id: "evt_1", event_type: "a.b",
          proof: { "paddle-signature": `ts=${NOW};h1=${"0".repeat(64)};h1=` +
            hmac("sha256", "pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwIUuqiTBgI7gnWoV0Gr", `${NOW}:{"event_id":"evt_1","event_type":"a.b"}`, "hex") } }),
      ] },

    "lemon-squeezy": { evidence: "hand", by: words("Lemon Squeezy docs, Signing Requests"), secrets: ["a signing secret", "an old one"],
      sign: inHeader("x-signature"), headers: { "x-event-name": "order_created" },
      body: '{"meta":{"event_name":"order_created"},"data":{"type":"orders","id":"1","attributes":{"store_id":1,"identifier":"636f855c-1fb9-4c07-b75c-3a10afef010a"}}}',
      type: "order_created", inHeaders: { event_type: "order_created" } },

    "razorpay": { evidence: "sdk", by: "node:crypto, accepted by " + lib("razorpay", "validateWebhookSignature"), secrets: ["a webhook secret", "old"],
      accepts: accepts["razorpay"], untried: ["not UTF-8"], sign: inHeader("x-razorpay-signature"), headers: { "x-razorpay-event-id": "DESlLckIVRkHWj" },
      body: '{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"payment.authorized","contains":["payment"],"payload":{"payment":{"entity":{"id":"pay_DESlfW9H8K9uqM","amount":100}}},"created_at":1567674606}',
      id: "DESlLckIVRkHWj", type: "payment.authorized", inHeaders: { event_id: "DESlLckIVRkHWj" } },

    "paystack": { evidence: "hand", by: words("Paystack docs, Webhooks: Signature validation"), secrets: ["sk_test_0123456789abcdef", "sk_test_old"],
      sign: inHeader("x-paystack-signature", "sha512"),
      body: '{"event":"charge.success","data":{"id":302961,"domain":"live","status":"success","reference":"qTPrJoy9Bx","amount":10000}}', type: "charge.success" },

    "flutterwave-v3": { evidence: "hand", by: words("Flutterwave docs (v3), Webhooks"), secrets: ["my secret hash", "my old hash"], unsigned: true,
      sign: (_, secret) => ({ "verif-hash": secret }),
      body: '{"event":"charge.completed","data":{"id":285959875,"tx_ref":"Links-616626414629","status":"successful"}}', type: "charge.completed" },

    "mollie-next": { evidence: "hand", by: words("mollie-api-php, SignatureValidator"), secrets: ["test_webhook_secret", "alternate_webhook_secret"],
      sign: inHeader("x-mollie-signature", "sha256", "hex", "sha256="),
      body: '{"resource":"event","id":"event_GvJ8WHrp5isUdRub9CJyH","type":"payment-link.paid","entityId":"pl_qng5gbbv8NAZ5gpM5ZYgx","createdAt":"2026-01-02T03:04:05.0Z"}',
      id: "event_GvJ8WHrp5isUdRub9CJyH", type: "payment-link.paid",
      more: async (vector) => {
        const body = '{"id":"event_1","type":"payout.completed"}', sum = hmac("sha256", "test_webhook_secret", body, "hex");
        const found = { event_id: "event_1", event_type: "payout.completed", sign: undefined };
        return [
          await vector("without prefix", body, { ...found, proof: { "x-mollie-signature": sum } }),
          await vector("rotated: the header twice", body, { ...found, several: true, proof: { "x-mollie-signature": ["sha256=" + "0".repeat(64), "sha256=" + sum] } }),
        ];
      } },

    "checkout-com": { evidence: "hand", by: words("Checkout.com docs, Set up your webhook receiver"), secrets: ["a signature key", "an old key"], sign: inHeader("cko-signature"),
      body: '{"id":"evt_az5sblvku4ge3dwpztvyizgcau","type":"payment_approved","version":"2.0.0","created_on":"2026-01-02T03:04:05Z","data":{"id":"pay_4F4xVAd1BeaRHLAZWDaTPLAk6y"}}',
      id: "evt_az5sblvku4ge3dwpztvyizgcau", type: "payment_approved" },

    "gocardless": { evidence: "sdk", by: "node:crypto, accepted by " + lib("gocardless-nodejs", "webhooks.verifySignature"),
      secrets: ["ED7D658C-D8EB-4941-948B-3973214F2D49", "old"], accepts: accepts["gocardless"], sign: inHeader("webhook-signature"),
      body: '{"events":[{"id":"EV00BD05S5VM2T","created_at":"2026-01-02T03:04:05.000Z","resource_type":"mandates","action":"created","links":{"mandate":"MD0003NVDZCVQF"}}],"meta":{"webhook_id":"WB002KK5HPCPWD"}}',
      id: "WB002KK5HPCPWD", type: "mandates" },

    "chargebee": { evidence: "sdk", by: "node:crypto, accepted by " + lib("chargebee", "basicAuthValidator"), secrets: ["hooks:correct horse", "hooks:old"], unsigned: true,
      accepts: chargebee, sign: (_, secret) => ({ authorization: "Basic " + Buffer.from(secret).toString("base64") }),
      body: '{"id":"ev_16BHbhF4s42tO2lK","occurred_at":1767323045,"source":"admin_console","object":"event","api_version":"v2","event_type":"subscription_created","webhook_status":"not_configured"}',
      id: "ev_16BHbhF4s42tO2lK", type: "subscription_created" },

    "airwallex": { evidence: "hand", by: words("Airwallex docs, Listen for webhook events: code examples"), secrets: ["whsec_airwallex", "old"],
      sign: (body, secret) => ({ "x-timestamp": `${NOW}000`, "x-signature": hmac("sha256", secret, after(`${NOW}000`, body), "hex") }),
      body: '{"id":"evt_hkdmvnmvqgz0qwxrjdr","name":"payment_intent.succeeded","account_id":"acct_1","data":{"object":{"id":"int_1"}},"created_at":"2026-01-02T03:04:05+0000"}',
      id: "evt_hkdmvnmvqgz0qwxrjdr", type: "payment_intent.succeeded" },

    "cashfree": { evidence: "hand", by: words("Cashfree docs, Signature verification, and cashfree-pg 6.0.6, PGVerifyWebhookSignature"), secrets: ["cfsk_ma_test_0123", "cfsk_old"],
      sign: (body, secret) => ({ "x-webhook-timestamp": `${NOW}000`, "x-webhook-signature": hmac("sha256", secret, after(`${NOW}000`, body), "base64") }),
      body: '{"data":{"order":{"order_id":"order_OFR_2","order_amount":2,"order_currency":"INR"},"payment":{"cf_payment_id":1453002795,"payment_status":"SUCCESS"}},"event_time":"2026-01-02T08:34:05+05:30","type":"PAYMENT_SUCCESS_WEBHOOK"}',
      type: "PAYMENT_SUCCESS_WEBHOOK" },

    "xendit": { evidence: "hand", by: words("Xendit docs, Verification Webhook"), secrets: ["XENDIT0123456789", "old token"], unsigned: true,
      sign: (_, secret) => ({ "x-callback-token": secret }), headers: { "webhook-id": "5f5a1d2c-wh-1" },
      body: '{"event":"account.verification","created":"2026-01-02T03:04:05Z","data":{"status":"PASSED"}}', id: "5f5a1d2c-wh-1", type: "account.verification",
      inHeaders: { event_id: "5f5a1d2c-wh-1" } },

    "polar": { evidence: "sdk", by: "standardwebhooks, as Polar's server calls it, accepted by " + lib("@polar-sh/sdk", "webhooks.validateEvent"),
      secrets: ["polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK", "whsec_old and raw"], accepts: accepts["polar"], untried: ["not UTF-8"],
      sign: standard((secret) => Buffer.from(secret).toString("base64")),
      body: '{"type":"checkout.created","timestamp":"2026-01-02T03:04:05Z","data":{"id":"1"}}', type: "checkout.created", ...standardIdentity,
      more: async (vector) => {
        const body = '{"type":"order.paid","data":{}}', secret = "whsec_UG9sYXIga2VlcHMgdGhlIHByZWZpeA==";
        const sign = new StandardWebhook(Buffer.from(secret).toString("base64")).sign(standardID, new Date(NOW * 1000), body);
        // Polar signs with secrets from 2026-09-08 on as Standard Webhooks does: polarsource/polar#14117.
        const newer = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", padded = "whsec_ZGVhZGJlZWZkZWFkYmVlZmRlYWRiZWVmMTIzNDU2Nzg=";
        const proof = (signature) => ({ sign: undefined, event_type: "order.paid", proof: { "webhook-id": standardID, "webhook-timestamp": String(NOW), "webhook-signature": signature } });
        const signed = (key) => new StandardWebhook(key).sign(standardID, new Date(NOW * 1000), body);
        return [
          await vector("a secret that looks like base64", body, { secrets: [secret], ...proof(sign) }, secret),
          await vector("key as in Standard Webhooks", body, { secrets: [newer], ...proof(signed(newer)) }, newer),
          await vector("key as in Standard Webhooks, padded", body, { secrets: [padded], ...proof(signed(padded)) }, padded),
          await vector("key as in Standard Webhooks, without the prefix", body, { secrets: [newer.slice(6)], ...proof(signed(newer)) }, newer.slice(6)),
          await vector("key as in Standard Webhooks, second secret of two", body, { secrets: ["polar_whs_old", newer], secret_index: 1, ...proof(signed(newer)) }, newer),
        ];
      } },

    "dodo-payments": { evidence: "sdk", by: "node:crypto, accepted by " + lib("dodopayments", "webhooks.unwrap"),
      secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], accepts: accepts["dodo-payments"],
      untried: ["not UTF-8", "empty body"], sign: standard((secret) => secret.slice("whsec_".length)),
      body: '{"business_id":"bus_1","type":"payment.succeeded","timestamp":"2026-01-02T03:04:05Z","data":{"payload_type":"Payment"}}', type: "payment.succeeded", ...standardIdentity },

    "creem": { evidence: "hand", by: words("Creem docs, Webhooks, and creem 1.13.0, webhooks.ts"), secrets: ["whsec_7JzP1", "whsec_old"], sign: inHeader("creem-signature"),
      body: '{"id":"evt_5WHHcZPv7VS0YUsberIuOz","eventType":"checkout.completed","created_at":1767323045000,"object":{"id":"ch_4l0N34kxo16AhRKUHFUuXr"}}',
      id: "evt_5WHHcZPv7VS0YUsberIuOz", type: "checkout.completed" },

    "fastspring": { evidence: "hand", by: words("FastSpring docs, Message Security"), secrets: ["an HMAC SHA256 secret", "old"], sign: inHeader("x-fs-signature", "sha256", "base64"),
      body: '{"events":[{"id":"jazYJQw3RLizE1zQ0Z6sqQ","live":true,"processed":false,"type":"order.completed","created":1767323045000,"data":{}}]}', type: "order.completed" },

    "paymongo": { evidence: "hand", by: words("paymongo-php, WebhookService.constructEvent"), secrets: ["whsk_0123456789", "whsk_old"], signs: false, several: true,
      sign: (body, secret) => ({ "paymongo-signature": `t=${NOW},te=,li=` + hmac("sha256", secret, after(`${NOW}.`, body), "hex") }),
      body: '{"data":{"id":"evt_Bq9tMnr5jvVVzMFUBVCCcwPB","type":"event","attributes":{"type":"payment.paid","livemode":true,"data":{"id":"pay_1"}}}}',
      id: "evt_Bq9tMnr5jvVVzMFUBVCCcwPB", type: "payment.paid",
      more: async (vector) => [await vector("test mode", '{"data":{"id":"evt_1","attributes":{"type":"payment.failed"}}}', { event_id: "evt_1", event_type: "payment.failed",
        proof: { "paymongo-signature": `t=${NOW},te=${hmac("sha256", "whsk_0123456789", `${NOW}.{"data":{"id":"evt_1","attributes":{"type":"payment.failed"}}}`, "hex")},li=` } })] },

    "revolut": { evidence: "hand", by: words("Revolut docs, Verify the payload signature"), secrets: ["wsk_r59a4HfWVAKycbCaNO1RvgCJec02gRd8", "wsk_old"],
      sign: (body, secret) => ({ "revolut-request-timestamp": `${NOW}000`, "revolut-signature": "v1=" + hmac("sha256", secret, after(`v1.${NOW}000.`, body), "hex") }),
      body: '{"data":{"id":"645a7696-22f3-aa47-9c74-cbae0449cc46","new_state":"completed","old_state":"pending","request_id":"app_charges-9f5d5eb3"},"event":"TransactionStateChanged","timestamp":"2026-01-02T03:04:05.028960Z"}',
      type: "TransactionStateChanged",
      more: async (vector) => [await vector("rotated: two signatures", '{"event":"ORDER_COMPLETED"}', { several: true, sign: undefined, event_type: "ORDER_COMPLETED",
        proof: { "revolut-request-timestamp": `${NOW}000`, "revolut-signature": `v1=${"0".repeat(64)},v1=` +
          hmac("sha256", "wsk_r59a4HfWVAKycbCaNO1RvgCJec02gRd8", `v1.${NOW}000.{"event":"ORDER_COMPLETED"}`, "hex") } })] },

    "maxio": { evidence: "hand", by: words("Maxio's Webhook Reflector (gist of its founder) and the webhooks page of its SDKs"), secrets: ["a site shared key", "old"], media: form,
      sign: inHeader("x-chargify-webhook-signature-hmac-sha-256"),
      body: "id=141765032&event=statement_settled&payload[site][id]=31615&payload[site][subdomain]=general-goods&payload[customer][email]=pookie999%40example.com",
      id: "141765032", type: "statement_settled" },

    "metronome": { evidence: "sdk", by: "node:crypto, accepted by " + lib("@metronome/sdk", "webhooks.verifySignature"), secrets: ["correct-horse-battery-staple-road", "old"],
      accepts: accepts["metronome"], untried: ["not UTF-8"],
      sign: (body, secret) => ({ "x-metronome-date": httpDate, "metronome-webhook-signature": hmac("sha256", secret, after(`${httpDate}\n`, body), "hex") }),
      body: '{"id":"1abd2b30-b8ed-4c25-84ea-b0ebcd5b2f35","type":"alerts.spend_threshold_reached","properties":{"customer_id":"4db51251"}}',
      id: "1abd2b30-b8ed-4c25-84ea-b0ebcd5b2f35", type: "alerts.spend_threshold_reached" },

    "lago": { evidence: "hand", by: words("lago-api, app/models/webhook.rb"), secrets: ["1b2c3d4e-hmac-key", "old"], headers: { "x-lago-signature-algorithm": "hmac", "x-lago-unique-key": "a1b2c3d4-5678" },
      sign: inHeader("x-lago-signature", "sha256", "base64"),
      body: '{"webhook_type":"invoice.created","object_type":"invoice","organization_id":"1","invoice":{"lago_id":"2"}}',
      id: "a1b2c3d4-5678", type: "invoice.created", inHeaders: { event_id: "a1b2c3d4-5678" } },
  };
  return vectorFiles(specs);
}

// vectorFiles is what make returns for specs of the kind that vectorsOf takes.
export async function vectorFiles(specs) {
  const out = {};
  for (const [provider, spec] of Object.entries(specs)) {
    out[provider] = { evidence: spec.evidence, vectors: await vectorsOf(provider, spec) };
  }
  return out;
}
