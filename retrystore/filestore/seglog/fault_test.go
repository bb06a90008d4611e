package seglog

import (
	"errors"
	"os"
	"testing"
)

// TestFailedSync puts the batch into another segment, and what the failed one left behind is not read.
func TestFailedSync(t *testing.T) {
	dir := t.TempDir()
	failures := 0
	o := Options{SegmentSize: 32 << 10, sync: func(f *os.File) error {
		if failures > 0 {
			failures--
			return errors.New("input/output error")
		}
		return syncData(f)
	}}
	l, _, _ := reopen(t, dir, o)
	appendIDs(t, l, 0)
	failures = 1
	appendIDs(t, l, 1)
	appendIDs(t, l, 2)
	for failures = 5; failures > 0; { // each batch is tried twice
		b := new(Batch)
		b.Add(1, 99, content(99))
		if _, err := l.Append(b, false); err == nil && failures > 0 {
			t.Fatal("appended in spite of failing syncs")
		} else if err == nil {
			break
		}
	}
	appendIDs(t, l, 3)
	kill(t, l)
	l, all, recovery := reopen(t, dir, o)
	defer closeLog(t, l)
	checkIDs(t, all, 0, 1, 2, 99, 3)
	if len(recovery.Damages) > 0 || recovery.Torn > 0 {
		t.Errorf("recovery: %+v", recovery)
	}
}

// TestOutage appends after hundreds of failures, each of which left a segment behind.
func TestOutage(t *testing.T) {
	dir := t.TempDir()
	failing := false
	o := Options{SegmentSize: 16 << 10, sync: func(f *os.File) error {
		if failing {
			return errors.New("input/output error")
		}
		return syncData(f)
	}}
	l, _, _ := reopen(t, dir, o)
	appendIDs(t, l, 0)
	failing = true
	for range 300 {
		b := new(Batch)
		b.Add(1, 99, content(99))
		if _, err := l.Append(b, true); err == nil {
			t.Fatal("appended in spite of failing syncs")
		}
	}
	failing = false
	appendIDs(t, l, 1)
	appendIDs(t, l, 2)
	kill(t, l)
	l, all, recovery := reopen(t, dir, o)
	defer closeLog(t, l)
	checkIDs(t, all, 0, 1, 2)
	if len(recovery.Damages) > 0 || recovery.Torn > 0 {
		t.Errorf("recovery: %+v", recovery)
	}
}
