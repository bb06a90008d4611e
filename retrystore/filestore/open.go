package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"go.uber.org/zap"
)

// Why a file cannot be opened. The errors that wrap these name the file and
// say what to do.
var (
	// ErrInUse means that another process, or another Store, has the file open.
	ErrInUse = errors.New("store file is in use")
	// ErrNewer means that a newer version of this program wrote the file.
	ErrNewer = errors.New("store file has a newer format")
	// ErrDamaged means that the file is damaged, or is not a store at all.
	ErrDamaged = errors.New("store file is damaged")
)

// lockTimeout is how long to wait for another process to let the file go.
const lockTimeout = 250 * time.Millisecond

// pageSize is that of new files. With the usual 4 KiB, a page holds two webhooks
// of 1 KiB and wastes a third. With 16 KiB a commit of one event, which writes
// four pages, takes a tenth longer than with 8 KiB.
const pageSize = 8 << 10

// openFile opens or creates the database at path.
func openFile(path string, log *zap.Logger) (*bbolt.DB, *os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path); err != nil {
			return nil, nil, fmt.Errorf("creating store file %s: %w", path, err)
		}
	case err != nil:
		return nil, nil, fmt.Errorf("store file: %w", err)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("store file %s is not a regular file: name a file, which is created if it does not exist", path)
	case info.Size() == 0:
		// There is nothing to lose in it, and bbolt will initialise it.
		log.Warn("store file was empty", zap.String("path", path))
	default:
		if err := checkFile(path); err != nil {
			return nil, nil, openError(path, err)
		}
	}

	db, file, err := openDB(path)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	if err := guard(func() error { return initialise(db) }); err != nil {
		return nil, nil, errors.Join(openError(path, err), db.Close())
	}
	return db, file, nil
}

// create makes an empty store appear at path in one step: whatever is at path
// is complete, or not ours. Should another process create it first, its file
// stays. The steps: write elsewhere, sync, link, sync the directory.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	db, _, err := openDB(f.Name())
	if err != nil {
		return err
	}
	if err := errors.Join(initialise(db), db.Close()); err != nil {
		return err
	}
	if os.Link(f.Name(), path) != nil {
		// Another process was quicker; or there are no hard links here, and bbolt
		// will create the file in place, where a crash in that very moment may
		// leave something that Open refuses.
		return nil
	}
	return syncDir(dir)
}

// syncDir makes the entries of dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there, and need not be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// addressSpace is how much is mapped from the start: see openDB.
var addressSpace int64 = 16 << 30

// openDB opens a database and tells bbolt's own handle of its file.
func openDB(path string) (db *bbolt.DB, file *os.File, err error) {
	o := &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		// The list of free pages is found again at open, which reads the file
		// anyway; writing it with every commit would cost most when the queue has
		// been long and the file is mostly free.
		NoFreelistSync: true,
		PageSize:       pageSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	}
	// A large mapping means that the file can grow without waiting for readers.
	// It costs address space only, but Windows would grow the file to its size.
	if strconv.IntSize == 64 && runtime.GOOS != "windows" {
		o.InitialMmapSize = int(addressSpace)
	}
	open := func() (err error) { db, err = bbolt.Open(path, 0o600, o); return err }
	err = guard(open)
	if err != nil && o.InitialMmapSize > 0 && !errors.Is(err, berrors.ErrTimeout) {
		o.InitialMmapSize = 0 // address space may be limited (ulimit -v)
		err = guard(open)
	}
	return db, file, err
}

// initialise makes the buckets in a new file and checks the format of another.
func initialise(db *bbolt.DB) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket(bucketMeta); meta != nil {
			return checkFormat(tx, meta)
		}
		if name, _ := tx.Cursor().First(); name != nil {
			return fmt.Errorf("%w: it belongs to another program", ErrDamaged)
		}
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		for _, name := range [][]byte{bucketEvents, bucketDeliveries, bucketAttempts, bucketKeys} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, formatVersion))
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// errUnchanged rolls back a transaction that had nothing to write.
var errUnchanged = errors.New("nothing to write")

func checkFormat(tx *bbolt.Tx, meta *bbolt.Bucket) error {
	b := meta.Get(metaFormat)
	if len(b) != 4 {
		return fmt.Errorf("%w: it belongs to another program", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b); v > formatVersion {
		return fmt.Errorf("%w: format %d, while this version of caddy-webhooks reads format %d", ErrNewer, v, formatVersion)
	}
	for _, name := range [][]byte{bucketEvents, bucketDeliveries, bucketAttempts, bucketKeys} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
		}
	}
	return errUnchanged
}

// openError explains err to who has to repair it.
func openError(path string, err error) error {
	const restore = "it was left as it is; restore it from a backup, or move it away to start with an empty store"
	switch {
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, ErrInUse):
		return fmt.Errorf("%w: %s is in use by another process: stop that one, or give this one a file of its own", ErrInUse, path)
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("store file %s: %w: install that version again, or move the file away to start with an empty store", path, err)
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("store file %s: %w: %s", path, err, restore)
	case errors.Is(err, errPanic): // of bbolt, about something that checkFile does not know
		return fmt.Errorf("store file %s: %w: %w: %s", path, ErrDamaged, err, restore)
	}
	return fmt.Errorf("store file %s: %w", path, err)
}
