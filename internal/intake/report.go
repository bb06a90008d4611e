package intake

import (
	"time"

	"go.uber.org/zap"
)

// Report is what happened to one webhook, for counters, traces, logs and the memory of traffic. It is made
// once, when the webhook has been answered.
type Report struct {
	// Endpoint is the endpoint's name, Provider the provider's name as it is configured.
	Endpoint, Provider string

	// EventID and EventType are what a verified webhook says of itself; empty if it says nothing.
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

	// Status is the answer's status; 0 if there was no answer.
	Status int

	// OK is true for webhooks that were accepted, were there already, or are wanted by no destination; it
	// is false for refused ones, and for those that the next handler failed at.
	OK bool

	// Reason says more of a refusal than the answer did; empty if there is no more to say. Cause is the
	// error behind it, or nil. Loggers must hide the secrets in its text.
	Reason string
	Cause  error

	// Tier is the rate limit that refused the webhook; empty if none did.
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

// Reporter is called once for each webhook, in the webhook's goroutine.
type Reporter interface {
	Report(r *Report)
}

// newReport describes what happened to a webhook.
func (e *Endpoint) newReport(in *Inbound, a *reply) *Report {
	return &Report{
		Endpoint: e.Name, Provider: e.Provider, EventID: in.eventID, EventType: in.eventType,
		CorrelationID: in.correlationID, Client: in.ClientName(),
		ReceivedAt: in.receivedAt, Duration: e.Now().Sub(in.receivedAt), BodySize: len(in.signed.Body),
		Outcome: in.outcome, Status: a.code, OK: a.ok(), Reason: a.reason, Cause: a.cause,
		Tier: a.tier, LimitErrors: in.limitErrors,
		Verified: in.isVerified, SecretIndex: in.verified.SecretIndex,
		Proxied: in.proxied, UnixSocket: in.byUnixSocket,
	}
}

// LogReporter writes the one line that each webhook gets on its way in. hide removes secrets from
// the text of errors.
type LogReporter struct {
	Logger *zap.Logger
	Hide   func(text string) string
}

// Report implements Reporter.
func (l LogReporter) Report(r *Report) {
	level := zap.InfoLevel
	if !r.OK || r.Reason != "" {
		level = zap.WarnLevel
	}
	entry := l.Logger.Check(level, "webhook received")
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, 12)
	fields = append(fields,
		zap.String("endpoint", r.Endpoint),
		zap.String("provider", r.Provider),
		zap.String("outcome", r.Outcome),
		zap.String("correlation_id", r.CorrelationID),
		zap.String("client_ip", r.Client),
		zap.Duration("duration", r.Duration),
	)
	if r.EventID != "" || r.EventType != "" {
		fields = append(fields, zap.String("event_id", r.EventID), zap.String("event_type", r.EventType))
	}
	if r.Status != 0 {
		fields = append(fields, zap.Int("status", r.Status))
	}
	if r.Reason != "" {
		fields = append(fields, zap.String("reason", r.Reason))
	}
	if r.Cause != nil {
		fields = append(fields, zap.String("error", l.Hide(r.Cause.Error())))
	}
	entry.Write(fields...)
}
