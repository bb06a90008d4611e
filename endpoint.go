package caddywebhooks

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/httpserver"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
	"github.com/caddywebhooks/caddy-webhooks/internal/offered"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// newEndpoint is the pipeline of the handler's webhooks.
func (h *Handler) newEndpoint(server httpserver.Server) *intake.Endpoint {
	config := intake.Config{
		Name:         h.Name,
		Provider:     h.Provider,
		Row:          h.provider,
		Verifier:     h.current,
		RequireHTTPS: h.RequireHTTPS == nil || *h.RequireHTTPS,
		PublicURL:    h.publicURL,
		Access:       h.access,
		Limits:       h.limits(),
		Body:         intake.Body{Max: h.MaxBody, Memory: process.Bodies, Time: process.BodyTime},
		ContentTypes: h.ContentTypes,
		KeyTTL:       time.Duration(h.DedupeTTL),
		Keyers:       h.keyers,

		RespondUpstream: h.Respond == respondUpstream,
		RespondTimeout:  time.Duration(h.RespondTimeout),
		GuardPatience:   process.GuardPatience,
		Headers:         h.headers,
		Secrets:         redact.Marks(h.verifier.SecretPlaces()),

		Accept:     h.app.accept,
		Guard:      h.app.guard,
		EndpointOf: h.app.endpointOf,
		Waits:      &h.app.waits,
		Serving:    &h.app.serving,
		Server:     server,
		Offered:    h.keepOffered,
		HideError:  func(err error, e *retrystore.Event) error { return h.hides().Error(err, e, nil) },
		SawChanged: func(code, status int) {
			h.traffic.SawChanged(traffic.Changed{At: h.now(), Code: code, Status: status})
		},
		Reporters: []intake.Reporter{intake.LogReporter{Logger: h.logger, Hide: h.hidden.Text}, telemetry.Webhooks{}, h.traffic},
		Logger:    h.logger,
		Now:       h.now,
	}
	if h.Dedupe != nil {
		config.Dedupe = &intake.Dedupe{Off: h.Dedupe.Off, Sources: h.Dedupe.Sources, Content: h.Dedupe.Content}
	}
	for _, f := range h.Forward {
		config.Destinations = append(config.Destinations, intake.Destination{Name: f.Name, Wants: f.wants, Priority: f.priority})
	}
	return intake.New(config)
}

// limits are the handler's and the app's.
func (h *Handler) limits() intake.Limits {
	l := intake.Limits{Global: h.app.RateLimit.Limit(), Backend: h.app.countedBy, Deny: h.app.RateLimitOnError == policy.OnErrorDeny}
	if h.RateLimit != nil {
		l.IP, l.Provider = h.RateLimit.IP.Limit(), h.RateLimit.Provider.Limit()
	}
	if h.app.RateLimitOnError == policy.OnErrorLocal {
		l.Own = process.Limits
	}
	return l
}

// guard is the store's, once the app has started.
func (a *App) guard(ctx context.Context) (retrystore.Guard, error) {
	return a.store, a.ready(ctx)
}

// endpointOf names the endpoint of a stored delivery; empty if there is none, or the store cannot tell.
func (a *App) endpointOf(ctx context.Context, id string) (string, error) {
	if err := a.ready(ctx); err != nil {
		return "", err
	}
	d, err := a.store.Get(ctx, id)
	if err != nil {
		return "", nil //nolint:nilerr // whether the store works is for accept to see
	}
	return d.Endpoint, nil
}

// keepOffered keeps a secret that a handshake handed over.
func (h *Handler) keepOffered(in *intake.Inbound, secret string) error {
	all := offered.Directory{Path: filepath.Join(caddy.AppDataDir(), "webhooks", "offered"), InUse: h.inUse}
	return all.Keep(offered.Offer{Endpoint: h.Name, Secret: secret, From: in.Client()}, h.logger,
		zap.String("client_ip", in.ClientName()), zap.String("correlation_id", in.CorrelationID()))
}

// inUse reports whether an endpoint of the config has the secret.
func (h *Handler) inUse(secret string) bool {
	for _, other := range h.app.endpoints {
		if slices.Contains(other.configuredSecrets, secret) {
			return true
		}
	}
	return false
}

// parsePublicURL expands and reads public_url.
func parsePublicURL(text string) (intake.PublicURL, error) {
	if text == "" {
		return intake.PublicURL{}, nil
	}
	expanded, err := grammar.Expand("public_url", []string{text})
	if err != nil {
		return intake.PublicURL{}, err
	}
	return intake.ParsePublicURL(expanded[0])
}

// What `respond` may say.
const (
	respondAccepted = "accepted"
	respondUpstream = "upstream"
)

func defaultRespondTimeout(provider string) time.Duration {
	if provider == "slack" {
		return 2500 * time.Millisecond
	}
	return 10 * time.Second
}

func (h *Handler) hides() redact.Hidden {
	return redact.Hidden{Places: h.verifier.SecretPlaces(), Values: h.hidden}
}

// hides is what is hidden of an endpoint, also of one that the running config no longer has.
func (a *App) hides(endpoint string) redact.Hidden {
	if h, ok := a.endpoints[endpoint]; ok {
		return h.hides()
	}
	return redact.Hidden{}
}

// watchTraffic is the handler's view of its endpoint's traffic.
func (h *Handler) watchTraffic() traffic.View {
	secrets, err := grammar.Expand("secret", h.Secrets)
	if err != nil || len(h.PublicKeys) > 0 {
		secrets = nil // a public key may have proved a webhook
	}
	return process.Traffic.Watch(h.Name, secrets, h.now())
}

// newAccess prepares block_ips and allow_ips. What it loads lives as long as ctx.
func (h *Handler) newAccess(ctx caddy.Context) (intake.Access, error) {
	var a intake.Access
	for _, text := range h.BlockIPs {
		prefix, err := verify.ParsePrefix(text)
		if err != nil {
			return a, fmt.Errorf("block_ips: %w", err)
		}
		a.Blocked = append(a.Blocked, prefix)
	}
	for _, text := range h.AllowIPs {
		if text == ipsource.Provider {
			if _, err := ipsource.Of(h.provider); err != nil {
				return a, fmt.Errorf("allow_ips provider: %w", err)
			}
			config := caddyconfig.JSON(ipsource.Source{Provider: h.Provider}, nil)
			source, err := ctx.LoadModuleByID(ipsource.ID, config)
			if err != nil {
				return a, fmt.Errorf("allow_ips provider: %w", err)
			}
			a.Sources = append(a.Sources, source.(caddyhttp.IPRangeSource))
			continue
		}
		prefix, err := verify.ParsePrefix(text)
		if err != nil {
			return a, fmt.Errorf("allow_ips: %w", err)
		}
		a.Allowed = append(a.Allowed, prefix)
	}
	if h.AllowIPSourcesRaw != nil {
		sources, err := ctx.LoadModule(h, "AllowIPSourcesRaw")
		if err != nil {
			return a, fmt.Errorf("allow_ips: %w", err)
		}
		for _, source := range sources.([]any) {
			a.Sources = append(a.Sources, source.(caddyhttp.IPRangeSource))
		}
	}
	return a, nil
}
