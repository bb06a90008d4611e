package limitertest

import (
	"math/big"
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// model is what the documentation of package limiter says, in the plainest
// words: a bucket is a fraction of tokens, a window is a list of requests. It
// is written to be obvious, not fast, and shares no arithmetic with the package.
type model struct {
	keys map[keyID]*account
}

type keyID struct {
	tier       limiter.Tier
	scope, key string
}

// account is one key of the model.
type account struct {
	limit  limiter.Limit
	at     int64    // microseconds
	born   int64    // receipts from before are void
	tokens *big.Rat // token bucket: how many there are
	made   []int64  // sliding window: when each request was made, as it is counted
}

func newModel() *model { return &model{keys: map[keyID]*account{}} }

// standing is what the model says of one tier.
type standing struct {
	remaining   int64
	next, reset time.Duration
}

// take answers the asks at the time now, in microseconds.
func (m *model) take(now int64, asks []limiter.Ask) (allowed bool, tiers []standing) {
	allowed = true
	accounts := make([]*account, len(asks))
	for i, ask := range asks {
		accounts[i] = m.account(ask, now)
		allowed = allowed && accounts[i].remaining() >= 1
	}
	for _, a := range accounts {
		if allowed {
			a.take()
		}
		tiers = append(tiers, standing{a.remaining(), a.next(), a.reset()})
	}
	return allowed, tiers
}

// account returns the key's account, brought to the time and under the limit.
func (m *model) account(ask limiter.Ask, now int64) *account {
	id := keyID{ask.Tier, ask.Scope, ask.Key}
	limit := ask.Limit.Normal()
	a := m.keys[id]
	if a == nil {
		a = &account{limit: limit, at: now, born: now, tokens: tokens(limit.Burst)}
		m.keys[id] = a
	}
	a.advance(now)
	if a.whole() {
		*a = account{limit: limit, at: now, born: now, tokens: tokens(limit.Burst)}
	} else if a.limit != limit {
		a.change(limit)
		a.born = now
	}
	return a
}

// give returns what was taken for the ask at the time taken.
func (m *model) give(ask limiter.Ask, taken, now int64) {
	a := m.keys[keyID{ask.Tier, ask.Scope, ask.Key}]
	if a == nil {
		return
	}
	a.advance(now)
	if a.whole() || a.limit != ask.Limit.Normal() || taken < a.born {
		return
	}
	if a.bucket() {
		a.tokens = smaller(new(big.Rat).Add(a.tokens, tokens(1)), tokens(a.limit.Burst))
	} else if i := slices.Index(a.made, counted(taken, a.limit)); i >= 0 {
		a.made = slices.Delete(a.made, i, i+1)
	}
}

func (a *account) bucket() bool { return a.limit.Algorithm == limiter.TokenBucket }

// advance lets time pass, or go back.
func (a *account) advance(now int64) {
	passed := max(now-a.at, 0)
	a.at, a.born = now, min(a.born, now)
	if a.bucket() {
		gained := new(big.Rat).Mul(rate(a.limit), new(big.Rat).SetInt64(passed))
		a.tokens = smaller(gained.Add(gained, a.tokens), tokens(a.limit.Burst))
		return
	}
	a.made = slices.DeleteFunc(a.made, func(t int64) bool { return t+window(a.limit) <= now })
	for i := range a.made { // nothing was made after now
		a.made[i] = min(a.made[i], counted(now, a.limit))
	}
}

// whole reports whether nothing is missing.
func (a *account) whole() bool {
	if a.bucket() {
		return a.tokens.Cmp(tokens(a.limit.Burst)) == 0
	}
	return len(a.made) == 0
}

func (a *account) change(limit limiter.Limit) {
	old := a.limit
	a.limit = limit
	if old.Algorithm == limiter.SlidingWindow {
		if a.bucket() {
			a.tokens = tokens(limit.Burst - min(int64(len(a.made)), limit.Burst))
			a.made = nil
			return
		}
		for i, t := range a.made {
			a.made[i] = counted(min(t, a.at), limit)
		}
		a.advance(a.at)
		return
	}
	missing := new(big.Rat).Sub(tokens(old.Burst), a.tokens)
	if old.Rate != limit.Rate || !a.bucket() {
		missing = tokens(ceil(missing))
	}
	if a.bucket() {
		missing = smaller(missing, tokens(limit.Burst))
		a.tokens = missing.Sub(tokens(limit.Burst), missing)
		return
	}
	for range ceil(missing) {
		a.made = append(a.made, counted(a.at, limit))
	}
	a.tokens = nil
}

func (a *account) take() {
	if a.bucket() {
		a.tokens.Sub(a.tokens, tokens(1))
	} else {
		a.made = append(a.made, counted(a.at, a.limit))
	}
}

func (a *account) remaining() int64 {
	if a.bucket() {
		return floor(a.tokens)
	}
	return max(a.limit.Burst-int64(len(a.made)), 0)
}

// next is how long until remaining grows.
func (a *account) next() time.Duration {
	switch {
	case a.whole():
		return 0
	case a.bucket():
		return a.until(tokens(a.remaining() + 1))
	}
	slices.Sort(a.made)
	// The request whose end leaves room for one more than remain now.
	leaves := len(a.made) - int(min(int64(len(a.made)), a.limit.Burst))
	return time.Duration(a.made[leaves]+window(a.limit)-a.at) * time.Microsecond
}

// reset is how long until nothing is missing.
func (a *account) reset() time.Duration {
	switch {
	case a.whole():
		return 0
	case a.bucket():
		return a.until(tokens(a.limit.Burst))
	}
	return time.Duration(slices.Max(a.made)+window(a.limit)-a.at) * time.Microsecond
}

// until is how long until the bucket holds so many tokens.
func (a *account) until(want *big.Rat) time.Duration {
	wait := new(big.Rat).Sub(want, a.tokens)
	return time.Duration(ceil(wait.Quo(wait, rate(a.limit)))) * time.Microsecond
}

// counted is the time that a request made at t counts as made at: the end of
// its slot where the burst is above Slots.
func counted(t int64, limit limiter.Limit) int64 {
	if limit.Burst <= limiter.Slots {
		return t
	}
	slot := ceil(big.NewRat(window(limit), limiter.Slots))
	return t - t%slot + slot - 1
}

// window is burst / rate, in microseconds.
func window(limit limiter.Limit) int64 {
	return ceil(new(big.Rat).Quo(tokens(limit.Burst), rate(limit)))
}

// rate is in requests per microsecond.
func rate(limit limiter.Limit) *big.Rat { return big.NewRat(limit.Rate.Fraction()) }

func tokens(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func smaller(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

func ceil(r *big.Rat) int64 { return -floor(new(big.Rat).Neg(r)) }
