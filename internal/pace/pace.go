// Package pace spreads work over time.
package pace

import (
	"golang.org/x/time/rate"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// New returns a limiter that lets r through, and at once no more than a tenth of a second's worth of it, but
// at least one.
func New(r limiter.Rate) *rate.Limiter {
	count, micros := r.Fraction()
	perSecond := float64(count) / float64(micros) * 1e6
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/10)))
}
