package pace

import (
	"math"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func TestNew(t *testing.T) {
	for text, want := range map[string]struct {
		perSecond float64
		burst     int
	}{
		"1/h": {1.0 / 3600, 1}, "9/s": {9, 1}, "600/m": {10, 1}, "1000/s": {1000, 100},
	} {
		r, err := limiter.ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := New(r); math.Abs(float64(got.Limit())-want.perSecond) > 1e-9 || got.Burst() != want.burst {
			t.Errorf("%s: %v a second, %d at once, want %+v", text, got.Limit(), got.Burst(), want)
		}
	}
}
