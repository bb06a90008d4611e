package forward

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func zapDeliveryID(id string) zap.Field { return zap.String("delivery_id", id) }

// stopAfter calls Stop with a context that ends after grace and returns how
// long it took.
func stopAfter(d *Dispatcher, grace time.Duration) time.Duration {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	d.Stop(ctx)
	return time.Since(begin)
}

func TestStopWaitsForAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(3 * time.Second), MaxInFlight: 2})
		for range 5 {
			q.add(laneA, 0, nil)
		}
		synctest.Wait()
		if took := stopAfter(d, 10*time.Second); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		if done, left := q.count(laneA, retrystore.Delivered), q.count(laneA, retrystore.Pending); done != 2 || left != 3 {
			t.Errorf("%d delivered, %d pending", done, left)
		}
	})
}

// Every way in which a cancelled attempt can come back: none is an outcome.
func TestStopCancelsAndReleases(t *testing.T) {
	ways := map[string]senderFunc{
		"error":  hangs().(senderFunc),
		"nil, 0": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) { <-ctx.Done(); return Answer{}, nil },
		"nil, 499": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 499}, nil
		},
		"502, error": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 502}, errors.New("cancelled")
		},
		"200, error": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 200}, errors.New("cut off")
		},
		"410": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 410}, nil
		},
		"broken off": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			panic(http.ErrAbortHandler)
		},
		"late by some": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			return Answer{}, nil
		},
	}
	for name, send := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, seen := newFakeQueue(), newRecorder()
				logger, logs := logged()
				d := start(t, q, Options{Observer: seen, Logger: logger},
					Destination{Lane: laneA, Sender: send, Retry: Retry{MaxAttempts: 1}})
				synctest.Wait()
				direct, _ := accept(d, q, laneA)
				claimed := q.add(laneA, 0, nil).ID
				synctest.Wait()
				if took := stopAfter(d, time.Second); took < time.Second || took > 3*time.Second {
					t.Errorf("took %s", took)
				}
				for _, id := range []string{direct, claimed} {
					if e := q.get(id); e.d.State != retrystore.Pending || e.d.Attempts != 0 || len(e.history) != 0 {
						t.Errorf("delivery %+v", e)
					}
				}
				if q.releases != 2 || len(seen.attempted) != 0 || len(seen.settled) != 0 || logs.Len() != 0 {
					t.Errorf("%d releases, observed %+v, logged %v", q.releases, seen, logs.All())
				}
			})
		})
	}
}

// An answer that is a success although shutdown began is one.
func TestStopKeepsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: senderFunc(
			func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
				<-ctx.Done()
				return Answer{Status: 200}, nil
			})})
		synctest.Wait()
		id, _ := accept(d, q, laneA)
		synctest.Wait()
		stopAfter(d, time.Second)
		if got := q.get(id).d.State; got != retrystore.Delivered || q.releases != 0 {
			t.Errorf("%s, %d releases", got, q.releases)
		}
	})
}

func TestStopAndSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		synctest.Wait()
		early, _ := d.reserve(laneA)
		late, _ := d.reserve(laneA)

		// The store takes its time with the first event: Stop waits for it.
		go func() {
			time.Sleep(time.Second)
			early.run(q.add(laneA, early.lane.lease, nil), nil)
		}()
		if took := stopAfter(d, 5*time.Second); took != 5*time.Second {
			t.Errorf("took %s: there was another slot", took)
		}
		if n := q.count(laneA, retrystore.Delivered); n != 1 {
			t.Errorf("%d delivered during Stop", n)
		}
		// The second came too late, and is given back.
		late.run(q.add(laneA, late.lane.lease, nil), nil)
		if n := q.count(laneA, retrystore.Pending); n != 1 || q.releases != 1 {
			t.Errorf("%d pending, %d releases", n, q.releases)
		}
		d.wake(laneA)
		if took := stopAfter(d, time.Second); took != 0 {
			t.Errorf("the second Stop took %s", took)
		}
		d.Start()
		synctest.Wait()
		if n := q.count(laneA, retrystore.Pending); n != 1 {
			t.Error("Start after Stop delivers")
		}
	})
}

// Deliveries that a claim brings after Stop was called are given back.
func TestStopDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			time.Sleep(time.Second)
			return nil
		}
		for range 3 {
			q.add(laneA, 0, nil)
		}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		synctest.Wait()
		if took := stopAfter(d, 5*time.Second); took != time.Second {
			t.Errorf("took %s", took)
		}
		if n := q.count(laneA, retrystore.Pending); n != 3 || q.releases != 3 {
			t.Errorf("%d pending, %d releases", n, q.releases)
		}
	})
}

// A store that is away does not hold Stop up for long.
func TestStopWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error { return errAway }
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		synctest.Wait()
		accept(d, q, laneA)
		time.Sleep(time.Second)
		if took := stopAfter(d, 2*time.Second); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// The Stop whose context ends first counts.
func TestStopTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: hangs(), Timeout: time.Hour})
		q.add(laneA, 0, nil)
		synctest.Wait()
		var both sync.WaitGroup
		for _, grace := range []time.Duration{time.Second, time.Minute} {
			both.Go(func() {
				if took := stopAfter(d, grace); took != time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
		both.Wait()
	})
}

func TestStopBeforeStart(t *testing.T) {
	d, err := New(newFakeQueue(), []Destination{{Lane: laneA, Sender: answers(200)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.Stop(t.Context())
	d.Start()
	d.Stop(t.Context())
}

// Everything at once, many times: Start, Stop, events, wakes. Nothing is lost
// or left running, whatever the order.
func TestStartStopStress(t *testing.T) {
	for round := range 200 {
		q := newFakeQueue()
		d, err := New(q, []Destination{
			{Lane: laneA, Sender: answers(200), MaxInFlight: 2},
			{Lane: laneB, Sender: hangs(), MaxInFlight: 2},
		}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(d.Start)
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round%3)*time.Millisecond)
				defer cancel()
				d.Stop(ctx)
			})
			all.Go(func() {
				for range 10 {
					accept(d, q, laneA)
					accept(d, q, laneB)
				}
			})
		}
		all.Wait()
		d.Stop(t.Context())
		for _, l := range []retrystore.Lane{laneA, laneB} {
			if n := q.count(l, retrystore.Leased); n != 0 {
				t.Fatalf("%d still leased in %s", n, l)
			}
			if n := q.count(l, retrystore.Delivered) + q.count(l, retrystore.Pending); n != 20 {
				t.Fatalf("%d of 20 in %s", n, l)
			}
		}
	}
}
