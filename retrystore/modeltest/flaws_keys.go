package modeltest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// free makes the key of a delivery as good as new: from now on it is another one.
func (f *flawed) free(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.key[id]; !k.IsZero() {
		f.freed[k]++
	}
}

// actual is the key that is used for k.
func (f *flawed) actual(k retrystore.Key) retrystore.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !k.IsZero() {
		k[15] += f.freed[k]
	}
	return k
}

// acceptActual accepts with the actual key.
func (f *flawed) acceptActual(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	other := *s
	other.Key = f.actual(s.Key)
	r, err := f.Accept(ctx, &other)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range r.Deliveries {
		f.key[d.ID] = s.Key
	}
	return r, err
}

// To delete a delivery is to forget its key.
type deleteFreesKey struct{ *flawed }

func (f *deleteFreesKey) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	return f.acceptActual(ctx, s)
}

func (f *deleteFreesKey) HoldKey(ctx context.Context, k retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	return f.Store.HoldKey(ctx, f.actual(k), lease)
}

func (f *deleteFreesKey) Delete(ctx context.Context, id string) error {
	err := f.Store.Delete(ctx, id)
	if err == nil {
		f.free(id)
	}
	return err
}

// A dead letter's key is forgotten.
type deathFreesKey struct{ *flawed }

func (f *deathFreesKey) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	return f.acceptActual(ctx, s)
}

func (f *deathFreesKey) HoldKey(ctx context.Context, k retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	return f.Store.HoldKey(ctx, f.actual(k), lease)
}

func (f *deathFreesKey) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	err := f.Store.Settle(ctx, d, s)
	if err == nil && s.State == retrystore.Dead {
		f.free(d.ID)
	}
	return err
}

// What was leased when the process died is gone.
type crashLosesLeased struct{ *flawed }

func (f *crashLosesLeased) opened(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, d := range f.latest {
		if d.Lease.Until.After(f.h.Now()) {
			_ = f.Delete(ctx, id) // if it is pending, as after a restart
		}
	}
	clear(f.latest)
}

// MaxRetries bounds nothing.
type retriesUnbounded struct{ *flawed }

func (f *retriesUnbounded) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	r.MaxRetries = r.Max
	return f.flawed.Claim(ctx, r)
}

// meeting tells whether two calls are under way at once.
type meeting struct {
	mu      sync.Mutex
	inside  int
	arrived int
}

// enter waits a little for another call, and says whether there is one and which
// of the two this is.
func (m *meeting) enter() (met bool, number int) {
	m.mu.Lock()
	m.inside++
	m.arrived++
	number = m.arrived
	met = m.inside > 1
	m.mu.Unlock()
	for deadline := time.Now().Add(time.Millisecond); !met && time.Now().Before(deadline); {
		runtime.Gosched()
		m.mu.Lock()
		met = m.arrived > number
		m.mu.Unlock()
	}
	return met, number
}

func (m *meeting) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside--
}

// Accept looks for the key, and then writes: two at once are both stored.
type acceptLooksThenWrites struct {
	*flawed
	meeting meeting
}

func (f *acceptLooksThenWrites) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	met, number := f.meeting.enter()
	defer f.meeting.leave()
	h, err := f.HoldKey(ctx, s.Key, time.Hour)
	if err == nil && h.State == retrystore.HoldGranted {
		_ = f.ReleaseKey(ctx, h)
	}
	if met && number%2 == 0 {
		other := *s
		other.Key = retrystore.Key{}
		s = &other
	}
	return f.flawed.Accept(ctx, s)
}

// Two claims at once are taken for one.
type claimsShareAnAnswer struct {
	*flawed
	meeting meeting
	sharing sync.Mutex
	number  int
	claim   retrystore.Claim
}

func (f *claimsShareAnAnswer) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	met, number := f.meeting.enter()
	defer f.meeting.leave()
	f.sharing.Lock()
	defer f.sharing.Unlock()
	if met && f.other(number) {
		f.number = 0
		return f.claim, nil
	}
	c, err := f.flawed.Claim(ctx, r)
	if f.number = 0; met {
		f.number, f.claim = number, c
	}
	return c, err
}

// other says that the claim remembered is that of the call that this one met.
func (f *claimsShareAnAnswer) other(number int) bool {
	return f.number == number-1 || f.number == number+1
}

// MaxBytes bounds nothing.
type spaceUnbounded struct{ *flawed }

func (f *spaceUnbounded) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	all := *s
	all.MaxBytes = 0
	return f.flawed.Accept(ctx, &all)
}

// What was stored once counts for ever.
type spaceNotGivenBack struct {
	*flawed
	stored atomic.Bool
}

func (f *spaceNotGivenBack) Accept(ctx context.Context, s *retrystore.Submission) (retrystore.Receipt, error) {
	if s.MaxBytes > 0 && f.stored.Load() {
		return retrystore.Receipt{}, retrystore.ErrFull
	}
	r, err := f.flawed.Accept(ctx, s)
	if len(r.Deliveries) > 0 {
		f.stored.Store(true)
	}
	return r, err
}
