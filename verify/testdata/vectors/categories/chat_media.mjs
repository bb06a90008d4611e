// Social networks, chat as a service, meetings and video.
import crypto from "node:crypto";
import { verifyAndParseWebhook, verifySignature as streamVerifies } from "stream-chat";
import { AwsLambdaReceiver as ZoomReceiver } from "@zoom/rivet/users";
import { NOW, base, hmac, json, lib, refuseUnless } from "../lib.mjs";
import { cat, keyed, rsa, vectorsOf } from "./chat.mjs";

export const accepts = {
  stream: (hook) => {
    refuseUnless(streamVerifies(hook.body, hook.headers["x-signature"], hook.secret), "verifySignature returned false");
    verifyAndParseWebhook(hook.body, hook.headers["x-signature"], hook.secret);
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

export const trials = {
  stream: { sign: "jz7kpwk3kdhmdg5sw2mtqrzk4jnzck9hfdqq9c2jn5hs3mp2xhjyr8ggn9c4x6uh", bodies: ["JSON"] }, // the library parses what it verified
};

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

async function makeMastodon() {
  const vectors = await vectorsOf("mastodon", { source: "node:crypto, from the sender, mastodon/mastodon, app/workers/webhooks/delivery_worker.rb",
    secret: "a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1", old: "0123456789abcdef0123456789abcdef01234567",
    sign: (body, key) => ({ "x-hub-signature": "sha256=" + hmac("sha256", key, body, "hex") }),
    cases: [
      ["account created", '{"event":"account.created","created_at":"2022-06-09T00:00:00.000Z","object":{"id":"108267695853695427","username":"alice"}}', { event_type: "account.created" }],
      ["unicode", '{"event":"report.created","object":{"comment":"größe 🎉"}}', { event_type: "report.created" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeKick() {
  const id = "01JMTK2X5B3V8Z9Y7W6Q4R1S0T", stamp = "2026-01-02T03:04:05Z";
  const vectors = await keyed("kick", { source: "node:crypto, from the words of Kick's docs, Webhook security", pair: rsa(), other: rsa(),
    headers: { ...json, "kick-event-message-id": id, "kick-event-subscription-id": "01JMTK0000000000000000000", "kick-event-type": "chat.message.sent", "kick-event-version": "1" },
    sign: (body, key) => ({ "kick-event-message-timestamp": stamp, "kick-event-signature": crypto.sign("sha256", cat(`${id}.${stamp}.`, body), key).toString("base64") }),
    fields: { event_id: id, event_type: "chat.message.sent" },
    cases: [
      ["chat message", '{"message_id":"unique_message_id_123","broadcaster":{"is_anonymous":false,"user_id":123456789,"username":"broadcaster_name"},"content":"Hello [emote:4148074:HYPERCLAP]"}', {}],
      ["unicode", '{"content":"größe 🎉"}', {}],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeWebSub() {
  const sign = (hash) => (body, key) => ({ "x-hub-signature": `${hash}=` + hmac(hash, key, body, "hex") });
  const keys = { source: "node:crypto, from the words of WebSub (W3C Recommendation), section 7, Authenticated content distribution", secret: "it is a secret", old: "old secret",
    headers: { "content-type": "application/atom+xml", link: '<http://pubsubhubbub.appspot.com>; rel="hub", <https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1>; rel="self"' } };
  const feed = '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry><id>yt:video:VIDEO_ID</id><title>größe 🎉</title></entry></feed>';
  const vectors = await vectorsOf("websub", { ...keys, sign: sign("sha256"), signs: false, cases: [["SHA-256", feed, {}], ["empty body", "", {}]] });
  for (const hash of ["sha1", "sha384", "sha512"]) {
    vectors.push((await vectorsOf("websub", { ...keys, sign: sign(hash), signs: hash === "sha512", cases: [[hash.toUpperCase(), feed, {}]] }))[0]);
  }
  return { evidence: "hand", vectors };
}

async function makeSendbird() {
  const vectors = await vectorsOf("sendbird", { source: "node:crypto, from the words of Sendbird's docs, Webhooks, x-sendbird-signature",
    secret: "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", old: "0000c3d4e5f60718293a4b5c6d7e8f9012345678",
    sign: (body, key) => ({ "x-sendbird-signature": hmac("sha256", key, body, "hex") }),
    cases: [
      ["message sent", '{"category":"group_channel:message_send","sender":{"user_id":"Jeff","nickname":"Oldies but goodies"},"type":"MESG","payload":{"message":"Hello?"},"app_id":"APP"}', { event_type: "group_channel:message_send" }],
      ["unicode", '{"category":"group_channel:invite","inviter":{"nickname":"größe 🎉"}}', { event_type: "group_channel:invite" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeAgora() {
  const docs = { ...base, secrets: ["secret"], sign: true, now: 1560408533, source: "docs: Agora, Verify the signature",
    body: '{"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}', event_id: "4eb720f0-8da7-11e9-a43e-53f411c2761f", event_type: "10" };
  const v2 = { ...json, "agora-signature-v2": "de96da5acf03b0021ac3b4fa2225e7ae6f3533a30d50bb02c08ea4fa748bda24" };
  const vectors = await vectorsOf("agora", { source: "node:crypto, in the same way", secret: "secret", old: "old secret",
    sign: (body, key) => ({ "agora-signature-v2": hmac("sha256", key, body, "hex") }),
    cases: [
      ["channel created", `{"sid":"5EFF2F00027648D499BF100C1DEE1A86","noticeId":"1205703979:24226:102","productId":1,"eventType":101,"notifyMs":${NOW}000,"payload":{"channelName":"70b62529-2608-43f9-a062-2cd0052de45d","ts":1679379655}}`, { event_id: "1205703979:24226:102", event_type: "101" }],
      ["unicode", `{"noticeId":"2","eventType":1,"notifyMs":${NOW}000,"payload":{"name":"größe 🎉"}}`, { event_id: "2", event_type: "1" }],
      ["minimal", `{"notifyMs":${NOW}000}`, {}],
    ] });
  return { evidence: "docs", vectors: [
    { ...docs, name: "published", headers: v2 },
    { ...docs, name: "published, with the SHA-1 that is sent too", headers: { ...v2, "agora-signature": "5a3bb6a6d9fad2ea9ae3fb707a14c9d7f3136df1" } },
    ...vectors,
  ] };
}

async function makeWhereby() {
  const vectors = await vectorsOf("whereby", { source: "node:crypto, from the words of Whereby's docs, Tracking room events with webhooks, Validating events",
    secret: "x9m0d48atjm9x5434fqkenqtfnfhhk2q", old: "old secret",
    sign: (body, key) => ({ "whereby-signature": `t=${NOW},v1=` + hmac("sha256", key, cat(`${NOW}.`, body), "hex") }),
    cases: [
      ["client joined", '{"id":"d7c4df48b85318352b47d2df45872bf9be87595af379e2a8ad8f1ad28b2a482e","apiVersion":"1.0","createdAt":"2021-01-21T16:29:59.681Z","type":"room.client.joined","data":{"roleName":"host","displayName":"Joe Bloggs","meetingId":"134"}}',
        { event_id: "d7c4df48b85318352b47d2df45872bf9be87595af379e2a8ad8f1ad28b2a482e", event_type: "room.client.joined" }],
      ["unicode", '{"id":"2","type":"recording.finished","data":{"displayName":"größe 🎉"}}', { event_id: "2", event_type: "recording.finished" }],
      ["empty body", "", {}],
    ] });
  return { evidence: "hand", vectors };
}

async function makeJaaS() {
  const sign = (body, key) => `v1=` + hmac("sha256", key, cat(`${NOW}.`, body), "base64");
  const keys = { source: "node:crypto, from the words of 8x8's docs, JaaS, Check the webhook signatures", secret: "whsec_2b1c0a9f8e7d6c5b4a39281706f5e4d3", old: "whsec_old" };
  const vectors = await vectorsOf("jaas", { ...keys, sign: (body, key) => ({ "x-jaas-signature": `t=${NOW},` + sign(body, key) }),
    cases: [
      ["room created", '{"idempotencyKey":"0a36d9b0-5d2f-4d0a-9a2b-5b1f4d0a9a2b","customerId":"c1","appId":"vpaas-magic-cookie-1","eventType":"ROOM_CREATED","sessionId":"s1","timestamp":1612174834000,"fqn":"vpaas-magic-cookie-1/room","data":{"conference":"room@conference"}}',
        { event_id: "0a36d9b0-5d2f-4d0a-9a2b-5b1f4d0a9a2b", event_type: "ROOM_CREATED" }],
      ["unicode", '{"idempotencyKey":"2","eventType":"PARTICIPANT_JOINED","data":{"name":"größe 🎉"}}', { event_id: "2", event_type: "PARTICIPANT_JOINED" }],
      ["empty body", "", {}],
    ] });
  vectors.push((await vectorsOf("jaas", { ...keys, signs: false, fields: { several: true }, sign: (body, key) => ({ "x-jaas-signature": `t=${NOW},` + sign(body, keys.old) + ",v0=zz," + sign(body, key) }),
    cases: [["two signatures and an unknown one", '{"eventType":"ROOM_DESTROYED"}', { event_type: "ROOM_DESTROYED" }]] }))[0]);
  return { evidence: "hand", vectors };
}

export const make = async () => ({
  "meta": await makeMeta(),
  "x-twitter": await makeTwitter(),
  "linkedin": await makeLinkedIn(),
  "tiktok": await makeTikTok(),
  "zoom": await makeZoom(),
  "twitch": await makeTwitch(),
  "stream": await makeStream(),
  "mastodon": await makeMastodon(),
  "kick": await makeKick(),
  "websub": await makeWebSub(),
  "sendbird": await makeSendbird(),
  "agora": await makeAgora(),
  "whereby": await makeWhereby(),
  "jaas": await makeJaaS(),
});
