package redislimiter_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

// BenchmarkTake is what a webhook asks: the ip tier alone, then provider and
// global together, by one and by 64 at a time. Bytes and commands are Redis's
// own count.
func BenchmarkTake(b *testing.B) {
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		plenty := limit("1000000", "1000000/s", algorithm)
		tiers := map[string][]limiter.Ask{
			"ip":              {ip("2001:db8:1234:5678::/64", plenty)},
			"provider+global": {{Tier: limiter.Provider, Scope: "shop", Limit: plenty}, global(plenty)},
			"refused":         {ip("192.0.2.1", limit("1", "1/h", algorithm))},
		}
		for _, name := range []string{"ip", "provider+global", "refused"} {
			for _, callers := range []int{1, 64} {
				b.Run(fmt.Sprintf("%s/%s/%d", algorithm, name, callers), func(b *testing.B) { benchmarkTake(b, callers, tiers[name]) })
			}
		}
	}
}

func benchmarkTake(b *testing.B, callers int, asks []limiter.Ask) {
	s := redistest.Start(b)
	l := open(b, connect(b, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	admin := s.Client()
	take(b, l, asks...)
	before := counters(b, admin)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for range b.N/callers + min(1, max(0, b.N%callers-caller)) {
				_, _ = l.Take(b.Context(), asks...)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := counters(b, admin)
	for _, c := range []struct{ counter, unit string }{
		{"total_commands_processed", "commands/op"}, {"total_net_input_bytes", "B-sent/op"}, {"total_net_output_bytes", "B-received/op"},
	} {
		b.ReportMetric((after[c.counter]-before[c.counter])/float64(b.N), c.unit)
	}
	b.ReportMetric(1e6*(after["used_cpu_user"]+after["used_cpu_sys"]-before["used_cpu_user"]-before["used_cpu_sys"])/float64(b.N), "redis-µs/op")
	if l.Unavailable() != 0 {
		b.Errorf("%d were not answered", l.Unavailable())
	}
}

func counters(b *testing.B, r *redis.Client) map[string]float64 {
	b.Helper()
	info, err := r.Info(b.Context()).Result()
	if err != nil {
		b.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		all[name], _ = strconv.ParseFloat(value, 64)
	}
	return all
}

// BenchmarkMemory tells what a key takes in Redis.
func BenchmarkMemory(b *testing.B) {
	const keys = 20_000
	for _, c := range []struct {
		name  string
		limit limiter.Limit
		takes int
	}{
		{"token_bucket", limit("50", "1/h"), 1},
		{"sliding_window", limit("50", "1/h", "sliding_window"), 1},
		{"sliding_window_full", limit("32", "1/h", "sliding_window"), 32},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				s := redistest.Start(b)
				l := open(b, connect(b, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
				admin := s.Client()
				take(b, l, ip("first", c.limit))
				before := counters(b, admin)
				var wg sync.WaitGroup
				for caller := range 64 {
					wg.Go(func() {
						for i := caller; i < keys; i += 64 {
							for range c.takes {
								_, _ = l.Take(b.Context(), ip(fmt.Sprintf("2001:db8:1234:%x::/64", i), c.limit))
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric((counters(b, admin)["used_memory"]-before["used_memory"])/keys, "B/key")
				s.Kill()
			}
		})
	}
}
