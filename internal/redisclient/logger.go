package redisclient

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// lines is what go-redis logs to.
type lines struct{ logger *zap.Logger }

// Printf implements go-redis's interface of loggers.
func (l lines) Printf(_ context.Context, format string, values ...any) {
	if entry := l.logger.Check(zap.DebugLevel, "redis client"); entry != nil {
		entry.Write(zap.String("message", fmt.Sprintf(format, values...)))
	}
}

// silence keeps go-redis from writing to the standard error in a format of its own.
var silence = sync.OnceFunc(func() { redis.SetLogger(lines{zap.NewNop()}) })

// setLogger gives go-redis its logger. Without one it keeps the one that it has
// from us, so that a client that needs none does not silence another.
func setLogger(logger *zap.Logger) {
	silence()
	if logger != nil {
		redis.SetLogger(lines{logger})
	}
}
