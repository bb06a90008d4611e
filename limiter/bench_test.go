package limiter_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// BenchmarkTake: hot keys are one key taken again and again, cold keys are
// each taken for the first time (the table being full of others).
func BenchmarkTake(b *testing.B) {
	backend := func() limiter.Backend { return limiter.NewLocal(limiter.LocalOptions{MaxKeys: 10_000}) }
	many := make([]string, 1<<16)
	for i := range many {
		many[i] = limiter.IPKey(address(uint32(i)))
	}
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		hot := limiter.Ask{Tier: limiter.IP, Scope: "shop", Key: "2001:db8::/64", Limit: mustLimit("1000000", "1000000/s", algorithm)}
		global := limiter.Ask{Tier: limiter.Global, Limit: hot.Limit}
		provider := limiter.Ask{Tier: limiter.Provider, Scope: "shop", Limit: hot.Limit}
		empty := hot
		empty.Limit = mustLimit("1", "1/h", algorithm)

		run := func(name string, asks ...limiter.Ask) {
			b.Run(algorithm+"/"+name, func(b *testing.B) {
				l := backend()
				b.ReportAllocs()
				for b.Loop() {
					_, _ = l.Take(b.Context(), asks...)
				}
			})
		}
		run("hot/1", hot)
		run("hot/2", provider, global)
		run("refused/1", empty)

		for _, fresh := range []bool{true, false} {
			name, cold := "cold/recycled", hot
			if !fresh {
				name, cold = "cold/shared", empty
			}
			b.Run(algorithm+"/"+name, func(b *testing.B) {
				l := backend()
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					cold.Key = many[n%len(many)]
					n++
					_, _ = l.Take(b.Context(), cold)
				}
			})
		}
		b.Run(algorithm+"/parallel/1", func(b *testing.B) {
			l := backend()
			var worker atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				own := hot
				own.Key = strconv.FormatInt(worker.Add(1), 10)
				asks := []limiter.Ask{own}
				for pb.Next() {
					_, _ = l.Take(b.Context(), asks...)
				}
			})
		})
		b.Run(algorithm+"/parallel/2", func(b *testing.B) {
			l := backend()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				asks := []limiter.Ask{provider, global}
				for pb.Next() {
					_, _ = l.Take(b.Context(), asks...)
				}
			})
		})
	}
}
