package seglog

import (
	"errors"
	"fmt"
	"os"
)

// Read returns the payload of the record at p, in buffer if it is large enough. Errors: ErrGone
// if the segment was retired, ErrDamaged, and those of the file system.
func (l *Log) Read(p Position, buffer []byte) (kind Kind, id uint64, payload []byte, err error) {
	s := l.segment(p.Segment)
	if s == nil {
		return 0, 0, nil, ErrGone
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.gone {
		return 0, 0, nil, ErrGone
	}
	return s.read(p.Offset, buffer)
}

// read reads the record at the offset.
func (s *segment) read(offset int64, buffer []byte) (kind Kind, id uint64, payload []byte, err error) {
	var b [recordHeader]byte
	if n, err := readFull(s.file, b[:], offset); err != nil || n < len(b) {
		return 0, 0, nil, errors.Join(s.damagedAt(offset), err)
	}
	h, ok := decodeHead(b[:], s.seed())
	if !ok || offset+h.size() > s.size {
		return 0, 0, nil, s.damagedAt(offset)
	}
	if cap(buffer) < int(h.length) {
		buffer = make([]byte, h.length)
	}
	payload = buffer[:h.length]
	n, err := readFull(s.file, payload, offset+recordHeader)
	if err != nil || n < len(payload) || Sum(payload) != h.sum {
		return h.kind, h.id, payload[:n], errors.Join(s.damagedAt(offset), err)
	}
	return h.kind, h.id, payload, nil
}

func (s *segment) damagedAt(offset int64) error {
	return fmt.Errorf("%w: %s at %d", ErrDamaged, s.path, offset)
}

// Check looks whether the files are still those that were opened: present, the same, and whole. The
// error wraps ErrReplaced and names the file.
func (l *Log) Check() error {
	l.mu.RLock()
	segments := append([]*segment(nil), l.segments...)
	l.mu.RUnlock()
	for _, s := range segments {
		if err := s.check(); err != nil {
			return err
		}
	}
	return checkFile(lockPath(l.dir), l.lock, 0)
}

func (s *segment) check() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.gone {
		return nil
	}
	return checkFile(s.path, s.file, s.size)
}

func checkFile(path string, f *os.File, size int64) error {
	opened, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplaced, err)
	}
	named, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrReplaced, err)
	case !os.SameFile(opened, named):
		return fmt.Errorf("%w: another file is at %s", ErrReplaced, path)
	case named.Size() < size:
		return fmt.Errorf("%w: %s has %d bytes, and had %d", ErrReplaced, path, named.Size(), size)
	}
	return nil
}
