package limiter_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func newBounded(maxKeys int) (*limiter.Local, *faketime.Clock) {
	c := faketime.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return limiter.NewLocal(limiter.LocalOptions{MaxKeys: maxKeys, Now: c.Now}), c
}

func mustLimit(words ...string) limiter.Limit {
	l, err := limiter.ParseLimit(words)
	if err != nil {
		panic(err)
	}
	return l
}

func ask(scope, key string, l limiter.Limit) limiter.Ask {
	return limiter.Ask{Tier: limiter.IP, Scope: scope, Key: key, Limit: l}
}

func take(t testing.TB, l *limiter.Local, asks ...limiter.Ask) limiter.Decision {
	t.Helper()
	d, err := l.Take(t.Context(), asks...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// address returns a different address, IPv4 or in another /64, for every n.
func address(n uint32) netip.Addr {
	if n%2 == 0 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], n)
		return netip.AddrFrom4(b)
	}
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint32(b[4:], n)
	binary.BigEndian.PutUint64(b[8:], uint64(n)*0x9e3779b97f4a7c15)
	return netip.AddrFrom16(b)
}

// Five million addresses, faster than their budgets come back: memory stays
// within the bound, and an address that came before keeps its budget.
func TestFlood(t *testing.T) {
	const maxKeys, flood = 20_000, 5_000_000
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		t.Run(algorithm, func(t *testing.T) {
			count := flood
			if testing.Short() || algorithm == "sliding_window" {
				count /= 10
			}
			budget := mustLimit("50", "5/s", algorithm)
			l, clock := newBounded(maxKeys)

			// An attacker that has spent everything, and a client that spends now and then.
			attacker, client := ask("shop", "attacker", mustLimit("50", "1/h", algorithm)), ask("shop", "client", mustLimit("50", "1/h", algorithm))
			for range 50 {
				take(t, l, attacker)
			}
			before := heap()
			allowed, clientAllowed := 0, 0
			// No helpers here: with the race detector they take longer than Take.
			ctx, asks := t.Context(), []limiter.Ask{ask("shop", "", budget)}
			for n := range uint32(count) {
				asks[0].Key = string(binary.BigEndian.AppendUint32(nil, n))
				if d, _ := l.Take(ctx, asks...); d.Allowed {
					allowed++
				}
				if n%1000 == 0 {
					if take(t, l, attacker).Allowed {
						t.Fatalf("after %d addresses the attacker has a budget again", n)
					}
					if take(t, l, client).Allowed {
						clientAllowed++
					}
				}
				clock.Move(time.Microsecond)
			}
			if clientAllowed != 50 {
				t.Errorf("the client got %d, want its 50", clientAllowed)
			}
			if l.Len() > maxKeys+1 {
				t.Errorf("%d keys are remembered, the bound is %d", l.Len(), maxKeys)
			}
			grown := heap() - before
			t.Logf("%d of %d allowed, %d keys, %d bytes a key", allowed, count, l.Len(), grown/int64(l.Len()))
			if grown > maxKeys*1000 {
				t.Errorf("%d bytes for %d keys", grown, maxKeys)
			}
			// A tier of its own: endpoints are not touched by a flood of addresses.
			p := limiter.Ask{Tier: limiter.Provider, Scope: "shop", Limit: mustLimit("3", "1/h")}
			for range 3 {
				if d := take(t, l, p); !d.Allowed || d.Tiers[0].Receipt.Shared {
					t.Errorf("%+v", d)
				}
			}
			// Afterwards the room is given back.
			clock.Move(100 * time.Hour)
			for n := range uint32(2 * maxKeys) {
				take(t, l, ask("shop", limiter.IPKey(address(n)), budget))
				clock.Move(10 * time.Millisecond)
			}
			if l.Len() > maxKeys/4 {
				t.Errorf("%d keys are remembered long after the flood", l.Len())
			}
			runtime.KeepAlive(l)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An attacker with a whole /64 is one client.
func TestFloodFromOneNetwork(t *testing.T) {
	l, _ := newBounded(1000)
	allowed := 0
	for n := range uint64(10_000) {
		b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint64(b[8:], n*0x9e3779b97f4a7c15)
		if take(t, l, ask("shop", limiter.IPKey(netip.AddrFrom16(b)), limiter.DefaultIP)).Allowed {
			allowed++
		}
	}
	if allowed != 50 || l.Len() != 1 {
		t.Errorf("%d allowed, %d keys", allowed, l.Len())
	}
}

// When there is no room, new keys share one budget per scope.
func TestSharedBudget(t *testing.T) {
	l, clock := newBounded(10)
	three := mustLimit("3", "1/h")
	for n := range 10 {
		take(t, l, ask("shop", fmt.Sprint("old", n), three))
	}
	want := func(allowed bool, remaining int64, asks ...limiter.Ask) limiter.Decision {
		t.Helper()
		d := take(t, l, asks...)
		if d.Allowed != allowed || d.Tiers[0].Remaining != remaining {
			t.Fatalf("%+v, want allowed %v and %d remaining", d, allowed, remaining)
		}
		return d
	}
	want(true, 2, ask("shop", "new1", three))
	back := want(true, 1, ask("shop", "new2", three))
	want(true, 0, ask("shop", "new3", three))
	want(false, 0, ask("shop", "new1", three))
	want(true, 1, ask("shop", "old0", three)) // not touched by it
	want(true, 2, ask("blog", "new1", three)) // nor another scope
	if err := l.Return(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	want(true, 0, ask("shop", "new4", three))
	// Two tiers, of which one shares: still all or none.
	g := limiter.Ask{Tier: limiter.Global, Limit: mustLimit("1", "1/h")}
	want(false, 0, ask("shop", "new5", three), g)
	want(true, 0, g)
	if l.Len() != 10+2+1 {
		t.Errorf("%d keys", l.Len())
	}

	// An hour later nine of the ten are fresh again: there is room.
	clock.Move(time.Hour)
	for n := range 9 {
		if d := want(true, 2, ask("shop", fmt.Sprint("late", n), three)); d.Tiers[0].Receipt.Shared {
			t.Fatalf("%d: %+v", n, d)
		}
	}
	if d := want(true, 0, ask("shop", "late9", three)); !d.Tiers[0].Receipt.Shared { // the shared one has one back
		t.Fatalf("%+v", d)
	}
	want(true, 1, ask("shop", "old0", three))
}

// A clock that goes back does not keep fresh keys from being forgotten, even if they are not
// used, and their order may change with it.
func TestRoomAfterClockWentBack(t *testing.T) {
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		l, clock := newBounded(2)
		take(t, l, ask("", "long", mustLimit("1", "1/10h", algorithm)))
		clock.Move(9*time.Hour + 30*time.Minute)
		take(t, l, ask("", "short", mustLimit("1", "1/h", algorithm))) // fresh half an hour after the other
		clock.Move(-9 * time.Hour)
		if d := take(t, l, ask("", "new", limiter.DefaultIP)); !d.Tiers[0].Receipt.Shared {
			t.Errorf("%s: there is room: %+v", algorithm, d)
		}
		clock.Move(time.Hour) // fresh nine hours before the other
		if d := take(t, l, ask("", "new", limiter.DefaultIP)); d.Tiers[0].Receipt.Shared {
			t.Errorf("%s: there is no room: %+v", algorithm, d)
		}
	}
}

// A key that another tier refuses is not remembered for it.
func TestRefusedIsNotRemembered(t *testing.T) {
	l, _ := newBounded(10)
	g := limiter.Ask{Tier: limiter.Global, Limit: mustLimit("1", "1/h")}
	take(t, l, g)
	if d := take(t, l, g, ask("", "a", limiter.DefaultIP)); d.Allowed || l.Len() != 1 {
		t.Errorf("%d keys: %+v", l.Len(), d)
	}
}

// A call that had to wait for the lock of the shared budget reads the clock again. Otherwise
// the budget would see the clock go backwards when calls come at once.
func TestClockIsReadUnderTheLocks(t *testing.T) {
	now, reads := time.Unix(1_700_000_000, 0), 0
	l := limiter.NewLocal(limiter.LocalOptions{MaxKeys: 1, Now: func() time.Time {
		reads++
		return now.Add(time.Duration(reads) * time.Second)
	}})
	for _, want := range []struct {
		key    string
		shared bool
		reads  int
	}{{"own", false, 1}, {"other", true, 2}} {
		reads = 0
		r := take(t, l, ask("", want.key, mustLimit("1", "1/h"))).Tiers[0].Receipt
		last := now.Add(time.Duration(want.reads) * time.Second)
		if r.Shared != want.shared || reads != want.reads || r.At != last.UnixMicro() {
			t.Errorf("%s: %d reads, %+v", want.key, reads, r)
		}
	}
}

// Before 1970 time stands still; nothing else goes wrong.
func TestBefore1970(t *testing.T) {
	l, clock := newBounded(10)
	clock.Set(time.Unix(-7200, 0))
	two := ask("", "a", mustLimit("64", "64/s", "sliding_window"))
	for range 64 {
		take(t, l, two)
	}
	clock.Move(time.Hour)
	if d := take(t, l, two); d.Allowed {
		t.Errorf("%+v", d)
	}
	clock.Set(time.Unix(2, 0))
	if d := take(t, l, two); !d.Allowed || d.Tiers[0].Remaining != 63 {
		t.Errorf("%+v", d)
	}
}

// A key whose limit became faster is found to be fresh as early as it is.
func TestRoomAfterRetune(t *testing.T) {
	l, clock := newBounded(1)
	take(t, l, ask("", "a", mustLimit("5", "1/h")))
	take(t, l, ask("", "a", mustLimit("5", "1/s")))
	clock.Move(2 * time.Second)
	if d := take(t, l, ask("", "b", mustLimit("5", "1/s"))); d.Tiers[0].Receipt.Shared {
		t.Errorf("no room: %+v", d)
	}
}

// Return makes room at once when nothing is missing any more.
func TestRoomAfterReturn(t *testing.T) {
	l, _ := newBounded(1)
	d := take(t, l, ask("", "a", mustLimit("5", "1/h")))
	if err := l.Return(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if d := take(t, l, ask("", "b", mustLimit("5", "1/h"))); d.Tiers[0].Receipt.Shared {
		t.Errorf("no room: %+v", d)
	}
}

// Return of what is no Decision of the backend's does nothing.
func TestReturnStranger(t *testing.T) {
	l, _ := newBounded(1)
	err := l.Return(t.Context(), limiter.Decision{Allowed: true, Tiers: []limiter.Status{{}, {Ask: ask("", "a", limiter.DefaultIP)}}})
	if err != nil || l.Len() != 0 {
		t.Errorf("error %v, %d keys", err, l.Len())
	}
}
