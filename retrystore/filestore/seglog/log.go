package seglog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.uber.org/zap"
)

var errEOF = io.EOF

// Errors of a log.
var (
	// ErrInUse means that another process, or another Log, has the directory open.
	ErrInUse = errors.New("log is in use by another process")
	// ErrLimit means that the log has reached Options.MaxBytes.
	ErrLimit = errors.New("log reached its size limit")
	// ErrGone means that the segment was retired.
	ErrGone = errors.New("segment is gone")
	// ErrDamaged means that the bytes of a record are not those that were appended.
	ErrDamaged = errors.New("record is damaged")
	// ErrReplaced means that a file of the log was removed, replaced or cut short by somebody else.
	ErrReplaced = errors.New("a file of the log was changed from outside")
)

const (
	// DefaultSegmentSize is the size of a segment of a log that has grown.
	DefaultSegmentSize = 64 << 20
	// firstSegmentSize is that of the first one. Each is twice as large as the one before, so that
	// a log with little in it is small.
	firstSegmentSize = 1 << 20
	// MinBytes is the least that Options.MaxBytes can be.
	MinBytes = 16 << 20
	// directWrite is from which size on a payload is written by itself, and not copied.
	directWrite = 1 << 20
)

// Options tune a log. The zero value is good.
type Options struct {
	// SegmentSize is the size of the largest segments, in bytes; a larger batch gets one of its own. 0
	// means DefaultSegmentSize.
	SegmentSize int64
	// MaxBytes bounds the size of all files; 0 means no bound, and less than MinBytes means MinBytes.
	MaxBytes int64
	// Progress, if not nil, is called now and then while Open reads: with what it has read, and how much
	// there is, in bytes.
	Progress func(read, total int64)
	// Logger gets panics of background work; nil means the standard logger.
	Logger *zap.Logger

	sync func(*os.File) error // tests replace it
}

// Position says where a record is. The zero Position is that of no record.
type Position struct {
	Segment uint64
	Offset  int64
}

// Log is an open log. One goroutine at a time calls Append and Close; the other methods are safe for
// concurrent use.
type Log struct {
	dir      string
	o        Options
	identity Identity
	lock     *os.File
	ahead    ahead

	mu       sync.RWMutex // guards segments
	segments []*segment   // by number; the last one is appended to

	// The appender's own.
	end     int64  // of the valid part of the last segment
	number  uint64 // of the latest record
	opening bool   // the last segment has no record yet
	broken  bool   // nothing may be appended to the last segment
	torn    []extent
	cuts    []cut // of earlier segments, for the next opened record
	buffer  []byte
}

// Append makes the records of b durable, and returns where each of them is. Urgent batches may use
// the room that is kept for them when the disk is full: the last part of a segment for which no next
// one could be allocated. After an error no record of b will be seen by a later Open, unless the process
// ends before a later Append succeeds.
func (l *Log) Append(b *Batch, urgent bool) ([]Position, error) {
	if b.Len() == 0 {
		return nil, nil
	}
	if err := l.makeRoom(b.Bytes(), urgent); err != nil {
		return nil, err
	}
	positions, err := l.write(b)
	if err == nil {
		return positions, nil
	}
	// Nothing is known of the blocks now: the batch goes elsewhere, once.
	l.broken = true
	if roomErr := l.makeRoom(b.Bytes(), urgent); roomErr != nil {
		return nil, errors.Join(err, roomErr)
	}
	if positions, err = l.write(b); err != nil {
		l.broken = true
		return nil, err
	}
	return positions, nil
}

// makeRoom sees to it that the last segment has room for so many bytes.
func (l *Log) makeRoom(bytes int64, urgent bool) error {
	last := l.last()
	need := bytes
	if l.opening {
		need += sizeOf(len(encodeCuts(l.cuts)))
	}
	start := roundUp(l.end, batchAlignment)
	fits := !l.broken && start+need <= usable(last.size)
	if !l.broken && start+need > last.size/2 {
		l.ahead.begin(l.plan(0))
	}
	switch {
	case fits && (urgent || start+need <= last.size-reserveOf(last.size)):
		return nil
	case fits: // in what is kept for urgent batches, so there must be a next segment
		return l.ahead.wait(l.plan(0))
	}
	opened := sizeOf(len(encodeCuts(append(slices.Clip(l.cuts), l.cutOfLast()))))
	return l.roll(roundUp(headerSize+bytes+opened, batchAlignment) + batchAlignment)
}

// cutOfLast says where the last segment ends.
func (l *Log) cutOfLast() cut {
	if l.opening {
		// No batch of it is valid. Should the file outlive its removal, it is cut to nothing.
		return cut{segment: l.last().number, end: headerSize}
	}
	return cut{segment: l.last().number, end: l.end, torn: l.torn}
}

// usable is how much of a segment batches may take: the last block is for the closed record.
func usable(size int64) int64 { return size - batchAlignment }

// reserveOf is how much of a segment is kept for urgent batches.
func reserveOf(size int64) int64 { return size / 8 }

// roll makes the next segment the last one.
func (l *Log) roll(need int64) error {
	s, err := l.ahead.take(l.plan(need))
	if err != nil {
		return err
	}
	last := l.last()
	l.cuts = append(l.cuts, l.cutOfLast())
	l.mu.Lock()
	l.segments = append(l.segments, s)
	if l.opening {
		l.segments = slices.Delete(l.segments, len(l.segments)-2, len(l.segments)-1)
	}
	l.mu.Unlock()
	if l.opening {
		last.retire()
		_ = errors.Join(last.file.Close(), os.Remove(last.path))
	}
	l.end, l.opening, l.broken, l.torn = headerSize, true, false, nil
	return nil
}

// plan describes the segment after the last one, with at least need bytes.
func (l *Log) plan(need int64) plan {
	last := l.last()
	size := min(2*last.size, l.o.SegmentSize)
	size = max(size, need)
	p := plan{logger: l.o.Logger, dir: l.dir, number: last.number + 1, size: size, identity: l.identity}
	if l.o.MaxBytes > 0 {
		p.most = max(1, l.o.MaxBytes-l.Bytes())
	}
	return p
}

// write lays out the batch behind the end of the last segment, writes and syncs it.
func (l *Log) write(b *Batch) ([]Position, error) {
	last := l.last()
	records := b.records
	if l.opening {
		opened := encodeCuts(l.cuts)
		records = slices.Insert(slices.Clone(records), 0, record{head{length: uint32(len(opened)), kind: kindOpened, sum: Sum(opened)}, opened})
	}
	start := roundUp(l.end, batchAlignment)
	w := layout{offset: start, start: start, buffer: l.buffer[:0]}
	positions := make([]Position, 0, len(records))
	number := l.number
	for i := range records {
		r := &records[i]
		number++
		r.number, r.flags = number, 0
		if i == 0 {
			r.flags |= flagFirst
		}
		if i == len(records)-1 {
			r.flags |= flagLast
		}
		positions = append(positions, Position{last.number, w.offset})
		if err := w.add(last, r); err != nil {
			return nil, fmt.Errorf("writing %s: %w", last.path, err)
		}
	}
	if err := w.flush(last); err != nil {
		return nil, fmt.Errorf("writing %s: %w", last.path, err)
	}
	l.buffer = w.buffer[:0]
	if cap(l.buffer) > 4*directWrite {
		l.buffer = nil
	}
	if err := l.o.sync(last.file); err != nil {
		return nil, fmt.Errorf("syncing %s: %w", last.path, err)
	}
	l.end, l.number = w.offset, number
	if l.opening {
		l.opening, l.cuts, positions = false, nil, positions[1:]
	}
	return positions, nil
}

// layout writes records one behind the other.
type layout struct {
	start  int64  // where buffer goes
	offset int64  // of the next record
	buffer []byte // not yet written
}

func (w *layout) add(s *segment, r *record) error {
	var h [recordHeader]byte
	r.put(h[:], s.seed())
	w.buffer = append(w.buffer, h[:]...)
	w.offset += r.size()
	if len(r.payload) < directWrite {
		w.buffer = append(w.buffer, r.payload...)
		for int64(len(w.buffer)) < w.offset-w.start {
			w.buffer = append(w.buffer, 0)
		}
		return nil
	}
	if err := w.flushTo(s); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(r.payload, w.start); err != nil {
		return err
	}
	w.start = w.offset
	return nil
}

func (w *layout) flushTo(s *segment) error {
	if _, err := s.file.WriteAt(w.buffer, w.start); err != nil {
		return err
	}
	w.start += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
	return nil
}

func (w *layout) flush(s *segment) error {
	if len(w.buffer) == 0 {
		return nil
	}
	return w.flushTo(s)
}

// last is the segment that is appended to.
func (l *Log) last() *segment { return l.segments[len(l.segments)-1] }

// Close marks the log as closed, so that damage of its last batch is told from a torn one, and gives
// the files free.
func (l *Log) Close() error {
	var err error
	if !l.broken {
		b := new(Batch)
		b.add(kindClosed, 0, nil, Sum(nil))
		if !l.opening {
			_, err = l.write(b)
		}
	}
	return errors.Join(err, l.abandon())
}

// abandon gives the files free.
func (l *Log) abandon() error {
	err := l.ahead.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		s.retire()
		err = errors.Join(err, s.file.Close())
	}
	return errors.Join(err, l.lock.Close())
}

// Bytes is the size of all files, in bytes.
func (l *Log) Bytes() (n int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.segments {
		n += s.size
	}
	return n + l.ahead.bytes()
}

// Identity names the log.
func (l *Log) Identity() Identity { return l.identity }

// Segments are the numbers of the segments, the oldest first. The last one is appended to.
func (l *Log) Segments() []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	numbers := make([]uint64, len(l.segments))
	for i, s := range l.segments {
		numbers[i] = s.number
	}
	return numbers
}

// Retire ends the oldest segment, of which no record is needed any more. Its file is used again for a
// later segment, or removed. The last segment cannot be retired.
func (l *Log) Retire(number uint64) error {
	l.mu.Lock()
	if len(l.segments) < 2 || l.segments[0].number != number {
		l.mu.Unlock()
		return fmt.Errorf("segment %x is not the oldest of several", number)
	}
	s := l.segments[0]
	l.segments = l.segments[1:]
	l.mu.Unlock()
	s.retire()
	// The directory is synced before the next segment can be retired: what a later segment says of
	// this one's records must not be gone while they are still there.
	err := s.file.Close()
	if s.size == l.o.SegmentSize && l.ahead.keep(s, filepath.Join(l.dir, spareName)) {
		return errors.Join(err, syncDir(l.dir))
	}
	return errors.Join(err, os.Remove(s.path), syncDir(l.dir))
}

// segment returns the one with that number, or nil.
func (l *Log) segment(number uint64) *segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	i, found := slices.BinarySearchFunc(l.segments, number, func(s *segment, n uint64) int {
		switch {
		case s.number < n:
			return -1
		case s.number > n:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return l.segments[i]
}

// lockPath is the file that says that a log is in use.
func lockPath(dir string) string { return filepath.Join(dir, "lock") }
