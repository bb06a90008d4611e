//go:build linux

package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// TestClock: a redis-server reads the clock that jumps.
func TestClock(t *testing.T) {
	w := &world{plan: &Plan{Store: storeRedis}, dir: filepath.Join(t.TempDir(), "run"), books: oracle.NewBooks(), over: t.Context()}
	t.Cleanup(w.close)
	if err := w.bendClock(); err != nil {
		t.Fatal(err)
	}
	if w.clock == nil {
		t.Fatalf("the clock cannot be bent: %v", w.told)
	}
	client := redistest.Start(t).Client()
	for _, by := range []time.Duration{0, time.Hour, -30 * time.Minute} {
		before, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.clock.Step(by); err != nil {
			t.Fatal(err)
		}
		after, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if moved := after.Sub(before); moved < by || moved > by+time.Minute {
			t.Errorf("after a jump of %s its clock had moved by %s", by, moved)
		}
	}
}
