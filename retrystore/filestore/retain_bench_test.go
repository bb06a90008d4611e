package filestore

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// BenchmarkRetain is BenchmarkAcceptSettle/64 with what was delivered kept, of
// which the oldest go.
func BenchmarkRetain(b *testing.B) {
	for name, r := range map[string]retrystore.Retention{
		"off": {}, "on": {Count: 10_000}, "bodies": {Count: 10_000, Bodies: true},
	} {
		b.Run(name, func(b *testing.B) {
			s := benchOpen(b, filepath.Join(b.TempDir(), "s.db"))
			s.Retain(r)
			b.SetParallelism(32)
			cpu := cpuTime()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchPass(b, s)
				}
			})
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func benchPass(b *testing.B, s *Store) {
	d := benchAccept(b, s, time.Minute)
	if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}}); err != nil {
		b.Error(err)
	}
}

// BenchmarkRetained looks at a million events that are kept: what they take, the
// time to open the file, to list and show, and to drop them all. Run it alone
// (-bench Retained -benchtime 1x).
func BenchmarkRetained(b *testing.B) {
	const n = 1_000_000
	path := filepath.Join(b.TempDir(), "s.db")
	keepMany(b, path, n)
	if info, err := os.Stat(path); err == nil {
		b.Logf("file: %d B for each", info.Size()/n)
	}
	for b.Loop() {
		took := time.Now()
		step := func(what string) {
			b.Logf("%s: %s", what, time.Since(took).Round(10*time.Microsecond))
			took = time.Now()
		}
		// The keys expire in a day: without them memory shows what is kept.
		s, err := Open(path, Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
		if err != nil {
			b.Fatal(err)
		}
		step("open")
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.Logf("heap: %d KiB, %s", m.HeapAlloc>>10, residentSet())
		took = time.Now()
		page, err := s.List(b.Context(), onlyDelivered, "", 50)
		if err != nil || len(page.Deliveries) != 50 {
			b.Fatal(len(page.Deliveries), err)
		}
		step("list of 50")
		if _, err := s.List(b.Context(), retrystore.Filter{EventID: "none"}, "", 50); err != nil {
			b.Fatal(err)
		}
		step("a page that finds nothing")
		if _, err := s.Get(b.Context(), page.Deliveries[0].ID); err != nil {
			b.Fatal(err)
		}
		step("get")
		s.Retain(retrystore.Retention{})
		for most := time.Duration(0); ; {
			began := time.Now()
			benchPass(b, s)
			most = max(most, time.Since(began))
			if p, err := s.List(b.Context(), onlyDelivered, "", 1); err != nil || len(p.Deliveries) == 0 {
				b.Logf("an Accept meanwhile took %s at most", most.Round(time.Millisecond))
				break
			}
		}
		step("drop all")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// keepMany makes a file with n events that are kept.
func keepMany(b *testing.B, path string, n int64) {
	s, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s.Retain(retrystore.Retention{Count: int(n)})
	var left atomic.Int64
	left.Store(n)
	var wg sync.WaitGroup
	for range 512 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				benchPass(b, s)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
