package seglog

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// written makes a log of three segments with batches of one to five records, and returns how many
// records it has and how many were there before the last batch.
func written(t *testing.T, dir string, o Options, finish func(*testing.T, *Log)) (records, beforeLast uint64) {
	t.Helper()
	l, _, _ := reopen(t, dir, o)
	id := uint64(0)
	for n := 0; len(l.Segments()) < 3 || l.end < 12<<10; n++ {
		ids := make([]uint64, 1+n%5)
		for i := range ids {
			ids[i] = id
			id++
		}
		beforeLast = ids[0]
		appendIDs(t, l, ids...)
	}
	finish(t, l)
	return id, beforeLast
}

// tiny makes a log of which every byte can be tried.
var tiny = Options{SegmentSize: 24 << 10}

// copyDir copies the segments of a log to a new directory.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestEveryBitFlip damages a closed log in every byte, one at a time. At most the record that is there is
// lost, it is reported, and every other one is read.
func TestEveryBitFlip(t *testing.T) {
	dir := t.TempDir()
	records, _ := written(t, dir, tiny, closeLog)
	l, all, _ := reopen(t, dir, tiny)
	checkIDs(t, all, until(records)...)
	numbers := l.Segments()
	kill(t, l) // without a record of its own
	harmless := 0
	for _, number := range numbers {
		path := segmentPath(dir, number)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := range whole {
			if used := bytes.ContainsFunc(whole[max(0, at-40):min(len(whole), at+40)], func(r rune) bool { return r != 0 }); !used && at%97 != 0 {
				continue
			}
			bit := byte(1) << (at % 8)
			whole[at] ^= bit
			flip(t, path, at, whole[at])
			if checkFlipped(t, dir, records, path, at) {
				harmless++
			}
			whole[at] ^= bit
			flip(t, path, at, whole[at])
			if t.Failed() {
				return
			}
		}
	}
	if harmless == 0 {
		t.Error("no byte is unused: this test shows less than it says")
	}
}

func flip(t *testing.T, path string, at int, value byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{value}, int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkFlipped opens the damaged log as Open does, without changing it. It reports whether the byte was in
// nothing that counts.
func checkFlipped(t *testing.T, dir string, records uint64, path string, at int) (harmless bool) {
	t.Helper()
	var all []read
	l := &Log{dir: dir, o: tiny}
	s := scanner{each: func(e Entry) error {
		all = append(all, read{e.Kind, e.ID, string(e.Payload), e.Damaged})
		return nil
	}}
	if err := l.openSegments(&s.Recovery); err != nil {
		t.Fatalf("%s, byte %d: %v", path, at, err)
	}
	if err := s.scan(l.segments); err != nil {
		t.Fatalf("%s, byte %d: %v", path, at, err)
	}
	for _, segment := range l.segments {
		_ = segment.file.Close()
	}
	seen := make(map[uint64]bool)
	lost := 0
	for _, r := range all {
		if r.Damaged {
			lost++
			continue
		}
		if seen[r.ID] || r.Payload != string(content(r.ID)) {
			t.Errorf("%s, byte %d: record %d is wrong", path, at, r.ID)
		}
		seen[r.ID] = true
	}
	missing := int(records) - len(seen)
	if missing > 1 || lost > missing {
		t.Errorf("%s, byte %d: %d records are missing, %d are reported by id", path, at, missing, lost)
	}
	if missing > 0 && len(s.Damages) == 0 {
		t.Errorf("%s, byte %d: the loss is not reported: %+v", path, at, s.Recovery)
	}
	if missing == 0 && at < headerSize && at%headerCopy < headerUsed && len(s.Damages) == 0 {
		t.Errorf("%s, byte %d: a damaged header is not reported", path, at)
	}
	return missing == 0 && len(s.Damages) == 0
}

// TestEveryTruncation ends a log that was not closed at every byte of its last batch, and writes on.
func TestEveryTruncation(t *testing.T) {
	dir := t.TempDir()
	records, before := written(t, dir, tiny, kill)
	l, all, _ := reopen(t, dir, tiny)
	checkIDs(t, all, until(records)...)
	path, end := l.last().path, int(l.end)
	kill(t, l)
	start := (end - 1) / batchAlignment * batchAlignment
	for at := end; at >= start; at-- {
		cut := copyDir(t, dir)
		if err := os.Truncate(filepath.Join(cut, filepath.Base(path)), int64(at)); err != nil {
			t.Fatal(err)
		}
		l, all, recovery := reopen(t, cut, tiny)
		if n := uint64(len(all)); n < before || n > records || at == end && n < records {
			t.Fatalf("cut at %d: %d records, of which %d were durable before", at, n, before)
		}
		checkIDs(t, all, until(uint64(len(all)))...)
		for _, d := range recovery.Damages {
			if d.Records > 0 {
				t.Fatalf("cut at %d: %+v", at, recovery)
			}
		}
		appendIDs(t, l, 5000)
		closeLog(t, l)
		l, again, recovery := reopen(t, cut, tiny)
		checkIDs(t, again, append(until(uint64(len(all))), 5000)...)
		for _, d := range recovery.Damages {
			if d.Records > 0 {
				t.Fatalf("cut at %d, opened again: %+v", at, recovery)
			}
		}
		closeLog(t, l)
	}
}

// TestPowerCut ends the power at random moments: of what was not synced, each sector is there or not.
// No batch that was acknowledged is lost or reported as damaged, ever after.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range 60 {
		dir := t.TempDir()
		var before map[string][]byte
		cutAt := r.IntN(120)
		syncs := 0
		var image string
		o := Options{SegmentSize: 32 << 10, sync: func(f *os.File) error {
			if syncs++; syncs == cutAt && image == "" {
				image = cutPower(t, r, dir, before)
			}
			err := syncData(f)
			if image == "" {
				before = files(t, dir)
			}
			return err
		}}
		l, _, _ := reopen(t, dir, o)
		acknowledged, total := uint64(0), uint64(0)
		for id := uint64(0); image == "" && id < 2000; {
			ids := make([]uint64, 1+r.IntN(6))
			for i := range ids {
				ids[i] = id
				id++
			}
			appendIDs(t, l, ids...)
			if image == "" {
				acknowledged = id
			}
			total = id
			for s := l.Segments(); len(s) > 4; s = s[1:] {
				if err := l.Retire(s[0]); err != nil {
					t.Fatal(err)
				}
			}
		}
		kill(t, l)
		if image == "" {
			continue
		}
		checkImage(t, image, acknowledged, total)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// checkImage opens what a power cut has left, three times, and writes to it in between.
func checkImage(t *testing.T, image string, acknowledged, total uint64) {
	t.Helper()
	var kept []uint64
	for opened := range 3 {
		l, all, recovery := reopen(t, image, small)
		seen := make(map[uint64]bool)
		for _, r := range all {
			if r.Damaged || r.Payload != string(content(r.ID)) {
				t.Errorf("opened %d: record %d is damaged", opened, r.ID)
			}
			seen[r.ID] = true
		}
		for id := all[0].ID; len(all) > 0 && id < acknowledged; id++ {
			if !seen[id] {
				t.Errorf("opened %d: record %d of %d acknowledged ones is lost", opened, id, acknowledged)
			}
		}
		for _, id := range kept {
			if !seen[id] {
				t.Errorf("opened %d: record %d was there before", opened, id)
			}
		}
		if len(recovery.Damages)+len(recovery.SetAside) > 0 {
			t.Errorf("opened %d: %+v", opened, recovery)
		}
		kept = kept[:0]
		for id := range seen {
			kept = append(kept, id)
		}
		appendIDs(t, l, total+uint64(opened)+10_000)
		kept = append(kept, total+uint64(opened)+10_000)
		if opened == 0 {
			kill(t, l)
		} else {
			closeLog(t, l)
		}
	}
}

// files reads all files of a directory.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all[e.Name()] = b
	}
	return all
}

// cutPower copies dir, with each 512-byte sector that has changed since before as it was, as it is, or as noise.
func cutPower(t *testing.T, r *rand.Rand, dir string, before map[string][]byte) (image string) {
	t.Helper()
	image = t.TempDir()
	for name, now := range files(t, dir) {
		if name == aheadName || name == spareName {
			continue
		}
		old := before[name]
		if old == nil {
			old = now // its allocation synced it
		}
		b := make([]byte, 0, len(now))
		for at := 0; at < len(now); at += 512 {
			sector := now[at:min(at+512, len(now))]
			was := old[min(at, len(old)):min(at+512, len(old))]
			switch {
			case string(sector) == string(was):
			case r.IntN(2) == 0:
				sector = was
			case r.IntN(4) == 0:
				sector = make([]byte, len(sector))
				for i := range sector {
					sector[i] = byte(r.IntN(256))
				}
			}
			b = append(b, sector...)
		}
		if err := os.WriteFile(filepath.Join(image, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return image
}
