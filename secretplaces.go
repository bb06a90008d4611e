package caddywebhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// secretPlaces are the places of what nobody is shown of the endpoint's events: secrets that
// are sent as they are, and what proves a webhook.
func (h *Handler) secretPlaces() []verify.Source {
	return slices.Concat(h.verifier.Credentials(), h.verifier.Proofs())
}

// loggedPlaces are those of what must not be logged of the endpoint's requests: secrets that are
// sent as they are, and what handshakes are answered with. Signatures are no secrets, and
// stay as Caddy logs them.
func (h *Handler) loggedPlaces() []verify.Source {
	return slices.Concat(h.verifier.Credentials(), h.verifier.Challenges())
}

// hidden is what nobody is shown of an endpoint's events, as far as its config tells. What
// else an event came with, it knows itself (retrystore.Event.Secrets).
type hidden struct {
	places []verify.Source
	values redact.Values
}

func (h *Handler) hides() hidden { return hidden{h.secretPlaces(), h.hidden} }

// mask hides what is secret in the event by its place.
func (x hidden) mask(e *retrystore.Event) *redact.Mask {
	return redact.New(slices.Concat(redact.Places(e.Secrets), x.places))
}

// hides is what is hidden of an endpoint, which the running config may not have.
func (app *App) hides(endpoint string) hidden {
	if h, ok := app.endpoints[endpoint]; ok {
		return h.hides()
	}
	return hidden{}
}

// quoted hides what an error or an answer may quote of the event: the endpoint's secrets,
// and what came with it at the places of secrets. sent is the header that it was sent
// with, if that is not its own.
func (x hidden) quoted(e *retrystore.Event, sent http.Header) redact.Values {
	m := x.mask(e)
	secrets := m.OfEvent(e.Header, e.URI, e.Body)
	if sent != nil {
		secrets = append(secrets, m.OfEvent(sent, "", nil)...)
	}
	return x.values.And(redact.NewValues(secrets))
}

// error hides secrets in an attempt's error: a handler may have put the URL into it, and with
// that the provider's token. It is logged, traced, stored and shown.
func (x hidden) error(err error, e *retrystore.Event, sent http.Header) error {
	if err == nil {
		return nil
	}
	text := forward.ErrorText(err)
	if masked := string(x.quoted(e, sent).Bytes([]byte(text))); masked != text {
		return maskedError{err, masked}
	}
	return err
}

// panic hides secrets in what a handler panicked with.
func (x hidden) panic(p any, e *retrystore.Event, sent http.Header) any {
	text := fmt.Sprint(p)
	if masked := string(x.quoted(e, sent).Bytes([]byte(text))); masked != text {
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

// maxReads is how many events are read at once to hide what the errors of a list quote.
const maxReads = 16

// hideErrors hides secrets in the errors of a list, which may have been stored by a version
// that hid fewer. What is secret only the whole event tells. Where that cannot be read
// any more, the error is hidden as a whole.
func hideErrors(ctx context.Context, app *App, list []api.Delivery) error {
	var reads safe.Group
	slots, failures := make(chan struct{}, maxReads), make([]error, len(list))
	for i := range list {
		view := &list[i]
		if view.LastError == "" {
			continue
		}
		slots <- struct{}{}
		reads.Go(app.logger, "admin: list", func() {
			defer func() { <-slots }()
			text := view.LastError
			view.LastError = redact.Masked
			d, err := app.store.Get(ctx, view.ID)
			switch {
			case err == nil:
				view.LastError = quotedText(app.hides(view.Endpoint).quoted(d.Event, nil), text)
			case !errors.Is(err, retrystore.ErrNotFound):
				failures[i] = err
			}
		})
	}
	reads.Wait()
	return errors.Join(failures...)
}
