package redisstore

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// fail takes the line down, and starts a goroutine that watches for the server.
func (l *line) fail(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal() != nil || l.s.ctx.Err() != nil {
		return
	}
	l.down.Store(&cause)
	l.s.log.Error("redis does not take writes; webhooks are refused until it does", zap.String("shard", l.shard.tag), zap.Error(cause))
	l.s.background("redis store: watch", l.watch)
}

// rest waits, after the store's context has ended, until no goroutine can start a watch any
// more.
func (l *line) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undo = nil
}

// Bounds of the pause between two looks at a server that is away.
const (
	watchMin = 100 * time.Millisecond
	watchMax = time.Second
)

// watch tries the server until it takes writes again.
func (l *line) watch() {
	began := time.Now()
	for wait := watchMin; sleep(l.s.ctx, wait); wait = min(2*wait, watchMax) {
		l.s.reload(l.s.ctx)
		if l.s.probe(l.s.ctx, l) == nil {
			break
		}
	}
	if l.s.ctx.Err() != nil {
		return
	}
	_ = l.s.check(l.s.ctx) // before anything is taken: it may be another server, or set up in another way
	l.mu.Lock()
	l.down.Store(nil)
	undo := l.undo
	l.undo = nil
	l.mu.Unlock()
	l.s.log.Info("redis takes writes again", zap.String("shard", l.shard.tag), zap.Duration("after", time.Since(began)))
	for _, c := range undo {
		_ = l.submit(l.s.ctx, c, l.s.options.Timeout) // else the lease lapses
	}
	l.s.wakeAll()
}

// regret gives back a lease of which it is not known whether it was stored: now, or once the
// server is back. If that fails, the lease lapses.
func (l *line) regret(release *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.s.ctx.Err() != nil || len(l.undo) >= queueSize:
	case l.refusal() != nil:
		l.undo = append(l.undo, release)
	default:
		l.s.wg.Go(l.s.log, "redis store: release", func() {
			if l.submit(l.s.ctx, release, l.s.options.Timeout) == nil {
				l.s.wakeAll()
			}
		})
	}
}

// probe tries a write that changes nothing: a server that loads its files, has
// no master, cannot save, or is a replica refuses it; one that is full does not.
func (s *Store) probe(ctx context.Context, l *line) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	node, err := s.node(ctx, l)
	if err != nil {
		return err
	}
	return node.Del(ctx, l.shard.tag+":probe").Err()
}

// sleep waits and reports whether it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
