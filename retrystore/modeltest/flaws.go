package modeltest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// flaw is a store with a bug that is planted into another one, to prove that it
// would be found.
type flaw interface {
	retrystore.Store
	base() *flawed
}

// flawed is the part that all flaws have in common. What it remembers outlives
// the store under it, which changes with every restart.
type flawed struct {
	retrystore.Store
	h Harness

	mu       sync.Mutex
	latest   map[string]*retrystore.Delivery // the latest lease of each delivery
	key      map[string]retrystore.Key       // of each delivery
	replayed map[string]bool
	freed    map[retrystore.Key]byte // how often a key was freed too early
}

func (f *flawed) base() *flawed { return f }

// plant returns harnesses whose stores have the flaw.
func plant(newHarness NewHarness, wrap func(*flawed) flaw) NewHarness {
	return func(t testing.TB) Harness {
		h := newHarness(t)
		base := &flawed{
			h: h, latest: make(map[string]*retrystore.Delivery), key: make(map[string]retrystore.Key),
			replayed: make(map[string]bool), freed: make(map[retrystore.Key]byte),
		}
		f, planted := wrap(base), h
		planted.Open = func() (s retrystore.Store, err error) {
			base.Store, err = h.Open()
			if r, ok := f.(interface{ opened(context.Context) }); ok && err == nil {
				r.opened(t.Context())
			}
			return f, err
		}
		planted.Crash = func(retrystore.Store) error { return h.Crash(base.Store) }
		if h.Flush != nil {
			planted.Flush = func(retrystore.Store) error { return h.Flush(base.Store) }
		}
		return planted
	}
}

// Accept and Claim note the leases.
func (f *flawed) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	r, err := f.Store.Accept(ctx, s)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range r.Deliveries {
		f.latest[d.ID], f.key[d.ID] = d, s.Key
	}
	return r, err
}

func (f *flawed) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	c, err := f.Store.Claim(ctx, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range c.Deliveries {
		f.latest[d.ID] = d
	}
	return c, err
}

// flawTests are the flaws, and the scope that must find each.
var flawTests = []struct {
	name, scope string
	wrap        func(*flawed) flaw
}{
	{"LostSettle", "Life", func(f *flawed) flaw { return &lostSettle{f} }},
	{"NotFenced", "Life", func(f *flawed) flaw { return &notFenced{f} }},
	{"KeyBeforeWrite", "Bound", func(f *flawed) flaw { return &keyBeforeWrite{f} }},
	{"DuplicateWhileUndecided", "Guard", func(f *flawed) flaw { return &decidedTooEarly{f} }},
	{"ReplayKeepsLease", "Life", func(f *flawed) flaw { return &replayKeepsLease{f} }},
	{"DeleteFreesKey", "Life", func(f *flawed) flaw { return &deleteFreesKey{f} }},
	{"DeathFreesKey", "Repetitions", func(f *flawed) flaw { return &deathFreesKey{f} }},
	{"RenewDoesNothing", "Life", func(f *flawed) flaw { return &renewDoesNothing{f} }},
	{"ReleaseIsAnAttempt", "Life", func(f *flawed) flaw { return &releaseIsAnAttempt{f} }},
	{"LateResultRefused", "Life", func(f *flawed) flaw { return &lateResultRefused{f} }},
	{"RetryAtOnce", "Life", func(f *flawed) flaw { return &retryAtOnce{f} }},
	{"CrashLosesLeased", "Life", func(f *flawed) flaw { return &crashLosesLeased{f} }},
	{"RetriesUnbounded", "Order", func(f *flawed) flaw { return &retriesUnbounded{f} }},
	{"AcceptLooksThenWrites", "KeysAtOnce", func(f *flawed) flaw { return &acceptLooksThenWrites{flawed: f} }},
	{"SpaceUnbounded", "Space", func(f *flawed) flaw { return &spaceUnbounded{f} }},
	{"SpaceNotGivenBack", "Space", func(f *flawed) flaw { return &spaceNotGivenBack{flawed: f} }},
	{"ClaimsShareAnAnswer", "LaneAtOnce", func(f *flawed) flaw { return &claimsShareAnAnswer{flawed: f} }},
}

// CatchFlaws plants bugs into the stores of a backend, one at a time, and wants
// each to be found by what Run does.
func CatchFlaws(t *testing.T, newHarness NewHarness, fewer int) {
	for _, flaw := range flawTests {
		t.Run(flaw.name, func(t *testing.T) {
			t.Parallel()
			report, failure := Explore(t, scopeNamed(t, flaw.scope).shorter(fewer), plant(newHarness, flaw.wrap))
			if failure == nil {
				t.Fatalf("the flaw was not found\n%s", report)
			}
			t.Logf("found after %d transitions: %s", report.Transitions, failure)
		})
	}
}

// A result is answered with success, and forgotten.
type lostSettle struct{ *flawed }

func (f *lostSettle) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	if d.Attempts > 0 && s.State == retrystore.Delivered {
		return nil
	}
	return f.Store.Settle(ctx, d, s)
}

// Any lease is as good as the latest.
type notFenced struct{ *flawed }

func (f *notFenced) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	f.mu.Lock()
	if l := f.latest[d.ID]; l != nil {
		d = l
	}
	f.mu.Unlock()
	return f.Store.Settle(ctx, d, s)
}

// The key stays claimed though the event was refused.
type keyBeforeWrite struct{ *flawed }

func (f *keyBeforeWrite) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	r, err := f.flawed.Accept(ctx, s)
	if errors.Is(err, retrystore.ErrFull) && !s.Key.IsZero() {
		if h, holdErr := f.HoldKey(ctx, s.Key, time.Hour); holdErr == nil {
			_ = f.CommitKey(ctx, h, s.KeyTTL)
		}
	}
	return r, err
}

// Others hear that the key was committed while its holder has not decided.
type decidedTooEarly struct{ *flawed }

func (f *decidedTooEarly) HoldKey(ctx context.Context, k retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	h, err := f.Store.HoldKey(ctx, k, lease)
	if h.State == retrystore.HoldTaken {
		h.State = retrystore.HoldCommitted
	}
	return h, err
}

// A worker whose lease lapsed may settle what was replayed meanwhile.
type replayKeepsLease struct{ *flawed }

func (f *replayKeepsLease) Replay(ctx context.Context, id string) error {
	err := f.Store.Replay(ctx, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replayed[id] = err == nil
	return err
}

func (f *replayKeepsLease) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	err := f.Store.Settle(ctx, d, s)
	f.mu.Lock()
	if err == nil {
		delete(f.latest, d.ID)
	}
	late := errors.Is(err, retrystore.ErrLeaseLost) && f.replayed[d.ID] && f.latest[d.ID] != nil && f.latest[d.ID].Lease == d.Lease
	f.mu.Unlock()
	if !late {
		return err
	}
	c, claimErr := f.Store.Claim(ctx, retrystore.ClaimRequest{Lane: d.Lane, Max: 1, MaxRetries: 1, Lease: time.Hour})
	if claimErr != nil || len(c.Deliveries) == 0 || c.Deliveries[0].ID != d.ID {
		return err
	}
	return f.Store.Settle(ctx, c.Deliveries[0], s)
}

func (f *replayKeepsLease) Release(ctx context.Context, d *retrystore.Delivery) error {
	err := f.Store.Release(ctx, d)
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.latest, d.ID)
	}
	return err
}

// A retry is due at once.
type retryAtOnce struct{ *flawed }

func (f *retryAtOnce) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	if s.State == retrystore.Pending {
		s.NextAttemptAt = f.h.Now()
	}
	return f.Store.Settle(ctx, d, s)
}

// leased says that d is leased by the lease that its holder has.
func (f *flawed) leased(ctx context.Context, d *retrystore.Delivery) bool {
	f.mu.Lock()
	l := f.latest[d.ID]
	f.mu.Unlock()
	now, err := f.Get(ctx, d.ID)
	return err == nil && now.State == retrystore.Leased && l != nil && l.Lease.Token == d.Lease.Token
}

// A lapsed lease counts as lost although no other worker took the delivery.
type lateResultRefused struct{ *flawed }

func (f *lateResultRefused) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	if !f.leased(ctx, d) {
		return retrystore.ErrLeaseLost
	}
	return f.Store.Settle(ctx, d, s)
}

// Renew answers as if it had done something.
type renewDoesNothing struct{ *flawed }

func (f *renewDoesNothing) Renew(ctx context.Context, d *retrystore.Delivery, lease time.Duration) error {
	if !f.leased(ctx, d) {
		return f.Store.Renew(ctx, d, lease)
	}
	d.Lease.Until = f.h.Now().Add(lease)
	return nil
}

// Giving a lease back counts as an attempt.
type releaseIsAnAttempt struct{ *flawed }

func (f *releaseIsAnAttempt) Release(ctx context.Context, d *retrystore.Delivery) error {
	return f.Store.Settle(ctx, d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: f.h.Now(), Attempt: retrystore.Attempt{At: f.h.Now()}})
}
