package retrystore

import "context"

// Condition is what a store tells about itself besides its Stats.
type Condition struct {
	// Refusing is why new events are refused although the store answers, with the
	// remedy; nil if they are not.
	Refusing error
	// Generation names the stored data: made with the data, and gone with it. It is
	// empty while it is not known.
	Generation string
	// Replaced is how often, since the store was opened, its data, or a part of it, was found
	// to be gone, or to be other or older data. Loss says what the latest such findings were.
	Replaced int
	Loss     string
	// Damaged counts the keys, entries and records that were found damaged since the
	// store was opened, and were set aside or repaired.
	Damaged uint64
}

// Conditioned is a Store that tells its Condition. It is safe for concurrent use,
// and waits for nothing.
type Conditioned interface {
	Condition() Condition
}

// Warner is a Store that knows what makes it less safe than it should be, such as a server
// without persistence or with a wrong clock.
type Warner interface {
	// Warnings tells each risk in a sentence without any credential. The error says why it
	// could not look, or what must be repaired; there may be warnings beside it.
	Warnings(ctx context.Context) ([]string, error)
}
