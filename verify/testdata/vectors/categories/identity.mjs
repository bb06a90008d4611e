// Identity.
import { createRequire } from "node:module";
import { StandardWebhook, SvixWebhook } from "../sdks.mjs";
import { NOW, base, checked, json, lib } from "../lib.mjs";
import { bodyHMAC, joined, series, token, words } from "../series.mjs";

const require = createRequire(import.meta.url);
const { WebhookEventVerifier } = require("@onfido/api");
const { WorkOS } = require("@workos-inc/node");
const workos = new WorkOS("sk_test_none");

// A secret of Supabase has a mark of its own in front.
const supabase = (secret) => new StandardWebhook(secret.replace("v1,whsec_", ""));

export const accepts = {
  "clerk": (hook) => { new SvixWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false }); },
  "onfido": (hook) => { new WebhookEventVerifier(hook.secret).readPayload(hook.body, hook.headers["x-sha2-signature"]); },
  "supabase-auth-hooks": (hook) => { supabase(hook.secret).verify(hook.body, hook.headers, { jsonParse: false }); },
};

export const trials = {
  "onfido": { bodies: ["JSON"] }, // it parses the body
  "supabase-auth-hooks": { sign: "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=" },
};

// WorkOS' library parses the body and writes it anew: it can check such as it would write.
const workosAccepts = (hook) => workos.webhooks.verifyHeader({ payload: JSON.parse(hook.body), sigHeader: hook.headers["workos-signature"], secret: hook.secret });

async function makeWorkOS() {
  const secret = "3PPyeuFpEpXXAmMnhRk5bLPLR", other = "another signing secret";
  const source = lib("@workos-inc/node", "webhooks.computeSignature, accepted by verifyHeader");
  const bodies = {
    "as documented": [{ id: "wh_01FG9JXH9C9S00AHZQMZJFFK07", data: { id: "conn_01EHWNC0FCBHZ3BJ7EGKYXK0E6", state: "active" }, event: "connection.activated" }, "connection.activated"],
    "unicode": [{ id: "wh_01FG9JXH9C9S00AHZQMZJFFK07", text: "ü 日本語 \u2028 🎉", event: "dsync.user.created" }, "dsync.user.created"],
    "second secret of two": [{ id: "wh_01FG9JXH9C9S00AHZQMZJFFK07", event: "user.created", data: {} }, "user.created"],
  };
  const out = [];
  for (const [name, [payload, type]] of Object.entries(bodies)) {
    const two = name === "second secret of two";
    const signature = await workos.webhooks.computeSignature(NOW * 1000, payload, two ? other : secret);
    out.push(await checked("workos", workosAccepts, { name, source, ...base, headers: { ...json, "workos-signature": `t=${NOW * 1000}, v1=${signature}` }, body: JSON.stringify(payload),
      secrets: two ? [secret, other] : [secret], ...two ? { secret_index: 1 } : { sign: true }, event_id: payload.id, event_type: type }));
  }
  const spaced = ' { "id":"wh_1",\n"event" : "user.updated" }', at = `${NOW * 1000}`;
  out.push({ name: "not written as the library would", source: "node:crypto (the library writes the body anew)", ...base, headers: { ...json, "workos-signature": `t=${at}, v1=${joined("sha256", secret, [`${at}.`, spaced], "hex")}` },
    body: spaced, secrets: [secret], sign: true, event_id: "wh_1", event_type: "user.updated" });
  return out;
}

const hookId = "8b2d4f6a-1c3e-4a5b-9d7f-0e2c4a6b8d1f";
const hook = (body, key, now) => ({ "webhook-id": hookId, "webhook-timestamp": String(now), "webhook-signature": supabase(key).sign(hookId, new Date(now * 1000), body.toString()) });
const supabaseSecrets = ["v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "v1,whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhro="];
const sms = '{"user":{"id":"6481a5c1"},"sms":{"otp":"561166"}}';

export const make = async () => ({
  "auth0": { evidence: "hand", vectors: await series({
    provider: "auth0", source: words("Auth0 docs, Create custom log streams using webhooks"), secret: "Bearer 7c1f4a6b8d0e3f5a", other: "another token",
    sign: token("authorization"), fields: { body_unsigned: true },
    body: { log_id: "90020200101120000000000000000000000001223372036854775807", data: { date: "2020-01-29T17:26:50.193Z", type: "sapi", description: "Create a log stream", client_id: "client_id" } },
    identity: { event_id: "90020200101120000000000000000000000001223372036854775807", event_type: "sapi" },
    more: { "JSON lines": { body: '{"log_id":"1","data":{"type":"s"}}\n{"log_id":"2","data":{"type":"f"}}\n' }, "JSON array": { event_type: "s", body: '[{"log_id":"1","data":{"type":"s"}},{"log_id":"2","data":{"type":"f"}}]' } },
  }) },
  "clerk": { evidence: "sdk", vectors: await series({
    provider: "clerk", source: lib("svix", "sign, accepted by verify"), accepts: accepts.clerk, text: true, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", other: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    sign: (body, key, now) => ({ "svix-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "svix-timestamp": String(now), "svix-signature": new SvixWebhook(key).sign("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", new Date(now * 1000), body.toString()) }),
    body: { data: { id: "user_29w83sxmDNGwOuEthce5gg56FcC", first_name: "Example", object: "user" }, instance_id: "ins_123", object: "event", timestamp: 1654012591835, type: "user.created" },
    identity: { event_id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", event_type: "user.created" }, bare: { event_id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W" },
  }) },
  "logto": { evidence: "hand", vectors: await series({
    provider: "logto", source: words("the sender's source, libraries/hook/utils.ts, and Logto docs, Secure your webhooks"), secret: "7QRhLoD7cQuxBvjNmHMyvVJ9gtOmZQaV", other: "another signing key",
    sign: bodyHMAC("logto-signature-sha-256", "sha256", "hex"),
    body: { event: "PostSignIn", hookId: "hook-id", createdAt: "2026-01-02T03:04:05.000Z", userAgent: "Mozilla/5.0", sessionId: "s1", userId: "fake-user-id", user: { id: "fake-user-id", username: "fake" } },
    identity: { event_type: "PostSignIn" },
  }) },
  "okta": { evidence: "hand", vectors: await series({
    provider: "okta", source: words("Okta docs, Event hooks"), secret: "a long random string, ASCII", other: "Bearer another",
    sign: token("authorization"), fields: { body_unsigned: true },
    body: { eventType: "com.okta.event_hook", eventTypeVersion: "1.0", cloudEventsVersion: "0.1", source: "https://example.okta.com/api/v1/eventHooks/who7hphp39JoHLni81d7", eventId: "85b60edb-4263-4e13-993b-818e26201052", data: { events: [{ uuid: "f1d0b993-cc19-11ed-a688-db22c99ef6c4", eventType: "user.session.start" }] } },
    identity: { event_id: "85b60edb-4263-4e13-993b-818e26201052", event_type: "user.session.start" },
  }) },
  "onfido": { evidence: "sdk", vectors: await series({
    provider: "onfido", source: "node:crypto, accepted by " + lib("@onfido/api", "WebhookEventVerifier.readPayload"), accepts: accepts.onfido, secret: "_ABC123abc456", other: "another webhook token",
    sign: bodyHMAC("x-sha2-signature", "sha256", "hex"),
    body: { payload: { resource_type: "check", action: "check.completed", object: { id: "7b0d3c2a", status: "complete", completed_at_iso8601: "2020-03-26T15:00:00Z" } } },
    identity: { event_type: "check.completed" },
  }) },
  "persona": { evidence: "hand", vectors: await series({
    provider: "persona", source: words("Persona docs, Webhook best practices, Checking signatures"), secret: "wbhsec_cbf4a4a1-9a6b-4c4c-8a59-3f7b0f6d5f10", other: "wbhsec_0a1b2c3d-0000-4000-8000-000000000000",
    sign: (body, key, now) => ({ "persona-signature": `t=${now},v1=${joined("sha256", key, [`${now}.`, body], "hex")}` }),
    body: { data: { type: "event", id: "evt_XGuP3vFVvKFKL8Z7wMXqvmQs", attributes: { name: "inquiry.completed", payload: { data: { type: "inquiry", id: "inq_2CVZ4HyVg7qaboXz2PUHknAn" } }, "created-at": "2021-01-01T12:00:00.000Z" } } },
    identity: { event_id: "evt_XGuP3vFVvKFKL8Z7wMXqvmQs", event_type: "inquiry.completed" },
    more: { "rotated: two lists": { body: "{}", several: true, sign: false, secrets: ["wbhsec_old", "wbhsec_new"], secret_index: 1,
      headers: { "persona-signature": ["wbhsec_old", "wbhsec_new"].map((key) => `t=${NOW},v1=${joined("sha256", key, [`${NOW}.`, "{}"], "hex")}`).join(" ") } } },
  }) },
  "supabase-auth-hooks": { evidence: "sdk", vectors: await series({
    provider: "supabase-auth-hooks", source: lib("standardwebhooks", "sign, accepted by verify"), accepts: accepts["supabase-auth-hooks"], text: true, secret: supabaseSecrets[0], other: supabaseSecrets[1],
    sign: hook, body: { user: { id: "6481a5c1-3d37-4a56-9f6a-bee08c554965", phone: "+1333363128" }, sms: { otp: "561166" } },
    identity: { event_id: hookId }, bare: { event_id: hookId },
    more: { "both secrets sign, as the sender joins them": { body: sms, event_id: hookId, several: true, sign: false, secrets: supabaseSecrets, secret_index: 1,
      headers: { "webhook-signature": supabaseSecrets.map((key) => hook(Buffer.from(sms), key, NOW)["webhook-signature"]).join(", ") } } },
  }) },
  "workos": { evidence: "sdk", vectors: await makeWorkOS() },
  "zitadel": { evidence: "hand", vectors: await series({
    provider: "zitadel", source: words("the sender's source, pkg/actions/signing.go"), secret: "98KmsU67", other: "another signing key",
    sign: (body, key, now) => ({ "zitadel-signature": `t=${now},v1=${joined("sha256", key, [`${now}.`, body], "hex")}` }),
    body: { aggregateID: "336494809936035843", aggregateType: "user", resourceOwner: "336392597046099971", instanceID: "336392597046034435", version: "v2", sequence: 1, event_type: "user.human.added", created_at: "2025-09-05T08:55:36.156333Z", userID: "336392597046755331" },
    identity: { event_type: "user.human.added" },
    more: { "a request": { body: '{"fullMethod":"/zitadel.user.v2.UserService/AddHumanUser","instanceID":"1","request":{}}', event_type: "/zitadel.user.v2.UserService/AddHumanUser" } },
  }) },
});
