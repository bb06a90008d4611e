// Code hosting and delivery.
import crypto from "node:crypto";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { NOW, base, bodyFields, checked, form, hmac, json, lib } from "../lib.mjs";

globalThis.crypto ??= crypto.webcrypto; // several libraries want it; Node 18, as in Debian 12, has it elsewhere

export const page = (title) => `node:crypto, from the words of ${title}`;
export const unicode = '{"text":"Straße, 日本語 \u2028 🎉","n":1.50}';

// vectorsOf makes the vectors that every provider gets: its samples, unicode, an empty
// body, and the second secret of two.
//
//   sign      (body, secret) => the headers that prove it
//   samples   the documented webhooks: name, body, and what differs from the rest
//   rest      what all vectors have: source, secrets, headers, event_id, event_type, …
//   accepts   the provider's library, if it can verify; `tolerant` if it takes any body
//   other     another secret
//   frame     makes the unicode and the empty body what the provider's rows need at least
export async function vectorsOf(provider, { sign, other = "another secret", samples, accepts, tolerant = true, frame = (body) => body, rest }) {
  const { headers = json, ...common } = rest;
  const make = async ({ headers: more, key, ...sample }, byLibrary) => {
    const { body, ...v } = { ...base, sign: true, ...common, ...sample };
    const signed = await sign(body, key ?? v.secrets[v.secret_index ?? 0], v);
    const vector = { ...v, headers: { ...headers, ...more, ...signed }, ...bodyFields(body) };
    return accepts && byLibrary ? checked(provider, accepts, vector, key ?? v.secrets[v.secret_index ?? 0]) : vector;
  };
  const [typical] = samples, [secret] = common.secrets;
  const out = [];
  for (const sample of samples) out.push(await make(sample, true));
  out.push(await make({ name: "unicode", body: frame(unicode) }, tolerant));
  out.push(await make({ name: frame("") ? "minimal body" : "empty body", body: frame(""), ...(accepts ? { source: "node:crypto (the library does not take it)" } : {}) }, false));
  out.push(await make({ ...typical, name: "second secret of two", secrets: [other, secret], secret_index: 1, sign: undefined }, true));
  return out;
}

// standardVectors is vectorsOf for senders of Standard Webhooks. prefix is that of the headers.
export async function standardVectors(provider, { source, samples, accepts, tolerant, headers = {}, type, prefix = "webhook" }) {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
  const one = (body, key) => new StandardWebhook(key).sign(id, new Date(NOW * 1000), body);
  const headersOf = (signature, p = prefix) => ({ [`${p}-id`]: id, [`${p}-timestamp`]: String(NOW), [`${p}-signature`]: signature });
  const rest = { source, secrets: [secret], headers: { ...json, ...headers }, event_id: id, event_type: type };
  const out = await vectorsOf(provider, { sign: (body, key, v) => headersOf(one(body, key), v.prefix ?? prefix), other: old, samples, accepts, tolerant, rest });
  const [{ body, ...sample }] = samples;
  const rotated = { ...base, ...rest, ...sample, name: "rotated: two signatures and an unknown version", several: true, ...bodyFields(body),
    headers: { ...rest.headers, ...headersOf(`${one(body, old)} v9,zz ${one(body, secret)}`) } };
  out.push(accepts ? await checked(provider, accepts, rotated, secret) : rotated);
  return out;
}

const hex = (hash, name, prefix = "") => (body, key) => ({ [name]: prefix + hmac(hash, key, body, "hex") });
const token = (name) => (_, key) => ({ [name]: key });
const asForm = (payload) => "payload=" + encodeURIComponent(payload).replaceAll("%20", "+");

// Gogs and what became of it sign the JSON document, also where they send it as a field of a form.
function gogsLike(provider, name, source) {
  const sign = (body, key, v) => hex("sha256", `x-${name}-signature`)(v.signs ?? body, key);
  const push = '{"ref":"refs/heads/main","before":"28e1879d","after":"bffeb742","commits":[{"message":"Grüße & 100 %"}],"repository":{"id":140}}';
  const delivery = "f6266f16-1bf3-46a5-9ea4-602e06ead473";
  const rest = { source, secrets: ["It's a secret"], event_id: delivery, event_type: "push",
    headers: { ...json, [`x-${name}-delivery`]: delivery, [`x-${name}-event`]: "push" } };
  return vectorsOf(provider, { sign, rest, samples: [
    { name: "push", body: push },
    { name: "push, as a form", body: asForm(push), signs: push, headers: form },
    { name: "unicode, as a form", body: asForm(unicode), signs: unicode, headers: form },
  ] }).then((vectors) => vectors.map(({ signs, ...v }) => v));
}

const gitlabPush = '{"object_kind":"push","event_name":"push","ref":"refs/heads/master","checkout_sha":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","project_id":15,"total_commits_count":4}';
const gitlabIssue = '{"object_kind":"issue","object_attributes":{"id":301,"title":"New API: create/update/delete file","action":"open"}}';
const gitlabKey = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";

const makers = {
  "gitlab-token": ["hand", () => vectorsOf("gitlab-token", {
    sign: token("x-gitlab-token"), other: "new-token",
    rest: { source: "the words of GitLab docs, Webhooks", secrets: ["Zq3t-secret-token"], body_unsigned: true, event_id: gitlabKey, event_type: "Push Hook",
      headers: { ...json, "x-gitlab-event": "Push Hook", "idempotency-key": gitlabKey, "x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e" } },
    samples: [{ name: "push", body: gitlabPush },
      { name: "issue, of a GitLab before 17.4", body: gitlabIssue, event_id: "", event_type: "Issue Hook",
        headers: { "x-gitlab-event": "Issue Hook", "idempotency-key": "" } }],
  })],
  "gitlab-signing": ["hand", () => standardVectors("gitlab-signing", {
    source: lib("standardwebhooks", "sign, from the words of GitLab docs, Webhooks"), headers: { "x-gitlab-event": "Push Hook" }, type: "Push Hook",
    samples: [{ name: "push", body: gitlabPush }, { name: "issue", body: gitlabIssue, headers: { "x-gitlab-event": "Issue Hook" }, event_type: "Issue Hook" }],
  })],
  "bitbucket-cloud": ["hand", () => vectorsOf("bitbucket-cloud", {
    sign: hex("sha256", "x-hub-signature", "sha256="),
    rest: { source: page("Atlassian Support, Manage webhooks"), secrets: ["It's a Secret to Everybody"], event_type: "repo:push",
      headers: { ...json, "x-event-key": "repo:push", "x-request-uuid": "f2d4b1a0-0c3e-4c1b-9d5e-2f6a8b7c9d01", "x-attempt-number": "1" } },
    samples: [{ name: "push", body: '{"push":{"changes":[{"new":{"type":"branch","name":"main"}}]},"repository":{"full_name":"team/repo"}}' }],
  })],
  "bitbucket-server": ["hand", () => vectorsOf("bitbucket-server", {
    sign: hex("sha256", "x-hub-signature", "sha256="),
    rest: { source: page("Bitbucket Data Center docs, Manage webhooks"), secrets: ["a long random secret"], event_id: "d1c8b2f0-5e2c-4a55-9df0-9d7b0c8f4f3a", event_type: "repo:refs_changed",
      headers: { "content-type": "application/json; charset=utf-8", "x-event-key": "repo:refs_changed", "x-request-id": "d1c8b2f0-5e2c-4a55-9df0-9d7b0c8f4f3a" } },
    samples: [{ name: "push", body: '{"eventKey":"repo:refs_changed","date":"2026-01-02T03:04:05+0000","repository":{"slug":"repo","id":84}}' },
      { name: "connection test", body: '{"test":true}', event_type: "diagnostics:ping", headers: { "x-event-key": "diagnostics:ping" } }],
  })],
  gitea: ["hand", () => gogsLike("gitea", "gitea", page("Gitea's source, services/webhook/deliver.go"))],
  forgejo: ["hand", () => gogsLike("forgejo", "forgejo", page("Forgejo's source, services/webhook/shared/payloader.go"))],
  gogs: ["hand", () => gogsLike("gogs", "gogs", page("Gogs' source, internal/database/webhook.go"))],
  phabricator: ["hand", () => vectorsOf("phabricator", {
    sign: hex("sha256", "x-phabricator-webhook-signature"),
    rest: { source: page("Phabricator's source, HeraldWebhookWorker.php"), secrets: ["xqvmnfqglbfvpykjyyqbkiyzk5jtrcvm"] },
    samples: [{ name: "task", event_type: "TASK", body: '{"object":{"type":"TASK","phid":"PHID-TASK-abcd"},"triggers":[{"phid":"PHID-HRUL-abcd"}],"action":{"test":false,"silent":false,"secure":false,"epoch":1767323045},"transactions":[{"phid":"PHID-XACT-TASK-abcd"}]}' },
      { name: "without transactions", event_type: "DREV", body: '{"object":{"type":"DREV","phid":"PHID-DREV-1"},"triggers":[],"action":{"test":true},"transactions":[]}' }],
  })],
  circleci: ["docs", async () => [
    ...Object.entries({ // body and secret: signature
      "hello world": ["secret", "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"],
      "lalala": ["another-secret", "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"],
      "an-important-request-payload": ["hunter123", "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa"],
      "foo": ["secret", "773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4"],
    }).map(([body, [secret, signature]]) => ({ name: `published: ${body}`, source: "CircleCI docs, Outbound webhooks", ...base, sign: true,
      headers: { "circleci-signature": `v1=${signature}` }, body, secrets: [secret] })),
    ...await vectorsOf("circleci", {
      sign: (body, key, v) => ({ "circleci-signature": `v1=${hmac("sha256", key, body, "hex")}${v.several ? ",v2=0123,v3=zz" : ""}` }),
      rest: { source: page("CircleCI docs, Outbound webhooks"), secrets: ["hunter123"], headers: { ...json, "circleci-event-type": "workflow-completed" }, event_type: "workflow-completed" },
      samples: ["workflow", "signatures of later versions beside v1"].map((name, i) => ({ name, ...(i === 1 ? { several: true, sign: undefined } : {}), event_id: "3888f21b-eaa7-38e3-8f3d-75a63bba8895",
        body: '{"id":"3888f21b-eaa7-38e3-8f3d-75a63bba8895","type":"workflow-completed","happened_at":"2026-01-02T03:04:05.000Z","webhook":{"id":"cf8c4fdd-0587-4da1-b4ca-4846e9640af9","name":"Sample Webhook"}}' })),
    }),
  ]],
  buildkite: ["hand", () => vectorsOf("buildkite", {
    sign: (body, key) => ({ "x-buildkite-signature": `timestamp=${NOW},signature=${hmac("sha256", key, `${NOW}.${body}`, "hex")}` }),
    rest: { source: page("Buildkite docs, Pipelines webhooks"), secrets: ["bkw_d41d8cd98f00b204"], headers: { ...json, "x-buildkite-event": "build.finished" }, event_type: "build.finished" },
    samples: [{ name: "build", body: '{"event":"build.finished","build":{"id":"f62a1b4d","number":17,"state":"passed"},"sender":{"name":"Jörg"}}' },
      { name: "ping", body: '{"event":"ping","service":{"id":"c9f8372d"}}', headers: { "x-buildkite-event": "ping" }, event_type: "ping" }],
  })],
  vercel: ["hand", () => vectorsOf("vercel", {
    sign: hex("sha1", "x-vercel-signature"),
    rest: { source: page("Vercel docs, Webhooks API Reference"), secrets: ["oaLrGYcJFM6H0kO1ZJmC3mGf"] },
    samples: [{ name: "deployment", event_id: "vAZ5Zg0rUz3TqkDgP5y5XxQf", event_type: "deployment.created",
      body: '{"id":"vAZ5Zg0rUz3TqkDgP5y5XxQf","type":"deployment.created","createdAt":1767323045000,"region":"sfo1","payload":{"team":{"id":"team_1"},"deployment":{"id":"dpl_1","name":"größe"}}}' }],
  })],
  heroku: ["hand", () => vectorsOf("heroku", {
    sign: (body, key) => ({ "heroku-webhook-hmac-sha256": hmac("sha256", key, body, "base64") }),
    rest: { source: page("Heroku Dev Center, App Webhooks"), secrets: ["4c9a1f0e2b7d"] },
    samples: [{ name: "release", event_id: "ecb8532f-3b9b-4f8a-8eee-14296e0a6784", event_type: "api:release",
      body: '{"action":"update","resource":"release","data":{"id":"r1","status":"succeeded"},"webhook_metadata":{"attempt":{"id":"6ddac576-005d-456c-8153-8fba3f5702de"},"delivery":{"id":"ecb8532f-3b9b-4f8a-8eee-14296e0a6784"},"event":{"id":"66a9e685-e1f3-4f9f-9177-a024fb5f0902","include":"api:release"},"webhook":{"id":"0cb1"}}}' }],
  })],
  "hcp-terraform": ["hand", () => vectorsOf("hcp-terraform", {
    sign: hex("sha512", "x-tfe-notification-signature"),
    rest: { source: page("HashiCorp Developer, Notification Configurations API"), secrets: ["0a1b2c3d4e5f"] },
    samples: [{ name: "run", event_type: "run:errored",
      body: '{"payload_version":1,"notification_configuration_id":"nc-AeUQ2zfKZzW9TiGZ","run_id":"run-FwnENkvDnrpyFC7M","run_message":"Add five new queue workers","workspace_id":"ws-XdeUVMWShTesDMME","notifications":[{"message":"Run Canceled","trigger":"run:errored","run_status":"canceled","run_updated_at":"2019-01-25T18:37:04.000Z"}]}' },
      { name: "health assessment", event_type: "assessment:drifted",
        body: '{"payload_version":2,"notification_configuration_id":"nc-1","trigger_scope":"assessment","trigger":"assessment:drifted","message":"Drift Detected"}' }],
  })],
  launchdarkly: ["hand", () => vectorsOf("launchdarkly", {
    sign: hex("sha256", "x-ld-signature"),
    rest: { source: page("LaunchDarkly docs, Webhooks"), secrets: ["lLtFD26ECyZS8q2j3Kp0"] },
    samples: [{ name: "flag", event_id: "57c0a8e29969090743529965", event_type: "flag",
      body: '{"_links":{"self":{"href":"/api/v2/auditlog/57c0a8e29969090743529965"}},"_id":"57c0a8e29969090743529965","date":1472243938774,"kind":"flag","name":"Größe","titleVerb":"turned on the flag"}' }],
  })],
  flagsmith: ["hand", () => vectorsOf("flagsmith", {
    sign: hex("sha256", "x-flagsmith-signature"),
    rest: { source: page("Flagsmith's source, api/webhooks/webhooks.py and api/core/signing.py"), secrets: ["shared secret"] },
    samples: [{ name: "flag", event_type: "FLAG_UPDATED",
      body: '{"data": {"changed_by": "Ben", "new_state": {"enabled": true, "feature": {"id": 1, "name": "butter_bar"}}}, "event_type": "FLAG_UPDATED"}' }],
  })],
  sonarqube: ["hand", () => vectorsOf("sonarqube", {
    sign: hex("sha256", "x-sonar-webhook-hmac-sha256"),
    rest: { source: page("SonarQube docs, Webhooks"), secrets: ["sixteen characters"], headers: { "content-type": "application/json; charset=utf-8", "x-sonarqube-project": "org.acme:api" } },
    samples: [{ name: "analysis",
      body: '{"serverUrl":"https://sonar.example.com","taskId":"AVh21JS2JepAEhwQ-b3u","status":"SUCCESS","analysedAt":"2026-01-02T03:04:05+0000","project":{"key":"org.acme:api"},"qualityGate":{"name":"Sonar way","status":"OK"}}' }],
  })],
  pulumi: ["hand", () => vectorsOf("pulumi", {
    sign: hex("sha256", "pulumi-webhook-signature"),
    rest: { source: page("Pulumi docs, Webhooks"), secrets: ["shared secret"], event_type: "stack_update",
      headers: { ...json, "pulumi-webhook-id": "9f2d1c1e-6f35-4f0e-8a7e-1f6f4f0f9a4b", "pulumi-webhook-kind": "stack_update" } },
    samples: [{ name: "update", body: '{"user":{"name":"Morty Smith","githubLogin":"morty"},"projectName":"website","stackName":"website-prod","kind":"refresh","result":"succeeded","resourceChanges":{"update":3,"delete":1}}' }],
  })],
  expo: ["hand", () => vectorsOf("expo", {
    sign: hex("sha1", "expo-signature", "sha1="),
    rest: { source: page("Expo docs, EAS Webhooks"), secrets: ["at least sixteen characters"] },
    samples: [{ name: "build", event_type: "errored",
      body: '{"id":"147a3212-49fd-446f-b4e3-a6519acf264a","accountName":"dsokal","projectName":"example","platform":"android","status":"errored","error":{"errorCode":"UNKNOWN_ERROR"}}' }],
  })],
  readthedocs: ["hand", () => vectorsOf("readthedocs", {
    sign: hex("sha256", "x-hub-signature"),
    rest: { source: page("Read the Docs documentation, How to setup build status webhooks"), secrets: ["c2f9e6d1a4b87350"] },
    samples: [{ name: "build", event_type: "build:triggered",
      body: '{"event":"build:triggered","name":"docs","slug":"docs","version":"latest","commit":"2552bb609ca46865dc36401dee0b1865a0aee52d","build":"15173336"}' }],
  })],
  semaphore: ["hand", () => vectorsOf("semaphore", {
    sign: hex("sha256", "x-semaphore-signature-256"),
    rest: { source: page("Semaphore's source, notifications/lib/notifications/workers/webhook.ex"), secrets: ["super secret"], event_id: "a0b1c2d3-e4f5-4678-9abc-def012345678",
      headers: { ...json, "x-semaphore-webhook-id": "a0b1c2d3-e4f5-4678-9abc-def012345678" } },
    samples: [{ name: "pipeline", event_type: "passed", body: '{"version":"1.0.0","organization":{"name":"acme"},"pipeline":{"id":"p1","name":"Pipeline","state":"done","result":"passed"}}' }],
  })],
  snyk: ["hand", () => vectorsOf("snyk", {
    sign: hex("sha256", "x-hub-signature", "sha256="),
    rest: { source: page("Snyk docs, Validation and versioning of payloads"), secrets: ["my-secret-string"], event_type: "project_snapshot/v0",
      headers: { ...json, "x-snyk-event": "project_snapshot/v0", "x-snyk-transport-id": "998fe884-18a0-45db-8ae0-e379eea3bc0a", "x-snyk-timestamp": "2020-09-25T15:27:53Z" } },
    samples: [{ name: "snapshot", body: '{"project":{"id":"463c1ee5","name":"größer"},"org":{"id":"a1b2"},"newIssues":[],"removedIssues":[]}' },
      { name: "ping", body: '{"webhookId":"d3cf26b3-2d77-497b-bce2-23b33cc15362"}', headers: { "x-snyk-event": "ping/v0" }, event_type: "ping/v0" }],
  })],
  harbor: ["hand", () => vectorsOf("harbor", {
    sign: token("authorization"), other: "Bearer new",
    rest: { source: "the words of Harbor docs, Configure Webhook Notifications", secrets: ["Bearer 7f1c0d9e"], body_unsigned: true },
    samples: [{ name: "push", event_type: "PUSH_ARTIFACT",
      body: '{"type":"PUSH_ARTIFACT","occur_at":1767323045,"operator":"admin","event_data":{"resources":[{"tag":"latest"}],"repository":{"name":"debian"}}}' }],
  })],
  render: ["sdk", () => standardVectors("render", {
    source: lib("standardwebhooks", "sign, accepted by verify"), accepts: acceptsStandard, type: undefined,
    samples: [{ name: "deploy", event_type: "deploy_ended", body: '{"type":"deploy_ended","timestamp":"2026-01-02T03:04:05Z","data":{"id":"evj-cv1","serviceId":"srv-cv1","serviceName":"web","status":"succeeded"}}' }],
  })],
  "svix-backed": ["sdk", () => standardVectors("svix-backed", {
    source: lib("svix", "accepted by verify; signed by standardwebhooks"), accepts: acceptsSvix, prefix: "svix",
    samples: [{ name: "svix headers", event_type: "transfer.updated", body: '{"type":"transfer.updated","id":"t_1","name":"größer"}' },
      { name: "webhook headers", event_type: "card.created", prefix: "webhook", body: '{"type":"card.created","id":"c_1"}' }],
  }).then((vectors) => vectors.map(({ prefix, ...v }) => v))],
};

export function acceptsStandard(hook) {
  new StandardWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false });
}

const acceptsSvix = (hook) => new SvixWebhook(hook.secret).verify(hook.body, hook.headers, { jsonParse: false });

export const makeAll = async (all) => {
  const out = {};
  for (const [provider, [evidence, vectors]] of Object.entries(all)) out[provider] = { evidence, vectors: await vectors() };
  return out;
};
export const make = () => makeAll(makers);
export const accepts = { "gitlab-signing": acceptsStandard, render: acceptsStandard, "svix-backed": acceptsSvix };
