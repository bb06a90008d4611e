// Providers whose certificates and keys are fetched: `fetched` in a vector is what is found where.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { ecKey, otherKey, paypalCertificate, rsaKey, snsCertificate } from "../keys.mjs";
import { NOW, base, bodyFields, form, json, lib, refuseUnless } from "../lib.mjs";
import { encode, otherBody, publicOf, rsa, taken } from "./special.mjs";

const require = createRequire(import.meta.url);
const https = require("https");
const SNSValidator = require("sns-validator");
const ebay = require("event-notification-nodejs-sdk/lib/validator");
const ebayClient = require("event-notification-nodejs-sdk/lib/client");

function crc32(buffer) {
  let crc = ~0;
  for (const byte of buffer) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function makePayPal() {
  const url = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77";
  const make = (name, body, identity, at = "2026-01-02T03:04:05Z") => {
    const id = "69cd13f0-d67a-11e5-baa3-778b53f4ae55", webhook = "1JE4291016473214C";
    return { name, source: "node:crypto, from the words of Integrate webhooks (self verification)", ...base, ...bodyFields(body), ...identity,
      headers: { ...json, "paypal-transmission-id": id, "paypal-transmission-time": at, "paypal-auth-algo": "SHA256withRSA", "paypal-cert-url": url,
        "paypal-transmission-sig": rsa("sha256", `${id}|${at}|${webhook}|${crc32(Buffer.from(body))}`) },
      settings: { webhook_id: [webhook] }, fetched: { [url]: paypalCertificate } };
  };
  const { fetched, ...offline } = make("with the certificate at hand", '{"id":"WH-1","event_type":"x"}', { event_id: "WH-1", event_type: "x" });
  return { evidence: "hand", vectors: [
    make("payment captured", '{"id":"WH-2WR32451HC0233532-67976317FL4543714","event_version":"1.0","create_time":"2014-10-23T17:23:52Z","resource_type":"sale","event_type":"PAYMENT.SALE.COMPLETED"}',
      { event_id: "WH-2WR32451HC0233532-67976317FL4543714", event_type: "PAYMENT.SALE.COMPLETED" }),
    make("unicode", '{"id":"WH-2","event_type":"x","summary":"größe 🎉"}', { event_id: "WH-2", event_type: "x" }),
    make("empty body", "", {}),
    { ...offline, public_keys: [paypalCertificate] },
  ] };
}

function makeTravis() {
  const url = "https://api.travis-ci.com/config";
  const config = JSON.stringify({ config: { host: "travis-ci.com", notifications: { webhook: { public_key: publicOf(rsaKey) } } } });
  const make = (name, payload, identity) => ({ name, source: "node:crypto, from the words of Verifying Webhook requests (Travis CI)", ...base,
    headers: { ...form, signature: rsa("sha1", payload) }, body: encode({ payload }), ...identity, fetched: { [url]: config } });
  const { fetched, ...offline } = make("with the key at hand", '{"id":1}', {});
  return { evidence: "hand", vectors: [
    make("build passed", '{"id":56,"number":"1","status":0,"result":0,"status_message":"Passed","type":"push","repository":{"id":1,"name":"minimal","owner_name":"svenfuchs"}}', { event_type: "push" }),
    make("unicode", '{"type":"pull_request","message":"größe 🎉 a+b=c&d"}', { event_type: "pull_request" }),
    make("minimal", "{}", {}),
    { ...offline, public_keys: [publicOf(otherKey), publicOf(rsaKey)], secret_index: 1 },
  ] };
}

const snsURL = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";
// The library fetches the certificate itself.
https.get = (url, callback) => {
  const handlers = {};
  const response = { statusCode: url === snsURL ? 200 : 404, on: (name, handler) => ((handlers[name] = handler), response) };
  callback(response);
  handlers.data?.(Buffer.from(snsCertificate));
  handlers.end?.();
  return { on: () => {} };
};

async function makeSNS() {
  const validate = (hook) => new Promise((resolve, reject) => new SNSValidator().validate(hook.body.toString(), (err) => (err ? reject(err) : resolve())));
  const arn = "arn:aws:sns:us-west-2:123456789012:MyTopic";
  const fields = { Notification: ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
    SubscriptionConfirmation: ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    UnsubscribeConfirmation: ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"] };
  const make = async (name, message, version = "2") => {
    const full = { MessageId: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", TopicArn: arn, Timestamp: "2012-05-02T00:54:06.655Z", SignatureVersion: version, SigningCertURL: snsURL, ...message };
    const content = fields[full.Type].filter((key) => key in full).map((key) => `${key}\n${full[key]}\n`).join("");
    full.Signature = rsa(version === "1" ? "sha1" : "sha256", content);
    const vector = { name, source: "node:crypto, accepted by " + lib("sns-validator", "MessageValidator.validate"), ...base, headers: { "content-type": "text/plain; charset=UTF-8" },
      ...bodyFields(JSON.stringify(full, null, 2)), settings: { topic_arn: [arn] }, event_id: full.MessageId, event_type: full.Type, fetched: { [snsURL]: snsCertificate }, body_unsigned: true };
    if (full.Type === "UnsubscribeConfirmation") return { ...vector, source: "node:crypto, from the words of Verifying the signatures of Amazon SNS messages (the library leaves out Token)" };
    return taken(validate, vector, (hook) => ({ body: Buffer.from(hook.body.toString().replace("MyTopic", "HerTopic")) }));
  };
  const token = { Token: "2336412f37", SubscribeURL: `https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${arn}&Token=2336412f37`, Message: `You have chosen to subscribe to the topic ${arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.` };
  return { evidence: "sdk", vectors: [
    await make("notification", { Type: "Notification", Subject: "My First Message", Message: "Hello world!", UnsubscribeURL: "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe" }),
    await make("without a subject", { Type: "Notification", Message: '{"größe":"🎉\\n"}\nline' }),
    await make("signature version 1", { Type: "Notification", Subject: "s", Message: "m" }, "1"),
    await make("subscription", { Type: "SubscriptionConfirmation", ...token }),
    await make("end of the subscription", { Type: "UnsubscribeConfirmation", ...token }),
  ] };
}

async function makeEbay() {
  const kid = "9936261a-7d7b-4621-a0f1-964eb3e1a0b1", host = "https://api.ebay.com";
  const folded = publicOf(ecKey).replaceAll("\n", "");
  ebayClient.getPublicKey = async (id) => { refuseUnless(id === kid, "no such key"); return { key: folded }; };
  const valid = async (hook) => {
    const body = hook.body.toString();
    refuseUnless(body === JSON.stringify(JSON.parse(body)) && await ebay.validateSignature(JSON.parse(body), hook.headers["x-ebay-signature"], {}), "validateSignature returned false");
  };
  const make = (name, body, identity, more = {}) => taken(valid, { name, source: "node:crypto, accepted by " + lib("event-notification-nodejs-sdk", "validateSignature"), ...base, ...bodyFields(body), ...identity,
    headers: { ...json, "x-ebay-signature": Buffer.from(JSON.stringify({ alg: "ecdsa", kid, signature: rsa("sha1", body, ecKey), digest: "SHA1" })).toString("base64") },
    settings: { verification_token: ["t".repeat(32)], endpoint: [base.url], client_id: ["app"], client_secret: ["cert"] },
    fetched: { [`${host}/identity/v1/oauth2/token`]: '{"access_token":"v^1.1","token_type":"Application Access Token"}',
      [`${host}/commerce/notification/v1/public_key/${kid}`]: JSON.stringify({ algorithm: "ECDSA", digest: "SHA1", key: folded }) }, ...more }, otherBody);
  const deletion = '{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user"}}}';
  const identity = { event_id: "49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d", event_type: "MARKETPLACE_ACCOUNT_DELETION" };
  return { evidence: "sdk", vectors: [
    await make("account deletion", deletion, identity),
    await make("unicode", '{"notification":{"notificationId":"1","data":{"username":"größe 🎉"}}}', { event_id: "1" }),
    await make("minimal", "{}", {}),
    await make("with the key at hand", deletion, identity, { public_keys: [folded], several: true, fetched: undefined, settings: { verification_token: ["t".repeat(32)], endpoint: [base.url] } }),
  ] };
}

export async function make() {
  return { "paypal": makePayPal(), "travis-ci": makeTravis(), "aws-sns": await makeSNS(), "ebay": await makeEbay() };
}
