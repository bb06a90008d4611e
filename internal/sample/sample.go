// Package sample makes unsigned example webhooks of any provider in the table:
// with the event's id and type where the provider puts them, and nothing more.
package sample

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// Webhook is what a sample is to say.
type Webhook struct {
	EventID, EventType string
	At                 time.Time // when it is sent, for providers that put the time into the body
	Secret             string    // for providers that put the secret itself into the body
}

// New returns a webhook of the provider for the given URL, with w where the
// provider has it, and all that has to be there before it is signed. Sign it with a verify.Verifier.
func New(p *verify.Provider, target *url.URL, w Webhook) *verify.Request {
	s := &sample{header: make(http.Header), document: make(map[string]any), form: make(url.Values)}
	s.isForm = len(p.ContentTypes) > 0 && !slices.Contains(p.ContentTypes, typeJSON) && slices.Contains(p.ContentTypes, typeForm)
	s.put(p.EventID, w.EventID)
	s.put(p.EventType, w.EventType)
	for i := range p.Schemes {
		s.prepare(&p.Schemes[i], w)
	}
	r := &verify.Request{
		Method: http.MethodPost,
		Scheme: target.Scheme,
		Host:   target.Host,
		URI:    target.RequestURI(),
		Header: s.header,
	}
	if s.isForm {
		s.header.Set("Content-Type", typeForm)
		r.Body = []byte(s.form.Encode())
	} else {
		s.header.Set("Content-Type", typeJSON)
		r.Body, _ = json.Marshal(s.document) // strings and maps only: cannot fail
	}
	return r
}

// signedHeader finds the headers that a scheme's content has.
var signedHeader = regexp.MustCompile(`\{header\.([^}]+)\}`)

// prepare puts in what the scheme signs, or sends, from the body, and what it
// signs of headers that nobody else sets, such as a nonce.
func (s *sample) prepare(scheme *verify.Scheme, w Webhook) {
	inBody := []string{verify.FromJSON, verify.FromForm}
	if source := scheme.Timestamp.Source; slices.Contains(inBody, source.From) {
		s.put([]verify.Source{source}, scheme.Timestamp.Format(w.At))
	}
	if scheme.Algorithm == "token" && slices.Contains(inBody, scheme.Signature.From) {
		s.put([]verify.Source{scheme.Signature}, w.Secret)
	}
	if field := scheme.FormField(); field != "" {
		s.form.Set(field, "[]")
	}
	for _, match := range signedHeader.FindAllStringSubmatch(scheme.Content, -1) {
		if name := textproto.CanonicalMIMEHeaderKey(match[1]); s.header[name] == nil {
			s.header[name] = []string{rand.Text()}
		}
	}
}

// sample collects the parts of a webhook.
type sample struct {
	isForm   bool
	header   http.Header
	document map[string]any
	form     url.Values
}

// put writes the value where the first source that fits this kind of body says.
func (s *sample) put(sources []verify.Source, value string) {
	for _, source := range sources {
		switch {
		case source.From == verify.FromHeader:
			s.header[textproto.CanonicalMIMEHeaderKey(source.Name)] = []string{value}
		case source.From == verify.FromJSON && !s.isForm:
			s.putJSON(source.Name, value)
		case source.From == verify.FromForm && s.isForm:
			s.form.Set(source.Name, value)
		default:
			continue
		}
		return
	}
}

// putJSON writes the value at an RFC 6901 pointer, making objects on the way.
func (s *sample) putJSON(pointer, value string) {
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	object := s.document
	for _, name := range names[:len(names)-1] {
		inner, ok := object[unescape.Replace(name)].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			object[unescape.Replace(name)] = inner
		}
		object = inner
	}
	object[unescape.Replace(names[len(names)-1])] = value
}
