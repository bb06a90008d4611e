package redisstore

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const (
	// publishInterval is how often a lane is announced at most.
	publishInterval = 50 * time.Millisecond
	// listenCheck is how long a silent subscription is believed to be alive.
	listenCheck = 15 * time.Second
	// Bounds of the pause before a subscription is retried.
	listenMin = 100 * time.Millisecond
	listenMax = 5 * time.Second
	// listenForbidden is that pause if the Redis user may not subscribe.
	listenForbidden = 10 * time.Minute
)

// wakers are the functions to call when a delivery becomes due: those of this node and,
// through a channel of Redis, of other nodes. The channel is for speed, not for safety: a
// node that misses a message claims again after a while.
type wakers struct {
	mu        sync.Mutex
	callbacks []*func(retrystore.Lane)
	announced map[string]bool // lanes to publish
	kick      chan struct{}   // announced is not empty
	me        string          // marks our own messages
	tried     chan struct{}   // closed when the first subscription came about, or failed
	try       sync.Once       // closes tried
}

func (w *wakers) init() {
	w.announced = make(map[string]bool)
	w.kick = make(chan struct{}, 1)
	w.tried = make(chan struct{})
	var id [8]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	w.me = hex.EncodeToString(id[:])
}

func (w *wakers) add(wake func(retrystore.Lane)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A copy each time, as call uses the slice without the lock.
	w.callbacks = append(slices.Clip(w.callbacks), &wake)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.callbacks = slices.DeleteFunc(slices.Clone(w.callbacks), func(c *func(retrystore.Lane)) bool { return c == &wake })
	}
}

// call tells those of this process.
func (w *wakers) call(l retrystore.Lane) {
	w.mu.Lock()
	callbacks := w.callbacks
	w.mu.Unlock()
	for _, wake := range callbacks {
		(*wake)(l)
	}
}

// wake tells all nodes that a delivery of the lane became due.
func (s *Store) wake(l *lane) {
	s.wakers.call(l.name)
	s.wakers.mu.Lock()
	s.wakers.announced[l.text] = true
	s.wakers.mu.Unlock()
	select {
	case s.wakers.kick <- struct{}{}:
	default:
	}
}

func (s *Store) channel() string { return s.options.Prefix + ":wake" }

// publish announces lanes to other nodes: the first at once, those that follow
// together.
func (s *Store) publish() {
	for {
		select {
		case <-s.wakers.kick:
		case <-s.stopped:
			return
		}
		s.wakers.mu.Lock()
		lanes := s.wakers.announced
		s.wakers.announced = make(map[string]bool)
		s.wakers.mu.Unlock()

		ctx, cancel := context.WithTimeout(s.ctx, s.options.Timeout)
		pipe := s.client.Pipeline()
		for text := range lanes {
			pipe.Publish(ctx, s.channel(), s.wakers.me+" "+text)
		}
		_, err := pipe.Exec(ctx)
		cancel()
		if err != nil {
			s.log.Debug("other nodes could not be told what became due", zap.Error(err))
		}
		if !sleep(s.ctx, publishInterval) {
			return
		}
	}
}

// subscribe listens to what other nodes announce.
func (s *Store) subscribe() {
	warned := false
	tried := func() { s.wakers.try.Do(func() { close(s.wakers.tried) }) }
	for wait := listenMin; s.ctx.Err() == nil; {
		heard, err := s.listen(tried)
		tried()
		if heard {
			wait = listenMin
		}
		if judge(err) == forbidden {
			if !warned {
				warned = true
				s.log.Warn("redis user may not subscribe: what other nodes replay or release is found only every few seconds; allow it with &<prefix>* +subscribe +publish", zap.Error(err))
			}
			wait = listenForbidden
		}
		sleep(s.ctx, wait)
		wait = min(2*wait, listenMax)
	}
}

// listen subscribes and listens until the connection fails. It calls tried when
// the subscription has come about, which heard says in the end.
func (s *Store) listen(tried func()) (heard bool, err error) {
	sub := s.client.Subscribe(s.ctx, s.channel())
	defer sub.Close()
	// A read is not ended by its context, but by Close.
	stop := safe.AfterContext(s.ctx, s.log, "redis store: subscription", func() { _ = sub.Close() })
	defer stop()
	for pinged := false; ; {
		patience := listenCheck
		if !heard {
			patience = s.options.Timeout
		}
		message, err := sub.ReceiveTimeout(s.ctx, patience)
		switch {
		case err != nil && timedOut(err) && !pinged && heard:
			pinged = true
			if err := sub.Ping(s.ctx); err != nil {
				return heard, err
			}
			continue
		case err != nil:
			return heard, err
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			heard = true
			select {
			case <-s.wakers.tried:
				s.wakeAll() // what was announced meanwhile is lost
			default:
				tried()
			}
		case *redis.Message:
			s.hear(m.Payload)
		}
	}
}

// hear wakes the lane that another node announced.
func (s *Store) hear(message string) {
	from, text, _ := strings.Cut(message, " ")
	name, ok := parseLane(text)
	if !ok || from == s.wakers.me {
		return
	}
	if p := s.parts.Load(); p != nil {
		p.lanes.get(name)
	}
	s.wakers.call(name)
}

func (s *Store) wakeAll() {
	if p := s.parts.Load(); p != nil {
		for _, l := range p.lanes.all() {
			s.wakers.call(l.name)
		}
	}
}
