package keyset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// keyOf is the n-th key.
func keyOf(n int) (key Key) {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	return Key(sum[:16])
}

func open(t testing.TB, dir string) *Set {
	t.Helper()
	s, aside, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(aside) > 0 {
		t.Errorf("set aside: %v", aside)
	}
	return s
}

func has(t testing.TB, s *Set, n int, now uint32) bool {
	t.Helper()
	found, err := s.Has(keyOf(n), now)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const day = 24 * 60 * 60

// TestKeys are remembered until they expire, in memory and in files, and after the set was opened again.
func TestKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	const count, now = 3000, 1_800_000_000
	expiry := func(n int) uint32 { return now + 1 + uint32(n%3)*day } // a third has a second to live
	for n := range count {
		s.Add(keyOf(n), expiry(n))
	}
	check := func(when string, at uint32) {
		t.Helper()
		for n := range count {
			if got, want := has(t, s, n, at), expiry(n) > at; got != want {
				t.Fatalf("%s: key %d is there: %v, want %v", when, n, got, want)
			}
		}
		for n := count; n < 2*count; n++ {
			if has(t, s, n, at) {
				t.Fatalf("%s: key %d was never added", when, n)
			}
		}
	}
	check("in memory", now)
	must(t, s.Flush(now))
	if s.New() != 0 || s.Len() != count {
		t.Errorf("%d of %d keys are in memory", s.New(), s.Len())
	}
	check("flushed", now)
	check("later", now+day)
	must(t, s.Close())
	s = open(t, dir)
	check("opened again", now)
	must(t, s.Drop(now+day))
	if n := s.Len(); n >= count || n < count/3 {
		t.Errorf("%d keys are left after a day", n)
	}
	check("dropped", now+day)
	must(t, s.Drop(now+3*day))
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
	must(t, s.Close())
}

// TestMerge keeps the files few, and every key.
func TestMerge(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	const now = 1_800_000_000
	for n := range 100 * 64 {
		s.Add(keyOf(n), now+day)
		s.Add(keyOf(n/2), now+day+1) // the later expiry counts
		if n%64 == 63 {
			must(t, s.Flush(now))
			for more := true; more; {
				var err error
				if more, err = s.Merge(now); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := len(*s.runs.Load()); n > 2*mergeAt {
		t.Errorf("%d files", n)
	}
	for n := range 100 * 64 {
		if !has(t, s, n, now) {
			t.Fatalf("key %d is lost", n)
		}
		if got, want := has(t, s, n, now+day), n < 50*64; got != want {
			t.Fatalf("key %d at the end of the day: %v, want %v", n, got, want)
		}
	}
}

// TestFilter lets few keys pass that were not added.
func TestFilter(t *testing.T) {
	const count = 50_000
	f := newFilter(count)
	for n := range count {
		f.add(keyOf(n))
	}
	passed := 0
	for n := range count {
		if !f.mayHave(keyOf(n)) {
			t.Fatalf("key %d does not pass", n)
		}
		if f.mayHave(keyOf(n + count)) {
			passed++
		}
	}
	if passed > count/100 {
		t.Errorf("%d of %d keys pass that were not added", passed, count)
	}
	t.Logf("%.2f %% pass", 100*float64(passed)/count)
}

// TestSlots makes some dozens of slots of any lifetime, each of which ends soon after its keys expire.
func TestSlots(t *testing.T) {
	const now = 1_800_000_000
	for _, life := range []uint32{1, 3600, day, 30 * day, 365 * day} {
		slots := make(map[slot]bool)
		for at := uint32(0); at < life; at += max(1, life/5000) {
			s := slotOf(now+at+life, now+at)
			slots[s] = true
			if span := uint32(leastWidth) << s.width; span > leastWidth && span > life/slotsOfALife {
				t.Fatalf("a life of %d s is in slots of %d s", life, span)
			}
		}
		if len(slots) > 4*slotsOfALife {
			t.Errorf("a life of %d s is in %d slots", life, len(slots))
		}
	}
	if _, _, ok := parseName(fileName(77, slot{3, 9999})); !ok {
		t.Error("a name is not read")
	}
	for _, bad := range []string{"", "x.keys", "000000000001-0-00000001.keys.aside", "1-0-1.keys"} {
		if _, _, ok := parseName(bad); ok {
			t.Errorf("%q is a name", bad)
		}
	}
}

// TestDamage flips every byte of a file, one at a time. A damaged block costs its keys; a file that is damaged
// elsewhere is kept aside; and no key appears that was not added.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	const count, now = 300, 1_800_000_000
	for n := range count {
		s.Add(keyOf(n), now+day)
	}
	must(t, s.Flush(now))
	must(t, s.Close())
	files, err := os.ReadDir(dir)
	must(t, err)
	name := files[0].Name()
	whole, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	setAside, costly := 0, 0
	for at := range whole {
		if at >= runUsed && at < runHeader || at%7 != 0 && at > runHeader {
			continue
		}
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		other := t.TempDir()
		must(t, os.WriteFile(filepath.Join(other, name), damaged, 0o600))
		s, aside, err := Open(other)
		if errors.Is(err, ErrNewer) {
			continue
		}
		must(t, err)
		if len(aside) > 0 {
			setAside++
			if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, damaged) {
				t.Fatalf("byte %d: the file that was set aside was changed: %v", at, err)
			}
			must(t, s.Close())
			continue
		}
		lost := 0
		for n := range count {
			if !has(t, s, n, now) {
				lost++
			}
		}
		for n := count; n < 2*count; n++ {
			if has(t, s, n, now) {
				t.Fatalf("byte %d: key %d was never added", at, n)
			}
		}
		if lost > perBlock {
			t.Fatalf("byte %d: %d keys are lost", at, lost)
		}
		if lost > 0 {
			costly++
			if s.Damaged() == 0 {
				t.Fatalf("byte %d: the loss is not counted", at)
			}
		}
		must(t, s.Close())
	}
	if setAside == 0 || costly == 0 {
		t.Errorf("%d set aside, %d with losses: this test shows nothing", setAside, costly)
	}
}

// TestFlushFails keeps the keys in memory, and the next Flush writes them.
func TestFlushFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	const now = 1_800_000_000
	s.Add(keyOf(1), now+day)
	must(t, os.Rename(dir, dir+".away"))
	if err := s.Flush(now); err == nil {
		t.Fatal("flushed to nowhere")
	}
	s.Add(keyOf(2), now+day)
	if !has(t, s, 1, now) || !has(t, s, 2, now) || s.New() != 2 {
		t.Error("a key is lost")
	}
	must(t, os.Rename(dir+".away", dir))
	must(t, s.Flush(now))
	must(t, s.Flush(now))
	must(t, s.Close())
	s = open(t, dir)
	defer s.Close()
	if !has(t, s, 1, now) || !has(t, s, 2, now) {
		t.Error("a key was not written")
	}
}

// TestBeside looks for keys while others are added, flushed, merged and dropped: none is missing for a moment.
func TestBeside(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	const now = 1_800_000_000
	var added sync.Map
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for n := g; ; n += 4 {
				select {
				case <-stop:
					return
				default:
				}
				s.Add(keyOf(n), now+day)
				added.Store(n, true)
				if found, err := s.Has(keyOf(n/8*4+g), now); err != nil || !found {
					t.Errorf("key %d: %v, %v", n/8*4+g, found, err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	for range 60 {
		must(t, s.Flush(now))
		if _, err := s.Merge(now); err != nil {
			t.Fatal(err)
		}
		must(t, s.Drop(now))
	}
	close(stop)
	wait.Wait()
	added.Range(func(n, _ any) bool {
		if !has(t, s, n.(int), now) {
			t.Errorf("key %d is lost", n)
		}
		return true
	})
}

// TestStrangers leaves other files alone, removes its own left-overs and refuses what a newer version wrote.
func TestStrangers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "README"), []byte("hands off"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, temporaryName), []byte("half"), 0o600))
	s := open(t, dir)
	s.Add(keyOf(1), 1_900_000_000)
	must(t, s.Flush(1_800_000_000))
	must(t, s.Close())
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".keys") {
			if f.Name() != "README" {
				t.Errorf("%s is left", f.Name())
			}
			continue
		}
		path := filepath.Join(dir, f.Name())
		b, err := os.ReadFile(path)
		must(t, err)
		b[8] = 2
		must(t, os.WriteFile(path, b, 0o600))
	}
	if _, _, err := Open(dir); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer file: %v", err)
	}
}

// BenchmarkHas looks for keys among four million in files: some that are there and some that are not.
func BenchmarkHas(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	const now, count = 1_800_000_000, 4 << 20
	for n := range count {
		s.Add(keyOf(n), now+day)
		if n%(count/16) == count/16-1 {
			must(b, s.Flush(now))
		}
	}
	b.Run("there", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if !has(b, s, n%count, now) {
				b.Fatal("lost")
			}
		}
	})
	b.Run("absent", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if has(b, s, count+n, now) {
				b.Fatal("there")
			}
		}
	})
}
