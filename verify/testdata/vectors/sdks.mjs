// What the providers' own libraries say of a webhook. One function a provider:
// it returns, or throws if the library refuses. The clock is Date.now.
//
// A webhook here is { url, method, headers (lower-case names), body (Buffer), secret }.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import Stripe from "stripe";
import * as octokit from "@octokit/webhooks-methods";
import { Webhook as SvixWebhook } from "svix";
import { Webhook as StandardWebhook } from "standardwebhooks";
import twilio from "twilio";
import "@shopify/shopify-api/adapters/node";
import { shopifyApi } from "@shopify/shopify-api";
import { refuseUnless } from "./lib.mjs";

// Bolt's check has no public export of its own.
const { verifySlackRequest } = createRequire(import.meta.url)("@slack/bolt/dist/receivers/verify-request.js");
const stripe = new Stripe("sk_test_none");
globalThis.crypto ??= crypto.webcrypto; // Shopify's library wants it; Node 18, as in Debian 12, has it elsewhere

export { octokit, stripe, twilio, StandardWebhook, SvixWebhook };

const isForm = (hook) => (hook.headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded");

// formFields parses as body-parser does, with an array for a repeated field.
function formFields(hook) {
  const fields = {};
  for (const [name, value] of new URLSearchParams(hook.body.toString())) {
    fields[name] = name in fields ? [fields[name], value].flat() : value;
  }
  return fields;
}

// Shopify's library wants these to be there.
const shopifyWants = Object.fromEntries(["topic", "shop-domain", "api-version", "webhook-id"].map((name) => [`x-shopify-${name}`, "x"]));

export const accepts = {
  stripe: (hook) => {
    stripe.webhooks.signature.verifyHeader(hook.body, hook.headers["stripe-signature"], hook.secret, 300);
  },
  github: async (hook) => {
    const ok = await octokit.verify(hook.secret, hook.body.toString(), hook.headers["x-hub-signature-256"]);
    refuseUnless(ok, "verify returned false");
  },
  slack: (hook) => {
    verifySlackRequest({ signingSecret: hook.secret, body: hook.body.toString(), headers: hook.headers });
  },
  shopify: async (hook) => {
    const api = shopifyApi({
      apiKey: "key", apiSecretKey: hook.secret, apiVersion: "2026-07", scopes: [], hostName: "example.com",
      isEmbeddedApp: false, logger: { level: -1 },
    });
    const result = await api.webhooks.validate({
      rawBody: hook.body.toString(),
      rawRequest: { method: hook.method, url: hook.url, headers: { ...shopifyWants, ...hook.headers } },
      rawResponse: {},
    });
    refuseUnless(result.valid, result.reason);
  },
  "standard-webhooks": (hook) => {
    new StandardWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false });
  },
  svix: (hook) => {
    new SvixWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false });
  },
  twilio: (hook) => {
    const signature = hook.headers["x-twilio-signature"], algorithm = twilio.getSignatureAlgorithm(hook.headers["x-twilio-webhooks-signature-settings"]);
    if (hook.url.includes("bodySHA256")) {
      refuseUnless(twilio.validateRequestWithBody(hook.secret, signature, hook.url, hook.body.toString(), algorithm), "with body");
    } else {
      const fields = isForm(hook) ? formFields(hook) : {};
      refuseUnless(twilio.validateRequest(hook.secret, signature, hook.url, fields, algorithm), "form");
    }
  },
};

// trials is how TestOfficialLibraries tries them, where the usual way does not do; see lib.mjs.
const notEmpty = ["JSON", "form", "large"]; // these libraries call an empty body a mistake
export const trials = {
  stripe: { sign: "whsec_test" }, github: { sign: "It's a secret, ü", bodies: notEmpty }, shopify: { bodies: notEmpty }, twilio: { sign: "12345" },
};
