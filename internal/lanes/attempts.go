package lanes

import (
	"maps"
	"sync"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Attempts counts the results of a lane's attempts.
type Attempts struct{ Delivered, Failed int }

// Counter is a forward.Observer that counts attempts by lane. The zero Counter is ready; it is safe for
// concurrent use.
type Counter struct {
	mu  sync.Mutex
	all map[retrystore.Lane]Attempts
}

// All returns the counts.
func (c *Counter) All() map[retrystore.Lane]Attempts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.all)
}

// Clear begins to count anew.
func (c *Counter) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
}

// Attempted implements forward.Observer.
func (c *Counter) Attempted(d *retrystore.Delivery, s retrystore.Settlement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[retrystore.Lane]Attempts)
	}
	lane := retrystore.Lane{Endpoint: d.Endpoint, Destination: d.Destination}
	a := c.all[lane]
	if s.State == retrystore.Delivered {
		a.Delivered++
	} else {
		a.Failed++
	}
	c.all[lane] = a
}

// Settled implements forward.Observer.
func (*Counter) Settled(*retrystore.Delivery, retrystore.Settlement) {}

// LeaseLost implements forward.Observer.
func (*Counter) LeaseLost(*retrystore.Delivery) {}

// BreakerChanged implements forward.Observer.
func (*Counter) BreakerChanged(retrystore.Lane, forward.BreakerState, forward.BreakerState) {}
