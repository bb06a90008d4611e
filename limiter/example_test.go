package limiter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// An address may send two requests at once, and one more each second. The clock is one
// that the example moves.
func Example() {
	limit, err := limiter.ParseLimit([]string{"2", "1/s"})
	if err != nil {
		panic(err)
	}
	clock := faketime.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	backend := limiter.NewLocal(limiter.LocalOptions{Now: clock.Now})
	ask := limiter.Ask{
		Tier: limiter.IP, Scope: "shop", Key: limiter.IPKey(netip.MustParseAddr("192.0.2.7")), Limit: limit,
	}

	for range 3 {
		decision, err := backend.Take(context.Background(), ask)
		if err != nil {
			panic(err)
		}
		fmt.Println(decision.Allowed, decision.Tiers[0].Remaining, decision.RetryAfter)
		if !decision.Allowed { // answer 429, with these headers
			header := make(http.Header)
			decision.SetHeader(header, clock.Now())
			fmt.Println("Retry-After:", header.Get("Retry-After"))
		}
	}
	clock.Move(time.Second)
	decision, err := backend.Take(context.Background(), ask)
	fmt.Println(decision.Allowed, err)
	// Output:
	// true 1 0s
	// true 0 0s
	// false 0 1s
	// Retry-After: 1
	// true <nil>
}
