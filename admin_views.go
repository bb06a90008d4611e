package caddywebhooks

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// The JSON of the admin API. Names are fixed: people's scripts read them.

type deliveryView struct {
	ID            string     `json:"id"`
	EventID       string     `json:"event_id"`
	EventType     string     `json:"event_type"`
	Provider      string     `json:"provider"`
	Endpoint      string     `json:"endpoint"`
	Destination   string     `json:"destination"`
	State         string     `json:"state"`
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
	ReceivedAt    time.Time  `json:"received_at"`
	LastStatus    int        `json:"last_status,omitempty"`
	LastError     string     `json:"last_error,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	CorrelationID string     `json:"correlation_id"`
}

type listView struct {
	Deliveries []deliveryView `json:"deliveries"`
	Next       string         `json:"next,omitempty"`
}

type attemptView struct {
	At           time.Time `json:"at"`
	Duration     string    `json:"duration"`
	Status       int       `json:"status,omitempty"`
	Error        string    `json:"error,omitempty"`
	Answer       string    `json:"answer,omitempty"`
	AnswerBase64 string    `json:"answer_base64,omitempty"`
}

type detailView struct {
	deliveryView
	Method     string      `json:"method"`
	Host       string      `json:"host"`
	URI        string      `json:"uri"`
	Headers    http.Header `json:"headers"`
	Body       string      `json:"body,omitempty"`
	BodyBase64 string      `json:"body_base64,omitempty"`
	// BodyDropped: there was one, and `retain delivered` did not keep it.
	BodyDropped bool          `json:"body_dropped,omitempty"`
	History     []attemptView `json:"history"`
}

type laneView struct {
	Endpoint      string     `json:"endpoint"`
	Destination   string     `json:"destination"`
	Configured    bool       `json:"configured"`
	Pending       int        `json:"pending"`
	Retrying      int        `json:"retrying"`
	Leased        int        `json:"leased"`
	Dead          int        `json:"dead"`
	OldestPending *time.Time `json:"oldest_pending_at,omitempty"`
	Breaker       string     `json:"breaker,omitempty"`       // closed, open or half_open; absent if not configured
	BreakerUntil  *time.Time `json:"breaker_until,omitempty"` // when an open one lets probes through
}

type statsView struct {
	Destinations []laneView    `json:"destinations"`
	Stored       []storedView  `json:"stored"`
	Ignored      []ignoredView `json:"ignored,omitempty"`
	EventKeys    int           `json:"event_keys"` // -1: the store cannot tell
	StoreBytes   int64         `json:"store_bytes"`
}

// storedView says what an endpoint has of its share in the store.
type storedView struct {
	Endpoint string `json:"endpoint"`
	Bytes    int64  `json:"bytes"`
}

// ignoredView counts what this node has received since its start and no
// destination wanted.
type ignoredView struct {
	Endpoint string `json:"endpoint"`
	Webhooks int    `json:"webhooks"`
	LastType string `json:"last_type,omitempty"`
}

type endpointView struct {
	Name         string   `json:"name"`
	Provider     string   `json:"provider"`
	Destinations []string `json:"destinations"`
}

type endpointsView struct {
	Endpoints []endpointView `json:"endpoints"`
}

func newDeliveryView(d *retrystore.Delivery) deliveryView {
	view := deliveryView{
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

func newListView(page retrystore.Page) listView {
	view := listView{Deliveries: make([]deliveryView, len(page.Deliveries)), Next: page.Next}
	for i, d := range page.Deliveries {
		view.Deliveries[i] = newDeliveryView(d)
	}
	return view
}

// newDetailView shows all of a delivery, but for what is hidden of it.
func newDetailView(d *retrystore.Delivery, hides hidden) detailView {
	m, values, quoted := hides.mask(d.Event), hides.values, hides.quoted(d.Event, nil)
	view := detailView{
		deliveryView: newDeliveryView(d),
		Method:       d.Event.Method,
		Host:         d.Event.Host,
		URI:          values.URI(m.URI(d.Event.URI)),
		Headers:      m.Header(d.Event.Header),
		History:      make([]attemptView, len(d.History)),
		BodyDropped:  d.BodyDropped,
	}
	view.LastError = quotedText(quoted, d.LastError)
	values.Header(view.Headers)
	view.Body, view.BodyBase64 = textOrBase64(values.Bytes(m.Body(d.Event.Header.Get("Content-Type"), d.Event.Body)))
	for i, attempt := range d.History {
		view.History[i] = attemptView{
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
func newStatsView(app *App, stats retrystore.Stats) statsView {
	lanes := make(map[retrystore.Lane]laneView)
	for _, h := range app.endpoints {
		for _, f := range h.Forward {
			lanes[f.lane] = laneView{Endpoint: f.lane.Endpoint, Destination: f.lane.Destination, Configured: true}
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
	sorted := slices.SortedFunc(maps.Values(lanes), func(a, b laneView) int {
		return cmp.Or(strings.Compare(a.Endpoint, b.Endpoint), strings.Compare(a.Destination, b.Destination))
	})
	if sorted == nil {
		sorted = []laneView{} // null is no list
	}
	return statsView{Destinations: sorted, Stored: newStoredViews(app, stats), Ignored: newIgnoredViews(app), EventKeys: stats.Keys, StoreBytes: stats.Bytes}
}

// newStoredViews are of the configured endpoints, and of others that have something.
func newStoredViews(app *App, stats retrystore.Stats) []storedView {
	bytes := make(map[string]int64)
	for name := range app.endpoints {
		bytes[name] = 0
	}
	for _, of := range stats.Endpoints {
		bytes[of.Endpoint] = of.Bytes
	}
	all := make([]storedView, 0, len(bytes))
	for _, name := range slices.Sorted(maps.Keys(bytes)) {
		all = append(all, storedView{name, bytes[name]})
	}
	return all
}

func newIgnoredViews(app *App) (all []ignoredView) {
	for _, name := range slices.Sorted(maps.Keys(app.endpoints)) {
		if t := app.endpoints[name].traffic.Snapshot(); t.EverIgnored > 0 {
			all = append(all, ignoredView{name, t.EverIgnored, t.IgnoredType})
		}
	}
	return all
}

func newEndpointsView(app *App) endpointsView {
	view := endpointsView{Endpoints: []endpointView{}}
	for _, name := range slices.Sorted(maps.Keys(app.endpoints)) {
		h := app.endpoints[name]
		endpoint := endpointView{Name: h.Name, Provider: h.Provider, Destinations: []string{}}
		for _, f := range h.Forward {
			endpoint.Destinations = append(endpoint.Destinations, f.Name)
		}
		view.Endpoints = append(view.Endpoints, endpoint)
	}
	return view
}
