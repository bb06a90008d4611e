package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// passThrough accepts and delivers an event.
func passThrough(t testing.TB, s *Store, sub *retrystore.Submission) ([]*retrystore.Delivery, error) {
	t.Helper()
	for i := range sub.Targets {
		sub.Targets[i].Lease = time.Minute
	}
	r, err := s.Accept(t.Context(), sub)
	if err != nil {
		return nil, err
	}
	for _, d := range r.Deliveries {
		if err := s.Settle(t.Context(), d, delivered); err != nil {
			return nil, err
		}
	}
	return r.Deliveries, nil
}

// keysByKind counts the keys of a server by what they are for.
func keysByKind(t *testing.T, c *redis.Client) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	keys := c.Scan(t.Context(), 0, "{wh:*", 1000).Iterator()
	for keys.Next(t.Context()) {
		_, rest, _ := strings.Cut(keys.Val(), "}:")
		kind, _, _ := strings.Cut(rest, ":")
		counts[kind]++
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// Many workers of two nodes: what is dropped leaves no key behind, and the bound
// holds as soon as they rest.
func TestRetainUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const shards, most, workers, each = 4, 400, 16, 200
	nodes := []*Store{newStore(t, server, Options{Shards: shards}), newStore(t, server, Options{Shards: shards})}
	for _, s := range nodes {
		s.Retain(retrystore.Retention{Count: most})
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				sub := submission(fmt.Sprint(w, "-", i), time.Minute)
				if i%2 == 0 {
					sub.Targets = append(sub.Targets, retrystore.Target{Destination: "audit"})
				}
				if _, err := passThrough(t, nodes[w%2], sub); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	probe := server.Client()
	slack := shards * (most / shards / 16)
	count := func() (n int64) {
		for i := range shards {
			n += probe.ZCard(t.Context(), newShard("wh", i).kept()).Val()
		}
		return n
	}
	eventually(t, 20*time.Second, func() error {
		if n := count(); n > most+int64(slack) {
			return fmt.Errorf("%d are kept, want at most %d", n, most+slack)
		}
		return nil
	})
	if n := count(); n < most*8/10 {
		t.Errorf("%d are kept, want about %d", n, most)
	}
	eventually(t, 20*time.Second, func() error { // keys are counted one after the other
		if kinds := keysByKind(t, probe); kinds["e"] != kinds["g"] || kinds["e"] > most+slack || kinds["s"] != 0 {
			return fmt.Errorf("keys %v", kinds)
		}
		return nil
	})
	for _, s := range nodes {
		s.Retain(retrystore.Retention{})
	}
	eventually(t, 20*time.Second, func() error {
		kinds := keysByKind(t, probe)
		delete(kinds, "k")
		delete(kinds, "lanes")
		delete(kinds, "clock")
		delete(kinds, "epoch")
		if len(kinds) > 0 {
			return fmt.Errorf("left behind: %v", kinds)
		}
		return nil
	})
	for _, s := range nodes {
		eventually(t, 20*time.Second, func() error {
			if !s.keeper.cleared.Load() {
				return errors.New("a node that keeps nothing goes on looking")
			}
			return nil
		})
	}
}

// A record is cut at the same place as the encoder's own, whatever its sizes.
func TestStrip(t *testing.T) {
	t.Parallel()
	s := newStore(t, redistest.Start(t), Options{})
	s.Retain(retrystore.Retention{Count: 100_000})
	for i, size := range []int{0, 1, 126, 127, 128, 16_383, 16_384, 100_000} {
		sub := submission(fmt.Sprint("strip", i), time.Minute)
		sub.Event.URI = "/" + strings.Repeat("u", size)
		sub.Event.Header = map[string][]string{"X-Long": {strings.Repeat("h", size)}}
		sub.Event.Body = append([]byte("b"), bytes.Repeat([]byte{0xff}, size)...)
		sub.Event.ReceivedAt = time.UnixMilli(1 << (5 * i)).UTC()
		for n := range i * 10 {
			sub.Targets = append(sub.Targets, retrystore.Target{Destination: fmt.Sprint("destination-", n)})
		}
		ds, err := passThrough(t, s, sub)
		if err != nil {
			t.Fatal(err)
		}
		want := *sub.Event
		want.Body = nil
		for _, d := range ds {
			got, err := s.Get(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Event, &want) || !got.BodyDropped || got.State != retrystore.Delivered || got.Lane != d.Lane || len(got.History) != 1 {
				t.Fatalf("size %d: kept %+v of %+v", size, *got, *got.Event)
			}
		}
	}
}

// A full server drops history, so that it takes webhooks.
func TestRetainGivesWay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	probe := server.Client()
	s := newStore(t, server, Options{})
	s.Retain(retrystore.Retention{Count: 1_000_000, Bodies: true})
	used := usage(t, probe)["used_memory"]
	if err := probe.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(int64(used)+8<<20)).Err(); err != nil {
		t.Fatal(err)
	}
	pass := func(i int) error {
		sub := submission(fmt.Sprint(i), time.Minute)
		sub.Event.Body = bytes.Repeat([]byte("x"), 32<<10)
		_, err := passThrough(t, s, sub)
		return err
	}
	refused := 0
	for i := range 1000 { // four times what fits
		if err := pass(i); errors.Is(err, retrystore.ErrFull) {
			refused++
			eventually(t, 20*time.Second, func() error { return pass(i) })
		} else if err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.List(t.Context(), retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}, "", 1000)
	if err != nil || len(page.Deliveries) == 0 {
		t.Errorf("%d are kept, error %v", len(page.Deliveries), err)
	}
	t.Logf("%d of 1000 were refused at first, %d are kept", refused, len(page.Deliveries))
	if refused > 100 {
		t.Errorf("%d of 1000 were refused", refused)
	}
	eventually(t, 20*time.Second, func() error {
		if kinds := keysByKind(t, probe); kinds["e"] != kinds["g"] || kinds["s"] != 0 {
			return fmt.Errorf("keys %v", kinds)
		}
		return nil
	})

	// With nothing but history in it, and nothing to settle, too.
	s.Retain(retrystore.Retention{Count: 1_000_000, Bodies: true})
	for i := 0; ; i++ {
		sub := submission(fmt.Sprint("p", i), 0)
		sub.Event.Body = bytes.Repeat([]byte("x"), 32<<10)
		if _, err := s.Accept(t.Context(), sub); err != nil {
			break
		}
	}
	eventually(t, 20*time.Second, func() error {
		_, err := s.Accept(t.Context(), submission("after", 0))
		return err
	})
}

// Results whose answer was lost are told again, and the event is kept once.
func TestRetainToldTwice(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	s.Retain(retrystore.Retention{Count: 10})
	d := accept(t, s, "1", time.Minute)
	h, err := s.hold(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	s.leave()
	for i, want := range []int64{keptFits, 0} {
		c := h.keptCall(s.keeper.on(), 1, appendAttempt(nil, delivered.Attempt))
		s.direct([]*call{c})
		if c.err != nil || integer(c.reply) != want {
			t.Errorf("run %d answered %v, error %v, want %d", i, c.reply, c.err, want)
		}
	}
	if got, err := s.Get(t.Context(), d.ID); err != nil || got.Attempts != 1 || len(got.History) != 1 {
		t.Errorf("kept %+v, %v", got, err)
	}
}
