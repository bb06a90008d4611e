package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const (
	// upkeepInterval is how often the store looks at what others may have changed,
	// and has the server checked.
	upkeepInterval = time.Minute
	// markInterval is how often it looks whether its data is still there, and, while
	// new events are refused, has the server checked.
	markInterval = 5 * time.Second
	// checkPause is the least time between checks for the sake of new connections.
	checkPause = time.Second
	// checkTime bounds a check.
	checkTime = 5 * time.Second
)

// condition is what is known of the server. It is safe for concurrent use.
type condition struct {
	mu         sync.Mutex
	checked    bool  // a check has come to an end
	fault      error // of the server, found by Options.Check
	meta       error // of the settings, found by checkMeta
	told       string
	generation string
	marking    sync.Mutex     // held by checkMarks; before mu
	marks      map[int]string // of the shards of a Cluster
	replaced   int
	loss       string
	back       string // Redis went back to an older state
	evictions  string
	evicted    int64 // keys
	open, dead int   // as last counted
	counted    time.Time
}

// errUnchecked is why nothing is taken before the server was checked.
var errUnchecked = errors.New("redis was not checked yet")

// refusing is why new events are refused, nil if they are not.
func (s *Store) refusing() error {
	c := &s.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusing(s.options.Check != nil)
}

func (c *condition) refusing(checks bool) error {
	switch {
	case c.fault != nil:
		return fmt.Errorf("%w: redis must not be used as it is: %w", retrystore.ErrUnavailable, c.fault)
	case c.meta != nil:
		return fmt.Errorf("%w: %w", retrystore.ErrUnavailable, c.meta)
	case checks && !c.checked:
		return fmt.Errorf("%w: %w", retrystore.ErrUnavailable, errUnchecked)
	}
	return nil
}

// Condition tells how the store stands; see retrystore.Conditioned.
func (s *Store) Condition() retrystore.Condition {
	c := &s.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	return retrystore.Condition{
		Refusing: c.refusing(s.options.Check != nil), Generation: c.generation,
		Replaced: c.replaced, Loss: joined(c.loss, c.back, c.evictions), Damaged: s.broken.Load(),
	}
}

func joined(findings ...string) string {
	return strings.Join(slices.DeleteFunc(findings, func(f string) bool { return f == "" }), "; ")
}

// check has the server checked. It returns what is wrong with it; a server that
// could not be asked is as it was before.
func (s *Store) check(ctx context.Context) error {
	if s.options.Check == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err := s.options.Check(ctx)
	if errors.Is(err, retrystore.ErrUnavailable) || ctx.Err() != nil {
		return nil
	}
	s.judged(func(c *condition) { c.checked, c.fault = true, err })
	return err
}

// judged notes what a check has found, and logs it if that has changed.
func (s *Store) judged(note func(*condition)) {
	c := &s.condition
	c.mu.Lock()
	note(c)
	err := errors.Join(c.fault, c.meta)
	text := ""
	if err != nil {
		text = err.Error()
	}
	before := c.told
	c.told = text
	c.mu.Unlock()
	switch {
	case text == before:
	case text == "":
		s.log.Info("redis can be used again; webhooks are taken")
	default:
		s.log.Error("redis must not be used as it is: webhooks are refused until that is repaired; what is stored is delivered", zap.Error(err))
	}
}

// keep connects, if that is still to be done, and then looks after what others may
// change: how the server is set up, whether the data is still there, the number of
// shards, the lanes of other nodes, and whether the sets of a lane are in line.
func (s *Store) keep(connected bool) {
	began := time.Now()
	for wait := watchMin; !connected && sleep(s.ctx, wait); wait = min(2*wait, watchMax) {
		s.reload(s.ctx)
		_ = s.check(s.ctx) // before anything is taken
		err := s.connect(s.ctx)
		connected = err == nil
		var wrong errConfig
		switch {
		case connected:
			s.judged(func(c *condition) { c.meta = nil })
			s.log.Info("redis is reached", zap.Duration("after", time.Since(began)))
			s.wakeAll()
			s.keeper.look()
		case errors.As(err, &wrong):
			s.judged(func(c *condition) { c.meta = wrong })
		}
	}
	mark, minute := time.NewTicker(s.options.markEvery), time.NewTicker(s.options.checkEvery)
	defer mark.Stop()
	defer minute.Stop()
	if connected {
		s.followClock()
		s.reconcile()
		s.count()
	}
	for {
		select {
		case <-s.stopped:
			return
		case <-s.suspected:
			s.reconcile()
		case of := <-s.distrusted:
			s.recountTally(of)
		case <-s.options.Reconnected:
			_ = s.check(s.ctx)
			s.checkSettings()
			sleep(s.ctx, checkPause)
		case <-mark.C:
			if s.refusing() != nil {
				_ = s.check(s.ctx)
			}
			s.checkSettings()
			s.followClock()
			s.reconcile()
			s.count()
		case <-minute.C:
			_ = s.check(s.ctx)
			s.upkeep()
		}
	}
}

// checkSettings looks whether the data is still there, and divided as it was. Redis
// being away is not its business.
func (s *Store) checkSettings() {
	ctx, cancel := context.WithTimeout(s.ctx, s.options.Timeout)
	defer cancel()
	_, err := s.checkMeta(ctx)
	if err == nil {
		s.beatAll()
		s.checkEvictions(ctx)
		s.remember()
	}
	var wrong errConfig
	if err == nil || errors.As(err, &wrong) {
		s.judged(func(c *condition) {
			if c.meta = nil; err != nil {
				c.meta = err
			}
		})
	}
}

// upkeep is what keep does every minute besides.
func (s *Store) upkeep() {
	p := s.parts.Load()
	if p == nil || s.learnLanes(s.ctx, p) != nil {
		return
	}
	if !s.keeper.cleared.Load() {
		s.keeper.look() // for what has become too old
	}
	s.reconcileTallies()
}

// count notes how much is stored, for when it is gone.
func (s *Store) count() { _, _ = s.Stats(s.ctx) }

// counted notes what Stats has found, unless that is about other data than before.
func (s *Store) counted(ctx context.Context, stats retrystore.Stats) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	generation, err := s.client.HGet(ctx, s.options.Prefix+":meta", "generation").Result()
	if err == nil && generation != s.Condition().Generation || errors.Is(err, redis.Nil) {
		s.checkSettings() // which tells what was lost, by the counts from before
		return
	}
	if err != nil {
		return
	}
	open, dead := 0, 0
	for _, l := range stats.Lanes {
		open, dead = open+l.Pending+l.Leased, dead+l.Dead
	}
	c := &s.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.dead, c.counted = open, dead, time.Now()
}
