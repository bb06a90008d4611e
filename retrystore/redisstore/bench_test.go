package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/storetest"
)

// BenchmarkAccept stores events of 1 KiB; BenchmarkAcceptSettle delivers them
// too, the happy path. The metrics are per event: script runs and all commands,
// those within scripts included, as the server counts them, and bytes to and
// from the server.
func BenchmarkAccept(b *testing.B)       { benchmark(b, false) }
func BenchmarkAcceptSettle(b *testing.B) { benchmark(b, true) }

func benchmark(b *testing.B, settle bool) {
	for _, writers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			server := redistest.Start(b)
			s, probe := benchStore(b, server, Options{}), server.Client()
			before := usage(b, probe)
			var made atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := made.Add(1); i <= int64(b.N); i = made.Add(1) {
						r, err := s.Accept(b.Context(), benchSubmission(i))
						if err == nil && settle {
							err = s.Settle(b.Context(), r.Deliveries[0], retrystore.Settlement{State: retrystore.Delivered})
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			after := usage(b, probe)
			for unit := range after {
				if unit != "used_memory" {
					b.ReportMetric((after[unit]-before[unit])/float64(b.N), unit+"/op")
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRetain is BenchmarkAcceptSettle with what was delivered kept, of which
// the oldest go. It says what each that is kept takes, too.
func BenchmarkRetain(b *testing.B) {
	for _, bodies := range []bool{false, true} {
		b.Run(fmt.Sprintf("bodies=%v", bodies), func(b *testing.B) {
			server := redistest.Start(b)
			s, probe := benchStore(b, server, Options{}), server.Client()
			const count = 100_000
			pass := func(from, n int64) {
				var made atomic.Int64
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for i := made.Add(1); i <= n; i = made.Add(1) {
							r, err := s.Accept(b.Context(), benchSubmission(from+i))
							if err == nil {
								err = s.Settle(b.Context(), r.Deliveries[0], delivered)
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			}
			pass(0, count) // whose keys are not to be counted
			empty := usage(b, probe)["used_memory"]
			s.Retain(retrystore.Retention{Count: count, Bodies: bodies})
			pass(count, count)
			full := usage(b, probe)["used_memory"]
			before := usage(b, probe)
			b.ResetTimer()
			pass(2*count, int64(b.N))
			b.StopTimer()
			after := usage(b, probe)
			b.ReportMetric((after["redis-µs"]-before["redis-µs"])/float64(b.N), "redis-µs/op")
			b.ReportMetric((after["commands"]-before["commands"])/float64(b.N), "commands/op")
			b.ReportMetric((after["scripts"]-before["scripts"])/float64(b.N), "scripts/op")
			b.ReportMetric((full-empty)/count, "B/kept+key")
		})
	}
}

// BenchmarkMemory measures what 100 000 events take in Redis, per event:
// pending, and settled with nothing left but the key.
func BenchmarkMemory(b *testing.B) {
	const events = 100_000
	for b.Loop() {
		server := redistest.Start(b)
		s, probe := benchStore(b, server, Options{}), server.Client()
		store := func(from int64, lease time.Duration, then func(*retrystore.Delivery)) float64 {
			before := usage(b, probe)["used_memory"]
			var made atomic.Int64
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					for i := made.Add(1); i <= events; i = made.Add(1) {
						sub := benchSubmission(from + i)
						sub.Targets[0].Lease = lease
						r, err := s.Accept(b.Context(), sub)
						if err != nil {
							b.Error(err)
							return
						}
						then(r.Deliveries[0])
					}
				})
			}
			wg.Wait()
			return (usage(b, probe)["used_memory"] - before) / events
		}
		settled := store(0, time.Minute, func(d *retrystore.Delivery) {
			if err := s.Settle(b.Context(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
				b.Error(err)
			}
		})
		pending := store(events, 0, func(*retrystore.Delivery) {})
		b.ReportMetric(settled, "B/key")
		b.ReportMetric(pending-settled, "B/pending")
	}
}

func benchStore(b *testing.B, server *redistest.Server, o Options) *Store {
	c := client(server)
	s := open(b, c, o)
	b.Cleanup(func() { _ = s.Close(); _ = c.Close() })
	return s
}

// benchBody is about what providers send.
var benchBody = func() []byte {
	var b strings.Builder
	b.WriteString(`{"id":"evt_1","object":"event","data":{"items":[`)
	for i := 0; b.Len() < 1000; i++ {
		sum := sha256.Sum256([]byte{byte(i)})
		fmt.Fprintf(&b, `{"price":"price_%x","quantity":%d},`, sum[:6], i)
	}
	return append([]byte(b.String()[:1019]), "0]}}}"...)
}()

func benchSubmission(i int64) *retrystore.Submission {
	var k retrystore.Key
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	copy(k[:], sum[:])
	return &retrystore.Submission{
		Key: k, KeyTTL: 24 * time.Hour, MaxPending: 1_000_000,
		Event: &retrystore.Event{
			Endpoint: "stripe", Provider: "stripe", EventID: fmt.Sprint("evt_", i), EventType: "invoice.paid",
			CorrelationID: "3b241101-e2bb-4255-8caf-4136c566a962", ReceivedAt: time.Now().Truncate(time.Millisecond),
			Method: "POST", Scheme: "https", Host: "hooks.example.com", URI: "/hooks/stripe", Proto: "HTTP/1.1", RemoteAddr: "192.0.2.1:443",
			Header: http.Header{
				"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
				"Stripe-Signature": {"t=1492774577,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"},
			},
			Body: benchBody,
		},
		Targets: []retrystore.Target{{Destination: "app", Priority: 5, Lease: time.Minute}},
	}
}

// usage reads what the server counts.
func usage(b testing.TB, c *redis.Client) map[string]float64 {
	b.Helper()
	values := map[string]float64{"scripts": 0, "commands": 0}
	for _, section := range []string{"memory", "cpu", "stats", "commandstats"} {
		info, err := c.Info(context.Background(), section).Result()
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			n, _ := strconv.ParseFloat(value, 64)
			switch name {
			case "used_memory":
				values["used_memory"] = n
			case "used_cpu_user", "used_cpu_sys":
				values["redis-µs"] += n * 1e6
			case "total_net_input_bytes":
				values["B-in"] = n
			case "total_net_output_bytes":
				values["B-out"] = n
			}
			if command, ok := strings.CutPrefix(name, "cmdstat_"); ok && command != "info" {
				calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
				n, _ := strconv.ParseFloat(calls, 64)
				values["commands"] += n
				if strings.HasPrefix(command, "eval") {
					values["scripts"] += n
				}
			}
		}
	}
	return values
}

// BenchmarkMillion measures lists and counts over a million deliveries, for
// which the server takes a gigabyte of memory.
func BenchmarkMillion(b *testing.B) {
	server := redistest.Start(b)
	// On a busy machine it measures the time, instead of giving up.
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true, ReadTimeout: time.Minute})
	defer c.Close()
	s := open(b, c, Options{Timeout: time.Minute})
	defer s.Close()
	storetest.BenchmarkListing(b, s, 1_000_000)
}
