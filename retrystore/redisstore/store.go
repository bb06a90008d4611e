package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Defaults of Options.
const (
	DefaultPrefix         = "wh"
	DefaultClusterShards  = 16
	DefaultTimeout        = 2 * time.Second
	DefaultReplicaTimeout = 200 * time.Millisecond
)

// Options tune a store. The zero value is good.
type Options struct {
	// Prefix begins every key and the channel: stores with different prefixes
	// share a server without knowing of each other. "" means DefaultPrefix.
	Prefix string
	// Shards is into how many parts the keys are divided, 1 to 256: so many
	// masters of a Cluster can share the work. It is fixed by the first store
	// that uses the prefix; another number is an error. 0 means what was fixed,
	// and where nothing was 1, or DefaultClusterShards for a Cluster.
	Shards int
	// MinReplicas is how many replicas must have confirmed a write before Accept,
	// CommitKey, Replay and Delete return. 0 means none.
	MinReplicas int
	// ReplicaTimeout is how long they may take; then the answer is
	// ErrUnavailable. It must be shorter than the client's ReadTimeout. 0 means
	// DefaultReplicaTimeout; of no meaning without MinReplicas.
	ReplicaTimeout time.Duration
	// Timeout is how long a call waits for its turn, and then again for Redis
	// to answer. Settle and Release wait twice as long for their turn. 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Recall returns what Remember was last given, by an earlier process too; nil if nothing.
	// So a Redis that went back to an older state while no node ran is noticed. nil
	// means that nothing is kept. Remember is called at most every five seconds.
	Recall   func() []byte
	Remember func(state []byte)
	// Check says whether the server may keep what is acknowledged. It is called before
	// anything is taken, after each reconnection and every minute. An error that is
	// retrystore.ErrUnavailable says that it could not be asked; while it returns
	// another one new events are refused. At Open that is an error. nil means no checks.
	Check func(context.Context) error
	// Reconnected is sent to by the client when it has made a new connection. nil means never.
	Reconnected <-chan struct{}
	// Logger gets the errors of background work. nil means no logs.
	Logger *zap.Logger

	markEvery, checkEvery time.Duration // tests make them short; 0 means markInterval, upkeepInterval
}

// Store is a retrystore.Store in Redis. It is safe for concurrent use. Any
// number of Stores, in any number of processes, may share the data.
type Store struct {
	options Options
	log     *zap.Logger
	client  redis.UniversalClient
	single  *redis.Client        // or
	cluster *redis.ClusterClient // the same as client

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	stopped <-chan struct{}
	wg      safe.Group

	life   sync.RWMutex // held for reading by every call, so that Close can wait
	closed atomic.Bool

	parts   atomic.Pointer[parts] // nil until Redis was first reached
	absence atomic.Pointer[error] // why it is nil
	number  atomic.Uint32         // of the latest event
	clock   clock
	wakers  wakers
	doubts  doubts
	keeper  keeper

	condition condition
	epochs    epochs
	evictions evictions

	broken    atomic.Uint64 // keys, entries and records that were set aside
	suspected chan struct{} // something was: look at the lanes

	distrusted chan tallied // what may have been counted wrong
	recounted  map[tallied]time.Time
}

var (
	_ retrystore.Store    = (*Store)(nil)
	_ retrystore.Retainer = (*Store)(nil)
)

// parts is what depends on the number of shards, which only Redis may know.
type parts struct {
	shards []shard
	lines  []*line // by shard; all the same for a single server
	lanes  *laneSet
}

// line returns the way to the server of a shard.
func (p *parts) line(shard int) *line { return p.lines[shard] }

// Open opens the store that the client's server or Cluster holds. The client
// belongs to the caller, who closes it after the Store; it should not retry by
// itself (MaxRetries: -1) and should respect contexts (ContextTimeoutEnabled).
//
// A server that cannot be reached is no error: every call answers
// ErrUnavailable until it can be. A server that refuses us, or data that another
// version or other settings made, is one.
func Open(ctx context.Context, client redis.UniversalClient, o Options) (*Store, error) {
	s := &Store{client: client}
	switch c := client.(type) {
	case *redis.Client:
		s.single = c
	case *redis.ClusterClient:
		s.cluster = c
	default:
		return nil, fmt.Errorf("redis store: a client of type %T is not supported", client)
	}
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("redis store: %w", err)
	}
	if most := s.readTimeout(); most > 0 && o.ReplicaTimeout >= most {
		return nil, fmt.Errorf("redis store: replicas may take %s, but the client waits for an answer for %s only: raise the read timeout above", o.ReplicaTimeout, most)
	}
	s.options, s.log = o, o.Logger
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.stopped = s.ctx.Done()
	s.wakers.init()
	s.keeper.kick = make(chan struct{}, 1)
	s.suspected = make(chan struct{}, 1)
	s.distrusted = make(chan tallied, 16)
	s.recall()

	if err := s.check(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	err := s.connect(ctx)
	var wrong errConfig
	if errors.As(err, &wrong) || ctx.Err() != nil {
		s.cancel()
		return nil, errors.Join(err, ctx.Err())
	}
	if err != nil {
		s.log.Error("redis cannot be reached; webhooks are refused until it can", zap.Error(err))
	}
	s.background("redis store: upkeep", func() { s.keep(s.parts.Load() != nil) })
	s.background("redis store: retention", s.trimmer)
	s.background("redis store: announcements", s.publish)
	s.background("redis store: subscription", s.subscribe)
	if err == nil {
		<-s.wakers.tried // so that nothing falls between Open and the subscription
	}
	return s, nil
}

// background runs f until it returns, and again if it panics.
func (s *Store) background(place string, f func()) {
	s.wg.Go(s.log, place, func() { safe.Loop(s.stopped, s.log, place, f) })
}

func (o *Options) complete() error {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MinReplicas <= 0 {
		o.MinReplicas, o.ReplicaTimeout = 0, 0
	} else if o.ReplicaTimeout <= 0 {
		o.ReplicaTimeout = DefaultReplicaTimeout
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.markEvery <= 0 {
		o.markEvery = markInterval
	}
	if o.checkEvery <= 0 {
		o.checkEvery = upkeepInterval
	}
	return o.Validate()
}

// Validate reports what is wrong with the settings, or nil. It names each setting as the config does.
func (o Options) Validate() error {
	if o.Shards < 0 || o.Shards > maxShards {
		return fmt.Errorf("shards is %d: want 1 to %d", o.Shards, maxShards)
	}
	if o.Prefix != "" {
		return checkPrefix(o.Prefix)
	}
	return nil
}

// readTimeout is how long the client waits for an answer; not above 0 for ever.
func (s *Store) readTimeout() time.Duration {
	if s.cluster != nil {
		return s.cluster.Options().ReadTimeout
	}
	return s.single.Options().ReadTimeout
}

// errConfig is an error that does not go away by itself.
type errConfig struct{ error }

func (e errConfig) Unwrap() error { return e.error }

// connect asks Redis how many shards there are and sets the lines up.
func (s *Store) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	shards, err := s.checkMeta(ctx)
	if err != nil {
		err = fmt.Errorf("redis store %s: %w", s.options.Prefix, err)
		cause := fmt.Errorf("%w: %w", retrystore.ErrUnavailable, err)
		s.absence.Store(&cause)
		return err
	}
	p := &parts{}
	for n := range shards {
		p.shards = append(p.shards, newShard(s.options.Prefix, n))
		if n == 0 || s.cluster != nil {
			l := &line{s: s, shard: p.shards[n], queue: make(chan *call, queueSize)}
			for range senders {
				s.background("redis store: sender", l.send)
			}
			p.lines = append(p.lines, l)
			continue
		}
		p.lines = append(p.lines, p.lines[0])
	}
	p.lanes = newLaneSet(p.shards)
	s.parts.Store(p)
	_ = s.learnLanes(ctx, p) // else later
	s.beatAll()
	s.checkEvictions(ctx)
	return nil
}

// layout is the version of the keys, their names and what is in them.
const layout = "1"

// checkMeta returns the number of shards, and stores it if it is not stored yet.
func (s *Store) checkMeta(ctx context.Context) (int, error) {
	key := s.options.Prefix + ":meta"
	shards := s.options.Shards
	switch p := s.parts.Load(); {
	case p != nil: // as it was, should somebody have emptied the server
		shards = len(p.shards)
	case shards == 0 && s.cluster != nil:
		shards = DefaultClusterShards
	case shards == 0:
		shards = 1
	}
	// Read first: a server that is full must open, to be emptied.
	found, err := s.client.HMGet(ctx, key, "layout", "shards", "generation", "marked").Result()
	if err == nil && (found[0] == nil || found[1] == nil || found[2] == nil) {
		generation := newGeneration()
		if known, of, ok := s.intact(ctx); ok {
			s.log.Error("key of the settings was gone, or parts of it; it is made anew, and nothing else is missing; does somebody else write to our keys?", zap.String("key", key))
			generation, shards = known, of
		}
		_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HSetNX(ctx, key, "layout", layout)
			p.HSetNX(ctx, key, "shards", shards)
			p.HSetNX(ctx, key, "generation", generation)
			return nil
		})
		if err == nil { // another node may have been first
			found, err = s.client.HMGet(ctx, key, "layout", "shards", "generation", "marked").Result()
		}
	}
	if err != nil {
		return 0, s.connectError(err)
	}
	var fixed int
	if text, ok := found[1].(string); ok {
		_, _ = fmt.Sscan(text, &fixed)
	}
	switch {
	case found[0] != layout:
		return 0, errConfig{fmt.Errorf("its data has layout %v, this program reads %s: use a newer version, or another prefix", found[0], layout)}
	case fixed < 1 || fixed > maxShards:
		return 0, errConfig{fmt.Errorf("%s says %v shards: want 1 to %d", key, found[1], maxShards)}
	case shards != fixed && (s.options.Shards != 0 || s.parts.Load() != nil):
		return 0, errConfig{fmt.Errorf("its data was divided into %d shards, here it is %d: set %d, or leave it out, or use another prefix", fixed, shards, fixed)}
	}
	if generation, ok := found[2].(string); ok {
		same := s.seen(generation)
		s.belong(generation, fixed)
		if s.cluster != nil {
			s.checkMarks(ctx, fixed, found[3] != nil, !same)
		}
	}
	return fixed, nil
}

// connectError tells what goes away by itself from what does not.
func (s *Store) connectError(err error) error {
	v := judge(err)
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return errConfig{fmt.Errorf("key %[1]s:meta has been overwritten with something else: look at it, and remove it with redis-cli DEL %[1]s:meta; it is made anew, and what is stored stays (%[2]w)", s.options.Prefix, err)}
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		return errConfig{explain(v, err, "settings")}
	case v == forbidden || v == failed:
		return errConfig{fmt.Errorf("redis refuses: %w", err)}
	case redis.HasErrorPrefix(err, "MOVED") && s.cluster == nil:
		return errConfig{fmt.Errorf("the server is part of a Cluster: say so in the settings: %w", err)}
	}
	return err
}

// enter begins a call: it fails when the store is closed or Redis was never
// reached. leave ends it, and must be called if the error is nil.
func (s *Store) enter(ctx context.Context) (*parts, error) {
	if s.closed.Load() {
		return nil, retrystore.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.life.RLock()
	if s.closed.Load() {
		s.life.RUnlock()
		return nil, retrystore.ErrClosed
	}
	p := s.parts.Load()
	if p == nil {
		s.life.RUnlock()
		return nil, *s.absence.Load()
	}
	return p, nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Close waits for the calls under way, ends all goroutines and leaves the client
// open. What is still leased stays so until the leases lapse.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.life.Lock() // the calls under way have ended
	s.cancel()
	s.life.Unlock()
	if p := s.parts.Load(); p != nil {
		for _, l := range slices.Compact(slices.Clone(p.lines)) {
			l.rest()
		}
	}
	s.wg.Wait()
	s.remember()
	return nil
}

// Notify registers wake; see retrystore.Store.
func (s *Store) Notify(wake func(retrystore.Lane)) (stop func()) { return s.wakers.add(wake) }

// clock relates the server's clock, by which everything is stored, to ours, so
// that a difference between them changes nothing but what people read.
type clock struct{ ahead atomic.Int64 } // of the server's, in milliseconds

// slack is the difference that is not worth a correction: a time that is read
// twice should come out the same.
const slack = 20

// see notes what the server's clock said some time between sent and answered.
func (c *clock) see(server int64, sent, answered time.Time) {
	ahead := c.ahead.Load()
	least, most := server-answered.UnixMilli()-slack, server-sent.UnixMilli()+slack
	if ahead < least || ahead > most {
		c.ahead.Store(min(max(ahead, least), most))
	}
}

// local turns the server's milliseconds into our time.
func (c *clock) local(server int64) time.Time { return time.UnixMilli(server - c.ahead.Load()) }
