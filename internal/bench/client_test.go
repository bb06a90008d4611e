package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// serve runs a server of net/http, an independent reader of what the client writes.
func serve(t *testing.T, handle http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func connect(t *testing.T, address string, connections int) (*client, []*template) {
	t.Helper()
	c, err := dial(address, connections)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	made, err := newTemplate(address, "/e000", 200)
	if err != nil {
		t.Fatal(err)
	}
	return c, []*template{made}
}

func TestClosedLoop(t *testing.T) {
	var seen atomic.Int64
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || len(body) != 200 {
			t.Errorf("got %d bytes, %v", len(body), err)
		}
		seen.Add(1)
		w.Header().Set("Webhook-Status", "accepted")
		w.WriteHeader(202)
	})
	c, templates := connect(t, address, 8)
	numbers := make(map[uint32]bool)
	for range 2 { // phases over the same connections
		exchanges, err := c.closed(t.Context(), templates, time.Minute, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(exchanges) != 500 {
			t.Errorf("%d exchanges", len(exchanges))
		}
		for _, e := range exchanges {
			numbers[e.number] = true
			if e.status != 202 || e.word != "accepted" || e.answered < e.sent || e.sent < e.due {
				t.Fatalf("%+v", e)
			}
		}
	}
	if len(numbers) != 1000 || seen.Load() != 1000 {
		t.Errorf("%d numbers, %d requests", len(numbers), seen.Load())
	}
}

// TestPacedCountsWaiting has a server stand still for a while. In a closed loop
// one request is slow, at a fixed rate all that were due meanwhile.
func TestPacedCountsWaiting(t *testing.T) {
	const stall, rate = 300 * time.Millisecond, 200
	var requests atomic.Int64
	address := serve(t, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 20 {
			time.Sleep(stall)
		}
	})
	c, templates := connect(t, address, 1)
	exchanges, err := c.paced(t.Context(), templates, rate, 600*time.Millisecond, 1000)
	if err != nil {
		t.Fatal(err)
	}
	slow := 0
	for _, e := range exchanges {
		if time.Duration(e.answered-e.due) > stall/3 {
			slow++
		}
	}
	// 60 are due while the server stands still; the first 40 of them wait longer than that.
	if len(exchanges) != 120 || slow < 30 {
		t.Errorf("%d exchanges, of which %d were slow", len(exchanges), slow)
	}
}

func TestClientEnds(t *testing.T) {
	release := make(chan struct{})
	address := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	for name, send := range map[string]func(*client, context.Context, []*template) error{
		"closed loop": func(c *client, ctx context.Context, ts []*template) error {
			_, err := c.closed(ctx, ts, time.Minute, 100)
			return err
		},
		"fixed rate": func(c *client, ctx context.Context, ts []*template) error {
			_, err := c.paced(ctx, ts, 10, time.Minute, 1000)
			return err
		},
	} {
		c, templates := connect(t, address, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := send(c, ctx, templates); err != context.DeadlineExceeded {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %s to end", name, took)
		}
	}
}

func TestClientTellsOfClosedConnections(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(503)
	})
	c, templates := connect(t, address, 1)
	if _, err := c.closed(t.Context(), templates, time.Minute, 10); err == nil {
		t.Error("no error")
	}
}

// TestApplication sends to the process that stands in for the application.
func TestApplication(t *testing.T) {
	app, err := startApplication(2)
	if err != nil {
		t.Fatal(err)
	}
	defer app.stop()
	c, templates := connect(t, app.addresses[1], 4)
	exchanges, err := c.closed(t.Context(), templates, time.Minute, 100)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := app.count(); n != 100 || err != nil {
		t.Errorf("%d arrived, %v", n, err)
	}
	deliveries, err := app.deliveries()
	if err != nil || len(deliveries) != 100 {
		t.Fatalf("%d deliveries, %v", len(deliveries), err)
	}
	at := make(map[uint32]int64)
	for _, d := range deliveries {
		if d.destination != 1 {
			t.Errorf("%+v", d)
		}
		at[d.number] = d.at
	}
	for _, e := range exchanges {
		if got, ok := at[e.number]; !ok || got < e.sent || got > e.answered {
			t.Errorf("event %d was sent at %d and answered at %d; it arrived at %d", e.number, e.sent, e.answered, got)
		}
	}
}
