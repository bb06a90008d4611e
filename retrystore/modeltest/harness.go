package modeltest

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Harness is one backend with storage of its own, which starts out empty.
type Harness struct {
	// Open opens the storage; after Close or Crash again, with what is in it.
	Open func() (retrystore.Store, error)
	// Crash ends a store as the death of its process would.
	Crash func(retrystore.Store) error
	// Flush makes all results durable. Of no use without Rules.Forgets, where it
	// must be the only thing, besides durable writes, that does.
	Flush func(retrystore.Store) error
	// Now and Advance are the store's clock. Nothing but Advance may move it by
	// as much as an eighth of Unit.
	Now     func() time.Time
	Advance func(time.Duration)
	// Unit is the step by which time passes. It must be so long that a whole Look
	// takes no noticeable part of it; with an injected clock best an hour.
	Unit  time.Duration
	Rules Rules
	// Close removes the storage, after the store was closed. It may be nil.
	Close func()
}

// NewHarness makes a Harness. It is called many times in a test.
type NewHarness func(t testing.TB) Harness
