// Package redislimiter keeps rate limits in Redis, so that several nodes share
// their budgets: the same limits, exact to the microsecond and the token, as
// those that limiter.Local keeps in the memory of one process.
//
// A Take is one Lua script, by the server's clock, and one round trip, which
// Takes that come at the same time share. What it asks for is taken from all
// tiers or from none. To Redis it is one command and, within the script, TIME and
// a GET and a SET for every tier: for the ip tier 163 bytes there and 48 back.
//
// # Keys
//
// All keys begin with {<prefix>:l. They are strings of 57 bytes, plus 16 for
// each request or slot that a sliding window counts (33 at most), and expire
// when the key is as if never used. With its name one takes some 220 bytes of
// Redis's memory, a busy sliding window 800.
//
// What bounds their number is that they expire: there are as many as different
// clients came within the time in which what they spent comes back. That is a
// fifth of a second for a client that sends one request under a limit of 5/s,
// so 100 000 new addresses a second are 20 000 keys, or 5 MB; under a limit of
// 1/h they would be 360 million. Redis evicts nothing where it keeps webhooks,
// so a limit for addresses should not be that slow.
//
// On a Cluster the keys of the ip tier are in 16 slots, the others in one:
// provider and global are asked together. To ask for ip together with another
// tier works there, too, but takes several scripts; see [Limiter.Take].
//
// # When Redis is away
//
// After a failure no call waits for Redis: [Options.OnError] says what happens instead, at
// once. The Limiter tries Redis in the background until it is back. On a Cluster this
// concerns only the keys of the places that are away.
//
// What was spent is kept in Redis's memory and on its replicas, but not in its
// append-only file: limits begin afresh when Redis starts again, as after
// FLUSHALL, but not after a failover.
//
// # Damaged keys
//
// A key of another type, or with an impossible value, counts as never used: it is
// overwritten, counted ([Limiter.Damaged]) and logged. It blocks no client, and does not
// count as a failure of Redis. A damaged value that is possible is believed; it holds for
// the window of the key's limit at most.
//
// Redis 6.2 or later, or Valkey, is needed.
package redislimiter

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

const (
	// DefaultPrefix is what keys begin with, inside the brace.
	DefaultPrefix = "wh"
	// DefaultTimeout is how long a Take waits for Redis.
	DefaultTimeout = 100 * time.Millisecond
)

// Options are the options of New. A zero field means its default.
type Options struct {
	// Prefix is what all keys begin with, inside a brace; it has none itself.
	// Who has the same one shares the budgets. Default: DefaultPrefix.
	Prefix string
	// Timeout is how long a Take waits for Redis, the connection included. Default: DefaultTimeout.
	Timeout time.Duration
	// Logger is told when Redis goes away and when it is back. Default: no logs.
	Logger *zap.Logger

	// Now, if set, is the clock instead of the server's. It is for tests: keys do
	// not expire then, since Redis would do so by its own clock, and one round
	// trip comes after the other, so that Redis sees no time before an earlier one.
	Now func() time.Time
}

// Limiter is a limiter.Backend in Redis.
type Limiter struct {
	options Options
	tags    [placeCount]string
	// circuits are those of the places on a Cluster, where one of them may be
	// away alone; otherwise there is one.
	circuits []*circuit

	unavailable atomic.Int64
	failures    atomic.Int64
	outages     outages
	damage      damage

	lifetime   context.Context // of what runs in the background
	end        context.CancelFunc
	mu         sync.Mutex
	closed     bool
	background safe.Group
}

var _ limiter.Backend = (*Limiter)(nil)

// New returns a Limiter. It does not contact Redis, and does not close the
// client. The client's options should have ContextTimeoutEnabled: without it, an abandoned
// call occupies a connection until its ReadTimeout.
func New(client redis.UniversalClient, o Options) (*Limiter, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	l := &Limiter{options: o}
	l.lifetime, l.end = context.WithCancel(context.Background())
	l.outages.logger, l.damage.logger = o.Logger, o.Logger
	for i := range l.tags {
		l.tags[i] = tag(o.Prefix, place(i))
	}
	count := 1
	if _, ok := client.(*redis.ClusterClient); ok {
		count = placeCount
	}
	for i := range count {
		l.circuits = append(l.circuits, &circuit{limiter: l, lane: &lane{limiter: l, client: client}, probeKey: l.tags[i] + "t"})
	}
	return l, nil
}

// Close ends what runs in the background and waits for it. From then on all
// is as if Redis were away. It may be called more than once.
func (l *Limiter) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.background.Wait()
	return nil
}

// spawn runs f in the background, unless the Limiter is closed.
func (l *Limiter) spawn(place string, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.background.Go(l.options.Logger, place, f)
	return true
}

// Unavailable returns how many Takes failed because Redis was away or could not tell.
func (l *Limiter) Unavailable() int64 { return l.unavailable.Load() }

// Failures returns how many round trips to Redis have failed, those included
// that tried whether it is back.
func (l *Limiter) Failures() int64 { return l.failures.Load() }

// Damaged returns how many keys were found that cannot be ours, and were written over.
func (l *Limiter) Damaged() uint64 { return l.damage.count.Load() }

// Away reports whether Redis, or a part of a Cluster, is taken to be away now.
func (l *Limiter) Away() bool { return l.outages.any() }

// Needs returns what a user of Redis must be allowed: commands, each with
// <key> in place of a key, and the pattern of the keys.
func Needs(prefix string) (commands, keys []string) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return []string{
		"EVALSHA 0000000000000000000000000000000000000000 1 <key>", "EVAL return 1 <key>",
		"GET <key>", "SET <key> value PX 1000", "DEL <key>", "TIME",
	}, []string{"{" + prefix + ":l*"}
}

// now is the time that scripts are given: empty for the server's own.
func (l *Limiter) now() string {
	if l.options.Now == nil {
		return ""
	}
	const latest = 7 << 50 // the year 2219; what a script computes from it stays exact
	return strconv.FormatInt(min(max(l.options.Now().UnixMicro(), 0), latest), 10)
}

// circuit returns the one of a place.
func (l *Limiter) circuit(p place) *circuit { return l.circuits[int(p)%len(l.circuits)] }

// run runs a script on keys of one place. An error is either the context's, or
// a matter of the policy.
func (l *Limiter) run(ctx context.Context, p place, s *script, keys []string, args []any) ([]int64, error) {
	c := l.circuit(p)
	if c.away.Load() {
		return nil, errAway
	}
	answer, err := c.lane.do(ctx, s, keys, args)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && opens(err) {
		c.open(err)
	}
	return answer, err
}

// ErrUnavailable is in the errors of Take and Return: Redis could not tell.
var ErrUnavailable = errors.New("redislimiter: redis does not answer")

// errAway says that Redis was not even asked.
var errAway = errors.New("it is away, or the limiter is closed")
