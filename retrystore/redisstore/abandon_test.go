package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// leaver is the context of a caller that leaves right when the event is stored.
type leaver struct {
	context.Context
	mu   sync.Mutex
	left bool
}

func (l *leaver) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
}

func (l *leaver) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return context.Canceled
	}
	return nil
}

// A caller leaves while an event is stored for several destinations, of which some have
// it leased and some do not: the lanes that are woken are those whose leases are given back.
func TestAbandonWakesTheRightLanes(t *testing.T) {
	t.Parallel()
	s := newStore(t, redistest.Start(t), Options{})
	ctx := &leaver{Context: t.Context()}
	sub := submission("left", 0)
	sub.Targets = []retrystore.Target{
		{Destination: "waits"}, {Destination: "leased", Lease: time.Hour}, {Destination: "dead", Dead: "type_unknown"}, {Destination: "leased-too", Lease: time.Hour},
	}
	var mu sync.Mutex
	var woken []string
	defer s.Notify(func(l retrystore.Lane) {
		mu.Lock()
		defer mu.Unlock()
		woken = append(woken, l.Destination)
		ctx.leave() // the first to be woken is the one that waits, when the event is stored
	})()
	if _, err := s.Accept(ctx, sub); !errors.Is(err, context.Canceled) {
		t.Fatalf("accepted for nobody: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"waits", "leased", "leased-too"}; !slices.Equal(woken, want) {
		t.Errorf("woken: %v, want %v", woken, want)
	}
	for _, destination := range []string{"waits", "leased", "leased-too"} {
		lane := retrystore.Lane{Endpoint: testLane.Endpoint, Destination: destination}
		c, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: lane, Max: 1, Lease: time.Minute})
		if err != nil || len(c.Deliveries) != 1 {
			t.Errorf("%s: claimed %v, %v", destination, c.Deliveries, err)
		}
	}
}
