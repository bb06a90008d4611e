// Package intake is the way of one webhook from its request to its answer. It is read from here:
// Serve, then the steps that admit lists, in their order, then store or guard.
//
// It knows no configuration and no Caddy: what an endpoint consists of is a Config, and what the HTTP
// server around the endpoint does is behind the interface Server.
package intake

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Config is what an endpoint consists of. Fields are required unless they say otherwise.
type Config struct {
	// Name is the endpoint's, Provider that of its provider as it is configured.
	Name, Provider string

	// Row is the provider's, or the one that was made of the configuration.
	Row *verify.Provider

	// Verifier checks the endpoint's webhooks: each of them by the one that there was when it came.
	Verifier *verify.Current

	// RequireHTTPS refuses what was sent by plain HTTP.
	RequireHTTPS bool

	// PublicURL is what the provider calls, where the request does not tell. The zero PublicURL changes nothing.
	PublicURL PublicURL

	// Access says which addresses may send. The zero Access lets in all.
	Access Access

	// Limits bound how many webhooks come in.
	Limits Limits

	// Body bounds what each of them may hold.
	Body Body

	// ContentTypes are the media types that are taken, lower-case; none: all.
	ContentTypes []string

	// Dedupe is what identifies an event; nil: as the provider's row says.
	Dedupe *Dedupe

	// KeyTTL is how long an event is remembered.
	KeyTTL time.Duration

	// Keyers make the keys that it is remembered by; see NewKeyers.
	Keyers Keyers

	// Destinations are where events go, the first one being the one that answers where RespondUpstream
	// is set. None: guard mode.
	Destinations []Destination

	// RespondUpstream has the provider wait for the application's answer, for RespondTimeout at most.
	RespondUpstream bool
	RespondTimeout  time.Duration

	// GuardPatience is how long the next handler may continue in guard mode after the provider has
	// disconnected. Providers wait for some seconds and then send again. If the disconnect ended the
	// first request, the second one would start while the application still works on the first.
	GuardPatience time.Duration

	// Headers knows whose the headers of the endpoint's webhooks are.
	Headers envelope.Headers

	// Secrets are where events have what nobody is shown; see retrystore.Event.Secrets.
	Secrets []string

	// Accept stores an event, durably, and has it delivered. done, if it is not nil, is told what
	// comes of the first target's attempt; see forward.Dispatcher.
	Accept func(ctx context.Context, s *retrystore.Submission, done Done) (retrystore.Receipt, error)

	// Guard keeps the keys of events in guard mode. It fails while there is no store.
	Guard func(ctx context.Context) (retrystore.Guard, error)

	// EndpointOf tells whose a stored delivery is; empty if there is none of that id.
	EndpointOf func(ctx context.Context, id string) (endpoint string, err error)

	// Waits makes the contexts in which the store is waited for, and Serving counts what is being worked
	// on. Endpoints share both.
	Waits   *Waits
	Serving *Serving

	// Server is the HTTP server around the endpoint.
	Server Server

	// Offered keeps a secret that a handshake handed over. If it fails, the provider is told to try again later.
	Offered func(in *Inbound, secret string) error

	// HideError hides secrets in an error about a webhook.
	HideError func(err error, e *retrystore.Event) error

	// SawChanged is told of a refusal that went out as a success.
	SawChanged func(code, status int)

	// Reporters are told of each webhook once it is answered, in their order.
	Reporters []Reporter

	// Logger and Now are the endpoint's log and clock.
	Logger *zap.Logger
	Now    func() time.Time
}

// Done is told what comes of an attempt; made is false if there will be none now.
type Done = func(a forward.Answer, s retrystore.Settlement, made bool)

// Body bounds the bodies of webhooks.
type Body struct {
	// Max is the largest that is taken, in bytes.
	Max int64

	// Memory is shared by the bodies of all endpoints.
	Memory *inflight.Budget

	// Time is how long a body of up to 1 MiB may take. Without a bound a sender that trickles would hold
	// its connection, a goroutine and what has arrived for days: Caddy's own read_idle_timeout starts
	// anew with each byte.
	Time time.Duration
}

// Server is what an HTTP server does with an endpoint's answers.
type Server interface {
	// PastInterceptors returns the writer behind handlers that may replace the status of an answer.
	PastInterceptors(w http.ResponseWriter) http.ResponseWriter

	// WatchStatus calls changed, when the server is done with the request, if a success went out instead of the
	// refusal that was written.
	WatchStatus(w http.ResponseWriter, r *http.Request, changed func(status int))

	// StatusOf is what the server answers for the error of a handler, and the error without the
	// server's trace of it. The status is 0 where the error names none.
	StatusOf(err error) (status int, cause error)

	// LeaveToErrorRoutes has other handlers answer a webhook of which the next handler failed. It returns
	// false where there are none.
	LeaveToErrorRoutes(r *http.Request, u *Undecided) bool
}

// Handler is the handler behind an endpoint, as Caddy calls it.
type Handler interface {
	ServeHTTP(w http.ResponseWriter, r *http.Request) error
}

// Endpoint takes the webhooks of one provider. It is safe for concurrent use.
type Endpoint struct {
	Config
	identity         identity
	handshakeMethods []string // by which handshakes come, but no webhooks
}

// New returns the endpoint that c describes.
func New(c Config) *Endpoint {
	return &Endpoint{Config: c, identity: newIdentity(&c), handshakeMethods: c.Row.HandshakeMethods()}
}

// Arrival is a request, and what the server knows of it.
type Arrival struct {
	Writer  http.ResponseWriter
	Request *http.Request

	// Client is the sender's address; invalid if it is not known.
	Client netip.Addr

	// Trusted is whether the request comes from a proxy that the server trusts.
	Trusted bool

	// URI and Path are as they were sent, before handlers rewrote them; Path is escaped.
	URI, Path string
}

// Serve takes one webhook through the pipeline and answers the provider. Its error is that of the next
// handler, in guard mode.
func (e *Endpoint) Serve(in *Inbound, next Handler) error {
	a := e.admit(in)
	switch {
	case a != nil:
	case len(e.Destinations) == 0:
		return e.guard(in, next)
	default:
		a = e.store(in)
	}
	return e.answer(in, a)
}

// admit is the order of things: each step ends the request with an answer or
// passes it on with nil. What comes out at the end is a verified event.
func (e *Endpoint) admit(in *Inbound) *reply {
	for _, step := range []func(*Inbound) *reply{
		e.boundBody,
		e.checkLoop,
		e.requireHTTPS,
		e.checkAddress,
		e.limitAddress,
		e.checkMethod,
		e.checkPath,
		e.checkConnection,
		e.checkContentType,
		e.readBody,
		e.shakeHandsUnsigned,
		e.checkWebhookMethod,
		e.verifySignature,
		e.shakeHandsSigned,
		e.identify,
		e.checkOwnDelivery,
		e.limitVerified,
	} {
		if a := step(in); a != nil {
			return a
		}
	}
	return nil
}

// store keeps a verified event for the destinations that want it.
func (e *Endpoint) store(in *Inbound) *reply {
	if a := e.chooseDestinations(in); a != nil {
		return a
	}
	return e.accept(in)
}

// answer sends the endpoint's own answer and reports it.
func (e *Endpoint) answer(in *Inbound, a *reply) error {
	in.outcome = a.word
	e.report(in, a)
	return e.send(in, a)
}

// report tells the operator what a webhook was answered, once for each.
func (e *Endpoint) report(in *Inbound, a *reply) {
	r := e.newReport(in, a)
	for _, reporter := range e.Reporters {
		reporter.Report(r)
	}
	for _, then := range in.reporters {
		then(r)
	}
}
