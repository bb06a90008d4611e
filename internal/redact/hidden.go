package redact

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Hidden is what nobody is shown of an endpoint's events, as far as its config tells. What
// else an event came with, it knows itself (retrystore.Event.Secrets).
type Hidden struct {
	// Places are where the endpoint's events have secrets, or what proves them.
	Places []verify.Source

	// Values are the secrets themselves.
	Values Values
}

// Mask hides what is secret in the event by its place.
func (x Hidden) Mask(e *retrystore.Event) *Mask {
	return New(slices.Concat(Places(e.Secrets), x.Places))
}

// Quoted hides what an error or an answer may quote of the event: the endpoint's secrets,
// and what came with it at the places of secrets. sent is the header that it was sent
// with, if that is not its own.
func (x Hidden) Quoted(e *retrystore.Event, sent http.Header) Values {
	m := x.Mask(e)
	secrets := m.OfEvent(e.Header, e.URI, e.Body)
	if sent != nil {
		secrets = append(secrets, m.OfEvent(sent, "", nil)...)
	}
	return x.Values.And(NewValues(secrets))
}

// Error hides secrets in an attempt's error: a handler may have put the URL into it, and with
// that the provider's token. It is logged, traced, stored and shown.
func (x Hidden) Error(err error, e *retrystore.Event, sent http.Header) error {
	if err == nil {
		return nil
	}
	text := forward.ErrorText(err)
	if masked := string(x.Quoted(e, sent).Bytes([]byte(text))); masked != text {
		return maskedError{err, masked}
	}
	return err
}

// Panic hides secrets in what a handler panicked with.
func (x Hidden) Panic(p any, e *retrystore.Event, sent http.Header) any {
	text := fmt.Sprint(p)
	if masked := string(x.Quoted(e, sent).Bytes([]byte(text))); masked != text {
		return masked
	}
	return p
}

// maskedError is an error without the secrets that its text had. It tells what it is,
// but not the errors inside: these have their own texts.
type maskedError struct {
	err  error
	text string
}

func (e maskedError) Error() string        { return e.text }
func (e maskedError) Is(target error) bool { return errors.Is(e.err, target) }
