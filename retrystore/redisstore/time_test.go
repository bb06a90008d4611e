package redisstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// By the real clock: leases lapse, retries become due, holds and keys end.
func TestRealTime(t *testing.T) {
	t.Parallel()
	s := newStore(t, redistest.Start(t), Options{})
	const short = 100 * time.Millisecond
	began := time.Now()
	taken := func(what string) {
		t.Helper()
		var got []*retrystore.Delivery
		eventually(t, 20*time.Second, func() error {
			if got = claim(t, s, 1); len(got) == 0 {
				return fmt.Errorf("%s is not there", what)
			}
			return nil
		})
		if waited := time.Since(began); waited < short {
			t.Errorf("%s came after %s, want %s", what, waited, short)
		}
		began = time.Now()
		if err := s.Settle(t.Context(), got[0], retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: began.Add(short)}); err != nil {
			t.Fatal(err)
		}
	}
	accept(t, s, "1", short)
	taken("the lapsed lease")
	taken("the retry")

	began = time.Now()
	if _, err := s.HoldKey(t.Context(), testKey("hold"), short); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		h, err := s.HoldKey(t.Context(), testKey("hold"), short)
		if err == nil && h.State != retrystore.HoldGranted {
			err = fmt.Errorf("state %d", h.State)
		}
		return err
	})
	sub := submission("key", 0)
	sub.KeyTTL = short
	if _, err := s.Accept(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		r, err := s.Accept(t.Context(), submission("key", 0))
		if err == nil && r.Duplicate {
			err = errors.New("the key is remembered")
		}
		return err
	})
	if waited := time.Since(began); waited < 2*short {
		t.Errorf("a hold and a key of %s each ended after %s", short, waited)
	}
}

// A server's clock that differs from ours changes no lease and no delay.
func TestClock(t *testing.T) {
	var c clock
	now := time.UnixMilli(1_000_000)
	c.see(now.UnixMilli()+5, now, now.Add(time.Millisecond))
	if got := c.local(1_000_100); !got.Equal(time.UnixMilli(1_000_100)) {
		t.Errorf("a difference of 5 ms is corrected: %s", got)
	}
	c.see(now.UnixMilli()+60_000, now, now.Add(10*time.Millisecond))
	if got := c.local(1_060_000).Sub(now).Abs(); got > 50*time.Millisecond {
		t.Errorf("a server a minute ahead: its now is %s from ours", got)
	}
	before := c.local(1_060_000)
	c.see(now.UnixMilli()+60_010, now, now.Add(30*time.Millisecond))
	if got := c.local(1_060_000); !got.Equal(before) {
		t.Errorf("the same time read twice is %s and %s", before, got)
	}
}
