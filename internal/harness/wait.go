package harness

import (
	"testing"
	"time"
)

// Patience is how long tests wait for what must happen. It is long, so that a busy machine fails no test.
const Patience = 20 * time.Second

// Eventually polls for something that only the store knows.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	EventuallyWithin(t, Patience, what, ok)
}

// EventuallyWithin is Eventually with another limit.
func EventuallyWithin(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
