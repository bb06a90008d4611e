// Package process is what outlives a config: what the old config and the new one share across a reload,
// and what must be remembered until the process ends. All of it is here; the only other variables of the
// module that change are counters of metrics.
package process

import (
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

var (
	// Traffic is what came to the endpoints, for the doctor, across reloads.
	Traffic traffic.Log

	// Attempts counts attempts since the start of the process, for the doctor.
	Attempts lanes.Counter

	// Jobs are the bulk jobs: a reload does not interrupt them.
	Jobs adminapi.Jobs

	// Bodies is the memory for bodies of all endpoints. A reload resizes it, and memory that old configs
	// still hold counts.
	Bodies = inflight.New(inflight.DefaultLimit())

	// Limits are the rate limits that this process counts by itself. Spent tokens stay spent across a
	// reload, and a new limit applies from its first request on.
	Limits limiter.Backend = limiter.NewLocal(limiter.LocalOptions{})

	// Draining counts the dispatchers of replaced configs that finish their last attempts.
	Draining safe.Group
)

// Tests shorten these.
var (
	// BodyTime is how long a body of up to 1 MiB may take; see intake.Body.
	BodyTime = 30 * time.Second

	// GuardPatience is that of intake.Config.
	GuardPatience = time.Minute
)
