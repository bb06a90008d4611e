package seglog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

const (
	// aheadName is the name of a file that is not yet a segment.
	aheadName = "next.tmp"
	// spareName is the name of a retired segment until it is used again.
	spareName = "spare.tmp"
	// zeroStep is how much is zeroed between two syncs, so that those of the appender do not wait for all of it.
	zeroStep = 2 << 20
)

// errNotAllocated is left by an allocation that panicked.
var errNotAllocated = errors.New("allocating a segment failed")

// plan describes a segment to allocate.
type plan struct {
	logger   *zap.Logger
	dir      string
	number   uint64
	size     int64
	identity Identity
	most     int64 // that the log may still grow by; 0: no bound
}

// ahead allocates the next segment before it is needed. The zero value is ready.
type ahead struct {
	mu      sync.Mutex
	spare   *spare        // for the next allocation; nil if there is none
	done    chan struct{} // of the allocation under way or finished; nil: none
	segment *segment      // allocated; valid when done is closed
	err     error         // why it was not; likewise
	closed  bool
}

// begin starts to allocate the segment of p, unless that was begun before.
func (a *ahead) begin(p plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.start(p)
}

// start is begin for a caller that holds mu.
func (a *ahead) start(p plan) {
	if a.done != nil || a.closed {
		return
	}
	spare := a.spare
	a.spare = nil
	done := make(chan struct{})
	a.done, a.err = done, errNotAllocated
	safe.Go(p.logger, "file store: next segment", func() {
		defer close(done)
		s, err := allocate(p, spare)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.segment, a.err = s, err
	})
}

// wait returns when the next segment is allocated, or the error that says why it cannot be.
func (a *ahead) wait(p plan) error {
	if err, old := a.outcome(p); err == nil || !old {
		return err
	}
	err, _ := a.outcome(p) // it had failed before; there may be room now
	return err
}

// outcome starts an allocation if there is none, and waits for it. old says that it was started
// before. A failed one is forgotten.
func (a *ahead) outcome(p plan) (err error, old bool) {
	a.mu.Lock()
	old = a.done != nil
	a.start(p)
	done := a.done
	a.mu.Unlock()
	if done == nil {
		return os.ErrClosed, false
	}
	<-done
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		a.done = nil
	}
	return a.err, old
}

// take returns the next segment, of at least the size of p.
func (a *ahead) take(p plan) (*segment, error) {
	if err := a.wait(p); err != nil {
		return nil, err
	}
	a.mu.Lock()
	s := a.segment
	a.segment, a.done = nil, nil
	a.mu.Unlock()
	if s.size >= p.size {
		return s, nil
	}
	// It is too small for this batch: one of the right size takes its place.
	if err := errors.Join(s.file.Close(), os.Remove(s.path)); err != nil {
		return nil, err
	}
	return allocate(p, nil)
}

// spare is the file of a retired segment. It is closed: not every system renames open files.
type spare struct {
	path string
	size int64
}

// keep takes the closed file of a retired segment for the next allocation, and reports whether there was use for it.
func (a *ahead) keep(s *segment, path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spare != nil || a.closed || os.Rename(s.path, path) != nil {
		return false
	}
	a.spare = &spare{path, s.size}
	return true
}

// bytes is the size of the files that are no segments of the log yet, or no more.
func (a *ahead) bytes() (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spare != nil {
		n += a.spare.size
	}
	if a.segment != nil {
		n += a.segment.size
	}
	return n
}

// close waits for an allocation that is under way, and removes what is not in use.
func (a *ahead) close() (err error) {
	a.mu.Lock()
	a.closed = true
	done := a.done
	a.mu.Unlock()
	if done != nil {
		<-done
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.segment != nil {
		err = errors.Join(a.segment.file.Close(), os.Remove(a.segment.path))
	}
	if a.spare != nil {
		err = errors.Join(err, os.Remove(a.spare.path))
	}
	a.segment, a.spare = nil, nil
	return err
}

// allocate makes the segment of p: of the file of a retired one, or of a new one. It is complete and
// durable when it gets its name.
func allocate(p plan, old *spare) (_ *segment, err error) {
	h := segmentHeader{number: p.number, size: p.size, salt: newSalt(), identity: p.identity}
	temporary := filepath.Join(p.dir, aheadName)
	path := segmentPath(p.dir, p.number)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("allocating segment %s: %w", path, err), ignoreMissing(os.Remove(temporary)))
		}
	}()
	switch {
	case old != nil && old.size == p.size:
		err = os.Rename(old.path, temporary)
	case old != nil:
		err = os.Remove(old.path)
		fallthrough
	default:
		if err == nil && p.most > 0 && p.size > p.most {
			err = fmt.Errorf("%w: it takes %d bytes, and %d are left", ErrLimit, p.size, p.most)
		}
		if err == nil {
			err = createZeroed(temporary, p.size)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := writeHeader(temporary, &h); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Rename(temporary, path), syncDir(p.dir)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &segment{segmentHeader: h, path: path, file: f, meant: h.size}, nil
}

// writeHeader writes the header of a file, durably.
func writeHeader(path string, h *segmentHeader) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(h.encode(), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// createZeroed makes a file that has all its blocks, written once.
func createZeroed(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	// All of it or nothing: a disk that has not so much is not filled up.
	err = reserve(f, size)
	zeros := make([]byte, min(size, 256<<10))
	unsynced := 0
	for at := int64(0); at < size && err == nil; {
		n := 0
		n, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		at += int64(n)
		if unsynced += n; unsynced >= zeroStep && err == nil {
			unsynced, err = 0, f.Sync()
		}
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
