// Package intake takes one webhook from its request to its answer. Start reading here: Serve, then the
// steps that admit lists, in their order, then store or guard.
//
// It knows no configuration and no Caddy: an endpoint is described by a Config, and the HTTP server around
// it is behind the interface Server.
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

// Config describes an endpoint. Fields are required unless they say otherwise.
type Config struct {
	// Name is the endpoint's name, Provider the provider's name as it is configured.
	Name, Provider string

	// Row is the provider's row, or the one that was made from the configuration.
	Row *verify.Provider

	// Verifier checks the endpoint's webhooks. A webhook is checked by the verifier that was current when
	// it arrived.
	Verifier *verify.Current

	// RequireHTTPS refuses what was sent by plain HTTP.
	RequireHTTPS bool

	// PublicURL is the URL that the provider calls, where the request does not show it. The zero PublicURL
	// changes nothing.
	PublicURL PublicURL

	// Access says which addresses may send. The zero Access lets in all.
	Access Access

	// Limits bound how many webhooks may come in.
	Limits Limits

	// Body bounds the size and time of a body.
	Body Body

	// ContentTypes are the accepted media types, lower-case; none: all.
	ContentTypes []string

	// Dedupe says what identifies an event; nil: the provider's row decides.
	Dedupe *Dedupe

	// KeyTTL is how long an event is remembered.
	KeyTTL time.Duration

	// Keyers make the event keys; see NewKeyers.
	Keyers Keyers

	// Destinations are where events go. With RespondUpstream the first one answers. None: guard mode.
	Destinations []Destination

	// RespondUpstream makes the provider wait for the application's answer, for RespondTimeout at most.
	RespondUpstream bool
	RespondTimeout  time.Duration

	// GuardPatience is how long the next handler may continue in guard mode after the provider has
	// disconnected. Providers wait for some seconds and then send again. If the disconnect ended the
	// first request, the second one would start while the application still works on the first.
	GuardPatience time.Duration

	// Headers handles the headers of the endpoint's webhooks.
	Headers envelope.Headers

	// Secrets are the places of values that must be hidden from people; see retrystore.Event.Secrets.
	Secrets []string

	// Accept stores an event durably and starts its delivery. done, if it is not nil, gets the result of
	// the first target's attempt; see forward.Dispatcher.
	Accept func(ctx context.Context, s *retrystore.Submission, done Done) (retrystore.Receipt, error)

	// Guard keeps the keys of events in guard mode. It fails while the store is not open.
	Guard func(ctx context.Context) (retrystore.Guard, error)

	// EndpointOf names the endpoint of a stored delivery; empty if there is none of that id.
	EndpointOf func(ctx context.Context, id string) (endpoint string, err error)

	// Waits makes the contexts for waiting on the store, and Serving counts the webhooks that are being
	// worked on. Endpoints share both.
	Waits   *Waits
	Serving *Serving

	// Server is the HTTP server around the endpoint.
	Server Server

	// Offered keeps a secret that a handshake handed over. If it fails, the provider is told to try again later.
	Offered func(in *Inbound, secret string) error

	// HideError hides secrets in an error about a webhook.
	HideError func(err error, e *retrystore.Event) error

	// SawChanged is called when a refusal went out as a success.
	SawChanged func(code, status int)

	// Reporters are called with each webhook once it is answered, in their order.
	Reporters []Reporter

	// Logger and Now are the endpoint's log and clock.
	Logger *zap.Logger
	Now    func() time.Time
}

// Done gets the result of an attempt; made is false if no attempt is made now.
type Done = func(a forward.Answer, s retrystore.Settlement, made bool)

// Body bounds the bodies of webhooks.
type Body struct {
	// Max is the largest accepted body, in bytes.
	Max int64

	// Memory is shared by the bodies of all endpoints.
	Memory *inflight.Budget

	// Time is how long a body of up to 1 MiB may take. Without a bound a sender that trickles would hold
	// its connection, a goroutine and what has arrived for days: Caddy's own read_idle_timeout starts
	// anew with each byte.
	Time time.Duration
}

// Server is what the endpoint needs of the HTTP server around it.
type Server interface {
	// PastInterceptors returns the writer behind handlers that may replace the status of an answer.
	PastInterceptors(w http.ResponseWriter) http.ResponseWriter

	// WatchStatus calls changed, when the server is done with the request, if a success went out in place
	// of the refusal that was written.
	WatchStatus(w http.ResponseWriter, r *http.Request, changed func(status int))

	// StatusOf is the server's answer to the error of a handler, and the error without the server's trace
	// of it. The status is 0 if the error names none.
	StatusOf(err error) (status int, cause error)

	// LeaveToErrorRoutes has other handlers answer a webhook that the next handler failed at. It returns
	// false if there are none.
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
	handshakeMethods []string // of handshakes, but not of webhooks
	challenge        string   // of a 401; empty: none
}

// New returns the endpoint that c describes.
func New(c Config) *Endpoint {
	return &Endpoint{Config: c, identity: newIdentity(&c), handshakeMethods: c.Row.HandshakeMethods(), challenge: challengeOf(c.Row)}
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

// Serve takes one webhook through the pipeline and answers the provider. In guard mode it returns the
// error of the next handler.
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

// admit is the order of the checks. Each step ends the request with an answer, or passes it on with nil.
// After the last step the event is verified.
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

// report tells the reporters of the webhook's answer, once for each webhook.
func (e *Endpoint) report(in *Inbound, a *reply) {
	r := e.newReport(in, a)
	for _, reporter := range e.Reporters {
		reporter.Report(r)
	}
	for _, then := range in.reporters {
		then(r)
	}
}
