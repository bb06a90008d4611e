package verify

import (
	"encoding/asn1"
	"io"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// keyShape is what can be said of a provider's webhooks before their key is there. A
// webhook that is of another shape is refused without anything being fetched for it.
type keyShape struct {
	// ids is what the ids of keys look like; nil: the webhook names no key by an id.
	ids *regexp.Regexp
	// wrong returns the place of a value that the provider does not send, or "".
	wrong func(d *document) string
}

// What the ids of keys look like.
var (
	uuid       = regexp.MustCompile(`\A[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z`)
	keySetID   = regexp.MustCompile(`\A[A-Za-z0-9._:=+/-]{1,128}\z`) // in key sets anything is possible
	rsaLengths = [2]int{minRSABits / 8, 4096 / 8}
)

// Shapes of bodies.
var (
	jsonShape   = keyShape{ids: keySetID, wrong: wrongJSON}
	signedShape = keyShape{ids: keySetID, wrong: func(*document) string { return "" }} // the body is the token
)

// wrongJSON wants an object.
func wrongJSON(d *document) string {
	if root, _ := d.value(""); !root.IsObject() {
		return "the body: it is not a JSON object"
	}
	return ""
}

// doubt checks what can be checked without the key, in the order of verification. It
// is called only if the key has to be fetched.
func (k *fetchedKey) doubt(content template, in *input) *Error {
	s := k.scheme
	if s.shape.ids != nil && !s.shape.ids.MatchString(in.keyID) {
		return invalidSignature(DetailUnknownKey, "an id that the provider would not give a key")
	}
	for _, signature := range in.signatures {
		if !s.algorithm.couldBe(signature) {
			return invalidSignature(DetailMalformedSignature, s.Signature.String()+": not of a length that the provider's signatures have")
		}
	}
	if place := s.shape.wrong(in.document); place != "" {
		return invalidSignature(DetailMalformedPart, place)
	}
	if err := content.writeTo(io.Discard, in); err != nil {
		return err
	}
	if special, ok := s.special.(doubter); ok {
		if err := special.doubt(k.verifier, s, in); err != nil {
			return err
		}
	} else if s.special == nil && s.signsTimestamp {
		if err := checkWindow(in.at, k.verifier.now(), k.verifier.tolerance); err != nil {
			return err
		}
	}
	return s.checkBindings(in.document)
}

// doubter is a special that can tell something of a webhook without its key.
type doubter interface {
	doubt(v *Verifier, s *scheme, in *input) *Error
}

// couldBe reports whether some key of the algorithm could have made the signature. It
// is for those that are fetched: RSA of 2048 to 4096 bits, and ECDSA on P-256.
func (a *algorithm) couldBe(signature []byte) bool {
	switch {
	case strings.HasPrefix(a.name, "rsa-"):
		return len(signature) >= rsaLengths[0] && len(signature) <= rsaLengths[1] && len(signature)%8 == 0
	case strings.HasPrefix(a.name, "ecdsa-"):
		if len(signature) == 2*p256Size {
			return true
		}
		var pair struct{ R, S *big.Int }
		rest, err := asn1.Unmarshal(signature, &pair)
		return err == nil && len(rest) == 0 && inP256(pair.R) && inP256(pair.S)
	}
	return false
}

func inP256(n *big.Int) bool { return n.Sign() > 0 && n.BitLen() <= 8*p256Size }

// The values of the rows.

// snsTime is as SNS writes it: 2012-05-02T00:54:06.655Z.
const snsTime = "2006-01-02T15:04:05.000Z"

func wrongSNS(d *document) string {
	kind, _ := snsType.extract(d)
	for name, fits := range map[string]func(string) bool{
		"/MessageId": uuid.MatchString,
		"/Timestamp": func(text string) bool { _, err := time.Parse(snsTime, text); return err == nil },
		"/TopicArn":  topicARN.MatchString,
		"/Token":     func(text string) bool { return kind == "Notification" || snsToken.MatchString(text) },
	} {
		value, _ := jsonAt(name).extract(d)
		if !fits(value) {
			return jsonAt(name).String()
		}
	}
	return ""
}

var snsToken = regexp.MustCompile(`\A[0-9A-Za-z]{8,1000}\z`)

// topicPattern is what ARNs of topics look like.
const topicPattern = `arn:(aws|aws-cn|aws-us-gov):sns:[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?`

var topicARN = regexp.MustCompile(`\A` + topicPattern + `\z`)

// wrongPayPal looks at the headers that are part of every webhook; the body may be anything.
func wrongPayPal(d *document) string {
	for _, source := range []Source{paypalTransmission, paypalAlgorithm} {
		value, _ := source.extract(d)
		if source == paypalTransmission && !uuid.MatchString(value) ||
			source == paypalAlgorithm && len(source.lookup(d)) > 0 && !strings.EqualFold(value, "SHA256withRSA") {
			return source.String()
		}
	}
	if len(d.request.Body) > 0 {
		return wrongJSON(d)
	}
	return ""
}

var (
	paypalTransmission = header("Paypal-Transmission-Id")
	paypalAlgorithm    = header("Paypal-Auth-Algo")
)

// wrongTravis wants JSON in the form's field.
func wrongTravis(d *document) string {
	payload := Source{FromForm, "payload"}
	text, _ := payload.extract(d)
	if !parseJSON([]byte(text)).IsObject() {
		return payload.String()
	}
	return ""
}
