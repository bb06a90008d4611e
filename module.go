package caddywebhooks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/httpserver"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Defaults of the handler's settings.
const (
	leastMaxBody     = 1 << 20 // of the default of max_body
	defaultDedupeTTL = 24 * time.Hour
)

// Handler receives the webhooks of one provider: one endpoint. It answers the
// provider itself; no handler behind it in the route is called, except in guard
// mode (no `forward`).
//
// An event is acknowledged only after it is durable in the store of the
// `webhooks` app, and is then delivered to every destination in `forward` that
// wants its type.
//
// Placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.webhooks.endpoint}` | The endpoint's name
// `{http.webhooks.provider}` | The provider's name
// `{http.webhooks.event_id}` | The provider's id of the event, once verified
// `{http.webhooks.event_type}` | The event's type, once verified
// `{http.webhooks.correlation_id}` | The id that links answer, logs and delivery
// `{http.webhooks.outcome}` | What the provider was told, such as `accepted` or `duplicate`
type Handler struct {
	// Who sends: the name of a row in the table of providers, such as
	// "stripe" or "github", or "custom" together with `verify`. Required.
	Provider string `json:"provider,omitempty"`

	// The endpoint's name, in logs, in the store and in the admin API. Unique in
	// a config. Default: the provider's name. Renaming an
	// endpoint leaves its stored deliveries under the old name.
	Name string `json:"name,omitempty"`

	// Shared secrets. Any of them may have signed a webhook, so a secret can be
	// rotated without losing one: add the new one, switch the provider, remove
	// the old one. The first is used to sign. Global placeholders such as
	// {env.STRIPE_SECRET} and {file./run/secrets/stripe} are expanded when the
	// config is loaded; one that is unset or empty is an error.
	Secrets []string `json:"secrets,omitempty"`

	// Public keys, for providers that sign with a private key. As with secrets,
	// any may match and placeholders are expanded.
	PublicKeys []string `json:"public_keys,omitempty"`

	// What else the provider's webhooks need, by name, such as the token of a
	// handshake: `caddy webhooks providers <name>` lists them. Placeholders are expanded.
	Options map[string][]string `json:"options,omitempty"`

	// How far a signed timestamp may be from now, in the past and in the
	// future. Default: 5m. It has no effect with schemes that sign no timestamp.
	Tolerance caddy.Duration `json:"tolerance,omitempty"`

	// How provider "custom" signs. Not allowed with another provider.
	Verify *verify.Scheme `json:"verify,omitempty"`

	// Whether plain HTTP is refused. A request is HTTPS if its connection is,
	// or if a proxy that the server trusts (`trusted_proxies`) says so in
	// X-Forwarded-Proto, or if public_url says so. Default: true.
	RequireHTTPS *bool `json:"require_https,omitempty"`

	// The URL that the provider calls, where proxies in front hide it: scheme and host, and the path if it
	// is another one here; "/*" at the end of a path puts that path before the path of the request.
	// Signatures of URLs are compared with it, and it tells whether the provider uses HTTPS. Default: the
	// URL of the request, with what a trusted proxy says in X-Forwarded-Proto and X-Forwarded-Host.
	PublicURL string `json:"public_url,omitempty"`

	// Addresses and CIDRs that may not send.
	BlockIPs []string `json:"block_ips,omitempty"`

	// Addresses and CIDRs that may send; "provider" stands for those that the
	// provider publishes. If this or allow_ip_sources is set, nobody else may. Default: everybody.
	AllowIPs []string `json:"allow_ips,omitempty"`

	// Further sources of addresses that may send.
	AllowIPSourcesRaw []json.RawMessage `json:"allow_ip_sources,omitempty" caddy:"namespace=http.ip_sources inline_key=source"`

	// How many webhooks may come in. Default: no limits.
	RateLimit *policy.RateLimits `json:"rate_limit,omitempty"`

	// The largest accepted body, in bytes. Default: what the provider's largest webhooks
	// have, if it says so, up to a quarter of max_body_memory; at least 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// Accepted media types, without parameters. Default: what the provider sends.
	ContentTypes []string `json:"content_types,omitempty"`

	// What identifies an event. Default: the provider's event id; if there is none, a hash of the
	// endpoint, the signed timestamp, path, query and body.
	Dedupe *Dedupe `json:"dedupe,omitempty"`

	// How long an event is remembered, counted from its acceptance. Default:
	// 24h. It must be at least twice the tolerance where the provider signs a
	// timestamp: that long one webhook stays valid.
	DedupeTTL caddy.Duration `json:"dedupe_ttl,omitempty"`

	// What the provider is answered with. "accepted" (default) answers as soon as the event is stored.
	// "upstream" makes the first attempt at once, at the first destination that wants the event, and
	// relays its answer if that is a success: for Slack's commands, TwiML and the like. If the attempt
	// fails or takes longer than respond_timeout, or the destination is busy, the answer is "accepted" and
	// the event is delivered like any other.
	Respond string `json:"respond,omitempty"`

	// How long the provider waits for the application with respond "upstream".
	// The attempt itself may go on longer. Default: 2.5s where the provider is
	// Slack, which gives up after 3s, else 10s.
	RespondTimeout caddy.Duration `json:"respond_timeout,omitempty"`

	// Where events go. None: guard mode, in which the next handler of the route
	// does the work while the provider waits. Its answer goes to the provider. An
	// event is remembered once the answer was a 2xx; while it is undecided a
	// repeat is answered 409, and after a failure the provider's retry is let through.
	Forward []*Forward `json:"forward,omitempty"`

	settings  json.RawMessage
	app       *App
	logger    *zap.Logger
	provider  *verify.Provider
	verifier  *verify.Verifier // of the configuration as it was loaded
	current   *verify.Current
	keyers    intake.Keyers
	publicURL intake.PublicURL
	headers   envelope.Headers
	access    intake.Access
	endpoint  *intake.Endpoint
	tracer    *telemetry.Tracer
	now       func() time.Time

	traffic traffic.View
	doubts  []string // of the globs of event types

	configuredSecrets []string
	hidden            redact.Values // the same, for logs
	masked            *httpserver.Log
}

// Dedupe says what identifies an event.
type Dedupe struct {
	// Off stores every webhook, even one that was stored before.
	Off bool `json:"off,omitempty"`

	// Where the identifying values are. All of them together identify an event;
	// webhooks in which one is missing are one event if signed time, type and content are the same.
	Sources []verify.Source `json:"sources,omitempty"`

	// Whether webhooks without these values are one event if their type and signed content
	// are the same, whenever they were signed.
	Content bool `json:"content,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.webhooks",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets up the endpoint and registers it with the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.now, h.tracer = time.Now, new(telemetry.Tracer)
	h.setDefaults()
	h.settings = caddyconfig.JSON(h, nil) // now: Caddy empties raw modules when it loads them
	if err := h.provision(ctx); err != nil {
		return fmt.Errorf("endpoint %s: %w", h.label(), grammar.AtOrigin(h.Name, err))
	}
	return nil
}

func (h *Handler) setDefaults() {
	if h.Name == "" {
		h.Name = h.Provider
	}
	if h.Tolerance == 0 {
		h.Tolerance = caddy.Duration(verify.DefaultTolerance)
	}
	if h.DedupeTTL == 0 {
		h.DedupeTTL = caddy.Duration(defaultDedupeTTL)
	}
	if h.RespondTimeout == 0 {
		h.RespondTimeout = caddy.Duration(defaultRespondTimeout(h.Provider))
	}
}

func (h *Handler) provision(ctx caddy.Context) error {
	var err error
	if h.provider, err = h.lookUpProvider(); err != nil {
		return err
	}
	app, err := ctx.App("webhooks")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if h.MaxBody == 0 {
		h.MaxBody = h.app.defaultMaxBody(h.provider)
	}
	if len(h.ContentTypes) == 0 {
		h.ContentTypes = slices.Clone(h.provider.ContentTypes)
	}
	if h.verifier, err = h.newVerifier(); err != nil {
		return err
	}
	h.current = verify.NewCurrent(h.verifier)
	if err := h.checkSettings(); err != nil {
		return err
	}
	if err := h.checkHeaderNames(httpserver.ServerOf(ctx)); err != nil {
		return err
	}
	if h.access, err = h.newAccess(ctx); err != nil {
		return err
	}
	if h.publicURL, err = parsePublicURL(h.PublicURL); err != nil {
		return err
	}
	if h.masked, err = httpserver.NewLog(ctx, httpserver.Secrets{
		Places: h.verifier.LoggedPlaces(), Values: h.configuredSecrets, Bearer: h.verifier.Bearer(),
	}); err != nil {
		return err
	}
	h.warnOfHandshakes()
	if err := h.warnOfTypes(); err != nil {
		return err
	}
	h.headers = envelope.New(h.Name, h.verifier, len(h.Forward) == 0)
	for _, f := range h.Forward {
		if err := f.provision(ctx, h); err != nil {
			return fmt.Errorf("forward %s: %w", f.Name, err)
		}
	}
	h.warnOfTwins()
	h.warnOfLedDestinations()
	h.traffic = h.watchTraffic()
	var server httpserver.Server
	if s := httpserver.ServerOf(ctx); s != nil && len(h.Forward) == 0 {
		server.ErrorRoutes = httpserver.WatchErrorRoutes(s)
	}
	h.endpoint = h.newEndpoint(server)
	return h.app.register(ctx, h)
}

// Cleanup ends what the verifier may be fetching.
func (h *Handler) Cleanup() error {
	if h.verifier != nil {
		h.verifier.Close()
	}
	return nil
}

// ServeHTTP takes one webhook through the pipeline, which is in package intake, and answers the provider.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (err error) {
	h.app.serving.Enter()
	defer h.app.serving.Leave()
	in := h.endpoint.Begin(httpserver.ArrivalOf(w, r))
	defer in.End()
	if line := h.masked.Begin(w, r, in.URI(), in.BodySize); line != nil {
		defer func() { line.End(err) }()
	}
	httpserver.OfferPlaceholders(r, func(name string) (string, bool) { return h.endpoint.Placeholder(in, name) })
	h.tracer.Begin(in, h.Name, h.Provider)
	return h.endpoint.Serve(in, next)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
