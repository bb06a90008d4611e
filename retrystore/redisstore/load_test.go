package redisstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// lane is where the events of these tests go.
var testLane = retrystore.Lane{Endpoint: "shop", Destination: "app"}

func testKey(name string) (k retrystore.Key) {
	copy(k[:], sha(name))
	return k
}

func testEvent(id string) *retrystore.Event {
	return &retrystore.Event{
		Endpoint: testLane.Endpoint, Provider: "stripe", EventID: id, EventType: "invoice.paid",
		ReceivedAt: time.Now().Truncate(time.Millisecond).UTC(), Method: "POST", URI: "/hooks", Body: []byte(`{"id":"` + id + `"}`),
	}
}

// submission is of an event whose id is its key; lease 0 stores it pending.
func submission(id string, lease time.Duration) *retrystore.Submission {
	return &retrystore.Submission{
		Key: testKey(id), KeyTTL: time.Hour, Event: testEvent(id),
		Targets: []retrystore.Target{{Destination: testLane.Destination, Priority: 5, Lease: lease}},
	}
}

func accept(t testing.TB, s *Store, id string, lease time.Duration) *retrystore.Delivery {
	t.Helper()
	r, err := s.Accept(t.Context(), submission(id, lease))
	if err != nil {
		t.Fatal(err)
	}
	if r.Duplicate {
		t.Fatalf("event %s is a duplicate", id)
	}
	return r.Deliveries[0]
}

func claim(t testing.TB, s *Store, max int) []*retrystore.Delivery {
	t.Helper()
	c, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: testLane, Max: max, MaxRetries: max, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c.Deliveries
}

var delivered = retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}}

// eventually calls f until it returns nil, and fails the test after the limit.
func eventually(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %s: %v", limit, err)
		}
	}
}

// load are workers that accept events and settle every other one, as long as it
// runs, whatever fails; and what they were told.
type load struct {
	mu       sync.Mutex
	accepted map[string]bool // acknowledged, and never settled
	settled  map[string]bool // settled, or perhaps settled
	refused  int
	other    []error // errors that a store may not answer with
	slowest  time.Duration

	stop chan struct{}
	wg   sync.WaitGroup
}

func startLoad(t testing.TB, s *Store, workers int) *load {
	l := &load{accepted: make(map[string]bool), settled: make(map[string]bool), stop: make(chan struct{})}
	for w := range workers {
		l.wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				l.once(t, s, fmt.Sprint(w, "-", i), i%2 == 0)
			}
		})
	}
	return l
}

// once accepts an event, again after an error as providers do, but a limited
// number of times.
func (l *load) once(t testing.TB, s *Store, id string, settle bool) {
	for range 3 {
		began := time.Now()
		r, err := s.Accept(t.Context(), submission(id, time.Minute))
		l.took(time.Since(began))
		if err != nil {
			l.fail(err)
			time.Sleep(20 * time.Millisecond) // a provider that tries again
			continue
		}
		l.mu.Lock()
		if settle && !r.Duplicate {
			l.settled[id] = true
		} else {
			l.accepted[id] = true
		}
		l.mu.Unlock()
		if settle && !r.Duplicate {
			if err := s.Settle(t.Context(), r.Deliveries[0], delivered); err != nil {
				l.fail(err)
			}
		}
		return
	}
}

func (l *load) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, d)
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, retrystore.ErrUnavailable) || errors.Is(err, retrystore.ErrFull) {
		l.refused++
	} else {
		l.other = append(l.other, err)
	}
}

// count is how many events were acknowledged so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted) + len(l.settled)
}

// advance waits until so many more events were acknowledged.
func (l *load) advance(t testing.TB, n int) {
	t.Helper()
	want := l.count() + n
	eventually(t, 30*time.Second, func() error {
		if got := l.count(); got < want {
			return fmt.Errorf("%d events were acknowledged, want %d", got, want)
		}
		return nil
	})
}

// end stops the workers and compares what they were told with what is stored:
// whatever was acknowledged and not settled is there, once.
func (l *load) end(t testing.TB, s *Store) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	for _, err := range l.other {
		t.Errorf("unexpected error: %v", err)
	}
	found := make(map[string]int)
	for cursor := ""; ; {
		page, err := s.List(t.Context(), retrystore.Filter{}, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Deliveries {
			found[d.Event.EventID]++
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	lost := 0
	for id := range l.accepted {
		if found[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged events are lost", lost, len(l.accepted))
	}
	for id, n := range found {
		if n > 1 {
			t.Errorf("event %s is stored %d times", id, n)
		}
	}
	t.Logf("%d acknowledged, %d of them settled, %d calls refused, slowest answer %s, %d stored",
		len(l.accepted)+len(l.settled), len(l.settled), l.refused, l.slowest.Round(time.Millisecond), len(found))
}
