package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/storetest"
)

var benchLane = retrystore.Lane{Endpoint: "shop", Destination: "app"}

func benchEvent() *retrystore.Event {
	return &retrystore.Event{
		Endpoint: "shop", Provider: "stripe", EventID: "evt_1NG8Du2eZvKYlo2CUI79vXWy", EventType: "invoice.payment_succeeded",
		CorrelationID: "5f1f0f8e-4f0a-4d9b-9d55-0b6f6f6c1c5e", ReceivedAt: time.Now(), Method: "POST", Scheme: "https",
		Host: "hooks.example.com", URI: "/hooks/stripe", Proto: "HTTP/2.0", RemoteAddr: "192.0.2.7:41234",
		Header: http.Header{
			"Content-Type":     {"application/json; charset=utf-8"},
			"Stripe-Signature": {"t=1700000000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"},
			"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
			"Accept":           {"*/*; q=0.5, application/xml"},
			"Content-Length":   {"1024"},
		},
		Body: bytes.Repeat([]byte("x"), 1024),
	}
}

var benchKey atomic.Uint64

func nextKey() (k retrystore.Key) {
	// Real keys are hashes: spread them like those.
	binary.BigEndian.PutUint64(k[:], benchKey.Add(1)*0x9E3779B97F4A7C15)
	k[15] = 1
	return k
}

func benchOpen(b *testing.B, path string) *Store {
	s, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func benchAccept(b *testing.B, s *Store, lease time.Duration) *retrystore.Delivery {
	r, err := s.Accept(context.Background(), &retrystore.Submission{
		Key: nextKey(), KeyTTL: 24 * time.Hour, Event: benchEvent(),
		Targets: []retrystore.Target{{Destination: "app", Lease: lease}},
	})
	if err != nil {
		b.Error(err)
		return nil
	}
	return r.Deliveries[0]
}

func BenchmarkAccept(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := benchOpen(b, filepath.Join(b.TempDir(), "s.db"))
			b.SetParallelism((n + 1) / 2) // times GOMAXPROCS, 2 where this was tuned
			if n == 1 {
				for b.Loop() {
					benchAccept(b, s, 0)
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchAccept(b, s, 0)
				}
			})
		})
	}
}

func BenchmarkAcceptSettle(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := benchOpen(b, filepath.Join(b.TempDir(), "s.db"))
			b.SetParallelism((n + 1) / 2)
			settle := retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}}
			b.ReportAllocs()
			cpu := cpuTime()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					d := benchAccept(b, s, time.Minute)
					if err := s.Settle(context.Background(), d, settle); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func BenchmarkClaim(b *testing.B) {
	s := benchOpen(b, filepath.Join(b.TempDir(), "s.db"))
	fill(b, s, 20_000)
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: min(32, b.N-done), MaxRetries: 32, Lease: time.Hour})
		if err != nil || len(c.Deliveries) == 0 {
			b.Fatal(len(c.Deliveries), err)
		}
		done += len(c.Deliveries)
		for _, d := range c.Deliveries {
			if err := s.Release(ctx, d); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// fill accepts n events, pending.
func fill(b *testing.B, s *Store, n int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 512 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				benchAccept(b, s, 0)
			}
		})
	}
	wg.Wait()
}

// BenchmarkOpen opens a file with 100 000 events of 1 KiB pending. Run it alone
// (-bench Open) for a meaningful resident set.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "s.db")
	s := benchOpen(b, path)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fill(b, s, n)
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	b.Logf("%d pending: %.0f B of heap each, %s", n, float64(after.HeapAlloc-before.HeapAlloc)/n, residentSet())
	s.Close()
	if info, err := os.Stat(path); err == nil {
		b.Logf("file: %d MiB", info.Size()>>20)
	}
	for b.Loop() {
		s, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if stats, err := s.Stats(context.Background()); err != nil || stats.Lanes[0].Pending != n {
			b.Fatal(stats, err)
		}
		b.StopTimer()
		debug.FreeOSMemory()
		b.Logf("opened: %s", residentSet())
		s.Close()
		b.StartTimer()
	}
}

// BenchmarkKey tells what a remembered key costs in memory.
func BenchmarkKey(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				keys := new(keyIndex)
				for range n {
					keys.set(nextKey(), rememberedKey{expiry: 1})
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/key")
				runtime.KeepAlive(keys)
			}
		})
	}
}

// residentSet describes the memory of this process, where that is known.
func residentSet() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "resident set unknown"
	}
	var out []string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "Rss") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}

// BenchmarkMillion measures lists and counts over a million deliveries, for
// which it takes half a gigabyte of disk and of memory.
func BenchmarkMillion(b *testing.B) {
	storetest.BenchmarkListing(b, benchOpen(b, filepath.Join(b.TempDir(), "s.db")), 1_000_000)
	b.Log(residentSet())
}
