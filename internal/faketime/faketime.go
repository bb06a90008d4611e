// Package faketime has the clock of tests: it stands still unless a test moves it.
// Where goroutines sleep until a time, testing/synctest is the better tool.
package faketime

import (
	"sync"
	"time"
)

// Clock is a wall clock that only tests move. It is safe for concurrent use. The zero
// Clock stands at the zero time.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// At returns a clock that stands at a time.
func At(t time.Time) *Clock { return &Clock{at: t} }

// Now is the clock's time. As a method value, c.Now, it takes the place of time.Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Move moves the clock on, or back if by is negative.
func (c *Clock) Move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// Set moves the clock to a time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}
