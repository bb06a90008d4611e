// Makes the vector files next to it: npm install && node make.mjs
//
// Every vector of a provider is accepted by that provider's own library, and
// refused by it with one bit of the body changed, before it is written; unless the
// library cannot take it (bytes that are not UTF-8), which `source` then says.
import { accepts, octokit, stripe, twilio, StandardWebhook, SvixWebhook } from "./sdks.mjs";
import { custom } from "./custom.mjs";
import { NOW, base, binary, bodies, bodyFields, by, categories, checked as check, form, hmac, ids, json, lib, types, write } from "./lib.mjs";

const checked = (provider, vector, signedBy) => check(provider, accepts[provider], vector, signedBy);

async function makeStripe() {
  const secret = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH", old = "whsec_old0000000000000000000000000";
  const sign = (payload, key = secret) => stripe.webhooks.generateTestHeaderString({ payload, secret: key, timestamp: NOW });
  const source = lib("stripe", "generateTestHeaderString, accepted by verifyHeader");
  const out = [];
  for (const [name, body] of Object.entries(bodies)) {
    out.push(await checked("stripe", { name, source, ...base, headers: { ...json, "stripe-signature": sign(body) },
      ...bodyFields(body), secrets: [secret], event_id: ids[name], event_type: types[name], sign: true }, secret));
  }
  out.push(await checked("stripe", { name: "empty body", source, ...base, headers: { "stripe-signature": sign("") },
    body: "", secrets: [secret], sign: true }, secret));
  out.push({ name: "not UTF-8", source: by, ...base,
    headers: { "stripe-signature": `t=${NOW},v1=${hmac("sha256", secret, Buffer.concat([Buffer.from(`${NOW}.`), binary]), "hex")}` },
    ...bodyFields(binary), secrets: [secret], sign: true });
  const [mine, theirs] = [sign(bodies.small), sign(bodies.small, old)].map((h) => h.split("v1=")[1]);
  const event = { ...base, ...bodyFields(bodies.small), event_id: ids.small, event_type: types.small };
  out.push(await checked("stripe", { name: "rolled secret, both sign", source, ...event,
    headers: { ...json, "stripe-signature": `t=${NOW},v1=${theirs},v1=${mine}` }, secrets: [secret], several: true }, secret));
  out.push(await checked("stripe", { name: "test mode: v0 and unknown items", source, ...event,
    headers: { ...json, "stripe-signature": `t=${NOW},v1=${mine},v0=${"0".repeat(64)},v9=zz,x` }, secrets: [secret], several: true }, secret));
  out.push(await checked("stripe", { name: "second secret of two", source, ...event,
    headers: { ...json, "stripe-signature": sign(bodies.small, old) }, secrets: [secret, old], secret_index: 1 }, old));
  return out;
}

async function makeGitHub() {
  const secret = "It's a Secret to Everybody";
  const source = lib("@octokit/webhooks-methods", "sign, accepted by verify");
  const headers = { "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "x-github-event": "issues" };
  const identity = { event_id: headers["x-github-delivery"], event_type: "issues" };
  const out = [{ name: "published", source: "GitHub docs, Testing the webhook payload validation", ...base, sign: true,
    headers: { "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
    body: "Hello, World!", secrets: [secret] }];
  const all = { ...bodies, "form": "payload=" + encodeURIComponent(bodies.unicode) + "&a=1+2" };
  for (const [name, body] of Object.entries(all)) {
    out.push(await checked("github", { name, source, ...base, secrets: [secret], ...bodyFields(body), ...identity, sign: true,
      headers: { ...(name === "form" ? form : json), ...headers, "x-hub-signature-256": await octokit.sign(secret, body) } }, secret));
  }
  out.push(await checked("github", { name: "second secret of three", source, ...base, ...bodyFields(bodies.small), ...identity,
    secrets: ["new", secret, "other"], secret_index: 1,
    headers: { ...json, ...headers, "x-hub-signature-256": await octokit.sign(secret, bodies.small) } }, secret));
  for (const [name, body] of [["not UTF-8", binary], ["empty body", Buffer.alloc(0)]]) {
    out.push({ name, source: "node:crypto (the library takes neither)", ...base, secrets: [secret], ...bodyFields(body), ...identity, sign: true,
      headers: { ...json, ...headers, "x-hub-signature-256": "sha256=" + hmac("sha256", secret, body, "hex") } });
  }
  return out;
}

async function makeSlack() {
  const secret = "8f742231b10e8888abcd99yyyzzz85a5";
  const source = "node:crypto, accepted by " + lib("@slack/bolt", "verifySlackRequest");
  const command = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  const commandIdentity = { event_id: "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c", event_type: "/webhook-collect" };
  const headers = (body, now = NOW) => ({ "x-slack-request-timestamp": String(now),
    "x-slack-signature": "v0=" + hmac("sha256", secret, Buffer.concat([Buffer.from(`v0:${now}:`), Buffer.from(body)]), "hex") });
  const out = [await checked("slack", { name: "published slash command", source: "Slack docs, Verifying requests from Slack", ...base, now: 1531420618, sign: true,
    headers: { ...form, "x-slack-request-timestamp": "1531420618", "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503" },
    body: command, secrets: [secret], ...commandIdentity }, secret)];
  for (const [name, body] of Object.entries(bodies)) {
    out.push(await checked("slack", { name, source, ...base, headers: { ...json, ...headers(body) }, ...bodyFields(body),
      secrets: [secret], event_id: ids[name], event_type: types[name], sign: true }, secret));
  }
  const event = '{"token":"x","type":"event_callback","event_id":"Ev0PV52K21","event":{"type":"reaction_added","user":"U1","item":{"type":"message"}}}';
  const challenge = '{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}';
  const payload = '{"type":"block_actions","trigger_id":"12466734323.1395872398","user":{"name":"jörg"},"actions":[{"type":"button","value":"a&b=c+d%"}]}';
  const interactive = "payload=" + encodeURIComponent(payload).replaceAll("%20", "+");
  out.push(await checked("slack", { name: "Events API", source, ...base, headers: { ...json, ...headers(event) }, body: event, secrets: [secret],
    event_id: "Ev0PV52K21", event_type: "reaction_added", sign: true }, secret));
  out.push(await checked("slack", { name: "url_verification", source, ...base, headers: { ...json, ...headers(challenge) }, body: challenge, secrets: [secret],
    event_type: "url_verification", sign: true }, secret));
  out.push(await checked("slack", { name: "interactivity", source, ...base, headers: { ...form, ...headers(interactive) }, body: interactive, secrets: [secret],
    event_id: "12466734323.1395872398", event_type: "block_actions", sign: true }, secret));
  out.push(await checked("slack", { name: "second secret of two", source, ...base, headers: { ...form, ...headers(command) }, body: command,
    secrets: ["new signing secret", secret], secret_index: 1, ...commandIdentity }, secret));
  out.push({ name: "not UTF-8", source: by, ...base, headers: headers(binary), ...bodyFields(binary), secrets: [secret], sign: true });
  out.push(await checked("slack", { name: "empty body", source, ...base, headers: headers(""), body: "", secrets: [secret], sign: true }, secret));
  return out;
}

async function makeShopify() {
  const secret = "hush_0123456789abcdef";
  const source = "node:crypto, accepted by " + lib("@shopify/shopify-api", "webhooks.validate");
  const sets = {
    webhooks: (signature) => ({ "X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "a.myshopify.com",
      "X-Shopify-API-Version": "2026-07", "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
      "X-Shopify-Triggered-At": "2026-01-02T03:04:05.000Z" }),
    events: (signature) => ({ "shopify-hmac-sha256": signature, "shopify-topic": "Order", "shopify-shop-domain": "a.myshopify.com",
      "shopify-api-version": "unstable", "shopify-webhook-id": "11112222-bdd9-4b37-8a5f-bf7d70bcd043", "shopify-handle": "h", "shopify-action": "update" }),
  };
  const identities = {
    webhooks: { event_id: "98880550-7158-44d4-b7cd-2c97c8a091b5", event_type: "orders/create" },
    events: { event_id: "11112222-bdd9-4b37-8a5f-bf7d70bcd043", event_type: "Order" },
  };
  const out = [];
  for (const set of ["webhooks", "events"]) {
    for (const [name, body] of Object.entries(bodies)) {
      if (set === "events" && name === "large") continue;
      out.push(await checked("shopify", { name: `${set} headers, ${name}`, source, ...base, secrets: [secret], ...bodyFields(body), ...identities[set],
        sign: true, headers: { ...json, ...sets[set](hmac("sha256", secret, body, "base64")) } }, secret));
    }
  }
  for (const [name, body] of [["not UTF-8", binary], ["empty body", Buffer.alloc(0)]]) {
    out.push({ name, source: "node:crypto (the library takes neither)", ...base, secrets: [secret], ...bodyFields(body), ...identities.webhooks,
      sign: true, headers: { ...json, ...sets.webhooks(hmac("sha256", secret, body, "base64")) } });
  }
  out.push(await checked("shopify", { name: "second secret of two", source, ...base, secrets: ["new", secret], secret_index: 1, ...bodyFields(bodies.small),
    ...identities.webhooks, headers: { ...json, ...sets.webhooks(hmac("sha256", secret, bodies.small, "base64")) } }, secret));
  return out;
}

// Key pair, content and signature as the specification publishes them.
const v1a = {
  public: "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
  private: "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
  signature: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
};

async function makeStandard(provider, Webhook, prefix, library) {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  const source = lib(library, "sign, accepted by verify");
  const headers = (signature, id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", now = NOW, p = prefix) =>
    ({ [`${p}-id`]: id, [`${p}-timestamp`]: String(now), [`${p}-signature`]: signature });
  const sign = (body, key = secret, id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W") => new Webhook(key).sign(id, new Date(NOW * 1000), body);
  const id = { event_id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W" };
  const out = [];
  for (const [name, body] of Object.entries(bodies)) {
    out.push(await checked(provider, { name, source, ...base, headers: { ...json, ...headers(sign(body)) }, ...bodyFields(body),
      secrets: [secret], ...id, event_type: types[name], sign: true }, secret));
  }
  out.push(await checked(provider, { name: "empty body", source, ...base, headers: headers(sign("")), body: "", secrets: [secret], ...id, sign: true }, secret));
  const raw = Buffer.from(secret.slice("whsec_".length), "base64");
  out.push({ name: "not UTF-8", source: by, ...base, ...bodyFields(binary), secrets: [secret], ...id, sign: true,
    headers: headers("v1," + hmac("sha256", raw, Buffer.concat([Buffer.from(`${id.event_id}.${NOW}.`), binary]), "base64")) });
  const small = { ...base, ...bodyFields(bodies.small), ...id, event_type: types.small };
  out.push(await checked(provider, { name: "secret without prefix", source, ...small, headers: { ...json, ...headers(sign(bodies.small)) },
    secrets: [secret.slice("whsec_".length)], sign: true }, secret));
  out.push(await checked(provider, { name: "rotated: two signatures and an unknown version", source, ...small, secrets: [secret], several: true,
    headers: { ...json, ...headers(`${sign(bodies.small, old)} v9,zz v1,bad ${sign(bodies.small)}`) } }, secret));
  out.push(await checked(provider, { name: "second secret of two", source, ...small, headers: { ...json, ...headers(sign(bodies.small, old)) },
    secrets: [secret, old], secret_index: 1 }, old));
  const spec = { ...base, now: 1614265330, body: '{"test": 2432232314}', event_id: "msg_p5jXN8AQM9LWM0D4loKWxJek" };
  const published = (signature) => headers(signature, spec.event_id, spec.now);
  const v1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  out.push(await checked(provider, { name: "published v1", source: "Standard Webhooks specification, signature scheme", ...spec, sign: true,
    headers: published(v1), secrets: [secret] }, secret));
  out.push({ name: "published v1a", source: "Standard Webhooks specification, signature scheme", ...spec,
    headers: published(v1a.signature), public_keys: [v1a.public] });
  out.push({ name: "published v1a, with the private key", source: "Standard Webhooks specification, signature scheme", ...spec, sign: true,
    headers: published(v1a.signature), secrets: [v1a.private] });
  out.push({ name: "published v1 and v1a in one header", source: "Standard Webhooks specification, signature scheme", ...spec,
    headers: published(`${v1a.signature} ${v1}`), secrets: [secret], public_keys: [v1a.public], several: true });
  if (provider === "svix") {
    const svixKey = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    out.push(await checked("svix", { name: "published", source: "Svix docs, Verifying webhooks manually", ...base, now: 1731705121, sign: true,
      headers: headers("v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=", "msg_loFOjxBNrRLzqYUf", 1731705121),
      body: '{"event_type":"ping","data":{"success":true}}', secrets: [svixKey], event_id: "msg_loFOjxBNrRLzqYUf" }, svixKey));
    out.push(await checked("svix", { name: "white-label headers", source, ...small, secrets: [secret], sign: true,
      headers: { ...json, ...headers(sign(bodies.small), id.event_id, NOW, "webhook") } }, secret));
  }
  return out;
}

async function makeTwilio() {
  const secret = "12345";
  const source = lib("twilio", "getExpectedTwilioSignature, accepted by validateRequest");
  const sign = (url, fields = {}) => ({ "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, url, fields) });
  const call = { CallSid: "CA1234567890ABCDE", Caller: "+14158675309", Digits: "1234", From: "+14158675309", To: "+18005551212" };
  const docs = "https://mycompany.com/myapp.php?foo=1&bar=2";
  const encode = (fields) => new URLSearchParams(Object.entries(fields).flatMap(([k, v]) => [v].flat().map((x) => [k, x]))).toString();
  const plain = { now: NOW, secrets: [secret] };
  const out = [];
  const add = async (name, url, fields, more = {}) => out.push(await checked("twilio", { name, source, ...plain, url,
    headers: { ...form, ...sign(more.signedURL ?? url, fields), ...more.headers }, body: more.body ?? encode(fields), sign: !more.signedURL, ...more.expect }, secret));

  out.push(await checked("twilio", { name: "published form", source: "Twilio docs, Validating signatures from Twilio", ...plain, url: docs, sign: true,
    headers: { ...form, "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=" }, body: encode(call) }, secret));
  out.push(await checked("twilio", { name: "published form, two fields more", source: "twilio-go, client/request_validator_test.go", ...plain, url: docs, sign: true,
    headers: { ...form, "x-twilio-signature": "vOEb5UThFn24KEfnOFLQY2AE5FY=" },
    body: encode({ ...call, ReasonConferenceEnded: "test", Reason: "Participant" }) }, secret));
  out.push(await checked("twilio", { name: "published JSON", source: "twilio-go, client/request_validator_test.go", ...plain, sign: true,
    url: docs + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
    headers: { ...json, "x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4=" }, body: '{"property": "value", "boolean": true}' }, secret));

  await add("status callback", "https://hooks.example.com/sms", { MessageSid: "SM1", MessageStatus: "delivered", Body: "Grüße 🎉 a+b=c&d" },
    { headers: { "i-twilio-idempotency-token": "f1e2" }, expect: { event_id: "f1e2", event_type: "delivered" } });
  await add("call status", "https://hooks.example.com/voice", call);
  await add("repeated fields", "https://hooks.example.com/sms", { A1: "", Sid: ["blue", "amber", "blue", "cyan", "amber"], a: "2", A: "1" });
  await add("names that are prefixes of one another", "https://hooks.example.com/sms", { a: "bc", ab: "c", "a-b": "y" });
  await add("large", "https://hooks.example.com/sms", { Body: "y".repeat(20_000), Z: "é" });
  await add("empty form", "https://hooks.example.com/sms", {}, { headers: { "content-type": "application/x-www-form-urlencoded; charset=UTF-8" } });
  await add("query and form", "https://hooks.example.com/sms?x=%27&y=a%20b&y=+", { From: "+1" });
  await add("own port", "https://hooks.example.com:8443/sms", call);
  await add("own port, signed without it", "https://hooks.example.com:8443/sms", call, { signedURL: "https://hooks.example.com/sms" });
  await add("no port, signed with the default one", "https://hooks.example.com/sms", call, { signedURL: "https://hooks.example.com:443/sms" });
  await add("plain HTTP, signed with the default port", "http://hooks.example.com/sms", call, { signedURL: "http://hooks.example.com:80/sms" });
  await add("IPv6, signed with the default port", "https://[2001:db8::1]/sms", call, { signedURL: "https://[2001:db8::1]:443/sms" });

  const get = "https://hooks.example.com/voice?CallSid=CA1&CallStatus=ringing&From=%2B1";
  out.push(await checked("twilio", { name: "GET", source, ...plain, method: "GET", url: get, headers: sign(get), body: "", event_type: "ringing", sign: true }, secret));
  for (const [name, body] of Object.entries({ "JSON": bodies.small, "JSON, unicode": bodies.unicode, "JSON, large": bodies.large })) {
    const url = "https://hooks.example.com/events?a=1&bodySHA256=" + twilio.getExpectedBodyHash(body);
    out.push(await checked("twilio", { name, source: lib("twilio", "getExpectedTwilioSignature, accepted by validateRequestWithBody"), ...plain, url,
      headers: { ...json, ...sign(url) }, body, sign: true }, secret));
  }
  // Signed as the URL was entered, called in another spelling: twilio-node #1059, #1183, #621.
  for (const [name, sent, signed] of [
    ["a quote sent as %27", "?q=a%27b", "?q=a'b"],
    ["marks sent escaped", "?q=%21%27%28%29%2A%7E&r=1", "?q=!'()*~&r=1"],
    ["%27 sent as a quote", "?q=a'b", "?q=a%27b"],
    ["a space sent as +", "?q=William+O%27hara", "?q=William%20O'hara"],
    ["letters sent raw", "?q=größe%20🎉", "?q=gr%C3%B6%C3%9Fe%20%F0%9F%8E%89"],
  ]) {
    const at = "https://hooks.example.com/voice";
    await add(name, at + sent, call, { signedURL: at + signed });
    const url = at + sent;
    out.push(await checked("twilio", { name: name + ", GET", source, ...plain, method: "GET", url, headers: sign(at + signed), body: "" }, secret));
  }
  const key = "dGhpcyBpcyB0aGUgc2VjcmV0IG9mIGEgU2hhcmVkS2V5", sharedKey = (algorithm) => ({ "x-twilio-webhooks-signature-settings": `key=webhooks_sharedkey_01k5,algorithm=${algorithm}` });
  for (const algorithm of ["HMAC_SHA256", "HMAC_SHA1"]) {
    const url = "https://hooks.example.com/sms?x=%27&y=a%20b", json256 = url + "&bodySHA256=" + twilio.getExpectedBodyHash(bodies.unicode);
    const shared = (at, fields) => ({ "x-twilio-signature": twilio.getExpectedTwilioSignature(key, at, fields, algorithm), ...sharedKey(algorithm) });
    const mine = { now: NOW, secrets: [secret, key], secret_index: 1, source };
    out.push(await checked("twilio", { name: "SharedKey, " + algorithm, ...mine, url, headers: { ...form, ...shared(url, call) }, body: encode(call) }, key));
    out.push(await checked("twilio", { name: "SharedKey, JSON, " + algorithm, ...mine, url: json256, headers: { ...json, ...shared(json256, {}) }, body: bodies.unicode }, key));
    out.push(await checked("twilio", { name: "SharedKey alone, a quote sent as %27, " + algorithm, ...mine, secrets: [key], secret_index: 0, url: "https://hooks.example.com/sms?q=%27",
      headers: { ...form, ...shared("https://hooks.example.com/sms?q='", call) }, body: encode(call) }, key));
  }
  const old = "old auth token", both = "https://hooks.example.com/sms";
  out.push(await checked("twilio", { name: "second secret of two", source, now: NOW, url: both, secrets: [secret, old], secret_index: 1, body: encode(call),
    headers: { ...form, "x-twilio-signature": twilio.getExpectedTwilioSignature(old, both, call) } }, old));
  return out;
}

const files = {
  "stripe": await makeStripe(),
  "github": await makeGitHub(),
  "slack": await makeSlack(),
  "shopify": await makeShopify(),
  "standard-webhooks": await makeStandard("standard-webhooks", StandardWebhook, "webhook", "standardwebhooks"),
  "svix": await makeStandard("svix", SvixWebhook, "svix", "svix"),
  "twilio": await makeTwilio(),
  "custom": custom(),
};
for (const [provider, vectors] of Object.entries(files)) {
  write(provider, provider === "custom" ? "hand" : "sdk", vectors);
}
for (const category of await categories()) {
  for (const [provider, { evidence, vectors }] of Object.entries(await category.make())) {
    write(provider, evidence, vectors);
  }
}
