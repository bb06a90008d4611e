package intake

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// Limits bound how many webhooks come in. A zero limit is none.
type Limits struct {
	// IP limits each client address, Provider the endpoint, and Global all endpoints together. Provider
	// and Global count verified webhooks only.
	IP, Provider, Global limiter.Limit

	// Backend counts them.
	Backend func() limiter.Backend

	// Own counts instead while the backend cannot. nil: then there are no limits or, with Deny, no
	// webhooks.
	Own  limiter.Backend
	Deny bool
}

// limitAddress takes a token of the client's address.
func (e *Endpoint) limitAddress(in *Inbound) *reply {
	if e.Limits.IP == (limiter.Limit{}) {
		return nil
	}
	return e.take(in, limiter.Ask{
		Tier: limiter.IP, Scope: e.Name, Key: limiter.IPKey(in.clientIP), Limit: e.Limits.IP,
	})
}

// limitVerified takes a token of the endpoint and one of the whole proxy, or neither. If one is missing,
// the client's own token is given back.
func (e *Endpoint) limitVerified(in *Inbound) *reply {
	var asks []limiter.Ask
	if e.Limits.Provider != (limiter.Limit{}) {
		asks = append(asks, limiter.Ask{Tier: limiter.Provider, Scope: e.Name, Limit: e.Limits.Provider})
	}
	if e.Limits.Global != (limiter.Limit{}) {
		asks = append(asks, limiter.Ask{Tier: limiter.Global, Limit: e.Limits.Global})
	}
	if len(asks) == 0 {
		return nil
	}
	taken, from := in.taken, in.takenFrom
	a := e.take(in, asks...)
	if a != nil && taken.Allowed {
		if err := from.Return(in.r.Context(), taken); err != nil {
			e.Logger.Warn("giving a token back", zap.Error(err))
		}
	}
	return a
}

// take asks for tokens.
func (e *Endpoint) take(in *Inbound, asks ...limiter.Ask) *reply {
	in.takenFrom = e.Limits.Backend()
	decision, err := in.takenFrom.Take(in.r.Context(), asks...)
	if err != nil {
		in.limitErrors++
		e.Logger.Debug("rate limits cannot be checked", zap.String("endpoint", e.Name), zap.Error(err))
		if e.Limits.Deny {
			return unavailable(retrySoon, "rate_limits_unavailable", err)
		}
		if e.Limits.Own != nil {
			in.takenFrom = e.Limits.Own
			decision, err = in.takenFrom.Take(in.r.Context(), asks...)
		}
	}
	if err != nil {
		// Limits keep excess out. If they cannot be checked, webhooks pass.
		in.taken = limiter.Decision{}
		return nil
	}
	in.taken = decision
	if decision.Allowed {
		return nil
	}
	a := &reply{
		code: http.StatusTooManyRequests, word: OutcomeRateLimited,
		message: "too many webhooks; send it again later",
		tier:    string(decision.Tier),
		header:  make(http.Header),
	}
	decision.SetHeader(a.header, e.Now())
	return a
}
