package verify

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// items is for bodies that are lists of events, each with a signature (or token)
// of its own. All must be right.
type items struct {
	list      string // pointer to the array
	signature string // pointer to the signature, inside an item
	content   func(item gjson.Result) (string, bool)
}

func (s *items) verify(_ *Verifier, c *scheme, in *input) (Result, *Error) {
	list := in.document.value(s.list).Array()
	if len(list) == 0 {
		return Result{}, invalidSignature(DetailMissingPart, "json "+s.list)
	}
	result := Result{}
	for i, item := range list {
		in.signatures, in.decoded = in.signatureSpace[:0], in.decodedSpace[:0]
		if !c.format.parse(jsonValues(item, s.signature), in) {
			return Result{}, invalidSignature(DetailMalformedSignature, "json "+s.list+"/*"+s.signature)
		}
		content, ok := s.content(item)
		if !ok {
			return Result{}, invalidSignature(DetailMissingPart, "a signed field of json "+s.list)
		}
		index, err := c.match([]template{literal(content)}, in)
		if err != nil {
			return Result{}, err
		}
		if i == 0 {
			result.SecretIndex = index
		}
	}
	return result, nil
}

func (s *items) sign(c *scheme, r *Request, _ time.Time, _ func() string) error {
	return c.Signature.set(r, "") // says that it is inside the body
}

func (s *items) signsTimestamp() bool   { return false }
func (s *items) recognizes(*input) bool { return true }
func (s *items) signsURL() bool         { return false }

// adyenFields are signed in this order, with colons between:
// https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures
var adyenFields = []string{
	"/pspReference", "/originalReference", "/merchantAccountCode", "/merchantReference",
	"/amount/value", "/amount/currency", "/eventCode", "/success",
}

func adyenContent(item gjson.Result) (string, bool) {
	item = child(item, "NotificationRequestItem")
	values := make([]string, len(adyenFields))
	for i, pointer := range adyenFields {
		node := at(item, pointer)
		switch node.Type {
		case gjson.String:
			values[i] = node.Str
		case gjson.Number, gjson.True, gjson.False:
			values[i] = node.Raw
		}
		// Only the merchant's own reference may have colons: otherwise values could move.
		if pointer != "/merchantReference" && strings.Contains(values[i], ":") {
			return "", false
		}
		if values[i] == "" && pointer != "/originalReference" && pointer != "/merchantReference" {
			return "", false
		}
	}
	return strings.Join(values, ":"), true
}

// noContent is for items that carry a token and sign nothing.
func noContent(gjson.Result) (string, bool) { return "", true }
