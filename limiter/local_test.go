package limiter_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/limitertest"
)

func newLocal(_ testing.TB, now func() time.Time) limiter.Backend {
	return limiter.NewLocal(limiter.LocalOptions{Now: now})
}

func TestLocal(t *testing.T) { limitertest.Run(t, newLocal) }

func FuzzLocal(f *testing.F) {
	f.Add([]byte("a script of takes, returns, steps and changes"))
	f.Fuzz(func(t *testing.T, script []byte) { limitertest.Play(t, newLocal, script) })
}

// The default clock is the process's.
func TestLocalDefaultClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter.NewLocal(limiter.LocalOptions{})
		one := ask("", "a", mustLimit("1", "1/h"))
		take(t, l, one)
		d := take(t, l, one)
		if d.Allowed || d.RetryAfter != time.Hour {
			t.Fatalf("%+v", d)
		}
		time.Sleep(d.RetryAfter)
		if d := take(t, l, one); !d.Allowed {
			t.Fatalf("%+v", d)
		}
	})
}

// Many keys that share the budgets of two tiers at once, in any order: no
// deadlock, and together exactly one budget.
func TestSharedBudgetConcurrent(t *testing.T) {
	l, _ := newBounded(1)
	first := limiter.Ask{Tier: limiter.Provider, Key: "first", Limit: mustLimit("1000", "1/h")}
	take(t, l, ask("", "first", first.Limit), first)
	var granted atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 300 {
				key := strconv.Itoa(worker*1000 + n)
				asks := []limiter.Ask{ask("", key, mustLimit("700", "1/h")), {Tier: limiter.Provider, Key: key, Limit: first.Limit}}
				if n%2 == 0 {
					asks[0], asks[1] = asks[1], asks[0]
				}
				d, err := l.Take(t.Context(), asks...)
				switch {
				case err != nil:
					t.Error(err)
				case d.Allowed && n%7 == 0:
					_ = l.Return(t.Context(), d)
				case d.Allowed:
					granted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if granted.Load() != 700 || l.Len() != 4 {
		t.Errorf("%d are granted, want 700; %d keys", granted.Load(), l.Len())
	}
}
