package intake

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestStoreWaits looks at when waits end, one that begins every 100 ms.
func TestStoreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits Waits
		contexts := 0
		var last any
		for range 100 {
			ctx := waits.Now()
			deadline, _ := ctx.Deadline()
			if left := time.Until(deadline); left < storeTime || left > storeTime+time.Second {
				t.Errorf("a wait of %s", left)
			}
			if ctx != last {
				contexts, last = contexts+1, ctx
			}
			time.Sleep(100 * time.Millisecond)
		}
		if contexts > 10 {
			t.Errorf("%d contexts in 10 s", contexts)
		}
		ctx := waits.Now()
		time.Sleep(storeTime + time.Second)
		if ctx.Err() == nil {
			t.Error("a wait does not end")
		}
		if waits.Now().Err() != nil {
			t.Error("a wait had ended before it began")
		}
		time.Sleep(storeTime + time.Second) // for the timers
	})
}

// TestServing waits for the work that is going on, and no longer than its context.
func TestServing(t *testing.T) {
	var s Serving
	s.Wait(t.Context())
	s.Enter()
	s.Enter()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Wait(ended)
	waited := make(chan struct{})
	go func() { defer close(waited); s.Wait(t.Context()) }()
	s.Leave()
	select {
	case <-waited:
		t.Fatal("it did not wait for the second one")
	case <-time.After(10 * time.Millisecond):
	}
	s.Leave()
	<-waited
}
