package caddywebhooks

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStoreWaits looks at when waits end, one that begins every 100 ms.
func TestStoreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits storeWaits
		contexts := 0
		var last any
		for range 100 {
			ctx := waits.now()
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
		ctx := waits.now()
		time.Sleep(storeTime + time.Second)
		if ctx.Err() == nil {
			t.Error("a wait does not end")
		}
		if waits.now().Err() != nil {
			t.Error("a wait had ended before it began")
		}
		time.Sleep(storeTime + time.Second) // for the timers
	})
}
