package filestore

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

const (
	// reserve is how much space, free in the file or allocated behind it, a
	// commit of new events has to leave. Deleting a delivered event writes pages
	// too: a store that new events had filled to the last page could never make
	// room again.
	reserve = 4 << 20
	// growStep is how much disk space the file takes at a time.
	growStep = 4 << 20
	// MinBytes is the least that Options.MaxBytes can be.
	MinBytes = 4 * reserve
)

var errSizeLimit = errors.New("file reached its size limit")

// room is the disk space of the file. The writer owns it.
type room struct {
	file      *os.File // bbolt's own
	limit     int64    // Options.MaxBytes; 0: none
	allocated int64    // up to here the file has blocks on the disk
}

// make sees to it that there is space for the events of b and the reserve. When
// there is none it fails before anything was written.
func (r *room) make(tx *bbolt.Tx, b *batch) error {
	if len(b.events) == 0 {
		return nil
	}
	need := int64(reserve)
	for _, e := range b.events {
		need += 2 * int64(len(e.record)) // pages are not quite full, and branches come on top
	}
	return r.provide(tx, need)
}

// provide sees to it that need bytes are free in the file or allocated behind it.
func (r *room) provide(tx *bbolt.Tx, need int64) error {
	stats, pageSize := tx.DB().Stats(), int64(tx.DB().Info().PageSize)
	grow := need - int64(stats.FreePageN+stats.PendingPageN)*pageSize
	if grow <= 0 {
		return nil
	}
	end := tx.Size() + grow
	if r.limit > 0 && end > r.limit {
		return fmt.Errorf("%w of %d bytes", errSizeLimit, r.limit)
	}
	// What bbolt knows as part of the file has been written, so it has blocks.
	r.allocated = max(r.allocated, tx.Size())
	if end <= r.allocated {
		return nil
	}
	// A whole step if the disk has it, or else just what is needed.
	step := end + growStep
	if r.limit > 0 {
		step = min(step, r.limit)
	}
	err := allocate(r.file, r.allocated, step)
	if err != nil {
		step = end
		err = allocate(r.file, r.allocated, step)
	}
	if err != nil {
		return fmt.Errorf("allocating disk space: %w", err)
	}
	r.allocated = step
	return nil
}
