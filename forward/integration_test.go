package forward

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

var (
	_ Queue = retrystore.Store(nil)
	_ Queue = (*filestore.Store)(nil)
)

func openFile(t *testing.T, path string) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(path, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// store accepts an event for a lane.
func store(d *Dispatcher, l retrystore.Lane, eventID string) error {
	_, err := d.Accept(context.Background(), &retrystore.Submission{
		Event:   &retrystore.Event{Endpoint: l.Endpoint, EventID: eventID, ReceivedAt: time.Now(), Method: "POST", URI: "/"},
		Targets: []retrystore.Target{{Destination: l.Destination}},
	}, nil)
	return err
}

func TestFilestoreRetryAndDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openFile(t, filepath.Join(t.TempDir(), "store"))
		defer s.Close()
		d := start(t, s, Options{}, Destination{Lane: laneA, Breaker: Breaker{Off: true}, Retry: Retry{MaxAttempts: 4}, Sender: senderFunc(
			func(_ context.Context, d *retrystore.Delivery) (Answer, error) {
				switch {
				case d.Event.EventID == "gone":
					return Answer{Status: 410, Body: []byte("gone")}, nil
				case d.Event.EventID == "broken":
					return Answer{}, errors.New("refused")
				case d.Attempts < 2:
					return Answer{Status: 500}, nil
				}
				return Answer{Status: 200}, nil
			})})
		for _, id := range []string{"gone", "broken", "recovers"} {
			if err := store(d, laneA, id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(8 * time.Second) // 1+2+4 s, and a little
		d.Stop(t.Context())

		page, err := s.List(t.Context(), retrystore.Filter{}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, l := range page.Deliveries {
			full, err := s.Get(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			last := full.History[len(full.History)-1]
			found[full.Event.EventID] = fmt.Sprint(full.State, full.Reason, full.Attempts, last.Status, last.Error, string(last.Answer))
		}
		want := map[string]string{
			"gone":   fmt.Sprint(retrystore.Dead, "status_410", 1, 410, "", "gone"),
			"broken": fmt.Sprint(retrystore.Dead, "max_attempts", 4, 0, "refused", ""),
		}
		if fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("stored %v, want %v", found, want)
		}
	})
}

// tally is an Observer and a Sender: it fails some attempts, and knows which
// deliveries succeeded, how often, and when all are settled.
type tally struct {
	mu      sync.Mutex
	success map[string]int // by event
	settled sync.WaitGroup
	in      gauge
	lost    atomic.Int64
}

func (y *tally) Send(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
	defer y.in.enter(d)()
	h := fnv.New32a()
	fmt.Fprint(h, d.Event.EventID, d.Attempts)
	switch dice := h.Sum32() % 8; {
	case dice == 0:
		return Answer{Status: 500}, nil
	case dice == 1:
		panic("flaky")
	case dice == 2: // slow, so that restarts cut it off
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return Answer{Status: 499}, nil
		}
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.success[d.Event.EventID]++
	return Answer{Status: 200}, nil
}

func (y *tally) Attempted(*retrystore.Delivery, retrystore.Settlement) {}
func (y *tally) LeaseLost(*retrystore.Delivery)                        { y.lost.Add(1) }
func (y *tally) BreakerChanged(_ retrystore.Lane, _, _ BreakerState)   {}
func (y *tally) Settled(_ *retrystore.Delivery, s retrystore.Settlement) {
	if s.State != retrystore.Pending {
		y.settled.Done()
	}
}

// Many writers, flaky applications, and a new dispatcher in the middle, as a
// config reload makes one, or a new store too, as a restart does: every event
// succeeds once.
func TestFilestoreLosesAndRepeatsNothing(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			y := &tally{success: map[string]int{}}
			const writers, each, inFlight = 8, 150, 6
			begin := func(s retrystore.Store) *Dispatcher {
				return start(t, s, Options{Observer: y}, Destination{Lane: laneA, Sender: y, MaxInFlight: inFlight,
					Breaker: Breaker{Failures: 2, Recovery: 2 * time.Millisecond, Probes: 2}, Rate: 100_000,
					Retry: Retry{Initial: time.Millisecond, MaxDelay: 20 * time.Millisecond, MaxAttempts: 1000}})
			}
			s := openFile(t, path)
			d := begin(s)

			// One round before the change, one after.
			for round := range 2 {
				var all sync.WaitGroup
				y.settled.Add(writers * each)
				for w := range writers {
					all.Go(func() {
						for i := range each {
							if err := store(d, laneA, fmt.Sprint(round, "-", w, "-", i)); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
				if round > 0 {
					break
				}
				cut, cancel := context.WithCancel(t.Context())
				cancel() // attempts in flight are cancelled and released
				old := d
				if restart {
					old.Stop(cut)
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = openFile(t, path)
					d = begin(s)
				} else {
					d = begin(s) // for a moment there are two
					old.Stop(cut)
				}
			}
			y.settled.Wait()
			d.Stop(t.Context())

			if n := len(y.success); n != 2*writers*each {
				t.Errorf("%d events succeeded, want %d", n, 2*writers*each)
			}
			for id, n := range y.success {
				if n != 1 {
					t.Errorf("event %s succeeded %d times", id, n)
				}
			}
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range stats.Lanes {
				if l.Pending+l.Leased+l.Dead > 0 {
					t.Errorf("left in the store: %+v", l)
				}
			}
			most := inFlight
			if !restart {
				most *= 2
			}
			if y.in.most > most || y.lost.Load() > 0 {
				t.Errorf("%d in flight, want at most %d; %d leases lost", y.in.most, most, y.lost.Load())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// BenchmarkFilestore is accepted to delivered, with an application that costs
// nothing, for 64 requests at a time.
func BenchmarkFilestore(b *testing.B) {
	s, err := filestore.Open(filepath.Join(b.TempDir(), "store"), filestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var delivered sync.WaitGroup
	d := start(b, s, Options{}, Destination{Lane: laneA, Sender: senderFunc(
		func(context.Context, *retrystore.Delivery) (Answer, error) {
			delivered.Done()
			return Answer{Status: 200}, nil
		})})
	b.ReportAllocs()
	delivered.Add(b.N)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := store(d, laneA, "evt"); err != nil {
				b.Error(err)
			}
		}
	})
	delivered.Wait()
	d.Stop(context.Background())
}
