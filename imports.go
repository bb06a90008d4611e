package caddywebhooks

// The modules that are built in. Each registers itself with Caddy.
import (
	_ "github.com/caddywebhooks/caddy-webhooks/internal/ipsource"            // http.ip_sources.webhook_provider
	_ "github.com/caddywebhooks/caddy-webhooks/retrystore/filestore/module"  // webhooks.stores.file
	_ "github.com/caddywebhooks/caddy-webhooks/retrystore/redisstore/module" // webhooks.stores.redis
)
