package caddywebhooks

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/offered"
)

// reasonOffered is why a handshake with a secret was refused: there was no place for it.
const reasonOffered = "offered_secret"

func (h *Handler) shakeHandsUnsigned(in *inbound) *answer { return h.shakeHands(in, false) }
func (h *Handler) shakeHandsSigned(in *inbound) *answer   { return h.shakeHands(in, true) }

func (h *Handler) shakeHands(in *inbound, verified bool) *answer {
	reply, ok := h.verifier.Handshake(&in.signed, verified)
	if !ok {
		return nil
	}
	if secret, offered := h.verifier.OfferedSecret(&in.signed); offered {
		if a := h.keepOffered(in, secret); a != nil {
			return a
		}
	}
	return handshake(reply)
}

// keepOffered saves a secret that was handed over, or returns the answer that
// has the provider try again later.
func (h *Handler) keepOffered(in *inbound, secret string) *answer {
	all := offered.Directory{Path: filepath.Join(caddy.AppDataDir(), "webhooks", "offered"), InUse: h.inUse}
	kept, err := all.Save(offered.Offer{Endpoint: h.Name, Secret: secret, From: in.clientIP}, time.Now())
	if err != nil {
		return unavailable(retryLater, reasonOffered, err)
	}
	fields := []zap.Field{
		zap.String("endpoint", h.Name), zap.String("file", kept.Path), zap.String("setting", "secret {file."+kept.Path+"}"),
		zap.String("client_ip", in.clientName()), zap.String("correlation_id", in.correlationID),
	}
	if kept.Removed != "" {
		fields = append(fields, zap.String("removed_file", kept.Removed))
	}
	h.logger.Warn("a secret was offered to an endpoint; if that was the provider, add the file to the endpoint's secrets, else remove it", fields...)
	return nil
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
