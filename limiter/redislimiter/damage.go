package redislimiter

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// damageEvery is how often damaged keys are logged at most: there may be one for each
// client that comes.
const damageEvery = time.Minute

// damage counts the keys that scripts found damaged, and logs them.
type damage struct {
	logger *zap.Logger
	count  atomic.Uint64
	logged atomic.Int64 // when, in nanoseconds since 1970; 0: never
}

// found tells that so many of the keys were damaged.
func (d *damage) found(n int64, keys []string) {
	if n <= 0 {
		return
	}
	total := d.count.Add(uint64(n))
	now, last := time.Now().UnixNano(), d.logged.Load()
	if last != 0 && now-last < int64(damageEvery) && now >= last || !d.logged.CompareAndSwap(last, now) {
		return
	}
	d.logger.Error("a rate limit's key in redis was damaged and is counted afresh",
		zap.Strings("one_of_keys", keys), zap.Uint64("damaged_since_start", total))
}
