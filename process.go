package caddywebhooks

import (
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
)

// traffics is what came to the endpoints of this process, across reloads.
var traffics traffic.Log

// jobs are the bulk work of this process: a reload does not interrupt it.
var jobs adminapi.Jobs

// attempts are those of this process.
var attempts lanes.Counter

// watchTraffic is the handler's view of its endpoint's traffic.
func watchTraffic(h *Handler) traffic.View {
	secrets, err := grammar.Expand("secret", h.Secrets)
	if err != nil || len(h.PublicKeys) > 0 {
		secrets = nil // a public key may have proved a webhook
	}
	return traffics.Watch(h.Name, secrets, h.now())
}

// bodies is the memory for bodies of all endpoints. It belongs to the process: a reload
// resizes it, and what old configs still hold counts.
var bodies = inflight.New(inflight.DefaultLimit())

// minBodyTime is how long a body of up to 1 MiB may take; see intake.Body. Tests shorten it.
var minBodyTime = 30 * time.Second

// guardPatience is intake.Config.GuardPatience. Tests shorten it.
var guardPatience = time.Minute
