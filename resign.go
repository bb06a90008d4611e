package caddywebhooks

import (
	"net/http"
	"net/textproto"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// resignAfter is how old a first attempt may be and keep the provider's own
// signature. It is well below the tolerance of every provider's SDK.
const resignAfter = 30 * time.Second

// originalPrefix marks what a header was before it was signed anew.
const originalPrefix = "Webhook-Original-"

// resigner gives late attempts a fresh signature in the provider's own format,
// so that an application that checks timestamps takes a retry hours later. It
// is safe for concurrent use.
type resigner struct {
	verifier *verify.Verifier
	now      func() time.Time
}

// late reports whether the provider's timestamp may be too old for the application.
func (s *resigner) late(d *retrystore.Delivery) bool {
	return d.Attempts > 0 || s.now().Sub(d.Event.ReceivedAt) > resignAfter
}

// sign renews the signature in the header of an attempt and keeps what it replaces.
func (s *resigner) sign(d *retrystore.Delivery, header http.Header) error {
	names := s.verifier.Headers()
	before := make(map[string][]string, len(names))
	for _, name := range names {
		before[name] = header.Values(name)
	}
	event := d.Event
	err := s.verifier.Sign(&verify.Request{
		Method: event.Method, Scheme: event.Scheme, Host: event.Host, URI: event.URI,
		Header: header, Body: event.Body,
	}, s.now())
	if err != nil {
		return err
	}
	for name, values := range before {
		if len(values) > 0 && header.Get(name) != values[0] {
			header[textproto.CanonicalMIMEHeaderKey(originalPrefix+name)] = values
		}
	}
	return nil
}
