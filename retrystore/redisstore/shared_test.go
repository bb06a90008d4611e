package redisstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func sha(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// newStore opens a store with a client of its own, both closed with the test.
func newStore(t testing.TB, server *redistest.Server, o Options) *Store {
	t.Helper()
	c := client(server)
	t.Cleanup(func() { _ = c.Close() })
	s := open(t, c, o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Two nodes claim, settle, and are too late.
func TestFencingBetweenStores(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := newStore(t, server, Options{}), newStore(t, server, Options{})
	d := accept(t, a, "1", 50*time.Millisecond)
	if got := claim(t, b, 1); len(got) != 0 {
		t.Fatal("the other node got a delivery that is leased")
	}
	var rival *retrystore.Delivery
	eventually(t, 5*time.Second, func() error {
		got := claim(t, b, 1)
		if len(got) == 0 {
			return errors.New("the lapsed lease was not given to the other node")
		}
		rival = got[0]
		return nil
	})
	for _, settlement := range []retrystore.Settlement{delivered, {State: retrystore.Pending}, {State: retrystore.Dead}} {
		if err := a.Settle(t.Context(), d, settlement); !errors.Is(err, retrystore.ErrLeaseLost) {
			t.Errorf("late result: %v, want ErrLeaseLost", err)
		}
	}
	if err := a.Release(t.Context(), d); !errors.Is(err, retrystore.ErrLeaseLost) {
		t.Errorf("late release: %v, want ErrLeaseLost", err)
	}
	if err := b.Settle(t.Context(), rival, delivered); err != nil {
		t.Error(err)
	}
}

// Many nodes claim at once: each delivery is leased once, and all are.
func TestClaimsOfManyStores(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const events, nodes = 300, 6
	first := newStore(t, server, Options{Shards: 4})
	for i := range events {
		accept(t, first, fmt.Sprint(i), 0)
	}
	var mu sync.Mutex
	seen := make(map[string]int)
	var wg sync.WaitGroup
	for range nodes {
		s := newStore(t, server, Options{})
		wg.Go(func() {
			for {
				c, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: testLane, Max: 9, MaxRetries: 9, Lease: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, d := range c.Deliveries {
					seen[d.ID]++
				}
				mu.Unlock()
				if c.Next.After(time.Now()) {
					return // the leases are all that is left
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != events {
		t.Errorf("%d of %d were claimed", len(seen), events)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("delivery %s was leased %d times", id, n)
		}
	}
}

// A delivery that becomes due on one node wakes the other soon, and each node once.
func TestStoresWakeEachOther(t *testing.T) {
	server := redistest.Start(t)
	a, b := newStore(t, server, Options{}), newStore(t, server, Options{})
	there, here := make(chan retrystore.Lane, 1000), make(chan retrystore.Lane, 1000)
	b.Notify(func(l retrystore.Lane) { there <- l })
	a.Notify(func(l retrystore.Lane) { here <- l })
	// soon wants the other node woken each time, and at least once within 200 ms:
	// a busy machine may take its time now and then.
	soon := func(what string, becomesDue func(id string)) {
		t.Helper()
		var fastest time.Duration
		for try := range 5 {
			began := time.Now()
			becomesDue(fmt.Sprint(what, try))
			select {
			case l := <-there:
				if l != testLane {
					t.Errorf("%s woke %s", what, l)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s did not wake the other node", what)
			}
			if took := time.Since(began); try == 0 || took < fastest {
				fastest = took
			}
		}
		t.Logf("%s woke the other node after %s", what, fastest.Round(time.Microsecond))
		if fastest > 200*time.Millisecond {
			t.Errorf("%s woke the other node after %s at best, want 200 ms", what, fastest)
		}
	}
	soon("Accept", func(id string) { accept(t, a, id, 0) })
	soon("Release", func(id string) {
		if err := a.Release(t.Context(), accept(t, a, id, time.Minute)); err != nil {
			t.Fatal(err)
		}
	})
	soon("Replay", func(id string) {
		d := accept(t, a, id, time.Minute)
		if err := a.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Dead, Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		if err := a.Replay(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
	})

	// A burst is announced together.
	const burst = 100
	began := time.Now()
	for i := range burst {
		accept(t, a, fmt.Sprint("burst", i), 0)
	}
	time.Sleep(3 * publishInterval)
	if n, most := len(there), int(time.Since(began)/publishInterval)+1; n == 0 || n > most {
		t.Errorf("%d events woke the other node %d times, want 1 to %d", burst, n, most)
	}
	if n := len(here); n != 15+burst {
		t.Errorf("a node was woken %d times by its own %d changes", n, 15+burst)
	}
}

// A node that lost its connection for a while may have missed something.
func TestSubscriptionComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	accept(t, s, "1", time.Minute)
	woken := make(chan retrystore.Lane, 100)
	s.Notify(func(l retrystore.Lane) { woken <- l })
	if err := server.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case l := <-woken:
		if l != testLane {
			t.Errorf("woke %s", l)
		}
	case <-time.After(10 * time.Second):
		t.Error("no lane was woken after the subscription came back")
	}
}

// The number of shards is stored with the data, and every node uses that number.
func TestShardsAreFixed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	first := newStore(t, server, Options{Shards: 3})
	accept(t, first, "1", 0)
	c := client(server)
	defer c.Close()
	_, err := Open(t.Context(), c, Options{Shards: 4})
	if err == nil || !strings.Contains(err.Error(), "set 3") {
		t.Errorf("another number of shards: %v", err)
	}
	second := newStore(t, server, Options{})
	if n := len(second.parts.Load().shards); n != 3 {
		t.Errorf("%d shards, want those of the data, 3", n)
	}
	if ds := claim(t, second, 10); len(ds) != 1 {
		t.Errorf("claimed %d, want 1", len(ds))
	}
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	second.checkSettings()
	if n, err := c.HGet(t.Context(), "wh:meta", "shards").Int(); err != nil || n != 3 {
		t.Errorf("%d shards after the server was emptied, want still 3, error %v", n, err)
	}
	c.HSet(t.Context(), "wh:meta", "layout", "2")
	if _, err = Open(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "layout 2") {
		t.Errorf("a newer layout: %v", err)
	}
	for name, o := range map[string]Options{
		"too many shards": {Shards: maxShards + 1}, "brace": {Prefix: "a{b}"}, "space": {Prefix: "a b"},
		"replicas slower than the client": {MinReplicas: 1, ReplicaTimeout: time.Hour},
	} {
		if _, err := Open(t.Context(), c, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Prefixes keep stores on one server apart.
func TestPrefixesAreApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := newStore(t, server, Options{}), newStore(t, server, Options{Prefix: "other"})
	d := accept(t, a, "1", 0)
	accept(t, b, "1", time.Minute)
	if _, err := b.Get(t.Context(), d.ID); !errors.Is(err, retrystore.ErrNotFound) {
		t.Errorf("the other prefix's delivery: %v", err)
	}
	probe := server.Client()
	for cursor := uint64(0); ; {
		keys, next, err := probe.Scan(t.Context(), cursor, "*", 100).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if rest := strings.TrimPrefix(key, "{"); !strings.HasPrefix(rest, "wh:") && !strings.HasPrefix(rest, "other:") {
				t.Errorf("key %q has no prefix", key)
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
}

// A record that cannot be read becomes a dead letter and blocks nothing; its key
// is free again. One that is gone is removed.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	probe := server.Client()
	key := func(d *retrystore.Delivery) string {
		id, ok := parseID(d.ID)
		if !ok {
			t.Fatalf("id %q", d.ID)
		}
		return s.parts.Load().shards[0].event(id.event())
	}
	flipped, cutShort, gone := accept(t, s, "flipped", 0), accept(t, s, "cut", 0), accept(t, s, "gone", 0)
	good := accept(t, s, "good", 0)
	record, err := probe.Get(t.Context(), key(flipped)).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	record[len(record)-3] ^= 1
	probe.Set(t.Context(), key(flipped), record, 0)
	probe.Set(t.Context(), key(cutShort), "x", 0)
	probe.Del(t.Context(), key(gone))

	if got := claim(t, s, 10); len(got) != 1 || got[0].ID != good.ID {
		t.Fatalf("claimed %v, want only the good one", got)
	}
	d, err := s.Get(t.Context(), flipped.ID)
	if err != nil || d.State != retrystore.Dead || d.Reason != reasonCorrupt || !strings.Contains(d.LastError, "checksum") || d.Event.EventID != "flipped" {
		t.Errorf("damaged delivery %+v, error %v", d, err)
	}
	if _, err := s.Get(t.Context(), gone.ID); !errors.Is(err, retrystore.ErrNotFound) {
		t.Errorf("delivery without an event: %v", err)
	}
	page, err := s.List(t.Context(), retrystore.Filter{States: []retrystore.State{retrystore.Dead}}, "", 10)
	if err != nil || len(page.Deliveries) != 2 {
		t.Errorf("%d dead letters listed, error %v", len(page.Deliveries), err)
	}
	for id, duplicate := range map[string]bool{"flipped": false, "good": true} {
		if r, err := s.Accept(t.Context(), submission(id, time.Minute)); err != nil || r.Duplicate != duplicate {
			t.Errorf("event %s again: %+v, %v", id, r, err)
		}
	}
	stats, err := s.Stats(t.Context())
	if err != nil || len(stats.Lanes) != 1 || stats.Lanes[0].Dead != 2 || stats.Lanes[0].Pending != 0 || stats.Lanes[0].Leased != 2 {
		t.Errorf("stats %+v, error %v", stats, err)
	}
	if err := s.Delete(t.Context(), flipped.ID); err != nil {
		t.Error(err)
	}
}

// While a guard decides about a key the same event is not accepted.
func TestAcceptWaitsForHold(t *testing.T) {
	t.Parallel()
	s := newStore(t, redistest.Start(t), Options{})
	h, err := s.HoldKey(t.Context(), testKey("1"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), submission("1", 0)); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Errorf("accepted while it is held: %v", err)
	}
	if err := s.ReleaseKey(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	accept(t, s, "1", 0)
}

// Clients of a kind that cannot work are refused.
func TestOpenRefusesRing(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	if _, err := Open(context.WithoutCancel(t.Context()), ring, Options{}); err == nil {
		t.Error("a Ring spreads keys over servers that know nothing of each other, and was taken")
	}
}
