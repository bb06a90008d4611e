// Package cluster tests two built Caddys that share one Redis: either of them and Redis are killed and paused, under load,
// against an oracle that counts what was lost and what was repeated.
package cluster

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
)

func TestMain(m *testing.M) { os.Exit(proxy.Main(m)) }
