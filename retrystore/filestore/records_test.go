package filestore

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func TestIDs(t *testing.T) {
	id := deliveryID{seq: 1<<40 + 7, target: 254, salt: salt{1, 2, 3, 4, 5, 6, 255}}
	s := id.String()
	if got, ok := parseID(s); !ok || got != id || len(s) != 26 || strings.ToLower(s) != s {
		t.Errorf("%q parses as %+v (%v), want %+v", s, got, ok, id)
	}
	// Any other spelling of the same bytes must not be an id.
	for _, c := range "0123456789abcdefghijklmnopqrstuvwxyzABCDEFV=\n" {
		if other := s[:25] + string(c); other != s {
			if got, ok := parseID(other); ok && got == id {
				t.Errorf("%q and %q are the same id", s, other)
			}
		}
	}
	for _, bad := range []string{"", s[:25], s + "0", strings.ToUpper(s), strings.Repeat("z", 26)} {
		if _, ok := parseID(bad); ok {
			t.Errorf("%q is an id", bad)
		}
	}
}

func sampleRecord() *record {
	return &record{
		salt: salt{1, 2, 3}, accepted: 1_900_000_000_123, key: retrystore.Key{9, 8}, expiry: 1_900_086_400,
		targets: []recordTarget{{destination: "app", priority: 5}, {destination: "", priority: 10}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	e := benchEvent()
	b := appendRecord(nil, sampleRecord(), e)
	head, encoded, err := decodeRecord(b)
	if err != nil || !reflect.DeepEqual(&head, sampleRecord()) {
		t.Errorf("decoded %+v, %v", head, err)
	}
	if got, err := retrystore.DecodeEvent(encoded); err != nil || !bytes.Equal(got.Body, e.Body) {
		t.Errorf("event %+v, %v", got, err)
	}
	for i := range b { // no byte is without protection
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x10
		if _, _, err := decodeRecord(damaged); !errors.Is(err, retrystore.ErrCorrupt) {
			t.Fatalf("damaged byte %d: error %v", i, err)
		}
	}

	r := row{state: dead, attempts: 7, budgetAttempts: 3, budgetSince: 123, due: -456, lastStatus: 503, lastError: "no", reason: "max_age"}
	if got, err := decodeRow(r.encode()); err != nil || got != r {
		t.Errorf("row %+v, %v", got, err)
	}
	a := retrystore.Attempt{At: time.UnixMilli(5).UTC(), Duration: time.Second, Status: 200, Error: "e", Answer: []byte("x")}
	if got, err := decodeAttempt(encodeAttempt(&a)); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("attempt %+v, %v", got, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(appendRecord(nil, sampleRecord(), benchEvent()))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, seal(bytes.Clone(b))} { // with a right checksum more of it is reached
			head, encoded, err := decodeRecord(b)
			if err != nil {
				if !errors.Is(err, retrystore.ErrCorrupt) {
					t.Fatalf("error %v does not wrap ErrCorrupt", err)
				}
				continue
			}
			e, err := retrystore.DecodeEvent(encoded)
			if err != nil {
				continue
			}
			again, _, err := decodeRecord(appendRecord(nil, &head, e))
			if err != nil || !reflect.DeepEqual(again, head) {
				t.Fatalf("decoded %+v, again %+v (%v)", head, again, err)
			}
		}
	})
}

func FuzzDecodeRows(f *testing.F) {
	f.Add((&row{state: dead, reason: "x", lastError: "y"}).encode())
	f.Add(encodeAttempt(&retrystore.Attempt{Answer: []byte("x")}))
	f.Add(appendSettledKey(nil, retrystore.Key{1}, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = seal(b)
		if r, err := decodeRow(b); err == nil {
			if again, err := decodeRow(r.encode()); err != nil || again != r {
				t.Fatalf("row %+v, again %+v (%v)", r, again, err)
			}
		}
		if a, err := decodeAttempt(b); err == nil {
			if again, err := decodeAttempt(encodeAttempt(&a)); err != nil || !reflect.DeepEqual(again, a) {
				t.Fatalf("attempt %+v, again %+v (%v)", a, again, err)
			}
		}
		_ = eachSettledKey(b, func(retrystore.Key, uint32) {})
	})
}

func FuzzParse(f *testing.F) {
	f.Add(deliveryID{seq: 1}.String())
	f.Add(position{seq: 1}.cursor())
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := parseID(s); ok && id.String() != s {
			t.Errorf("%q is %q", s, id)
		}
		_, _ = parseCursor(s)
	})
}

// damage changes values behind the back of a closed store.
func damage(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// change replaces the value of a key by what f makes of a copy of it.
func change(b *bbolt.Bucket, key []byte, f func([]byte) []byte) error {
	return b.Put(key, f(bytes.Clone(b.Get(key))))
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 0xff; return b }
}

func TestPoisonBlocksNobody(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	ctx := context.Background()
	var ds []*retrystore.Delivery
	for range 5 {
		ds = append(ds, mustAccept(t, s, 0))
	}
	seq := func(d *retrystore.Delivery) []byte {
		id, _ := parseID(d.ID)
		return eventKey(id.seq)
	}
	claim := func() (got []string) {
		t.Helper()
		c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 10, MaxRetries: 10, Lease: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range c.Deliveries {
			got = append(got, d.ID)
		}
		return got
	}
	wantDead := func(d *retrystore.Delivery) {
		t.Helper()
		got, err := s.Get(ctx, d.ID)
		if err != nil || got.State != retrystore.Dead || got.Reason != reasonCorrupt || got.Event == nil {
			t.Errorf("poison is %+v, %v; want it dead because of %s", got, err, reasonCorrupt)
		}
		p, err := s.List(ctx, retrystore.Filter{States: []retrystore.State{retrystore.Dead}}, "", 10)
		if err != nil || !slices.ContainsFunc(p.Deliveries, func(l *retrystore.Delivery) bool { return l.ID == d.ID && l.Reason == reasonCorrupt }) {
			t.Errorf("poison is not listed as dead: %v", err)
		}
	}

	// One goes bad while the store is open and is found by Claim.
	if err := s.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(bucketEvents), seq(ds[0]), flip(500)) }); err != nil {
		t.Fatal(err)
	}
	if got := claim(); !slices.Equal(got, []string{ds[1].ID, ds[2].ID, ds[3].ID, ds[4].ID}) {
		t.Errorf("claimed %v", got)
	}
	wantDead(ds[0])
	if err := s.Replay(ctx, ds[0].ID); err != nil { // people may try
		t.Fatal(err)
	}
	if got := claim(); len(got) != 0 {
		t.Errorf("claimed %v", got)
	}
	wantDead(ds[0])

	// Others go bad while it is closed and are found at open.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, f.path, func(tx *bbolt.Tx) error {
		events := tx.Bucket(bucketEvents)
		return errors.Join(
			change(events, seq(ds[1]), flip(900)),                                                     // the body
			change(events, seq(ds[2]), func(b []byte) []byte { return append(b[:1+saltSize], 0xff) }), // all but the id
			change(events, seq(ds[3]), func(b []byte) []byte { b[0] = 99; return b }),                 // a version to come
			events.Put([]byte("odd"), []byte("key")),
			tx.Bucket(bucketDeliveries).Put(deliveryKey(1<<40, 3), []byte("of no event")),
			tx.Bucket(bucketDeliveries).Put([]byte("odd"), nil),
		)
	})
	s = f.open(t)
	for _, d := range ds[:4] {
		wantDead(d)
	}
	if got := claim(); !slices.Equal(got, []string{ds[4].ID}) {
		t.Errorf("claimed %v, want the one that is well", got)
	}
	if err := s.Replay(ctx, ds[1].ID); err != nil {
		t.Fatal(err)
	}
	if got := claim(); len(got) != 0 {
		t.Errorf("claimed %v", got)
	}
	for _, d := range ds[:4] {
		wantDead(d)
		if err := s.Delete(ctx, d.ID); err != nil {
			t.Error(err)
		}
	}
	if n := countEvents(t, s); n != 2 { // the good one and the odd key
		t.Errorf("%d event records are left, want 2", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A provider that sends a damaged event again must not be told "duplicate".
func TestPoisonGivesUpItsKey(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	ctx := context.Background()
	sub := &retrystore.Submission{
		Key: retrystore.Key{7}, KeyTTL: time.Hour, Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app"}},
	}
	for round := range 3 {
		r, err := s.Accept(ctx, sub)
		if err != nil || r.Duplicate {
			t.Fatalf("receipt %+v, %v", r, err)
		}
		id, _ := parseID(r.Deliveries[0].ID)
		if round == 0 { // found by Claim
			if err := s.db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket(bucketEvents), eventKey(id.seq), flip(700)) }); err != nil {
				t.Fatal(err)
			}
			if c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 1, Lease: time.Hour}); err != nil || len(c.Deliveries) > 0 {
				t.Fatalf("claimed %v, %v", c.Deliveries, err)
			}
			continue
		}
		// Found at open.
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		damage(t, f.path, func(tx *bbolt.Tx) error { return change(tx.Bucket(bucketEvents), eventKey(id.seq), flip(700)) })
		s = f.open(t)
	}
	s.Close()
}

func TestDamagedRowsRepeat(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	ctx := context.Background()
	d := mustAccept(t, s, time.Hour)
	if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Dead, Reason: "x", Attempt: retrystore.Attempt{Status: 500}}); err != nil {
		t.Fatal(err)
	}
	gone := mustAccept(t, s, time.Hour)
	if err := s.Settle(ctx, gone, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, f.path, func(tx *bbolt.Tx) error {
		var errs []error
		for _, name := range [][]byte{bucketDeliveries, bucketAttempts} {
			k, _ := tx.Bucket(name).Cursor().First()
			errs = append(errs, change(tx.Bucket(name), bytes.Clone(k), flip(2)))
		}
		slots := tx.Bucket(bucketKeys)
		name, _ := slots.Cursor().First()
		k, _ := slots.Bucket(name).Cursor().First()
		return errors.Join(append(errs, change(slots.Bucket(name), bytes.Clone(k), flip(2)))...)
	})
	s = f.open(t)
	defer s.Close()
	got, err := s.Get(ctx, d.ID)
	if err != nil || got.State != retrystore.Pending || len(got.History) != 0 {
		t.Errorf("with a damaged row it is %+v, %v; want it pending", got, err)
	}
	if stats, err := s.Stats(ctx); err != nil || stats.Keys != 1 {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

// Two records with one key are one event and the leftover of a failed commit.
func TestLeftoverIsDropped(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	d := mustAccept(t, s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	id, _ := parseID(d.ID)
	damage(t, f.path, func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketEvents)
		return b.Put(eventKey(id.seq+1), bytes.Clone(b.Get(eventKey(id.seq))))
	})
	s = f.open(t)
	defer s.Close()
	ctx := context.Background()
	p, err := s.List(ctx, retrystore.Filter{}, "", 10)
	if err != nil || len(p.Deliveries) != 1 || p.Deliveries[0].ID != d.ID {
		t.Errorf("listed %v, %v; want the first only", p.Deliveries, err)
	}
	if err := s.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := countEvents(t, s); n != 1 {
		t.Errorf("%d records in the file, want 1", n)
	}
	if next := mustAccept(t, s, 0); next.ID <= d.ID {
		t.Errorf("id %s after %s", next.ID, d.ID)
	}
}
