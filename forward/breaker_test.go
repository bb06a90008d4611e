package forward

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBreakerDefaults(t *testing.T) {
	want := Breaker{Failures: 5, Recovery: time.Minute, Probes: 3}
	if got := (Breaker{}).withDefaults(); got != want {
		t.Errorf("got %+v", got)
	}
	want = Breaker{Failures: 1, Recovery: time.Hour, Probes: 9, Off: true}
	if got := want.withDefaults(); got != want {
		t.Errorf("got %+v", got)
	}
	if err := want.Validate(); err != nil {
		t.Error(err)
	}
	err := Breaker{Failures: -1, Recovery: -time.Second, Probes: -2}.Validate()
	for _, part := range []string{"failures -1", "recovery -1s", "probes -2"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not mention %q", err, part)
		}
	}
}

// The machine, step by step, with three failures, ten seconds, two probes.
// A step is "start a", "ok a", "fail a", "cancel a" (never started), "+5s", or
// "full": there is no room. After the arrow, the state and its failures.
func TestBreakerStateMachine(t *testing.T) {
	tests := map[string]string{
		"opens after failures in a row": `start a, fail a > closed 1, start b, fail b > closed 2, start c, fail c > open 3, full`,
		"a success in between":          `start a, fail a, start b, fail b, start c, ok c > closed 0, start d, fail d > closed 1`,
		"rests for the recovery time":   `start a, start b, start c, fail a, fail b, fail c > open 3, +9.999s > open 3, full, +1ms > half_open 3`,
		"closes when all probes succeed": `start a, start b, start c, fail a, fail b, fail c, +10s, start p, start q, full > half_open 3,
			ok q > half_open 3, full, ok p > closed 0, start d, fail d > closed 1`,
		"opens when one probe fails": `start a, start b, start c, fail a, fail b, fail c, +10s, start p, start q, ok p, fail q > open 4, full,
			+9.999s > open 4, +1ms > half_open 4, start r, fail r > open 5`,
		"a probe that was not made": `start a, start b, start c, fail a, fail b, fail c, +10s, start p, start q, full, cancel q, start r, full, ok p, ok r > closed 0`,
		"late when open":            `start a, start b, start c, start d, start e, fail a, fail b, fail c > open 3, ok d > open 3, fail e > open 3, +10s > half_open 3`,
		"late when half-open": `start a, start b, start c, start d, start e, start f, fail a, fail b, fail c, +10s > half_open 3,
			ok d, ok e > half_open 3, fail f > half_open 3, start p, ok p, start q, ok q > closed 0`,
		"late when closed again": `start a, start b, start c, start d, start e, start f, fail a, fail b, fail c, +10s, start p, start q, ok p, ok q > closed 0,
			fail d, fail e, fail f > closed 0, start g, fail g, start h, fail h > closed 2`,
		"a probe that is late": `start a, start b, start c, fail a, fail b, fail c, +10s, start p, start q, fail p > open 4,
			ok q > open 4, +10s > half_open 4, start r, start s, full, ok r, ok s > closed 0`,
		"given back late": `start a, start b, start c, start x, fail a, fail b, fail c, +10s, cancel x, start p, start q, full > half_open 3`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			b := newBreaker(Breaker{Failures: 3, Recovery: 10 * time.Second, Probes: 2}, now)
			started := map[string]uint64{}
			for _, step := range strings.Split(script, ",") {
				step, want, check := strings.Cut(strings.TrimSpace(step), " > ")
				do, who, _ := strings.Cut(step, " ")
				switch do {
				case "start":
					if b.room() < 1 {
						t.Fatalf("no room to %s", step)
					}
					b.take(1)
					started[who] = b.generation
				case "ok", "fail":
					b.ended(do == "ok", started[who], now)
				case "cancel":
					b.giveBack(1, started[who])
				case "full":
					if n := b.room(); n != 0 {
						t.Fatalf("room for %d", n)
					}
				default:
					wait, err := time.ParseDuration(strings.TrimPrefix(do, "+"))
					if err != nil {
						t.Fatal(err)
					}
					now = now.Add(wait)
					b.tick(now)
				}
				if got := fmt.Sprint(b.state.State, " ", b.state.Failures); check && got != want {
					t.Fatalf("after %q it is %s, want %s", step, got, want)
				}
			}
		})
	}
}

func TestBreakerOff(t *testing.T) {
	b := newBreaker(Breaker{Off: true}, time.Now())
	for range 100 {
		if b.room() < 100 || !b.admits(0) || b.ended(false, 0, time.Now()) {
			t.Fatal("not off")
		}
	}
}

// era is what the reference keeps of a time between two changes of state: all
// that happened in it. The state follows from that, not from counters.
type era struct {
	state   string
	since   time.Time
	taken   int    // planned or started attempts, less those not made
	results []bool // of attempts started in it, as they ended
}

// next says which state follows from what happened until now, if any.
func (e *era) next(conf Breaker, now time.Time) string {
	n := len(e.results)
	switch e.state {
	case BreakerClosed:
		if n >= conf.Failures && !slices.Contains(e.results[n-conf.Failures:], true) {
			return BreakerOpen
		}
	case BreakerOpen:
		if now.Sub(e.since) >= conf.Recovery {
			return BreakerHalfOpen
		}
	case BreakerHalfOpen:
		if slices.Contains(e.results, false) {
			return BreakerOpen
		}
		if n == conf.Probes {
			return BreakerClosed
		}
	}
	return ""
}

// Random histories, compared with the reference after every step.
func TestBreakerAgainstReference(t *testing.T) {
	visits := map[string]int{}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 3))
		conf := Breaker{Failures: 1 + random.IntN(4), Recovery: time.Duration(1 + random.IntN(20)), Probes: 1 + random.IntN(4)}
		now := time.Now()
		b := newBreaker(conf, now)
		eras := []*era{{state: BreakerClosed, since: now}}
		type attempt struct {
			era        *era
			generation uint64
			started    bool
		}
		var open []attempt
		health := max(random.Float64(), random.Float64())
		for step := range 1000 {
			current := eras[len(eras)-1]
			i := -1
			if len(open) > 0 {
				i = random.IntN(len(open))
			}
			remove := func() { open = slices.Delete(open, i, i+1) }
			switch random.IntN(6) {
			case 0, 1: // plan
				if b.room() > 0 {
					b.take(1)
					current.taken++
					open = append(open, attempt{era: current, generation: b.generation})
				}
			case 2: // start, or too late for that
				if i < 0 || open[i].started {
					break
				}
				admitted := current.state == BreakerClosed || current.state == BreakerHalfOpen && open[i].era == current
				if b.admits(open[i].generation) != admitted {
					t.Fatalf("seed %d, step %d: admits %v, want %v", seed, step, !admitted, admitted)
				}
				if !admitted {
					b.giveBack(1, open[i].generation)
					open[i].era.taken--
					remove()
					break
				}
				open[i] = attempt{era: current, generation: b.generation, started: true}
			case 3, 4: // end, or be called off
				if i < 0 {
					break
				}
				if open[i].started {
					alive := random.Float64() < health
					changed := b.ended(alive, open[i].generation, now)
					open[i].era.results = append(open[i].era.results, alive)
					if want := open[i].era == current && current.next(conf, now) != ""; changed != want {
						t.Fatalf("seed %d, step %d: changed %v, want %v", seed, step, changed, want)
					}
				} else {
					b.giveBack(1, open[i].generation)
					open[i].era.taken--
				}
				remove()
			case 5:
				now = now.Add(time.Duration(random.IntN(8)))
				b.tick(now)
			}

			if state := current.next(conf, now); state != "" {
				current = &era{state: state, since: now}
				eras = append(eras, current)
				visits[state]++
			}
			if b.state.State != current.state || !b.state.Since.Equal(current.since) {
				t.Fatalf("seed %d, step %d: %+v, want %s since %s", seed, step, b.state, current.state, current.since)
			}
			if until := current.since.Add(conf.Recovery); current.state == BreakerOpen != b.state.Until.Equal(until) {
				t.Fatalf("seed %d, step %d: %s until %s, want %s", seed, step, current.state, b.state.Until, until)
			}
			room := 1 << 60
			switch current.state {
			case BreakerOpen:
				room = 0
			case BreakerHalfOpen:
				room = conf.Probes - current.taken
			}
			if got := min(b.room(), 1<<60); got != room {
				t.Fatalf("seed %d, step %d: %s with room for %d, want %d", seed, step, current.state, got, room)
			}
		}
		if len(b.changes) != len(eras)-1 {
			t.Fatalf("seed %d: %d changes noted of %d", seed, len(b.changes), len(eras)-1)
		}
		for i, c := range b.changes {
			if c.from.State != eras[i].state || c.to.State != eras[i+1].state {
				t.Fatalf("seed %d: change %d is %+v", seed, i, c)
			}
		}
	}
	t.Logf("%v", visits)
	for _, state := range []string{BreakerClosed, BreakerOpen, BreakerHalfOpen} {
		if visits[state] < 500 {
			t.Errorf("the histories reached %s only %d times", state, visits[state])
		}
	}
}
