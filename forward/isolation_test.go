package forward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// ways are those in which a destination can be down.
var ways = map[string]senderFunc{
	"hanging":  hangs().(senderFunc),
	"refusing": func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{}, errors.New("refused") },
	"500":      answers(500).(senderFunc),
	// Its answer begins at once, then comes byte by byte until time is up.
	"slow-loris": func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
		drip := time.NewTicker(time.Second)
		defer drip.Stop()
		for answer := (Answer{Status: 200}); ; {
			select {
			case <-drip.C:
				answer.Body = append(answer.Body, '.')
			case <-ctx.Done():
				return answer, ctx.Err()
			}
		}
	},
}

// latencies feeds both lanes evenly, one event a millisecond each, and returns
// how long each of lane B's took from before it was stored until it was settled.
func latencies(d *Dispatcher, q *fakeQueue, n int) []time.Duration {
	type event struct {
		id    string
		begin time.Time
	}
	var events []event
	for i := range n {
		begin := time.Now()
		accept(d, q, laneA)
		id, _ := accept(d, q, laneB)
		if i%5 == 0 { // and some that only the store knows
			id = q.add(laneB, 0, nil).ID
		}
		events = append(events, event{id, begin})
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	took := make([]time.Duration, n)
	for i, e := range events {
		for _, a := range q.get(e.id).history {
			took[i] = a.At.Add(a.Duration).Sub(e.begin)
		}
	}
	return took
}

// One destination is down, in each way, with and without a breaker: the other's
// latency is its application's, to the nanosecond.
func TestDownDestinationLeavesLatencyAlone(t *testing.T) {
	const service = 7 * time.Millisecond
	for way, send := range ways {
		for _, off := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/breaker off %v", way, off), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := newFakeQueue()
					d := start(t, q, Options{},
						Destination{Lane: laneA, Sender: send, MaxInFlight: 8, Breaker: Breaker{Off: off}},
						Destination{Lane: laneB, Sender: takes(service), MaxInFlight: 32})
					synctest.Wait()
					for i, took := range latencies(d, q, 1000) {
						if took != service {
							t.Fatalf("delivery %d took %s", i, took)
						}
					}
					if n := q.count(laneA, retrystore.Delivered); n != 0 {
						t.Errorf("%d delivered by the one that is down", n)
					}
				})
			})
		}
	}
}

// BenchmarkNeighbour is the same in real time, where the lanes share the
// processor and the store: the latency of a destination that takes a
// millisecond, beside one that is down.
func BenchmarkNeighbour(b *testing.B) {
	all := map[string]senderFunc{"healthy": takes(time.Millisecond).(senderFunc)}
	for way, send := range ways {
		all[way] = send
	}
	for way, send := range all {
		b.Run(way, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				q := newFakeQueue()
				d := start(b, q, Options{}, Destination{Lane: laneA, Sender: send},
					Destination{Lane: laneB, Sender: takes(time.Millisecond)})
				took = append(took, latencies(d, q, 500)...)
				stopAfter(d, 0)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// A store wakes us also for what is due later, such as a retry that the
// dispatcher of the configuration before left behind: one claim finds out, and
// the retry is made to the moment, long before the next poll.
func TestWakeForWhatIsDueLater(t *testing.T) {
	for _, wait := range []time.Duration{time.Nanosecond, 1500 * time.Microsecond, 3 * time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q, sender := newFakeQueue(), newStarts(answers(200))
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender})
			// Claims happen at start-up and at polls; keep away from those.
			time.Sleep(pollInterval + 2*time.Second)
			synctest.Wait()
			claims := q.claimCount()
			due := time.Now().Add(wait)
			q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts, d.NextAttemptAt = 1, due })
			synctest.Wait()
			if n := q.claimCount() - claims; n != 1 {
				t.Errorf("%d claims after the wake", n)
			}
			for range 4 { // and one for each further wake
				d.wake(laneA)
				synctest.Wait()
			}
			time.Sleep(wait)
			synctest.Wait()
			polls := int(wait / pollInterval)
			if n := q.claimCount() - claims; n > 6+polls {
				t.Errorf("%d claims until it was due in %s", n, wait)
			}
			if len(sender.at) != 1 || !sender.begin.Add(sender.at[0]).Equal(due) {
				t.Errorf("made after %s, due after %s", sender.at, due.Sub(sender.begin))
			}
		})
	}
}

// Many retries settled at once, each with its wake: no more claims than that.
func TestWakesOfRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(404), Retry: Retry{Initial: time.Hour, MaxAttempts: 2}})
		synctest.Wait()
		const n = 100
		claims := q.claimCount()
		for range n {
			accept(d, q, laneA)
			time.Sleep(time.Millisecond)
		}
		if got := q.claimCount() - claims; got > n {
			t.Errorf("%d claims", got)
		}
		claims = q.claimCount()
		time.Sleep(30 * time.Minute)
		if got := q.claimCount() - claims; got > int(30*time.Minute/pollInterval)+1 {
			t.Errorf("%d claims in half an hour of waiting", got)
		}
	})
}

// Random applications, loads, rates and breakers in virtual time. While the
// breaker is open nothing starts, while it is half-open no more than the probes,
// starts keep to the rate, and all is delivered once the application is back.
func TestControlsAgainstRules(t *testing.T) {
	opened := 0
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			conf := Breaker{Failures: 1 + random.IntN(5), Recovery: time.Duration(1+random.IntN(20)) * time.Second, Probes: 1 + random.IntN(4)}
			dest := Destination{Lane: laneA, Breaker: conf, Rate: float64(random.IntN(3) * 40), MaxInFlight: 1 + random.IntN(16),
				Timeout: 5 * time.Second, Retry: Retry{MaxAttempts: 1 << 20, MaxDelay: 10 * time.Second}}
			var (
				d      *Dispatcher
				mu     sync.Mutex
				probes = map[time.Time]int{}
				health float64
			)
			seen := newRecorder()
			sender := newStarts(senderFunc(func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
				mu.Lock()
				switch b := d.Breakers()[laneA]; {
				case b.State == BreakerOpen && time.Now().After(b.Since):
					t.Errorf("seed %d: an attempt starts while %+v", seed, b)
				case b.State == BreakerHalfOpen:
					if probes[b.Since]++; probes[b.Since] > conf.Probes {
						t.Errorf("seed %d: %d probes while %+v", seed, probes[b.Since], b)
					}
				}
				failing, service := random.Float64() > health, time.Duration(random.IntN(1000))*time.Millisecond
				if failing && random.IntN(3) == 0 {
					service = time.Minute // runs out of time
				}
				mu.Unlock()
				answer, err := takes(service).Send(ctx, nil)
				if failing && err == nil {
					answer.Status = 500
				}
				return answer, err
			}))
			dest.Sender = sender
			q := newFakeQueue()
			d, err := New(q, []Destination{dest}, Options{Observer: seen})
			if err != nil {
				t.Fatal(err)
			}
			d.Start()
			const n = 300
			for i := range n {
				mu.Lock()
				if i%50 == 0 {
					health = []float64{0, 0.3, 0.9, 1}[random.IntN(4)]
				}
				pause := time.Duration(random.IntN(400)) * time.Millisecond
				mu.Unlock()
				time.Sleep(pause)
				accept(d, q, laneA)
			}
			mu.Lock()
			health = 1
			mu.Unlock()
			time.Sleep(30 * time.Minute)
			d.Stop(t.Context())
			if got := q.count(laneA, retrystore.Delivered); got != n {
				t.Errorf("seed %d: %d of %d delivered", seed, got, n)
			}
			attempts := 0
			for id := range q.entries {
				attempts += q.get(id).d.Attempts
			}
			if attempts != len(sender.at) {
				t.Errorf("seed %d: %d attempts spent, %d made", seed, attempts, len(sender.at))
			}
			if dest.Rate > 0 {
				checkStarts(t, sender.at, max(1, int(dest.Rate/10)), time.Second/time.Duration(dest.Rate))
			}
			opened += len(seen.breaker) / 2
		})
	}
	t.Logf("breakers opened %d times", opened)
}
