package intake

import (
	"testing"
	"time"
)

func TestBodyTime(t *testing.T) {
	b := Body{Time: 30 * time.Second}
	for arrived, want := range map[int64]time.Duration{0: 30, 1: 30, 1 << 20: 30, 2 << 20: 38, 25 << 20: 222, 1 << 30: 30 + 8*1023} {
		if got := b.allowed(arrived); got != want*time.Second {
			t.Errorf("%d bytes have %s: want %s", arrived, got, want*time.Second)
		}
	}
}
