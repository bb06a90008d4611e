package limitertest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// limits are what scripts switch between: small and large, coarse and fine,
// with periods that no whole number of microseconds divides.
var limits = []limiter.Limit{
	limit("1", "1/s"),
	limit("3", "5/s"),
	limit("3", "7/s", "token_bucket"),
	limit("50", "5/s"),
	limit("10", "1000/h"),
	limit("7", "0.3/s"),
	limit("4", "3000000/s"),
	limit("1", "1/s", "sliding_window"),
	limit("3", "7/s", "sliding_window"),
	limit("32", "100/m", "sliding_window"),
	limit("33", "100/m", "sliding_window"),
	limit("100", "7/s", "sliding_window"),
	limit("50", "1000000/s", "sliding_window"),
}

// steps are how far the clock moves.
var steps = []time.Duration{
	0, 1, 999, time.Microsecond, 142857 * time.Microsecond, time.Millisecond, 17 * time.Millisecond,
	200 * time.Millisecond, 333 * time.Millisecond, time.Second, 7 * time.Second, time.Minute, time.Hour, 300 * 24 * time.Hour,
}

var (
	tierNames = []limiter.Tier{limiter.IP, limiter.Provider, limiter.Global}
	keys      = []string{"", "a", "b"}
)

// Random plays so many scripts at random, of seeds that are always the same. A
// script is some 2000 takes.
func Random(t *testing.T, backend New, scripts int) {
	for seed := range scripts {
		rnd := rand.New(rand.NewPCG(uint64(seed), 0))
		script := make([]byte, 600)
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		Play(t, backend, script)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Play runs a script of takes, returns, clock steps and changes of limits on a
// new backend and on the reference model, and fails the test where they
// differ. Every script means something, so it suits fuzzing.
func Play(t testing.TB, backend New, script []byte) {
	p := &player{TB: t, script: script, clock: newClock(), model: newModel()}
	p.backend = backend(t, p.clock.Now)
	for i := range p.limits {
		p.limits[i] = limits[p.next(len(limits))]
	}
	for len(p.script) > 0 && !t.Failed() {
		switch op := p.next(16); {
		case op < 9:
			p.take()
		case op < 11:
			p.giveBack()
		case op < 14:
			p.clock.Move(steps[p.next(len(steps))])
		case op < 15 && p.next(4) == 0:
			p.stepBack(steps[p.next(len(steps))])
		case op == 15:
			p.limits[p.next(len(p.limits))] = limits[p.next(len(limits))]
		}
	}
}

type player struct {
	testing.TB
	script  []byte
	clock   *faketime.Clock
	backend limiter.Backend
	model   *model
	limits  [3]limiter.Limit // of each tier
	taken   []taken          // not yet returned
}

// taken is an allowed decision.
type taken struct {
	decision limiter.Decision
	asks     []limiter.Ask
	at       int64
}

// next returns the script's next number below n, or 0 at its end.
func (p *player) next(n int) int {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return int(b) % n
}

func (p *player) now() int64 { return p.clock.Now().UnixMicro() }

func (p *player) take() {
	var asks []limiter.Ask
	first, count := p.next(3), 1
	if p.next(2) == 1 {
		count += p.next(3)
	}
	for i := range count {
		tier := (first + i) % 3
		asks = append(asks, limiter.Ask{Tier: tierNames[tier], Key: keys[p.next(len(keys))], Limit: p.limits[tier]})
	}
	for range 1 << p.next(4) {
		p.takeOnce(asks)
	}
}

// stepBack moves the clock back. Every key is used before and after: of others
// State leaves open whether they see it.
func (p *player) stepBack(d time.Duration) {
	p.takeEach()
	p.clock.Move(-d)
	p.takeEach()
}

func (p *player) takeEach() {
	for _, key := range keys {
		for tier, name := range tierNames {
			p.takeOnce([]limiter.Ask{{Tier: name, Key: key, Limit: p.limits[tier]}})
		}
	}
}

func (p *player) takeOnce(asks []limiter.Ask) {
	got, err := p.backend.Take(p.Context(), asks...)
	if err != nil {
		p.Fatal(err)
	}
	allowed, tiers := p.model.take(p.now(), asks)
	if got.Allowed != allowed || len(got.Tiers) != len(tiers) {
		p.Fatalf("at %d: %v: got %+v\nwant allowed %v, %+v", p.now(), asks, got, allowed, tiers)
	}
	var wait time.Duration
	for i, want := range tiers {
		s := got.Tiers[i]
		if s.Remaining != want.remaining || s.Next != want.next || s.Reset != want.reset {
			p.Fatalf("at %d: %v: tier %s: got %+v\nwant %+v", p.now(), asks, asks[i].Tier, s, want)
		}
		if !allowed && want.remaining == 0 {
			wait = max(wait, want.next)
		}
	}
	if got.RetryAfter != wait || allowed != (got.Tier == "") {
		p.Fatalf("at %d: %v: got %+v\nwant to wait %s", p.now(), asks, got, wait)
	}
	if allowed {
		p.taken = append(p.taken, taken{got, asks, p.now()})
	}
}

// giveBack returns one of the latest decisions.
func (p *player) giveBack() {
	if len(p.taken) == 0 {
		return
	}
	last := len(p.taken) - 1
	i := max(last-p.next(8), 0)
	back := p.taken[i]
	p.taken[i] = p.taken[last]
	p.taken = p.taken[:last]
	if err := p.backend.Return(p.Context(), back.decision); err != nil {
		p.Fatal(err)
	}
	for _, ask := range back.asks {
		p.model.give(ask, back.at, p.now())
	}
}
