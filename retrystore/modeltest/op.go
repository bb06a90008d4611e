package modeltest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Kind says what an Op does.
type Kind uint8

// Kinds of operations.
const (
	KindAccept Kind = iota + 1
	KindClaim
	KindSettle
	KindRenew
	KindRelease
	KindReplay
	KindDelete
	KindHold
	KindCommit
	KindFree
	KindRenewKey
	KindAdvance
	KindFlush
	KindReopen
	KindCrash
	KindLook
	KindBoth
)

// Result is how an attempt ends.
type Result uint8

// Results of attempts.
const (
	Delivered Result = iota + 1
	Retry            // in half a step of time
	RetryNow
	Dead
)

// Op is one operation. The constructors below are the way to make one.
type Op struct {
	kind   Kind
	event  int // by the number given to its Accept
	target int
	key    int // 0: none
	// targets of an Accept: of each the lane, "+" if it is to be leased, "x" if it is
	// dead from the start, or "-", and "!" if it is urgent, such as "a+ b-!".
	targets      string
	bound        int  // MaxPending
	alone        bool // MaxBytes is 1
	lane         string
	max, retries int
	result       Result
	both         *[2]Op

	number int  // of this operation; names the leases that it makes
	token  int  // number of the lease or hold that the caller has
	shown  int  // keys, as bits, that a Look compares
	loose  bool // a Claim may choose in any order
}

// Accept accepts a new event under a key, or none if that is 0. Others refer to
// the event by the number given here.
func Accept(event, key int, targets string) Op {
	return Op{kind: KindAccept, event: event, key: key, targets: targets}
}

// AcceptBound is Accept with a bound on open deliveries.
func AcceptBound(event, key int, targets string, bound int) Op {
	return Op{kind: KindAccept, event: event, key: key, targets: targets, bound: bound}
}

// AcceptAlone is Accept with a bound on the endpoint's bytes that anything stored reaches.
func AcceptAlone(event, key int, targets string) Op {
	return Op{kind: KindAccept, event: event, key: key, targets: targets, alone: true}
}

// Claim claims up to max deliveries of a lane, of which as many may be retries.
func Claim(lane string, max, retries int) Op {
	return Op{kind: KindClaim, lane: lane, max: max, retries: retries}
}

// Settle ends the latest lease of a delivery.
func Settle(event, target int, result Result) Op {
	return Op{kind: KindSettle, event: event, target: target, result: result}
}

// Renew renews the latest lease of a delivery.
func Renew(event, target int) Op { return Op{kind: KindRenew, event: event, target: target} }

// Release gives the latest lease of a delivery back.
func Release(event, target int) Op { return Op{kind: KindRelease, event: event, target: target} }

// Replay replays a delivery.
func Replay(event, target int) Op { return Op{kind: KindReplay, event: event, target: target} }

// Delete deletes a delivery.
func Delete(event, target int) Op { return Op{kind: KindDelete, event: event, target: target} }

// Hold asks for a key.
func Hold(key int) Op { return Op{kind: KindHold, key: key} }

// Commit commits the latest hold of a key.
func Commit(key int) Op { return Op{kind: KindCommit, key: key} }

// Free releases the latest hold of a key.
func Free(key int) Op { return Op{kind: KindFree, key: key} }

// RenewKey renews the latest hold of a key.
func RenewKey(key int) Op { return Op{kind: KindRenewKey, key: key} }

// Advance lets a step of time pass: half a lease or more, twice the delay of a retry.
func Advance() Op { return Op{kind: KindAdvance} }

// Flush makes all results durable, as the passing of time would.
func Flush() Op { return Op{kind: KindFlush} }

// Reopen closes the store and opens it again.
func Reopen() Op { return Op{kind: KindReopen} }

// Crash ends the store as the death of its process would, and opens it again.
func Crash() Op { return Op{kind: KindCrash} }

// Look compares everything that can be seen of the store. It also tries every
// lease and hold that is spent.
func Look() Op { return Op{kind: KindLook} }

// Both does two operations at once.
func Both(a, b Op) Op { return Op{kind: KindBoth, both: &[2]Op{a, b}} }

var resultNames = map[Result]string{Delivered: "Delivered", Retry: "Retry", RetryNow: "RetryNow", Dead: "Dead"}

// String returns the operation as Go code.
func (o Op) String() string {
	code := func(name string, args ...any) string {
		texts := make([]string, len(args))
		for i, a := range args {
			texts[i] = fmt.Sprint(a)
		}
		return "modeltest." + name + "(" + strings.Join(texts, ", ") + ")"
	}
	switch o.kind {
	case KindAccept:
		if o.alone {
			return code("AcceptAlone", o.event, o.key, strconv.Quote(o.targets))
		}
		if o.bound > 0 {
			return code("AcceptBound", o.event, o.key, strconv.Quote(o.targets), o.bound)
		}
		return code("Accept", o.event, o.key, strconv.Quote(o.targets))
	case KindClaim:
		return code("Claim", strconv.Quote(o.lane), o.max, o.retries)
	case KindSettle:
		return code("Settle", o.event, o.target, "modeltest."+resultNames[o.result])
	case KindRenew:
		return code("Renew", o.event, o.target)
	case KindRelease:
		return code("Release", o.event, o.target)
	case KindReplay:
		return code("Replay", o.event, o.target)
	case KindDelete:
		return code("Delete", o.event, o.target)
	case KindHold:
		return code("Hold", o.key)
	case KindCommit:
		return code("Commit", o.key)
	case KindFree:
		return code("Free", o.key)
	case KindRenewKey:
		return code("RenewKey", o.key)
	case KindBoth:
		return code("Both", o.both[0], o.both[1])
	}
	return code(map[Kind]string{KindAdvance: "Advance", KindFlush: "Flush", KindReopen: "Reopen", KindCrash: "Crash", KindLook: "Look"}[o.kind])
}

// shape is one target of an Accept.
type shape struct {
	lane     string
	leased   bool
	dead     bool
	priority int
}

// shapes parses Op.targets.
func (o Op) shapes() []shape {
	var all []shape
	for _, field := range strings.Fields(o.targets) {
		t := shape{lane: field[:1], leased: field[1] == '+', dead: field[1] == 'x'}
		if strings.HasSuffix(field, "!") {
			t.priority = retrystore.MaxPriority
		}
		all = append(all, t)
	}
	return all
}

// renamed numbers the events of a sequence anew, from 1.
func renamed(ops []Op) []Op {
	names := make(map[int]int)
	var rename func(o Op) Op
	rename = func(o Op) Op {
		if o.both != nil {
			o.both = &[2]Op{rename(o.both[0]), rename(o.both[1])}
		}
		if o.event != 0 {
			if names[o.event] == 0 {
				names[o.event] = len(names) + 1
			}
			o.event = names[o.event]
		}
		return o
	}
	all := make([]Op, len(ops))
	for i, o := range ops {
		all[i] = rename(o)
	}
	return all
}

// code returns a sequence as the Go code of a test.
func code(ops []Op) string {
	var b strings.Builder
	b.WriteString("modeltest.Reproduce(t, newHarness,\n")
	for _, o := range ops {
		fmt.Fprintf(&b, "\t%s,\n", o)
	}
	b.WriteString(")")
	return b.String()
}
