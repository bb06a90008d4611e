package module

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/redisstore"
)

// checks checks how Redis is set up, whenever the store asks.
type checks struct {
	settings *Store
	client   redis.UniversalClient
	logger   *zap.Logger

	mu   sync.Mutex
	told []string // what the latest check has logged
	away bool
}

// run looks at every master. It logs what is risky, once. An error that is
// retrystore.ErrUnavailable says that Redis is away; any other one must be repaired.
func (c *checks) run(ctx context.Context) error {
	needs := redisclient.Needs{}
	needs.Commands, needs.Keys, needs.Channels = redisstore.Needs(c.settings.Prefix)
	report, err := redisclient.Check(ctx, c.client, needs)
	away := errors.Is(err, redisclient.ErrUnreachable)
	c.tell(report, away, err)
	if away {
		return fmt.Errorf("%w: %w", retrystore.ErrUnavailable, err)
	}
	return err
}

// tell logs what the check before this one has not.
func (c *checks) tell(report redisclient.Report, away bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if away && !c.away {
		c.logger.Error("redis is not there; until it is, webhooks are answered 503", zap.Error(err))
	}
	if c.away = away; away {
		return
	}
	warnings := c.settings.risks(report)
	for _, warning := range warnings {
		if !slices.Contains(c.told, warning) {
			c.logger.Warn(warning)
		}
	}
	for _, note := range report.Notes {
		if !slices.Contains(c.told, note) {
			c.logger.Info(note)
		}
	}
	c.told = append(slices.Clone(warnings), report.Notes...)
}
