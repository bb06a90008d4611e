package forward

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func TestValidateRate(t *testing.T) {
	for rate, ok := range map[float64]bool{
		0: true, 1e-300: true, 0.5: true, MaxRate: true,
		-1: false, 2 * MaxRate: false, math.MaxFloat64: false, math.Inf(1): false, math.Inf(-1): false, math.NaN(): false,
	} {
		if err := validateRate(rate); (err == nil) != ok {
			t.Errorf("rate %v: %v", rate, err)
		}
		if !ok {
			continue
		}
		// Every valid rate works: one attempt may start at once.
		p, now := newPace(rate), time.Now()
		if p.room(now) < 1 || p.wait(now) != 0 {
			t.Errorf("rate %v: room %d, wait %s", rate, p.room(now), p.wait(now))
		}
	}
}

// starts is a Sender that notes when attempts start, and which.
type starts struct {
	Sender
	mu    sync.Mutex
	begin time.Time
	at    []time.Duration
	of    []string // delivery IDs
}

func newStarts(s Sender) *starts { return &starts{Sender: s, begin: time.Now()} }

func (s *starts) Send(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Since(s.begin))
	s.of = append(s.of, d.ID)
	s.mu.Unlock()
	return s.Sender.Send(ctx, d)
}

// Attempts start at the very times of the rate: from the store, the short way,
// both, and retries.
func TestRateIsExact(t *testing.T) {
	const s = time.Second
	for rate, burst := range map[float64]int{0.001: 1, 1: 1, 3: 1, 10: 1, 19.9: 1, 25: 2, 100: 10, 1000: 100} {
		interval := time.Duration(math.Ceil(float64(s) / rate))
		n := 3*burst + 20
		ways := map[string]func(d *Dispatcher, q *fakeQueue){
			"stored": func(_ *Dispatcher, q *fakeQueue) {
				for range n {
					q.add(laneA, 0, nil)
				}
			},
			"short way first": func(d *Dispatcher, q *fakeQueue) {
				for i := range n {
					if _, direct := accept(d, q, laneA); direct != (i < burst) {
						t.Errorf("rate %v: event %d: direct %v", rate, i, direct)
					}
				}
			},
			"retries": func(_ *Dispatcher, q *fakeQueue) {
				for range n {
					q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts = 1 })
				}
			},
		}
		for way, feed := range ways {
			t.Run(fmt.Sprint(rate, " ", way), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q, sender := newFakeQueue(), newStarts(answers(200))
					d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, Rate: rate, MaxInFlight: 200})
					synctest.Wait()
					claims := q.claimCount()
					feed(d, q)
					time.Sleep(time.Duration(n-burst)*interval + interval/2)
					d.Stop(t.Context())
					if len(sender.at) != n {
						t.Fatalf("%d attempts, want %d", len(sender.at), n)
					}
					for i, at := range sender.at {
						if want := time.Duration(max(0, i-burst+1)) * interval; at != want {
							t.Errorf("attempt %d starts after %s, want %s", i, at, want)
						}
					}
					// One claim a token, one more for every third that brought
					// only retries, and the polls.
					polls := int(time.Duration(n)*interval/pollInterval) + 2
					if got := q.claimCount() - claims; got > n*4/3+polls {
						t.Errorf("%d claims for %d attempts", got, n)
					}
				})
			})
		}
	}
}

// What waits for a token is not leased, and goes by priority.
func TestRateHoldsInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, sender := newFakeQueue(), newStarts(takes(30*time.Millisecond))
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, Rate: 10})
		synctest.Wait()
		accept(d, q, laneA) // takes the token
		var want []string
		for priority := range 5 {
			for i := range 3 {
				id := q.add(laneA, 0, func(d *retrystore.Delivery) { d.Priority = priority }).ID
				want = slices.Insert(want, i, id)
			}
		}
		for i := range want {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			if n := q.count(laneA, retrystore.Leased); n != 0 {
				t.Fatalf("%d leased while waiting", n)
			}
			if i%2 == 0 {
				if _, ok := d.reserve(laneA); ok {
					t.Error("reserved without a token, before a backlog")
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		if !slices.Equal(sender.of[1:], want) {
			t.Errorf("made %v, want %v", sender.of[1:], want)
		}
	})
}

// First attempts get their share of a rate that retries would use up, even
// retries that go first by priority.
func TestRateFirstAttemptsDoNotWaitBehindRetries(t *testing.T) {
	for _, priority := range []int{0, retrystore.MaxPriority} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200), Rate: 10})
			for range 1000 {
				q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts, d.Priority = 1, priority })
			}
			time.Sleep(time.Second)
			for i := range 20 {
				id, _ := accept(d, q, laneA)
				wait := 100 * time.Millisecond
				if priority > 0 {
					wait *= maxRetryClaims + 1
				}
				time.Sleep(wait)
				synctest.Wait()
				if got := q.get(id).d.State; got != retrystore.Delivered {
					t.Fatalf("priority %d: event %d is %s after %s", priority, i, got, wait)
				}
			}
		})
	}
}

// A lane that was once overtaken returns to the short way while it is asked for
// less than its rate.
func TestRateShortWayComesBack(t *testing.T) {
	for _, rate := range []float64{10, 100, 1000} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			interval := time.Duration(float64(time.Second) / rate)
			q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
				time.Sleep(interval / 4)
				return nil
			}
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200), Rate: rate})
			for range 100 {
				q.add(laneA, 0, nil)
			}
			direct := 0
			for i := range 2000 {
				if _, short := accept(d, q, laneA); short && i >= 1000 {
					direct++
				}
				time.Sleep(2 * interval)
			}
			if direct < 900 {
				t.Errorf("rate %v: %d of the last 1000 events took the short way", rate, direct)
			}
		})
	}
}

// checkStarts compares with the definition of a token bucket: between any two
// starts there are at most as many as the bucket holds, and what flows in.
func checkStarts(t *testing.T, at []time.Duration, burst int, interval time.Duration) {
	t.Helper()
	for i := range at {
		for j := i; j < len(at); j++ {
			if n := j - i + 1; n > burst+int((at[j]-at[i])/interval) {
				t.Fatalf("%d attempts between %s and %s", n, at[i], at[j])
			}
		}
	}
}

// However long tokens are held, and whatever is given back, starts keep to the
// rate; and after the wait that it names there is a token again.
func TestPaceAgainstDefinition(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newPace([]float64{7, 10, 25, 50, 100}[random.IntN(5)])
		begin := time.Now()
		now := begin
		var at []time.Duration
		for range 300 {
			switch room := p.room(now); {
			case room < 0 || room > p.burst:
				t.Fatalf("room for %d", room)
			case (room > 0) != (p.wait(now) == 0):
				t.Fatalf("room for %d, wait %s", room, p.wait(now))
			case random.IntN(3) > 0 && room > 0:
				p.take(1 + random.IntN(room))
			case random.IntN(3) == 0 && p.held > 0:
				p.giveBack(1 + random.IntN(p.held))
			case random.IntN(2) == 0 && p.held > 0:
				p.start(now)
				at = append(at, now.Sub(begin))
			case random.IntN(2) == 0 && room == 0 && p.held < p.burst:
				now = now.Add(p.wait(now))
				if p.room(now) != 1 {
					t.Fatalf("room for %d after the wait", p.room(now))
				}
			default:
				now = now.Add(time.Duration(random.Int64N(2 * int64(p.interval))))
			}
		}
		checkStarts(t, at, p.burst, p.interval)
	}
}

// The same through a whole dispatcher: a slow store, slots that are cancelled,
// events both ways, retries. Nothing is lost, nothing is too early.
func TestRateUnderDisorder(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			dice := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			q := newFakeQueue()
			q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
				time.Sleep(time.Duration(dice(50)) * time.Millisecond)
				if dice(10) == 0 {
					return errAway
				}
				return nil
			}
			sender := newStarts(senderFunc(func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
				if dice(4) == 0 {
					return Answer{Status: 429}, nil
				}
				return takes(time.Duration(dice(300))*time.Millisecond).Send(ctx, nil)
			}))
			const rate = 50
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, Rate: rate, MaxInFlight: 4 + dice(40)})
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 100 {
						time.Sleep(time.Duration(dice(150)) * time.Millisecond)
						slot, ok := d.reserve(laneA)
						switch {
						case !ok || dice(5) == 0:
							if ok {
								slot.cancel()
							}
							q.add(laneA, 0, nil)
						default:
							time.Sleep(time.Duration(dice(30)) * time.Millisecond)
							slot.run(q.add(laneA, slot.lane.lease, nil), nil)
						}
					}
				})
			}
			all.Wait()
			time.Sleep(2 * time.Hour) // what is refused nine times in a row waits for long
			d.Stop(t.Context())
			if n := q.count(laneA, retrystore.Delivered); n != 400 {
				t.Errorf("seed %d: %d of 400 delivered", seed, n)
			}
			checkStarts(t, sender.at, rate/10, time.Second/rate)
		})
	}
}
