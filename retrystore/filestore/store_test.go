package filestore

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func seqOf(t *testing.T, id string) uint64 {
	t.Helper()
	p, ok := parseID(id)
	if !ok {
		t.Fatalf("%q is no id", id)
	}
	return p.seq
}

func TestNumbersGrowForEver(t *testing.T) {
	f := newFixture(t)
	last := uint64(0)
	for range 3 {
		s := f.open(t)
		for range 3 {
			d := mustAccept(t, s, 0)
			if seq := seqOf(t, d.ID); seq <= last {
				t.Errorf("seq %d after %d", seq, last)
			} else {
				last = seq
			}
			if err := s.Delete(context.Background(), d.ID); err != nil { // nothing is left to count from
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An id must not name a delivery of another file, such as a backup restored.
func TestIDsOfAnotherFile(t *testing.T) {
	a, b := newFixture(t).open(t), newFixture(t).open(t)
	defer a.Close()
	defer b.Close()
	d, other := mustAccept(t, a, time.Hour), mustAccept(t, b, time.Hour)
	if seqOf(t, d.ID) != seqOf(t, other.ID) {
		t.Fatal("the test needs two events with one seq")
	}
	if _, err := b.Get(context.Background(), d.ID); !errors.Is(err, retrystore.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// A result is saved soon even if no other event comes.
func TestSettleCommitsAlone(t *testing.T) {
	s := newFixture(t).open(t)
	defer s.Close()
	d := mustAccept(t, s, time.Hour)
	if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event's deletion", func() error {
		if n := countEvents(t, s); n != 0 {
			return errors.New("it is still in the file")
		}
		return nil
	})
}

// Results that keep coming must not put off the commit that saves them.
func TestSteadySettlesAreCommitted(t *testing.T) {
	s := newFixture(t).open(t)
	defer s.Close()
	const events = 200
	var deliveries []*retrystore.Delivery
	for range events {
		deliveries = append(deliveries, mustAccept(t, s, time.Hour))
	}
	// Each comes well within the commit interval of the one before.
	ticker := time.NewTicker(DefaultCommitInterval / 8)
	defer ticker.Stop()
	for _, d := range deliveries {
		<-ticker.C
		if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
	if n := countEvents(t, s); n > events/2 {
		t.Errorf("%d of %d events are still in the file", n, events)
	}
}

// A steady stream of results must not put off their commit.
func TestStreamOfResultsIsCommitted(t *testing.T) {
	var commits atomic.Int32
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{afterCommit: func(err error) error {
		commits.Add(1)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var ds []*retrystore.Delivery
	for range 1000 {
		ds = append(ds, mustAccept(t, s, time.Hour))
	}
	before := commits.Load()
	for _, d := range ds {
		if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
			t.Fatal(err)
		}
		if commits.Load() > before {
			return
		}
		time.Sleep(time.Millisecond) // a stream with gaps shorter than CommitInterval
	}
	t.Error("1000 results in a row and no commit")
}

// A delivery that changes again while its last change is being committed must
// have the newer one saved, and no attempt lost.
func TestChangeDuringCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var s *Store
	var during atomic.Pointer[func()]
	s, err := Open(path, Options{afterCommit: func(err error) error {
		if f := during.Swap(nil); f != nil {
			(*f)() // written, but the writer does not know yet
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	settle := func(d *retrystore.Delivery, status int) {
		if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{Status: status}}); err != nil {
			t.Error(err)
		}
	}
	d := mustAccept(t, s, time.Hour)
	f := func() {
		c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 1, MaxRetries: 1, Lease: time.Hour})
		if err != nil || len(c.Deliveries) != 1 {
			t.Error(c, err)
			return
		}
		settle(c.Deliveries[0], 2)
	}
	settle(d, 1)
	during.Store(&f)
	for range 2 {
		if err := s.flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Get(ctx, d.ID)
	if err != nil || got.Attempts != 2 || got.LastStatus != 2 || len(got.History) != 2 || got.History[0].Status != 1 {
		t.Errorf("after opening again %+v, %v", got, err)
	}
}

// The clock may be put back at any moment; a new event is due all the same.
func TestClockPutBackDuringAccept(t *testing.T) {
	clock := faketime.At(time.Unix(2_000_000_000, 0))
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{Now: clock.Now, afterCommit: func(err error) error {
		clock.Move(-time.Hour)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAccept(t, s, 0)
	c, err := s.Claim(context.Background(), retrystore.ClaimRequest{Lane: benchLane, Max: 1, Lease: time.Hour})
	if err != nil || len(c.Deliveries) != 1 {
		t.Errorf("claimed %v, %v; want the new event", c.Deliveries, err)
	}
}

func TestOldAttemptsLeaveTheFile(t *testing.T) {
	s := newFixture(t).open(t)
	defer s.Close()
	ctx := context.Background()
	mustAccept(t, s, 0)
	for i := range retrystore.MaxHistory + 10 {
		c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 1, MaxRetries: 1, Lease: time.Hour})
		if err != nil || len(c.Deliveries) != 1 {
			t.Fatal(c, err)
		}
		if err := s.Settle(ctx, c.Deliveries[0], retrystore.Settlement{State: retrystore.Pending, Attempt: retrystore.Attempt{Status: i}}); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	rows := 0
	if err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketAttempts).ForEach(func(k, v []byte) error { rows++; return nil })
	}); err != nil || rows != retrystore.MaxHistory {
		t.Errorf("%d attempts in the file (%v), want %d", rows, err, retrystore.MaxHistory)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	s := newFixture(t).open(t)
	defer s.Close()
	ctx := context.Background()
	d := mustAccept(t, s, time.Hour)
	long := strings.Repeat("ü", maxText)
	if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Dead, Reason: long, Attempt: retrystore.Attempt{Error: "x" + long}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(ctx, d.ID)
	if err != nil || len(got.Reason) != maxText || len(got.LastError) != maxText-1 || !strings.HasPrefix("x"+long, got.LastError) {
		t.Errorf("reason of %d and error of %d bytes, %v; want them cut at a character", len(got.Reason), len(got.LastError), err)
	}
}

// A claim that cannot read gives its leases back.
func TestClaimThatCannotRead(t *testing.T) {
	s := newFixture(t).open(t)
	mustAccept(t, s, 0)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 1, Lease: time.Hour}); !errors.Is(err, retrystore.ErrClosed) {
		t.Errorf("claim: %v", err)
	}
	if stats, err := s.Stats(ctx); err != nil || stats.Lanes[0].Pending != 1 {
		t.Errorf("stats %+v, %v; want the delivery pending", stats, err)
	}
	s.Close()
}

// Events that stay for long must not make the index keep room for all that went.
func TestIndexForgets(t *testing.T) {
	x := newIndex()
	const n = 20_000
	events := make([]*event, n)
	for i := range events {
		events[i] = newEvent(1)
		events[i].seq, events[i].size = uint64(i+1), 1000
		events[i].deliveries[0].lane = x.lane(retrystore.Lane{Endpoint: "shop", Destination: "app"})
		x.add(events[i], instant{})
	}
	for i, e := range events {
		if i%100 != 0 {
			x.forget(e)
		}
	}
	for i, e := range events {
		if got := x.event(e.seq); (got == e) != (i%100 == 0) {
			t.Fatalf("event %d: found %v", i, got != nil)
		}
	}
	if len(x.slots) > n/100+2048 {
		t.Errorf("%d slots for %d events", len(x.slots), n/100)
	}
	for i := 0; i < n; i += 100 {
		x.forget(events[i])
	}
	if len(x.slots) != 0 || x.holes != 0 {
		t.Errorf("%d slots and %d holes in an empty index", len(x.slots), x.holes)
	}
	if bytes := x.stored["shop"].bytes; bytes != 0 {
		t.Errorf("%d bytes in an empty index", bytes)
	}
}

func TestKeysFindTheirEventBeyond32Bits(t *testing.T) {
	x := newIndex()
	for _, seq := range []uint64{7, 1<<32 - 1, 1<<32 + 1, 1<<32 + 7, 1 << 40} {
		e := newEvent(1)
		e.seq, e.key, e.expiry = seq, retrystore.Key{byte(seq), byte(seq >> 32)}, 1
		e.deliveries[0].lane = x.lane(retrystore.Lane{Endpoint: "shop", Destination: "app"})
		x.add(e, instant{})
		k, _ := x.keys.get(e.key)
		if got := x.eventWith(e.key, k); uint32(seq) != 0 && got != e {
			t.Errorf("seq %d is not found by its key", seq)
		}
	}
	// Too long ago to be told from a later one: as if it were settled.
	if got := x.eventWith(retrystore.Key{7, 0}, rememberedKey{seq: 7}); got != nil && got.seq != 7 {
		t.Errorf("found event %d by the key of another", got.seq)
	}
}

// Two buckets that share their pages.
func TestOpenSharedPages(t *testing.T) {
	b := storeFile(t)
	root := -1
	for at := 2 * pageSize; at < len(b); at += pageSize {
		es, err := parseElements(b[at : at+pageSize])
		if err == nil && len(es) == 5 && bytes.Equal(es[0].key, bucketAttempts) && len(es[0].value) == bucketSize && len(es[2].value) == bucketSize {
			copy(es[0].value, es[2].value) // attempts become events; the latest root page is among these
			root = at
		}
	}
	if root < 0 {
		t.Fatal("no root page found")
	}
	if err := refused(t, b); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("error %v, want ErrDamaged", err)
	}
}
