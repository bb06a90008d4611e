package caddywebhooks

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// secretPlaces are the places of what nobody is shown of the endpoint's events: secrets that
// are sent as they are, and what proves a webhook.
func (h *Handler) secretPlaces() []verify.Source {
	return slices.Concat(h.verifier.Credentials(), h.verifier.Proofs())
}

// loggedPlaces are those of what must not be logged of the endpoint's requests: secrets that are
// sent as they are, and what handshakes are answered with. Signatures are no secrets, and
// stay as Caddy logs them.
func (h *Handler) loggedPlaces() []verify.Source {
	return slices.Concat(h.verifier.Credentials(), h.verifier.Challenges())
}
