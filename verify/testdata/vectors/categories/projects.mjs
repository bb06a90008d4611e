// Project management.
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { signWebhookPayload, verifyWebhookSignature } from "@notionhq/client";
import { NOW, base, hmac, json, lib, refuseUnless } from "../lib.mjs";
import { makeAll, page, vectorsOf } from "./code.mjs";

export const accepts = {
  notion: async (hook) => {
    const ok = await verifyWebhookSignature({ body: hook.body, signature: hook.headers["x-notion-signature"], verificationToken: hook.secret });
    refuseUnless(ok, "verifyWebhookSignature returned false");
  },
};

// Linear's library compares the time in the body with new Date(), which is not the clock that lib.mjs sets.
// It is not among those above: what TestOfficialLibraries signs has no time in the body.
function acceptsLinear(hook) {
  const time = JSON.parse(hook.body).webhookTimestamp + (new Date().getTime() - Date.now());
  new LinearWebhookClient(hook.secret).verify(hook.body, hook.headers["linear-signature"], time);
}

export const trials = { notion: { sign: "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl" } };

const hex = (hash, name, prefix = "") => (body, key) => ({ [name]: prefix + hmac(hash, key, body, "hex") });

const makers = {
  jira: ["docs", async () => [
    { name: "published", source: "Atlassian developer docs, Jira Cloud webhooks: Secure admin webhooks", ...base, sign: true, body: "Hello World!", secrets: ["It's a Secret to Everybody"],
      headers: { "x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9" } },
    ...await vectorsOf("jira", {
      sign: hex("sha256", "x-hub-signature", "sha256="),
      rest: { source: page("Atlassian developer docs, Jira Cloud webhooks"), secrets: ["G8j4166a5OkXRD4WbqV3"], event_id: "6d0b7a2e-55c3-4c33-9d43-9a2b9b6a4f10",
        headers: { ...json, "x-atlassian-webhook-identifier": "6d0b7a2e-55c3-4c33-9d43-9a2b9b6a4f10", "x-atlassian-webhook-flow": "Primary" } },
      samples: [{ name: "issue", event_type: "jira:issue_updated", body: '{"timestamp":1767323045000,"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_updated","issue":{"id":"10002","key":"PRJ-1","fields":{"summary":"Größer"}}}' }],
    })]],
  linear: ["sdk", () => vectorsOf("linear", { accepts: acceptsLinear,
    sign: hex("sha256", "linear-signature"),
    frame: (body) => `{"webhookTimestamp":${NOW * 1000}${body.replace(/^\{|\}$/g, (bracket) => (bracket === "{" ? "," : ""))}}`,
    rest: { source: "node:crypto, accepted by " + lib("@linear/sdk", "LinearWebhookClient.verify"), secrets: ["lin_wh_7Qp4nVb2"],
      event_id: "234d1a4e-b617-4388-90fe-adc3633d6b72", event_type: "Issue",
      headers: { "content-type": "application/json; charset=utf-8", "linear-delivery": "234d1a4e-b617-4388-90fe-adc3633d6b72", "linear-event": "Issue" } },
    samples: [{ name: "issue", body: `{"action":"create","type":"Issue","createdAt":"2026-01-02T03:04:05.000Z","data":{"id":"2174add1","title":"größer"},"url":"https://linear.app/x/issue/X-1","webhookTimestamp":${NOW * 1000},"webhookId":"000042e3"}` },
      { name: "comment", headers: { "linear-event": "Comment" }, event_type: "Comment", body: `{"action":"update","type":"Comment","webhookTimestamp":${NOW * 1000},"webhookId":"000042e3"}` }],
  })],
  notion: ["sdk", () => vectorsOf("notion", { accepts: accepts.notion,
    sign: async (body, key) => ({ "x-notion-signature": await signWebhookPayload({ body, verificationToken: key }) }),
    rest: { source: lib("@notionhq/client", "signWebhookPayload, accepted by verifyWebhookSignature"), secrets: ["secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"] },
    samples: [{ name: "page", event_id: "367cba44-b6f3-4c92-81e7-6a2e9659efd4", event_type: "page.content_updated",
      body: '{"id":"367cba44-b6f3-4c92-81e7-6a2e9659efd4","timestamp":"2026-01-02T03:04:05.000Z","workspace_name":"Größer","subscription_id":"29d75c0d","type":"page.content_updated","attempt_number":1,"entity":{"id":"153104cd","type":"page"}}' }],
  })],
  trello: ["hand", () => vectorsOf("trello", {
    sign: (body, key, v) => ({ "x-trello-webhook": hmac("sha1", key, body + v.url, "base64") }),
    rest: { source: page("Atlassian developer docs, Trello webhooks: Webhook Signatures"), secrets: ["0d3f2c1b9a7e"] },
    samples: [{ name: "card", event_id: "51f9424bcd6e040f3c002412", event_type: "updateCard", body: '{"action":{"id":"51f9424bcd6e040f3c002412","type":"updateCard","date":"2013-07-31T17:00:59.203Z","data":{"card":{"name":"Größer"}}},"model":{"id":"4d5ea62fd76aa1136000000c"}}' },
      { name: "with a query", url: "https://mycallback.com/trelloCallbacks/?memberID=14&mainModel=true", event_id: "51f9424bcd6e040f3c002413", event_type: "createCard", body: '{"action":{"id":"51f9424bcd6e040f3c002413","type":"createCard"}}' }],
  })],
  asana: ["hand", () => vectorsOf("asana", {
    sign: hex("sha256", "x-hook-signature"),
    rest: { source: page("Asana developer docs, Webhooks guide"), secrets: ["b537207f20cbfa02357cf448134da559"] },
    samples: [{ name: "task", event_type: "changed", body: '{"events":[{"user":{"gid":"1202","resource_type":"user"},"created_at":"2026-01-02T03:04:05.000Z","action":"changed","resource":{"gid":"1337","resource_type":"task"},"parent":null}]}' },
      { name: "heartbeat", body: '{"events":[]}' }],
  })],
  airtable: ["hand", () => vectorsOf("airtable", {
    sign: (body, key) => ({ "x-airtable-content-mac": "hmac-sha256=" + hmac("sha256", Buffer.from(key, "base64"), body, "hex") }), other: "bmV3IHNlY3JldA==",
    rest: { source: page("Airtable Web API docs, Webhooks overview"), secrets: ["8G0SZ2W5n3dMhWkq2Hh8Xc7Bv1sTqLr4YpKj9eAuNfU="] },
    samples: [{ name: "notification", body: '{"base":{"id":"app00000000000000"},"webhook":{"id":"ach00000000000000"},"timestamp":"2026-01-02T03:04:05.000Z"}' }],
  })],
  clickup: ["hand", () => vectorsOf("clickup", {
    sign: hex("sha256", "x-signature"),
    rest: { source: page("ClickUp developer docs, Webhook signature"), secrets: ["O94IM25S7PXBPYTMNXLLET230SRP0S89COR7B1YOJ2ZIE8WQNK5UUKEF26W0Z5GA"] },
    samples: [{ name: "task", event_type: "taskCreated", body: '{"webhook_id":"7689a169-a000-4985-8676-6902b96d6627","event":"taskCreated","task_id":"c0j"}' }],
  })],
  figma: ["hand", async () => {
    const rest = { ...base, source: "the words of Figma developer docs, Webhooks: Security", body_unsigned: true, headers: json, secrets: ["ymsvqVFo"] };
    const of = (fields) => JSON.stringify({ passcode: "ymsvqVFo", timestamp: "2026-01-02T03:04:05Z", webhook_id: "22", ...fields });
    return [
      { name: "file", ...rest, event_type: "FILE_UPDATE", body: of({ event_type: "FILE_UPDATE", file_key: "zH3k", file_name: "f" }) },
      { name: "ping", ...rest, event_type: "PING", body: of({ event_type: "PING" }) },
      { name: "unicode", ...rest, event_type: "FILE_COMMENT", body: of({ event_type: "FILE_COMMENT", comment: [{ text: "Größe 🎉 \u2028" }] }) },
      { name: "minimal body", ...rest, body: '{"passcode":"ymsvqVFo"}' },
      { name: "second secret of two", ...rest, secrets: ["new passcode", "ymsvqVFo"], secret_index: 1, event_type: "PING", body: of({ event_type: "PING" }) },
    ];
  }],
  discourse: ["hand", () => vectorsOf("discourse", {
    sign: hex("sha256", "x-discourse-event-signature", "sha256="),
    rest: { source: page("Discourse's source, app/jobs/regular/emit_web_hook_event.rb"), secrets: ["twelve or more"], event_type: "post_created",
      headers: { ...json, "x-discourse-instance": "https://meta.example.com", "x-discourse-event-id": "9187", "x-discourse-event-type": "post", "x-discourse-event": "post_created" } },
    samples: [{ name: "post", body: '{"post":{"id":6,"username":"jörg","raw":"größer"}}' },
      { name: "ping, sent as a form", body: '{"ping":"OK"}', event_type: "ping",
        headers: { "content-type": "application/x-www-form-urlencoded", "x-discourse-event": "", "x-discourse-event-type": "ping" } }],
  })],
  taiga: ["hand", () => vectorsOf("taiga", {
    sign: hex("sha1", "x-taiga-webhook-signature"),
    rest: { source: page("Taiga's source, taiga/webhooks/tasks.py"), secrets: ["my webhook secret"] },
    samples: [{ name: "issue", event_type: "issue", body: '{"action":"create","type":"issue","by":{"id":6,"full_name":"Jörg"},"date":"2026-01-02T03:04:05.000Z","data":{"id":1,"ref":8}}' }],
  })],
  openproject: ["hand", () => vectorsOf("openproject", {
    sign: hex("sha1", "x-op-signature", "sha1="),
    rest: { source: page("OpenProject's source, represented_webhook_job.rb"), secrets: ["my webhook secret"] },
    samples: [{ name: "work package", event_type: "work_package:updated", body: '{"action":"work_package:updated","work_package":{"_type":"WorkPackage","id":40,"subject":"Größer"}}' }],
  })],
  plane: ["hand", () => vectorsOf("plane", {
    sign: hex("sha256", "x-plane-signature"),
    rest: { source: page("Plane's source, apiserver/plane/bgtasks/webhook_task.py"), secrets: ["plane_wh_1c9f"], event_type: "issue",
      headers: { ...json, "x-plane-delivery": "f819eff3-6a9f-4a4b-9f83-2b2ff9d7b54a", "x-plane-event": "issue" } },
    samples: [{ name: "issue", body: '{"event": "issue", "action": "update", "webhook_id": "f1a2159f", "workspace_id": "c467e125", "data": {"id": "7b2b", "name": "Gr\\u00f6\\u00dfer"}}' }],
  })],
};

export const make = () => makeAll(makers);
