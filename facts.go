package caddywebhooks

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/doctor"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// diagnose collects the facts that the doctor judges.
func (a *App) diagnose(ctx context.Context) []api.Check {
	f := doctor.Facts{
		Now: time.Now(), Config: a.config(), Attempts: process.Attempts.All(),
		Store: a.storeFacts(ctx), MaxPending: a.MaxPending, MaxStored: a.MaxStored, Memory: process.Bodies.Usage(),
	}
	for _, finding := range a.reachable().Findings(true) {
		f.Routes = append(f.Routes, doctor.Route{Level: finding.Level, Endpoint: finding.Endpoint, Message: finding.Message, Fix: finding.Fix})
	}
	for _, e := range f.Config.Endpoints {
		f.Endpoints = append(f.Endpoints, a.endpoints[e.Name].facts())
	}
	return doctor.Diagnose(f)
}

func (a *App) storeFacts(ctx context.Context) doctor.Store {
	var s doctor.Store
	s.Stats, s.Err = a.store.Stats(ctx)
	s.Condition = a.conditionOf()
	if a.use != nil {
		a.use.Look(ctx)
		s.Replaced, s.Left = a.use.Replaced(), a.use.Left()
	}
	if warner, ok := retrystore.As[retrystore.Warner](a.store); ok && s.Err == nil {
		s.Warnings, s.WarningsErr = warner.Warnings(ctx)
	}
	if user, ok := a.opener.(retrystore.DiskUser); ok {
		disk, err := user.Disk()
		s.Disk, s.DiskErr = &disk, err
	}
	return s
}

// conditionOf is the condition of the app's store; zero if it tells none.
func (a *App) conditionOf() retrystore.Condition {
	if c, ok := retrystore.As[retrystore.Conditioned](a.store); ok {
		return c.Condition()
	}
	return retrystore.Condition{}
}

// facts are what is known of the endpoint.
func (h *Handler) facts() doctor.Endpoint {
	e := doctor.Endpoint{
		Name: h.Name, Provider: h.Provider, Row: h.provider, Custom: h.Provider == custom,
		Traffic: h.traffic.Snapshot(), Uses: h.traffic.Uses(),
		Doubts: h.doubts, Wishes: h.wishes(), Twins: h.twins(),
		PlainPublic: h.isPublic(), TakesHTTP: h.RequireHTTPS != nil && !*h.RequireHTTPS, PublicHTTPS: h.publicURL.HTTPS(),
		Tolerance: time.Duration(h.Tolerance), ToleranceSet: time.Duration(h.Tolerance) != verify.DefaultTolerance, SignedTime: h.verifier.SignedTimestamp(),
		DedupeOff: h.Dedupe != nil && h.Dedupe.Off,
	}
	h.secretFacts(&e)
	if h.access.Limited() {
		e.AddressRules = append(e.AddressRules, "allow_ips")
	}
	if len(h.access.Blocked) > 0 {
		e.AddressRules = append(e.AddressRules, "block_ips")
	}
	if h.RateLimit != nil && !h.RateLimit.IP.IsZero() {
		e.AddressRules = append(e.AddressRules, "rate_limit ip")
	}
	return e
}

// secretFacts compares the secrets that are in use with those that the next load would have.
func (h *Handler) secretFacts(e *doctor.Endpoint) {
	e.Secrets, e.SecretsErr = grammar.Expand("secret", h.Secrets)
	for i, now := range e.Secrets {
		if i < len(h.configuredSecrets) && h.configuredSecrets[i] != now {
			e.Outdated = append(e.Outdated, doctor.Outdated{Index: i + 1, Placeholder: strings.Join(grammar.Placeholders(h.Secrets[i]), "")})
		}
	}
}

// isPublic reports whether one of the endpoint's servers accepts plain HTTP from outside this machine and
// private networks.
func (h *Handler) isPublic() bool {
	for place := range h.app.servers {
		if place.name == h.Name && place.server != nil && reach.ListensPublicly(place.server) {
			return true
		}
	}
	return false
}

// reachable are the endpoints on their servers.
func (a *App) reachable() reach.Endpoints {
	var all reach.Endpoints
	for place, h := range a.servers {
		if place.server == nil {
			continue
		}
		e := reach.Endpoint{Handler: h, Server: place.server, Name: h.Name, Methods: h.provider.Methods}
		for _, f := range h.Forward {
			e.Destinations = append(e.Destinations, reach.Destination{Name: f.Name, Routes: f.routes})
		}
		all = append(all, e)
	}
	return all
}

// warnOfUnreached warns at load that webhooks pass an endpoint by, or reach nothing: they would be
// unverified, and nothing would say so.
func (a *App) warnOfUnreached() {
	for _, finding := range a.reachable().Findings(false) {
		a.logger.Warn(finding.Title,
			zap.String("endpoint", finding.Endpoint), zap.String("finding", finding.Message), zap.String("remedy", finding.Fix))
	}
}

// metricsSource is what metrics about the store are read from.
func (a *App) metricsSource() telemetry.Source {
	return telemetry.Source{
		Context: a.ctx, Started: a.started, Logger: a.logger,
		Stats: func(ctx context.Context) (retrystore.Stats, error) { return a.store.Stats(ctx) },
		Condition: func() retrystore.Condition {
			condition := a.conditionOf()
			if a.use.Replaced() != "" {
				condition.Replaced++
			}
			return condition
		},
		Config:     a.config,
		LeftBehind: func() int { return a.use.LeftBehind() },
		MaxPending: func() int { return a.MaxPending },
		MaxStored:  func() int64 { return a.MaxStored },
	}
}

// ending reports whether this process ends, or has no config any more: then only the next start can tell
// what stores hold.
func ending() bool { return caddy.Exiting() || caddy.ActiveContext().Context == nil }

// config is what the app runs, for the reporters of what waits where.
func (a *App) config() *lanes.Config {
	c := &lanes.Config{Breakers: a.dispatcher.Breakers}
	for _, name := range slices.Sorted(maps.Keys(a.endpoints)) {
		h := a.endpoints[name]
		e := lanes.Endpoint{Name: h.Name, Provider: h.Provider, Traffic: h.traffic}
		for _, f := range h.Forward {
			e.Destinations = append(e.Destinations, f.Name)
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	return c
}
