package inflight

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"net/netip"
	"runtime/debug"
	"testing"
	"time"
)

// watched is a response writer that is told of read deadlines.
type watched struct {
	*httptest.ResponseRecorder
	ended bool
}

func (w *watched) SetReadDeadline(time.Time) error {
	w.ended = true
	return nil
}

func begin(t *testing.T, b *Budget, address string) (*Hold, error) {
	t.Helper()
	h := new(Hold)
	err := b.Begin(h, netip.MustParseAddr(address), httptest.NewRecorder())
	t.Cleanup(h.Release)
	return h, err
}

// TestShares: an address alone has half, each further one an equal part of what is left, and
// whoever comes last still finds room. IPv6 counts by its /64.
func TestShares(t *testing.T) {
	const limit = 64 << 20
	b := New(limit)
	fill := func(address func(n int) string) (got int64) {
		before := b.Usage().Used
		for n := 0; ; n++ {
			h, err := begin(t, b, address(n))
			if err == nil {
				err = h.Grow(100 << 10)
			}
			if err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				return b.Usage().Used - before
			}
		}
	}
	for k, address := range []func(n int) string{
		func(int) string { return "192.0.2.1" },
		func(int) string { return "::ffff:192.0.2.2" },
		func(n int) string { return fmt.Sprintf("2001:db8::%x:1", n+1) },
	} {
		want := int64(limit)
		for range k + 1 {
			want /= 2 // of what is left, as the ones before do not give way
		}
		if got := fill(address); got > want+300<<10 || got < want-300<<10 {
			t.Errorf("address %d got %d bytes, want %d", k+1, got, want)
		}
	}
	last, err := begin(t, b, "192.0.2.9")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(io.LimitReader(zeros{}, 1<<20), 1<<20, 1<<20); err != nil {
		t.Errorf("a mebibyte from elsewhere: %v", err)
	}
	if u := b.Usage(); u.Refused != 3 || u.Limit != limit || u.Used > limit {
		t.Errorf("usage %+v", u)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestReleased: what is given back is there for others, once, and to the address itself.
func TestReleased(t *testing.T) {
	b := New(1 << 20)
	var never Hold
	never.Release()
	for range 1000 {
		h, err := begin(t, b, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Grow(400 << 10); err != nil {
			t.Fatal(err)
		}
		h.Release()
		h.Release()
	}
	if u := b.Usage(); u.Used != 0 || u.Refused != 0 || len(b.held) != 0 || b.holds.next != &b.holds {
		t.Errorf("usage %+v, %d addresses", u, len(b.held))
	}
	b.Resize(4 * Overhead)
	h, err := begin(t, b, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Grow(2 * Overhead); !errors.Is(err, ErrFull) {
		t.Errorf("beyond a smaller budget: %v", err)
	}
}

// TestStalled: bodies of the address that holds most make room if they stand still, but not
// those that come on, that are whole, or that are others'.
func TestStalled(t *testing.T) {
	now := time.Now()
	b := New(1 << 20)
	b.now = func() time.Time { return now }
	holds, writers := make(map[string]*Hold), make(map[string]*watched)
	for name, address := range map[string]string{"still": "192.0.2.1", "moving": "192.0.2.1", "whole": "192.0.2.1", "another": "192.0.2.2"} {
		h, w := new(Hold), &watched{ResponseRecorder: httptest.NewRecorder()}
		if err := b.Begin(h, netip.MustParseAddr(address), w); err != nil {
			t.Fatal(err)
		}
		defer h.Release()
		holds[name], writers[name] = h, w
	}
	if err := holds["still"].Grow(400 << 10); err != nil {
		t.Fatal(err)
	}
	holds["whole"].Whole()
	now = now.Add(stall)
	if err := holds["moving"].CameOn(); err != nil {
		t.Fatal(err)
	}
	if err := holds["moving"].Grow(400 << 10); !errors.Is(err, ErrFull) {
		t.Fatalf("more than there is: %v", err)
	}
	for name, w := range writers {
		if w.ended != (name == "still") {
			t.Errorf("%s: ended %t", name, w.ended)
		}
	}
	if _, err := holds["still"].Read(failing{}, 10, 10); !errors.Is(err, ErrStalled) {
		t.Errorf("the one that stood still: %v", err)
	}
	if err := holds["still"].reason(io.ErrUnexpectedEOF); !errors.Is(err, ErrStalled) {
		t.Errorf("its reader's error became %v", err)
	}
	if err := holds["moving"].reason(io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("another's became %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestDefaultLimit: a tenth of the process's own limit.
func TestDefaultLimit(t *testing.T) {
	before := debug.SetMemoryLimit(1 << 30)
	defer debug.SetMemoryLimit(before)
	if got := DefaultLimit(); got != 1<<30/10 {
		t.Errorf("%d with a limit of 1 GiB", got)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if got := DefaultLimit(); got != 256<<20 {
		t.Errorf("%d without one", got)
	}
}

func BenchmarkRead(b *testing.B) {
	budget := New(1 << 30)
	address := netip.MustParseAddr("192.0.2.1")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		var h Hold
		if err := budget.Begin(&h, address, w); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Read(io.LimitReader(zeros{}, 1024), 1024, 1<<20); err != nil {
			b.Fatal(err)
		}
		h.Release()
	}
}
