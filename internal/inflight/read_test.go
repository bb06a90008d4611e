package inflight

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRead reads bodies of many lengths, whatever was announced, from readers
// that all keep to io.Reader's rules and differ otherwise.
func TestRead(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"plain":           func(r io.Reader) io.Reader { return r },
		"a byte at once":  iotest.OneByteReader,
		"half of it":      iotest.HalfReader,
		"end with data":   iotest.DataErrReader,
		"sometimes empty": func(r io.Reader) io.Reader { return &hesitant{Reader: r} },
	}
	for name, reader := range readers {
		for _, length := range []int{0, 1, 1023, 1024, 1025, 16 << 10, 64<<10 + 1} {
			if name == "a byte at once" {
				length = min(length, 2000)
			}
			want := bytes.Repeat([]byte("x"), length)
			for _, claimed := range []int64{-1, 0, 1, int64(length), int64(length) + 1, 1 << 30, math.MaxInt64 - 1} {
				for _, limit := range []int64{0, int64(length) - 1, int64(length), int64(length) + 1, 1 << 30} {
					got, err := read(t, reader(bytes.NewReader(want)), claimed, limit)
					if int64(length) > limit {
						if !errors.Is(err, ErrTooLarge) {
							t.Errorf("%s, %d bytes, %d claimed, limit %d: %v", name, length, claimed, limit, err)
						}
					} else if err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s, %d bytes, %d claimed, limit %d: got %d, %v", name, length, claimed, limit, len(got), err)
					}
				}
			}
		}
	}
	if _, err := read(t, iotest.TimeoutReader(strings.NewReader("twice")), 100, 100); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("an error of the reader became %v", err)
	}
}

// read reads with a budget that has room, and that has everything again afterwards.
func read(t *testing.T, r io.Reader, claimed, limit int64) ([]byte, error) {
	t.Helper()
	b, h := New(math.MaxInt64/4), new(Hold)
	defer func() {
		if h.Release(); b.Usage().Used != 0 {
			t.Errorf("%d bytes are still held", b.Usage().Used)
		}
	}()
	if err := b.Begin(h, netip.Addr{}, httptest.NewRecorder()); err != nil {
		t.Fatal(err)
	}
	body, err := h.Read(r, claimed, limit)
	if held := b.Usage().Used; err == nil && held != int64(cap(body))+Overhead {
		t.Errorf("a body of %d bytes holds %d", cap(body), held)
	}
	return body, err
}

// hesitant returns nothing every other time.
type hesitant struct {
	io.Reader
	asked int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.asked++; h.asked%2 == 1 {
		return 0, nil
	}
	return h.Reader.Read(p)
}

// TestReadMemory bounds what a body costs beyond its own length.
func TestReadMemory(t *testing.T) {
	const limit = 1 << 30
	for _, test := range []struct {
		name            string
		length, claimed int64
		most            int
	}{
		{"announced", 1 << 10, 1 << 10, 1<<10 + 1},
		{"announced, large", 1 << 20, 1 << 20, 1<<20 + 1},
		{"not announced", 1 << 20, -1, 2<<20 + 2<<10},
		{"claims a terabyte", 1 << 10, 1 << 40, 16<<10 + 1},
		{"announced, one byte short of the next buffer", 16<<10 + 1, 1 << 40, 4*(16<<10+1) + 1},
	} {
		body, err := read(t, bytes.NewReader(make([]byte, test.length)), test.claimed, limit)
		if err != nil || cap(body) > test.most+test.most/8 { // sizes are rounded up by an eighth at most
			t.Errorf("%s: %d bytes for a body of %d, %v", test.name, cap(body), test.length, err)
		}
	}
}
