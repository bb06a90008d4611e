// Package api is the JSON of the admin API, and the words in it. Names are fixed, because people's scripts read them.
// Times are in UTC. It imports nothing of this project.
package api

import (
	"net/http"
	"time"
)

// Bounds of a page.
const (
	DefaultPage = 50
	MaxPage     = 1000
)

// Delivery is one delivery in a list.
type Delivery struct {
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

// List is a page of deliveries, newest first. Next is the cursor of the next page; empty: this is the last.
type List struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	At           time.Time `json:"at"`
	Duration     string    `json:"duration"`
	Status       int       `json:"status,omitempty"`
	Error        string    `json:"error,omitempty"`
	Answer       string    `json:"answer,omitempty"`
	AnswerBase64 string    `json:"answer_base64,omitempty"`
}

// Detail is all of a delivery, with secrets masked. A body or an answer that is not UTF-8 is in the field with
// base64.
type Detail struct {
	Delivery
	Method     string      `json:"method"`
	Host       string      `json:"host"`
	URI        string      `json:"uri"`
	Headers    http.Header `json:"headers"`
	Body       string      `json:"body,omitempty"`
	BodyBase64 string      `json:"body_base64,omitempty"`
	// BodyDropped: the event had a body, which `retain delivered` did not keep.
	BodyDropped bool      `json:"body_dropped,omitempty"`
	History     []Attempt `json:"history"`
}

// Lane is what waits for one destination.
type Lane struct {
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

// Stats counts what is stored, and how it waits.
type Stats struct {
	Destinations []Lane    `json:"destinations"`
	Stored       []Stored  `json:"stored"`
	Ignored      []Ignored `json:"ignored,omitempty"`
	EventKeys    int       `json:"event_keys"` // -1: the store cannot tell
	StoreBytes   int64     `json:"store_bytes"`
}

// Stored is how much the store holds of an endpoint.
type Stored struct {
	Endpoint string `json:"endpoint"`
	Bytes    int64  `json:"bytes"`
}

// Ignored counts the webhooks that this node has received since its start and that no destination wanted.
type Ignored struct {
	Endpoint string `json:"endpoint"`
	Webhooks int    `json:"webhooks"`
	LastType string `json:"last_type,omitempty"`
}

// Endpoint is one of the running config.
type Endpoint struct {
	Name         string   `json:"name"`
	Provider     string   `json:"provider"`
	Destinations []string `json:"destinations"`
}

// Endpoints are those of the running config.
type Endpoints struct {
	Endpoints []Endpoint `json:"endpoints"`
}
