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

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const (
	// queueSize is how many writes may wait in a line. Each is a request that
	// some client waits for, with its body in memory; more are refused.
	queueSize = 4096
	// senders is how many pipelines of a line are under way at once, each on a
	// connection of its own. What arrives while all are busy waits and shares
	// the next one: the more there is to do, the more each round trip carries.
	senders = 2
	// maxBatch and maxBatchBytes bound a pipeline, so that the first of it does
	// not wait for long for the others.
	maxBatch      = 256
	maxBatchBytes = 1 << 20
)

// call is one run of a script on its way to Redis.
type call struct {
	script  *script
	line    *line
	shard   int   // set by ask
	words   []any // EVALSHA, digest, number of keys, keys, arguments
	size    int   // bytes of payload, about
	durable bool  // wait for the replicas

	deadline time.Time // no try begins after it
	done     chan struct{}
	state    atomic.Uint32
	repairs  int // how often its keys were repaired

	// Of no meaning before done is closed.
	reply          any
	err            error
	unsure         bool // it may have run in spite of err
	repeated       bool // it may have run more than once
	sent, answered time.Time
}

// States of a call in a queue.
const (
	waiting uint32 = iota
	taken          // by a sender
	left           // by its caller
)

// script is a Lua script that Redis runs as one atomic step.
type script struct{ name, source, digest string }

func newScript(name, source string) *script {
	return &script{name: name, source: source, digest: redis.NewScript(source).Hash()}
}

func (s *script) call(l *line, keys []string, args ...any) *call {
	c := &call{script: s, line: l, words: make([]any, 0, 3+len(keys)+len(args)), done: make(chan struct{})}
	c.words = append(c.words, "EVALSHA", s.digest, len(keys))
	for _, k := range keys {
		c.words = append(c.words, k)
		c.size += len(k)
	}
	for _, a := range args {
		if b, ok := a.([]byte); ok {
			c.size += len(b)
		}
	}
	c.words = append(c.words, args...)
	return c
}

// line is the way to one server: to the only one, or to the master of one shard
// of a Cluster. It is up or down; while it is down everything is refused at once
// and one goroutine asks whether the server is back.
type line struct {
	s     *Store
	shard shard // whose server it leads to; any shard of a single server
	queue chan *call

	down atomic.Pointer[error] // why; nil while up
	mu   sync.Mutex            // serialises going down and coming up; guards undo
	undo []*call               // leases whose Accept nobody knows the end of
}

// refusal is nil while the line is up.
func (l *line) refusal() error {
	if cause := l.down.Load(); cause != nil {
		return *cause
	}
	return nil
}

// submit hands c to the senders and waits until it was answered, or will not be
// sent any more because ctx ended or the time was over first. A call that was
// sent is always waited for, so that its caller knows what came of it.
func (l *line) submit(ctx context.Context, c *call, patience time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.refusal(); err != nil {
		return err
	}
	c.deadline = time.Now().Add(patience)
	select {
	case l.queue <- c:
	default:
		return fmt.Errorf("%w: %d writes are waiting for Redis", retrystore.ErrUnavailable, cap(l.queue))
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	case <-timer.C:
	}
	if c.state.CompareAndSwap(waiting, left) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fmt.Errorf("%w: no answer within %s", retrystore.ErrUnavailable, patience)
	}
	<-c.done // no longer than a round trip may take
	return c.err
}

// send is a sender: it takes what waits and sends it in one pipeline.
func (l *line) send() {
	var batch []*call
	for {
		var first *call
		select {
		case first = <-l.queue:
		case <-l.s.stopped:
			return
		}
		batch = batch[:0]
		size := 0
		for c := first; ; {
			if c.state.CompareAndSwap(waiting, taken) {
				batch = append(batch, c)
				size += c.size
			}
			if len(batch) == maxBatch || size >= maxBatchBytes {
				break
			}
			select {
			case c = <-l.queue:
				continue
			default:
			}
			break
		}
		if err := l.refusal(); err != nil { // it went down while they waited
			for _, c := range batch {
				c.err = err
				close(c.done)
			}
		} else {
			l.carry(batch)
		}
		clear(batch) // let go of the bodies
	}
}

// carry runs a batch. Whoever waits for one of its calls is answered even if that
// panics: it may have been written.
func (l *line) carry(batch []*call) {
	var b beat
	if slices.ContainsFunc(batch, func(c *call) bool { return c.durable }) {
		b = l.s.newBeat(l)
		batch = append(batch, b.call)
	}
	err := safe.Do(l.s.log, "redis store: sender", func() { l.s.run(l.s.ctx, batch) })
	if b.call != nil {
		l.s.beaten(b)
	}
	if err == nil {
		return
	}
	for _, c := range batch {
		select {
		case <-c.done:
		default:
			c.unsure, c.err = true, unavailable(err, c.script.name)
			close(c.done)
		}
	}
}

// run sends calls until each is answered or its time is over, and closes their
// done. Calls of one server go in one pipeline. What it sends more than once is
// made for that: Accept finds its own event, a lease its own token.
func (s *Store) run(ctx context.Context, calls []*call) {
	for try := 0; len(calls) > 0; try++ {
		s.roundTrip(ctx, calls)
		again, pause := calls[:0:0], false
		for _, c := range calls {
			v := judge(c.err)
			switch {
			case v == unscripted:
				c.words[0], c.words[1] = "EVAL", c.script.source // which Redis remembers
				again = append(again, c)
			case (v == passing || v == moving) && time.Until(c.deadline) > pauseAfter(try):
				again, pause = append(again, c), true
			case v == broken && try == 0 && !timedOut(c.err) && c.line.refusal() == nil && ctx.Err() == nil:
				// The server closes idle connections, or was restarted.
				c.repeated = true
				again = append(again, c)
			case v == failed && s.repair(ctx, c):
				again = append(again, c)
			default:
				c.finish(v)
			}
		}
		if calls = again; pause {
			s.reload(ctx)
			sleep(ctx, pauseAfter(try))
		}
	}
}

// pauseAfter is how long a state that ends by itself is given.
func pauseAfter(try int) time.Duration {
	return min(10*time.Millisecond<<min(try, 10), 200*time.Millisecond)
}

// finish ends a call whose outcome has been judged.
func (c *call) finish(v verdict) {
	c.unsure = v == broken || v == unconfirmed
	c.err = explain(v, c.err, c.script.name)
	if v == broken || v == passing || v == refusing {
		c.line.fail(c.err)
	}
	if v == full {
		c.line.s.keeper.squeeze()
	}
	close(c.done)
}

// errUnanswered is the error of a call whose pipeline panicked: judge takes it for
// a connection that broke.
var errUnanswered = errors.New("the pipeline was not sent to its end")

// roundTrip sends calls, those of one server in one pipeline, and fills in what
// Redis said.
func (s *Store) roundTrip(ctx context.Context, calls []*call) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout+s.options.ReplicaTimeout)
	defer cancel()
	groups := make(map[*redis.Client][]*call, 1)
	for _, c := range calls {
		c.err = errUnanswered // unless it is
		node, err := s.node(ctx, c.line)
		if err != nil {
			c.err = err
		} else {
			groups[node] = append(groups[node], c)
		}
	}
	var wg safe.Group
	for node, group := range groups {
		if len(groups) == 1 {
			s.pipeline(ctx, node, group)
			break
		}
		wg.Go(s.log, "redis store: pipeline", func() { s.pipeline(ctx, node, group) })
	}
	wg.Wait()
}

// pipeline sends calls to one server. WAIT goes last, on the same connection:
// there it waits for all that the server had written when it got the command
// before, so also for what an answer such as "duplicate" relies on.
func (s *Store) pipeline(ctx context.Context, node *redis.Client, calls []*call) {
	pipe := node.Pipeline()
	commands := make([]*redis.Cmd, len(calls))
	durable := false
	for i, c := range calls {
		commands[i] = redis.NewCmd(ctx, c.words...)
		_ = pipe.Process(ctx, commands[i]) // queues
		durable = durable || c.durable
	}
	var replicas *redis.Cmd
	if durable && s.options.MinReplicas > 0 {
		replicas = pipe.Do(ctx, "WAIT", s.options.MinReplicas, s.options.ReplicaTimeout.Milliseconds())
	}
	sent := time.Now()
	_, _ = pipe.Exec(ctx) // every command has its own error
	answered := time.Now()
	for i, c := range calls {
		c.reply, c.err = commands[i].Result()
		c.sent, c.answered = sent, answered
		if c.err == nil && c.durable && replicas != nil {
			if got, err := replicas.Int(); err != nil || got < s.options.MinReplicas {
				c.err = errReplicas{got, s.options.MinReplicas, err}
			}
		}
	}
}

// node is the server that a line leads to now.
func (s *Store) node(ctx context.Context, l *line) (*redis.Client, error) {
	if s.cluster != nil {
		return s.cluster.MasterForKey(ctx, l.shard.tag)
	}
	return s.single, nil
}

// reload makes the client of a Cluster read again which server has which slots.
func (s *Store) reload(ctx context.Context) {
	if s.cluster != nil {
		s.cluster.ReloadState(ctx)
	}
}

// direct sends calls at once, beside the lines' queues, in one pipeline for each
// server: large reads must not delay calls of waiting webhooks.
func (s *Store) direct(calls []*call) {
	deadline := time.Now().Add(s.options.Timeout)
	ready := calls[:0:0]
	for _, c := range calls {
		c.deadline = deadline
		if c.err = c.line.refusal(); c.err == nil {
			ready = append(ready, c)
		}
	}
	s.run(s.ctx, ready)
}

// ask runs a script in every shard and returns the calls that were answered. It
// fails only if none was.
func (s *Store) ask(p *parts, of func(shard int) *call) ([]*call, error) {
	var calls []*call
	for n := range p.shards {
		c := of(n)
		c.shard = n
		calls = append(calls, c)
	}
	s.direct(calls)
	answered := calls[:0:0]
	var failed error
	for _, c := range calls {
		if c.err != nil {
			failed = c.err
			continue
		}
		answered = append(answered, c)
	}
	if len(answered) > 0 {
		failed = nil
	}
	return answered, failed
}
