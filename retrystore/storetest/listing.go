package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// rarely is how many records there are for each one that the rare filters of
// BenchmarkListing select.
const rarely = 1000

// BenchmarkListing fills the store with that many deliveries, a quarter of them
// dead letters, and measures what people and scrapes ask of it. The metric
// max-ms is the slowest single call, pages/op how many it took to see all that a
// filter selects, and none was left out.
func BenchmarkListing(b *testing.B, s retrystore.Store, records int) {
	begun := time.Now()
	someID := fillListing(b, s, records)
	b.Logf("%d deliveries stored in %s", records, time.Since(begun).Round(time.Second))

	middle := ""
	for i := 0; i < records/2000; i++ {
		page, err := s.List(b.Context(), retrystore.Filter{}, middle, 1000)
		if err != nil {
			b.Fatal(err)
		}
		middle = page.Next
	}
	call := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			slowest := time.Duration(0)
			for b.Loop() {
				began := time.Now()
				if err := do(); err != nil {
					b.Fatal(err)
				}
				slowest = max(slowest, time.Since(began))
			}
			b.ReportMetric(slowest.Seconds()*1000, "max-ms")
		})
	}
	for _, limit := range []int{50, 1000} {
		for name, cursor := range map[string]string{"first": "", "middle": middle} {
			call(fmt.Sprintf("%s/%d", name, limit), func() error {
				page, err := s.List(b.Context(), retrystore.Filter{}, cursor, limit)
				if err == nil && len(page.Deliveries) != limit {
					err = fmt.Errorf("%d deliveries on a page of %d", len(page.Deliveries), limit)
				}
				return err
			})
		}
	}
	call("get", func() error { _, err := s.Get(b.Context(), someID); return err })
	call("stats", func() error { _, err := s.Stats(b.Context()); return err })

	states := func(s ...retrystore.State) retrystore.Filter { return retrystore.Filter{States: s} }
	for _, test := range []struct {
		name   string
		filter retrystore.Filter
		want   int // of all
	}{
		{"state=dead", states(retrystore.Dead), records / 4},
		{"state=leased", states(retrystore.Leased), 0},
		{"endpoint", retrystore.Filter{Endpoint: "rare"}, records / rarely},
		{"destination", retrystore.Filter{Destination: "rare"}, records / rarely},
		{"type", retrystore.Filter{EventType: "rare"}, records / rarely},
		{"event_id", retrystore.Filter{EventID: "evt_0"}, 1},
	} {
		b.Run("filter/"+test.name, func(b *testing.B) { benchFilter(b, s, test.filter, test.want) })
	}
}

// benchFilter follows the cursors from the newest delivery to the oldest.
func benchFilter(b *testing.B, s retrystore.Store, f retrystore.Filter, want int) {
	slowest, pages := time.Duration(0), 0
	for b.Loop() {
		found := 0
		for cursor := ""; ; {
			began := time.Now()
			page, err := s.List(b.Context(), f, cursor, 1000)
			if err != nil {
				b.Fatal(err)
			}
			slowest = max(slowest, time.Since(began))
			pages++
			found += len(page.Deliveries)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if found != want {
			b.Fatalf("found %d, want %d", found, want)
		}
	}
	b.ReportMetric(slowest.Seconds()*1000, "max-ms")
	b.ReportMetric(float64(pages)/float64(b.N), "pages/op")
}

// fillListing stores the deliveries from many goroutines, as requests would, and
// returns the id of one.
func fillListing(b *testing.B, s retrystore.Store, records int) (someID string) {
	b.Helper()
	var made, failed atomic.Int64
	var wg sync.WaitGroup
	var some atomic.Value
	for range 256 {
		wg.Go(func() {
			for i := made.Add(1) - 1; i < int64(records) && failed.Load() == 0; i = made.Add(1) - 1 {
				d, err := storeListed(b, s, int(i))
				if err != nil {
					if failed.Add(1) == 1 {
						b.Error(err)
					}
					return
				}
				if int(i) == records/2 {
					some.Store(d.ID)
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return some.Load().(string)
}

func storeListed(b *testing.B, s retrystore.Store, i int) (*retrystore.Delivery, error) {
	endpoint, destination, kind, isDead := fmt.Sprint("shop", i%8), "app", fmt.Sprint("invoice.", i%16), i%4 == 3
	switch i % rarely {
	case 1:
		endpoint = "rare"
	case 2:
		destination = "rare"
	case 5:
		kind = "rare"
	}
	var k retrystore.Key
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	copy(k[:], sum[:])
	target := retrystore.Target{Destination: destination, Priority: 5}
	if isDead {
		target.Lease = time.Minute
	}
	r, err := s.Accept(b.Context(), &retrystore.Submission{
		Key: k, KeyTTL: 24 * time.Hour, Targets: []retrystore.Target{target},
		Event: &retrystore.Event{
			Endpoint: endpoint, Provider: "stripe", EventID: fmt.Sprint("evt_", i), EventType: kind,
			CorrelationID: fmt.Sprint("c", i), ReceivedAt: time.Now().Truncate(time.Millisecond), Method: "POST", Scheme: "https",
			Host: "hooks.example.com", URI: "/hooks", Proto: "HTTP/1.1", RemoteAddr: "192.0.2.1:443",
			Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"paid":true}`),
		},
	})
	if err != nil {
		return nil, err
	}
	d := r.Deliveries[0]
	if isDead {
		err = s.Settle(b.Context(), d, retrystore.Settlement{
			State: retrystore.Dead, Reason: "max_attempts", Attempt: retrystore.Attempt{At: time.Now(), Status: 500, Answer: []byte("no")},
		})
	}
	return d, err
}
