// Package limiter answers "may it come in now?": rate limits in tiers.
//
// A request asks its tiers for one token each and gets all of them or none
// ([Backend.Take]). The ip tier is asked before the signature is verified, as a
// cheap shield; provider and global are asked together after it, so that forged
// requests cannot spend them. A request that the second call refuses gives its
// ip token back ([Backend.Return]):
//
//	ip, err := backend.Take(ctx, limiter.Ask{Tier: limiter.IP, Scope: endpoint, Key: limiter.IPKey(addr), Limit: limiter.DefaultIP})
//	// … refused: 429; else verify the signature …
//	rest, err := backend.Take(ctx,
//		limiter.Ask{Tier: limiter.Provider, Scope: endpoint, Limit: limiter.DefaultProvider},
//		limiter.Ask{Tier: limiter.Global, Limit: global})
//	if !rest.Allowed {
//		err = backend.Return(ctx, ip)
//		rest.SetHeader(w.Header(), time.Now()) // and 429
//	}
//
// A limit comes with every Ask, so what a backend remembers depends on no
// configuration: it outlives a reload and is retuned by it. What a [Limit]
// allows, and what a changed one does to the tokens already spent, is defined
// once, in whole numbers, by [State]; package limitertest holds every backend to it.
package limiter

import (
	"context"
	"fmt"
	"time"
)

// Tier is one of the budgets that a request is charged to.
type Tier string

// The tiers, in the order in which backends lock them.
const (
	IP       Tier = "ip"       // one budget per client address; see IPKey
	Provider Tier = "provider" // one budget per endpoint, for verified requests
	Global   Tier = "global"   // one budget for all verified requests together
)

// index returns the place of the tier in the order above, or -1.
func (t Tier) index() int {
	switch t {
	case IP:
		return 0
	case Provider:
		return 1
	case Global:
		return 2
	}
	return -1
}

// tierCount is the number of tiers.
const tierCount = 3

// Ask is a request for one token of a tier.
type Ask struct {
	// Tier is the budget's kind.
	Tier Tier
	// Scope is the owner of the key, such as the endpoint's name; keys of two
	// scopes never meet. It may be empty. All keys of one tier and scope should
	// have one Limit at a time: what comes with the latest Ask is what holds.
	// Scopes come from the configuration, never from a request: their number is not bounded.
	Scope string
	// Key is whose token it is within the scope, such as IPKey of the client. It may be empty.
	Key string
	// Limit is what the key may spend. A tier without a limit is not asked for.
	Limit Limit
}

// Check reports why the asks cannot be answered: a tier that does not exist or is asked
// for twice, or a Limit that is not valid. It is for backends, and allocates nothing
// when all is well.
func Check(asks []Ask) error {
	var seen [tierCount]bool
	for i := range asks {
		tier := asks[i].Tier.index()
		if tier < 0 {
			return fmt.Errorf("limiter: unknown tier %q", string(asks[i].Tier))
		}
		if seen[tier] {
			return fmt.Errorf("limiter: tier %s is asked for twice", asks[i].Tier)
		}
		seen[tier] = true
		if !asks[i].Limit.valid() {
			return fmt.Errorf("limiter: tier %s: %w", asks[i].Tier, asks[i].Limit.Validate())
		}
	}
	return nil
}

// Backend keeps the budgets. It is safe for concurrent use.
type Backend interface {
	// Take takes one token for every ask, or none at all if any of them has
	// none left; the Decision says which. With no ask everything is allowed.
	// An error means that the backend could not tell (Decision is then zero,
	// and nothing is certain to have been taken), or that Check found fault.
	Take(ctx context.Context, asks ...Ask) (Decision, error)

	// Return gives back what an allowed Decision took, as State.Return says.
	// It is to be called at most once per Decision; a refused one took nothing, and is ignored.
	Return(ctx context.Context, d Decision) error
}

// Sharer is a store whose nodes share their budgets, too.
type Sharer interface {
	// Limits returns the backend that counts for all nodes. It ends with the store.
	Limits() Backend
}

// Decision is the answer to a Take. The zero Decision refuses.
type Decision struct {
	// Allowed says whether the tokens were taken.
	Allowed bool
	// Tier is the tier that refused: of several the one with the longest wait. Empty if allowed.
	Tier Tier
	// RetryAfter is how long to wait, in whole microseconds, until the same
	// Take is allowed provided that nobody else takes: exactly that long is
	// enough, a microsecond less is not. Zero if allowed.
	RetryAfter time.Duration
	// Tiers tells how each tier stands after the decision, in the order of the asks.
	Tiers []Status
}

// Status is how one tier stands.
type Status struct {
	Ask
	// Remaining is how many more requests would be allowed now, from 0 to Limit.Burst.
	Remaining int64
	// Next is how long until Remaining grows, if nobody takes. Zero if it is Limit.Burst.
	Next time.Duration
	// Reset is how long until the key is as if never used, if nobody takes:
	// Remaining is then Limit.Burst, and no part of a token is missing.
	Reset time.Duration
	// Receipt is what Return needs. It is zero unless a token was taken.
	Receipt Receipt
}

// Receipt identifies a token taken, for Return.
type Receipt struct {
	At     int64 // when it was taken, in microseconds of the backend's clock
	Slot   int64 // SlidingWindow: the slot it was counted in
	Shared bool  // taken from a budget that keys beyond the backend's bound share
}

// Refuse returns the Decision for tiers of which at least one has nothing
// Remaining. It is for backends.
func Refuse(tiers []Status) Decision {
	d := Decision{Tiers: tiers}
	for i := range tiers {
		if s := &tiers[i]; s.Remaining == 0 && s.Next > d.RetryAfter {
			d.Tier, d.RetryAfter = s.Tier, s.Next
		}
	}
	return d
}
