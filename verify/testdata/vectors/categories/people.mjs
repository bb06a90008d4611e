// Hiring and people.
import { json } from "../lib.mjs";
import { bodyHMAC, series, words } from "../series.mjs";

export const make = async () => ({
  "ashby": { evidence: "hand", vectors: await series({
    provider: "ashby", source: words("Ashby docs, Authenticating webhooks"), secret: "8b943c474f5d1e1712f13e1a870b485c9b6b2b57", other: "another secret token",
    sign: bodyHMAC("ashby-signature", "sha256", "hex", "sha256="),
    body: { action: "applicationSubmit", data: { application: { id: "3f1c1d0e", status: "Active", candidate: { id: "c1", name: "Ada" } } } },
    identity: { event_type: "applicationSubmit" },
    more: { "ping": { body: '{"action":"ping","data":{"webhookActionType":"applicationSubmit"}}', event_type: "ping" } },
  }) },
  "greenhouse": { evidence: "hand", vectors: await series({
    provider: "greenhouse", source: words("Greenhouse docs, Webhooks, Authentication"), secret: "my secret key", other: "another secret key",
    sign: bodyHMAC("signature", "sha256", "hex", "sha256 "), headers: { ...json, "greenhouse-event-id": "1a2b3c4d" },
    body: { action: "hire_candidate", payload: { application: { id: 46194062, status: "hired", candidate: { id: 37031511, first_name: "Hank", title: "\u003cp\u003ehello\u003c/p\u003e" } } } },
    identity: { event_type: "hire_candidate" },
  }) },
});
