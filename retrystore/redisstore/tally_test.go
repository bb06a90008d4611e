package redisstore

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What others removed or garbled is counted wrongly only until nothing of the endpoint
// is stored any more.
func TestTallyBeginsAnew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	probe := server.Client()
	accept := func(name string) *retrystore.Delivery {
		t.Helper()
		r, err := s.Accept(t.Context(), submission(name, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return r.Deliveries[0]
	}
	settle := func(d *retrystore.Delivery) {
		t.Helper()
		if err := s.Settle(t.Context(), d, delivered); err != nil {
			t.Fatal(err)
		}
	}
	wantBytes := func(when string, want int64) {
		t.Helper()
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := int64(0)
		for _, e := range stats.Endpoints {
			got += e.Bytes
		}
		if got != want {
			t.Errorf("%s: %d bytes are counted, want %d", when, got, want)
		}
	}
	shard := s.parts.Load().shards[0]
	size := func(d *retrystore.Delivery) int64 {
		id, _ := parseID(d.ID)
		return probe.StrLen(t.Context(), shard.event(id.event())).Val()
	}

	removed, left := accept("removed"), accept("left")
	gone, one := size(removed), size(left)
	wantBytes("stored", gone+one)
	id, _ := parseID(removed.ID)
	probe.Del(t.Context(), shard.event(id.event()))
	settle(removed)
	s.reconcileTallies()
	wantBytes("while another is stored", gone+one)
	settle(left)
	wantBytes("with nothing stored", gone)
	s.reconcileTallies()
	wantBytes("after upkeep", 0)

	first := accept("first")
	probe.HSet(t.Context(), shard.tally(), first.Endpoint, "garbage")
	second := accept("second")
	wantBytes("begun anew", size(second))
	settle(first)
	settle(second)
	wantBytes("all settled", 0)
	if n := probe.Exists(t.Context(), shard.tally()).Val(); n != 0 {
		t.Error("a tally of nothing is left behind")
	}
}
