package caddywebhooks

import (
	"slices"
	"time"

	"go.uber.org/zap"
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
	all := offers{directory: offeredDirectory(), most: maxOffered, inUse: h.inUse}
	kept, err := all.save(offer{endpoint: h.Name, secret: secret, from: in.clientIP}, time.Now())
	if err != nil {
		return unavailable(retryLater, reasonOffered, err)
	}
	fields := []zap.Field{
		zap.String("endpoint", h.Name), zap.String("file", kept.path), zap.String("setting", "secret {file."+kept.path+"}"),
		zap.String("client_ip", in.clientName()), zap.String("correlation_id", in.correlationID),
	}
	if kept.removed != "" {
		fields = append(fields, zap.String("removed_file", kept.removed))
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
