package offered

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// room is how many files fit in these tests.
const room = 20

// offerTable is a directory of offered secrets, at a time that stands still.
type offerTable struct {
	*testing.T
	directory string
	now       time.Time
	inUse     map[string]bool
}

func newOfferTable(t *testing.T) *offerTable {
	return &offerTable{t, filepath.Join(t.TempDir(), "offered"), noon, make(map[string]bool)}
}

func (o *offerTable) offer(endpoint, secret, from string) (Kept, error) {
	o.Helper()
	ip, _ := netip.ParseAddr(from)
	all := Directory{Path: o.directory, InUse: func(s string) bool { return o.inUse[s] }, most: room}
	kept, err := all.Save(Offer{endpoint, secret, ip}, o.now)
	if err == nil && kept.Path != "" {
		if err := os.Chtimes(kept.Path, o.now, o.now); err != nil {
			o.Fatal(err)
		}
	}
	return kept, err
}

func (o *offerTable) must(endpoint, secret, from string) Kept {
	o.Helper()
	kept, err := o.offer(endpoint, secret, from)
	if err != nil {
		o.Fatalf("%s from %s: %v", secret, from, err)
	}
	o.has(kept.Path, secret)
	return kept
}

func (o *offerTable) has(path, secret string) {
	o.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != secret {
		o.Errorf("%s has %q, %v: want %q", path, got, err, secret)
	}
}

func (o *offerTable) count() int {
	o.Helper()
	entries, err := os.ReadDir(o.directory)
	if err != nil {
		o.Fatal(err)
	}
	return len(entries)
}

func TestOfferedIsKept(t *testing.T) {
	o := newOfferTable(t)
	first := o.must("a/b", "secret-1", "192.0.2.1")
	if info, err := os.Stat(first.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want that only the owner reads it", info.Mode(), err)
	}
	if again := o.must("a/b", "secret-1", "203.0.113.9"); again != first || o.count() != 1 {
		t.Errorf("offered again: %+v, want %+v", again, first)
	}
	if other := o.must("a", "secret-1", "192.0.2.1"); other.Path == first.Path {
		t.Error("two endpoints share a file")
	}
	if strings.Contains(first.Path, "secret-1") {
		t.Error("the name tells the secret")
	}
}

// TestOfferedByStrangers: whoever offers, as often as they like, before the provider and
// after it, the provider's secret is kept, and in the file that the log named.
func TestOfferedByStrangers(t *testing.T) {
	for name, stranger := range map[string]func(n int) string{
		"one address":      func(int) string { return "192.0.2.1" },
		"one network":      func(n int) string { return fmt.Sprint("192.0.2.", n%256) },
		"one IPv6 network": func(n int) string { return fmt.Sprintf("2001:db8:1:%x::1", n) },
		"some networks":    func(n int) string { return fmt.Sprintf("10.0.%d.1", n%4) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOfferTable(t)
			refused := 0
			flood := func(run string) {
				for n := range 3 * room {
					o.now = o.now.Add(time.Second)
					if _, err := o.offer("asana", fmt.Sprint(run, n), stranger(n)); errors.Is(err, errTooManyOffered) {
						refused++
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if n := o.count(); n > room {
					t.Fatalf("there are %d files", n)
				}
			}
			flood("before")
			genuine := o.must("asana", "genuine", "203.0.113.9")
			second := o.must("asana", "of another webhook", "203.0.113.10")
			flood("after")
			o.has(genuine.Path, "genuine")
			o.has(second.Path, "of another webhook")
			if again := o.must("asana", "genuine", "203.0.113.9"); again.Path != genuine.Path {
				t.Errorf("the provider sent it again: %+v, want %s", again, genuine.Path)
			}
			if refused == 0 && !strings.HasPrefix(name, "some") {
				t.Error("each of a flood was written")
			}
		})
	}
}

// TestOfferedNewestIsKept: where all networks are as crowded, the oldest gives way; never
// one in use, whose file the next reload of the config reads; nor does a name come twice.
func TestOfferedNewestIsKept(t *testing.T) {
	o := newOfferTable(t)
	o.inUse["secret-0"] = true
	names := make(map[string]bool)
	kept := make([]Kept, 2*room)
	for n := range kept {
		o.now = o.now.Add(time.Second)
		kept[n] = o.must("notion", fmt.Sprint("secret-", n), fmt.Sprintf("10.%d.%d.1", n/256, n%256))
		if names[kept[n].Path] {
			t.Errorf("%s was used before", kept[n].Path)
		}
		names[kept[n].Path] = true
		want := ""
		if n > room {
			want = kept[n-room].Path
		}
		if kept[n].Removed != want {
			t.Errorf("%d displaced %q, want %q", n, kept[n].Removed, want)
		}
	}
	o.has(kept[0].Path, "secret-0")
	if n := o.count(); n != room+1 {
		t.Errorf("there are %d files", n)
	}
}

// TestOfferedOldNames: files of versions that numbered them give way like others.
func TestOfferedOldNames(t *testing.T) {
	o := newOfferTable(t)
	if err := os.MkdirAll(o.directory, 0o700); err != nil {
		t.Fatal(err)
	}
	var old []string
	for n := range room {
		old = append(old, filepath.Join(o.directory, fmt.Sprint("asana-", n)))
		if err := errors.Join(os.WriteFile(old[n], fmt.Append(nil, "old-", n), 0o600), os.Chtimes(old[n], o.now, o.now.Add(time.Duration(n)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	o.now = o.now.Add(time.Hour)
	if again := o.must("asana", "old-7", "192.0.2.1"); again.Path != old[7] || again.Removed != "" {
		t.Errorf("offered again: %+v", again)
	}
	if kept := o.must("asana", "new", "192.0.2.1"); kept.Removed != old[0] {
		t.Errorf("%+v, want that %s gives way", kept, old[0])
	}
	for name, endpoint := range map[string]string{
		"asana-2-192.0.2.0-ABCDEFGH": "asana", "asana-x-7": "asana", "asanas-7": "asana", "asana-": "asana", "asana-notes-ABCDEFGH": "asana",
	} {
		if _, ok := networkInName(name, endpoint); ok {
			t.Errorf("%s is taken for a file of %s", name, endpoint)
		}
	}
}
