// Package retrystore defines what a store of webhook deliveries keeps and
// promises: events, deliveries, leases, and the roles a backend fills.
// Backends live in sub-folders (filestore, …) and pass the storetest suite.
package retrystore

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// Bounds of the history a store keeps with each delivery.
const (
	// MaxHistory is how many of the latest attempts are kept.
	MaxHistory = 20
	// MaxAnswer is how many bytes of an answer's body are kept with an attempt.
	MaxAnswer = 1024
	// MaxTargets is how many destinations one event may have.
	MaxTargets = 255
	// MaxSecrets is how many places of secrets are kept with an event.
	MaxSecrets = 64
	// MaxPriority is the most urgent priority; 0 is the least.
	MaxPriority = 10
)

// Lane names the queue of one destination of one endpoint.
type Lane struct {
	Endpoint    string
	Destination string
}

// String returns "endpoint/destination", for logs.
func (l Lane) String() string { return l.Endpoint + "/" + l.Destination }

// Key identifies an event for deduplication: the first 128 bits of a SHA-256
// over the endpoint's name and whatever identifies the event within it (package
// dedupe builds it). The zero Key means "do not deduplicate".
type Key [16]byte

// IsZero reports whether k means "do not deduplicate".
func (k Key) IsZero() bool { return k == Key{} }

// String returns the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Event is one verified webhook, as it came in. Stores and senders share one value: do not
// change it after it was handed to Accept.
type Event struct {
	Endpoint      string // the endpoint that received it
	Provider      string // the provider's name in package verify
	EventID       string // the provider's id of the event; may be empty
	EventType     string // the provider's type of the event; may be empty
	CorrelationID string
	ReceivedAt    time.Time // when the proxy received it, millisecond precision
	Method        string
	Scheme        string // "http" or "https", as the provider saw it
	Host          string // the Host header
	URI           string // path and query to deliver
	Proto         string // "HTTP/1.1", "HTTP/2.0", …
	RemoteAddr    string // host:port of the peer that sent it
	Header        http.Header
	Body          []byte

	// Secrets are the places of values that must be hidden from people, as package verify
	// spells them ("header X-Gitlab-Token", "json /token"). They follow from the endpoint's
	// scheme at the time when the event came in, and stay when the endpoint changes. At most
	// MaxSecrets.
	Secrets []string
}

// State is the state of a delivery. docs/architecture.md draws the state machine.
type State uint8

const (
	// Pending deliveries are due at NextAttemptAt.
	Pending State = iota
	// Leased deliveries are being tried by one worker.
	Leased
	// Delivered deliveries were answered with success; a store forgets them
	// once every delivery of their event is settled, unless a Retention keeps them.
	Delivered
	// Dead deliveries are not retried unless they are replayed.
	Dead
)

var stateNames = [...]string{"pending", "leased", "delivered", "dead"}

// String returns the state's name as the admin API spells it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// ParseState is the inverse of State.String.
func ParseState(name string) (State, error) {
	for i, n := range stateNames {
		if n == name {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("unknown state %q: want pending, leased, delivered or dead", name)
}

// Lease is the right of one worker to try a delivery until a time. The token
// fences: a Settle that carries an older token than the store's is refused.
type Lease struct {
	Token uint64
	Until time.Time
}

// Attempt is one try of a delivery.
type Attempt struct {
	At       time.Time
	Duration time.Duration
	Status   int    // HTTP status of the answer; 0 when there was none
	Error    string // why there was no answer, or what went wrong with it
	Answer   []byte // the first MaxAnswer bytes of the answer's body
}

// Budget is where a retry policy begins to count: at acceptance, or at the last replay.
type Budget struct {
	Attempts int       // value of Delivery.Attempts at that moment
	Since    time.Time // that moment
}

// Delivery is one event on its way to one destination. A store hands out
// copies: changing one changes nothing in the store.
type Delivery struct {
	// ID is globally unique and stable across attempts, replays and restarts.
	ID string
	Lane
	Event         *Event
	State         State
	Priority      int // 0 to 10; higher goes first among due deliveries
	Attempts      int // finished attempts, ever
	Budget        Budget
	NextAttemptAt time.Time // when a pending delivery is due; meaningless in other states
	Lease         Lease     // the holder's lease; zero unless leased to the caller
	LastStatus    int       // status of the latest attempt; 0 if none or no answer
	LastError     string    // error of the latest attempt
	Reason        string    // why it is dead; empty otherwise
	History       []Attempt // oldest first; filled by Get only
	BodyDropped   bool      // the event had a body, which a Retention did not keep; told by Get only
}
