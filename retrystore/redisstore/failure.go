package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// verdict is what to do about an error of Redis.
type verdict uint8

const (
	// proceed: no error.
	proceed verdict = iota
	// full: Redis has no memory left for it. Nothing was written.
	full
	// unscripted: Redis does not know the script; send the source. Nothing was written.
	unscripted
	// passing: a state that ends by itself, such as a failover. Nothing was written. Retry
	// for as long as the caller waits.
	passing
	// moving is passing, but of single keys: those of a slot under migration.
	moving
	// refusing: Redis takes no writes until it is repaired, or recovers. Nothing was
	// written.
	refusing
	// forbidden: the configuration is wrong. Nothing was written.
	forbidden
	// broken: the connection failed before the answer came. It may have been written.
	broken
	// unconfirmed: it was written, but too few replicas said so in time.
	unconfirmed
	// failed: Redis refused this very command. Nothing was written.
	failed
)

// verdicts are by the first word of Redis's errors. That nothing was written is
// what scripts see to: the first command that writes is one that Redis may refuse.
var verdicts = map[string]verdict{
	"OOM":         full,
	"NOSCRIPT":    unscripted,
	"LOADING":     passing, // reading its files after a start
	"MASTERDOWN":  passing, // a replica without its master
	"READONLY":    passing, // a replica, or a master that was demoted a moment ago
	"CLUSTERDOWN": passing, // nobody serves the slot
	"BUSY":        passing, // a slow script, not one of ours
	"MOVED":       passing, // the slot has another master now
	"TRYAGAIN":    moving,  // some of the keys moved to another master already
	"ASK":         moving,  // all of them did
	"MISCONF":     refusing,
	"NOREPLICAS":  refusing,
	"NOPERM":      forbidden,
	"NOAUTH":      forbidden,
	"WRONGPASS":   forbidden,
	"CROSSSLOT":   forbidden,
}

// inScript finds the code of an error that Redis before 7.0 wraps when a command
// fails within a script: "ERR Error running script (…): @user_script:5: -OOM …".
var inScript = regexp.MustCompile(`-([A-Z]{3,}) `)

// judge says what to do about an error of a command.
func judge(err error) verdict {
	if err == nil {
		return proceed
	}
	var reply redis.Error
	var few errReplicas
	switch {
	case errors.As(err, &few):
		return unconfirmed
	case errors.Is(err, redis.ErrPoolTimeout):
		return passing // all our connections are busy: nothing was sent
	case !errors.As(err, &reply):
		return broken
	}
	text := reply.Error()
	code, rest, _ := strings.Cut(text, " ")
	if v, ok := verdicts[code]; ok {
		return v
	}
	switch {
	case strings.HasPrefix(text, "ERR max number of clients reached"):
		return passing
	case strings.Contains(text, "The user executing the script can't"):
		return forbidden
	}
	if strings.HasPrefix(rest, "Error running script") {
		if found := inScript.FindStringSubmatch(text); found != nil {
			if v, ok := verdicts[found[1]]; ok {
				return v
			}
		}
	}
	return failed
}

// explain puts an error of Redis in the words of package retrystore.
func explain(v verdict, err error, what string) error {
	switch v {
	case proceed:
		return nil
	case full:
		return fmt.Errorf("%w: Redis is at its maxmemory: %w", retrystore.ErrFull, err)
	case forbidden:
		if redis.HasErrorPrefix(err, "NOAUTH") {
			return fmt.Errorf("%w: redis wants a password, and none is given, or it was changed: set the store's password: %w", retrystore.ErrUnavailable, err)
		}
		if redis.HasErrorPrefix(err, "WRONGPASS") {
			return fmt.Errorf("%w: redis takes the store's user name or password for wrong: set those that it wants: %w", retrystore.ErrUnavailable, err)
		}
		return fmt.Errorf("%w: redis user may not do all that the store needs (%s): allow it with ACL SETUSER <user> ~<prefix>* ~{<prefix>:* &<prefix>:* %s: %w",
			retrystore.ErrUnavailable, what, Permissions(), err)
	case refusing:
		return fmt.Errorf("%w: Redis takes no writes: %w", retrystore.ErrUnavailable, err)
	}
	return unavailable(err, what)
}

func unavailable(err error, what string) error {
	return fmt.Errorf("%w: redis (%s): %w", retrystore.ErrUnavailable, what, err)
}

// timedOut tells a server that does not answer from a connection that broke:
// there is no use in asking the first again at once.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// errReplicas means that a write is not as durable as it has to be. cause is the error of
// the question to the replicas, or nil.
type errReplicas struct {
	got, want int
	cause     error
}

func (e errReplicas) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("waiting for replicas to confirm the write: %v", e.cause)
	}
	return fmt.Sprintf("%d replicas confirmed the write in time, want %d", e.got, e.want)
}

func (e errReplicas) Unwrap() error { return e.cause }
