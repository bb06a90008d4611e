package storebook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a data directory, with processes that use it.
type shelf struct {
	*testing.T
	dir  string
	now  time.Time
	logs *observer.ObservedLogs
	log  *zap.Logger
	warn int
}

func newShelf(t *testing.T) *shelf {
	core, logs := observer.New(zap.DebugLevel)
	return &shelf{T: t, dir: filepath.Join(t.TempDir(), "stores"), now: time.Now(), logs: logs, log: zap.New(core)}
}

// process is the book of another process.
func (s *shelf) process() *Book {
	return New(statefiles.New(func() string { return s.dir }), func() time.Time { return s.now }, func(error) { s.warn++ })
}

// data is what some store holds.
type data struct {
	generation    string
	pending, dead int
	err           error
	without       bool // it has no generations
}

func (d *data) Generation() (string, bool) { return d.generation, d.without || d.generation != "" }

func (d *data) Count(context.Context) (int, int, error) { return d.pending, d.dead, d.err }

var (
	placeA = Place{ID: "a", Name: "file /a.db"}
	placeB = Place{ID: "b", Name: "file /b.db"}
)

func (s *shelf) use(b *Book, p Place, d *data) *Use {
	s.Helper()
	u := b.Use(s.Context(), p, d, s.log)
	s.Cleanup(func() { u.Close(context.Background(), true) })
	return u
}

// wants checks what is left behind, and how many lines were logged of it since the last call.
func (s *shelf) wants(u *Use, lines int, want ...Left) {
	s.Helper()
	got := u.Left()
	if len(got) != len(want) {
		s.Fatalf("left behind: %+v, want %+v", got, want)
	}
	for i, w := range want {
		g := got[i]
		g.CountedAt, g.File = time.Time{}, ""
		if g != w {
			s.Errorf("left behind: %+v, want %+v", g, w)
		}
	}
	if logged := s.logs.FilterMessageSnippet("left behind").TakeAll(); len(logged) != lines {
		s.Errorf("logged %d lines, want %d: %v", len(logged), lines, logged)
	}
	s.logs.TakeAll()
}

func TestReloadWithAnotherStore(t *testing.T) {
	s := newShelf(t)
	b := s.process()
	a := &data{generation: "g1", pending: 3}
	first := s.use(b, placeA, a)
	s.wants(first, 0)
	a.pending, a.dead = 2012, 1
	second := s.use(b, placeB, &data{generation: "g2"})
	s.wants(second, 0) // the first config still runs
	first.Stop(t.Context(), false)
	s.wants(second, 1, Left{Store: "file /a.db", Pending: 2012, Dead: 1, Closed: true})
	first.Close(t.Context(), false)
	s.wants(second, 0, Left{Store: "file /a.db", Pending: 2012, Dead: 1, Closed: true}) // told once
	left := second.Left()[0]
	if text := left.String(); !strings.Contains(text, "file /a.db") || !strings.Contains(text, "2012 pending") || !strings.Contains(text, "1 dead letters when it was closed") {
		t.Error(text)
	}
	if !strings.Contains(left.Remedy(), left.File) {
		t.Error(left.Remedy())
	}
	// Back to the first: then it is the second that is left, with nothing in it.
	again := s.use(b, placeA, a)
	s.wants(again, 0)
	second.Stop(t.Context(), false)
	second.Close(t.Context(), false)
	s.wants(again, 0)
	if text := again.Replaced(); text != "" {
		t.Error(text)
	}
}

// What still came in while the old config ended is told as well.
func TestMoreComesIn(t *testing.T) {
	s := newShelf(t)
	b := s.process()
	a := &data{generation: "g1"}
	first, second := s.use(b, placeA, a), s.use(b, placeB, &data{generation: "g2"})
	first.Stop(t.Context(), false)
	s.wants(second, 0)
	a.pending = 1
	first.Close(t.Context(), false)
	s.wants(second, 1, Left{Store: "file /a.db", Pending: 1, Closed: true})
}

// The config before this one had a store, this one has none.
func TestNoStoreAnyMore(t *testing.T) {
	s := newShelf(t)
	u := s.use(s.process(), placeA, &data{generation: "g1", pending: 5})
	u.Stop(t.Context(), false)
	s.wants(u, 1, Left{Store: "file /a.db", Pending: 5, Closed: true})
}

func TestRestart(t *testing.T) {
	for _, test := range []struct {
		name    string
		closed  bool
		place   Place
		data    data
		pending int // that are told to be left
	}{
		{"with the same store", true, placeA, data{generation: "g1", pending: 7}, 0},
		{"with another store", true, placeB, data{generation: "g2"}, 7},
		{"with data that was moved", true, placeB, data{generation: "g1", pending: 7}, 0},
		{"with another store that has no generations", true, placeB, data{without: true}, 7},
		{"after it was killed", false, placeB, data{generation: "g2"}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			a := &data{generation: "g1", pending: 7}
			before := s.use(s.process(), placeA, a)
			if test.closed {
				before.Stop(t.Context(), true)
				before.Close(t.Context(), true)
			}
			s.wants(before, 0, before.leftFor(test.closed)...)
			if !test.closed {
				s.now = s.now.Add(silence)
			}
			u := s.use(s.process(), test.place, &test.data)
			if test.pending == 0 {
				s.wants(u, 0)
			} else {
				s.wants(u, 1, Left{Store: "file /a.db", Pending: test.pending, Closed: test.closed})
			}
			if text := u.Replaced(); text != "" {
				t.Error(text)
			}
			if !test.closed && !strings.Contains(u.Left()[0].String(), "there may be more") {
				t.Error(u.Left()[0])
			}
		})
	}
}

// leftFor is what a process of which no config runs any more sees itself.
func (u *Use) leftFor(closed bool) []Left {
	if !closed {
		return nil
	}
	return []Left{{Store: u.place.Name, Pending: 7, Closed: true}}
}

// While the new store cannot tell its generation, nobody knows whether it is the old
// one at another address.
func TestGenerationComesLater(t *testing.T) {
	s := newShelf(t)
	before := s.use(s.process(), placeA, &data{generation: "g1", pending: 7})
	before.Close(t.Context(), true)
	s.logs.TakeAll()
	b := &data{err: errors.New("away")}
	u := s.use(s.process(), placeB, b)
	s.wants(u, 0)
	*b = data{generation: "g2"}
	u.Look(t.Context())
	s.wants(u, 1, Left{Store: "file /a.db", Pending: 7, Closed: true})
}

// Two processes with a data directory in common: what one has open, the other does not
// call left behind; and the other may be the one that delivers what was.
func TestSecondProcess(t *testing.T) {
	s := newShelf(t)
	before := s.use(s.process(), placeA, &data{generation: "g1", pending: 7})
	before.Close(t.Context(), true)
	s.logs.TakeAll()
	u := s.use(s.process(), placeB, &data{generation: "g2"})
	s.wants(u, 1, Left{Store: "file /a.db", Pending: 7, Closed: true})

	a := &data{generation: "g1", pending: 7}
	other := s.use(s.process(), placeA, a)
	u.Look(t.Context())
	s.wants(u, 0)
	a.pending = 2
	other.Close(t.Context(), true)
	u.Look(t.Context())
	s.wants(u, 1, Left{Store: "file /a.db", Pending: 2, Closed: true})
	a.pending = 0
	other = s.use(s.process(), placeA, a)
	other.Close(t.Context(), true)
	u.Look(t.Context())
	s.wants(u, 0)
}

// Who deletes the state file has said that it is well.
func TestStateFileDeleted(t *testing.T) {
	s := newShelf(t)
	b := s.process()
	first, second := s.use(b, placeA, &data{generation: "g1", pending: 7}), s.use(b, placeB, &data{generation: "g2"})
	first.Close(t.Context(), false)
	s.wants(second, 1, Left{Store: "file /a.db", Pending: 7, Closed: true})
	if err := os.Remove(second.Left()[0].File); err != nil {
		t.Fatal(err)
	}
	second.Look(t.Context())
	s.wants(second, 0)
}

func TestReplacedBetweenRuns(t *testing.T) {
	s := newShelf(t)
	before := s.use(s.process(), placeA, &data{generation: "g1", pending: 300, dead: 2})
	before.Close(t.Context(), true)
	b := s.process()
	a := &data{generation: "g2"}
	u := s.use(b, placeA, a)
	if text := u.Replaced(); !strings.Contains(text, "300 pending deliveries and 2 dead letters") {
		t.Errorf("replaced: %q", text)
	}
	u.Look(t.Context())
	reload := s.use(b, placeA, a)
	u.Close(t.Context(), false)
	if reload.Replaced() == "" {
		t.Error("a reload has forgotten it")
	}
	if lines := s.logs.FilterMessageSnippet("does not hold any more").TakeAll(); len(lines) != 1 {
		t.Errorf("logged %v, want one line", lines)
	}
	// What is replaced while it is open is told by the store itself.
	a.generation = "g3"
	reload.Look(t.Context())
	reload.Close(t.Context(), true)
	if next := s.use(s.process(), placeA, a); next.Replaced() != "" {
		t.Errorf("the next run says: %s", next.Replaced())
	}
}

// A store that is away keeps what was counted last.
func TestCountFails(t *testing.T) {
	s := newShelf(t)
	b := s.process()
	a := &data{generation: "g1", pending: 7}
	first, second := s.use(b, placeA, a), s.use(b, placeB, &data{generation: "g2"})
	a.pending, a.err = 0, errors.New("away")
	first.Close(t.Context(), false)
	s.wants(second, 1, Left{Store: "file /a.db", Pending: 7, Closed: true})
}

// Without a directory to write to, a reload is told all the same.
func TestStateCannotBeWritten(t *testing.T) {
	s := newShelf(t)
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := s.process()
	first, second := s.use(b, placeA, &data{generation: "g1", pending: 7}), s.use(b, placeB, &data{generation: "g2"})
	first.Close(t.Context(), false)
	s.wants(second, 1, Left{Store: "file /a.db", Pending: 7, Closed: true})
	if s.warn != 1 {
		t.Errorf("warned %d times, want once", s.warn)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	s := newShelf(t)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a.json": "", "b.json": "{", "c.json": "[]", "d.json": `{"pending": 5}`, "e.txt": "", "f.json": `{"pending": "x"}`} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.wants(s.use(s.process(), placeA, &data{generation: "g1"}), 0)
}

// The state file is written once a minute at most while nothing but the numbers changes.
func TestHowOftenItIsWritten(t *testing.T) {
	s := newShelf(t)
	b := s.process()
	a := &data{generation: "g1"}
	u := s.use(b, placeA, a)
	saved := func() (e entry) {
		text, err := os.ReadFile(b.dir.Path(placeA.key()))
		if err == nil {
			err = json.Unmarshal(text, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for i, want := range []int{0, 0, 0, 4, 4} {
		a.pending = i + 1
		s.now = s.now.Add(lookEvery)
		u.Look(t.Context())
		if got := saved().Pending; got != want {
			t.Errorf("after %d looks it says %d, want %d", i+1, got, want)
		}
	}
}
