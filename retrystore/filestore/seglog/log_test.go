package seglog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// read is what Open gave, by number of the callback.
type read struct {
	Kind    Kind
	ID      uint64
	Payload string
	Damaged bool
}

// reopen opens the log in dir and returns all records.
func reopen(t *testing.T, dir string, o Options) (*Log, []read, Recovery) {
	t.Helper()
	var all []read
	l, recovery, err := Open(dir, o, func(e Entry) error {
		all = append(all, read{e.Kind, e.ID, string(e.Payload), e.Damaged})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, all, recovery
}

// content is the payload of the record with that id.
func content(id uint64) []byte {
	r := rand.New(rand.NewPCG(id, 1))
	b := make([]byte, r.IntN(300))
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}

// appendIDs appends a batch of records with these ids.
func appendIDs(t *testing.T, l *Log, ids ...uint64) []Position {
	t.Helper()
	b := new(Batch)
	for _, id := range ids {
		b.Add(1, id, content(id))
	}
	positions, err := l.Append(b, false)
	if err != nil {
		t.Fatal(err)
	}
	return positions
}

// checkIDs says that exactly these records were read, whole and in this order.
func checkIDs(t *testing.T, all []read, ids ...uint64) {
	t.Helper()
	if len(all) != len(ids) {
		t.Fatalf("%d records, want %d", len(all), len(ids))
	}
	for i, r := range all {
		if r.ID != ids[i] || r.Damaged || r.Payload != string(content(ids[i])) || r.Kind != 1 {
			t.Fatalf("record %d is %d (damaged: %v), want %d", i, r.ID, r.Damaged, ids[i])
		}
	}
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func until(n uint64) (ids []uint64) {
	for id := range n {
		ids = append(ids, id)
	}
	return ids
}

// small makes segments that are soon full.
var small = Options{SegmentSize: 32 << 10}

// TestAppend writes across several segments, reads each record where Append said that it is, and
// finds all of them again.
func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, all, _ := reopen(t, dir, small)
	checkIDs(t, all)
	var positions []Position
	for id := uint64(0); id < 2000; id += 10 {
		positions = append(positions, appendIDs(t, l, id, id+1, id+2, id+3, id+4, id+5, id+6, id+7, id+8, id+9)...)
	}
	if n := len(l.Segments()); n < 5 {
		t.Fatalf("%d segments: this test shows nothing", n)
	}
	identity := l.Identity()
	for id, p := range positions {
		kind, got, payload, err := l.Read(p, nil)
		if err != nil || kind != 1 || got != uint64(id) || !bytes.Equal(payload, content(uint64(id))) {
			t.Fatalf("record %d: kind %d, id %d, error %v", id, kind, got, err)
		}
	}
	for round := range 3 {
		closeLog(t, l)
		var recovery Recovery
		l, all, recovery = reopen(t, dir, small)
		checkIDs(t, all, until(uint64(2000+round))...)
		if !recovery.Closed || len(recovery.Damages) > 0 || recovery.Torn > 0 || l.Identity() != identity {
			t.Errorf("recovery of a closed log: %+v", recovery)
		}
		appendIDs(t, l, uint64(2000+round))
	}
	closeLog(t, l)
}

// TestLargePayload writes payloads that are larger than a segment, and such that are written by themselves.
func TestLargePayload(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := reopen(t, dir, Options{SegmentSize: 1 << 20})
	large := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	b := new(Batch)
	b.Add(1, 1, []byte("before"))
	b.Add(2, 2, large[:len(large)-3])
	b.Add(1, 3, []byte("between"))
	b.Add(2, 4, large)
	b.Add(1, 5, nil)
	positions, err := l.Append(b, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, payload, err := l.Read(positions[3], nil); err != nil || !bytes.Equal(payload, large) {
		t.Errorf("reading the large one: %d bytes, %v", len(payload), err)
	}
	appendIDs(t, l, 6)
	closeLog(t, l)
	l, all, _ := reopen(t, dir, Options{SegmentSize: 1 << 20})
	defer closeLog(t, l)
	if len(all) != 6 || all[1].Payload != string(large[:len(large)-3]) || all[3].Payload != string(large) || all[2].Payload != "between" {
		t.Errorf("%d records", len(all))
	}
}

// TestRetire removes the oldest segments, uses a file again, and never lets what it held come back.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := reopen(t, dir, small)
	var first uint64
	first = 0
	for id := uint64(0); id < 3000; id++ {
		p := appendIDs(t, l, id)
		for len(l.Segments()) > 3 {
			oldest := l.Segments()[0]
			if err := l.Retire(oldest); err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := l.Read(Position{oldest, headerSize}, nil); !errors.Is(err, ErrGone) {
				t.Fatalf("reading a retired segment: %v", err)
			}
			first = id // at least what is in later segments is there
		}
		_ = p
	}
	if err := l.Retire(l.Segments()[1]); err == nil {
		t.Error("a segment in the middle was retired")
	}
	if size := l.Bytes(); size > 6*small.SegmentSize {
		t.Errorf("the log has %d bytes", size)
	}
	kill(t, l)
	l, all, recovery := reopen(t, dir, small)
	defer closeLog(t, l)
	if len(all) < 3 || all[len(all)-1].ID != 2999 || all[0].ID > first {
		t.Fatalf("%d records are left", len(all))
	}
	for i := range all {
		if all[i].ID != all[0].ID+uint64(i) {
			t.Fatalf("record %d follows %d", all[i].ID, all[i-1].ID)
		}
	}
	if len(recovery.Damages) > 0 {
		t.Errorf("damages: %+v", recovery.Damages)
	}
}

// kill gives the files free as the end of the process would.
func kill(t *testing.T, l *Log) {
	t.Helper()
	if err := l.abandon(); err != nil {
		t.Fatal(err)
	}
}

// TestLock refuses a second user of the directory.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := reopen(t, dir, small)
	if _, _, err := Open(dir, small, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open: %v", err)
	}
	closeLog(t, l)
	l, _, _ = reopen(t, dir, small)
	closeLog(t, l)
}

// TestCheck finds files that were removed, replaced or cut short.
func TestCheck(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 100) },
		"replaced": func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.Remove(path), os.WriteFile(path, b, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, _, _ := reopen(t, dir, small)
			appendIDs(t, l, 1)
			if err := l.Check(); err != nil {
				t.Fatal(err)
			}
			path := segmentPath(dir, l.Segments()[0])
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if err := l.Check(); !errors.Is(err, ErrReplaced) {
				t.Errorf("check: %v", err)
			}
			kill(t, l)
		})
	}
}

// TestStrangers keeps aside what is no segment of the log, and refuses what a newer version wrote.
func TestStrangers(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := reopen(t, dir, small)
	appendIDs(t, l, 0)
	closeLog(t, l)
	other := filepath.Join(t.TempDir(), "other")
	o, _, _ := reopen(t, other, small)
	appendIDs(t, o, 77)
	closeLog(t, o)
	b, err := os.ReadFile(segmentPath(other, 1))
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		segmentPath(dir, 0):                []byte("no segment"),
		filepath.Join(dir, "README"):       []byte("hands off"),
		filepath.Join(dir, aheadName):      make([]byte, 5000),
		filepath.Join(dir, "0000.seg"):     b,
		segmentPath(dir, 0xffffffffffffff): nil,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, all, recovery := reopen(t, dir, small)
	checkIDs(t, all, 0)
	if len(recovery.SetAside) != 2 {
		t.Errorf("set aside: %v", recovery.SetAside)
	}
	closeLog(t, l)

	h := segmentHeader{number: 9, size: 8192, identity: l.identity}
	newer := h.encode()
	for _, at := range []int{0, headerCopy} {
		newer[at+8] = 2
		copy(newer[at+64:], sumBytes(newer[at:at+64]))
	}
	if err := os.WriteFile(segmentPath(dir, 9), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, small, nil); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer segment: %v", err)
	}
	if b, err := os.ReadFile(segmentPath(dir, 9)); err != nil || !bytes.Equal(b, newer) {
		t.Errorf("the newer segment was changed: %v", err)
	}
}

func sumBytes(b []byte) []byte {
	s := Sum(b)
	return []byte{byte(s), byte(s >> 8), byte(s >> 16), byte(s >> 24)}
}

// TestLimit refuses to grow beyond MaxBytes; urgent batches have room a while longer; and retiring makes room.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := reopen(t, dir, Options{MaxBytes: MinBytes})
	defer closeLog(t, l)
	payload := make([]byte, 100<<10)
	one := func(urgent bool) error {
		b := new(Batch)
		b.Add(1, 0, payload)
		_, err := l.Append(b, urgent)
		return err
	}
	n := 0
	for ; n < 1000; n++ {
		if err := one(false); err != nil {
			if !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			break
		}
	}
	if n < 100 || l.Bytes() > MinBytes {
		t.Fatalf("%d batches in %d bytes", n, l.Bytes())
	}
	if err := one(true); err != nil {
		t.Errorf("an urgent batch: %v", err)
	}
	for range 3 {
		if err := l.Retire(l.Segments()[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := one(false); err != nil {
		t.Errorf("after retiring: %v", err)
	}
}

// BenchmarkAppend is what a batch costs.
func BenchmarkAppend(b *testing.B) {
	for _, records := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			l, _, err := Open(b.TempDir(), Options{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			payload := make([]byte, 1300)
			batch := new(Batch)
			b.SetBytes(int64(records * len(payload)))
			for b.Loop() {
				batch.Reset()
				for range records {
					batch.Add(1, 1, payload)
				}
				if _, err := l.Append(batch, false); err != nil {
					b.Fatal(err)
				}
				if s := l.Segments(); len(s) > 3 {
					if err := l.Retire(s[0]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
