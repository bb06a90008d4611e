package envelope

import (
	"math"
	"net/http"
	"net/textproto"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// resignAfter is the age up to which a first attempt keeps the provider's own signature. It is well below
// the tolerance of every provider's SDK.
const resignAfter = 30 * time.Second

// originalPrefix begins the name of a header that keeps what a new signature has replaced.
const originalPrefix = "Webhook-Original-"

// Resigner gives late attempts a fresh signature in the provider's own format, so that an application that
// checks timestamps accepts a retry hours later. It is safe for concurrent use.
type Resigner struct {
	current *verify.Current
	now     func() time.Time
}

// NewResigner signs as the current verifier does; now is the clock.
func NewResigner(current *verify.Current, now func() time.Time) *Resigner {
	return &Resigner{current, now}
}

// Late reports whether the provider's timestamp may be too old for the application.
func (s *Resigner) Late(d *retrystore.Delivery) bool {
	return d.Attempts > 0 || s.now().Sub(d.Event.ReceivedAt) > resignAfter
}

// Sign returns the header of an attempt with a new signature, and keeps the replaced headers under other
// names. If it cannot sign, the provider's own signature stays: an application that checks no timestamp
// accepts it.
func (s *Resigner) Sign(d *retrystore.Delivery, header http.Header) http.Header {
	verifier, event, signed := s.current.Load(), d.Event, header.Clone()
	err := verifier.Sign(&verify.Request{
		Method: event.Method, Scheme: event.Scheme, Host: event.Host, URI: event.URI,
		Header: signed, Body: event.Body, MaxText: math.MaxInt64, // it was decoded when it came
	}, s.now())
	if err != nil {
		return header
	}
	for _, name := range verifier.Headers() {
		if before := header.Values(name); len(before) > 0 && signed.Get(name) != before[0] {
			signed[textproto.CanonicalMIMEHeaderKey(originalPrefix+name)] = before
		}
	}
	return signed
}
