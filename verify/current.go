package verify

import "sync/atomic"

// Current is the verifier that an endpoint has now. Whoever checks or signs asks for it each time, so that
// secrets can change while webhooks come in. It is safe for concurrent use; a Current is not copied.
type Current struct{ verifier atomic.Pointer[Verifier] }

// NewCurrent returns a Current that has v.
func NewCurrent(v *Verifier) *Current {
	c := new(Current)
	c.verifier.Store(v)
	return c
}

// Load returns the verifier. What belongs together, such as the steps of one webhook, uses what one call returned.
func (c *Current) Load() *Verifier { return c.verifier.Load() }

// Store replaces the verifier and returns the one before, which is still in use where Load has returned it.
func (c *Current) Store(v *Verifier) (before *Verifier) { return c.verifier.Swap(v) }
