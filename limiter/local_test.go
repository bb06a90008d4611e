package limiter_test

import (
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
