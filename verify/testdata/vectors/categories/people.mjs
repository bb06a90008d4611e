// Hiring and people.
import { createRequire } from "node:module";
import { NOW, json, lib } from "../lib.mjs";
import { bodyHMAC, joined, series, words } from "../series.mjs";

const { Finch } = createRequire(import.meta.url)("@tryfinch/finch-api");
const finch = new Finch({ clientId: "none", clientSecret: "none" });
const finchSecret = "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH";

export const accepts = { "finch": (hook) => finch.webhooks.verifySignature(hook.body.toString(), hook.headers, hook.secret) };

export const trials = { "finch": { sign: finchSecret } };

const finchSign = (body, key, now) => ({ "finch-event-id": "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", "finch-timestamp": String(now),
  "finch-signature": "v1," + joined("sha256", Buffer.from(key, "base64"), [`msg_2Lh9KRb0pzN4LePd3XiA4v12Axj.${now}.`, body], "base64") });

export const make = async () => ({
  "ashby": { evidence: "hand", vectors: await series({
    provider: "ashby", source: words("Ashby docs, Authenticating webhooks"), secret: "8b943c474f5d1e1712f13e1a870b485c9b6b2b57", other: "another secret token",
    sign: bodyHMAC("ashby-signature", "sha256", "hex", "sha256="),
    body: { action: "applicationSubmit", data: { application: { id: "3f1c1d0e", status: "Active", candidate: { id: "c1", name: "Ada" } } } },
    identity: { event_type: "applicationSubmit" },
    more: { "ping": { body: '{"action":"ping","data":{"webhookActionType":"applicationSubmit"}}', event_type: "ping" } },
  }) },
  "finch": { evidence: "sdk", vectors: await series({
    provider: "finch", source: "node:crypto, accepted by " + lib("@tryfinch/finch-api", "webhooks.verifySignature"), accepts: accepts.finch, secret: finchSecret, other: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    sign: finchSign, body: { company_id: "720be419-0293-4d32-a707-32179b0827ab", account_id: "fa872c3b", event_type: "individual.updated", data: { individual_id: "d7fb5c4f" } },
    identity: { event_id: "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", event_type: "individual.updated" }, bare: { event_id: "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj" },
    more: { "rotated: two signatures": { body: "{}", several: true, sign: false, event_id: "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj",
      headers: { "finch-signature": [Buffer.alloc(24, 1).toString("base64"), finchSecret].map((key) => finchSign("{}", key, NOW)["finch-signature"]).join(" ") } } },
  }) },
  "greenhouse": { evidence: "hand", vectors: await series({
    provider: "greenhouse", source: words("Greenhouse docs, Webhooks, Authentication"), secret: "my secret key", other: "another secret key",
    sign: bodyHMAC("signature", "sha256", "hex", "sha256 "), headers: { ...json, "greenhouse-event-id": "1a2b3c4d" },
    body: { action: "hire_candidate", payload: { application: { id: 46194062, status: "hired", candidate: { id: 37031511, first_name: "Hank", title: "\u003cp\u003ehello\u003c/p\u003e" } } } },
    identity: { event_type: "hire_candidate" },
  }) },
  "gusto": { evidence: "hand", vectors: await series({
    provider: "gusto", source: words("Gusto docs, Webhooks, Verifying event integrity"), secret: "6590f590-3dba-495e-9bea-c361e1e2efc0", other: "another verification token",
    sign: bodyHMAC("x-gusto-signature", "sha256", "hex"),
    body: { uuid: "f3b1a9c7-d5e2-4860-90a1-b2c3d4e5f607", event_type: "company.updated", resource_type: "Company", resource_uuid: "a9c7d5e2", timestamp: 1767323045 },
    identity: { event_id: "f3b1a9c7-d5e2-4860-90a1-b2c3d4e5f607", event_type: "company.updated" },
  }) },
});
