package forward

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var laneA, laneB = retrystore.Lane{Endpoint: "shop", Destination: "a"}, retrystore.Lane{Endpoint: "shop", Destination: "b"}

// fakeQueue is a store in memory that can be made to fail.
type fakeQueue struct {
	mu       sync.Mutex
	seq      int
	token    uint64
	entries  map[string]*fakeEntry
	open     map[string]*fakeEntry // pending or leased
	watchers map[int]func(retrystore.Lane)
	claims   []time.Time // when Claim was called
	releases int

	// Faults; set before Start. skew is how far this store's clock is behind.
	onAccept func(s *retrystore.Submission) (retrystore.Receipt, error) // has the word if it returns anything
	onClaim  func(ctx context.Context, r retrystore.ClaimRequest) error
	onSettle func(d *retrystore.Delivery, s retrystore.Settlement) error
	skew     time.Duration
}

type fakeEntry struct {
	seq     int
	d       retrystore.Delivery
	history []retrystore.Attempt
	reason  string
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{entries: map[string]*fakeEntry{}, open: map[string]*fakeEntry{}, watchers: map[int]func(retrystore.Lane){}}
}

func (q *fakeQueue) now() time.Time { return time.Now().Add(-q.skew) }

// add stores a delivery; it is leased if lease is above zero, and due otherwise.
// change, if not nil, may alter it first.
func (q *fakeQueue) add(l retrystore.Lane, lease time.Duration, change func(*retrystore.Delivery)) *retrystore.Delivery {
	q.mu.Lock()
	q.seq++
	now := q.now()
	e := &fakeEntry{seq: q.seq, d: retrystore.Delivery{
		ID: fmt.Sprintf("%s-%d", l.Destination, q.seq), Lane: l, NextAttemptAt: now,
		Event: &retrystore.Event{EventID: "evt", EventType: "order.paid", CorrelationID: "corr",
			Body: []byte("secret body"), ReceivedAt: now},
		Budget: retrystore.Budget{Since: now},
	}}
	if change != nil {
		change(&e.d)
	}
	if lease > 0 {
		q.leaseLocked(e, lease)
	}
	q.entries[e.d.ID] = e
	if e.d.State != retrystore.Dead {
		q.open[e.d.ID] = e
	}
	d := e.d
	q.mu.Unlock()
	if d.State == retrystore.Pending {
		q.notify(l)
	}
	return &d
}

func (q *fakeQueue) leaseLocked(e *fakeEntry, lease time.Duration) {
	q.token++
	e.d.State = retrystore.Leased
	e.d.Lease = retrystore.Lease{Token: q.token, Until: q.now().Add(lease)}
}

func (q *fakeQueue) notify(l retrystore.Lane) {
	q.mu.Lock()
	watchers := slices.Collect(maps.Values(q.watchers))
	q.mu.Unlock()
	for _, wake := range watchers {
		wake(l)
	}
}

func (q *fakeQueue) Notify(wake func(retrystore.Lane)) (stop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq++
	id := q.seq
	q.watchers[id] = wake
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watchers, id)
	}
}

func (q *fakeQueue) Accept(_ context.Context, s *retrystore.Submission) (r retrystore.Receipt, err error) {
	if q.onAccept != nil {
		if r, err := q.onAccept(s); err != nil || r.Duplicate {
			return r, err
		}
	}
	for _, t := range s.Targets {
		lane := retrystore.Lane{Endpoint: s.Event.Endpoint, Destination: t.Destination}
		r.Deliveries = append(r.Deliveries, q.add(lane, t.Lease, func(d *retrystore.Delivery) {
			d.Event, d.Priority = s.Event, t.Priority
			if t.Dead != "" {
				d.State, d.Reason = retrystore.Dead, t.Dead
			}
		}))
	}
	return r, nil
}

func (q *fakeQueue) Claim(ctx context.Context, r retrystore.ClaimRequest) (c retrystore.Claim, err error) {
	if r.Max <= 0 || r.MaxRetries < 0 || r.MaxRetries > r.Max || r.Lease <= 0 {
		panic(fmt.Sprintf("malformed request %+v", r))
	}
	q.mu.Lock()
	q.claims = append(q.claims, time.Now())
	q.mu.Unlock()
	if q.onClaim != nil {
		if err := q.onClaim(ctx, r); err != nil {
			return c, err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	var due []*fakeEntry
	next := func(t time.Time) {
		if c.Next.IsZero() || t.Before(c.Next) {
			c.Next = t
		}
	}
	for _, e := range q.open {
		if e.d.Lane != r.Lane {
			continue
		}
		at := e.d.NextAttemptAt
		if e.d.State == retrystore.Leased {
			at = e.d.Lease.Until
		}
		if at.After(now) {
			next(at)
		} else {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *fakeEntry) int {
		return cmp.Or(cmp.Compare(b.d.Priority, a.d.Priority),
			cmp.Compare(min(a.d.Attempts, 1), min(b.d.Attempts, 1)),
			a.d.NextAttemptAt.Compare(b.d.NextAttemptAt), cmp.Compare(a.seq, b.seq))
	})
	retries := 0
	for _, e := range due {
		retry := e.d.Attempts > 0
		if len(c.Deliveries) == r.Max || retry && retries == r.MaxRetries {
			next(now)
			continue
		}
		if retry {
			retries++
		}
		q.leaseLocked(e, r.Lease)
		next(e.d.Lease.Until)
		d := e.d
		c.Deliveries = append(c.Deliveries, &d)
	}
	return c, nil
}

// held returns the entry that d's lease still holds.
func (q *fakeQueue) held(d *retrystore.Delivery) (*fakeEntry, error) {
	e := q.entries[d.ID]
	if e == nil {
		return nil, retrystore.ErrNotFound
	}
	if e.d.State != retrystore.Leased || e.d.Lease.Token != d.Lease.Token {
		return nil, retrystore.ErrLeaseLost
	}
	return e, nil
}

func (q *fakeQueue) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.onSettle != nil {
		if err := q.onSettle(d, s); err != nil {
			return err
		}
	}
	q.mu.Lock()
	e, err := q.held(d)
	if err == nil {
		e.d.State, e.d.NextAttemptAt, e.reason = s.State, s.NextAttemptAt, s.Reason
		e.d.Attempts++
		e.history = append(e.history, s.Attempt)
		if s.State != retrystore.Pending {
			delete(q.open, d.ID)
		}
	}
	q.mu.Unlock()
	if err == nil && s.State == retrystore.Pending {
		q.notify(d.Lane) // it has a new due time
	}
	return err
}

func (q *fakeQueue) Release(ctx context.Context, d *retrystore.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	e, err := q.held(d)
	if err == nil {
		e.d.State, e.d.NextAttemptAt = retrystore.Pending, q.now()
		q.releases++
	}
	q.mu.Unlock()
	if err == nil {
		q.notify(d.Lane)
	}
	return err
}

// get returns a copy of what is stored about a delivery.
func (q *fakeQueue) get(id string) fakeEntry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *q.entries[id]
}

// count returns how many deliveries of the lane are in the state.
func (q *fakeQueue) count(l retrystore.Lane, s retrystore.State) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		if e.d.Lane == l && e.d.State == s {
			n++
		}
	}
	return n
}

func (q *fakeQueue) claimCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.claims)
}

// senderFunc is a Sender made of a function.
type senderFunc func(ctx context.Context, d *retrystore.Delivery) (Answer, error)

func (f senderFunc) Send(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
	return f(ctx, d)
}

// answers returns a Sender that always answers with status.
func answers(status int) Sender {
	return senderFunc(func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{Status: status}, nil })
}

// hangs returns a Sender that waits for the end of its context.
func hangs() Sender {
	return senderFunc(func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
		<-ctx.Done()
		return Answer{}, ctx.Err()
	})
}

// takes returns a Sender that answers 200 after a while.
func takes(d time.Duration) Sender {
	return senderFunc(func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
		select {
		case <-time.After(d):
			return Answer{Status: 200}, nil
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	})
}

// recorder is an Observer that counts.
type recorder struct {
	mu                 sync.Mutex
	attempted, settled map[string]int // by outcome
	lost               int
	breaker            []breakerChange
	toldAt             []time.Time // of those
}

func newRecorder() *recorder {
	return &recorder{attempted: map[string]int{}, settled: map[string]int{}}
}

func (r *recorder) Attempted(_ *retrystore.Delivery, s retrystore.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempted[OutcomeName(s.State)]++
}

func (r *recorder) Settled(_ *retrystore.Delivery, s retrystore.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled[OutcomeName(s.State)]++
}

func (r *recorder) LeaseLost(*retrystore.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
}

func (r *recorder) BreakerChanged(_ retrystore.Lane, from, to BreakerState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.breaker = append(r.breaker, breakerChange{from, to})
	r.toldAt = append(r.toldAt, time.Now())
}

// logged returns a logger and what was logged through it.
func logged() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	return zap.New(core), logs
}

// start makes and starts a dispatcher without jitter (Rand is the middle) and
// stops it at the end of the test.
func start(t testing.TB, q Queue, o Options, dests ...Destination) *Dispatcher {
	t.Helper()
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.5 }
	}
	d, err := New(q, dests, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.Stop(ctx)
	})
	d.Start()
	return d
}
