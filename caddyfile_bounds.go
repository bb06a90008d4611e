package caddywebhooks

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
)

// leastTimeout is below what any answer takes.
const leastTimeout = time.Millisecond

func (f *Forward) unmarshalTimeout(d *caddyfile.Dispenser) error {
	if err := grammar.Duration(d, &f.Timeout); err != nil {
		return err
	}
	if time.Duration(f.Timeout) < leastTimeout {
		return d.Errf("timeout is %s: want at least %s", time.Duration(f.Timeout), leastTimeout)
	}
	return nil
}

func (f *Forward) unmarshalDeadOn(d *caddyfile.Dispenser) error {
	if err := grammar.Statuses(d, &f.DeadOn); err != nil {
		return err
	}
	return grammar.At(d, f.checkDeadOn())
}

func (f *Forward) checkDeadOn() error {
	for _, code := range f.DeadOn {
		if code < 300 || code > 599 {
			return fmt.Errorf("dead_on %d: want statuses from 300 to 599", code)
		}
	}
	return nil
}
