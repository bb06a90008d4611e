// Vectors of the provider "custom": every algorithm, encoding and place. Made
// with node:crypto, which shares no code with Go's; published values are recomputed.
// RSA and ECDSA keys are new in every run.
//
// Beside what all vectors have: sign (Sign makes the same signature), several
// (there are items that do not matter), body_unsigned (the signature does not cover it).
import crypto from "node:crypto";

const NOW = 1767323045;
const base = { url: "https://hooks.example.com/in?a=1", now: NOW };
const text = '{"id":"evt_1","type":"a.b","text":"ü 🎉"}';
const signature = { from: "header", name: "X-Signature" };
const timestamp = { from: "header", name: "X-Timestamp" };

function equal(name, got, want) {
  if (got !== want) throw new Error(`${name}: computed ${got}, published ${want}`);
}

// RFC 4231, section 4 (SHA-2); case 5 is left out, since it truncates.
const rfc4231 = [
  { n: 1, key: "0b".repeat(20), data: Buffer.from("Hi There"),
    sha256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    sha384: "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    sha512: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
  { n: 2, key: Buffer.from("Jefe").toString("hex"), data: Buffer.from("what do ya want for nothing?"),
    sha256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    sha384: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    sha512: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
  { n: 3, key: "aa".repeat(20), data: Buffer.alloc(50, 0xdd),
    sha256: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    sha384: "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
    sha512: "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb" },
  { n: 4, key: "0102030405060708090a0b0c0d0e0f10111213141516171819", data: Buffer.alloc(50, 0xcd),
    sha256: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    sha384: "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
    sha512: "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd" },
  { n: 6, key: "aa".repeat(131), data: Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First"),
    sha256: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    sha384: "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    sha512: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
  { n: 7, key: "aa".repeat(131), data: Buffer.from("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."),
    sha256: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    sha384: "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
    sha512: "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58" },
];

// RFC 2202, section 3 (SHA-1).
const rfc2202 = [
  { n: 1, key: "0b".repeat(20), data: Buffer.from("Hi There"), sha1: "b617318655057264e28bc0b6fb378c8ef146be00" },
  { n: 2, key: Buffer.from("Jefe").toString("hex"), data: Buffer.from("what do ya want for nothing?"), sha1: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
  { n: 3, key: "aa".repeat(20), data: Buffer.alloc(50, 0xdd), sha1: "125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
  { n: 4, key: "0102030405060708090a0b0c0d0e0f10111213141516171819", data: Buffer.alloc(50, 0xcd), sha1: "4c9007f4026250c6bc8414f9bf50c86c2d7235da" },
  { n: 5, key: "0c".repeat(20), data: Buffer.from("Test With Truncation"), sha1: "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04" },
  { n: 6, key: "aa".repeat(80), data: Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First"), sha1: "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
  { n: 7, key: "aa".repeat(80), data: Buffer.from("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"), sha1: "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
];

function* rfcVectors() {
  for (const [rfc, cases] of [["RFC 4231", rfc4231], ["RFC 2202", rfc2202]]) {
    for (const c of cases) {
      for (const hash of ["sha1", "sha256", "sha384", "sha512"].filter((h) => h in c)) {
        equal(`${rfc} case ${c.n}`, crypto.createHmac(hash, Buffer.from(c.key, "hex")).update(c.data).digest("hex"), c[hash]);
        yield { name: `${rfc} case ${c.n}, ${hash}`, source: rfc, ...base, sign: true,
          scheme: { algorithm: `hmac-${hash}`, signature, format: "{hex}", key: "hex" },
          headers: { "x-signature": c[hash] }, body_base64: c.data.toString("base64"), secrets: [c.key] };
      }
    }
  }
}

function* hmacVectors() {
  const source = "node:crypto";
  const secret = "a secret with spaces, ü and 🎉";
  const sum = (content, encoding, hash = "sha256") => crypto.createHmac(hash, secret).update(content).digest(encoding);
  const vector = (name, scheme, headers, more = {}) =>
    ({ name, source, ...base, body: text, secrets: [secret], sign: true, scheme: { algorithm: "hmac-sha256", signature, ...scheme }, headers, ...more });

  yield vector("defaults", {}, { "x-signature": sum(text, "hex") });
  yield vector("prefix and base64", { format: "sha512={base64}", algorithm: "hmac-sha512" }, { "x-signature": "sha512=" + sum(text, "base64", "sha512") });
  yield vector("base64url", { format: "{base64url}" }, { "x-signature": sum(text, "base64url") });
  yield vector("base64url with padding", { format: "{base64url}" }, { "x-signature": sum(text, "base64url") + "=" }, { sign: false });
  yield vector("upper-case hex", {}, { "x-signature": sum(text, "hex").toUpperCase() }, { sign: false });
  yield vector("base64 key", { key: "base64", key_prefix: "key_" }, { "x-signature": sum(text, "hex") }, { secrets: ["key_" + Buffer.from(secret).toString("base64")] });
  yield vector("id and type", { id: { from: "json", name: "/id" }, type: { from: "json", name: "/type" } }, { "x-signature": sum(text, "hex") }, { event_id: "evt_1", event_type: "a.b" });
  yield vector("method, path, URL and headers", { content: "{method}\n{path}\n{url}\n{header.x-one}\n{query.a}\n{json./type}\n{body}" },
    { "x-one": "1", "x-signature": sum(`POST\n/in\n${base.url}\n1\n1\na.b\n${text}`, "hex") });
  yield vector("timestamp in seconds", { content: "{timestamp}{body}", timestamp }, { "x-timestamp": `${NOW}`, "x-signature": sum(`${NOW}${text}`, "hex") });
  yield vector("timestamp in milliseconds", { content: "{timestamp}:{body}", timestamp: { ...timestamp, unit: "ms" } },
    { "x-timestamp": `${NOW}000`, "x-signature": sum(`${NOW}000:${text}`, "hex") });
  yield vector("timestamp in RFC 3339", { content: "{timestamp}|{body}", timestamp: { ...timestamp, unit: "rfc3339" } },
    { "x-timestamp": "2026-01-02T03:04:05Z", "x-signature": sum(`2026-01-02T03:04:05Z|${text}`, "hex") });
  yield vector("timestamp in RFC 3339 with offset and fraction", { content: "{timestamp}|{body}", timestamp: { ...timestamp, unit: "rfc3339" } },
    { "x-timestamp": "2026-01-02T05:04:05.123+02:00", "x-signature": sum(`2026-01-02T05:04:05.123+02:00|${text}`, "hex") }, { sign: false });
  yield vector("semicolon list", { content: "{timestamp}:{body}", format: "ts={timestamp};h1={hex}" }, { "x-signature": `ts=${NOW};h1=${sum(`${NOW}:${text}`, "hex")}` });
  yield vector("list with spaces, milliseconds, other order", { content: "{body}{timestamp}", format: "sha256={hex}, t={timestamp}", timestamp: { unit: "ms" } },
    { "x-signature": `sha256=${sum(`${text}${NOW}000`, "hex")}, t=${NOW}000` });
  yield vector("list of one kind", { format: "v1={hex},..." }, { "x-signature": `v1=${"00".repeat(32)},v1=${sum(text, "hex")}` }, { sign: false, several: true });
  yield vector("list over several header lines", { format: "v1={hex},..." }, { "x-signature": [`v1=${"00".repeat(32)}`, `v1=${sum(text, "hex")}`] }, { sign: false, several: true });
  yield vector("id is signed", { content: "{id}.{body}", id: { from: "header", name: "X-Id" } }, { "x-id": "e-1", "x-signature": sum(`e-1.${text}`, "hex") }, { event_id: "e-1" });
  yield vector("signature in the query", { signature: { from: "query", name: "sig" }, format: "{base64}" }, {},
    { url: "https://hooks.example.com/in?a=1&sig=" + encodeURIComponent(sum(text, "base64")) });
  yield vector("digest of the body", { content: "{header.x-digest}", body_digest: { from: "header", name: "X-Digest" } },
    { "x-digest": crypto.createHash("sha256").update(text).digest("hex"), "x-signature": sum(crypto.createHash("sha256").update(text).digest("hex"), "hex") });
  const inBody = `{"a":"${sum(`t0k-${NOW}`, "hex")}","t":${NOW},"k":"t0k"}`;
  yield vector("everything in the body", { signature: { from: "json", name: "/a" }, content: "{json./k}-{timestamp}", timestamp: { from: "json", name: "/t" } }, {},
    { body: inBody, sign: false, body_unsigned: true });
}

function* keyPairVectors() {
  const source = "node:crypto";
  const pem = (key) => key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" });
  const vector = (name, algorithm, scheme, headers, keys, more = {}) =>
    ({ name, source, ...base, body: text, scheme: { algorithm, signature, ...scheme }, headers, public_keys: keys, ...more });
  const stamped = Buffer.from(`${NOW}${text}`);
  const withTime = { content: "{timestamp}{body}", timestamp };

  // Seeds of RFC 8032, section 7.1, tests 1 and 2, as PKCS #8.
  const seed = (hex) => crypto.createPrivateKey({ key: Buffer.from("302e020100300506032b657004220420" + hex, "hex"), format: "der", type: "pkcs8" });
  const ed = seed("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const edPublic = crypto.createPublicKey(ed);
  const raw = edPublic.export({ type: "spki", format: "der" }).subarray(-32);
  equal("RFC 8032 test 1", raw.toString("hex"), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const edSign = (content) => crypto.sign(null, content, ed);
  yield { name: "RFC 8032 test 1", source: "RFC 8032, section 7.1", ...base, body: "", scheme: { algorithm: "ed25519", signature, format: "{hex}" }, public_keys: [raw.toString("hex")],
    headers: { "x-signature": "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" } };
  for (const [form, key] of Object.entries({ "raw, hex": raw.toString("hex"), "raw, base64": raw.toString("base64"), "PEM": pem(edPublic),
    "DER, base64": edPublic.export({ type: "spki", format: "der" }).toString("base64") })) {
    yield vector(`ed25519, key ${form}`, "ed25519", { ...withTime, format: "{hex}" }, { "x-timestamp": `${NOW}`, "x-signature": edSign(stamped).toString("hex") }, [key]);
  }
  yield vector("ed25519, private key", "ed25519", { ...withTime, format: "{hex}" }, { "x-timestamp": `${NOW}`, "x-signature": edSign(stamped).toString("hex") }, undefined,
    { secrets: [pem(ed)], sign: true });

  const rsa = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsaSign = (options) => crypto.sign("sha256", Buffer.from(text), { key: rsa.privateKey, ...options }).toString("base64");
  const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING };
  yield vector("rsa-sha256", "rsa-sha256", {}, { "x-signature": rsaSign({}) }, [pem(rsa.publicKey)]);
  yield vector("rsa-sha256, PKCS #1 key", "rsa-sha256", {}, { "x-signature": rsaSign({}) }, [rsa.publicKey.export({ type: "pkcs1", format: "pem" })]);
  yield vector("rsa-sha256, private key", "rsa-sha256", {}, { "x-signature": rsaSign({}) }, undefined, { secrets: [pem(rsa.privateKey)], sign: true });
  for (const saltLength of [32, 0, crypto.constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
    yield vector(`rsa-pss-sha256, salt ${saltLength}`, "rsa-pss-sha256", {}, { "x-signature": rsaSign({ ...pss, saltLength }) }, [pem(rsa.publicKey)]);
  }

  const ec = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ecSign = (dsaEncoding) => crypto.sign("sha256", stamped, { key: ec.privateKey, dsaEncoding });
  yield vector("ecdsa-p256-sha256, DER", "ecdsa-p256-sha256", withTime, { "x-timestamp": `${NOW}`, "x-signature": ecSign("der").toString("base64") }, [pem(ec.publicKey)]);
  yield vector("ecdsa-p256-sha256, r and s", "ecdsa-p256-sha256", { ...withTime, format: "{hex}" }, { "x-timestamp": `${NOW}`, "x-signature": ecSign("ieee-p1363").toString("hex") }, [pem(ec.publicKey)]);
  const other = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  yield vector("second public key of two", "ecdsa-p256-sha256", withTime, { "x-timestamp": `${NOW}`, "x-signature": ecSign("der").toString("base64") },
    [pem(other.publicKey), pem(ec.publicKey)], { secret_index: 1 });
  yield { name: "ecdsa-p256-sha256, published", source: "SendGrid, sendgrid-nodejs, packages/eventwebhook", ...base, now: 1600112502,
    scheme: { algorithm: "ecdsa-p256-sha256", signature, ...withTime },
    headers: { "x-timestamp": "1600112502", "x-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=" },
    body: '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
    public_keys: ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="] };
}

function* credentialVectors() {
  const vector = (name, scheme, headers, secret, more = {}) =>
    ({ name, source: "by hand", ...base, body: text, scheme, headers, secrets: [secret], sign: true, body_unsigned: true, ...more });
  yield vector("token", { algorithm: "token", signature: { from: "header", name: "X-Token" } }, { "x-token": "s3cret" }, "s3cret");
  yield vector("bearer token", { algorithm: "token", signature: { from: "header", name: "Authorization" }, format: "Bearer {token}" }, { authorization: "Bearer s3cret" }, "s3cret");
  yield vector("bearer token, other case of the scheme", { algorithm: "token", signature: { from: "header", name: "Authorization" }, format: "Bearer {token}" },
    { authorization: "bearer s3cret" }, "s3cret", { sign: false });
  yield vector("token in the query", { algorithm: "token", signature: { from: "query", name: "token" } }, {}, "a+b/c=&d", { url: "https://hooks.example.com/in?x=1&token=a%2Bb%2Fc%3D%26d" });
  yield vector("token in the body", { algorithm: "token", signature: { from: "json", name: "/id" } }, {}, "evt_1", { sign: false });
  yield vector("basic", { algorithm: "basic" }, { authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" }, "Aladdin:open sesame", { source: "RFC 7617, section 2" });
}

export const custom = () => [...rfcVectors(), ...hmacVectors(), ...keyPairVectors(), ...credentialVectors()];
