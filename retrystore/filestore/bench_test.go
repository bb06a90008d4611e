package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
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
