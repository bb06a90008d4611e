// Banking, accounting and crypto.
import crypto from "node:crypto";
import Increase from "increase";
import Lithic from "lithic";
import ModernTreasury from "modern-treasury";
import { NOW, base, form, hmac, lib, refuseUnless } from "../lib.mjs";
import { inHeader, standard, standardIdentity, vectorFiles, words } from "./payments.mjs";

const after = (head, body) => Buffer.concat([Buffer.from(head), body]);
const text = (hook) => hook.body.toString();
const treasury = new ModernTreasury({ apiKey: "none", organizationID: "none" });
const lithic = new Lithic({ apiKey: "none" });
const increase = new Increase({ apiKey: "none" });

export const accepts = {
  "modern-treasury": (hook) => {
    refuseUnless(treasury.webhooks.validateSignature(text(hook), hook.headers, { key: hook.secret }), "false");
  },
  "lithic": (hook) => lithic.webhooks.verifySignature(text(hook), hook.headers, hook.secret),
  "increase": (hook) => { increase.events.unwrap(text(hook), { headers: hook.headers, key: hook.secret }); },
};
export const trials = { "increase": { bodies: ["JSON"] }, "lithic": { bodies: ["JSON", "empty"] } };

// byKeyPair adds to a spec what is signed with a private key, of a pair made here
// because the provider keeps its own. With the private key we can sign, too: one
// vector has it, the others have the public one.
function byKeyPair(algorithm, name, spec) {
  const pairs = [1, 2].map(() => crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }));
  const secrets = pairs.map((pair) => pair.privateKey.export({ type: "pkcs8", format: "pem" }));
  const publicKey = new Map(pairs.map((pair, i) => [secrets[i], pair.publicKey.export({ type: "spki", format: "pem" })]));
  const sign = (body, secret) => ({ [name]: crypto.sign(algorithm, body, secret).toString("base64") });
  const finish = (v) => v.name === "with the private key" || v.public_keys ? v
    : { ...v, secrets: undefined, sign: undefined, public_keys: v.secrets.map((secret) => publicKey.get(secret)),
      name: v.name.replace("secret", "public key") };
  return { ...spec, secrets, sign, finish, more: async (vector) => [
    await vector("with the private key", spec.body), ...(await spec.more?.(vector) ?? []),
  ] };
}

const wiseSandboxKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwpb91cEYuyJNQepZAVfP
ZIlPZfNUefH+n6w9SW3fykqKu938cR7WadQv87oF2VuT+fDt7kqeRziTmPSUhqPU
ys/V2Q1rlfJuXbE+Gga37t7zwd0egQ+KyOEHQOpcTwKmtZ81ieGHynAQzsn1We3j
wt760MsCPJ7GMT141ByQM+yW1Bx+4SG3IGjXWyqOWrcXsxAvIXkpUD/jK/L958Cg
nZEgz0BSEh0QxYLITnW1lLokSx/dTianWPFEhMC9BgijempgNXHNfcVirg1lPSyg
z7KqoKUN0oHqWLr2U1A+7kqrl6O2nx3CKs1bj1hToT1+p4kcMoHXA7kA+VBLUpEs
VwIDAQAB
-----END PUBLIC KEY-----
`;

export async function make() {
  const wiseID = "ec8d04c4-3a8b-4d7a-a5c0-0c9a1f5a3b7e";
  const specs = {
    "wise": { evidence: "sdk", ...byKeyPair("RSA-SHA256", "x-signature-sha256", { by: words("transferwise/digital-signatures-examples, verify-signature.js"),
      headers: { "x-delivery-id": wiseID }, id: wiseID, type: "transfers#state-change", inHeaders: { event_id: wiseID },
      body: '{"data":{"resource":{"id":111,"profile_id":222,"account_id":333,"type":"transfer"},"current_state":"processing"},"subscription_id":"01234567-89ab-cdef-0123-456789abcdef","event_type":"transfers#state-change","schema_version":"2.0.0","sent_at":"2026-01-02T03:04:05Z"}',
      more: async (vector) => [await vector("published", '{"data":{"resource":{"id":49983981,"profile_id":16055450,"account_id":14124090,"type":"transfer"},"current_state":"incoming_payment_waiting","previous_state":null,"occurred_at":"2021-08-23T10:12:50Z"},"subscription_id":"90aa8e14-4ef1-4a56-861c-f3c9cde097ea","event_type":"transfers#state-change","schema_version":"2.0.0","sent_at":"2021-08-23T10:12:50Z"}',
        { source: "transferwise/digital-signatures-examples, verify-webhook-signature/verify-signature.js", secrets: undefined, public_keys: [wiseSandboxKey], sign: undefined,
          proof: { "x-signature-sha256": "wKcKCYXAzxNgiu7xmoDm943NUni7Rz33QN8JkEA9dWSGebgndonabgSj18Y4C08OrwVmueGsED2s00M7DtJVcYKOS1i3G4TMVx+mgM3aL9djMBkQtiYNBFUd6wrPI7ZUNHv/TrlKSjTMc+6JFvUvJ7owY3z85e3I4jLRLJowMFvO8kvCJ60+1pY9wDwZvtZ//WS93LrwGjk9Dvwzpmu0w+P4J75tETT5qC3Uv0y5G2yO8SEoO3yNP/tg/BOli02niHb53vEOUWUb9bly6thnfMoXoiV/osoGxgF20R58RlvkAmezyyl1Sv542TfS2DpiwVnmjjjkCyXeSUcKookYLQ==" } })],
    }) },

    "fireblocks-v1": { evidence: "hand", ...byKeyPair("RSA-SHA512", "fireblocks-signature", { by: words("Fireblocks docs, Validating webhook events"),
      type: "TRANSACTION_STATUS_UPDATED",
      body: '{"type":"TRANSACTION_STATUS_UPDATED","tenantId":"d77e7b90-3f1c-4e6f-9c7a-2d1e5f8a0b3c","timestamp":1767323045000,"data":{"id":"5a1b2c3d","status":"COMPLETED"}}' }) },

    "coinbase-commerce": { evidence: "sdk", by: words("coinbase-commerce-node 1.0.4, Webhook.computeSignature"), secrets: ["30291a20-0bd1-4267-9b0f-e6e7b123c0bf", "old"],
      sign: inHeader("x-cc-webhook-signature"),
      body: '{"id":1,"scheduled_for":"2026-01-02T03:04:05Z","attempt_number":1,"event":{"id":"24934862-d980-46cb-9402-43c81b0cdba6","type":"charge:created","api_version":"2018-03-22","data":{"code":"66BEOV2A"}}}',
      id: "24934862-d980-46cb-9402-43c81b0cdba6", type: "charge:created",
      more: async (vector) => [await vector("published", '{"id":1,"scheduled_for":"2017-01-31T20:50:02Z","attempt_number":1,"event":{"id":"24934862-d980-46cb-9402-43c81b0cdba6","type":"charge:created","api_version":"2018-03-22","created_at":"2017-01-31T20:49:02Z","data":{"code":"66BEOV2A","name":"The Sovereign Individual","description":"Mastering the Transition to the Information Age","hosted_url":"https://commerce.coinbase.com/charges/66BEOV2A","created_at":"2017-01-31T20:49:02Z","expires_at":"2017-01-31T21:04:02Z","timeline":[{"time":"2017-01-31T20:49:02Z","status":"NEW"}],"metadata":{},"pricing_type":"no_price","payments":[],"addresses":{"bitcoin":"0000000000000000000000000000000000","ethereum":"0x0000000000000000000000000000000000000000","litecoin":"3000000000000000000000000000000000","bitcoincash":"bitcoincash:000000000000000000000000000000000000000000"}}}}',
        { source: "coinbase-commerce-node, test/testWebhook.spec.js", proof: { "x-cc-webhook-signature": "8be7742c7d372f08a6a3224edadf18a22b65fa9e28f3f2de97376cdaa092590d" } })] },

    "coinbase-cdp": cdp(),

    "xero": { evidence: "hand", by: words("XeroAPI/xero-node-oauth2-app, verifyWebhookEventSignature"), secrets: ["OSd0eLlVIY9ZhViEqlDUh4+6n6M+Lo+eDaEJheJ6OCCgWwIz2D3JIAU6jPMipHRbgKTLz2uJ+xiACXGDBLrgdA==", "old"],
      sign: inHeader("x-xero-signature", "sha256", "base64"),
      body: '{"events":[{"resourceUrl":"https://api.xero.com/api.xro/2.0/Contacts/717f2bfc","resourceId":"717f2bfc","eventCategory":"CONTACT","eventType":"UPDATE"}],"lastEventSequence":1,"firstEventSequence":1,"entropy":"S0m3r4Nd0mt3xt"}',
      more: async (vector) => [await vector("intent to receive", '{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "NLDZEGWUXNHESAQVGLYF"}')] },

    "intuit": { evidence: "hand", by: words("IntuitDeveloper/SampleApp-Webhooks-nodejs, isValidPayload"), secrets: ["5e2f0a1b-7c3d-4e9f-8a6b-verifier", "old"], sign: inHeader("intuit-signature", "sha256", "base64"),
      body: '{"eventNotifications":[{"realmId":"1185883450","dataChangeEvent":{"entities":[{"name":"Customer","id":"1","operation":"Create","lastUpdated":"2026-01-02T03:04:05.000Z"}]}}]}' },

    "modern-treasury": { evidence: "sdk", by: lib("modern-treasury", "webhooks.getSignature, accepted by validateSignature"), secrets: ["a webhook key", "old"], accepts: accepts["modern-treasury"], untried: ["not UTF-8"],
      sign: (body, key) => ({ "x-signature": body.equals(Buffer.from(body.toString())) ? treasury.webhooks.getSignature(body.toString(), { key }) : hmac("sha256", key, body, "hex") }),
      body: '{"event":"completed","data":{"id":"f6e3c0a1-4b7d-4c2e-9a5f-8d1b3c7e2f60","object":"payment_order","status":"completed"}}', type: "completed" },

    "lithic": { evidence: "sdk", by: "node:crypto, accepted by " + lib("lithic", "webhooks.verifySignature"),
      secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], accepts: accepts["lithic"], untried: ["not UTF-8"],
      sign: standard((secret) => secret.slice("whsec_".length)), body: '{"event_type":"card.created","card_token":"00000000-0000-0000-1000-000000000000"}', type: "card.created", ...standardIdentity },

    "increase": { evidence: "sdk", by: "node:crypto, accepted by " + lib("increase", "events.unwrap"), secrets: ["a shared secret of mine", "old"], accepts: accepts["increase"],
      untried: ["not UTF-8", "empty body"], sign: standard((secret) => Buffer.from(secret).toString("base64")),
      body: '{"id":"event_123abc","created_at":"2026-01-02T03:04:05Z","category":"transaction.created","associated_object_type":"transaction","associated_object_id":"transaction_abc123","type":"event"}',
      id: "event_123abc", type: "transaction.created" },

    "dwolla": { evidence: "hand", by: words("Dwolla docs, Process and validate, and Dwolla/webhook-receiver"), secrets: ["a webhook secret", "old"], sign: inHeader("x-request-signature-sha-256"),
      headers: { "x-dwolla-topic": "customer_created" }, inHeaders: { event_type: "customer_created" },
      body: '{"id":"cac95329-9fa5-42f1-a4fc-c08af7b868fb","resourceId":"cdb5f779-62df-e311-80c1-0aa34a9b2388","topic":"customer_created","timestamp":"2026-01-02T03:04:05.000Z","_links":{}}',
      id: "cac95329-9fa5-42f1-a4fc-c08af7b868fb", type: "customer_created" },

    "qonto": { evidence: "docs", by: words("Qonto docs, Webhooks: Setup"), secrets: ["whsec_VuvcYxzMbryt1UBytq58jtGBxCgbQdzX/c0vj5ZLjUA=", "test-secret"],
      sign: (body, secret) => ({ "x-qonto-signature": `t=${NOW},v1=` + hmac("sha256", secret, after(`${NOW}.`, body), "hex") }),
      body: '{"id":"01968118-96ca-702f-8d57-63c23479dd5b","subscription_id":"01968118-d9fe-7b06-adec-19167234406c","type":"v1/consent-revocations","created_at":"2026-01-02T03:04:05Z","data":{}}',
      id: "01968118-96ca-702f-8d57-63c23479dd5b", type: "v1/consent-revocations",
      more: async (vector) => [await vector("published", '{"test":"data"}', { source: "Qonto docs, Webhooks: Setup", now: 1704110400, secrets: ["test-secret"], event_id: undefined, event_type: undefined,
        proof: { "x-qonto-signature": "t=1704110400,v1=56aff06dc227db80d6568a5070f912c601c31f20451745d257cbc0b5dfa93805" } })] },

    "moov": { evidence: "sdk", by: words("moov-go, pkg/mhooks/signature.go"), secrets: ["my-webhook-signing-secret", "old"], unsigned: true,
      headers: { "x-timestamp": "2026-01-02T03:04:05Z", "x-nonce": "LwxF1Uk7QOeDq2nzB3theslHbtAo7y3uuncB1PoijwCZZaRZsd8DOtffBT7p", "x-webhook-id": "dff0a709-f982-4475-81e8-214b435c74ab" },
      sign: (_, secret) => ({ "x-signature": hmac("sha512", secret, "2026-01-02T03:04:05Z|LwxF1Uk7QOeDq2nzB3theslHbtAo7y3uuncB1PoijwCZZaRZsd8DOtffBT7p|dff0a709-f982-4475-81e8-214b435c74ab", "hex") }),
      body: '{"eventID":"d9d18a42-d1ea-4e4c-b671-0fa93e24d584","type":"event.test","data":{"ping":true},"createdOn":"2026-01-02T03:04:05Z"}',
      id: "d9d18a42-d1ea-4e4c-b671-0fa93e24d584", type: "event.test",
      more: async (vector) => [await vector("published", '{"eventID":"1","type":"event.test"}', { source: "moov-go, pkg/mhooks/event_test.go", now: 1714166455, event_id: "1", event_type: "event.test",
        headers: { "x-timestamp": "2024-04-26T21:20:55Z" },
        proof: { "x-signature": "6231d03752de6963087e6aea1c78a27a0617b6df1c071195f30ed85defe34e02fd0bf3995949fe12dafd747c42de9cfae03b8aafcf69cceba5495f4c7b719d82" } })] },

    "alchemy": { evidence: "hand", by: words("Alchemy docs, Notify quickstart, and alchemyplatform/webhook-examples"), secrets: ["whsec_test", "whsec_old"], sign: inHeader("x-alchemy-signature"),
      body: '{"webhookId":"wh_octjglnywaupz6th","id":"whevt_ogrc5v64myey69ux","createdAt":"2026-01-02T03:04:05.899Z","type":"ADDRESS_ACTIVITY","event":{"network":"ETH_MAINNET","activity":[]}}',
      id: "whevt_ogrc5v64myey69ux", type: "ADDRESS_ACTIVITY" },

    "quicknode": { evidence: "hand", by: words("quiknode-labs/qn-guide-examples, security.ts"), secrets: ["qnsec_a security token", "qnsec_old"], headers: { "x-qn-nonce": "0b1c2d3e4f", "x-qn-timestamp": String(NOW) },
      sign: (body, secret) => ({ "x-qn-signature": hmac("sha256", secret, after(`0b1c2d3e4f${NOW}`, body), "hex") }), body: '{"data":[{"hash":"0xabc","number":"0x1"}],"metadata":{"network":"ethereum-mainnet"}}' },

    "helius": { evidence: "hand", by: words("Helius docs, Webhooks FAQs"), secrets: ["Bearer a long random string", "old"], unsigned: true, sign: (_, secret) => ({ authorization: secret }),
      body: '[{"description":"","type":"NFT_SALE","signature":"5nNtjezQ","slot":171942732,"timestamp":1767323045}]', type: "NFT_SALE" },

    "btcpay": { evidence: "hand", by: words("btcpayserver, WebhookSender.cs"), secrets: ["3cSJQbSVYnXoHcCKJ3H5rQaQ", "old"], sign: inHeader("btcpay-sig", "sha256", "hex", "sha256="),
      body: '{\n  "storeId": "A1",\n  "invoiceId": "B2",\n  "deliveryId": "Q7m8redelivered",\n  "webhookId": "5vd8Xsdu",\n  "originalDeliveryId": "UYnnpw5gYvPYKTzJ2wG",\n  "isRedelivery": true,\n  "type": "InvoiceSettled",\n  "timestamp": 1767323045\n}',
      id: "UYnnpw5gYvPYKTzJ2wG", type: "InvoiceSettled",
      more: async (vector) => [await vector("first delivery", '{"deliveryId":"UYnnpw5gYvPYKTzJ2wG","isRedelivery":false,"type":"InvoiceCreated"}', { event_type: "InvoiceCreated" })] },

    "tatum": { evidence: "hand", by: words("Tatum docs, Enable HMAC webhook digest"), secrets: ["an HMAC secret", "old"], sign: inHeader("x-payload-hash", "sha512", "base64"),
      body: '{"address":"0xF64E82131BE01618487Da5142fc9d289cbb60E9d","amount":"0.001","txId":"0x062d236ccc044f68194a04008e98c3823271dc26160a4db9ae9303f9ecfc7bf6","chain":"ethereum-mainnet","subscriptionType":"ADDRESS_EVENT"}',
      type: "ADDRESS_EVENT" },

    "opennode": { evidence: "hand", by: words("opennode-node, src/client.ts, verifySignature"), secrets: ["ecd4a1f0-api-key", "old"], media: form, unsigned: true, signs: false, sign: () => ({}),
      without: ["empty body", "not UTF-8"], body: openNode("ecd4a1f0-api-key", "ec98d3a0-0e3c-4d0e-8c4e-6c6b0d0a2c3f", "paid"), type: "paid",
      more: async (vector) => [await vector("underpaid", openNode("ecd4a1f0-api-key", "0f4b6f7a", "underpaid"), { event_type: "underpaid" })] },

    "moonpay": { evidence: "hand", by: words("MoonPay docs, Request signing"), secrets: ["wk_test_0123456789", "wk_test_old"],
      sign: (body, secret) => ({ "moonpay-signature-v2": `t=${NOW},s=` + hmac("sha256", secret, after(`${NOW}.`, body), "hex") }),
      body: '{"data":{"id":"354b1f46-480c-4307-9896-f4c81c1e1e17","status":"completed"},"type":"transaction_updated","externalCustomerId":"adbb317d-cde9-4ebb-93a3-1b271812de06"}',
      type: "transaction_updated" },

    "coinify": { evidence: "docs", by: words("Coinify docs, Webhook Signature"), secrets: ["my-shared-secret", "old"], sign: inHeader("x-coinify-webhook-signature"),
      body: '{"examplePayload":false}', more: async (vector) => [await vector("published", '{"examplePayload":true}', { source: "Coinify docs, Webhook Signature",
        proof: { "x-coinify-webhook-signature": "bcdbb89e3031905f3cc1a20d16b5f969a17a7d8fa0c26e4a807c2193402d66f4" } })] },
  };
  return vectorFiles(specs);
}

// The charge's id is all that is signed, and the signature is a field of the form.
function openNode(secret, id, status) {
  return new URLSearchParams({ id, status, order_id: "21", price: "10", hashed_order: hmac("sha256", secret, id, "hex") }).toString();
}

// Hook0, which Coinbase uses, signs twice: v0 is over time and body, v1 over some headers, too.
function cdp() {
  const names = "content-type x-event-id x-event-type", id = "0f5b2c1e-evt", type = "onchain.activity.detected";
  const values = `application/json.${id}.${type}`, secret = "1f3a9c2e-subscription-secret";
  const v0 = (body, key) => hmac("sha256", key, after(`${NOW}.`, body), "hex");
  const v1 = (body, key) => hmac("sha256", key, after(`${NOW}.${names}.${values}.`, body), "hex");
  return { evidence: "hand", by: words("Coinbase docs, Verify Signatures, and Hook0's clients"), secrets: [secret, "old"], several: true, signs: false,
    headers: { "x-event-id": id, "x-event-type": type }, id, type, inHeaders: { event_id: id, event_type: type },
    sign: (body, key) => ({ "x-hook0-signature": `t=${NOW},v0=${v0(body, key)},h=${names},v1=${v1(body, key)}` }),
    body: '{"contractAddress":"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913","eventName":"Transfer","network":"base-mainnet"}',
    more: async (vector) => [
      await vector("v1 alone", '{"eventName":"Transfer"}', { proof: { "x-hook0-signature": `t=${NOW},h=${names},v1=${v1(Buffer.from('{"eventName":"Transfer"}'), secret)}` } }),
      await vector("v0 alone", '{"eventName":"Transfer"}', { proof: { "x-hook0-signature": `t=${NOW},v0=${v0(Buffer.from('{"eventName":"Transfer"}'), secret)}` } }),
      await vector("published by Hook0, v0", '{"event":"user.created"}', { source: "hook0/hook0, clients/conformance/signature.json", now: 1800000000, secrets: ["a-subscription-secret"], event_id: "evt-1", event_type: undefined,
        headers: { "x-event-id": "evt-1", "x-event-type": undefined }, proof: { "x-hook0-signature": "t=1800000000,v0=d17d66b66fca89390c5b967c45e8928fc732db07a0aabe8167b1e98213081ffe" } }),
    ] };
}
