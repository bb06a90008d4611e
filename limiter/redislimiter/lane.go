package redislimiter

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

const (
	// senders is how many round trips of a lane may be under way at once: while
	// one is, what comes gathers for the next; a second keeps Redis from waiting for us.
	senders = 2

	// largestBatch is how many calls share a round trip at most.
	largestBatch = 128
)

// lane sends the calls of one place. Calls that wait at the same time go in one round trip.
// If no round trip is under way, a call is sent at once.
type lane struct {
	limiter *Limiter
	client  redis.UniversalClient

	mu      sync.Mutex
	waiting []*call // no more than there are requests, each for the timeout at most
	sending int
}

// call is one run of a script.
type call struct {
	ctx    context.Context // the caller's, with the timeout
	script *script
	keys   []string
	args   []any // behind the time, which is that of sending

	done   chan struct{} // closed when there is an answer
	answer []int64
	err    error
}

// do runs a script and waits for its answer, for Options.Timeout at most.
func (n *lane) do(ctx context.Context, s *script, keys []string, args []any) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, n.limiter.options.Timeout)
	defer cancel()
	c := &call{ctx: ctx, script: s, keys: keys, args: args, done: make(chan struct{})}
	if !n.enqueue(c) {
		return nil, errAway
	}
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enqueue adds a call to the waiting ones, and starts a sender if there is none.
func (n *lane) enqueue(c *call) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	most := senders
	if n.limiter.options.Now != nil {
		most = 1
	}
	if n.sending < most {
		if !n.limiter.spawn("redis limiter: sender", n.send) {
			return false
		}
		n.sending++
	}
	n.waiting = append(n.waiting, c)
	return true
}

// send sends the waiting calls until there are none.
func (n *lane) send() {
	for {
		batch := n.next()
		if batch == nil {
			return
		}
		if err := safe.Do(n.limiter.options.Logger, "redis limiter: sender", func() { n.exchange(batch) }); err != nil {
			abandon(batch, err)
		}
	}
}

// abandon answers the calls of a batch that were not answered yet.
func abandon(batch []*call, err error) {
	for _, c := range batch {
		select {
		case <-c.done:
		default:
			c.err = err
			close(c.done)
		}
	}
}

// next returns the calls for a round trip; or nil, and then the caller sends no more.
// Calls whose caller has left are dropped, so that they spend nothing.
func (n *lane) next() []*call {
	n.mu.Lock()
	defer n.mu.Unlock()
	var batch []*call
	taken := 0
	for _, c := range n.waiting {
		if len(batch) == largestBatch {
			break
		}
		taken++
		if c.ctx.Err() == nil {
			batch = append(batch, c)
		}
	}
	rest := copy(n.waiting, n.waiting[taken:])
	clear(n.waiting[rest:])
	n.waiting = n.waiting[:rest]
	if batch == nil {
		n.sending--
	}
	return batch
}

// exchange runs the calls in one round trip, or in two if Redis has lost the scripts.
func (n *lane) exchange(batch []*call) {
	// The context of one call must not end the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), n.limiter.options.Timeout)
	defer cancel()
	n.pipeline(ctx, batch, false)
	var unknown []*call
	for _, c := range batch {
		if isAnswer(c.err, "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if unknown != nil {
		n.pipeline(ctx, unknown, true)
	}
	for _, c := range batch {
		close(c.done)
		if c.err != nil && opens(c.err) {
			n.drop(c.err)
		}
	}
}

// pipeline sends the calls and sets their answers. To load is to send the text of each
// script with the first of its calls: on one connection the others find it then.
func (n *lane) pipeline(ctx context.Context, batch []*call, load bool) {
	pipe := n.client.Pipeline()
	commands := make([]once, len(batch))
	loaded := map[*script]bool{}
	for i, c := range batch {
		args := make([]any, 0, 4+len(c.keys)+len(c.args))
		if load && !loaded[c.script] {
			loaded[c.script] = true
			args = append(args, "eval", c.script.text)
		} else {
			args = append(args, "evalsha", c.script.sha)
		}
		args = append(args, len(c.keys))
		for _, key := range c.keys {
			args = append(args, key)
		}
		args = append(append(args, n.limiter.now()), c.args...)
		commands[i] = once{redis.NewCmd(ctx, args...)}
		_ = pipe.Process(ctx, commands[i]) // only queues
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
	failed := false
	for i, c := range batch {
		c.answer, c.err = commands[i].Int64Slice()
		failed = failed || c.err != nil && !isAnswer(c.err, "NOSCRIPT")
	}
	if failed {
		n.limiter.failures.Add(1)
	}
}

// drop answers all waiting calls with an error that would be theirs, too.
func (n *lane) drop(err error) {
	n.mu.Lock()
	waiting := n.waiting
	n.waiting = nil
	n.mu.Unlock()
	for _, c := range waiting {
		c.err = err
		close(c.done)
	}
}

// once is a command that go-redis does not repeat when a connection breaks: a
// token might be taken twice, and the caller would not wait that long. Redirections are
// followed.
type once struct{ *redis.Cmd }

// NoRetry is what go-redis asks.
func (once) NoRetry() bool { return true }

// outageCodes are the beginnings of answers that every call would get now.
var outageCodes = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "NOREPLICAS", "BUSY",
	"NOAUTH", "WRONGPASS", "NOPERM", "ERR max number of clients",
}

// opens reports whether other calls would fail, too: there was no answer in time, or the
// answer is about Redis as a whole. Otherwise the error is about the keys of one call.
func opens(err error) bool {
	if errors.Is(err, errAway) {
		return false
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		return true
	}
	for _, code := range outageCodes {
		if isAnswer(err, code) {
			return true
		}
	}
	return false
}

// isAnswer reports whether Redis has answered with an error that begins with the words.
func isAnswer(err error, words string) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Error(), words)
}
