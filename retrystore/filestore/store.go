// Package filestore keeps webhooks in one local file, with no service to run.
//
// The file is a bbolt database that one process owns. Callers hand their writes
// to one goroutine, which commits whatever is waiting in one transaction with
// one sync. What recovery can rebuild (queues, keys, counters, leases) is kept
// in memory only. docs/architecture.md describes the file, what a crash at each
// step leaves behind, and why no acknowledged webhook can be lost.
package filestore

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Defaults of Options.
const (
	// DefaultMaxKeys bounds the key index to half a gigabyte. It lasts for 97 new
	// events a second at a key lifetime of 24 hours.
	DefaultMaxKeys = 8 << 20
	// DefaultCommitInterval is how long a settled delivery may wait for a commit.
	DefaultCommitInterval = 20 * time.Millisecond
)

const (
	// queueSize is how many Accepts may wait for the writer. Each is a request
	// that some client waits for, with its body in memory; more are refused.
	queueSize = 4096
	// maxBatch is how many of them one transaction takes, so that the first does
	// not wait for the encoding of thousands of others.
	maxBatch = 1024
	// maxChanges is how many changed events it saves besides.
	maxChanges = 4 * maxBatch
	// maxText bounds the error and the reason kept with a delivery, in bytes.
	maxText = 1024
)

// Options tune a store. The zero value is good.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets the errors of background work; nil means no logs.
	Logger *zap.Logger
	// MaxKeys bounds how many event keys are remembered, at up to 61 bytes of
	// memory and 20 of disk each. At the bound Accept answers ErrFull.
	// 0 means DefaultMaxKeys.
	MaxKeys int
	// CommitInterval is how long the result of a delivery may wait for a commit
	// to ride in. A crash within it repeats that delivery.
	// 0 means DefaultCommitInterval.
	CommitInterval time.Duration
	// MaxBytes bounds the file's size; 0 means no bound, and less than 16 MiB
	// means 16 MiB. At the bound Accept answers ErrFull. 4 MiB of it are kept for
	// the results of deliveries, which make room again; many results at once may
	// take some more.
	MaxBytes int64

	queueSize   int               // tests make it small; 0 means queueSize
	afterCommit func(error) error // tests replace the outcome of a commit
}

// Store is a retrystore.Store in one file. It is safe for concurrent use.
type Store struct {
	options Options
	log     *zap.Logger
	path    string
	db      *bbolt.DB
	opened  time.Time // reference of instant.mono

	generation string // of the file's data; "" if it could not be given one

	queue   chan *request // to the writer; bounded
	kick    chan struct{} // tells the writer of the first unsaved change
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the writer has ended

	closeOnce sync.Once
	closeErr  error

	mu           sync.Mutex // guards what follows, and every event and delivery
	index        index
	dirty        []*event // changed since they were last committed
	token        uint64   // of the latest lease
	reservedKeys int      // keys of Accepts that are being written
	offset       int64    // of the wall clock to the monotonic one, milliseconds: see follow
	holds        map[retrystore.Key]hold
	deciding     map[retrystore.Key]*request // keys that are being written, and by whose wish
	outage       outage
	retention    retention
	trimAsked    bool     // the next commit looks for kept events that are to go
	expiredSlots []uint32 // key slots that are out of the index; the next commit drops them
	wakers       []*func(retrystore.Lane)
	closed       bool

	purging sync.Mutex // held while expired keys are removed; taken before mu
	purge   purge      // guarded by purging

	taken []*request // what the writer works on; writer only
	seq   uint64     // of the latest event; writer only
	room  room       // writer only
	undo  uint64     // events from here on are leftovers of failed commits; 0: none; writer only
}

var (
	_ retrystore.Store    = (*Store)(nil)
	_ retrystore.Retainer = (*Store)(nil)
)

// Open opens the store in the file at path, and creates it if there is none. It
// refuses, with an error that says what to do, a file that another process has
// open (ErrInUse), that a newer version wrote (ErrNewer), or that is damaged or
// no store (ErrDamaged); such a file is never changed.
//
// It reads the whole file once. The caller must Close the store.
func Open(path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.CommitInterval <= 0 {
		o.CommitInterval = DefaultCommitInterval
	}
	if o.queueSize <= 0 {
		o.queueSize = queueSize
	}
	s := &Store{
		options: o, log: o.Logger, path: path, opened: o.Now(),
		queue:   make(chan *request, o.queueSize),
		kick:    make(chan struct{}, 1),
		closing: make(chan struct{}), stopped: make(chan struct{}),
		index: newIndex(), holds: make(map[retrystore.Key]hold), deciding: make(map[retrystore.Key]*request),
		// A token of an earlier process must not fit a lease of this one.
		token: uint64(time.Now().UnixNano()),
	}
	if o.MaxBytes > 0 {
		s.room.limit = max(o.MaxBytes, MinBytes)
	}
	var err error
	if s.db, s.room.file, err = openFile(path, s.log); err != nil {
		return nil, err
	}
	s.generation = generationOf(s.db, s.log)
	now := s.instant()
	s.offset = now.wall - now.mono
	if err := s.rebuild(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	safe.Go(s.log, "file store: writer", s.serve)
	return s, nil
}

// Close commits what is settled so far, ends the writer and gives the file
// free. Deliveries still leased will be pending when the file is opened again.
// Further calls return the first one's error.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closing)
		<-s.stopped

		s.mu.Lock()
		unsaved, cause := len(s.dirty), s.outage.err
		s.mu.Unlock()
		if unsaved > 0 {
			s.closeErr = fmt.Errorf("%s: closed with %d changed events not saved, which will be delivered again: %w", s.path, unsaved, cause)
		}
		if err := s.db.Close(); err != nil {
			s.closeErr = errors.Join(s.closeErr, fmt.Errorf("closing %s: %w", s.path, err))
		}
	})
	return s.closeErr
}

// Notify registers wake; see retrystore.Store.
func (s *Store) Notify(wake func(retrystore.Lane)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A copy each time, as wakeLanes uses the slice without the lock.
	s.wakers = append(slices.Clip(s.wakers), &wake)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wakers = slices.DeleteFunc(slices.Clone(s.wakers), func(w *func(retrystore.Lane)) bool { return w == &wake })
	}
}

// wakeLanes tells everybody registered that deliveries of these lanes are due.
// The caller holds no lock.
func (s *Store) wakeLanes(lanes ...retrystore.Lane) {
	if len(lanes) == 0 {
		return
	}
	s.mu.Lock()
	wakers := s.wakers
	s.mu.Unlock()
	for _, l := range lanes {
		for _, wake := range wakers {
			_ = safe.Do(s.log, "file store: wake", func() { (*wake)(l) })
		}
	}
}

// changed notes that the next commit has to look at e. The caller holds mu.
func (s *Store) changed(e *event) {
	if e.dirty {
		return
	}
	e.dirty = true
	s.dirty = append(s.dirty, e)
	s.wakeWriter()
}

// wakeWriter makes the writer commit within CommitInterval.
func (s *Store) wakeWriter() {
	select {
	case s.kick <- struct{}{}:
	default: // it was told already
	}
}

// retire takes an event out of the index of which nothing is left to do; the
// next commit deletes it. Its key stays. The caller holds mu.
func (s *Store) retire(e *event) {
	s.leave(e)
	s.changed(e)
}

// leave is the part of retire that concerns the index.
func (s *Store) leave(e *event) {
	for i := range e.deliveries {
		e.deliveries[i].lane.remove(&e.deliveries[i])
	}
	s.index.forget(e)
	if k, ok := s.index.keys.get(e.key); ok && k.seq == uint32(e.seq) {
		s.index.keys.set(e.key, rememberedKey{expiry: k.expiry})
	}
}

// view runs f in a read transaction, which must be short: the writer cannot
// reuse pages meanwhile.
func (s *Store) view(f func(tx *bbolt.Tx) error) error {
	err := guard(func() error { return s.db.View(f) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return retrystore.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("%w: reading %s: %w", retrystore.ErrUnavailable, s.path, err)
	}
	return nil
}

var errPanic = errors.New("damaged or unreadable page")

// guard turns a panic of f into an error. bbolt panics on damaged pages, and
// the file is mapped into memory: when the disk fails to read a page, or
// somebody truncates the file, the access itself faults.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}
