package lanes

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// WarnOfOrphans names the stored deliveries that this config delivers nowhere:
// they stay until their endpoint and destination are back, or they are deleted.
func (c *Config) WarnOfOrphans(ctx context.Context, store retrystore.Inspector, logger *zap.Logger) {
	stats, err := store.Stats(ctx)
	if err != nil {
		logger.Warn("counting stored deliveries", zap.Error(err))
		return
	}
	for _, lane := range stats.Lanes {
		if open := lane.Pending + lane.Leased; open > 0 && !c.Has(lane.Lane) {
			logger.Warn("stored deliveries have no destination in this config; they are kept",
				zap.String("endpoint", lane.Endpoint),
				zap.String("destination", lane.Destination),
				zap.Int("pending", open),
				zap.String("advice", "if the endpoint or destination was renamed, give it this name again until they are delivered; under a new name of an endpoint no event is known as seen"))
		}
	}
}
