package verify

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// items is for bodies that are lists of events, each with a signature (or token)
// of its own. All must be right.
type items struct {
	list      string // pointer to the array
	signature string // pointer to the signature, inside an item
	content   func(item gjson.Result) (string, *Error)
}

func (s *items) verify(_ *Verifier, c *scheme, in *input) (Result, *Error) {
	all, certain := in.document.value(s.list)
	if !certain {
		return Result{}, ambiguous(DetailAmbiguousMember, "json "+s.list)
	}
	if !all.IsArray() {
		return Result{}, invalidSignature(DetailMissingPart, "json "+s.list)
	}
	result, found := Result{}, false
	for list := walkOf(all); ; found = true { // up to the first that is wrong
		_, raw, more := list.next()
		if !more {
			break
		}
		item := gjson.Parse(raw)
		in.signatures, in.decoded = in.signatureSpace[:0], in.decodedSpace[:0]
		signatures := jsonValues(item, s.signature)
		if len(signatures) > 1 {
			return Result{}, ambiguous(DetailAmbiguousMember, "json "+s.list+"/*"+s.signature)
		}
		if !c.format.parse(signatures, in) {
			return Result{}, invalidSignature(DetailMalformedSignature, "json "+s.list+"/*"+s.signature)
		}
		content, err := s.content(item)
		if err != nil {
			return Result{}, err
		}
		index, err := c.match([]template{literal(content)}, in)
		if err != nil {
			return Result{}, err
		}
		if !found {
			result.SecretIndex = index
		}
	}
	if !found {
		return Result{}, invalidSignature(DetailMissingPart, "json "+s.list)
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

const (
	adyenReferences = 4 // so many of them, the first ones, may have colons
	adyenEventCode  = 6 // its place among them
)

// adyenReport is the event code of a report. Its pspReference is the name of a file, which may have
// colons, and it may leave out what is a payment's.
const adyenReport = "REPORT_AVAILABLE"

// adyenContent joins the fields as they are: Adyen escapes neither colons nor backslashes. Where a
// reference has a colon the text can be split in several ways. Of a payment only one of them is
// taken: see adyenMoved.
func adyenContent(item gjson.Result) (string, *Error) {
	item, only := step(item, "NotificationRequestItem")
	values := make([]string, len(adyenFields))
	for i, pointer := range adyenFields {
		node, certain := at(item, pointer)
		certain = certain && only
		switch {
		case !certain || isUnreadable(node):
			return "", ambiguous(DetailAmbiguousMember, "json "+pointer)
		case node.Type == gjson.String:
			values[i] = node.Str
		case node.Type == gjson.JSON: // an object would be signed like nothing
			return "", adyenMissing(pointer)
		case node.Type != gjson.Null:
			values[i] = node.Raw
		}
	}
	report := values[adyenEventCode] == adyenReport
	for i, pointer := range adyenFields {
		optional := pointer == "/originalReference" || pointer == "/merchantReference"
		if report {
			optional = pointer != "/pspReference" && pointer != "/success"
		}
		if values[i] == "" && !optional || i >= adyenReferences && strings.Contains(values[i], ":") {
			return "", adyenMissing(pointer)
		}
	}
	content := strings.Join(values, ":")
	if !report && adyenMoved(values, content) {
		return "", adyenMissing("/pspReference")
	}
	return content, nil
}

func adyenMissing(pointer string) *Error {
	return invalidSignature(DetailMissingPart, "a signed field: json "+pointer)
}

// adyenMoved reports whether the text begins like that of a payment but has other fields. An attacker
// can use colons in the merchant's reference to move parts of it to the fields before it.
func adyenMoved(values []string, content string) bool {
	parts := strings.SplitN(content, ":", adyenReferences)
	payment := adyenPayment.MatchString(parts[0]) && (parts[1] == "" || adyenPayment.MatchString(parts[1])) && parts[2] != ""
	return payment && !slices.Equal(parts[:adyenReferences-1], values[:adyenReferences-1])
}

// adyenPayment is the pspReference of a payment, or of a modification of one.
var adyenPayment = regexp.MustCompile(`^[0-9A-Za-z]{16}$`)

// noContent is for items that carry a token and sign nothing.
func noContent(gjson.Result) (string, *Error) { return "", nil }
