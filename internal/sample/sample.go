// Package sample makes unsigned example webhooks of any provider in the table:
// with the event's id and type where the provider puts them, and nothing more.
package sample

import (
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// New returns a webhook of the provider for the given URL, carrying the id and
// type where the provider has them. Sign it with a verify.Verifier.
func New(p *verify.Provider, target *url.URL, id, eventType string) *verify.Request {
	s := &sample{header: make(http.Header), document: make(map[string]any), form: make(url.Values)}
	s.isForm = len(p.ContentTypes) > 0 && !slices.Contains(p.ContentTypes, typeJSON) && slices.Contains(p.ContentTypes, typeForm)
	s.put(p.EventID, id)
	s.put(p.EventType, eventType)
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
