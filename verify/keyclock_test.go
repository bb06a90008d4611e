package verify

import (
	"testing"
	"time"
	"unsafe"
)

// wallStep moves the wall clock of a reading on, and not its monotonic clock: as when the
// machine was suspended, or the clock was set.
func wallStep(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	moved := at.Add(by)
	(*[2]int64)(unsafe.Pointer(&moved))[1] -= int64(by) // there the monotonic reading is
	if moved.Sub(at) != 0 || moved.Round(0).Sub(at.Round(0)) != by {
		t.Fatal("this Go keeps times in another way: this test shows nothing")
	}
	return moved
}

// TestKeyAgeByBothClocks: a key grows no older than it may, whichever clock stands still or is put back.
func TestKeyAgeByBothClocks(t *testing.T) {
	now := time.Now()
	expires := now.Add(time.Hour)
	for _, test := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"before", now.Add(59 * time.Minute), false},
		{"at that time", now.Add(time.Hour), true},
		{"after a suspend", wallStep(t, now.Add(time.Minute), 2*time.Hour), true},
		{"a short suspend", wallStep(t, now.Add(time.Minute), time.Minute), false},
		{"put back, before", wallStep(t, now.Add(59*time.Minute), -5*time.Hour), false},
		{"put back, after", wallStep(t, now.Add(61*time.Minute), -5*time.Hour), true},
	} {
		if got := reached(test.now, expires); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestKeyClockIsSet: keys outlive the key server in its outage for as long as they may, and
// after a suspend that was longer none is good, and they are fetched again at once.
func TestKeyClockIsSet(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a"))
	s.clock.Set(time.Now())
	s.want(t, "a", "", 1)
	s.clock.Set(wallStep(t, s.clock.Now().Add(time.Minute), maxKeyAge+maxStaleness))
	s.want(t, "a", "", 2) // fetched again, since it was too old to be used
	s.clock.Set(wallStep(t, s.clock.Now().Add(time.Minute), -1000*time.Hour))
	s.want(t, "a", "", 2)
	s.clock.Move(maxKeyAge + time.Minute)
	s.want(t, "a", "", 3)
}
