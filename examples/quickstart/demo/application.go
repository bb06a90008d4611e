package main

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// application is a backend as anybody might have: it takes webhooks and knows
// nothing of the proxy.
type application struct {
	server    *http.Server
	port      string
	failing   atomic.Bool
	onArrival func(arrival)

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each request
	arrivals map[string]arrival
	repeats  int
	failures int
}

type arrival struct {
	provider, eventID, attempt string
	body                       []byte
}

func startApplication(address string) (*application, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	a := &application{port: port, changed: make(chan struct{}), arrivals: make(map[string]arrival)}
	a.server = &http.Server{Handler: a}
	go func() { _ = a.server.Serve(listener) }()
	return a, nil
}

func (a *application) close() { _ = a.server.Close() }

// ServeHTTP takes one webhook.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the proxy went away in the middle
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { close(a.changed); a.changed = make(chan struct{}) }()
	if a.failing.Load() {
		a.failures++
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	got := arrival{
		provider: r.Header.Get("Webhook-Provider"),
		eventID:  r.Header.Get("Webhook-Event-Id"),
		attempt:  r.Header.Get("Webhook-Attempt"),
		body:     body,
	}
	if _, again := a.arrivals[got.eventID]; again {
		a.repeats++
	}
	a.arrivals[got.eventID] = got
	if a.onArrival != nil {
		a.onArrival(got)
	}
}

// count is how many requests were taken: repeats count too, so that they show.
func (a *application) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.arrivals) + a.repeats
}

func (a *application) wait(eventID string, limit time.Duration) (got arrival, ok bool) {
	ok = a.waitUntil(limit, func() bool { got, ok = a.arrivals[eventID]; return ok })
	return got, ok
}

func (a *application) waitForFailure(limit time.Duration) bool {
	return a.waitUntil(limit, func() bool { return a.failures > 0 })
}

// waitUntil asks done after each request until it says yes.
func (a *application) waitUntil(limit time.Duration, done func() bool) bool {
	deadline := time.After(limit)
	for {
		a.mu.Lock()
		yes, changed := done(), a.changed
		a.mu.Unlock()
		if yes {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}
