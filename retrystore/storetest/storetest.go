// Package storetest checks that a store keeps the promises of package
// retrystore. Every backend runs it in its own tests.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Harness is one backend with storage of its own, which starts out empty.
type Harness struct {
	// Open opens the storage. It is called again after Crash and after Close,
	// and must then show what was stored before.
	Open func(t *testing.T) retrystore.Store
	// Crash ends a store as the death of its process would: nothing more of what
	// it has in memory is saved. nil if the backend cannot do that.
	Crash func(t *testing.T, s retrystore.Store)
	// Now is the time by the store's clock. The store may be ahead of what Now
	// returned by no more than the time that passed since.
	Now func() time.Time
	// Advance lets d pass by the store's clock. With a clock that cannot be
	// injected it may sleep.
	Advance func(t *testing.T, d time.Duration)
	// Jump puts the store's wall clock forward, or back when d is negative. nil
	// if the backend cannot do that.
	Jump func(t *testing.T, d time.Duration)
	// Unit is what tests count leases and delays in. It must be long compared to
	// a few operations of the store, so that none lapses unintended. With an
	// injected clock it is best an hour.
	Unit time.Duration
	// LeasesLast says that leases outlive Close and Crash, because other
	// processes share the data: then tests wait for them to lapse.
	LeasesLast bool
	// PendingParts is in how many parts MaxPending is counted, by key; 0 means 1.
	// Each part has the same share, rounded up.
	PendingParts int
	// NoKeyCount says that Stats.Keys is -1.
	NoKeyCount bool
}

// Run runs the suite. newHarness is called once for every subtest.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, group := range []map[string]func(*suite){acceptTests, boundTests, spaceTests, guardTests, queueTests, inspectTests, listTests, stressTests, durabilityTests, retainTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				x := &suite{T: t, Harness: newHarness(t)}
				x.open()
				t.Cleanup(func() { _ = x.store.Close() })
				test(x)
			})
		}
	}
}

// suite is one subtest: a store, and shorthands that fail the test.
type suite struct {
	*testing.T
	Harness
	store retrystore.Store
	made  int // events made so far
}

func (x *suite) open() { x.store = x.Open(x.T) }

func (x *suite) reopen() {
	x.Helper()
	x.check(x.store.Close())
	x.open()
}

func (x *suite) crash() {
	x.Helper()
	if x.Harness.Crash == nil {
		x.Skip("this backend cannot simulate a crash")
	}
	x.Harness.Crash(x.T, x.store)
	x.open()
}

// lapse waits for leases of ten units that a store left behind.
func (x *suite) lapse() {
	x.Helper()
	if x.LeasesLast {
		x.advance(11)
	}
}

func (x *suite) check(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

func (x *suite) wantErr(err, want error) {
	x.Helper()
	if !errors.Is(err, want) {
		x.Fatalf("error %v, want %v", err, want)
	}
}

// advance lets n units pass.
func (x *suite) advance(n float64) {
	x.Helper()
	x.Harness.Advance(x.T, time.Duration(n*float64(x.Unit)))
}

func (x *suite) in(n float64) time.Time {
	return x.Now().Add(time.Duration(n * float64(x.Unit)))
}

// lane is where events of event go unless a test says otherwise.
var lane = retrystore.Lane{Endpoint: "shop", Destination: "app"}

// event makes an event that differs from all others of this test.
func (x *suite) event() *retrystore.Event {
	x.made++
	return &retrystore.Event{
		Endpoint: lane.Endpoint, Provider: "stripe", EventID: fmt.Sprintf("evt_%d", x.made), EventType: "invoice.paid",
		CorrelationID: fmt.Sprintf("corr-%d", x.made), ReceivedAt: x.Now().Truncate(time.Millisecond).UTC(),
		Method: "POST", Scheme: "https", Host: "hooks.example.com", URI: "/hooks?x=%2F&y", Proto: "HTTP/2.0", RemoteAddr: "192.0.2.1:443",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Twice": {"a", "b"}, "X-Empty": {""}},
		Body:   append([]byte{0, 0xff, '{'}, bytes.Repeat([]byte{byte(x.made)}, x.made%2000)...),
	}
}

func key(name string) (k retrystore.Key) {
	sum := sha256.Sum256([]byte(name))
	copy(k[:], sum[:])
	return k
}

// target is a destination of the usual priority; units is its lease, 0 for none.
func (x *suite) target(destination string, units float64) retrystore.Target {
	return retrystore.Target{Destination: destination, Priority: 5, Lease: time.Duration(units * float64(x.Unit))}
}

// submit accepts e under a key that lives for 100 units; name "" means no key.
func (x *suite) submit(name string, e *retrystore.Event, targets ...retrystore.Target) (retrystore.Receipt, error) {
	sub := &retrystore.Submission{Event: e, Targets: targets}
	if name != "" {
		sub.Key, sub.KeyTTL = key(name), 100*x.Unit
	}
	return x.store.Accept(x.Context(), sub)
}

// accept stores a new event, without a key, for each of the targets given.
func (x *suite) accept(targets ...retrystore.Target) []*retrystore.Delivery {
	x.Helper()
	r, err := x.submit("", x.event(), targets...)
	x.check(err)
	if r.Duplicate || len(r.Deliveries) != len(targets) {
		x.Fatalf("receipt %+v, want %d deliveries", r, len(targets))
	}
	return r.Deliveries
}

// acceptOne stores a new event for the usual lane, pending.
func (x *suite) acceptOne() *retrystore.Delivery {
	x.Helper()
	return x.accept(x.target(lane.Destination, 0))[0]
}

// claim asks for up to max deliveries of any kind, leased for ten units.
func (x *suite) claim(l retrystore.Lane, max int) []*retrystore.Delivery {
	x.Helper()
	c, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{Lane: l, Max: max, MaxRetries: max, Lease: 10 * x.Unit})
	x.check(err)
	return c.Deliveries
}

// claimOnly claims and wants exactly the delivery want.
func (x *suite) claimOnly(want *retrystore.Delivery) *retrystore.Delivery {
	x.Helper()
	ds := x.claim(want.Lane, 10)
	if len(ds) != 1 || ds[0].ID != want.ID {
		x.Fatalf("claimed %v, want only %s", ids(ds), want.ID)
	}
	return ds[0]
}

func (x *suite) claimNothing(l retrystore.Lane) {
	x.Helper()
	if ds := x.claim(l, 10); len(ds) > 0 {
		x.Fatalf("claimed %v, want nothing", ids(ds))
	}
}

func (x *suite) settle(d *retrystore.Delivery, s retrystore.Settlement) {
	x.Helper()
	if s.Attempt.At.IsZero() {
		s.Attempt.At = x.Now()
	}
	x.check(x.store.Settle(x.Context(), d, s))
}

func (x *suite) delivered(d *retrystore.Delivery) {
	x.Helper()
	x.settle(d, retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}})
}

// retry settles d to be tried again in the given number of units.
func (x *suite) retry(d *retrystore.Delivery, units float64) {
	x.Helper()
	x.settle(d, retrystore.Settlement{
		State: retrystore.Pending, NextAttemptAt: x.in(units),
		Attempt: retrystore.Attempt{Status: 503, Error: "unavailable"},
	})
}

func (x *suite) kill(d *retrystore.Delivery) {
	x.Helper()
	x.settle(d, retrystore.Settlement{
		State: retrystore.Dead, Reason: "max_attempts", Attempt: retrystore.Attempt{Status: 500, Error: "broken"},
	})
}

func (x *suite) get(id string) *retrystore.Delivery {
	x.Helper()
	d, err := x.store.Get(x.Context(), id)
	x.check(err)
	return d
}

func (x *suite) wantState(id string, want retrystore.State) *retrystore.Delivery {
	x.Helper()
	d := x.get(id)
	if d.State != want {
		x.Fatalf("delivery %s is %s, want %s", id, d.State, want)
	}
	return d
}

func (x *suite) wantGone(id string) {
	x.Helper()
	_, err := x.store.Get(x.Context(), id)
	x.wantErr(err, retrystore.ErrNotFound)
}

// wantDuplicate submits the key again and wants it refused.
func (x *suite) wantDuplicate(name string, first retrystore.State) {
	x.Helper()
	r, err := x.submit(name, x.event(), x.target(lane.Destination, 0))
	x.check(err)
	if !r.Duplicate || r.First != first || len(r.Deliveries) != 0 {
		x.Fatalf("receipt %+v, want a duplicate of a first one that is %s", r, first)
	}
}

func (x *suite) wantEvent(got, want *retrystore.Event) {
	x.Helper()
	if !reflect.DeepEqual(got, want) {
		x.Fatalf("event\n%+v, want\n%+v", got, want)
	}
}

// all lists every delivery that f selects, page by page.
func (x *suite) all(f retrystore.Filter, limit int) []*retrystore.Delivery {
	x.Helper()
	var all []*retrystore.Delivery
	for cursor := ""; ; {
		p, err := x.store.List(x.Context(), f, cursor, limit)
		x.check(err)
		if len(p.Deliveries) > limit {
			x.Fatalf("page of %d, want at most %d", len(p.Deliveries), limit)
		}
		all = append(all, p.Deliveries...)
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
}

func (x *suite) stats(l retrystore.Lane) retrystore.LaneStats {
	x.Helper()
	s, err := x.store.Stats(x.Context())
	x.check(err)
	for _, n := range s.Lanes {
		if n.Lane == l {
			return n
		}
	}
	return retrystore.LaneStats{Lane: l}
}

// near says whether a and b are the same but for the time tests take.
func (x *suite) near(a, b time.Time) bool {
	return a.Sub(b).Abs() < x.Unit/2
}

func ids(ds []*retrystore.Delivery) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.ID)
	}
	return out
}

// canceled is a context that has ended.
func (x *suite) canceled() context.Context {
	ctx, cancel := context.WithCancel(x.Context())
	cancel()
	return ctx
}
