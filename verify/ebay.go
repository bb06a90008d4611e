package verify

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
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

// keyIDs is what ids of keys look like; they become parts of addresses and bodies.
var keyIDs = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,64}\z`)

// The APIs that hand out keys one by one, to those who say who they are.
var (
	ebayAPIs  = map[string]string{"production": "https://api.ebay.com", "sandbox": "https://api.sandbox.ebay.com"}
	plaidAPIs = map[string]string{"production": "https://production.plaid.com", "sandbox": "https://sandbox.plaid.com"}
)

func locateEbay(in *input, set settings) (*fetch, string, *Error) {
	if !keyIDs.MatchString(in.keyID) {
		return nil, "", invalidSignature(DetailUnknownKey, "an id that eBay would not give")
	}
	api := ebayAPIs[set.one("environment", "production")]
	credentials := base64.StdEncoding.EncodeToString([]byte(set.one("client_id", "") + ":" + set.one("client_secret", "")))
	return &fetch{
		url:   api + "/commerce/notification/v1/public_key/" + in.keyID,
		one:   true,
		parse: func(text []byte, _ time.Time) (keySet, error) { return pemAt("/key", in.keyID)(text) },
		token: &fetch{
			url:    api + "/identity/v1/oauth2/token",
			header: http.Header{"Authorization": {"Basic " + credentials}, "Content-Type": {mediaForm}},
			body:   "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope",
		},
	}, in.keyID, nil
}

// locatePlaid asks Plaid for the key of that id, which is a JWK:
// https://plaid.com/docs/api/webhooks/webhook-verification/
func locatePlaid(in *input, set settings) (*fetch, string, *Error) {
	id := in.keyID
	if !keyIDs.MatchString(id) {
		return nil, "", invalidSignature(DetailUnknownKey, "an id that Plaid would not give")
	}
	body, err := json.Marshal(map[string]string{
		"client_id": set.one("client_id", ""), "secret": set.one("client_secret", ""), "key_id": id,
	})
	if err != nil {
		return nil, "", invalidSignature(DetailUnknownKey, "an id that Plaid would not give")
	}
	return &fetch{
		url:    plaidAPIs[set.one("environment", "production")] + "/webhook_verification_key/get",
		header: http.Header{"Content-Type": {mediaJSON}},
		body:   string(body),
		one:    true,
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
