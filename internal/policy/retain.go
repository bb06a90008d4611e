package policy

import (
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Retain says what is kept of webhooks once every destination has them,
// for `caddy webhooks list --state delivered` and `show`: everything but the body.
type Retain struct {
	// How many deliveries are kept: the latest of the whole store; the deliveries of one event are kept
	// and dropped together. Default: 100000 with age; without age it is required.
	Count int `json:"count,omitempty"`

	// For how long each is kept. Default: as long as count allows.
	Age caddy.Duration `json:"age,omitempty"`

	// Whether bodies are kept, too. They may hold personal data, and take as much
	// room in the store as they are long. Default: false.
	Bodies bool `json:"bodies,omitempty"`
}

// Retention is what the store is asked for. nil keeps nothing.
func (r *Retain) Retention() retrystore.Retention {
	if r == nil {
		return retrystore.Retention{}
	}
	return retrystore.Retention{Count: r.Count, Age: time.Duration(r.Age), Bodies: r.Bodies}.Normal()
}

// Validate refuses what would keep nothing.
func (r *Retain) Validate() error {
	if r != nil && (r.Count < 0 || r.Age < 0 || r.Count == 0 && r.Age == 0) {
		return fmt.Errorf("retain delivered: count is %d and age is %s: want one of them above zero, and none below", r.Count, time.Duration(r.Age))
	}
	return nil
}

// UnmarshalCaddyfile reads `retain delivered <number>|<duration>... [bodies]`.
func (r *Retain) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || args[0] != "delivered" {
		return d.Err("retain wants: delivered, and then how many or for how long, such as `retain delivered 10000 7d`")
	}
	for _, arg := range args[1:] {
		count, notCount := strconv.Atoi(arg)
		age, notAge := caddy.ParseDuration(arg)
		again := false
		switch {
		case arg == "bodies":
			again, r.Bodies = r.Bodies, true
		case notCount == nil && count > 0:
			again, r.Count = r.Count > 0, count
		case notCount != nil && notAge == nil && age > 0:
			again, r.Age = r.Age > 0, caddy.Duration(age)
		default:
			return d.Errf("retain delivered has %s: want how many to keep, such as 10000, for how long, such as 7d, or bodies; leave the line out to keep nothing", grammar.ShownValue(arg))
		}
		if again {
			return d.Errf("retain delivered has %s where that was said before: want one number, one duration, and bodies at most once", grammar.ShownValue(arg))
		}
	}
	if r.Count == 0 && r.Age == 0 {
		return d.Err("retain delivered wants how many to keep, such as 10000, or for how long, such as 7d, or both")
	}
	return nil
}
