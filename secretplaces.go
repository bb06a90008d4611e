package caddywebhooks

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// secretPlaces are the places of what nobody is shown of the endpoint's events: secrets that
// are sent as they are, and what proves a webhook.
func (h *Handler) secretPlaces() []verify.Source {
	return slices.Concat(h.verifier.Credentials(), h.verifier.Proofs())
}

// loggedSecrets hides what of the endpoint's requests must not be logged: secrets that are
// sent as they are, and what handshakes are answered with. Signatures are no secrets, and
// stay as Caddy logs them.
func (h *Handler) loggedSecrets() *redact.Mask {
	return redact.New(slices.Concat(h.verifier.Credentials(), h.verifier.Challenges()))
}
