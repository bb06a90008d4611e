// Package inflight bounds the memory of what strangers send: bodies that are on their way
// in, or being worked on, before and while they are verified.
package inflight

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Overhead is what a request counts besides its body, in bytes: buffers of its connection,
// its header, its goroutine.
const Overhead = 8 << 10

// defaultLimit is the budget where the process has no memory limit.
const defaultLimit = 256 << 20

// Errors of Hold.Grow.
var (
	// ErrFull means that the budget, or what one address may have of it, is used up. Retryable.
	ErrFull = errors.New("too many bodies are on their way in")
	// ErrStalled means that the body did not come on while others were refused for it. Retryable.
	ErrStalled = errors.New("the body stood still while memory was short")
)

const (
	// stall is how long a body may stand still while others are refused for want of memory.
	stall = 3 * time.Second
	// evictEvery bounds how often is looked for such bodies: under a flood each refusal would.
	evictEvery = 100 * time.Millisecond
)

// DefaultLimit is a tenth of the process's memory limit (GOMEMLIMIT, which Caddy sets
// from the container's), or 256 MiB if there is none.
func DefaultLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit / 10
	}
	return defaultLimit
}

// Budget shares a number of bytes among requests, fairly between client addresses: an
// address never holds more than is still free. So one alone gets half of it, two a third
// each, and whoever comes next finds room, however many connections the others have. It is safe for
// concurrent use.
type Budget struct {
	now func() time.Time

	mu       sync.Mutex
	limit    int64
	used     int64
	held     map[netip.Addr]int64
	holds    Hold // head of the ring of all holds
	evicted  time.Time
	refusals int64
	refused  time.Time
}

// New returns a budget of that many bytes.
func New(limit int64) *Budget {
	b := &Budget{now: time.Now, limit: limit, held: make(map[netip.Addr]int64)}
	b.holds.next, b.holds.previous = &b.holds, &b.holds
	return b
}

// Resize sets the limit. What is held beyond a smaller one stays until it is released.
func (b *Budget) Resize(limit int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = limit
}

// Usage is the state of a budget, in bytes.
type Usage struct {
	Used, Limit int64
	Refused     int64     // requests, ever
	LastRefused time.Time // zero: none was
}

// Usage returns the state now.
func (b *Budget) Usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Usage{b.used, b.limit, b.refusals, b.refused}
}

// Hold is the part of a budget that one request has. The zero Hold has none; after Begin it
// must not be copied, and its methods are for one goroutine.
type Hold struct {
	budget         *Budget
	address        netip.Addr
	writer         http.ResponseWriter
	next, previous *Hold

	size     int64
	progress time.Time // of the last byte
	whole    bool      // nothing more is to come
	stalled  bool
}

// Begin takes the overhead of a request. The address is as limits count it: of IPv6 the
// network. writer ends the body if it stands still.
func (b *Budget) Begin(h *Hold, address netip.Addr, writer http.ResponseWriter) error {
	if address.Is6() && !address.Is4In6() {
		network, _ := address.Prefix(64)
		address = network.Addr()
	}
	h.budget, h.address, h.writer = b, address, writer
	b.mu.Lock()
	defer b.mu.Unlock()
	h.next, h.previous = &b.holds, b.holds.previous
	h.previous.next, h.next.previous = h, h
	return h.grow(Overhead)
}

// Grow takes that many bytes more. It says, too, that the body came on.
func (h *Hold) Grow(size int64) error {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	return h.grow(size)
}

func (h *Hold) grow(size int64) error {
	b := h.budget
	if h.stalled {
		return ErrStalled
	}
	h.progress = b.now()
	if held := b.held[h.address] + size; held > b.limit-b.used-size {
		b.refusals++
		b.refused = h.progress
		b.evict(h.progress)
		return ErrFull
	}
	b.used += size
	b.held[h.address] += size
	h.size += size
	return nil
}

// CameOn says that more of the body arrived, for which there was room.
func (h *Hold) CameOn() error { return h.Grow(0) }

// Whole says that the body is there.
func (h *Hold) Whole() {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	h.whole = true
}

// Release gives everything back. Releasing twice, or what was never begun, does no harm.
func (h *Hold) Release() {
	b := h.budget
	if b == nil {
		return
	}
	h.budget = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	h.previous.next, h.next.previous = h.next, h.previous
	h.next, h.previous, h.writer = nil, nil, nil
	b.used -= h.size
	if b.held[h.address] -= h.size; b.held[h.address] <= 0 {
		delete(b.held, h.address)
	}
}

// evict ends the bodies that stand still, of the address that holds most. The caller has mu.
func (b *Budget) evict(now time.Time) {
	if now.Sub(b.evicted) < evictEvery {
		return
	}
	b.evicted = now
	var most netip.Addr
	for address, held := range b.held {
		if held > b.held[most] {
			most = address
		}
	}
	for h := b.holds.next; h != &b.holds; h = h.next {
		if h.address == most && !h.whole && !h.stalled && now.Sub(h.progress) >= stall {
			h.stalled = true
			b.refusals++
			_ = http.NewResponseController(h.writer).SetReadDeadline(now) // wakes its reader
		}
	}
}
