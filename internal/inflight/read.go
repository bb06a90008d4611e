package inflight

import (
	"errors"
	"io"
)

// ErrTooLarge means that a body is longer than allowed.
var ErrTooLarge = errors.New("body too large")

const (
	announced   = 16 << 10 // of an announced length, what is believed at once
	unannounced = 1 << 10  // the first buffer of a body without one
)

// Read reads a body of up to limit bytes, of which claimed are announced; negative if
// that is unknown. A longer one is ErrTooLarge: cutting it would be worse. Memory grows with
// what arrived, at most fourfold, and is taken from the budget before it is used: a small body
// has one buffer. Errors: ErrTooLarge, ErrFull, ErrStalled, those of r.
func (h *Hold) Read(r io.Reader, claimed, limit int64) ([]byte, error) {
	first := min(claimed, announced)
	if claimed < 0 {
		first = unannounced
	}
	body, err := h.buffer(nil, first+1) // one more, to see the end without growing
	if err != nil {
		return nil, err
	}
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			h.Whole()
			return body, nil
		case err != nil:
			return nil, h.reason(err)
		case len(body) < cap(body):
			err = h.CameOn()
		case claimed >= int64(len(body)):
			body, err = h.buffer(body, min(4*int64(len(body)), claimed+1))
		default:
			body, err = h.buffer(body, min(2*int64(len(body)), limit+1))
		}
		if err != nil {
			return nil, err
		}
	}
}

// buffer moves what was read to a buffer of that size.
func (h *Hold) buffer(read []byte, size int64) ([]byte, error) {
	if err := h.Grow(size - int64(cap(read))); err != nil {
		return nil, err
	}
	grown := make([]byte, len(read), size)
	copy(grown, read)
	return grown, nil
}

// reason tells a body that was ended for standing still from one that ended otherwise.
func (h *Hold) reason(err error) error {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	if h.stalled {
		return ErrStalled
	}
	return err
}
