package verify

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEcho bounds, in bytes, what of a request is repeated in the answer.
const maxEcho = 1024

// Answer is what a provider gets back.
type Answer struct {
	Status      int    // HTTP status; 0 only in the zero Answer
	ContentType string // empty: no Content-Type header
	Body        string
	HeaderName  string // of one more header; empty: none
	HeaderValue string
	Further     [2]HeaderField // more of them, as they are; the zero ones are none
}

// HeaderField is one header of an answer.
type HeaderField struct{ Name, Value string }

// Header returns the header fields of the answer. Browsers are told to believe
// the Content-Type: what a request sent may be part of the body.
func (a Answer) Header() http.Header {
	h := http.Header{"X-Content-Type-Options": {"nosniff"}}
	if a.ContentType != "" {
		h.Set("Content-Type", a.ContentType)
	}
	if a.HeaderName != "" {
		h.Set(a.HeaderName, a.HeaderValue)
	}
	for _, f := range a.Further {
		if f.Name != "" {
			h.Set(f.Name, f.Value)
		}
	}
	return h
}

// Handshake is a request by which a provider tries out an endpoint.
//
// Body and HeaderValue of its answer may contain {text} (the value at Echo as it
// is), {json} (the same as a JSON string), {hex} and {base64} (the signature or digest
// of Sign). An answer with a body that has {text} is text/plain.
type Handshake struct {
	Method string // by which it comes; empty: any of the provider's methods
	Signed bool   // whether it counts only after Verify accepted it
	When   Source // a request is this handshake if When has a value; zero: any by that method
	Equals string // and the value is this one; empty: any value
	Absent Source // and there is nothing at Absent; zero: whatever there is
	Body   string // and the body says this, JSON without spaces; empty: any body

	// Token is where the provider repeats what the operator gave it, to be compared
	// with the setting TokenSetting; if it differs, the answer is 403. Zero: there is none.
	Token        Source
	TokenSetting string

	// Echo is what the answer repeats: at most 1 KiB of printable text, without < and >
	// if the request is not signed. Zero: nothing.
	Echo Source

	// Sign is the content (see Scheme.Content) that the answer has a signature of,
	// made as the provider's first scheme makes them. Empty: none.
	Sign string

	// Pattern is a regular expression that the whole content of Sign must match: otherwise
	// an attacker could have us sign a webhook. JSON, and what is longer than
	// 1 KiB, is never signed. A webhook whose content could have been signed here is
	// refused, by all schemes of the provider. Empty: a token as in RFC 9110, section
	// 11.2, of at most 256 characters; providers of anything else need a pattern of their own.
	Pattern string

	// Digest says that it is not a signature but the SHA-256 of the content.
	Digest bool

	// Secret is where the provider hands over the secret that it will sign with; see
	// Verifier.OfferedSecret. Zero: the secret comes another way.
	Secret Source

	Answer Answer

	confirm func(v *Verifier, r *Request) Answer // does what is asked, and answers
}

// forbidden answers a handshake whose token is not ours.
var forbidden = Answer{Status: http.StatusForbidden, ContentType: "text/plain", Body: "the token is another one\n"}

// handshake is a Handshake made ready.
type handshake struct {
	Handshake
	tokens  [][sha256.Size]byte
	sign    template
	pattern *regexp.Regexp // nil: nothing is signed, or a digest, which may be of anything
}

// token68 is the default of Handshake.Pattern where it matters.
const token68 = `[A-Za-z0-9._~+/-]{1,256}=*`

func (p *Provider) compileHandshakes(set settings) ([]handshake, error) {
	var compiled []handshake
	for _, h := range p.Handshakes {
		c := handshake{Handshake: h}
		if !h.Echo.IsZero() && h.Answer.Body == "" && h.Answer.HeaderName == "" {
			c.Answer.Body = "{text}"
		}
		if strings.Contains(c.Answer.Body, "{text}") && c.Answer.ContentType != "text/plain" {
			return nil, fmt.Errorf("handshake: text is echoed as %q", c.Answer.ContentType)
		}
		for _, token := range set[h.TokenSetting] {
			c.tokens = append(c.tokens, sha256.Sum256([]byte(token)))
		}
		var err error
		if c.Answer.Body, err = set.expand(c.Answer.Body); err != nil {
			return nil, err
		}
		if c.sign, err = parseTemplate(h.Sign, set); err != nil {
			return nil, err
		}
		if c.Pattern == "" {
			c.Pattern = token68
		}
		if h.Sign != "" && !h.Digest {
			if c.pattern, err = regexp.Compile(`\A(?:` + c.Pattern + `)\z`); err != nil {
				return nil, fmt.Errorf("handshake: %w", err)
			}
		}
		compiled = append(compiled, c)
	}
	return compiled, nil
}

// HandshakeMethods returns the methods by which handshakes come, but no
// webhooks: requests by them are handshakes or nothing.
func (p *Provider) HandshakeMethods() (methods []string) {
	for _, h := range p.Handshakes {
		if h.Method != "" && !slices.Contains(p.Methods, h.Method) && !slices.Contains(methods, h.Method) {
			methods = append(methods, h.Method)
		}
	}
	return methods
}

// Handshake returns the answer to r if it is a handshake. Call it before
// Verify with verified false, and after Verify accepted r with verified true:
// the provider's row says which handshakes are signed. An answer of 403 or above
// refuses the handshake.
func (v *Verifier) Handshake(r *Request, verified bool) (Answer, bool) {
	how := asGreeting
	if verified {
		how = asText
	}
	d := new(document).open(r, how)
	defer d.end()
	for i := range v.handshakes {
		h := &v.handshakes[i]
		if h.Signed != verified || !h.is(d) {
			continue
		}
		if !h.Token.IsZero() && !h.knows(d) {
			return forbidden, true
		}
		if answer, ok := v.answer(h, d); ok {
			return answer, true
		}
	}
	return Answer{}, false
}

// OfferedSecret returns the secret that the provider hands over in the handshake
// r, for the operator to put into the configuration; false if r is no such
// handshake, or offers more than 512 bytes. It proves nothing, because every
// sender can offer a secret. It must not be logged.
func (v *Verifier) OfferedSecret(r *Request) (string, bool) {
	d := new(document).open(r, asGreeting)
	defer d.end()
	for i := range v.handshakes {
		if h := &v.handshakes[i]; !h.Secret.IsZero() && h.is(d) {
			return h.Secret.extract(d)
		}
	}
	return "", false
}

// offersSecret reports whether there is no secret before the first handshake.
func (p *Provider) offersSecret() bool {
	return slices.ContainsFunc(p.Handshakes, func(h Handshake) bool { return !h.Secret.IsZero() })
}

func (h *handshake) is(d *document) bool {
	if h.Method != "" && h.Method != d.request.Method {
		return false
	}
	if !h.Secret.IsZero() {
		// One that could not be kept must not be confirmed.
		if secret, ok := h.Secret.extract(d); !ok || !identifies(secret) {
			return false
		}
	}
	if !h.Absent.IsZero() && len(h.Absent.lookup(d)) > 0 || h.Body != "" && !saysJSON(d.request.Body, h.Body) {
		return false
	}
	if h.When.IsZero() {
		return true
	}
	value, ok := h.When.extract(d)
	return ok && (h.Equals == "" || value == h.Equals)
}

// saysJSON reports whether body is that JSON, but for spaces of no meaning.
func saysJSON(body []byte, want string) bool {
	var compact bytes.Buffer
	return len(body) <= maxEcho && json.Compact(&compact, body) == nil && compact.String() == want
}

// knows reports whether the token is one of ours, in a time that tells nothing of them.
func (h *handshake) knows(d *document) bool {
	token, _ := h.Token.extract(d)
	digest, found := sha256.Sum256([]byte(token)), 0
	for _, ours := range h.tokens {
		found |= subtle.ConstantTimeCompare(digest[:], ours[:])
	}
	return found == 1
}

func (v *Verifier) answer(h *handshake, d *document) (Answer, bool) {
	if h.confirm != nil {
		return h.confirm(v, d.request), true
	}
	answer, echo := h.Answer, ""
	if !h.Echo.IsZero() {
		var ok bool
		if echo, ok = h.Echo.extract(d); !ok || !echoes(echo, h.Signed) {
			return Answer{}, false
		}
	}
	var proof []byte
	if h.Sign != "" {
		var ok bool
		if proof, ok = v.prove(h, d); !ok {
			return Answer{}, false
		}
	}
	quoted, err := json.Marshal(echo)
	if err != nil {
		return Answer{}, false
	}
	fill := strings.NewReplacer("{text}", echo, "{json}", string(quoted),
		"{hex}", hex.EncodeToString(proof), "{base64}", base64.StdEncoding.EncodeToString(proof))
	answer.Body, answer.HeaderValue = fill.Replace(answer.Body), fill.Replace(answer.HeaderValue)
	return answer, true
}

// echoes reports whether value may be repeated in an answer. Without a signature any sender
// chooses the value, and it would be shown under our name.
func echoes(value string, signed bool) bool {
	if len(value) > maxEcho || !utf8.ValidString(value) {
		return false
	}
	return !strings.ContainsFunc(value, func(c rune) bool {
		return unicode.IsControl(c) || !signed && (c == '<' || c == '>' || c > unicode.MaxASCII)
	})
}
