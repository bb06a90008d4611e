package limiter_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func TestSetHeader(t *testing.T) {
	now := time.Unix(1_700_000_000, 250_000_000)
	l, _ := newBounded(100)
	shop := ask("shop", "a", mustLimit("2", "0.4/s"))
	global := limiter.Ask{Tier: limiter.Global, Limit: mustLimit("100", "20/s", "sliding_window")}
	zero := limiter.Decision{}
	for _, c := range []struct {
		name string
		d    limiter.Decision
		want map[string]string
	}{
		{"tightest", take(t, l, global, shop), map[string]string{
			"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1700000003",
			"RateLimit":        `"global";r=99;t=6, "ip";r=1;t=3`,
			"RateLimit-Policy": `"global";q=100;w=5, "ip";q=2;w=5`,
		}},
		{"the last one", take(t, l, shop), map[string]string{
			"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000006",
			"RateLimit": `"ip";r=0;t=3`, "RateLimit-Policy": `"ip";q=2;w=5`,
		}},
		{"refused", take(t, l, global, shop), map[string]string{
			"Retry-After":       "3",
			"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000006",
			"RateLimit":        `"global";r=99;t=6, "ip";r=0;t=3`,
			"RateLimit-Policy": `"global";q=100;w=5, "ip";q=2;w=5`,
		}},
		{"refused by the longer wait", limiter.Refuse([]limiter.Status{
			{Ask: shop, Next: time.Second, Reset: 2 * time.Second},
			{Ask: global, Next: time.Second + 1, Reset: 3 * time.Second},
			{Ask: limiter.Ask{Tier: limiter.Provider, Limit: shop.Limit}, Remaining: 2},
		}), map[string]string{
			"Retry-After":       "2",
			"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000004",
			"RateLimit":        `"ip";r=0;t=1, "global";r=0;t=2, "provider";r=2`,
			"RateLimit-Policy": `"ip";q=2;w=5, "global";q=100;w=5, "provider";q=2;w=5`,
		}},
		{"beyond 15 digits", take(t, l, limiter.Ask{Tier: limiter.Provider, Limit: mustLimit("4503599627370496", "1000000/s")}), map[string]string{
			"X-RateLimit-Limit": "4503599627370496", "X-RateLimit-Remaining": "4503599627370495", "X-RateLimit-Reset": "1700000001",
			"RateLimit": `"provider";r=999999999999999;t=1`, "RateLimit-Policy": `"provider";q=999999999999999;w=4503599628`,
		}},
		{"of equals the first", limiter.Decision{Allowed: true, Tiers: []limiter.Status{{Ask: shop, Remaining: 2}, {Ask: global, Remaining: 2}}}, map[string]string{
			"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "1700000001",
			"RateLimit": `"ip";r=2, "global";r=2`, "RateLimit-Policy": `"ip";q=2;w=5, "global";q=100;w=5`,
		}},
		{"no tier", limiter.Decision{Allowed: true}, map[string]string{}},
		{"zero", zero, map[string]string{}},
	} {
		header, want := http.Header{}, http.Header{}
		for name, value := range c.want {
			want.Set(name, value)
			if name != "Retry-After" {
				header.Set(name, "old")
			}
		}
		c.d.SetHeader(header, now)
		if !maps.EqualFunc(header, want, func(a, b []string) bool { return len(a) == 1 && a[0] == b[0] }) {
			t.Errorf("%s:\n got %v\nwant %v", c.name, header, want)
		}
	}
}

// At the end of what a Duration holds.
func TestSetHeaderFar(t *testing.T) {
	l, _ := newBounded(1)
	far := limiter.Ask{Tier: limiter.Global, Limit: mustLimit("1", "1/1250999h")}
	take(t, l, far)
	header := http.Header{}
	take(t, l, far).SetHeader(header, time.Unix(1_700_000_000, 0))
	if header.Get("Retry-After") != "4503596400" || header.Get("X-RateLimit-Reset") != "6203596400" {
		t.Error(header)
	}
}
