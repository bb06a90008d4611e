package storetest

import (
	"errors"
	"sync"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var spaceTests = map[string]func(*suite){
	"MaxBytes":           testMaxBytes,
	"MaxBytesOfDead":     testMaxBytesOfDead,
	"MaxBytesOfSiblings": testMaxBytesOfSiblings,
	"MaxBytesOfKept":     testMaxBytesOfKept,
	"MaxBytesAtOnce":     testMaxBytesAtOnce,
}

// space submits an event of one kilobyte. All lie in one part: each comes when the key of the one
// before is forgotten.
func (x *suite) space(bound int64, targets ...retrystore.Target) (retrystore.Receipt, error) {
	x.Helper()
	e := x.event()
	e.Body = make([]byte, 1000)
	r, err := x.store.Accept(x.Context(), &retrystore.Submission{
		Key: key("one part"), KeyTTL: x.Unit, Event: e, Targets: targets, MaxBytes: bound,
	})
	x.advance(2)
	return r, err
}

// bytes is what the endpoint of x.event has stored.
func (x *suite) bytes() int64 {
	x.Helper()
	s, err := x.store.Stats(x.Context())
	x.check(err)
	for _, e := range s.Endpoints {
		if e.Endpoint == lane.Endpoint {
			return e.Bytes
		}
	}
	return 0
}

// bound is one that as many events of space reach, but no fewer.
func (x *suite) spaceOf(events int64) int64 {
	return (events*1000 - 500) * int64(max(1, x.PendingParts))
}

func testMaxBytes(x *suite) {
	first, err := x.space(x.spaceOf(3), x.target("app", 0))
	x.check(err)
	if n := x.bytes(); n < 1000 || n > 2000 {
		x.Fatalf("%d bytes for one event with a body of 1000", n)
	}
	one := x.bytes()
	second, err := x.space(x.spaceOf(2), x.target("app", 0))
	x.check(err)
	if n := x.bytes(); n != 2*one {
		x.Errorf("%d bytes for two events, want %d", n, 2*one)
	}
	_, err = x.space(x.spaceOf(2), x.target("app", 0))
	x.wantErr(err, retrystore.ErrFull)
	_, err = x.space(x.spaceOf(2), x.target("other", 0)) // the endpoint is full, not a destination
	x.wantErr(err, retrystore.ErrFull)
	_, err = x.space(0, x.target("app", 0)) // no bound
	x.check(err)

	other := x.event()
	other.Endpoint = "other"
	_, err = x.store.Accept(x.Context(), &retrystore.Submission{Event: other, Targets: []retrystore.Target{x.target("app", 0)}, MaxBytes: x.spaceOf(1)})
	x.check(err)

	x.reopen()
	if n := x.bytes(); n != 3*one {
		x.Errorf("%d bytes after the store was opened again, want %d", n, 3*one)
	}
	x.check(x.store.Delete(x.Context(), first.Deliveries[0].ID))
	x.check(x.store.Delete(x.Context(), second.Deliveries[0].ID))
	if n := x.bytes(); n != one {
		x.Errorf("%d bytes after two were deleted, want %d", n, one)
	}
	_, err = x.space(x.spaceOf(2), x.target("app", 0))
	x.check(err)
}

// testMaxBytesOfDead: dead letters count towards the space, too, until they are replayed or deleted.
func testMaxBytesOfDead(x *suite) {
	dead := retrystore.Target{Destination: "app", Dead: "type_unknown"}
	first, err := x.space(x.spaceOf(1), dead)
	x.check(err)
	second, err := x.space(x.spaceOf(2), x.target("app", 10))
	x.check(err)
	x.kill(second.Deliveries[0])
	_, err = x.space(x.spaceOf(2), dead)
	x.wantErr(err, retrystore.ErrFull)
	x.check(x.store.Replay(x.Context(), first.Deliveries[0].ID))
	_, err = x.space(x.spaceOf(2), dead)
	x.wantErr(err, retrystore.ErrFull)
	x.delivered(x.claimOnly(first.Deliveries[0]))
	_, err = x.space(x.spaceOf(2), dead)
	x.check(err)
}

// testMaxBytesOfSiblings: an event counts once, and until its last delivery has ended.
func testMaxBytesOfSiblings(x *suite) {
	r, err := x.space(x.spaceOf(2), x.target("app", 0), x.target("audit", 0))
	x.check(err)
	one := x.bytes()
	if one < 1000 || one > 2000 {
		x.Fatalf("%d bytes for one event with two deliveries", one)
	}
	x.delivered(x.claimOnly(r.Deliveries[0]))
	if n := x.bytes(); n != one {
		x.Errorf("%d bytes while one of two deliveries is open, want %d", n, one)
	}
	x.check(x.store.Delete(x.Context(), r.Deliveries[1].ID))
	if n := x.bytes(); n != 0 {
		x.Errorf("%d bytes after the last delivery has ended", n)
	}
}

// testMaxBytesOfKept: what is kept of delivered events has bounds of its own.
func testMaxBytesOfKept(x *suite) {
	x.retain(retrystore.Retention{Count: 100 * max(1, x.PendingParts), Bodies: true})
	for range 3 {
		r, err := x.space(x.spaceOf(1), x.target("app", 0), x.target("audit", 0))
		x.check(err)
		for _, d := range r.Deliveries {
			x.delivered(x.claimOnly(d))
		}
	}
	x.retain(retrystore.Retention{})
	if n := x.bytes(); n != 0 {
		x.Errorf("%d bytes when all is delivered", n)
	}
}

func testMaxBytesAtOnce(x *suite) {
	const most = 10
	var mu sync.Mutex
	accepted := 0
	var wg sync.WaitGroup
	for range 4 * most {
		e := x.event()
		e.Body = make([]byte, 1000)
		sub := &retrystore.Submission{Event: e, Targets: []retrystore.Target{x.target("app", 0)}, MaxBytes: 1000 * most}
		wg.Go(func() {
			_, err := x.store.Accept(x.Context(), sub)
			if err != nil && !errors.Is(err, retrystore.ErrFull) {
				x.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				accepted++
			}
		})
	}
	wg.Wait()
	if accepted == 0 || accepted > most+max(1, x.PendingParts)-1 {
		x.Errorf("%d events of more than 1000 bytes accepted, want %d at most, or about as many in parts", accepted, most)
	}
}
