package caddywebhooks

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// providerRanges stands in allow_ips for what the provider publishes.
const providerRanges = "provider"

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
		if text == providerRanges {
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
