package retrystore

import "go.uber.org/zap"

// Opener opens the store that the checked settings of a backend describe. It may also be a Placer,
// a Sized or a DiskUser.
type Opener interface {
	// Key identifies the stored data, not the settings. Two openers with equal keys share one
	// open store, so that a store survives a change of the config. It contains no secret. It may
	// make the directory of the data, and is called only when the store is about to be opened.
	Key() (string, error)
	// Open opens the store. Until then the backend touches nothing, so that a config can be
	// checked beside a process that uses the same store. The caller closes the store.
	Open(o Options) (Store, error)
}

// Options are what a store is given besides the settings of its backend.
type Options struct {
	// Logger is the store's log while it is open. Required.
	Logger *zap.Logger
	// Node is the name of this process among those that share the store, for people. May be empty.
	Node string
}

// Placer is an Opener that says where the data is, so that the same place is known again
// after other settings have changed. Without it the Key decides.
type Placer interface {
	// Place returns a text that identifies the place, and its name for people, such as
	// "file /var/lib/webhooks.db". Neither contains a secret. It is called after Key.
	Place() (id, name string)
}

// Sized is an Opener whose store never becomes larger than a bound of its own.
type Sized interface {
	// MaxBytes is the bound in bytes; 0: none.
	MaxBytes() int64
}

// DiskUser is an Opener whose store lies on a disk of this machine.
type DiskUser interface {
	// Disk tells how much room the disk has. Its Path is set whatever the error;
	// errors.ErrUnsupported means that this system cannot tell.
	Disk() (Disk, error)
}

// Disk is the disk that a store lies on.
type Disk struct {
	Path        string // of the store
	Free, Total uint64 // bytes; Free counts what this process may use
}

// Wrapper is a Store that adds something to another one, such as measuring it. As looks through it.
type Wrapper interface {
	// Unwrap returns the store inside.
	Unwrap() Store
}

// As finds an optional ability T of a store, such as Conditioned, Retainer or Warner: in s itself,
// or else in a store that s wraps. Where several have it, the outermost one counts.
func As[T any](s Store) (ability T, ok bool) {
	for {
		if ability, ok = s.(T); ok {
			return ability, true
		}
		wrapper, wraps := s.(Wrapper)
		if !wraps {
			return ability, false
		}
		s = wrapper.Unwrap()
	}
}
