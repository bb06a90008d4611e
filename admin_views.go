package caddywebhooks

import (
	"cmp"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
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
		view.NextAttemptAt = timeOrNil(d.NextAttemptAt)
	}
	return view
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func newListView(page retrystore.Page) api.List {
	view := api.List{Deliveries: make([]api.Delivery, len(page.Deliveries)), Next: page.Next}
	for i, d := range page.Deliveries {
		view.Deliveries[i] = newDeliveryView(d)
	}
	return view
}

// newDetailView shows all of a delivery, but for what is hidden of it.
func newDetailView(d *retrystore.Delivery, hides hidden) api.Detail {
	m, values, quoted := hides.mask(d.Event), hides.values, hides.quoted(d.Event, nil)
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

// quotedText hides secrets in an error that was stored, maybe by a version that hid fewer.
func quotedText(quoted redact.Values, text string) string { return string(quoted.Cut([]byte(text))) }

// textOrBase64 keeps readable bytes readable and others exact.
func textOrBase64(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

// newStatsView lists the destinations of the running config, busy or not, and
// those that only the store still knows.
func newStatsView(app *App, stats retrystore.Stats) api.Stats {
	lanes := make(map[retrystore.Lane]api.Lane)
	for _, h := range app.endpoints {
		for _, f := range h.Forward {
			lanes[f.lane] = api.Lane{Endpoint: f.lane.Endpoint, Destination: f.lane.Destination, Configured: true}
		}
	}
	for name, breaker := range app.dispatcher.Breakers() {
		lane := lanes[name]
		lane.Breaker, lane.BreakerUntil = breaker.State, timeOrNil(breaker.Until)
		lanes[name] = lane
	}
	for _, counted := range stats.Lanes {
		lane := lanes[counted.Lane] // zero if this config lacks it
		lane.Endpoint, lane.Destination = counted.Endpoint, counted.Destination
		lane.Pending, lane.Retrying, lane.Leased, lane.Dead = counted.Pending, counted.Retrying, counted.Leased, counted.Dead
		lane.OldestPending = timeOrNil(counted.OldestPending)
		lanes[counted.Lane] = lane
	}
	sorted := slices.SortedFunc(maps.Values(lanes), func(a, b api.Lane) int {
		return cmp.Or(strings.Compare(a.Endpoint, b.Endpoint), strings.Compare(a.Destination, b.Destination))
	})
	if sorted == nil {
		sorted = []api.Lane{} // null is no list
	}
	return api.Stats{Destinations: sorted, Stored: newStoredViews(app, stats), Ignored: newIgnoredViews(app), EventKeys: stats.Keys, StoreBytes: stats.Bytes}
}

// newStoredViews are of the configured endpoints, and of others that have something.
func newStoredViews(app *App, stats retrystore.Stats) []api.Stored {
	bytes := make(map[string]int64)
	for name := range app.endpoints {
		bytes[name] = 0
	}
	for _, of := range stats.Endpoints {
		bytes[of.Endpoint] = of.Bytes
	}
	all := make([]api.Stored, 0, len(bytes))
	for _, name := range slices.Sorted(maps.Keys(bytes)) {
		all = append(all, api.Stored{Endpoint: name, Bytes: bytes[name]})
	}
	return all
}

func newIgnoredViews(app *App) (all []api.Ignored) {
	for _, name := range slices.Sorted(maps.Keys(app.endpoints)) {
		if t := app.endpoints[name].traffic.Snapshot(); t.EverIgnored > 0 {
			all = append(all, api.Ignored{Endpoint: name, Webhooks: t.EverIgnored, LastType: t.IgnoredType})
		}
	}
	return all
}

func newEndpointsView(app *App) api.Endpoints {
	view := api.Endpoints{Endpoints: []api.Endpoint{}}
	for _, name := range slices.Sorted(maps.Keys(app.endpoints)) {
		h := app.endpoints[name]
		endpoint := api.Endpoint{Name: h.Name, Provider: h.Provider, Destinations: []string{}}
		for _, f := range h.Forward {
			endpoint.Destinations = append(endpoint.Destinations, f.Name)
		}
		view.Endpoints = append(view.Endpoints, endpoint)
	}
	return view
}
