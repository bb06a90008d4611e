package adminapi

import (
	"context"
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func newDeliveryView(d *retrystore.Delivery) api.Delivery {
	view := api.Delivery{
		ID:            d.ID,
		EventID:       d.Event.EventID,
		EventType:     d.Event.EventType,
		Provider:      d.Event.Provider,
		Endpoint:      d.Endpoint,
		Destination:   d.Destination,
		State:         d.State.String(),
		Attempts:      d.Attempts,
		ReceivedAt:    d.Event.ReceivedAt.UTC(),
		LastStatus:    d.LastStatus,
		LastError:     d.LastError,
		Reason:        d.Reason,
		CorrelationID: d.Event.CorrelationID,
	}
	if d.State == retrystore.Pending {
		view.NextAttemptAt = lanes.TimeOrNil(d.NextAttemptAt)
	}
	return view
}

func newListView(page retrystore.Page) api.List {
	view := api.List{Deliveries: make([]api.Delivery, len(page.Deliveries)), Next: page.Next}
	for i, d := range page.Deliveries {
		view.Deliveries[i] = newDeliveryView(d)
	}
	return view
}

// newDetailView shows all of a delivery except what is hidden.
func newDetailView(d *retrystore.Delivery, hides redact.Hidden) api.Detail {
	m, values, quoted := hides.Mask(d.Event), hides.Values, hides.Quoted(d.Event, nil)
	view := api.Detail{
		Delivery:    newDeliveryView(d),
		Method:      d.Event.Method,
		Host:        d.Event.Host,
		URI:         values.URI(m.URI(d.Event.URI)),
		Headers:     m.Header(d.Event.Header),
		History:     make([]api.Attempt, len(d.History)),
		BodyDropped: d.BodyDropped,
	}
	view.LastError = quotedText(quoted, d.LastError)
	values.Header(view.Headers)
	view.Body, view.BodyBase64 = textOrBase64(values.Bytes(m.Body(d.Event.Header.Get("Content-Type"), d.Event.Body)))
	for i, attempt := range d.History {
		view.History[i] = api.Attempt{
			At:       attempt.At.UTC(),
			Duration: attempt.Duration.String(),
			Status:   attempt.Status,
			Error:    quotedText(quoted, attempt.Error),
		}
		view.History[i].Answer, view.History[i].AnswerBase64 = textOrBase64(quoted.Cut(attempt.Answer))
	}
	return view
}

// quotedText hides secrets in a stored error. An earlier version, which hid fewer, may have stored it.
func quotedText(quoted redact.Values, text string) string { return string(quoted.Cut([]byte(text))) }

// textOrBase64 returns bytes as text if they are UTF-8, otherwise encoded, so that they stay exact.
func textOrBase64(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

// maxReads is how many events are read at once to hide what the errors of a list quote.
const maxReads = 16

// hideErrors hides secrets in the errors of a list, which an earlier version may have stored. Which texts are secret
// only the whole event tells, so it reads the events. If an event is gone, its error is masked as a whole.
func (run *Running) hideErrors(ctx context.Context, list []api.Delivery) error {
	var reads safe.Group
	slots, failures := make(chan struct{}, maxReads), make([]error, len(list))
	for i := range list {
		view := &list[i]
		if view.LastError == "" {
			continue
		}
		slots <- struct{}{}
		reads.Go(run.Logger, "admin: list", func() {
			defer func() { <-slots }()
			text := view.LastError
			view.LastError = redact.Masked
			d, err := run.Store.Get(ctx, view.ID)
			switch {
			case err == nil:
				view.LastError = quotedText(run.Hides(view.Endpoint).Quoted(d.Event, nil), text)
			case !errors.Is(err, retrystore.ErrNotFound):
				failures[i] = err
			}
		})
	}
	reads.Wait()
	return errors.Join(failures...)
}
