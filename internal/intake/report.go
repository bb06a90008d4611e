package intake

import (
	"time"
)

// Report is what became of one webhook, for those who count, trace, log and remember it.
// It is made once, when the webhook has been answered.
type Report struct {
	// Endpoint is the endpoint's name, Provider its provider's as it is configured.
	Endpoint, Provider string

	// EventID and EventType are what a verified webhook says of itself; empty if it does not.
	EventID, EventType string

	// CorrelationID links the answer, the log and the delivery.
	CorrelationID string

	// Client is the sender's address for people.
	Client string

	// ReceivedAt is when the webhook arrived, Duration the time from then to its answer.
	ReceivedAt time.Time
	Duration   time.Duration

	// BodySize is how many bytes of the body were read.
	BodySize int

	// Outcome is the word of the answer, such as accepted, duplicate or invalid_signature.
	Outcome string

	// Status is that of the answer; 0 if there was none.
	Status int

	// OK tells what was taken, was there already or is wanted by nobody from what was refused, and from
	// what the next handler failed to do.
	OK bool

	// Reason says more of a refusal than the answer did; empty if there is no more to say. Cause is
	// the error behind it, or nil. Secrets in its text are to be hidden from logs.
	Reason string
	Cause  error

	// Tier is that of the rate limit which refused the webhook; empty if none did.
	Tier string

	// LimitErrors counts the rate limits that could not be checked.
	LimitErrors int

	// Verified is whether the signature was right, and SecretIndex the index of the secret or key that
	// proved it.
	Verified    bool
	SecretIndex int

	// Proxied is whether a proxy of this network forwarded the webhook that the server does not trust,
	// and UnixSocket whether it came by a Unix socket.
	Proxied, UnixSocket bool
}

// Reporter is told of each webhook, once, in the webhook's goroutine.
type Reporter interface {
	Report(r *Report)
}
