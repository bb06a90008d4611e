// Chat, social networks and video.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { validateSignature as lineValidates } from "@line/bot-sdk";
import { verifyAndParseWebhook, verifySignature as streamVerifies } from "stream-chat";
import { verifyKey as discordVerifies } from "discord-interactions";
import { AwsLambdaReceiver as ZoomReceiver } from "@zoom/rivet/users";
import { NOW, base, bodyFields, checked, hmac, json, lib, refuseUnless } from "../lib.mjs";

const require = createRequire(import.meta.url);
const MessageValidator = require("viber-bot/lib/message/message-validator.js");
globalThis.crypto ??= crypto.webcrypto; // Discord's library wants it; Node 18 has it elsewhere
const quiet = { debug() {} };

// vectorsOf makes the vectors of one provider: those of `cases`, each [name, body, identity,
// headers], and from the first one also "second secret of two". sign(body, secret) returns the
// headers that the provider adds; accepts, where there is one, is its library (see sdks.mjs).
export async function vectorsOf(provider, { source, sign, accepts, secret, old, cases, headers = json, fields = {}, signs = true }) {
  const make = (name, body, identity, extra, key) => ({ name, source, ...base, headers: { ...headers, ...extra, ...sign(body, key) },
    ...bodyFields(body), secrets: [key], ...identity, ...fields });
  const passed = (vector, key) => accepts ? checked(provider, accepts, vector, key) : vector;
  const out = [];
  for (const [name, body, identity, extra] of cases) {
    out.push(await passed({ ...make(name, body, identity, extra, secret), ...(signs && { sign: true }) }, secret));
  }
  const [, body, identity, extra] = cases[0];
  out.push(await passed({ ...make("second secret of two", body, identity, extra, old), secrets: [secret, old], secret_index: 1 }, old));
  return out;
}

// keyed is the same for a provider that signs with a private key. The library gets the public one.
export async function keyed(provider, { source, sign, accepts, pair, other, cases, headers = json, stable = true, fields = {} }) {
  const passed = (vector, key) => accepts ? checked(provider, accepts, vector, key.public) : vector;
  const make = (name, body, identity, extra, key) => ({ name, source, ...base, headers: { ...headers, ...extra, ...sign(body, key.private) },
    ...bodyFields(body), public_keys: [key.public], ...identity, ...fields });
  const out = [];
  for (const [name, body, identity, extra] of cases) out.push(await passed(make(name, body, identity, extra, pair), pair));
  const [, body, identity, extra] = cases[0];
  out.push(await passed({ ...make("second public key of two", body, identity, extra, other), public_keys: [pair.public, other.public], secret_index: 1 }, other));
  const { public_keys, ...signed } = make("with the private key", body, identity, extra, pair);
  out.push(await passed({ ...signed, secrets: [pair.pem], ...(stable && { sign: true }) }, pair));
  return out;
}

// ed25519 makes a key pair out of a seed, so that vectors stay the same.
export function ed25519(seed, encoding) {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), crypto.createHash("sha256").update(seed).digest()]);
  const key = crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const raw = crypto.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { private: key, pem: key.export({ format: "pem", type: "pkcs8" }), public: raw.toString(encoding) };
}

export const cat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

// publicPEM is what Ed25519 trials give our side to sign with, and the library to check with.
const discordKey = ed25519("discord", "hex"), discordOther = ed25519("discord, another", "hex");
const discordSign = (body, key) => ({ "x-signature-timestamp": `${NOW}`,
  "x-signature-ed25519": crypto.sign(null, cat(`${NOW}`, body), key).toString("hex") });

const discordAccepts = async (hook) => {
  const ok = await discordVerifies(hook.body, hook.headers["x-signature-ed25519"], hook.headers["x-signature-timestamp"], hook.secret);
  refuseUnless(ok, "verifyKey returned false");
};

export const accepts = {
  "discord-interactions": discordAccepts,
  "discord-webhook-events": discordAccepts,
  line: (hook) => {
    refuseUnless(lineValidates(hook.body, hook.secret, hook.headers["x-line-signature"]), "validateSignature returned false");
  },
  stream: (hook) => {
    refuseUnless(streamVerifies(hook.body, hook.headers["x-signature"], hook.secret), "verifySignature returned false");
    verifyAndParseWebhook(hook.body, hook.headers["x-signature"], hook.secret);
  },
  viber: (hook) => {
    const ok = new MessageValidator(quiet, hook.secret).validateMessage(hook.headers["x-viber-content-signature"], hook.body);
    refuseUnless(ok, "validateMessage returned false");
  },
};

// Zoom's library signs what JSON.stringify makes of the parsed body: not every body will do, so it is no trial.
const zoomAccepts = async (hook) => {
  const logged = console.debug;
  console.debug = () => {};
  try {
    const receive = new ZoomReceiver({ webhooksSecretToken: hook.secret }).start();
    const answer = await receive({ body: hook.body.toString(), headers: hook.headers, isBase64Encoded: false }, {});
    refuseUnless(answer.statusCode === 200, answer.body);
  } finally {
    console.debug = logged;
  }
};

const parsable = ["JSON"]; // these libraries parse the body
export const trials = {
  "discord-interactions": { sign: discordKey.pem, check: discordKey.public },
  "discord-webhook-events": { sign: discordKey.pem, check: discordKey.public },
  line: { sign: "8c570fa6dd201bb328f1c1eac23a96d8" },
  stream: { sign: "jz7kpwk3kdhmdg5sw2mtqrzk4jnzck9hfdqq9c2jn5hs3mp2xhjyr8ggn9c4x6uh", bodies: parsable },
  viber: { sign: "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9" },
};

async function makeDiscord(provider, cases) {
  return { evidence: "sdk", vectors: await keyed(provider, { source: "node:crypto, accepted by " + lib("discord-interactions", "verifyKey"),
    sign: discordSign, accepts: discordAccepts, pair: discordKey, other: discordOther, cases }) };
}

const makeInteractions = () => makeDiscord("discord-interactions", [
  ["slash command", '{"type":2,"token":"A_UNIQUE_TOKEN","member":{"user":{"id":"53908232506183680","username":"Mason"},"permissions":"2147483647"},"id":"786008729715212338","guild_id":"290926798626357999","data":{"options":[{"type":3,"name":"cardname","value":"The Gitrog Monster"}],"name":"cardsearch","id":"771825006014889984"},"channel_id":"645027906669510667"}',
    { event_id: "786008729715212338", event_type: "2" }],
  ["PING", '{"id":"1200000000000000000","application_id":"771825006014889984","type":1,"token":"t","version":1}', { event_id: "1200000000000000000", event_type: "1" }],
  ["unicode", '{"id":"2","type":3,"data":{"custom_id":"größe 🎉","component_type":2}}', { event_id: "2", event_type: "3" }],
  ["empty body", "", {}, {}],
]);

const makeWebhookEvents = () => makeDiscord("discord-webhook-events", [
  ["authorized", '{"version":1,"application_id":"1234560123453231555","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2024-10-18T14:42:53.064834","data":{"integration_type":1,"scopes":["applications.commands"],"user":{"id":"898273452198212345","username":"example-user"}}}}',
    { event_type: "APPLICATION_AUTHORIZED" }],
  ["PING", '{"version":1,"application_id":"1234560123453231555","type":0}', {}],
  ["unicode", '{"version":1,"type":1,"event":{"type":"ENTITLEMENT_CREATE","data":{"name":"Käse 🧀"}}}', { event_type: "ENTITLEMENT_CREATE" }],
  ["empty body", "", {}],
]);

async function makeTelegram() {
  const vectors = await vectorsOf("telegram", { source: "docs: Telegram Bot API, setWebhook (the secret_token itself is sent)",
    secret: "Secret_token-1", old: "old_token", sign: (_, token) => ({ "x-telegram-bot-api-secret-token": token }), fields: { body_unsigned: true },
    cases: [
      ["message", '{"update_id":10000,"message":{"date":1441645532,"chat":{"last_name":"Test Lastname","id":1111111,"type":"private","first_name":"Test"},"message_id":1365,"from":{"last_name":"Test Lastname","id":1111111,"first_name":"Test"},"text":"/start"}}', { event_id: "10000" }],
      ["unicode", '{"update_id":10001,"callback_query":{"id":"4382bfdwdsb323b2d9","data":"größe 🎉"}}', { event_id: "10001" }],
      ["minimal", "{}", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeMeta() {
  const vectors = await vectorsOf("meta", { source: "node:crypto, from the words of Meta's docs, Webhooks, Getting Started, Validating Payloads",
    secret: "0123456789abcdef0123456789abcdef", old: "fedcba9876543210fedcba9876543210",
    sign: (body, secret) => ({ "x-hub-signature-256": "sha256=" + hmac("sha256", secret, body, "hex") }),
    cases: [
      ["WhatsApp message", '{"object":"whatsapp_business_account","entry":[{"id":"WHATSAPP_BUSINESS_ACCOUNT_ID","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}}]},"field":"messages"}]}]}',
        { event_type: "whatsapp_business_account" }],
      ["Page feed, with the legacy signature too", '{"object":"page","entry":[{"id":"0","time":1520383571,"changes":[{"field":"feed","value":{"item":"status"}}]}]}', { event_type: "page" },
        { "x-hub-signature": "sha1=0123456789abcdef0123456789abcdef01234567" }],
      ["escaped as it is sent", '{"object":"instagram","entry":[{"id":"1","messaging":[{"message":{"text":"\\u00e4\\u00f6\\u00e5 \\/ \\ud83c\\udf89"}}]}]}', { event_type: "instagram" }],
      ["unicode", '{"object":"user","entry":[{"id":"1","changed_fields":["größe 🎉"]}]}', { event_type: "user" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeTwitter() {
  const vectors = await vectorsOf("x-twitter", { source: "node:crypto, from the words of X's docs, Webhooks quickstart, and of twitterdev/autohook, validateSignature",
    secret: "z3ZX4v7mAAUGykl3EcmkqbartmuW8VFOOzCloLx9Q45P0hLrFu", old: "old consumer secret",
    sign: (body, secret) => ({ "x-twitter-webhooks-signature": "sha256=" + hmac("sha256", secret, body, "base64") }),
    cases: [
      ["favorite", '{"for_user_id":"2244994945","favorite_events":[{"id":"a7ba59eab0bfcba386f7acedac279542","created_at":"Mon Mar 26 16:33:26 +0000 2018","timestamp_ms":1522082006140}]}', {}],
      ["unicode", '{"for_user_id":"2244994945","tweet_create_events":[{"id_str":"1","text":"größe 🎉"}]}', {}],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeLinkedIn() {
  const vectors = await vectorsOf("linkedin", { source: "node:crypto, from the words of LinkedIn's docs, Webhooks, Requirements for processing notifications",
    secret: "WPL_AP1.clientsecret==", old: "old client secret",
    sign: (body, secret) => ({ "x-li-signature": hmac("sha256", secret, cat("hmacsha256=", body), "hex") }),
    cases: [
      ["social action", '{"type":"ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS","notifications":[{"notificationId":123456789,"organizationalEntity":"urn:li:organization:2414183","action":"COMMENT","lastModifiedAt":1700000000000}]}',
        { event_type: "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS" }],
      ["unicode", '{"type":"LEAD_ACTION","text":"größe 🎉"}', { event_type: "LEAD_ACTION" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeTikTok() {
  const vectors = await vectorsOf("tiktok", { source: "node:crypto, from the words of TikTok's docs, Check the signature",
    secret: "bwo2m45353a6k85", old: "old client secret",
    sign: (body, secret) => ({ "tiktok-signature": `t=${NOW},s=` + hmac("sha256", secret, cat(`${NOW}.`, body), "hex") }),
    cases: [
      ["authorization removed", '{"client_key":"bwo2m45353a6k85","event":"authorization.removed","create_time":1615338610,"user_openid":"act.example12345Example12345Example","content":"{\\"reason\\": 1 }"}', { event_type: "authorization.removed" }],
      ["unicode", '{"event":"video.publish.completed","content":"größe 🎉"}', { event_type: "video.publish.completed" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeZoom() {
  const sign = (body, secret) => ({ "x-zm-request-timestamp": `${NOW}`, "x-zm-signature": "v0=" + hmac("sha256", secret, cat(`v0:${NOW}:`, body), "hex") });
  const keys = { sign, secret: "Zm_secret-Token_123", old: "old secret token" };
  const vectors = await vectorsOf("zoom", { ...keys, source: "node:crypto, accepted by " + lib("@zoom/rivet", "AwsLambdaReceiver"), accepts: zoomAccepts,
    cases: [
      ["meeting started", '{"event":"meeting.started","event_ts":1626230691572,"payload":{"account_id":"AAAAAABBBB","object":{"id":"1234567890","uuid":"4444AAAiAAAAAiAiAiiAii==","host_id":"x1yCzABCDEfg23HiJKl4mN","topic":"My Meeting","type":8}}}', { event_type: "meeting.started" }],
      ["URL validation", '{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}', { event_type: "endpoint.url_validation" }],
      ["unicode", '{"event":"meeting.ended","payload":{"object":{"topic":"größe 🎉"}}}', { event_type: "meeting.ended" }],
    ] });
  const rest = await vectorsOf("zoom", { ...keys, source: "node:crypto (the library parses the body and writes it again)",
    cases: [["spaces", ' {"event": "meeting.ended",\r\n "payload": {} }\n', { event_type: "meeting.ended" }], ["empty body", "", {}]] });
  return { evidence: "sdk", vectors: [...vectors, ...rest.slice(0, 2)] };
}

async function makeTeams() {
  const vectors = await vectorsOf("teams-outgoing", { source: "node:crypto, from the words of Microsoft's docs, Create an Outgoing Webhook, and OfficeDev's AuthProvider.cs",
    secret: "vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=", old: "b2xkIHNlY3VyaXR5IHRva2VuIG9mIHRoZSB3ZWJob29rIQ==",
    headers: { "content-type": "application/json; charset=utf-8" },
    sign: (body, secret) => ({ authorization: "HMAC " + hmac("sha256", Buffer.from(secret, "base64"), body, "base64") }),
    cases: [
      ["message", '{"type":"message","id":"1485983408511","timestamp":"2026-01-02T03:04:05.000Z","channelId":"msteams","from":{"id":"29:1XJKJMvc5GBtc2JwZq0oj8tHZmzrQgFmB39ATiQWA85gQtHieVkKilBZ9XHoq9j7Zaqt7CZ-NJWi7me2kHTL3Bw","name":"Megan Bowen"},"text":"<at>Contoso</at> vacation"}',
        { event_id: "1485983408511", event_type: "message" }],
      ["unicode", '{"type":"message","id":"2","timestamp":"2026-01-02T03:04:05Z","text":"größe 🎉"}', { event_id: "2", event_type: "message" }],
    ] });
  return { evidence: "hand", vectors };
}

async function makeTwitch() {
  const id = "e76c6bd4-55c9-4987-8304-da1588d8988b", stamp = "2026-01-02T03:04:05.634234626Z";
  const vectors = await vectorsOf("twitch", { source: "node:crypto, from the words of Twitch's docs, Verifying the event message, and of the sender in twitchdev/twitch-cli, forward_event.go",
    secret: "s3cRe7s3cRe7s3cRe7", old: "old secret of the subscription",
    headers: { ...json, "twitch-eventsub-message-id": id, "twitch-eventsub-message-retry": "0", "twitch-eventsub-message-type": "notification", "twitch-eventsub-subscription-type": "channel.follow", "twitch-eventsub-subscription-version": "1" },
    sign: (body, secret) => ({ "twitch-eventsub-message-timestamp": stamp, "twitch-eventsub-message-signature": "sha256=" + hmac("sha256", secret, cat(id, stamp, body), "hex") }),
    signs: false, fields: { event_id: id, event_type: "channel.follow" },
    cases: [
      ["follow", '{"subscription":{"id":"f1c2a387-161a-49f9-a165-0f21d7a4e1c4","status":"enabled","type":"channel.follow","version":"1","cost":1,"condition":{"broadcaster_user_id":"12826"},"transport":{"method":"webhook","callback":"https://example.com/webhooks/callback"},"created_at":"2019-11-16T10:11:12.123Z"},"event":{"user_id":"1337","user_login":"awesome_user","broadcaster_user_id":"12826"}}', {}],
      ["challenge", '{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2a387-161a-49f9-a165-0f21d7a4e1c4","status":"webhook_callback_verification_pending","type":"channel.follow"}}', {}, { "twitch-eventsub-message-type": "webhook_callback_verification" }],
      ["unicode", '{"event":{"user_name":"größe 🎉"}}', {}],
      ["empty body", "", {}],
    ] });
  vectors.push(...(await vectorsOf("twitch", { source: "node:crypto, from the same words; whole seconds, as our side writes them", secret: "s3cRe7s3cRe7s3cRe7", old: "x",
    headers: { ...json, "twitch-eventsub-message-id": id, "twitch-eventsub-subscription-type": "stream.online" },
    sign: (body, secret) => ({ "twitch-eventsub-message-timestamp": "2026-01-02T03:04:05Z", "twitch-eventsub-message-signature": "sha256=" + hmac("sha256", secret, cat(id, "2026-01-02T03:04:05Z", body), "hex") }),
    cases: [["whole seconds", '{"event":{"type":"live"}}', { event_id: id, event_type: "stream.online" }]] })).slice(0, 1));
  return { evidence: "hand", vectors };
}

async function makeLine() {
  const secret = "8c570fa6dd201bb328f1c1eac23a96d8";
  const vectors = [await checked("line", accepts.line, { name: "published", source: "docs: LINE Developers, Verify webhook signature", ...base, sign: true, secrets: [secret],
    headers: { ...json, "x-line-signature": "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=" }, body: '{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}' }, secret)];
  vectors.push(...await vectorsOf("line", { source: "node:crypto, accepted by " + lib("@line/bot-sdk", "validateSignature"), accepts: accepts.line, secret, old: "old channel secret",
    headers: { "content-type": "application/json; charset=utf-8" },
    sign: (body, key) => ({ "x-line-signature": hmac("sha256", key, body, "base64") }),
    cases: [
      ["message", '{"destination":"xxxxxxxxxx","events":[{"type":"message","message":{"type":"text","id":"14353798921116","text":"Hello, world"},"timestamp":1625665242211,"source":{"type":"user","userId":"U80696558e1aa831..."},"replyToken":"757913772c4646b784d4b7ce46d12671","mode":"active","webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{"isRedelivery":false}}]}', {}],
      ["unicode", '{"destination":"U1","events":[{"type":"message","message":{"text":"größe 日本語 🎉"}}]}', {}],
      ["empty body", "", {}],
    ] }));
  return { evidence: "sdk", vectors };
}

async function makeWebex() {
  const vectors = await vectorsOf("webex", { source: "node:crypto, from the words of Webex' docs, Webhooks, Handling requests",
    secret: "86dacc007724d8ea666f88fc77d918dad9537a15", old: "old secret",
    sign: (body, secret) => ({ "x-spark-signature": hmac("sha1", secret, body, "hex") }),
    cases: [
      ["message created", '{"id":"Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh","name":"New message in \'Project Unicorn\' room","resource":"messages","event":"created","filter":"roomId=Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0","orgId":"OTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh","data":{"id":"Y2lzY29zcGFyazovL3VzL01FU1NBR0UvOTJkYjNiZTAtNDNiZC0xMWU2LThhZTktZGQ1YjNkZmM1NjVk"}}', { event_type: "messages" }],
      ["unicode", '{"resource":"rooms","event":"updated","data":{"title":"größe 🎉"}}', { event_type: "rooms" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeStream() {
  const vectors = await vectorsOf("stream", { source: "node:crypto, accepted by " + lib("stream-chat", "verifySignature and verifyAndParseWebhook"), accepts: accepts.stream,
    secret: trials.stream.sign, old: "old API secret", headers: { ...json, "x-webhook-id": "6c2e6a1e-2fc2-4bd1-a2c5-6b8f0a5e2d11" }, fields: { event_id: "6c2e6a1e-2fc2-4bd1-a2c5-6b8f0a5e2d11" },
    sign: (body, key) => ({ "x-signature": hmac("sha256", key, body, "hex") }),
    cases: [
      ["new message", '{"cid":"messaging:fun","type":"message.new","message":{"id":"fff0d7c0-60bd-4835-833b-3843007817bf","text":"8b780762-4830-4e2a-aa43-18aabaf1732d","type":"regular"},"created_at":"2024-04-10T16:21:49.231Z"}', { event_type: "message.new" }],
      ["unicode", '{"type":"user.updated","user":{"name":"größe 🎉"}}', { event_type: "user.updated" }],
      ["minimal", "{}", {}],
    ] });
  return { evidence: "sdk", vectors };
}

async function makeViber() {
  const vectors = await vectorsOf("viber", { source: "node:crypto, accepted by " + lib("viber-bot", "MessageValidator"), accepts: accepts.viber,
    secret: trials.viber.sign, old: "old authentication token",
    sign: (body, key) => ({ "x-viber-content-signature": hmac("sha256", key, body, "hex") }),
    cases: [
      ["message", '{"event":"message","timestamp":1457764197627,"message_token":4912661846655238145,"sender":{"id":"01234567890A=","name":"John McClane","avatar":"http://avatar.example.com"},"message":{"type":"text","text":"a message to the service"}}', { event_type: "message" }],
      ["webhook set", '{"event":"webhook","timestamp":1457764197627,"message_token":241256543215}', { event_type: "webhook" }],
      ["unicode", '{"event":"conversation_started","message_token":1,"user":{"name":"größe 🎉"}}', { event_type: "conversation_started" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "sdk", vectors };
}

export const make = async () => ({
  "discord-interactions": await makeInteractions(),
  "discord-webhook-events": await makeWebhookEvents(),
  "telegram": await makeTelegram(),
  "meta": await makeMeta(),
  "x-twitter": await makeTwitter(),
  "linkedin": await makeLinkedIn(),
  "tiktok": await makeTikTok(),
  "zoom": await makeZoom(),
  "teams-outgoing": await makeTeams(),
  "twitch": await makeTwitch(),
  "line": await makeLine(),
  "webex": await makeWebex(),
  "stream": await makeStream(),
  "viber": await makeViber(),
});
