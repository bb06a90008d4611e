package caddywebhooks

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/dedupe"
	"github.com/caddywebhooks/caddy-webhooks/internal/credentials"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/httpserver"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const (
	// defaultMaxPending bounds the open deliveries of a destination.
	defaultMaxPending = 100_000
	// defaultMaxStored bounds the bytes of an endpoint in the store.
	defaultMaxStored = 10 << 30
	// leastMaxStored: a smaller bound is a slip, such as a forgotten unit.
	leastMaxStored = 1 << 10
	// maxMaxStored bounds max_stored and max_size: a larger one is a slip.
	maxMaxStored = 1 << 50
)

// setBounds checks what the store may hold, and fills in the defaults.
func (a *App) setBounds() error {
	if a.MaxPending < 0 {
		return fmt.Errorf("max_pending is %d: want a positive number", a.MaxPending)
	}
	if a.MaxStored < 0 {
		return fmt.Errorf("max_stored is %d: want a positive number of bytes", a.MaxStored)
	}
	if a.MaxStored > 0 && a.MaxStored < leastMaxStored {
		return fmt.Errorf("max_stored is %d bytes, in which hardly a webhook has room: want at least %d, as in `max_stored 10GiB`", a.MaxStored, leastMaxStored)
	}
	a.MaxPending = cmp.Or(a.MaxPending, defaultMaxPending)
	return nil
}

// setMaxStored fills in the default of max_stored: where the store itself is bounded, no
// endpoint may have more than half of it, so that a dead one leaves room for the others.
func (a *App) setMaxStored() {
	if a.MaxStored != 0 {
		return
	}
	a.MaxStored = defaultMaxStored
	if store, ok := a.opener.(retrystore.Sized); ok && store.MaxBytes() > 0 {
		a.MaxStored = min(a.MaxStored, store.MaxBytes()/2)
	}
}

// custom is the provider whose scheme the config describes.
const custom = verify.CustomName

// label names the endpoint in errors: by its own name if it has one.
func (h *Handler) label() string {
	if grammar.CheckName(h.Name) == nil && h.Name != h.Provider {
		return h.Name
	}
	if slices.Contains(grammar.ProviderNames(), h.Provider) || h.Provider == custom {
		return h.Provider
	}
	return "(of an unknown provider)"
}

// lookUpProvider finds the provider's row, or makes one of the `verify` block.
func (h *Handler) lookUpProvider() (*verify.Provider, error) {
	switch {
	case h.Provider == "":
		return nil, errors.New("the provider is missing, such as stripe or github")
	case h.Provider == custom && h.Verify == nil:
		return nil, errors.New("provider custom needs a `verify` block that says how it signs")
	case h.Provider == custom:
		return verify.Custom(*h.Verify)
	case h.Verify != nil:
		return nil, fmt.Errorf("`verify` is for provider custom; provider %s has a scheme of its own", h.Provider)
	}
	provider, ok := verify.Lookup(h.Provider)
	if !ok {
		return nil, grammar.UnknownProvider(h.Provider)
	}
	return provider, nil
}

// warnOfHandshakes names the options without which handshakes are refused.
func (h *Handler) warnOfHandshakes() {
	for _, shake := range h.provider.Handshakes {
		if shake.TokenSetting != "" && len(h.Options[shake.TokenSetting]) == 0 {
			h.logger.Warn("the provider's handshake will be refused: an option is missing",
				zap.String("endpoint", h.Name), zap.String("setting", "option "+shake.TokenSetting+" <value>"))
			return
		}
	}
}

// newVerifier expands the secrets and builds the endpoint's verifier.
func (h *Handler) newVerifier() (*verify.Verifier, error) {
	loaded, err := h.credentials(h.provider).Load()
	if err != nil {
		return nil, err
	}
	for _, doubt := range loaded.Doubts {
		h.logger.Warn(doubt, zap.String("endpoint", h.Name))
	}
	h.configuredSecrets, h.hidden = loaded.Hidden, redact.NewValues(loaded.Hidden)
	h.keyers = intake.NewKeyers(h.Name, loaded.Secrets, loaded.PublicKeys)
	return h.provider.NewVerifier(verify.Options{
		Secrets:    loaded.Secrets,
		PublicKeys: loaded.PublicKeys,
		Settings:   loaded.Options,
		Tolerance:  time.Duration(h.Tolerance),
		Now:        process.Clock,
		Keys:       process.Keys,
	})
}

// credentials are those of the configuration.
func (h *Handler) credentials(p *verify.Provider) *credentials.Configured {
	return &credentials.Configured{Provider: p, Secrets: h.Secrets, PublicKeys: h.PublicKeys, Options: h.Options}
}

// checkSettings refuses what cannot work or would not be safe.
func (h *Handler) checkSettings() error {
	return errors.Join(h.checkValues(), h.checkDedupeTTL(h.verifier.SignedTimestamp()))
}

// checkValues checks what can be checked without the keys.
func (h *Handler) checkValues() error {
	switch {
	case grammar.CheckName(h.Name) != nil:
		return grammar.CheckName(h.Name)
	case h.MaxBody < 0 || h.MaxBody > grammar.MostBody:
		return fmt.Errorf("max_body is %d: want 1 to %d bytes", h.MaxBody, grammar.MostBody)
	case h.Respond != "" && h.Respond != respondAccepted && h.Respond != respondUpstream:
		return fmt.Errorf("respond %s: want %s or %s", grammar.ShownValue(h.Respond), respondAccepted, respondUpstream)
	case h.RespondTimeout < 0:
		return fmt.Errorf("respond_timeout is %s: want a positive duration", time.Duration(h.RespondTimeout))
	case len(h.Forward) == 0 && h.Respond != "":
		return errors.New("respond is for endpoints with `forward`; without, the next handler's own answer goes to the provider")
	}
	return errors.Join(h.checkContentTypes(), h.checkLimits(), h.checkSources())
}

// checkDedupeTTL refuses to forget an event while its webhook is still valid: somebody could send it
// again.
func (h *Handler) checkDedupeTTL(signedTimestamp bool) error {
	least := dedupe.MinTTL(time.Duration(h.Tolerance))
	if ttl := time.Duration(h.DedupeTTL); ttl <= 0 || signedTimestamp && ttl < least {
		return fmt.Errorf("dedupe_ttl is %s: want at least %s, twice the tolerance, because a webhook stays valid that long", ttl, least)
	}
	return nil
}

func (h *Handler) checkContentTypes() error {
	for i, text := range h.ContentTypes {
		if strings.Contains(text, "*") {
			return errors.New("content_type: wildcards are not for content_type: name each type that the sender uses, such as application/json; without the line it is what the provider sends")
		}
		media, parameters, err := mime.ParseMediaType(text)
		if err != nil || len(parameters) > 0 || !strings.Contains(media, "/") {
			return fmt.Errorf("content_type %q: want a media type without parameters, such as application/json", text)
		}
		h.ContentTypes[i] = media // lower-case
	}
	return nil
}

func (h *Handler) checkLimits() error {
	if h.RateLimit == nil {
		return nil
	}
	for tier, l := range map[limiter.Tier]*policy.RateLimit{limiter.IP: &h.RateLimit.IP, limiter.Provider: &h.RateLimit.Provider} {
		if err := l.Check(); err != nil {
			return fmt.Errorf("rate_limit %s: %w", tier, err)
		}
	}
	return nil
}

func (h *Handler) checkSources() error {
	if h.Dedupe != nil {
		if h.Dedupe.Off && (h.Dedupe.Content || len(h.Dedupe.Sources) > 0) {
			return errors.New("dedupe is off and has sources: want one or the other")
		}
		for _, source := range h.Dedupe.Sources {
			if err := source.Validate(); err != nil {
				return fmt.Errorf("dedupe: %w", err)
			}
		}
	}
	names := make(map[string]struct{})
	for i, f := range h.Forward {
		if f == nil {
			return fmt.Errorf("forward: destination %d is null: take it out", i+1)
		}
		f.setDefaultName()
		if _, taken := names[f.Name]; taken {
			return errDestinationTaken(f.Name)
		}
		names[f.Name] = struct{}{}
	}
	return nil
}

func errDestinationTaken(name string) error {
	return fmt.Errorf("two destinations are named %q: give one of them another with `name`", name)
}

// defaultMaxBody has room for the provider's largest webhooks, but leaves room for other endpoints.
func (a *App) defaultMaxBody(p *verify.Provider) int64 {
	budget := inflight.DefaultLimit()
	if a.MaxBodyMemory > 0 {
		budget = a.MaxBodyMemory
	}
	return max(leastMaxBody, min(p.MaxBody, budget/4-inflight.Overhead))
}

// bodyMemory is the budget for bodies, in bytes.
func (a *App) bodyMemory() int64 {
	if a.MaxBodyMemory > 0 {
		return a.MaxBodyMemory
	}
	memory := inflight.DefaultLimit()
	for _, h := range a.endpoints {
		memory = max(memory, 4*(h.MaxBody+inflight.Overhead))
	}
	return memory
}

// checkBodyMemory refuses a budget in which the endpoint's largest body may never find room.
func (a *App) checkBodyMemory(h *Handler) error {
	if a.MaxBodyMemory < 0 {
		return fmt.Errorf("max_body_memory is %d: want a positive number of bytes", a.MaxBodyMemory)
	}
	if least := 2 * (h.MaxBody + inflight.Overhead); a.MaxBodyMemory > 0 && a.MaxBodyMemory < least {
		return fmt.Errorf("max_body is %d bytes, of which the global option max_body_memory, %d bytes, has no room for two: want max_body_memory of at least %d, or a smaller max_body",
			h.MaxBody, a.MaxBodyMemory, least)
	}
	return nil
}

// checkHeaderNames refuses settings that read a header which the server drops. nil stands for a
// server that expects no such header, and so drops them all.
func (h *Handler) checkHeaderNames(server *caddyhttp.Server) error {
	if h.Verify != nil {
		for setting, name := range h.Verify.HeaderNames() {
			if err := httpserver.CheckHeader(server, "verify: "+setting, name); err != nil {
				return err
			}
		}
	}
	if h.Dedupe != nil {
		for _, source := range h.Dedupe.Sources {
			if source.From == verify.FromHeader {
				if err := httpserver.CheckHeader(server, "dedupe", source.Name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// countedBy counts the rate limits. Before the app was started, this process does.
func (a *App) countedBy() limiter.Backend {
	select {
	case <-a.started:
		return a.limits
	default:
		return process.Limits
	}
}
