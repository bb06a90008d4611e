package retrystore

import "context"

// Condition is what a store tells about itself besides its Stats.
type Condition struct {
	// Refusing says why the store refuses new events although it answers, with the
	// remedy; nil if it does not refuse them.
	Refusing error
	// Generation names the stored data. It is made with the data and disappears with it.
	// It is empty while it is not known.
	Generation string
	// Replaced is how often, since the store was opened, its data, or a part of it, was found
	// to be gone, or to be other or older data. Loss says what the latest such findings were.
	Replaced int
	Loss     string
	// Damaged counts the keys, entries and records that were found damaged since the
	// store was opened, and were set aside or repaired.
	Damaged uint64
}

// Conditioned is a Store that tells its Condition. It is safe for concurrent use, and does
// not block.
type Conditioned interface {
	Condition() Condition
}

// Warner is a Store that can name risks of its setup, such as a server
// without persistence or with a wrong clock.
type Warner interface {
	// Warnings returns a sentence for each risk, without credentials. The error says why the
	// risks could not be checked, or what must be repaired. There may be both.
	Warnings(ctx context.Context) ([]string, error)
}
