package seglog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Entry is a record that Open reads.
type Entry struct {
	Position
	Kind    Kind
	ID      uint64
	Payload []byte // valid until the callback returns
	// Damaged says that the payload is not what was appended. Kind and ID are.
	Damaged bool
}

// Damage is a place in the log that cannot be read, although records behind it can.
type Damage struct {
	Path     string
	From, To int64 // the place in the file
	Records  int   // how many records are lost there
}

// Recovery says what Open found.
type Recovery struct {
	Records  int   // read
	Bytes    int64 // read
	Torn     int   // places that an incomplete last batch left behind: no damage
	Closed   bool  // the log was closed when it was last used
	Damages  []Damage
	SetAside []string // files that were no segments any more, and were renamed to *.aside
}

// Open opens the log in dir, or makes a new one if dir is empty or not there, and calls each for every
// record in the order in which they were appended. An error of each ends it. The caller must Close
// the log.
func Open(dir string, o Options, each func(Entry) error) (*Log, Recovery, error) {
	if o.SegmentSize <= 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.MaxBytes > 0 {
		o.MaxBytes = max(o.MaxBytes, MinBytes)
		o.SegmentSize = min(o.SegmentSize, o.MaxBytes/8)
	}
	o.SegmentSize = roundUp(o.SegmentSize, batchAlignment)
	if o.sync == nil {
		o.sync = syncData
	}
	if err := makeDir(dir); err != nil {
		return nil, Recovery{}, err
	}
	lock, err := lockFile(lockPath(dir))
	if err != nil {
		return nil, Recovery{}, err
	}
	l := &Log{dir: dir, o: o, lock: lock}
	recovery, err := l.recover(each)
	if err != nil {
		return nil, recovery, errors.Join(err, l.abandon())
	}
	return l, recovery, nil
}

// recover reads what is in dir, and makes the log ready to append.
func (l *Log) recover(each func(Entry) error) (Recovery, error) {
	s := scanner{each: each, progress: l.o.Progress}
	if err := l.openSegments(&s.Recovery); err != nil {
		return s.Recovery, err
	}
	if len(l.segments) == 0 {
		return s.Recovery, l.create()
	}
	if err := s.scan(l.segments); err != nil {
		return s.Recovery, err
	}
	end := s.ended[len(l.segments)-1]
	// The numbers of a torn end are used again, so that nothing seems to be missing there.
	l.number, l.end = s.whole, end.end
	l.opening = l.end == headerSize // allocated ahead, and not used
	l.broken = !end.last || l.last().short
	for i, segment := range l.segments {
		torn := s.torn[segment]
		switch known := slices.ContainsFunc(s.ends, func(c cut) bool { return c.segment == segment.number }); {
		case segment == l.last():
			l.torn, l.broken = torn, l.broken || len(torn) > 0
		case !known: // the record that said so was torn, or not yet written
			l.cuts = append(l.cuts, cut{segment.number, s.ended[i].end, torn})
		}
	}
	// What was read from the page cache only would be lost with the next power cut, and what is
	// built on it would not.
	for _, segment := range l.segments[max(0, len(l.segments)-2):] {
		if err := l.o.sync(segment.file); err != nil {
			return s.Recovery, fmt.Errorf("syncing %s: %w", segment.path, err)
		}
	}
	return s.Recovery, nil
}

// openSegments opens the files of the directory.
func (l *Log) openSegments(r *Recovery) error {
	entries, err := os.ReadDir(l.dir) // sorted: by number
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(l.dir, e.Name())
		if e.Name() == aheadName || e.Name() == spareName {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		number, ok := parseSegmentName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		s, whole, err := openSegment(path, number)
		switch {
		case errors.Is(err, errNoSegment):
			aside := path + ".aside"
			if err := os.Rename(path, aside); err != nil {
				return err
			}
			r.SetAside = append(r.SetAside, aside)
			continue
		case err != nil:
			return fmt.Errorf("segment %s: %w", path, err)
		}
		if !whole {
			r.Damages = append(r.Damages, Damage{Path: path, From: 0, To: headerSize})
		}
		if s.short {
			r.Damages = append(r.Damages, Damage{Path: path, From: s.size, To: s.meant})
		}
		l.segments = append(l.segments, s)
	}
	if len(l.segments) > 0 {
		// Another log's segments are in the wrong place. The newest says which log this is.
		l.identity = l.last().identity
		return l.setStrangersAside(r)
	}
	return nil
}

// setStrangersAside renames the segments that are of another log.
func (l *Log) setStrangersAside(r *Recovery) error {
	var failed error
	l.segments = slices.DeleteFunc(l.segments, func(s *segment) bool {
		if s.identity == l.identity {
			return false
		}
		aside := s.path + ".aside"
		failed = errors.Join(failed, s.file.Close(), os.Rename(s.path, aside))
		r.SetAside = append(r.SetAside, aside)
		return true
	})
	return failed
}

// create makes the first segment.
func (l *Log) create() error {
	_, _ = rand.Read(l.identity[:]) // never fails
	number := uint64(1)
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // never the name of one that was set aside
		if n, ok := parseSegmentName(trimAside(e.Name())); ok {
			number = max(number, n+1)
		}
	}
	s, err := allocate(plan{dir: l.dir, number: number, size: min(firstSegmentSize, l.o.SegmentSize), identity: l.identity}, nil)
	if err != nil {
		return err
	}
	l.segments = []*segment{s}
	l.end, l.opening = headerSize, true
	return nil
}

// makeDir makes dir, durably, if it is not there.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}
