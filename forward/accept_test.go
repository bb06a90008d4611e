package forward

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// submit is a submission of an event for the lanes, all of one endpoint.
func submit(lanes ...retrystore.Lane) *retrystore.Submission {
	s := &retrystore.Submission{Event: &retrystore.Event{Endpoint: lanes[0].Endpoint, EventID: "evt", ReceivedAt: time.Now()}}
	for _, l := range lanes {
		s.Targets = append(s.Targets, retrystore.Target{Destination: l.Destination})
	}
	return s
}

// TestAccept has one event stored for two destinations, of which the first may be
// busy, dead from the start or unknown. In each case done is told once, and of the
// first one only.
func TestAccept(t *testing.T) {
	laneC := retrystore.Lane{Endpoint: "shop", Destination: "c"}
	tests := map[string]struct {
		lanes  []retrystore.Lane
		dead   string // the first target
		busy   bool   // the first destination, when the event comes
		stored retrystore.State
		made   bool
		end    retrystore.State // of the first target, ten seconds later
	}{
		"one":            {lanes: []retrystore.Lane{laneA}, stored: retrystore.Leased, made: true, end: retrystore.Delivered},
		"two":            {lanes: []retrystore.Lane{laneA, laneB}, stored: retrystore.Leased, made: true, end: retrystore.Delivered},
		"one, busy":      {lanes: []retrystore.Lane{laneA}, busy: true, stored: retrystore.Pending, end: retrystore.Delivered},
		"the first busy": {lanes: []retrystore.Lane{laneA, laneB}, busy: true, stored: retrystore.Pending, end: retrystore.Delivered},
		"one, dead":      {lanes: []retrystore.Lane{laneA}, dead: ReasonTypeUnknown, stored: retrystore.Dead, end: retrystore.Dead},
		"the first dead": {lanes: []retrystore.Lane{laneA, laneB}, dead: ReasonTypeUnknown, stored: retrystore.Dead, end: retrystore.Dead},
		"unknown":        {lanes: []retrystore.Lane{laneC}, stored: retrystore.Pending, end: retrystore.Pending},
		"unknown, dead":  {lanes: []retrystore.Lane{laneC, laneB}, dead: "oops", stored: retrystore.Dead, end: retrystore.Dead},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, seen := newFakeQueue(), newRecorder()
				logger, logs := logged()
				d := start(t, q, Options{Observer: seen, Logger: logger},
					Destination{Lane: laneA, Sender: takes(time.Second), MaxInFlight: 1},
					Destination{Lane: laneB, Sender: answers(200)})
				synctest.Wait()
				if test.busy {
					accept(d, q, laneA)
				}
				s := submit(test.lanes...)
				s.Targets[0].Dead = test.dead
				s.Targets[0].Lease = time.Hour // left from an earlier try, say
				var told []bool
				receipt, err := d.Accept(t.Context(), s, func(a Answer, st retrystore.Settlement, made bool) {
					told = append(told, made)
					if made && (a.Status != 200 || st.State != retrystore.Delivered) {
						t.Errorf("told %+v, %+v", a, st)
					}
				})
				if err != nil || len(receipt.Deliveries) != len(test.lanes) {
					t.Fatalf("%+v, %v", receipt, err)
				}
				first := receipt.Deliveries[0]
				if first.State != test.stored || (first.State == retrystore.Leased) != (s.Targets[0].Lease == DefaultTimeout+leaseMargin) {
					t.Errorf("stored %v, with a lease of %s", first.State, s.Targets[0].Lease)
				}
				if !test.made && len(told) != 1 {
					t.Errorf("told %d times before Accept returned", len(told))
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(told) != 1 || told[0] != test.made {
					t.Errorf("told %v, want %v once", told, test.made)
				}
				if got := q.get(first.ID).d; got.State != test.end {
					t.Errorf("the first is %v, want %v", got.State, test.end)
				}
				if len(test.lanes) > 1 && q.count(laneB, retrystore.Delivered) != 1 {
					t.Error("the second was not delivered")
				}
				known := test.dead != "" && d.lanes[test.lanes[0]] != nil
				if n := logs.FilterField(zap.String("reason", test.dead)).Len(); (n == 1 && seen.settled["dead"] == 1) != known {
					t.Errorf("%d lines about a dead letter, %d told", n, seen.settled["dead"])
				}
				assertFree(t, d)
			})
		})
	}
}

// Whatever the store does with the event, no slot is lost; and done is told only of
// an event that was stored.
func TestAcceptRefused(t *testing.T) {
	full := func(s *retrystore.Submission) (retrystore.Receipt, error) {
		s.Targets[0].Dead, s.Targets[0].Lease = retrystore.ReasonFull, 0 // the fake reads s after this; a real store leaves it alone
		return retrystore.Receipt{}, nil
	}
	for name, c := range map[string]struct {
		onAccept func(*retrystore.Submission) (retrystore.Receipt, error)
		told     int
	}{
		"error": {func(*retrystore.Submission) (retrystore.Receipt, error) {
			return retrystore.Receipt{}, retrystore.ErrUnavailable
		}, 0},
		"duplicate": {func(*retrystore.Submission) (retrystore.Receipt, error) {
			return retrystore.Receipt{Duplicate: true, First: retrystore.Delivered}, nil
		}, 0},
		"panic":             {func(*retrystore.Submission) (retrystore.Receipt, error) { panic("oops") }, 0},
		"the first is full": {full, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				q.onAccept = c.onAccept
				d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200), MaxInFlight: 1},
					Destination{Lane: laneB, Sender: answers(200)})
				synctest.Wait()
				told := 0
				func() {
					defer func() { _ = recover() }()
					receipt, err := d.Accept(t.Context(), submit(laneA, laneB), func(_ Answer, _ retrystore.Settlement, made bool) {
						if told++; made {
							t.Error("made")
						}
					})
					if name == "error" && !errors.Is(err, retrystore.ErrUnavailable) || name == "duplicate" && !receipt.Duplicate {
						t.Errorf("%+v, %v", receipt, err)
					}
				}()
				synctest.Wait()
				if told != c.told {
					t.Errorf("told %d times, want %d", told, c.told)
				}
				assertFree(t, d)
			})
		})
	}
}

// What is accepted before Start and after Stop is stored, and no more.
func TestAcceptWhileNotRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d, err := New(q, []Destination{{Lane: laneA, Sender: answers(200)}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		accept := func() {
			receipt, err := d.Accept(context.Background(), submit(laneA), func(_ Answer, _ retrystore.Settlement, made bool) {
				if told++; made {
					t.Error("made")
				}
			})
			if err != nil || receipt.Deliveries[0].State != retrystore.Pending {
				t.Errorf("%+v, %v", receipt, err)
			}
		}
		accept()
		d.Start()
		synctest.Wait()
		if n := q.count(laneA, retrystore.Delivered); n != 1 {
			t.Errorf("%d delivered after Start", n)
		}
		d.Stop(t.Context())
		accept()
		synctest.Wait()
		if n := q.count(laneA, retrystore.Pending); n != 1 || told != 2 {
			t.Errorf("%d pending after Stop, told %d times", n, told)
		}
	})
}

// A breaker that opens while the store works gives the event back, with no attempt.
func TestAcceptAndBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(500), Breaker: Breaker{Failures: 1, Recovery: time.Hour}})
		synctest.Wait()
		opened := false
		q.onAccept = func(*retrystore.Submission) (retrystore.Receipt, error) {
			if !opened {
				opened = true
				accept(d, q, laneA)
				synctest.Wait()
			}
			return retrystore.Receipt{}, nil
		}
		told := 0
		receipt, err := d.Accept(t.Context(), submit(laneA), func(_ Answer, _ retrystore.Settlement, made bool) {
			if told++; made {
				t.Error("made")
			}
		})
		if err != nil || told != 1 {
			t.Fatalf("%v, told %d times", err, told)
		}
		if got := q.get(receipt.Deliveries[0].ID).d; got.State != retrystore.Pending || got.Attempts != 0 {
			t.Errorf("%v after %d attempts", got.State, got.Attempts)
		}
		assertFree(t, d)
	})
}

// assertFree sees that no slot is taken.
func assertFree(t *testing.T, d *Dispatcher) {
	t.Helper()
	for name, l := range d.lanes {
		l.mu.Lock()
		if l.taken != 0 {
			t.Errorf("%s: %d slots are taken", name, l.taken)
		}
		l.mu.Unlock()
	}
}
