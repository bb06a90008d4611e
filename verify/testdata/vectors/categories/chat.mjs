// Chat. Social networks, chat as a service, meetings and video are in chat_media.mjs.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { validateSignature as lineValidates } from "@line/bot-sdk";
import { verifyKey as discordVerifies } from "discord-interactions";
import { NOW, base, bodyFields, checked, form, hmac, json, lib, refuseUnless } from "../lib.mjs";

const require = createRequire(import.meta.url);
const MessageValidator = require("viber-bot/lib/message/message-validator.js");
globalThis.crypto ??= crypto.webcrypto; // Discord's library wants it; Node 18 has it elsewhere
const quiet = { debug() {} };

// vectorsOf makes the vectors of one provider: those of `cases`, each [name, body, identity,
// headers], and from the first one also "second secret of two". sign(body, secret) returns the
// headers that the provider adds; a body that has the secret in it is a function of the secret.
// accepts, where there is one, is the provider's library (see sdks.mjs).
export async function vectorsOf(provider, { source, sign, accepts, secret, old, cases, headers = json, fields = {}, signs = true }) {
  const make = (name, content, identity, extra, key) => {
    const body = typeof content === "function" ? content(key) : content;
    return { name, source, ...base, headers: { ...headers, ...extra, ...sign(body, key) }, ...bodyFields(body), secrets: [key], ...identity, ...fields };
  };
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

// rsa makes a key pair; another one at each run.
export function rsa() {
  const { privateKey, publicKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { private: privateKey, pem: privateKey.export({ format: "pem", type: "pkcs8" }), public: publicKey.export({ format: "pem", type: "spki" }) };
}

export const cat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

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
  viber: (hook) => {
    const ok = new MessageValidator(quiet, hook.secret).validateMessage(hook.headers["x-viber-content-signature"], hook.body);
    refuseUnless(ok, "validateMessage returned false");
  },
};

export const trials = {
  "discord-interactions": { sign: discordKey.pem, check: discordKey.public },
  "discord-webhook-events": { sign: discordKey.pem, check: discordKey.public },
  line: { sign: "8c570fa6dd201bb328f1c1eac23a96d8" },
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

async function makeTeams() {
  const vectors = await vectorsOf("teams-outgoing", { source: "node:crypto, from the words of Microsoft's docs, Create an Outgoing Webhook, and OfficeDev's AuthProvider.cs",
    secret: "vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=", old: "b2xkIHNlY3VyaXR5IHRva2VuIG9mIHRoZSB3ZWJob29rIQ==",
    headers: { "content-type": "application/json; charset=utf-8" },
    sign: (body, secret) => ({ authorization: "HMAC " + hmac("sha256", Buffer.from(secret, "base64"), body, "base64") }),
    cases: [
      ["message", '{"type":"message","id":"1485983408511","timestamp":"2026-01-02T03:04:05.000Z","channelId":"msteams","from":{"id":"29:1XJKJMvc5GBtc2JwZq0oj8tHZmzrQgFmB39ATiQWA85gQtHieVkKilBZ9XHoq9j7Zaqt7CZ-NJWi7me2kHTL3Bw","name":"Megan Bowen"},"text":"<at>Contoso</at> vacation"}',
        { event_id: "1485983408511", event_type: "message" }],
      ["unicode", '{"type":"message","id":"2","timestamp":"2026-01-02T03:04:05Z","text":"größe 🎉"}', { event_id: "2", event_type: "message" }],
      ["minimal", "{}", {}],
    ] });
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
      ["message", '{"destination":"xxxxxxxxxx","events":[{"type":"message","message":{"type":"text","id":"14353798921116","text":"Hello, world"},"timestamp":1625665242211,"source":{"type":"user","userId":"U80696558e1aa831..."},"replyToken":"757913772c4646b784d4b7ce46d12671","mode":"active","webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{"isRedelivery":false}}]}', { event_type: "message" }],
      ["unicode", '{"destination":"U1","events":[{"type":"message","message":{"text":"größe 日本語 🎉"}}]}', { event_type: "message" }],
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

async function makeLineWorks() {
  const vectors = await vectorsOf("line-works", { source: "node:crypto, from the words of LINE WORKS' docs, Receive Messages (Callback), signature verification",
    secret: "0a1b2c3d4e5f60718293a4b5c6d7e8", old: "old bot secret", headers: { "content-type": "application/json; charset=UTF-8", "x-works-botid": "12345678" },
    sign: (body, key) => ({ "x-works-signature": hmac("sha256", key, body, "base64") }),
    cases: [
      ["message", '{"type":"message","source":{"userId":"c72af563-0f21-4736-11e4-045237113344","channelId":"12345a12-b12c-12d3-e123fghijkl","domainId":40029600},"issuedTime":"2022-01-04T05:16:05.716Z","content":{"type":"text","text":"hello"}}', { event_type: "message" }],
      ["unicode", '{"type":"postback","data":"größe 日本語 🎉"}', { event_type: "postback" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeChatwork() {
  const secret = "A9ne+ygvdV0IZBaPFV2zC1e5Bk+IsI14BPwieRoBQNU=";
  const published = { name: "published", source: "Chatwork Creator's Note, 2017-11-22, as in griffin-stewie/chatworkhook, chatworkhook_test.go", ...base, sign: true, secrets: [secret],
    headers: { ...json, "x-chatworkwebhooksignature": "G7Gtrh5Ee6d8erOVXhWPtUrkNJqqIT5vwLU50KhyLQk=" }, event_type: "message_created",
    body: '{"webhook_setting_id":"246","webhook_event_type":"message_created","webhook_event_time":1511238729,"webhook_event":{"message_id":"984676321621704704","room_id":36818150,"account_id":1484814,"body":"test","send_time":1511238729,"update_time":0}}' };
  const vectors = await vectorsOf("chatwork", { source: "node:crypto, in the same way", secret, old: "b2xkIHdlYmhvb2sgdG9rZW4gb2YgMzIgYnl0ZXMuLi4=",
    sign: (body, key) => ({ "x-chatworkwebhooksignature": hmac("sha256", Buffer.from(key, "base64"), body, "base64") }),
    cases: [
      ["mention", '{"webhook_setting_id":"12345","webhook_event_type":"mention_to_me","webhook_event_time":1498028130,"webhook_event":{"from_account_id":123456,"to_account_id":1484814,"room_id":567890123,"message_id":"789012345","body":"[To:1484814]おかずはなんですか？"}}', { event_type: "mention_to_me" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "docs", vectors: [published, ...vectors] };
}

// The token is inside the body; slash commands have it in a header, too.
async function makeMattermost() {
  const secret = "zmigewsanbbsdf59xnmduzypjc", old = "qzgakf1nx3yt9dr4n8585ihbxy";
  const source = "docs: Mattermost Developers, Outgoing webhooks and Custom slash commands (the token itself is sent)";
  const outgoing = (token) => `channel_id=hawos4dqtby53pd64o4a4cmeoo&channel_name=town-square&team_domain=someteam&post_id=axdygg1957njfe5pu38saikdho&text=some+text+here&timestamp=1445532266&token=${token}&trigger_word=some&user_name=somename`;
  const plain = { secret, old, source, sign: () => ({}), signs: false, fields: { body_unsigned: true } };
  const vectors = await vectorsOf("mattermost", { ...plain, headers: form, cases: [
    ["outgoing webhook", outgoing, { event_type: "some" }],
    ["unicode", (token) => `token=${token}&trigger_word=gr%C3%B6%C3%9Fe&text=%F0%9F%8E%89`, { event_type: "größe" }],
  ] });
  vectors.push(...(await vectorsOf("mattermost", { ...plain, cases: [["outgoing webhook, JSON", (token) => JSON.stringify({ token, trigger_word: "some", text: "größe 🎉" }), { event_type: "some" }]] })).slice(0, 1));
  vectors.push(...(await vectorsOf("mattermost", { ...plain, headers: form, sign: (_, token) => ({ authorization: "Token " + token }), cases: [
    ["slash command", (token) => `channel_id=fukodwnhgprcqzbkoq8dhdi31h&command=%2Fweather&text=today&token=${token}&trigger_id=dHJpZ2dlcg&user_name=matthew`, { event_id: "dHJpZ2dlcg", event_type: "/weather" }]] })).slice(0, 1));
  return { evidence: "hand", vectors };
}

async function makeRocketChat() {
  const plain = { source: "docs: Rocket.Chat, Omnichannel webhooks and Outgoing webhook (the token itself is sent)", secret: "s3cr3t-token", old: "old-token", sign: () => ({}), signs: false, fields: { body_unsigned: true } };
  const vectors = await vectorsOf("rocket-chat", { ...plain, cases: [
    ["outgoing webhook", (token) => JSON.stringify({ token, channel_id: "GENERAL", channel_name: "general", message_id: "m1", timestamp: "2023-02-02T10:16:07.230Z", user_name: "james", text: "!help", trigger_word: "!help" }), { event_type: "!help" }],
    ["unicode", (token) => JSON.stringify({ token, text: "größe 🎉" }), {}],
  ] });
  vectors.push(...(await vectorsOf("rocket-chat", { ...plain, sign: (_, token) => ({ "x-rocketchat-livechat-token": token }), signs: true, cases: [
    ["livechat session", '{"_id":"Tc5SyBZHovD4k8BXv","label":"James","visitor":{"_id":"63db8d4990fe6eda42ad429a","token":"e36e352c742eee48860d576fcefb372afc44ebc95750fa1e3b646195f702341a"},"type":"LivechatSession"}', { event_type: "LivechatSession" }]] })).slice(0, 1));
  return { evidence: "hand", vectors };
}

async function makeZulip() {
  const plain = { source: "docs: Zulip API, Outgoing webhooks (the token itself is sent)", secret: "v9fpCdldZIej2bco3uoUvGp06PowKFOf", old: "old token", sign: () => ({}), signs: false, fields: { body_unsigned: true } };
  const vectors = await vectorsOf("zulip", { ...plain, cases: [
    ["mention", (token) => JSON.stringify({ bot_email: "outgoing-bot@localhost", bot_full_name: "Outgoing webhook", data: "@**Outgoing webhook** Zulip is the world's most productive group chat!", trigger: "mention", token, message: { id: 112 } }), { event_type: "mention" }],
    ["unicode", (token) => JSON.stringify({ token, data: "größe 🎉", trigger: "direct_message" }), { event_type: "direct_message" }],
  ] });
  vectors.push(...(await vectorsOf("zulip", { ...plain, headers: form, cases: [["Slack format", (token) => `token=${token}&team_id=T1512&channel_name=integrations&command=%2Ftest&text=content&trigger_word=mention&service_id=27`, { event_type: "mention" }]] })).slice(0, 1));
  return { evidence: "hand", vectors };
}

async function makeChatwoot() {
  const event_id = "1f0c3e8a-6d3b-4b1f-9a53-2f6f3b0c8d11";
  const vectors = await vectorsOf("chatwoot", { source: "node:crypto, from the sender, chatwoot/chatwoot, lib/webhooks/trigger.rb",
    secret: "Zx9vT3nQ7kLw2mRb", old: "old secret", headers: { ...json, "x-chatwoot-delivery": event_id },
    sign: (body, key) => ({ "x-chatwoot-timestamp": `${NOW}`, "x-chatwoot-signature": "sha256=" + hmac("sha256", key, cat(`${NOW}.`, body), "hex") }),
    cases: [
      ["message created", '{"event":"message_created","id":"1","content":"Hi","message_type":"incoming","account":{"id":"1","name":"Chatwoot"}}', { event_id, event_type: "message_created" }],
      ["unicode", '{"event":"conversation_updated","content":"größe 🎉"}', { event_id, event_type: "conversation_updated" }],
      ["empty body", "", { event_id }],
    ] });
  return { evidence: "hand", vectors };
}

export const make = async () => ({
  "discord-interactions": await makeInteractions(),
  "discord-webhook-events": await makeWebhookEvents(),
  "telegram": await makeTelegram(),
  "teams-outgoing": await makeTeams(),
  "line": await makeLine(),
  "webex": await makeWebex(),
  "viber": await makeViber(),
  "line-works": await makeLineWorks(),
  "chatwork": await makeChatwork(),
  "mattermost": await makeMattermost(),
  "rocket-chat": await makeRocketChat(),
  "zulip": await makeZulip(),
  "chatwoot": await makeChatwoot(),
});
