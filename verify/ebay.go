package verify

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// ebaySignature is a header that is base64 of JSON with a key id and a signature
// of the body: https://developer.ebay.com/api-docs/commerce/notification/overview.html
type ebaySignature struct{}

func (ebaySignature) verify(_ *Verifier, s *scheme, in *input) (Result, *Error) {
	malformed := invalidSignature(DetailMalformedSignature, s.Signature.String())
	text, err := base64.StdEncoding.Strict().DecodeString(string(in.signatures[0]))
	if err != nil {
		return Result{}, malformed
	}
	envelope := parseJSON(text)
	in.keyID = child(envelope, "kid").Str
	in.signatures = in.signatureSpace[:0]
	known := strings.EqualFold(child(envelope, "alg").Str, "ecdsa") && strings.EqualFold(child(envelope, "digest").Str, "SHA1")
	if !known || !in.addSignature(encodedBase64, child(envelope, "signature").Str) {
		return Result{}, malformed
	}
	index, refused := s.match([]template{{parts: []part{{kind: partBody}}}}, in)
	return Result{SecretIndex: index}, refused
}

func (ebaySignature) sign(s *scheme, r *Request, _ time.Time, _ func() string) error {
	in := newInput(r)
	defer in.release()
	signature, err := s.signer.sign(template{parts: []part{{kind: partBody}}}, in)
	if err != nil {
		return err
	}
	envelope, err := json.Marshal(map[string]string{
		"alg": "ecdsa", "kid": "", "digest": "SHA1", "signature": base64.StdEncoding.EncodeToString(signature),
	})
	if err != nil {
		return err
	}
	return s.Signature.set(r, base64.StdEncoding.EncodeToString(envelope))
}

func (ebaySignature) signsTimestamp() bool   { return false }
func (ebaySignature) recognizes(*input) bool { return true }
func (ebaySignature) signsURL() bool         { return false }

// The APIs that return keys one by one, to clients with credentials.
var (
	ebayAPIs  = map[string]string{"production": "https://api.ebay.com", "sandbox": "https://api.sandbox.ebay.com"}
	plaidAPIs = map[string]string{"production": "https://production.plaid.com", "sandbox": "https://sandbox.plaid.com"}
)

func locateEbay(in *input, set settings) (*fetch, string, *Error) {
	if !uuid.MatchString(in.keyID) { // it becomes part of an address
		return nil, "", invalidSignature(DetailUnknownKey, "an id that eBay would not give")
	}
	api := ebayAPIs[set.one("environment", "production")]
	url := api + "/commerce/notification/v1/public_key/" + in.keyID
	credentials := base64.StdEncoding.EncodeToString([]byte(set.one("client_id", "") + ":" + set.one("client_secret", "")))
	return &fetch{
		name: url, url: url, one: true, metered: true,
		parse: ebayKey(in.keyID),
		token: &fetch{
			url:    api + "/identity/v1/oauth2/token",
			header: http.Header{"Authorization": {"Basic " + credentials}, "Content-Type": {mediaForm}},
			body:   "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope",
		},
	}, in.keyID, nil
}

// ebayKey reads the key of that id; in must not be used, it does not live as long.
func ebayKey(id string) func([]byte, time.Time) (keySet, error) {
	parse := pemAt("/key", id)
	return func(text []byte, _ time.Time) (keySet, error) { return parse(text) }
}

// locatePlaid asks Plaid for the key of that id, which is a JWK:
// https://plaid.com/docs/api/webhooks/webhook-verification/
func locatePlaid(in *input, set settings) (*fetch, string, *Error) {
	id := in.keyID
	if !uuid.MatchString(id) {
		return nil, "", invalidSignature(DetailUnknownKey, "an id that Plaid would not give")
	}
	url := plaidAPIs[set.one("environment", "production")] + "/webhook_verification_key/get"
	return &fetch{
		name: url + " " + id, url: url, one: true, metered: true,
		header: http.Header{"Content-Type": {mediaJSON}},
		body: jsonBody(map[string]string{
			"client_id": set.one("client_id", ""), "secret": set.one("client_secret", ""), "key_id": id,
		}),
		absent: func(text []byte) bool { return child(parseJSON(text), "error_code").Str != plaidWrongKeys },
		parse: func(text []byte, now time.Time) (keySet, error) {
			jwk := child(parseJSON(text), "key")
			if expired, ok := numericDate(child(jwk, "expired_at")); ok && expired.Before(now) {
				return nil, errNoKeys
			}
			key, err := parseJWK(jwk)
			return keySet{id: key}, err
		},
	}, id, nil
}

// plaidWrongKeys is Plaid's code for credentials that are not right: it says nothing about the key.
const plaidWrongKeys = "INVALID_API_KEYS"

// one returns the setting's one value, or what it is where there is none.
func (s settings) one(name, otherwise string) string {
	if len(s[name]) == 0 {
		return otherwise
	}
	return s[name][0]
}

// unfoldPEM puts back the line breaks that eBay leaves out of its keys.
func unfoldPEM(text string) string {
	const begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
	if body, ok := strings.CutPrefix(text, begin); ok && !strings.Contains(text, "\n") {
		if body, ok = strings.CutSuffix(body, end); ok {
			return begin + "\n" + body + "\n" + end + "\n"
		}
	}
	return text
}
